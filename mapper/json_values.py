"""Values of a JSON file that may come from anyone: what is meant, or an error that shows it."""

from collections.abc import Collection, Sequence
from math import isfinite
from sys import float_info
from typing import TypeVar

_Text = TypeVar("_Text", bound=str)


def number(value: object) -> float:
    """Return a number; True is none.

    Raises:
        TypeError: It is no number.
        ValueError: It is a whole number that no float holds.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r:.80} is no number")
    if isinstance(value, int) and abs(value) > float_info.max:
        raise ValueError("a whole number of more than 308 digits is given")
    return float(value)


def finite(value: object) -> float:
    """Return a number that is finite.

    Raises:
        TypeError: It is no number.
        ValueError: It is not finite, or no float holds it.
    """
    if not isfinite(found := number(value)):
        raise ValueError(f"{found!r} is not finite")
    return found


def share(value: object) -> float:
    """Return a number of 0..1.

    Raises:
        TypeError: It is no number.
        ValueError: It is below 0 or above 1.
    """
    if not 0 <= (found := number(value)) <= 1:
        raise ValueError(f"{found!r} is no share of 0 to 1")
    return found


def shares(values: object, most: int) -> tuple[float, ...]:
    """Return a list of 1 to ``most`` shares.

    Raises:
        TypeError: One is no number.
        ValueError: It is no list of so many, or one is no share.
    """
    if not isinstance(values, list) or not 1 <= len(values) <= most:
        raise ValueError(f"{values!r:.80} is no list of 1 to {most:,} shares")
    return tuple(map(share, values))


def whole(value: object, what: str, *, least: int = 1, most: int = (1 << 53) - 1) -> int:
    """Return a whole number within bounds.

    Args:
        value: It.
        what: What it is, such as ``count of samples``.
        least: Least value.
        most: Greatest value.

    Raises:
        ValueError: It is none, or beyond a bound.
    """
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{value!r:.80} is no {what}")
    return value


def text(value: object) -> str:
    """Return text.

    Raises:
        TypeError: It is no text.
    """
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.80} is no text")
    return value


def texts(values: Sequence[object]) -> tuple[str, ...]:
    """Return several texts.

    Raises:
        TypeError: One is no text.
    """
    return tuple(map(text, values))


def one_of(value: object, known: Collection[_Text]) -> _Text:
    """Return which of some texts a value is.

    Raises:
        ValueError: It is none of them.
    """
    for one in known:
        if one == value:
            return one
    raise ValueError(f"{value!r:.80} is none of {', '.join(known)}")
