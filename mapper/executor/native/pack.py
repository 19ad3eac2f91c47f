"""Weights and references in the layouts of the native kernels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mapper.executor.native.bounds import Arithmetic, held_bytes, rises
from mapper.ir.core import INT64, Array, Const, Constants, Span, param
from mapper.ir.encoding import Encoding
from mapper.ir.readout import AdcRead, SenseAmpRead
from mapper.ir.units import CrossbarLayer
from mapper.kernels import core

_CACHED = 36 << 10
"""Bytes of a row block's cells that stay in the nearest caches over all positions."""
_BEYOND = 1 << 30
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


def cells(layer: CrossbarLayer, constants: Constants, rows: Span) -> Array:
    """Return the digits of one row block: ``[S, groups, rows, N / groups]``."""
    weight = constants[layer.mvm.weight.name][rows.slice].astype(np.int64)
    encoding = layer.mvm.encoding
    digits = weight[None] if encoding is None else encoding.digits(weight)
    return digits.reshape(len(digits), len(rows), layer.mvm.groups, -1).transpose(0, 2, 1, 3)


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


def vectors(encoding: Encoding, columns: int, tallest: int, level: int) -> Vectors:
    """Choose the layout with the least work: few vectors to count and compare, little padding."""
    cost = {16: 1.0, 32: 1.1, 64: 1.5}
    all_sets = 2 if encoding.pairs else encoding.digit_max.bit_length()
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


def pack_bits(
    layer: CrossbarLayer,
    constants: Constants,
    order: Sequence[int],
    columns: Columns,
    way: Vectors,
) -> Array:
    """Return bits of cells: ``uint8 [groups * G, colblks, sets, rows + 1, width]``.

    ``order`` is that of the row blocks. Differential cells take a set for positive and one for
    negative digits, others a set for each bit of a digit.
    """
    mvm = layer.mvm
    assert mvm.encoding is not None
    tallest = max(len(rows) for rows in mvm.rows)
    signed, part = mvm.encoding.pairs, way.part
    colblks = -(-columns.count // (8 * part))
    shape = (mvm.groups, len(order), colblks, way.sets, tallest + 1, way.width)
    out = aligned(shape, np.uint8)
    for at, g in enumerate(order):
        rows = mvm.rows[g]
        digits = cells(layer, constants, rows)
        for k in range(way.sets * way.beside):
            on = np.zeros((mvm.groups, len(rows), columns.slices, columns.padded), np.uint8)
            found = digits == (1, -1)[k] if signed else (digits >> k) & 1
            on[..., : columns.outputs] = found.transpose(1, 2, 0, 3)
            packed = _in_vectors(on.reshape(mvm.groups, len(rows), -1), part)
            first = k % way.beside * part
            place = out[:, at, :, k // way.beside, : len(rows), first : first + part]
            place[...] = packed.swapaxes(1, 2)
    return out.reshape(-1, *out.shape[2:])


def threshold_table(layer: CrossbarLayer, constants: Constants, columns: Columns) -> Array:
    """Return thresholds ``[L, groups, G, S, padded]``; those of padding are never reached."""
    assert isinstance(layer.read, SenseAmpRead)
    mvm = layer.mvm
    table = constants[layer.read.thresholds.name].astype(np.int64)
    grid = (len(table), len(mvm.rows), columns.slices, mvm.outputs)
    full = np.broadcast_to(table, grid).reshape(*grid[:3], mvm.groups, -1).transpose(0, 3, 1, 2, 4)
    out = np.full((*full.shape[:4], columns.padded), _BEYOND, np.int64)
    out[..., : columns.outputs] = full
    return out


def greatest_sum(layer: CrossbarLayer) -> int:
    """Return the greatest partial sum of a layer whose weights are written on cells."""
    assert layer.mvm.encoding is not None
    return max(len(rows) for rows in layer.mvm.rows) * layer.mvm.encoding.digit_max


def pack_references(
    layer: CrossbarLayer,
    constants: Constants,
    order: Sequence[int],
    columns: Columns,
    way: Vectors,
    planes: int,
    signed: bool,
) -> Array:
    """Return references as bit planes: ``uint8 [groups * G, colblks, L, planes + 3, width]``.

    Behind the planes follow, unsigned: the OR of planes from 4, the OR from 7; signed: the sign
    plane and nothing. Last: which references no driven wordline reaches.
    They fill the part of a vector that is compared.
    """
    greatest = greatest_sum(layer)
    table = threshold_table(layer, constants, columns)[:, :, list(order)]
    # No sum is farther from 0, so a threshold that is may be moved next to them.
    table = np.clip(table, -greatest if signed else 0, greatest + 1)
    table = table.reshape(*table.shape[:3], -1)
    parts: list[Array] = [(table >> plane) & 1 for plane in range(planes)]
    if signed:
        parts += [table < 0, np.zeros_like(table)]
    else:
        parts += [table >> 4 > 0, table >> 7 > 0]
    parts.append(table <= 0)
    stacked = np.stack(parts).astype(np.uint8)  # [planes + 3, L, groups, G, columns]
    packed = _in_vectors(stacked, way.part)  # [planes + 3, L, groups, G, colblks, part]
    turned = packed.transpose(2, 3, 4, 1, 0, 5)
    out = aligned((*turned.shape[:-1], way.width), np.uint8)
    out[..., : turned.shape[-1]] = turned
    return out.reshape(-1, *out.shape[2:])


def outputs_at_once(columns: Columns, rows: int, how: Arithmetic) -> int:
    """Return for how many outputs the kernel for numbers makes sums together."""
    step, bits = (64, 4) if how.nibbles else (32, how.cells)
    best = step
    for some in range(step, columns.padded + 1, step):
        held = (rows + 1) * columns.slices * some * bits // 8
        if columns.padded % some == 0 and columns.slices * some <= 1024 and held <= _CACHED:
            best = some
    return best


def pack_sums(
    layer: CrossbarLayer,
    constants: Constants,
    order: Sequence[int],
    columns: Columns,
    how: Arithmetic,
    at_once: int,
) -> Array:
    """Return cells as numbers, ``[groups * G, padded / at_once, rows + 1, S, at_once]``.

    What a few outputs need lies together: it stays in cache over all positions. Nibbles hold two
    bit-slices in a byte, the first of them in its lower half.
    """
    mvm = layer.mvm
    tallest = max(len(rows) for rows in mvm.rows)
    dtype = {8: np.int8, 16: np.int16, 32: np.int32}[how.cells]
    pieces = columns.padded // at_once
    stored = -(-columns.slices // 2) if how.nibbles else columns.slices
    shape = (mvm.groups, len(order), pieces, tallest + 1, stored, at_once)
    out = aligned(shape, dtype)
    for at, g in enumerate(order):
        rows = mvm.rows[g]
        grid = (mvm.groups, len(rows), columns.slices, columns.padded)
        padded = np.zeros(grid, dtype)
        padded[..., : columns.outputs] = cells(layer, constants, rows).transpose(1, 2, 0, 3)
        if how.nibbles:
            low, high = padded[:, :, ::2], padded[:, :, 1::2]
            padded = low.copy()
            padded[:, :, : high.shape[2]] |= high << 4
        cut = padded.reshape(mvm.groups, len(rows), stored, pieces, at_once)
        out[:, at, :, : len(rows)] = cut.transpose(0, 3, 1, 2, 4)
    return out.reshape(-1, *shape[2:])


def sense_tables(
    layer: CrossbarLayer, constants: Constants, order: Sequence[int], columns: Columns
) -> Array:
    """Return thresholds for sums: ``int32 [groups * G, L, columns]``, doubled where half-active."""
    table = threshold_table(layer, constants, columns)[:, :, list(order)]
    table = table * (2 if layer.half_active else 1)
    turned = np.clip(table, -_BEYOND, _BEYOND).transpose(1, 2, 0, 3, 4)
    return np.ascontiguousarray(turned.reshape(-1, len(table), columns.count), dtype=np.int32)


def adc_tables(
    layer: CrossbarLayer, constants: Constants, order: Sequence[int], columns: Columns
) -> Array:
    """Return first threshold, step and base: ``int32 [groups * G, 3, columns]``."""
    assert isinstance(layer.read, AdcRead)
    mvm = layer.mvm
    out = np.zeros((mvm.groups, len(order), 3, columns.slices, columns.padded), np.int32)
    out[:, :, 1] = 1
    for k, scalar in enumerate((layer.read.first, layer.read.step, layer.read.base)):
        grid = _spread(constants, scalar, (len(mvm.rows), columns.slices, mvm.outputs))
        grouped = grid.reshape(*grid.shape[:2], mvm.groups, -1).transpose(2, 0, 1, 3)
        out[:, :, k, :, : columns.outputs] = grouped[:, list(order)]
    return out.reshape(-1, 3, columns.count)


def half_tables(tables: Array, *, even: bool) -> Array:
    """Return what ``csrc/quick.h`` takes of ``adc_tables``: ``int16 [groups * G, 5, columns]``.

    Where all columns are alike, ``even``, one block of 32 stands for all.
    """
    if even:
        tables = np.repeat(tables[:1, :, :1], 32, axis=2)
    first, step, base = tables.transpose(1, 0, 2)
    whole = step == 1
    factor = np.where(whole, 0, (1 << 16) // step + 1)
    parts = (first - step, factor, -whole.astype(np.int32), step, base)
    out = aligned((len(tables), len(parts), tables.shape[2]), np.int16)
    out[:] = np.stack(parts, axis=1).astype(np.uint16).view(np.int16)
    return out


def _spread(constants: Constants, scalar: int | Const, grid: tuple[int, ...]) -> Array:
    return np.broadcast_to(param(constants, scalar, INT64), grid)


def start_values(layer: CrossbarLayer, scales: Array) -> Array:
    """Return what lowest levels add up to over row blocks, slices and planes: ``[N]``."""
    assert isinstance(layer.read, SenseAmpRead)
    lowest = layer.read.levels[0] * sum(layer.add.significances)
    total: Array = scales.sum(axis=0) * lowest * sum(layer.add.plane_weights)
    return total


def resting(
    layer: CrossbarLayer, constants: Constants, scales: Array, blocks: Sequence[int]
) -> Array:
    """Return what row blocks that nothing drives add to the lowest levels: ``[N]``."""
    assert isinstance(layer.read, SenseAmpRead)
    mvm, slices = layer.mvm, len(layer.add.significances)
    table = constants[layer.read.thresholds.name].astype(np.int64)
    full = np.broadcast_to(table, (len(table), len(mvm.rows), slices, mvm.outputs))
    reached = (full[:, list(blocks)] <= 0).sum(axis=0)  # [blocks, S, N]
    weighed = np.einsum("s,gsn->gn", np.asarray(layer.add.significances, np.int64), reached)
    total: Array = (scales[list(blocks)] * weighed).sum(axis=0)
    return total * rises(layer.read)[0] * sum(layer.add.plane_weights)


def level_rises(read: SenseAmpRead) -> Array:
    return np.asarray(rises(read), np.int32)
