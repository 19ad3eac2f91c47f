"""What samplers are asked and told: a batch of points, and the points before it."""

from collections.abc import Sequence
from dataclasses import dataclass

from mapper.exploration.grid import Axes, Point, size_of
from mapper.exploration.sampling import Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A point that was looked at, as samplers are told of it."""

    point: Point
    values: tuple[float, ...]
    """Of each objective; those of a point without one are the worst there are."""
    violations: tuple[float, ...]
    """How far each bound is missed, 0..1, and 0 where it holds; all 0: the point is feasible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch that is asked for."""

    axes: Axes
    best: tuple[str, ...]
    """``min`` or ``max`` of each objective."""
    sampling: Sampling
    number: int
    """From 0 on."""
    told: Sequence[Told]
    """Every point of the batches before, in the order of their numbers."""

    @property
    def first(self) -> int:
        """The number of its first point."""
        return self.number * self.sampling.batch

    @property
    def count(self) -> int:
        """How many points it has; the space may not have more."""
        return min(self.sampling.batch, size_of(self.axes) - self.first)
