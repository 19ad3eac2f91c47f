"""A layer on crossbars as standard operators, from the integers that the file carries.

``mapper.executor.onnx.layers`` writes the same sums from arrays that are laid out beforehand, row
block by row block. Here weights, references and scales come as the network has them, so that
whoever holds the file can look at them, and all row blocks are computed together.
"""

from collections.abc import Mapping

import numpy as np

from mapper.executor.onnx import grids, layers, readouts
from mapper.executor.onnx.nodes import Nodes
from mapper.ir import bounds
from mapper.ir.core import Const, Constants
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.readout import AdcRead, SenseAmpRead
from mapper.ir.units import CrossbarLayer


def crossbar_body(
    n: Nodes, layer: CrossbarLayer, tensors: Mapping[str, str], constants: Constants
) -> str:
    """Return the integers of a layer, ``[B, N, *positions]``.

    Args:
        n: Where to write.
        layer: Its row blocks are of one height, but for the last.
        tensors: Of the input by ``x``, and of constants by their name.
        constants: Their numbers; bounds and shapes are taken from them.
    """
    mvm, read, add = layer.mvm, layer.read, layer.add
    dtype = bounds.bitline_products(mvm, constants).dtype
    inputs = _by_block(n, mvm, grids.driven(n, tensors["x"], mvm, dtype))
    cells = _cells(n, mvm, tensors[mvm.weight.name], dtype)
    sums = _arranged(n, mvm, n.op("MatMul", cells, inputs))
    active = _active(n, mvm, inputs) if layer.half_active or add.offset else ""
    if isinstance(read, AdcRead):
        tables = [_table(n, t, tensors) for t in readouts.adc_tables(read)]
        codes = readouts.converted(n, sums, read, tables)
    else:
        codes = _compared(n, sums, read, tensors, active if layer.half_active else "")
    total = readouts.weighed(n, codes, add.significances, "int64")
    if add.offset:
        total = n.op("Add", total, n.op("Mul", active, n.number(add.offset)))
    scale = _table(n, add.scale, tensors)
    if add.merged and add.shares_scale(constants):
        return layers.planes_added(n, n.sum(total, 1), add, scale)
    # Files from before merged sums have this form, and are read only if it is written again.
    return layers.planes_added(n, n.sum(n.op("Mul", total, scale), 1), add)


def _height(mvm: CrossbarMvm) -> int:
    return len(mvm.rows[0])


def _missing(mvm: CrossbarMvm) -> int:
    """Count the wordlines of the last row block that no input drives."""
    return len(mvm.rows) * _height(mvm) - mvm.rows[-1].stop


def _by_block(n: Nodes, mvm: CrossbarMvm, inputs: str) -> str:
    """Cut ``[B, groups, K (+ 1), P]`` into row blocks: ``[B, groups, G, R, P]``."""
    places = int(np.prod(mvm.positions))
    if len(mvm.rows) > 1:  # the spare wordline that ``driven`` adds is not needed here
        zero, last = n.integers(0), n.integers(mvm.rows[-1].stop)
        inputs = n.op("Slice", inputs, zero, last, n.integers(2))
    if _missing(mvm):
        inputs = n.op("Pad", inputs, n.integers(0, 0, 0, 0, 0, 0, _missing(mvm), 0))
    return n.reshape(inputs, -1, mvm.groups, len(mvm.rows), _height(mvm), places)


def _cells(n: Nodes, mvm: CrossbarMvm, weight: str, dtype: str) -> str:
    """Return the digits of ``weight[K, N]``: ``[groups, G, S * N / groups, R]``."""
    encoding = mvm.encoding
    code = n.cast(weight, np.int64)
    if encoding is not None and not encoding.pairs:
        code = n.op("Sub", code, n.number(encoding.offset))
        if encoding.form.alphabet:
            code = n.op("Div", code, n.number(encoding.code_step))
        else:
            code = n.op("Mod", code, n.number(1 << encoding.weight_bits))  # never negative
    if _missing(mvm):
        code = n.op("Pad", code, n.integers(0, 0, _missing(mvm), 0))
    stored = n.reshape(n.transpose(code, 1, 0), mvm.groups, mvm.outputs // mvm.groups, -1)
    digits = grids.cells(n, stored, encoding, dtype)
    split = n.reshape(digits, mvm.groups, -1, len(mvm.rows), _height(mvm))
    return n.transpose(split, 0, 2, 1, 3)


def _arranged(n: Nodes, mvm: CrossbarMvm, sums: str) -> str:
    """Return products as int64 ``[B, G, S, N, P]``, outputs of all groups side by side."""
    blocks, slices = len(mvm.rows), mvm.partial_sum.shape[2]
    columns, places = mvm.outputs // mvm.groups, int(np.prod(mvm.positions))
    split = n.reshape(n.cast(sums, np.int64), -1, mvm.groups, blocks, slices, columns, places)
    ordered = n.transpose(split, 0, 2, 3, 1, 4, 5)
    return n.reshape(ordered, -1, blocks, slices, mvm.outputs, places)


def _active(n: Nodes, mvm: CrossbarMvm, inputs: str) -> str:
    """Count driven wordlines: int64 ``[B, G, N, P]``."""
    counts = n.transpose(n.cast(n.sum(inputs, 3), np.int64), 0, 2, 1, 3)
    group_of = np.arange(mvm.outputs) // (mvm.outputs // mvm.groups)
    return n.op("Gather", counts, n.array(group_of), axis=2)


def _compared(
    n: Nodes, sums: str, read: SenseAmpRead, tensors: Mapping[str, str], active: str
) -> str:
    table = tensors[read.thresholds.name]
    if active:
        table = n.op("Mul", table, n.number(2))
    references = [
        n.unsqueeze(n.op("Gather", table, n.number(i), axis=0), 3)
        for i in range(len(read.levels) - 1)
    ]
    counted = n.unsqueeze(active, 2) if active else None
    levels = [np.array(level, np.int64) for level in read.levels]
    return readouts.compared(n, sums, read, references, counted, "int64", levels)


def _table(n: Nodes, table: int | Const, tensors: Mapping[str, str]) -> str:
    """Return a number, or a table with a position axis at its end."""
    if not isinstance(table, Const):
        return n.number(table)
    return n.op("Unsqueeze", tensors[table.name], n.integers(-1))
