"""Counts of actions by name, and the bits that they are done on."""

from collections import Counter
from collections.abc import Mapping

from mapper.ir.core import INT64, Array, Const, Constants, IntType, Op, Scalar, Value, param

Tally = Counter[str]
Makers = Mapping[str, Op]
"""The op that computes each value, by its name."""


def width_of(low: int, high: int) -> int:
    """Return the bits of a type that holds every integer of ``low..high``."""
    return IntType.spanning(low, high).bits


def bits_of(value: Value) -> int:
    """Return the width of an integer value; 0 for floats, which the host handles."""
    return value.type.bits if isinstance(value.type, IntType) else 0


def additions(count: int, bits: int) -> Tally:
    """Count additions of so many bits each; additions of floats are none of ours."""
    return Tally(accumulations=count, accumulate_bits=count * bits) if bits else Tally()


def shift_additions(count: int, bits: int) -> Tally:
    """Count shift-adds of so many bits each."""
    return Tally(shift_adds=count, shift_add_bits=count * bits)


def multiplications(count: int, bits: int, scale: Scalar, constants: Constants) -> Tally:
    """Count products with a scale that is not 1, in bits times bits."""
    if not isinstance(scale, Const) and scale == 1:
        return Tally()
    values: Array = param(constants, scale, INT64)
    width = width_of(int(values.min()), int(values.max()))
    return Tally(scale_multiplies=count, scale_multiply_bits=count * bits * width)
