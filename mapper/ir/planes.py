"""What one read takes of an input code: some of its bits, or one step of its height.

A code of ``b`` bits is read in bit planes, ``x = sum_k 2**k bit_k(x)``: each read puts one bit on a
wordline, or several where wordlines have converters, and the sign bit counts negatively. A code
that counts spikes, ``low .. high``, may be read in binary steps instead,
``x = sum_(k >= 0) [x > k] - sum_(k < 0) [x <= k]``: as many reads as ``high - low``, each of them
spikes of weight 1 or -1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mapper.ir.core import IntType, Span, Value
from mapper.ir.levels import Levels


@dataclass(frozen=True, slots=True)
class BitPlane:
    """Bits ``start .. start + bits - 1`` of a code; the sign bit is one of its own."""

    start: int
    bits: int
    sign: bool = False

    @property
    def weight(self) -> int:
        """What the digit 1 stands for."""
        return -(1 << self.start) if self.sign else 1 << self.start

    @property
    def greatest(self) -> int:
        """The greatest digit."""
        return (1 << self.bits) - 1

    def digit(self, codes: Any) -> Any:
        """Return the digits, from 0, of an array or a tensor of whole numbers."""
        return (codes >> self.start) & self.greatest


@dataclass(frozen=True, slots=True)
class UnaryStep:
    """Whether a code is above ``level``, from 0; or, below 0, whether it is at most that."""

    level: int

    @property
    def weight(self) -> int:
        """What the digit 1 stands for."""
        return 1 if self.level >= 0 else -1

    @property
    def greatest(self) -> int:
        """The greatest digit."""
        return 1

    @property
    def bits(self) -> int:
        """Of a digit."""
        return 1

    def digit(self, codes: Any) -> Any:
        """Return the digits, 0 and 1, of an array or a tensor of whole numbers."""
        return (codes > self.level if self.level >= 0 else codes <= self.level) * 1


Plane = BitPlane | UnaryStep


def input_planes(x: Value, plane_bits: int, steps: Levels | None = None) -> tuple[Plane, ...]:
    """Return what each read takes of an input, in order: lowest bits or steps first.

    Args:
        x: Of integers; of any others there is nothing to read.
        plane_bits: Bits of a bit plane; the sign bit is read alone.
        steps: What codes count, where binary steps are read: those of positive codes come first,
            from the lowest, then those of negative ones, from the highest.

    >>> five = Value("x", IntType(5, signed=True), (4,))
    >>> [plane.weight for plane in input_planes(five, 2)]
    [1, 4, -16]
    >>> [(step.level, step.weight) for step in input_planes(five, 1, Levels(low=-2, high=3))]
    [(0, 1), (1, 1), (2, 1), (-1, -1), (-2, -1)]
    """
    if not isinstance(x.type, IntType):
        return ()
    if steps is not None:
        levels = [*range(steps.high), *range(-1, steps.low - 1, -1)]
        return tuple(map(UnaryStep, levels))
    return _bit_planes(x.type, plane_bits)


@lru_cache(maxsize=256)
def _bit_planes(type: IntType, plane_bits: int) -> tuple[Plane, ...]:
    plain = type.bits - type.signed
    spans = Span(0, plain).split(plane_bits) if plain else ()
    planes = tuple(BitPlane(span.start, len(span)) for span in spans)
    return (*planes, BitPlane(plain, 1, sign=True)) if type.signed else planes


def greatest_digit(planes: tuple[Plane, ...]) -> int:
    """Return the greatest number that one read puts on a wordline."""
    return max((plane.greatest for plane in planes), default=0)


def planes_problems(x: Value, plane_bits: int, steps: Levels | None) -> Iterator[str]:
    """Yield why an input cannot be read in steps."""
    if steps is None or not isinstance(x.type, IntType):
        return
    yield from (unfit := list(steps.problems()))
    if not unfit and not x.type.holds(steps.low, steps.high):
        yield f"steps of {steps.low}..{steps.high}, more than {x.type} holds"
    if plane_bits != 1:
        yield f"steps are read one at a time, not {plane_bits} bits"
