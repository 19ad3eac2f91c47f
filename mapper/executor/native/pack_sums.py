"""Cells as numbers and what their sums are compared with, in the layouts of the native kernels."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mapper.executor.native.bounds import Arithmetic, quick_factors
from mapper.executor.native.grid import Grid
from mapper.executor.native.pack import Columns, aligned, packed_cells, threshold_table
from mapper.ir.core import Array
from mapper.kernels import core

_CACHED = 36 << 10
"""Bytes of a row block's cells that stay in the nearest caches over all positions."""
_WHOLE = Arithmetic(bits=False, cells=16)
_WIDEST = 1 << 30
"""A difference of sums is never as great, so nor need the step of an ADC be greater."""


def outputs_at_once(grid: Grid, columns: Columns, how: Arithmetic, level: int) -> int:
    """Return for how many outputs the kernel for numbers makes sums together.

    Where sums of up to four slices are compared in 16 bits, as many as it keeps in registers.
    """
    if how.cells == 16 and not (how.wide or grid.noisy) and columns.slices <= 4:
        return min(columns.padded, 32, core.vector_bytes(level))
    rows = max(len(rows) for rows in grid.layer.mvm.cell_rows)
    step, bits = (64, 4) if how.nibbles else (min(32, columns.padded), how.cells)
    best = step
    for some in range(step, columns.padded + 1, step):
        held = (rows + 1) * columns.slices * some * bits // 8
        if columns.padded % some == 0 and columns.slices * some <= 1024 and held <= _CACHED:
            best = some
    return best


def pack_sums(
    grid: Grid, order: Sequence[int], columns: Columns, how: Arithmetic, at_once: int
) -> Array:
    """Return cells as numbers, ``[C, groups * G, padded / at_once, rows + 1, S, at_once]``.

    What a few outputs need lies together: it stays in cache over all positions. Nibbles hold two
    bit-slices in a byte, the first of them in its lower half.
    """
    stored = -(-columns.slices // 2) if how.nibbles else columns.slices
    tallest = max(len(rows) for rows in grid.layer.mvm.cell_rows)
    shape = (columns.padded // at_once, tallest + 1, stored, at_once)
    dtype = {8: np.int8, 16: np.int16, 32: np.int32}[how.cells]
    return packed_cells(
        grid, order, columns, shape, dtype,
        octets=how.cells // 8, at_once=at_once, nibbles=how.nibbles > 0,
    )  # fmt: skip


def pack_whole(grid: Grid, order: Sequence[int], columns: Columns, level: int) -> tuple[int, Array]:
    """Return what wordlines add, all slices in one, and for how many outputs it lies together.

    That is ``int16 [1, groups * G, padded / at_once, rows + 1, 1, at_once]``.
    """
    tallest = max(len(rows) for rows in grid.layer.mvm.cell_rows)
    one = replace(columns, slices=1)
    at_once = outputs_at_once(grid, one, _WHOLE, level)
    shape = (columns.padded // at_once, tallest + 1, 1, at_once)
    return at_once, packed_cells(
        grid, order, one, shape, np.int16, whole=True, octets=2, at_once=at_once, nibbles=False
    )


def sense_tables(grid: Grid, order: Sequence[int], columns: Columns, how: Arithmetic) -> Array:
    """Return thresholds of sums: ``[C, groups * G, L, columns]`` of ``int32``, or ``int16``.

    Sums are less than the greatest number of the type, so a threshold beyond may be moved there;
    noisy sums are less than a half of it, as differences are looked up.
    """
    dtype = np.int32 if how.wide else np.int16
    most = np.iinfo(dtype).max >> int(grid.noisy)
    table = np.clip(threshold_table(grid, order, columns), -most, most).astype(dtype)
    return table.reshape(len(table), -1, table.shape[3], columns.count)


def numbers_below(noise: Array) -> Array:
    """Return how many of ascending numbers are less than the least, one more, ... the greatest + 1.

    >>> numbers_below(np.array([-1, 0, 0, 2])).tolist()
    [0, 1, 3, 3, 4]
    """
    return np.searchsorted(noise, np.arange(noise[0], noise[-1] + 2)).astype(np.int32)


def step_tables(grid: Grid, order: Sequence[int], columns: Columns) -> Array:
    """Return what noise leaves of thresholds, ``int16 [C, groups * G, L * (1 + steps), columns]``.

    First the least sum that every read takes to reach a threshold, in units of the grid; then for
    one unit less, two units less, ... the greatest of 65,536 draws of noise that do not reach it.
    Draws begin at -32768.
    """
    below, least, unit = numbers_below(grid.noise), int(grid.noise[0]), 1 << grid.shift
    table = threshold_table(grid, order, columns)  # [C, groups, G, L, S, padded]
    surely = -((least - table) >> grid.shift)
    far = grid.bound + grid.noise_steps + 1
    parts = [np.clip(surely, -far, far)]
    for step in range(1, grid.noise_steps + 1):
        away = table - (surely - step) * unit - least
        parts.append(below[np.clip(away, 0, len(below) - 1)] - 1 - (1 << 15))
    stacked = np.stack(parts, axis=4).astype(np.int16)  # [C, groups, G, L, 1 + steps, S, padded]
    return stacked.reshape(len(table), -1, table.shape[3] * len(parts), columns.count)


def adc_tables(grid: Grid, order: Sequence[int], columns: Columns) -> Array:
    """Return first threshold, width, step and base: ``int32 [C, groups * G, 4, columns]``."""
    groups, copies = grid.layer.mvm.groups, grid.reference_copies
    out = np.zeros((copies, groups, len(order), 4, columns.slices, columns.padded), np.int32)
    out[:, :, :, 1:3] = 1
    for k, table in enumerate(grid.converter()):
        grouped = table.reshape(*table.shape[:3], groups, -1).transpose(0, 3, 1, 2, 4)
        out[:, :, :, k, :, : columns.outputs] = np.minimum(grouped[:, :, list(order)], _WIDEST)
    return out.reshape(copies, -1, 4, columns.count)


def half_tables(tables: Array, how: Arithmetic) -> Array:
    """Return what ``csrc/quick.h`` takes of ``adc_tables``: ``int16 [C, groups * G, 5, columns]``.

    Where all columns are alike, one block of 32 stands for all.
    """
    if how.quick == "EVEN":
        tables = np.repeat(tables[:1, :1, :, :1], 32, axis=3)
    first, width, step, base = np.moveaxis(tables, 2, 0)
    whole = width == 1
    factor = np.where(whole, 0, quick_factors(width.astype(np.int64), how.down))
    parts = (first - width, factor, -whole.astype(np.int32), step, base)
    out = aligned((*tables.shape[:2], len(parts), tables.shape[3]), np.int16)
    out[:] = np.stack(parts, axis=2).astype(np.uint16).view(np.int16)
    return out


def pack_rests(rests: Array, order: Sequence[int], groups: int, columns: Columns) -> Array:
    """Return what columns give at rest, ``int16 [C, groups * G, padded]`` of ``[C, G, N]``."""
    grouped = rests[:, list(order)].reshape(len(rests), len(order), groups, -1)
    out = np.zeros((len(rests), groups, len(order), columns.padded), np.int16)
    out[..., : columns.outputs] = grouped.transpose(0, 2, 1, 3)
    return out.reshape(len(rests), -1, columns.padded)
