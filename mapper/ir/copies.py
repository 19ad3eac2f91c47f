"""Copies of a layer's crossbars: which of them reads an output position, and tables by copy.

Copies of a perfect chip are alike. Those of a die differ, so its cells and references have an axis
of copies in front. A layer of ``P`` positions, counted in raster order, on ``C`` copies: copy
``p * C // P`` reads position ``p``. Each copy has a band of neighbouring positions.
"""

from itertools import pairwise
from math import prod

import numpy as np

from mapper.ir.core import Array, Span


def copy_bands(copies: int, positions: int) -> tuple[Span, ...]:
    """Return the positions that each copy reads; some are empty where copies are more.

    >>> [str(band) for band in copy_bands(3, 7)]
    ['0:3', '3:5', '5:7']
    """
    edges = [-(-copy * positions // copies) for copy in range(copies + 1)]
    return tuple(Span(start, stop) for start, stop in pairwise(edges))


def copy_of_positions(copies: int, positions: int) -> Array:
    """Return the copy that reads each position, ``[P]``.

    >>> copy_of_positions(3, 7).tolist()
    [0, 0, 0, 1, 1, 2, 2]
    """
    return np.arange(positions, dtype=np.int64) * copies // positions


def over_positions(table: Array, positions: tuple[int, ...], axes: int = 3) -> Array:
    """Return a table of ``axes`` axes so that it broadcasts over output positions.

    A table with one axis more has copies in front: each position gets what its copy has.

    >>> over_positions(np.array([[7], [9]]), (4,), axes=1).tolist()
    [[7, 7, 9, 9]]
    """
    if table.ndim == axes:
        return table.reshape(*table.shape, *(1 for _ in positions))
    copy = copy_of_positions(len(table), prod(positions))
    return np.moveaxis(table, 0, -1)[..., copy].reshape(*table.shape[1:], *positions)


def by_copy(table: Array, axes: int = 3) -> Array:
    """Return a table with an axis of copies in front, of length 1 where copies are alike."""
    return table if table.ndim > axes else table[None]
