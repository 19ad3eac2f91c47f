"""Cells and references as bits, in the layouts of the native kernels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

import numpy as np

from mapper.executor.native.bounds import held_bytes
from mapper.executor.native.grid import Grid
from mapper.ir.core import Array
from mapper.kernels import core
from mapper.kernels.layout_structs import Packing, References
from mapper.kernels.structs import Mode, as_read

MOST_CELLS = 1 << 23
"""Cells of a layer that are worked out at once: those of a large one are many times its weights."""

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


def pack_bits(grid: Grid, order: Sequence[int], columns: Columns, way: Vectors) -> Array:
    """Return bits of cells: ``uint8 [C, groups * G, colblks, sets, rows + 1, width]``.

    ``order`` is that of the row blocks. Signed cells take a set for positive and one for negative
    digits, others a set for each bit of a digit.
    """
    mvm = grid.layer.mvm
    colblks = -(-columns.count // (8 * way.part))
    shape = (colblks, way.sets, max(map(len, mvm.cell_rows)) + 1, way.width)
    signed = grid.form == "SIGNED"
    return packed_cells(
        grid, order, columns, shape, np.uint8,
        width=way.width, folded=way.beside > 1, sets=way.sets, signed_digits=signed,
    )  # fmt: skip


class Layout(TypedDict, total=False):
    """What ``Packing`` has of one layout; see there."""

    octets: int
    at_once: int
    nibbles: bool
    width: int
    folded: bool
    sets: int
    signed_digits: bool


def packed_cells(
    grid: Grid,
    order: Sequence[int],
    columns: Columns,
    shape: tuple[int, ...],
    dtype: type,
    whole: bool = False,
    **layout: Unpack[Layout],
) -> Array:
    """Return the cells of row blocks in a layout: ``[C, groups * G, *shape]``.

    With ``whole``, what wordlines add in place of cells: ``columns`` has one slice.
    """
    mvm, copies = grid.layer.mvm, grid.cell_copies
    held = copies * max(map(len, mvm.cell_rows)) * columns.slices * mvm.outputs
    size = max(1, MOST_CELLS // held)
    pieces = [order[at : at + size] for at in range(0, len(order), size)]
    if len(pieces) == 1:
        out = aligned((copies, mvm.groups * len(order), *shape), dtype)
        _pack_blocks(grid, order, columns, out, layout, whole)
        return out
    out = aligned((copies, mvm.groups, len(order), *shape), dtype)
    for at, blocks in zip(range(0, len(order), size), pieces, strict=True):
        part = aligned((copies, mvm.groups * len(blocks), *shape), dtype)
        _pack_blocks(grid, blocks, columns, part, layout, whole)
        out[:, :, at : at + size] = part.reshape(copies, mvm.groups, len(blocks), *shape)
    return out.reshape(copies, -1, *shape)


def _pack_blocks(
    grid: Grid,
    blocks: Sequence[int],
    columns: Columns,
    out: Array,
    layout: Layout,
    whole: bool,
) -> None:
    """Pack the cells of some row blocks into zeros: ``[C, groups * blocks, ...]``."""
    mvm = grid.layer.mvm
    rows = [mvm.cell_rows[g] for g in blocks]
    first, stop = min(span.start for span in rows), max(span.stop for span in rows)
    cells = grid.whole(slice(first, stop)) if whole else grid.stored(slice(first, stop))
    copies, slices, wordlines, outputs = cells.shape
    call = Packing(
        C=copies,
        S=slices,
        K=wordlines,
        N=outputs,
        groups=mvm.groups,
        G=len(blocks),
        rows=max(map(len, mvm.cell_rows)),
        Npad=columns.padded,
        item=cells.dtype.itemsize,
        shift=grid.shift,
        positive=grid.form == "HALVES",
        cells=cells,
        spans=np.array([(span.start - first, len(span)) for span in rows], np.int64),
        out=out,
        **layout,
    )
    core.pack_cells(*as_read(call))


def threshold_table(grid: Grid, order: Sequence[int], columns: Columns) -> Array:
    """Return thresholds ``[C, groups, G, L, S, padded]``; those of padding are never reached."""
    table = grid.thresholds[:, :, list(order)]
    full = table.reshape(*table.shape[:4], grid.layer.mvm.groups, -1).transpose(1, 4, 2, 0, 3, 5)
    out = np.full((*full.shape[:5], columns.padded), _BEYOND, np.int64)
    out[..., : columns.outputs] = full
    return out


def greatest_sum(grid: Grid) -> int:
    """Return the greatest count that bits of cells add up to."""
    return max(len(rows) for rows in grid.layer.mvm.cell_rows) * max(1, grid.digits[1])


def pack_references(
    grid: Grid, order: Sequence[int], columns: Columns, way: Vectors, planes: int, mode: Mode
) -> Array:
    """Return references as bit planes.

    That is ``uint8 [C, groups * G, colblks, parity, L, planes + 3, width]``.

    Those of plain counts are ``~(t - 1)``, behind which follow whether ``t <= 8`` and ``t <= 16``.
    Behind others follow the sign and nothing. Last: which references no driven wordline reaches.
    They fill the part of a vector that is compared. Half-active columns, ``2c - n >= t``, are
    compared as ``c - ceil(n / 2)``: with half of ``t`` rounded up where ``n`` is even, and rounded
    down where it is odd; ``parity`` is 2 where that differs.
    """
    table = threshold_table(grid, order, columns)
    halved = grid.form == "HALVES"
    differ = halved and bool((table[..., : columns.outputs] & 1).any())
    copies, groups, blocks, levels = table.shape[:4]
    colblks = -(-columns.count // (8 * way.part))
    shape = (copies, groups * blocks, colblks, 1 + differ, levels, planes + 3, way.width)
    out = aligned(shape, np.uint8)
    call = References(
        L=levels,
        blocks=copies * groups * blocks,
        columns=columns.count,
        width=way.width,
        folded=way.beside > 1,
        planes=planes,
        parity=1 + differ,
        halved=halved,
        signed_sums=mode in ("DIFFERENTIAL", "HALF_ACTIVE"),
        carried=mode == "PLAIN",
        greatest=greatest_sum(grid),
        table=table,
        out=out,
    )
    core.pack_references(*as_read(call))
    return out
