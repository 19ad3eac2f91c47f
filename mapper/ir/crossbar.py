"""Crossbars: input bits on wordlines in, exact partial sums out.

One op describes a layer's whole grid of crossbars. Axes after the batch: ``planes`` (input bit
planes, lowest first), ``G`` row blocks, ``S`` bit-slices, ``N`` outputs, then the output
positions (``Ho, Wo`` for windows, none for linear layers).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from math import prod
from typing import ClassVar

import numpy as np

from mapper.ir.copies import copy_bands
from mapper.ir.core import (
    EXACT_DOUBLE,
    EXACT_SINGLE,
    Array,
    Const,
    Constants,
    IntType,
    Op,
    Part,
    Span,
    Value,
)
from mapper.ir.encoding import Encoding
from mapper.ir.levels import Levels
from mapper.ir.packing import cells_there, packing_problems, shared_wordlines
from mapper.ir.planes import Plane, greatest_digit, input_planes, planes_problems
from mapper.ir.windows import Window, wordline_inputs

NO_SLOTS = Span(0, 0)
_AT_ONCE = 1 << 20
"""Cells that are added together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement(Part):
    """Where a layer's crossbars are: filled in by partition, replicate, place and schedule."""

    macro: str = ""
    """Macro kind of the target; empty before ``partition``."""
    round: int = 0
    """Weights are loaded once per round; all layers of a round are on chip together."""
    copies: int = 1
    """Replicas of the grid that work on different output positions."""
    slots: Span = NO_SLOTS
    """Crossbar slots within the round, counted through all chips; empty before ``place``."""
    stage: int = 0
    """Pipeline stage, from 0; filled in by ``schedule``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossbarMvm(Op):
    """Drive input bits onto wordlines and sum the cells on each bitline.

    ``partial_sum[b, g, s, n] = sum_{r in rows[g]} digit_b(x[r]) * u_s[r, n]``, exact integers,
    where ``u_s`` are the digits of ``weight[K, N]`` under ``encoding`` (the weight itself
    before ``slice-weights``), or the ``cells`` of a die. Each copy of the grid has its own of
    these; ``mapper.ir.copies`` says which copy reads a position. A digit of an input is one bit,
    or ``plane_bits`` of them where wordlines have converters; or, where the input counts ``steps``,
    whether it is above one of them. Inputs are unsigned, or two's complement codes whose sign bit
    is a plane of its own and counts negatively in ``ShiftAndAdd``, as steps below 0 do. With
    groups, output ``n`` sees the wordlines of group ``n // (N / groups)``
    only. Groups that are packed share a crossbar, each with wordlines and bitlines of its own; on a
    die the other wordlines of its crossbar add to a column what their cells leak. Turning partial
    sums into bits is the job of the readout.
    """

    mnemonic: ClassVar[str] = "imc.crossbar_mvm"
    label: ClassVar[str] = "crossbar"
    inside_layer: ClassVar[bool] = True
    RESULTS: ClassVar[tuple[str, ...]] = ("partial_sum",)

    x: Value
    weight: Const
    window: Window | None = None
    groups: int = 1
    plane_bits: int = 1
    """Bits of an input code that a wordline carries in one read."""
    steps: Levels | None = None
    """Inputs are read in binary steps of these levels (``mapper.ir.planes``); None: bit by bit."""
    rows: tuple[Span, ...]
    """Wordlines of each row block; together they cover the K wordlines of a group."""
    turns: int = 1
    """Row blocks that share a crossbar, one below the other: it is read once for each of them."""
    columns: tuple[Span, ...]
    """Outputs whose bitlines share a crossbar; together they cover the N outputs. Those of several
    groups are packed: see ``packed``."""
    encoding: Encoding | None = None
    placement: Placement = Placement()
    cells: Const | None = None
    """Of a die: what each cell adds to its bitline, ``[C | 1, S, K, N]``, signed integers; of
    packed groups ``[C | 1, S, packed * K, N]``: all wordlines of their crossbar, group by group."""
    fraction: int = 0
    """Of a die: cells and partial sums count in units of ``2**-fraction`` of a level step."""
    partial_sum: Value

    @property
    def crossbars_down(self) -> int:
        """Crossbars below each other: as many as row blocks, or fewer that are read in turns."""
        return -(-len(self.rows) // self.turns)

    @property
    def crossbars(self) -> int:
        """Number of crossbars in one copy of the grid."""
        return self.crossbars_down * len(self.columns)

    @property
    def packed(self) -> int:
        """Groups on the block diagonal of one crossbar; 1 where each has crossbars of its own.

        A packed group has wordlines and bitlines of its own; its other cells hold the digit 0, so
        that sums are those of its own wordlines. All are driven in the same read. The last crossbar
        may hold fewer groups.
        """
        first = len(self.columns[0]) if self.columns else 0
        return max(1, first * self.groups // max(1, self.outputs))

    @property
    def packs(self) -> int:
        """Sets of groups that are driven in the same read: as many as groups where none share."""
        return -(-self.groups // self.packed)

    @property
    def shared_rows(self) -> tuple[Span, ...]:
        """Wordlines of the crossbars by row block: of packed groups, those of all of them."""
        if self.packed == 1:
            return self.rows
        return (Span(0, self.packed * self.rows[-1].stop),)

    @property
    def cell_rows(self) -> tuple[Span, ...]:
        """Wordlines that add to a column by row block: on a die those of other groups do, too."""
        return self.rows if self.cells is None else self.shared_rows

    @property
    def planes(self) -> int:
        """Number of bit planes, or steps, of the input: reads of the grid per output position."""
        return len(self.bit_planes)

    @property
    def bit_planes(self) -> tuple[Plane, ...]:
        """What each read takes of the input."""
        return input_planes(self.x, self.plane_bits, self.steps)

    @property
    def most_driven(self) -> int:
        """The greatest digit on a wordline: 1 where inputs are read bit by bit."""
        return greatest_digit(self.bit_planes)

    @property
    def outputs(self) -> int:
        return self.partial_sum.shape[3]

    @property
    def positions(self) -> tuple[int, ...]:
        return self.partial_sum.shape[4:]

    def verify(self, constants: Constants) -> Iterator[str]:
        weight = constants[self.weight.name]
        if not isinstance(self.x.type, IntType):
            yield f"wordlines are driven by integer codes, got {self.x.type}"
            return
        if weight.ndim != 2 or weight.dtype.kind not in "iu":
            yield f"weights are an integer matrix, got {weight.dtype} of shape {weight.shape}"
            return
        yield from (unread := list(planes_problems(self.x, self.plane_bits, self.steps)))
        if unread:
            return
        yield from geometry_problems(self, weight.shape[0], self.positions)
        yield from (uncovered := list(_cover_problems("wordlines", self.rows, weight.shape[0])))
        yield from _cover_problems("outputs", self.columns, weight.shape[1])
        yield from self._column_problems(weight.shape[1])
        slices = 1
        if self.encoding is not None:
            yield from self.encoding.problems(weight)
            slices = len(self.encoding.significances)
        expected = (self.planes, len(self.rows), slices, weight.shape[1])
        if self.partial_sum.shape[:4] != expected:
            yield f"partial sums are {expected} per position, got {self.partial_sum.shape}"
        yield from (unfit := list(self._cell_problems(constants, slices, *weight.shape)))
        if not (unfit or uncovered):
            yield from self._range_problems(constants)

    def _column_problems(self, outputs: int) -> Iterator[str]:
        if outputs % self.groups:
            yield f"{outputs} outputs in {self.groups} groups"
            return
        width = outputs // self.groups
        if self.packed > 1:
            yield from packing_problems(self.rows, self.columns, width, self.packed)
            return
        for span in self.columns:
            if len(span) and span.start // width != (span.stop - 1) // width:
                yield f"outputs {span} of one crossbar belong to more than one group of {width}"

    def _cell_problems(
        self, constants: Constants, slices: int, wordlines: int, outputs: int
    ) -> Iterator[str]:
        if self.cells is None:
            if self.fraction:
                yield f"a fraction of {self.fraction} bits, but no cells of a die"
            return
        cells = constants[self.cells.name]
        expected = (slices, wordlines * self.packed, outputs)
        if cells.ndim != 4 or cells.shape[1:] != expected or cells.dtype.kind != "i":
            sides = ", ".join(map(str, expected))
            held = f"{cells.dtype} of shape {cells.shape}"
            yield f"cells are signed integers [copies, {sides}], got {held}"
        elif len(cells) not in (1, self.placement.copies):
            yield f"cells of {len(cells)} copies, the layer has {self.placement.copies}"
        elif self.groups % self.packed and cells[..., ~self.there].any():
            yield f"cells of groups that the last of {self.packs} crossbars does not have"

    @property
    def there(self) -> Array:
        """Which cells there are, ``[packed * K, N]``: the last crossbar may hold fewer groups."""
        return cells_there(self.rows[-1].stop, self.outputs, self.groups, self.packed)

    def sum_range(self, constants: Constants) -> tuple[int, int]:
        """Return bounds of a partial sum: of any digits, or of the known cells of a die."""
        if self.cells is not None:
            return cell_sum_range(constants[self.cells.name], self.cell_rows, self.most_driven)
        weight = constants[self.weight.name]
        return partial_sum_range(weight, self.rows, self.encoding, self.most_driven)

    def _range_problems(self, constants: Constants) -> Iterator[str]:
        low, high = self.sum_range(constants)
        if max(-low, high) >= EXACT_DOUBLE:
            yield f"partial sum spans {low}..{high}, more than a double holds exactly"
        type = self.partial_sum.type
        if not isinstance(type, IntType) or not type.holds(low, high):
            yield f"partial sum spans {low}..{high}, too wide for {type}"

    def digits(self, constants: Constants) -> Array:
        """Return what each cell adds to its bitline, ``[C | 1, S, K, N]``, whole numbers."""
        if self.cells is not None:
            return constants[self.cells.name].astype(np.float64)
        weight = constants[self.weight.name]
        if self.encoding is None:
            return weight[None, None].astype(np.float64)
        return self.encoding.digits(weight, np.float64)[None]

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        digits = self.digits(constants)
        driven = driven_wordlines(operands[0], self)  # [B, planes, groups, K, P]
        if self.cells is not None:
            driven = shared_wordlines(driven, self.packed)
        batch, planes, _, _, places = driven.shape
        sums = np.empty((batch, planes, *self.partial_sum.shape[1:4], places), np.int64)
        for cells, band in zip(digits, copy_bands(len(digits), places), strict=True):
            for g, rows in enumerate(self.cell_rows):
                # Doubles hold these sums exactly (far below 2**53) and have a fast product.
                inputs = driven[:, :, :, rows.slice, band.slice].astype(np.float64)
                sums[:, :, g, ..., band.slice] = _bitline_sums(cells[:, rows.slice], inputs)
        return (sums.reshape(batch, *self.partial_sum.shape),)


def _bitline_sums(cells: Array, inputs: Array) -> Array:
    """Return ``[B, planes, S, N, P]`` of ``[S, R, N]`` driven by ``[B, planes, groups, R, P]``."""
    slices, rows, outputs = cells.shape
    batch, planes, groups, _, places = inputs.shape
    found = cells.transpose(2, 0, 1).reshape(groups, -1, rows) @ inputs
    return found.reshape(batch, planes, outputs, slices, places).transpose(0, 1, 3, 2, 4)


def driven_wordlines(x: Array, op: "CrossbarMvm | CountActive") -> Array:
    """Return the digit on every wordline, ``[B, planes, groups, K, positions]``, 0 or more."""
    inputs = wordline_inputs(x, op.window, op.groups)
    flat = inputs.reshape(*inputs.shape[:3], -1)
    return np.stack([plane.digit(flat) for plane in op.bit_planes], axis=1)


def partial_sum_range(
    weight: Array, rows: tuple[Span, ...], encoding: Encoding | None, most_driven: int = 1
) -> tuple[int, int]:
    """Return bounds of one bitline's sum: as wide as the tallest row block makes it."""
    tallest = max(len(span) for span in rows) * most_driven
    if encoding is not None:
        return tallest * encoding.digit_min, tallest * encoding.digit_max
    return tallest * min(0, int(weight.min())), tallest * max(0, int(weight.max()))


def cell_sum_range(cells: Array, rows: tuple[Span, ...], most_driven: int = 1) -> tuple[int, int]:
    """Return bounds of one bitline's sum over known cells ``[C, S, K, N]``, over all row blocks.

    >>> cell_sum_range(np.array([[[[250], [-6], [-2]]]]), (Span(0, 2), Span(2, 3)))
    (-6, 250)
    """
    kind = _exact_for(cells, max(map(len, rows)))
    low = high = 0
    for height, spans in groupby(rows, len):
        alike = tuple(spans)
        some = max(1, _AT_ONCE // max(1, cells[:, :, :height].size))
        for at in range(0, len(alike), some):
            held = Span(alike[at].start, alike[min(at + some, len(alike)) - 1].stop)
            block = cells[:, :, held.slice].reshape(*cells.shape[:2], -1, height, cells.shape[3])
            ones = np.ones((1, height), kind)  # a product is the fastest way to add rows
            low = min(low, int((ones @ np.minimum(block, 0, dtype=kind)).min(initial=0)))
            high = max(high, int((ones @ np.maximum(block, 0, dtype=kind)).max(initial=0)))
    return low * most_driven, high * most_driven


def _exact_for(cells: Array, rows: int) -> type[np.float32] | type[np.float64] | type[np.int64]:
    """Return a type that holds sums of so many cells exactly, the fastest there is."""
    most = rows << (8 * cells.dtype.itemsize - 1)
    return np.float32 if most <= EXACT_SINGLE else np.float64 if most <= EXACT_DOUBLE else np.int64


def geometry_problems(
    op: "CrossbarMvm | CountActive", wordlines: int, positions: tuple[int, ...]
) -> Iterator[str]:
    """Yield why the input cannot drive ``wordlines`` a group at these output positions."""
    if op.groups < 1:
        yield f"{op.groups} groups"
        return
    found: tuple[int, ...] = ()
    if op.window is None:
        reach = prod(op.x.shape)
    elif len(op.x.shape) != 3 or op.window.problems():
        yield f"a window slides over [channels, height, width], got {op.x.shape}"
        return
    else:
        yield from op.window.size_problems(op.x.shape)
        reach = prod(op.window.kernel) * op.x.shape[0]
        found = op.window.output_size(*op.x.shape[1:])
    if reach != op.groups * wordlines:
        yield f"{reach} inputs a position drive {op.groups} groups of {wordlines} wordlines"
    if found != positions or min(found, default=1) < 1:
        yield f"the window gives {found} positions, but the result has {positions}"


def _cover_problems(what: str, spans: tuple[Span, ...], total: int) -> Iterator[str]:
    edges = [0, *(span.stop for span in spans)]
    starts = [span.start for span in spans]
    if starts != edges[:-1] or edges[-1] != total or any(len(span) < 1 for span in spans):
        yield f"spans {', '.join(map(str, spans))} do not cover {total} {what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountActive(Op):
    """Count the driven wordlines of each row block: ``active[b, g, group, *positions]``.

    Where a read takes several bits of an input, what they carry is added up. Physically a replica
    column of unit cells, or a counter beside the wordline drivers.
    """

    mnemonic: ClassVar[str] = "imc.count_active"
    label: ClassVar[str] = "active wordlines"
    inside_layer: ClassVar[bool] = True
    RESULTS: ClassVar[tuple[str, ...]] = ("active",)

    x: Value
    window: Window | None = None
    groups: int = 1
    plane_bits: int = 1
    steps: Levels | None = None
    """As those of the crossbars beside it."""
    rows: tuple[Span, ...]
    active: Value

    @property
    def bit_planes(self) -> tuple[Plane, ...]:
        """What each read takes of the input."""
        return input_planes(self.x, self.plane_bits, self.steps)

    @property
    def most_active(self) -> int:
        """The greatest count: every wordline of the tallest row block carries all it can."""
        return max(len(span) for span in self.rows) * greatest_digit(self.bit_planes)

    def verify(self, constants: Constants) -> Iterator[str]:
        if not isinstance(self.x.type, IntType):
            yield f"wordlines are driven by integer codes, got {self.x.type}"
            return
        yield from (unread := list(planes_problems(self.x, self.plane_bits, self.steps)))
        if unread:
            return
        yield from geometry_problems(self, self.rows[-1].stop, self.active.shape[3:])
        yield from _cover_problems("wordlines", self.rows, self.rows[-1].stop)
        most = self.most_active
        if not isinstance(self.active.type, IntType) or not self.active.type.holds(0, most):
            yield f"up to {most} active wordlines, too many for {self.active.type}"
        expected = (len(self.bit_planes), len(self.rows), self.groups)
        if self.active.shape[:3] != expected:
            yield f"counts are {expected} per position, got {self.active.shape}"

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        driven = driven_wordlines(operands[0], self)
        counts = [driven[:, :, :, rows.slice].sum(axis=3) for rows in self.rows]
        return (np.stack(counts, axis=2).reshape(-1, *self.active.shape),)
