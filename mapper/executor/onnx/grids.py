"""Crossbars in standard ONNX operators: unfolding, cells, row blocks one by one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import ValueInfoProto

from mapper.executor.onnx.nodes import Nodes, elem_type, tensor_type
from mapper.ir.core import Array, Constants, IntType, Span
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.encoding import Encoding
from mapper.ir.planes import BitPlane, Plane, UnaryStep
from mapper.ir.weights import narrow
from mapper.ir.windows import Window, sliding

_ROWS_AT_ONCE = 32
"""Of a matrix that is transposed, to stay in cache."""


@dataclass
class Blocks:
    """What differs between row blocks, when these are worked through one by one.

    Arrays with a leading axis of one per block become inputs of the loop.
    """

    count: int
    tables: list[Array] = field(default_factory=list)
    inner: list[str] = field(default_factory=list)

    def table(self, n: Nodes, array: Array) -> str:
        """Return the part of ``array[G | 1, ...]`` that belongs to the block at hand."""
        if len(array) == 1:
            return n.array(array[0])
        self.tables.append(array)
        self.inner.append(n.name())
        return self.inner[-1]


def unfold(
    n: Nodes,
    x: str,
    window: Window,
    size: Sequence[int],
    dtype: str,
    fill: int = 0,
    spare: bool = False,
) -> str:
    """Return ``[B, C, kh * kw (+ 1), P]`` of ``x[B, C, H, W]``: every window's elements.

    Elements outside read ``fill``, and so does the spare one at the end. ``size`` is C, H, W.
    """
    channels, height, width = size
    places = np.arange(1, height * width + 1).reshape(1, 1, height, width)
    seen = sliding(places, window)[0, 0]  # 0 where the window looks outside
    index = np.where(seen == 0, height * width, seen - 1)
    index = index.transpose(2, 3, 0, 1).reshape(window.kernel[0] * window.kernel[1], -1)
    if spare:
        index = np.pad(index, ((0, 1), (0, 0)), constant_values=height * width)
    flat = n.reshape(x, -1, channels, height * width)
    padded = pad_last(n, flat, n.number(fill, dtype))
    return n.op("Gather", padded, n.array(index.astype(np.int32)), axis=2)


def pad_last(n: Nodes, x: str, fill: str) -> str:
    """Append one element to the last of three axes."""
    return n.op("Pad", x, n.integers(0, 0, 0, 0, 0, 1), fill)


def wordlines(
    n: Nodes,
    x: str,
    shape: Sequence[int],
    window: Window | None,
    groups: int,
    dtype: str,
    spare: bool = False,
) -> str:
    """Return ``[B, groups, K (+ some that are never driven), P]`` of ``x`` in type ``dtype``."""
    x = n.cast(x, dtype)
    if window is None:
        flat = n.reshape(x, -1, groups, int(np.prod(shape)) // groups)
        return n.unsqueeze(pad_last(n, flat, n.number(0, dtype)) if spare else flat, 3)
    seen = unfold(n, x, window, shape, dtype, spare=spare)
    elements = window.kernel[0] * window.kernel[1] + spare
    places = int(np.prod(window.output_size(*shape[1:])))
    channels = shape[0] // groups
    parts = n.reshape(seen, -1, groups, channels, elements, places)
    ordered = n.transpose(parts, 0, 1, 3, 2, 4)
    return n.reshape(ordered, -1, groups, elements * channels, places)


def driven(n: Nodes, x: str, op: CrossbarMvm | CountActive, dtype: str) -> str:
    """Return what wordlines carry, planes within the batch: ``[B * planes, groups, K, P]``."""
    if op.steps is not None:
        x = climbed(n, x, op.bit_planes, op.x.shape)
    elif op.x.type != IntType(op.bit_planes[0].bits, signed=False):
        x = cut(n, x, op.bit_planes, op.x.shape)
    spare = len(op.rows) > 1
    return wordlines(n, x, op.x.shape, op.window, op.groups, dtype, spare)


def cut(n: Nodes, x: str, planes: Sequence[Plane], shape: Sequence[int]) -> str:
    """Cut codes ``[B, *shape]`` into some of their bits each: ``[B * planes, *shape]``."""

    def powers(exponents: Sequence[int]) -> str:
        column = np.array(exponents, np.int64).reshape(-1, *(1 for _ in shape))
        return n.array(1 << column)

    shifted = n.floor_divide(
        n.unsqueeze(x, 1), powers([plane.start for plane in planes if isinstance(plane, BitPlane)])
    )
    bits = [plane.bits for plane in planes]
    widths = sorted(set(bits))
    tops = n.number(1 << widths[0]) if len(widths) == 1 else powers(bits)
    return n.reshape(n.op("Mod", shifted, tops), -1, *shape)


def climbed(n: Nodes, x: str, steps: Sequence[Plane], shape: Sequence[int]) -> str:
    """Return which steps codes ``[B, *shape]`` have climbed: ``[B * steps, *shape]``.

    Of numbers of one sign or of both: ``x > k``, or ``-x > -1 - k`` for steps below 0.
    """

    def column(numbers: Sequence[int]) -> str:
        return n.array(np.array(numbers, np.int64).reshape(-1, *(1 for _ in shape)))

    signed = n.op("Mul", n.unsqueeze(x, 1), column([step.weight for step in steps]))
    levels = [step.level for step in steps if isinstance(step, UnaryStep)]
    over = n.op("Greater", signed, column([max(level, -1 - level) for level in levels]))
    return n.reshape(n.cast(over, np.int64), -1, *shape)


def row_index(rows: tuple[Span, ...]) -> Array:
    """Return the wordlines of each row block, ``[G, tallest]``; short ones end undriven."""
    tallest = max(len(span) for span in rows)
    index = np.full((len(rows), tallest), rows[-1].stop, np.int64)
    for g, span in enumerate(rows):
        index[g, : len(span)] = range(span.start, span.stop)
    return index


def row_indices(op: CrossbarMvm | CountActive) -> list[Array | None]:
    """Return the wordlines of each row block; None for all where there is one."""
    return [None] if len(op.rows) == 1 else list(row_index(op.rows))


def chosen(n: Nodes, x: str, index: Array | None) -> str:
    """Return some rows, along the axis 2."""
    return x if index is None else n.op("Gather", x, n.array(index), axis=2)


def stored_weight(weight: Array, encoding: Encoding | None, groups: int, spare: bool) -> Array:
    """Return ``weight[K, N]`` as kept in the model: ``[groups, N / groups, K (+ 1)]``."""
    if encoding is not None and not encoding.pairs:
        weight = encoding.word(weight)
    low, high = int(weight.min()), int(weight.max())
    kind = np.min_scalar_type(high if low >= 0 else min(low, -high - 1))
    matrix = np.zeros((weight.shape[1], len(weight) + spare), kind)
    for start in range(0, len(weight), _ROWS_AT_ONCE):
        rows = slice(start, min(start + _ROWS_AT_ONCE, len(weight)))
        matrix[:, rows] = weight[rows].T
    return matrix.reshape(groups, -1, matrix.shape[1])


def stored_cells(mvm: CrossbarMvm, constants: Constants, spare: bool, copy: int) -> Array:
    """Return what crossbars hold as kept in the model: ``[groups, ..., K (+ 1)]``.

    Weights, from which ``cells`` derives bit-slices, or the cells of one copy of a die,
    ``[groups, S * N / groups, K (+ 1)]``.
    """
    if mvm.cells is None:
        return stored_weight(constants[mvm.weight.name], mvm.encoding, mvm.groups, spare)
    drawn = narrow(constants[mvm.cells.name])  # the same model from a folder, which keeps it so
    own = drawn[min(copy, len(drawn) - 1)]  # [S, K, N]
    slices, wordlines, outputs = own.shape
    grouped = own.reshape(slices, wordlines, mvm.groups, -1).transpose(2, 0, 3, 1)
    matrix = np.zeros((mvm.groups, slices * outputs // mvm.groups, wordlines + spare), own.dtype)
    matrix[..., :wordlines] = grouped.reshape(mvm.groups, -1, wordlines)
    return matrix


def cells(n: Nodes, weight: str, encoding: Encoding | None, dtype: str) -> str:
    """Derive the bit-slices of stored weights: ``[groups, S, N / groups, R]``."""
    weight = n.unsqueeze(weight, 1)
    if encoding is None:
        return n.cast(weight, dtype)
    word = n.op("Abs", weight) if encoding.pairs else weight
    digit = n.cast(_digits(n, word, encoding), dtype)
    if not encoding.pairs:
        return digit
    return n.op("Mul", digit, n.cast(n.op("Sign", weight), dtype))


def _digits(n: Nodes, word: str, encoding: Encoding) -> str:
    """Cut words ``[groups, 1, ...]`` into bit-slices: by bits, or where levels are no power of two.

    A sign bit of its own, above the code, is the last slice.
    """
    codes, base = encoding.codes, encoding.base
    places, tops = list(encoding.places), [codes] * len(encoding.places)
    bases = [base] * len(places)
    if encoding.form.sign == "slice":
        bases = [min(base, codes // place) for place in places]
        places, tops, bases = [*places, codes], [*tops, 2 * codes], [*bases, 2]
    if encoding.cell_levels:
        code = n.op("Mod", n.cast(word, np.int64), _slices(n, tops, np.int64))
        part = n.op("Div", code, _slices(n, places, np.int64))  # of numbers that are not negative
        return n.op("Mod", part, _slices(n, [base] * len(places), np.int64))
    shifts = _slices(n, [place.bit_length() - 1 for place in places], np.uint32)
    moved = n.op("BitShift", n.cast(word, np.uint32), shifts, direction="RIGHT")
    return n.op("BitwiseAnd", moved, _slices(n, [base - 1 for base in bases], np.uint32))


def _slices(n: Nodes, numbers: Sequence[int], dtype: type) -> str:
    """Return one number for each bit-slice: ``[S, 1, 1]``."""
    return n.array(np.array(numbers, dtype).reshape(-1, 1, 1))


def bitline_sums(
    n: Nodes, mvm: CrossbarMvm, weight: str, inputs: str, places: int, dtype: str
) -> str:
    """Return the partial sums of one row block, ``[B * planes, S, N, P]``."""
    slices = mvm.partial_sum.shape[2]
    columns = mvm.outputs // mvm.groups
    if mvm.cells is None:
        held = cells(n, weight, mvm.encoding, dtype)
        cut = n.reshape(held, mvm.groups, slices * columns, -1)
    else:
        cut = n.cast(weight, dtype)
        inputs = together(n, inputs, mvm, places)
    sums = n.op("MatMul", cut, inputs)
    if mvm.groups == 1:
        return n.reshape(sums, -1, slices, columns, places)
    parts = n.reshape(sums, -1, mvm.groups, slices, columns, places)
    return n.reshape(n.transpose(parts, 0, 2, 1, 3, 4), -1, slices, mvm.outputs, places)


def together(n: Nodes, inputs: str, mvm: CrossbarMvm, places: int) -> str:
    """Give each group the wordlines of all groups in its crossbar: ``[B, groups, all, P]``.

    Where the last crossbar has fewer, the last group stands in: its cells there hold 0.
    """
    if mvm.packed == 1:
        return inputs
    group = np.arange(mvm.groups)[:, None]
    others = group - group % mvm.packed + np.arange(mvm.packed)
    index = n.array(np.minimum(others, mvm.groups - 1).reshape(-1))
    every = n.op("Gather", inputs, index, axis=1)
    return n.reshape(every, -1, mvm.groups, mvm.shared_rows[-1].stop, places)


def active_rows(n: Nodes, inputs: str, outputs: int, groups: int, places: int) -> str:
    """Count driven wordlines ``inputs[B, groups, R, P]``: ``[B, 1, N | 1, P]``."""
    counts = n.sum(inputs, 2)
    if groups > 1:
        spread = n.array(np.arange(outputs) // (outputs // groups))
        counts = n.op("Gather", counts, spread, axis=1)
    return n.unsqueeze(counts, 1)


def over_blocks(
    n: Nodes,
    mvm: CrossbarMvm,
    inputs: str,
    weight: str,
    blocks: Blocks,
    block: Callable[[Nodes, str, str], str],
) -> str:
    """Add up what ``block`` gives for the wordlines and cells of every row block."""
    if len(mvm.rows) == 1:
        return block(n, inputs, weight)
    body = n.subgraph()
    before = body.name()
    index = blocks.table(body, row_index(mvm.rows))
    part = body.op("Gather", inputs, index, axis=2)
    column = body.op("Gather", weight, index, axis=2)
    after = body.op("Add", before, block(body, part, column))
    graph = body.graph(
        "row_block",
        [tensor_type(before, None), *_table_types(blocks)],
        [tensor_type(after, None)],
    )
    start = block_zeros(n, inputs, mvm.outputs)
    outer = [n.array(table) for table in blocks.tables]
    (total,) = n.ops("Scan", [start, *outer], [n.name()], body=graph, num_scan_inputs=len(outer))
    return total


def block_zeros(n: Nodes, inputs: str, outputs: int) -> str:
    """Return int64 zeros ``[B, N, P]`` for wordlines ``[B, groups, K, P]``."""
    batch = n.op("Shape", inputs, start=0, end=1)
    places = n.op("Shape", inputs, start=3, end=4)
    shape = n.op("Concat", batch, n.integers(outputs), places, axis=0)
    return n.op("Expand", n.number(0), shape)


def _table_types(blocks: Blocks) -> list[ValueInfoProto]:
    return [
        tensor_type(name, table.shape[1:], elem_type(table.dtype))
        for name, table in zip(blocks.inner, blocks.tables, strict=True)
    ]
