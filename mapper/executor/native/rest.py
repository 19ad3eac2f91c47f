"""What columns that nothing drives are read as: it needs no kernel."""

from collections.abc import Sequence

import numpy as np

from mapper.executor.native.bounds import Arithmetic, rises, scale_table
from mapper.executor.native.grid import Grid
from mapper.ir.comparators import converted
from mapper.ir.core import Array
from mapper.ir.readout import SenseAmpRead


def lowest_levels(grid: Grid) -> int:
    """Return what the lowest levels of all bit-slices add up to."""
    read = grid.layer.read
    assert isinstance(read, SenseAmpRead)
    return read.levels[0] * sum(grid.layer.add.significances)


def at_rest(grid: Grid, blocks: Sequence[int]) -> Array:
    """Return the weighed slices of sums of 0, before scales: ``[C, blocks, N]``."""
    read, add = grid.layer.read, grid.layer.add
    if isinstance(read, SenseAmpRead):
        table = grid.thresholds[:, :, list(blocks)]
        reached = np.einsum("l,lcgsn->cgsn", np.asarray(rises(read), np.int64), table <= 0)
        found = read.levels[0] + reached
    else:
        first, width, step, base = (table[:, list(blocks)] for table in grid.converter())
        found = converted(np.zeros_like(first), first, step, base, read.bits, width)
    weighed: Array = np.einsum("s,cgsn->cgn", np.asarray(add.significances, np.int64), found)
    return weighed


def start(grid: Grid, how: Arithmetic, absent: Sequence[int]) -> Array:
    """Return what outputs begin with, ``[C, N]``: all that kernels do not add.

    That is what row blocks give that see nothing; the lowest levels, where reached references are
    counted; and what every row block rests at, where kernels add what differs from it.
    """
    layer = grid.layer
    scales, planes = scale_table(layer, grid.constants), sum(layer.add.plane_weights)
    every = range(len(layer.mvm.rows))
    counted = how.bits or (grid.noisy and not how.wide)
    resting = absent if counted or how.wide else every
    total = np.zeros((grid.reference_copies, layer.mvm.outputs), np.int64)
    if resting:
        total += (scales[list(resting)] * at_rest(grid, resting)).sum(axis=1)
    if counted:
        seen = [g for g in every if g not in set(absent)]
        total += scales[seen].sum(axis=0) * lowest_levels(grid)
    return total * planes
