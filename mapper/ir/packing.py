"""Groups that share crossbars: each on wordlines and bitlines of its own, on the block diagonal.

All groups of a crossbar are driven in the same read. Cells outside the diagonal hold the digit 0,
so a column adds up what its own group drives, exactly; on a die they leak a little, and so the
other groups of the crossbar reach a column as well.
"""

from collections.abc import Iterator

import numpy as np

from mapper.ir.core import Array, Span


def packing_problems(
    rows: tuple[Span, ...], columns: tuple[Span, ...], width: int, packed: int
) -> Iterator[str]:
    """Yield why groups of ``width`` outputs cannot share crossbars, ``packed`` in each."""
    if len(rows) > 1:
        yield f"groups of {len(rows)} row blocks share a crossbar, only those of 1 can"
    if columns != tuple(Span(0, columns[-1].stop).split(packed * width)):
        spans = ", ".join(map(str, columns))
        yield f"outputs {spans} are not {packed} whole groups of {width} a crossbar"


def shared_wordlines(driven: Array, packed: int) -> Array:
    """Give each group the wordlines of its whole crossbar, ``[..., groups, packed * K, P]``.

    Args:
        driven: Of the groups' own wordlines, ``[..., groups, K, P]``.
        packed: Groups of a crossbar. Those that the last one does not have are never driven.

    Example:
        >>> one = np.arange(1, 4).reshape(3, 1, 1)
        >>> shared_wordlines(one, 2).squeeze(-1).tolist()
        [[1, 2], [1, 2], [3, 0]]
    """
    if packed == 1:
        return driven
    *batch, groups, wordlines, places = driven.shape
    whole = np.zeros((*batch, -(-groups // packed) * packed, wordlines, places), driven.dtype)
    whole[..., :groups, :, :] = driven
    together = whole.reshape(*batch, -1, packed * wordlines, places)
    shared: Array = together.repeat(packed, axis=-3)[..., :groups, :, :]
    return shared


def on_diagonal(own: Array, groups: int, packed: int) -> Array:
    """Put what groups have on wordlines of their own where it lies in their crossbars.

    Args:
        own: ``[..., K, N]``, of the wordlines of each output's group.
        groups: Of the N outputs.
        packed: Groups of a crossbar.

    Returns:
        ``[..., packed * K, N]``, 0 on the wordlines of other groups.

    Example:
        >>> on_diagonal(np.array([[1, 2, 3]]), groups=3, packed=2).tolist()
        [[1, 0, 3], [0, 2, 0]]
    """
    if packed == 1:
        return own
    *batch, wordlines, outputs = own.shape
    place = np.arange(groups).repeat(outputs // groups) % packed
    spread = np.zeros((*batch, packed, wordlines, outputs), own.dtype)
    spread[..., place, :, np.arange(outputs)] = np.moveaxis(own, -1, 0)
    return spread.reshape(*batch, packed * wordlines, outputs)


def cells_there(wordlines: int, outputs: int, groups: int, packed: int) -> Array:
    """Return which cells there are, ``[packed * K, N]``: the last crossbar may hold fewer groups.

    >>> cells_there(wordlines=1, outputs=3, groups=3, packed=2).astype(int).tolist()
    [[1, 1, 1], [1, 1, 0]]
    """
    found = np.ones((packed * wordlines, outputs), bool)
    if here := groups % packed:
        found[here * wordlines :, (groups - here) * (outputs // groups) :] = False
    return found
