"""Cells and references as bits, in the layouts of the native kernels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mapper.executor.native.bounds import held_bytes
from mapper.executor.native.grid import Grid
from mapper.ir.core import Array
from mapper.kernels import core

_BEYOND = (1 << 31) - 1
"""A threshold that columns without an output never reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Bitlines of one group, bit-slice after bit-slice, each padded to ``padded`` outputs."""

    outputs: int
    padded: int
    slices: int

    @property
    def count(self) -> int:
        return self.padded * self.slices


def aligned(shape: Sequence[int], dtype: type) -> Array:
    """Return zeros that begin at a multiple of 64 bytes: whole vectors are loaded."""
    size = held_bytes(*shape, np.dtype(dtype).itemsize)
    raw = np.zeros(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vectors:
    """How the bits of cells lie in vectors."""

    width: int
    """Bytes of a vector."""
    sets: int
    """Sets of cells in turn: positive and negative digits, or bits of digits."""
    beside: int
    """Sets that lie side by side in each vector: 1 or 2."""

    @property
    def part(self) -> int:
        """Bytes of a vector for the columns of one set."""
        return self.width // self.beside


def vectors(grid: Grid, columns: int, tallest: int, level: int) -> Vectors:
    """Choose the layout with the least work: few vectors to count and compare, little padding."""
    cost = {16: 1.0, 32: 1.1, 64: 1.5}
    all_sets = 2 if grid.form == "SIGNED" else grid.bits
    found = [
        Vectors(width=width, sets=-(-all_sets // beside), beside=beside)
        for width in cost
        for beside in ((1, 2) if all_sets > 1 else (1,))
        if width <= core.vector_bytes(level) and tallest * width <= core.number("MOST_LISTED")
    ]

    def work(way: Vectors) -> float:
        return -(-columns // (8 * way.part)) * (way.sets + 0.5) * cost[way.width]

    return min(found, key=work)


def _in_vectors(bits: Array, width: int) -> Array:
    """Pack ``[..., columns]`` of 0 and 1: ``[..., colblks, width]`` bytes."""
    columns = bits.shape[-1]
    colblks = -(-columns // (8 * width))
    padded = np.zeros((*bits.shape[:-1], colblks * width * 8), np.uint8)
    padded[..., :columns] = bits
    packed = np.packbits(padded, axis=-1, bitorder="little")
    return packed.reshape(*bits.shape[:-1], colblks, width)


def pack_bits(grid: Grid, order: Sequence[int], columns: Columns, way: Vectors) -> Array:
    """Return bits of cells: ``uint8 [C, groups * G, colblks, sets, rows + 1, width]``.

    ``order`` is that of the row blocks. Signed cells take a set for positive and one for negative
    digits, others a set for each bit of a digit.
    """
    mvm = grid.layer.mvm
    tallest, copies = max(len(rows) for rows in mvm.rows), grid.cell_copies
    signed, part = grid.form == "SIGNED", way.part
    colblks = -(-columns.count // (8 * part))
    shape = (copies, mvm.groups, len(order), colblks, way.sets, tallest + 1, way.width)
    out = aligned(shape, np.uint8)
    for some, digits in grid.blocks(order):
        wide = (copies, mvm.groups, digits.shape[3], tallest, columns.slices, columns.padded)
        for k in range(way.sets * way.beside):
            on = np.zeros(wide, np.uint8)
            found = digits == (1, -1)[k] if signed else (digits >> k) & 1
            on[..., : columns.outputs] = found.transpose(0, 2, 3, 4, 1, 5)
            packed = _in_vectors(on.reshape(*wide[:4], -1), part)
            first = k % way.beside * part
            place = out[:, :, some, :, k // way.beside, :tallest, first : first + part]
            place[...] = packed.swapaxes(3, 4)
    return out.reshape(copies, -1, *out.shape[3:])


def threshold_table(grid: Grid, order: Sequence[int], columns: Columns) -> Array:
    """Return thresholds ``[L, C, groups, G, S, padded]``; those of padding are never reached."""
    table = grid.thresholds[:, :, list(order)]
    full = table.reshape(*table.shape[:4], grid.layer.mvm.groups, -1).transpose(0, 1, 4, 2, 3, 5)
    out = np.full((*full.shape[:5], columns.padded), _BEYOND, np.int64)
    out[..., : columns.outputs] = full
    return out


def greatest_sum(grid: Grid) -> int:
    """Return the greatest count that bits of cells add up to."""
    return max(len(rows) for rows in grid.layer.mvm.rows) * max(1, grid.digits[1])


def pack_references(
    grid: Grid, order: Sequence[int], columns: Columns, way: Vectors, planes: int, signed: bool
) -> Array:
    """Return references as bit planes.

    That is ``uint8 [C, groups * G, colblks, parity, L, planes + 3, width]``.

    Behind the planes follow, unsigned: the OR of planes from 4, the OR from 7; signed: the sign
    plane and nothing. Last: which references no driven wordline reaches.
    They fill the part of a vector that is compared. Half-active columns, ``2c - n >= t``, are
    compared as ``c - ceil(n / 2)``: with half of ``t`` rounded up where ``n`` is even, and rounded
    down where it is odd; ``parity`` is 2 where that differs.
    """
    greatest = greatest_sum(grid)
    table = threshold_table(grid, order, columns)
    ways = [table]
    if grid.form == "HALVES":
        ways = [-(-table >> 1), table >> 1]
        inside = table[..., : columns.outputs]
        ways = ways if (inside & 1).any() else ways[:1]
    # No sum is farther from 0, so a threshold that is may be moved next to them.
    table = np.clip(np.stack(ways), -greatest if signed else 0, greatest + 1)
    table = table.reshape(*table.shape[:5], -1)  # [parity, L, C, groups, G, columns]
    parts: list[Array] = [(table >> plane) & 1 for plane in range(planes)]
    if signed:
        parts += [table < 0, np.zeros_like(table)]
    else:
        parts += [table >> 4 > 0, table >> 7 > 0]
    parts.append(table <= 0)
    stacked = np.stack(parts).astype(np.uint8)  # [planes + 3, parity, L, C, groups, G, columns]
    packed = _in_vectors(stacked, way.part)  # [planes + 3, parity, L, C, groups, G, colblks, part]
    turned = packed.transpose(3, 4, 5, 6, 1, 2, 0, 7)
    out = aligned((*turned.shape[:-1], way.width), np.uint8)
    out[..., : turned.shape[-1]] = turned
    return out.reshape(turned.shape[0], -1, *out.shape[3:])
