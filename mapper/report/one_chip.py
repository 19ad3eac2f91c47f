"""What a report says of one die: which it is, and what differs on it from the ideal chip."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDifference:
    """Of one layer on crossbars; counts are steps between two levels of a cell."""

    layer: str
    copies: int
    cells_differ: float
    """Share of net cells that are not what they were programmed to, 0..1."""
    cell_error: float
    """Root mean square of their errors, in counts."""
    references_differ: float
    """Share of references that do not lie between the two sums that they tell apart, 0..1."""
    reference_error: float
    """Root mean square of what references are off, in counts."""
    read_noise: float
    """Standard deviation from read to read, in counts."""


class OneChip(Protocol):
    """A die: what is not in its name is worked out when a page is laid out."""

    @property
    def named(self) -> str:
        """Which die it is, of what."""

    @property
    def layers(self) -> tuple[LayerDifference, ...]:
        """What differs in each layer, in execution order."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Which imperfections are not known, and which facts nobody verified."""

    @property
    def cites(self) -> tuple[str, ...]:
        """Keys of the works that its devices come from."""
