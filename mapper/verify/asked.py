"""What of ``verify`` was asked for: which rings, and how much of a recording."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from mapper.diagnostics import refuse
from mapper.ir.core import Array
from mapper.recordings import Recording
from mapper.verify.result import NOT_CHOSEN, RINGS, RULES, STOPPED, Extent, Ring, Verification


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Rings by name, and how many time steps and samples to use, from the first; None is all."""

    rings: frozenset[str] | None = None
    steps: int | None = None
    samples: int | None = None

    @classmethod
    def of(
        cls,
        rings: str | int | Sequence[str | int] | None = None,
        steps: int | None = None,
        samples: int | None = None,
    ) -> "Asked":
        """Take what a user wrote: ``"2,4"``, ``"4-executor"``, ``[2, 4]``.

        Raises:
            MappingError: ``unknown-ring``; ``verify-extent`` for less than one step or sample.
        """
        for name, number in (("--steps", steps), ("--samples", samples)):
            if number is not None and (type(number) is not int or number < 1):
                raise refuse("verify-extent", f"{number!r} is asked for, at least 1", loc=name)
        if rings is None:
            return cls(steps=steps, samples=samples)
        if isinstance(rings, int):
            rings = [rings]
        parts = rings.split(",") if isinstance(rings, str) else map(str, rings)
        return cls(rings=frozenset(map(_ring_of, parts)), steps=steps, samples=samples)

    def wants(self, ring: str) -> bool:
        """Say whether a ring is to be run."""
        return self.rings is None or ring in self.rings

    def cut(self, recording: Recording) -> tuple[Recording, Extent]:
        """Return the part of a recording that is used, and how much of it that is."""
        of_steps, of_samples = next(iter(recording.inputs.values())).shape[:2]
        extent = Extent(
            steps=min(self.steps or of_steps, of_steps),
            of_steps=of_steps,
            samples=min(self.samples or of_samples, of_samples),
            of_samples=of_samples,
        )
        if extent.whole:
            return recording, extent
        first = (slice(extent.steps), slice(extent.samples))
        inputs = {name: array[first] for name, array in recording.inputs.items()}
        arrays = {n: _first(n, a, extent, first) for n, a in recording.arrays.items()}
        taken = recording.taken._replace(steps=extent.steps, samples=extent.samples)
        arrays |= inputs
        return replace(recording, inputs=inputs, arrays=arrays, taken=taken), extent


EVERYTHING = Asked()


def _first(name: str, array: Array, extent: Extent, first: tuple[slice, slice]) -> Array:
    """Return what belongs to the part that is used of labels and reference outputs."""
    if name == "labels":
        return array[: extent.samples]
    whole = array.ndim >= 2 and array.shape[:2] == (extent.of_steps, extent.of_samples)
    return array[first] if whole else array


def _ring_of(text: str) -> str:
    known = {name.partition("-")[0]: name for name in RINGS} | {name: name for name in RINGS}
    name = known.get(text.strip())
    if name is None:
        raise refuse(
            "unknown-ring",
            f"there is no ring {text.strip()!r}",
            loc="--rings",
            help=f"numbers or names, with commas between them: {', '.join(RINGS)}",
        )
    return name


Ended = Callable[[Verification], None]
"""Called whenever a ring has ended, with all that have and the others as stopped."""


@dataclass(slots=True)
class Rings:
    """The rings of a run so far."""

    asked: Asked = EVERYTHING
    extent: Extent | None = None
    ended: Ended = lambda found: None
    _found: dict[str, Ring] = field(default_factory=dict)

    def run(self, name: str, work: Callable[[], Ring]) -> None:
        """Run a ring, if it was asked for."""
        if self.asked.wants(name):
            self.add(work())

    def add(self, *rings: Ring) -> None:
        """Note rings that have ended together."""
        self._found |= {ring.name: ring for ring in rings}
        left = any(self.asked.wants(name) and name not in self._found for name in RINGS)
        if left and self._found.keys() != {RULES}:  # graph rules take no time to be run again
            self.ended(Verification(rings=self.all, extent=self.extent, partial=True))

    @property
    def all(self) -> tuple[Ring, ...]:
        """All eight in their order; those that have not run say why."""
        return tuple(self._found.get(name) or self._without(name) for name in RINGS)

    def _without(self, name: str) -> Ring:
        reason = STOPPED if self.asked.wants(name) else NOT_CHOSEN
        return Ring(name=name, status="skipped", reason=reason)
