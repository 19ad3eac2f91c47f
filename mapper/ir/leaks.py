"""Leaks: what a membrane keeps from one time step to the next, and how that is rounded."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mapper.ir.core import INT64, Array, Const, Constants, IntType, Part, greatest_of, param

Rounding = Literal["floor", "toward-zero", "nearest"]
"""Of the bits that a shift drops: towards minus infinity, towards zero, or to the nearest integer
with halves going to the even one."""

SAID: Mapping[Rounding, str] = {
    "floor": "down",
    "toward-zero": "toward zero",
    "nearest": "to the nearest",
}
"""A rounding in words: "it rounds down"."""


def whole(x: Array, rounding: Rounding) -> Array:
    """Return reals rounded to integers so."""
    if rounding == "nearest":
        return np.asarray(np.rint(x))
    return np.asarray(np.floor(x) if rounding == "floor" else np.trunc(x))


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakRounding(Part):
    """How a trained neuron rounds its leak: to multiples of ``unit``; 0 leaves it as it is.

    Rounded is what is ``kept``, ``unit * R(leak * v / unit)``, or what is ``taken`` away,
    ``v - unit * R((1 - leak) * v / unit)``: ``Decay`` has both. Products are in double precision,
    where those of membranes and leaks of 24 bits are exact.
    """

    unit: float = 0.0
    rounding: Rounding = "floor"
    part: Literal["kept", "taken"] = "kept"

    def apply(self, leak: Array, v: Array) -> Array:
        """Return what is left of single-precision membranes."""
        if not self.unit:
            left: Array = leak * v
            return left
        rounded = whole(self.steps(leak, v), self.rounding) * self.unit
        return (rounded if self.part == "kept" else v - rounded).astype(np.float32)

    def steps(self, leak: Array, v: Array) -> Array:
        """Return what is rounded, in units."""
        wide = leak.astype(np.float64)
        share = wide if self.part == "kept" else 1.0 - wide
        return np.asarray(share * v.astype(np.float64) / self.unit)

    def problems(self) -> Iterator[str]:
        """Yield why no neuron rounds so."""
        if not 0 <= self.unit <= MOST_UNIT:  # nor NaN
            yield f"a leak is rounded to multiples of 0..{MOST_UNIT:g}, got {self.unit:g}"
        if not self.unit and (self.rounding, self.part) != ("floor", "kept"):
            yield f"a leak without a unit is not rounded, but says {self.rounding} of {self.part}"


MOST_UNIT = 2.0**24
NOT_ROUNDED = LeakRounding()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decay(Part):
    """An integer leak: ``v``, ``v - (v >> shift)`` or ``(v * multiplier) >> shift``.

    ``rounding`` says how the shift rounds: what is taken away where the kind is ``shift``, what is
    kept where it is ``multiply``.
    """

    kind: Literal["none", "shift", "multiply"] = "none"
    shift: int = 0
    multiplier: int | Const = 0
    rounding: Rounding = "floor"

    def apply(self, constants: Constants, v: Array) -> Array:
        if self.kind == "none":
            return v
        if self.kind == "shift":
            kept: Array = v - shifted(v, self.shift, self.rounding)
            return kept
        multiplier = param(constants, self.multiplier, INT64)
        leaked: Array = shifted(v * multiplier, self.shift, self.rounding)
        return leaked

    def problems(self, constants: Constants, state: IntType) -> Iterator[str]:
        """Yield why the leak is impossible for a state of this width."""
        if self.kind == "none":
            return
        if not 1 <= self.shift <= 30:
            yield f"leak shift {self.shift} is outside 1..30"
        if self.kind == "multiply":
            greatest = greatest_of(param(constants, self.multiplier, INT64))
            if greatest >= 1 << (62 - state.bits):
                yield f"leak multiplier {greatest} on {state} may pass 63 bits"


NO_DECAY = Decay()


def shifted(x: Any, bits: int, rounding: Rounding) -> Any:
    """Return ``x / 2**bits`` as an integer, rounded so; ``bits`` is 1 or more.

    ``x`` is an array or a tensor of 64-bit integers of at most 62 bits: what is added before the
    shift needs one more.

    >>> import numpy as np
    >>> x = np.array([-7, -6, -5, -2, 2, 5, 6, 7])
    >>> shifted(x, 2, "floor").tolist()
    [-2, -2, -2, -1, 0, 1, 1, 1]
    >>> shifted(x, 2, "toward-zero").tolist()
    [-1, -1, -1, 0, 0, 1, 1, 1]
    >>> shifted(x, 2, "nearest").tolist()
    [-2, -2, -1, 0, 0, 1, 2, 2]
    """
    if rounding == "toward-zero":
        x = x + (x < 0) * ((1 << bits) - 1)
    elif rounding == "nearest":
        x = x + ((1 << (bits - 1)) - 1) + ((x >> bits) & 1)
    return x >> bits
