"""Arithmetic that takes one number or an array of design points alike, and gives the same floats.

Standard library only: a generated ``cost.py`` carries this text. Arrays are NumPy's, handed in by
who evaluates many points at once; nothing here needs to know.
"""

from collections.abc import Iterable
from math import fsum

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
    if _are_plain(held):
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
    return fsum(held) if _are_plain(held) else sum(held)


def _are_plain(values: list[float]) -> bool:
    """Say whether no array is among them; kinds are told apart, as there are few of them."""
    kinds = set(map(type, values))
    return kinds <= _PLAIN or all(issubclass(kind, _NUMBERS) for kind in kinds)
