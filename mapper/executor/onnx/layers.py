"""Layers of crossbars in standard ONNX operators, copy by copy: wordlines in, integers out."""

from dataclasses import dataclass

import numpy as np

from mapper.executor.onnx.grids import (
    Blocks,
    active_rows,
    bitline_sums,
    chosen,
    driven,
    over_blocks,
    row_indices,
    stored_cells,
)
from mapper.executor.onnx.nodes import Nodes
from mapper.executor.onnx.noise import noisy
from mapper.executor.onnx.readouts import (
    adc_tables,
    added,
    by_slice,
    code_type,
    compared,
    converted,
    per_column,
    thresholds,
    weighed,
)
from mapper.ir import bounds
from mapper.ir.copies import copy_bands
from mapper.ir.core import Constants, Span
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.readout import AdcRead, ShiftAndAdd
from mapper.ir.units import CrossbarLayer


@dataclass(frozen=True, slots=True)
class _Band:
    """A layer on one copy of its crossbars, which reads a band of output positions."""

    layer: CrossbarLayer
    constants: Constants
    products: bounds.Products
    key: str
    copy: int
    positions: Span

    def sums(self, n: Nodes, inputs: str, weight: str, blocks: Blocks) -> str:
        """Return the integers of the band: int64 ``[B * planes, N, P]``."""
        mvm, add = self.layer.mvm, self.layer.add

        def block(inner: Nodes, part: str, column: str) -> str:
            dtype = self.products.dtype
            sums = bitline_sums(inner, mvm, column, part, len(self.positions), dtype)
            active = None
            if self.layer.half_active or add.offset:
                active = active_rows(inner, part, mvm.outputs, mvm.groups, len(self.positions))
            total = self._read(inner, blocks, self._noisy(inner, blocks, sums), active)
            if not add.shares_scale(self.constants):
                table = per_column(self.constants, add.scale)
                total = inner.op("Mul", total, blocks.table(inner, table))
            return total

        return over_blocks(n, mvm, inputs, weight, blocks, block)

    def _noisy(self, n: Nodes, blocks: Blocks, sums: str) -> str:
        read = self.layer.read
        if read.noise is None:
            return sums
        number = blocks.table(n, np.arange(blocks.count).reshape(-1, 1))
        one = n.unsqueeze(sums, 1)
        dtype = self.products.dtype
        found = noisy(n, one, read, self.key, self.constants, dtype, self.positions, number)
        return n.op("Squeeze", found, n.integers(1))

    def _read(self, n: Nodes, blocks: Blocks, sums: str, active: str | None) -> str:
        """Read one row block and add up its bit-slices: int64 ``[B, N, P]``."""
        read, add = self.layer.read, self.layer.add
        dtype = code_type(read, add)
        if isinstance(read, AdcRead):
            fields = [per_column(self.constants, t, self.copy) for t in adc_tables(read)]
            tables = [blocks.table(n, table) for table in fields]
            codes = converted(n, n.cast(sums, np.int64), read, tables)
            total = weighed(n, codes, add.significances, dtype)
        else:
            table = thresholds(read, self.constants, self.products.bound, self.copy)
            table = table.astype(self.products.dtype)
            references = [blocks.table(n, table[:, i]) for i in range(table.shape[1])]
            counted = active if self.layer.half_active else None
            levels = [by_slice(add.significances, level, dtype) for level in read.levels]
            of_sums = self.products.dtype
            total = added(n, compared(n, sums, read, references, counted, of_sums, levels))
        if add.offset and active is not None:
            counts = n.cast(n.op("Squeeze", active, n.integers(1)), np.int64)
            total = n.op("Add", total, n.op("Mul", counts, n.number(add.offset)))
        return total


def crossbar_layer(n: Nodes, layer: CrossbarLayer, x: str, key: str, constants: Constants) -> str:
    """Return the integers of a layer, ``[B, N, *positions]``; ``key`` is that of its noise."""
    mvm, add = layer.mvm, layer.add
    products = bounds.compared_products(layer, constants)
    inputs = driven(n, x, mvm, products.dtype)
    parts = []
    copies = layer.copies(constants)
    for copy, positions in enumerate(copy_bands(copies, _places(mvm))):
        if not len(positions):
            continue
        seen = inputs if copies == 1 else _of_positions(n, inputs, positions)
        weight = n.array(stored_cells(mvm, constants, len(mvm.rows) > 1, copy))
        band = _Band(layer, constants, products, key, copy, positions)
        parts.append(band.sums(n, seen, weight, Blocks(len(mvm.rows))))
    total = parts[0] if len(parts) == 1 else n.op("Concat", *parts, axis=2)
    return planes_added(n, total, add, shared_scale(n, add, constants))


def _of_positions(n: Nodes, inputs: str, positions: Span) -> str:
    """Return the wordlines ``[B * planes, groups, K, P]`` at some output positions."""
    ends = (n.integers(positions.start), n.integers(positions.stop))
    return n.op("Slice", inputs, *ends, n.integers(3))


def partial_sums(n: Nodes, mvm: CrossbarMvm, x: str, constants: Constants) -> str:
    """Keep the partial sums of every row block: ``[B, planes, G, S, N, *positions]``."""
    dtype = bounds.bitline_products(mvm, constants).dtype
    inputs = driven(n, x, mvm, dtype)
    copies = 1 if mvm.cells is None else len(constants[mvm.cells.name])
    bands = []
    for copy, positions in enumerate(copy_bands(copies, _places(mvm))):
        if not len(positions):
            continue
        seen = inputs if copies == 1 else _of_positions(n, inputs, positions)
        stored = n.array(stored_cells(mvm, constants, len(mvm.rows) > 1, copy))
        blocks = []
        for index in row_indices(mvm):
            part, column = chosen(n, seen, index), chosen(n, stored, index)
            sums = bitline_sums(n, mvm, column, part, len(positions), dtype)
            blocks.append(n.unsqueeze(n.cast(sums, np.int64), 1))
        bands.append(n.op("Concat", *blocks, axis=1))
    joined = bands[0] if len(bands) == 1 else n.op("Concat", *bands, axis=4)
    return n.reshape(joined, -1, *mvm.partial_sum.shape)


def shared_scale(n: Nodes, add: ShiftAndAdd, constants: Constants) -> str:
    """Return the scale of all row blocks, ``[1, N | 1, 1]``; empty where there is none to take."""
    if add.scale == 1 or not add.shares_scale(constants):
        return ""
    return n.array(per_column(constants, add.scale))


def _places(op: CrossbarMvm) -> int:
    return int(np.prod(op.positions))


def planes_added(n: Nodes, total: str, add: ShiftAndAdd, scale: str = "") -> str:
    """Add bit planes ``[B * planes, N, P]`` by their weight, and shift: ``[B, N, *positions]``.

    ``scale`` is what the sum is multiplied by before it is shifted: one that row blocks share.
    """
    outputs, positions = add.result.shape[0], add.result.shape[1:]
    if add.plane_weights != (1,):
        planes = n.array(np.array(add.plane_weights, np.int64).reshape(-1, 1, 1))
        parts = n.reshape(total, -1, len(add.plane_weights), outputs, int(np.prod(positions)))
        total = n.sum(n.op("Mul", parts, planes), 1)
    if scale:
        total = n.op("Mul", total, scale)
    return n.shift_right(n.reshape(total, -1, outputs, *positions), add.shift)
