"""Driven wordlines, and the cells on them: what the energy of a crossbar read depends on."""

import numpy as np

from mapper.cost.model import Events
from mapper.ir.core import Array, Constants
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.windows import sliding

ROWS_AT_ONCE = 256  # of a weight matrix: its bit-slices take S times 8 bytes a weight


def events_of(op: CrossbarMvm, driven: Array, constants: Constants) -> Events:
    """Weigh ``driven[groups, K]``, how often each wordline of each group was driven."""
    assert op.encoding is not None, "crossbars are counted after slice-weights"
    width = op.outputs // op.groups
    blocks = np.bincount([span.start // width for span in op.columns], minlength=op.groups)
    by_group = driven.sum(axis=1)
    weight = constants[op.weight.name]
    levels = 0
    for start in range(0, len(weight), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        digits = np.abs(op.encoding.digits(weight[rows])).sum(axis=0)  # [rows, N]
        by_row = digits.reshape(len(digits), op.groups, width).sum(axis=2)
        levels += int((by_row.T * driven[:, rows]).sum())
    return Events(
        wordlines=int((by_group * blocks).sum()),
        cells=int(by_group.sum()) * width * op.encoding.bitlines_per_weight,
        levels=levels,
    )


def full_drive(op: CrossbarMvm) -> Array:
    """Return ``[groups, K]`` of one time step in which every input bit is 1.

    Wordlines that see padding, or the zeros between the inputs of a transposed convolution, are
    driven less often than others.
    """
    if op.window is None:
        return np.full((op.groups, op.rows[-1].stop), op.planes)
    channels, *size = op.x.shape
    taps = sliding(np.ones((1, 1, *size), np.int64), op.window).sum(axis=(0, 1, 2, 3))  # [kh, kw]
    # Wordlines are ordered (kernel row, kernel column, channel).
    once = taps.reshape(-1).repeat(channels // op.groups)
    return np.tile(op.planes * once, (op.groups, 1))
