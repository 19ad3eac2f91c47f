"""Compare what two runs return, step by step: spikes bit for bit, analogue values nearly.

One step of both is in memory at a time, however many there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from mapper.ir.core import FLOAT, Array, Type
from mapper.verify.result import REFERENCE, Place, Ring

TOLERANCE = 1e-5
"""Of the greatest magnitude of an analogue output: single-precision sums in another order."""


@dataclass(slots=True)
class _Output:
    """One output in the steps so far."""

    tolerance: float
    greatest: float = 0.0
    """Magnitude of what is expected, of those numbers that are finite."""
    worst: float = 0.0
    doubtful: list[tuple[float, Place]] = field(default_factory=list)
    """Steps that were off by more than tolerated then, and where most; the greatest magnitude may
    come later. Of spikes the first is enough."""

    def add(self, name: str, step: int, found: Array, expected: Array) -> None:
        mine, theirs = found.astype(np.float64), expected.astype(np.float64)
        finite = np.isfinite(theirs)
        self.greatest = max(self.greatest, float(np.abs(theirs[finite]).max(initial=0.0)))
        alike = (mine == theirs) | (np.isnan(mine) & np.isnan(theirs))
        with np.errstate(invalid="ignore"):  # infinity minus infinity
            gaps = np.where(alike, 0.0, np.abs(mine - theirs))
        gaps = np.where(np.isnan(gaps), np.inf, gaps)
        gap = float(gaps.max(initial=0.0))
        self.worst = max(self.worst, gap)
        if gap > self.tolerance * self.greatest and (self.tolerance or not self.doubtful):
            off = gaps == gap if self.tolerance else gaps > 0
            index = tuple(int(i) for i in np.argwhere(off)[0])
            place = Place(
                step=step,
                sample=index[0],
                layer=name,
                position=index[1:],
                found=float(found[index]),
                expected=float(expected[index]),
            )
            self.doubtful.append((gap, place))

    @property
    def first_mismatch(self) -> Place | None:
        allowed = self.tolerance * self.greatest
        return next((place for gap, place in self.doubtful if gap > allowed), None)


class Outputs:
    """What was found of all outputs so far."""

    def __init__(self, types: Mapping[str, Type]) -> None:
        self._of = {n: _Output(TOLERANCE if t == FLOAT else 0.0) for n, t in types.items()}

    def add(self, step: int, found: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
        """Compare one step ``[B, *shape]`` of those outputs that are expected."""
        for name, output in self._of.items():
            if name in expected:
                output.add(name, step, found[name], expected[name])

    def ring(self, name: str) -> Ring:
        """Return the ring of what was compared."""
        worst = max((output.worst for output in self._of.values()), default=0.0)
        places = (output.first_mismatch for output in self._of.values())
        first = min(filter(None, places), key=lambda place: place.step, default=None)
        status: Ring = Ring(name=name, status="equal", max_abs_diff=worst)
        return status if first is None else replace(status, status="mismatch", first_mismatch=first)


def compare(
    name: str, types: Mapping[str, Type], found: Mapping[str, Array], expected: Mapping[str, Array]
) -> Ring:
    """Compare outputs ``[T, B, *shape]`` with a reference."""
    missing = [output for output in types if output not in expected]
    if missing and name == REFERENCE:
        return Ring(name=name, status="mismatch", reason=f"no reference output {missing[0]!r}")
    outputs = Outputs(types)
    for output in types.keys() & expected.keys():
        for step, (mine, theirs) in enumerate(zip(found[output], expected[output], strict=True)):
            outputs.add(step, {output: mine}, {output: theirs})
    return outputs.ring(name)


def compare_finite(
    types: Mapping[str, Type], found: Mapping[str, Array], expected: Mapping[str, Array]
) -> Ring:
    """Compare with the model up to the step in which its own numbers overflow.

    After that step ``0 * inf`` of a model that resets by multiplying is NaN, where a neuron that
    resets is at rest: neither says what the network computes.
    """
    steps = min(len(array) for array in expected.values())
    finite = min(_finite_steps(array) for array in expected.values())
    if finite == 0:
        return overflowing(0, steps, Ring(name=REFERENCE, status="skipped"))
    ring = compare(
        REFERENCE,
        types,
        {name: array[:finite] for name, array in found.items()},
        {name: array[:finite] for name, array in expected.items()},
    )
    return overflowing(finite, steps, ring)


def overflowing(finite: int, steps: int, ring: Ring) -> Ring:
    """Return a ring that says how many steps of a model are numbers, where not all are."""
    if finite == 0:
        reason = "the model's own numbers overflow in the first time step"
        return Ring(name=ring.name, status="skipped", reason=reason)
    if finite == steps:
        return ring
    return replace(ring, reason=f"{finite} of {steps} time steps; then the model itself overflows")


def _finite_steps(array: Array) -> int:
    """Return how many steps ``[T, ...]`` hold numbers only, from the first."""
    broken = (step for step, held in enumerate(array) if not np.isfinite(held).all())
    return next(broken, len(array))
