"""What comparators make of sums: the one definition in Python of every readout's arithmetic.

A readout is a bank of comparators: its code counts the thresholds that a sum reaches, and stands
for a level. Axes are those of ``mapper.ir.crossbar``.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from mapper.ir.core import Array


def sensed(
    sums: Array, thresholds: Iterable[Array], levels: Sequence[int], axis: int | None = None
) -> Array:
    """Return ``levels[number of thresholds reached]``; a tie counts as reached.

    Args:
        sums: What is compared, of any shape and dtype.
        thresholds: One less than levels, ascending; each broadcasts to the sums.
        levels: What the codes stand for, lowest first.
        axis: Levels are added up over it; None keeps each.
    """
    shape, count = list(sums.shape), 1
    if axis is not None:
        count = shape.pop(axis)
    total = np.full(shape, count * levels[0], np.int64)
    narrow = np.int8 if count < 128 else np.int32  # bytes are counted several times faster
    for threshold, rise in zip(thresholds, np.diff(levels), strict=True):
        reached = (sums >= threshold).view(np.int8)
        total += rise * (reached if axis is None else reached.sum(axis=axis, dtype=narrow))
    return total


def converted(
    sums: Array,
    first: Array | int,
    step: Array | int,
    base: Array | int,
    bits: int,
    width: Array | int | None = None,
) -> Array:
    """Return ``base + step * code``; the code counts thresholds ``first + width * i`` reached.

    There are ``2**bits - 1`` of them, and ``width`` is ``step`` unless it is given. Sums may be
    whole numbers in floats, far below the greatest that they hold exactly: the quotient is then
    never rounded up to the next whole number.
    """
    above = sums - first
    width = step if width is None else width
    steps = above // width if above.dtype.kind == "i" else np.floor(above / width)
    return np.asarray(base + step * np.clip(steps + 1, 0, (1 << bits) - 1))


def per_output(active: Array, outputs: int) -> Array:
    """Spread ``active[B, planes, G, groups, *P]`` over outputs: ``[B, planes, G, 1, N, *P]``."""
    return np.repeat(active, outputs // active.shape[3], axis=3)[:, :, :, None]
