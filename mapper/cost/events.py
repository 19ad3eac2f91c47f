"""Driven wordlines, and the cells on them: what the energy of a crossbar read depends on."""

import numpy as np

from mapper.cost.model import Events
from mapper.ir.core import Array, Constants
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.windows import sliding

NOTHING = Events(0, 0, 0, 0, 0)

ROWS_AT_ONCE = 64  # of a weight matrix: its bit-slices take S bytes a weight, and fit in a cache


def events_of(op: CrossbarMvm, driven: Array, heard: Array, levels: Array) -> Events:
    """Weigh what was driven.

    Args:
        op: The layer's crossbars.
        driven: ``[groups, K]``, how often each wordline of each group was driven.
        heard: ``[groups, row blocks]``, how many reads of a row block had a driven wordline.
        levels: ``[groups, K]``, what ``row_levels`` returns.
    """
    assert op.encoding is not None, "crossbars are counted after slice-weights"
    width = op.outputs // op.groups
    blocks = blocks_by_group(op)
    by_group = driven.sum(axis=1)
    return Events(
        wordlines=int((by_group * blocks).sum()),
        cells=int(by_group.sum()) * width * op.encoding.bitlines_per_weight,
        levels=int((levels * driven).sum()),
        reads=int((heard.sum(axis=1) * blocks).sum()),
        conversions=int(heard.sum()) * width * len(op.encoding.significances),
    )


def blocks_by_group(op: CrossbarMvm) -> Array:
    """Return ``[groups]``: the crossbars side by side that a wordline of each group drives."""
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
    """Return ``[groups, K]`` of one time step in which every input bit is 1.

    Wordlines that see padding, or the zeros between the inputs of a transposed convolution, are
    driven less often than others.
    """
    if op.window is None:
        return np.full((op.groups, op.rows[-1].stop), op.planes)
    # Wordlines are ordered (kernel row, kernel column, channel).
    once = _taps(op).sum(axis=0).repeat(op.x.shape[0] // op.groups)
    return np.tile(op.planes * once, (op.groups, 1))


def full_reads(op: CrossbarMvm) -> Array:
    """Return ``[groups, row blocks]``: reads that can have a driven wordline, in a time step."""
    if op.window is None:
        return np.full((op.groups, len(op.rows)), op.planes)
    taps, channels = _taps(op), op.x.shape[0] // op.groups
    spans = [slice(rows.start // channels, -(-rows.stop // channels)) for rows in op.rows]
    once = np.asarray([taps[:, span].any(axis=1).sum() for span in spans])
    return np.tile(op.planes * once, (op.groups, 1))


def _taps(op: CrossbarMvm) -> Array:
    """Return ``[positions, kh * kw]``: which elements of a window are inputs, not padding."""
    assert op.window is not None
    inside = sliding(np.ones((1, 1, *op.x.shape[1:]), np.int64), op.window)
    return inside.reshape(-1, op.window.kernel[0] * op.window.kernel[1])
