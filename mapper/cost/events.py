"""Driven wordlines, and the cells on them: what the energy of a crossbar read depends on."""

from functools import lru_cache

import numpy as np

from mapper.cost.trace import Wiring
from mapper.ir.core import Array, Constants
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.windows import Window, sliding

ROWS_AT_ONCE = 64  # of a weight matrix: its bit-slices take S bytes a weight, and fit in a cache


NOT_ON_CROSSBARS = Wiring(
    name="",
    groups=0,
    row_blocks=[],
    blocks=[],
    outputs_per_group=0,
    cells_per_weight=0,
    slices=0,
    levels=[],
    most_driven=[],
    most_reads=[],
)


def wiring_of(op: CrossbarMvm, levels: Array) -> Wiring:
    """Return what turns counts of driven wordlines into events.

    Args:
        op: The layer's crossbars.
        levels: ``[groups, K]``, what ``row_levels`` returns.
    """
    assert op.encoding is not None, "crossbars are counted after slice-weights"
    return Wiring(
        name=op.partial_sum.name,
        groups=op.groups,
        row_blocks=[[rows.start, rows.stop] for rows in op.rows],
        blocks=blocks_by_group(op).tolist(),
        outputs_per_group=op.outputs // op.groups,
        cells_per_weight=op.encoding.bitlines_per_weight,
        slices=len(op.encoding.significances),
        levels=levels.tolist(),
        packed=op.packed,
        most_driven=full_drive(op).tolist(),
        most_reads=full_reads(op).tolist(),
    )


def blocks_by_group(op: CrossbarMvm) -> Array:
    """Return ``[groups]``: the crossbars side by side that a wordline of each group drives."""
    if op.packed > 1:
        return np.ones(op.groups, np.int64)
    width = op.outputs // op.groups
    return np.bincount([span.start // width for span in op.columns], minlength=op.groups)


def row_levels(op: CrossbarMvm, constants: Constants) -> Array:
    """Return ``[groups, K]``: the conductance levels of all cells on a wordline, summed."""
    assert op.encoding is not None, "crossbars are counted after slice-weights"
    weight = constants[op.weight.name]
    parts = []
    for start in range(0, len(weight), ROWS_AT_ONCE):
        rows = weight[start : start + ROWS_AT_ONCE]
        levels = op.encoding.levels(rows).reshape(len(rows), op.groups, -1)
        parts.append(levels.sum(axis=2, dtype=np.int32).astype(np.int64).T)
    return np.concatenate(parts, axis=1)


def full_drive(op: CrossbarMvm) -> Array:
    """Return ``[K]``, of each group, of one time step in which every input bit is 1.

    Wordlines that see padding, or the zeros between the inputs of a transposed convolution, are
    driven less often than others.
    """
    if op.window is None:
        return np.full(op.rows[-1].stop, op.planes)
    # Wordlines are ordered (kernel row, kernel column, channel).
    once = _taps(op).sum(axis=0).repeat(op.x.shape[0] // op.groups)
    return np.asarray(op.planes * once)


def full_reads(op: CrossbarMvm) -> Array:
    """Return ``[row blocks]``, of each pack: reads of a time step that can drive a wordline."""
    if op.window is None:
        return np.full(len(op.rows), op.planes)
    taps, channels = _taps(op), op.x.shape[0] // op.groups
    spans = [slice(rows.start // channels, -(-rows.stop // channels)) for rows in op.rows]
    once = np.asarray([taps[:, span].any(axis=1).sum() for span in spans])
    return np.asarray(op.planes * once)


def _taps(op: CrossbarMvm) -> Array:
    """Return ``[positions, kh * kw]``: which elements of a window are inputs, not padding."""
    assert op.window is not None
    return _inside(op.window, *op.x.shape[1:])


@lru_cache(maxsize=16)
def _inside(window: Window, height: int, width: int) -> Array:
    inside = sliding(np.ones((1, 1, height, width), np.int64), window)
    found = inside.reshape(-1, window.kernel[0] * window.kernel[1])
    found.flags.writeable = False
    return found
