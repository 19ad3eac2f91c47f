"""The points of a space by number, and in an order that is drawn: without a list of them."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from math import isqrt, prod

from mapper.study.case import canonical

Value = str | int | float
Point = Mapping[str, Value]
"""A value of each axis, in the order of the axes."""

Axes = Mapping[str, Sequence[Value]]
"""The values of each axis."""


def size_of(axes: Axes) -> int:
    """Return how many points there are."""
    return prod(len(values) for values in axes.values())


def point_at(axes: Axes, number: int) -> dict[str, Value]:
    """Return a point by its number, 0 .. size - 1: the last axis goes fastest, as in loops.

    Example:
        >>> point_at({"array": [64, 128], "bits": [1, 2, 3]}, 4)
        {'array': 128, 'bits': 2}
    """
    found = dict[str, Value]()
    for name, values in reversed(list(axes.items())):
        number, place = divmod(number, len(values))
        found[name] = values[place]
    return {name: found[name] for name in axes}


def on_axes(point: object, axes: Axes) -> dict[str, Value]:
    """Return a point of a file with its values in the order of the axes.

    Raises:
        ValueError: It is none of these axes; the message goes on after its number.
    """
    if not isinstance(point, dict) or point.keys() != axes.keys():
        raise ValueError("does not have the axes of the space")
    for name, value in point.items():
        if canonical(value) not in map(canonical, axes[name]):
            raise ValueError(f"has {value!r:.80} on the axis {name}")
    return {name: point[name] for name in axes}


def drawn(size: int, place: int, seed: int) -> int:
    """Return the number that stands at a place of all numbers below ``size``, put in any order.

    Each number stands at one place. A Feistel network of four rounds permutes the numbers below a
    square of at least ``size``, and is followed until it gives one that is below ``size`` (*cycle
    walking*: J. Black and P. Rogaway, *Ciphers with Arbitrary Finite Domains*, CT-RSA 2002).

    Example:
        >>> [drawn(5, place, seed=0) for place in range(5)]
        [3, 2, 1, 4, 0]
    """
    side = isqrt(size - 1) + 1
    while True:
        left, right = divmod(place, side)
        for turn in range(4):
            left, right = right, (left + _hashed(seed, turn, right)) % side
        place = left * side + right
        if place < size:
            return place


def _hashed(*numbers: int) -> int:
    text = "/".join(map(str, numbers))
    return int.from_bytes(blake2b(text.encode(), digest_size=16).digest())


def in_drawn_order(axes: Axes, seed: int) -> Iterator[dict[str, Value]]:
    """Yield every point once, in the order that ``drawn`` gives them."""
    size = size_of(axes)
    for place in range(size):
        yield point_at(axes, drawn(size, place, seed))
