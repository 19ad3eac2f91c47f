"""Arithmetic that takes one number or an array of design points alike, and gives the same floats.

Standard library only: a generated ``cost.py`` carries this text. Arrays are NumPy's, handed in by
who evaluates many points at once; nothing here needs to know.
"""

from collections.abc import Iterable
from math import fsum
from typing import Any

_NUMBERS = (int, float)
_PLAIN = frozenset(_NUMBERS)


def larger(a: float, b: float) -> float:
    """Return the larger of two finite numbers, element by element where they are arrays."""
    return a * (a >= b) + b * (a < b)


def smaller(a: float, b: float) -> float:
    return a * (a <= b) + b * (a > b)


def largest(values: Iterable[float]) -> float:
    """Return the largest: the plain numbers first, so that arrays are compared with one of them."""
    held = list(values)
    if isinstance(sum(held), _NUMBERS):  # an array among them would make the sum one
        return max(held)
    plain = [value for value in held if type(value) in _PLAIN]
    first, *others = [value for value in held if type(value) not in _PLAIN]
    for other in others:
        first = larger(first, other)
    return larger(first, max(plain)) if plain else first


def up(value: float) -> float:
    """Round up to a whole number."""
    return -(-value // 1)


def total(values: Iterable[float]) -> float:
    """Add up: correctly rounded where all are plain numbers, else one after the other."""
    held = list(values)
    found: Any = sum(held)
    return fsum(held) if isinstance(found, _NUMBERS) else found  # an array makes the sum one
