"""Arithmetic that takes one number or an array of design points alike, and gives the same floats.

Standard library only: a generated ``cost.py`` carries this text. Arrays are NumPy's, handed in by
who evaluates many points at once; nothing here needs to know.
"""

from collections.abc import Iterable
from math import fsum


def larger(a: float, b: float) -> float:
    """Return the larger of two finite numbers, element by element where they are arrays."""
    return a * (a >= b) + b * (a < b)


def smaller(a: float, b: float) -> float:
    return a * (a <= b) + b * (a > b)


def largest(values: Iterable[float]) -> float:
    first, *others = values
    for other in others:
        first = larger(first, other)
    return first


def up(value: float) -> float:
    """Round up to a whole number."""
    return -(-value // 1)


def total(values: Iterable[float]) -> float:
    """Add up: correctly rounded where all are plain numbers, else one after the other."""
    held = list(values)
    # A tuple is a constant; ``int | float`` would be put together for every number again.
    if all(isinstance(value, (int, float)) for value in held):
        return fsum(held)
    return sum(held)
