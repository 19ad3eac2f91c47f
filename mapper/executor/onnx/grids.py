"""Crossbars in standard ONNX operators: unfolding, row blocks, readout, shift-and-add."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import ValueInfoProto

from mapper.executor.onnx.nodes import Nodes, elem_type, tensor_type
from mapper.ir import bounds, core, crossbar
from mapper.ir.core import Array, Const, Constants, IntType, Span, param
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.encoding import Encoding
from mapper.ir.readout import AdcRead, BitlineRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.units import CrossbarLayer
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
    planes = crossbar.input_planes(op.x, op.plane_bits)
    if op.x.type != IntType(len(planes[0]), signed=False):
        x = cut(n, x, planes, op.x.shape)
    spare = len(op.rows) > 1
    return wordlines(n, x, op.x.shape, op.window, op.groups, dtype, spare)


def cut(n: Nodes, x: str, planes: Sequence[Span], shape: Sequence[int]) -> str:
    """Cut codes ``[B, *shape]`` into some of their bits each: ``[B * planes, *shape]``."""

    def powers(exponents: Sequence[int]) -> str:
        column = np.array(exponents, np.int64).reshape(-1, *(1 for _ in shape))
        return n.array(1 << column)

    shifted = n.floor_divide(n.unsqueeze(x, 1), powers([plane.start for plane in planes]))
    widths = sorted({len(plane) for plane in planes})
    tops = n.number(1 << widths[0]) if len(widths) == 1 else powers(list(map(len, planes)))
    return n.reshape(n.op("Mod", shifted, tops), -1, *shape)


def row_index(rows: tuple[Span, ...]) -> Array:
    """Return the wordlines of each row block, ``[G, tallest]``; short ones end undriven."""
    tallest = max(len(span) for span in rows)
    index = np.full((len(rows), tallest), rows[-1].stop, np.int64)
    for g, span in enumerate(rows):
        index[g, : len(span)] = range(span.start, span.stop)
    return index


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
    cut = n.reshape(cells(n, weight, mvm.encoding, dtype), mvm.groups, slices * columns, -1)
    sums = n.op("MatMul", cut, inputs)
    if mvm.groups == 1:
        return n.reshape(sums, -1, slices, columns, places)
    parts = n.reshape(sums, -1, mvm.groups, slices, columns, places)
    return n.reshape(n.transpose(parts, 0, 2, 1, 3, 4), -1, slices, mvm.outputs, places)


def active_rows(n: Nodes, inputs: str, outputs: int, groups: int, places: int) -> str:
    """Count driven wordlines ``inputs[B, groups, R, P]``: ``[B, 1, N | 1, P]``."""
    counts = n.sum(inputs, 2)
    if groups > 1:
        spread = n.array(np.arange(outputs) // (outputs // groups))
        counts = n.op("Gather", counts, spread, axis=1)
    return n.unsqueeze(counts, 1)


def compared(
    n: Nodes,
    sums: str,
    read: SenseAmpRead,
    references: Sequence[str],
    active: str | None,
    of_sums: str,
    levels: Sequence[Array],
) -> str:
    """Compare sums with references ``[..., S | 1, N | 1, 1]``, and give the level that is reached.

    ``levels`` broadcast to the sums, the lowest first; ``of_sums`` is the type of sums.
    """
    if active is not None:
        full = n.number(read.full_level, of_sums)
        twice = n.op("Mul", sums, n.number(2, of_sums))
        sums = n.op("Sub", twice, n.op("Mul", active, full))
    decoded = n.array(levels[0])
    for level, reference in zip(levels[1:], references, strict=True):
        reached = n.op("GreaterOrEqual", sums, reference)
        decoded = n.op("Where", reached, n.array(level), decoded)
    return decoded


def converted(n: Nodes, sums: str, read: AdcRead, tables: Sequence[str]) -> str:
    """Convert int64 sums with an ADC and decode the codes."""
    first, step, base = tables
    steps = n.floor_divide(n.op("Sub", sums, first), step)
    code = n.clip(n.op("Add", steps, n.number(1)), 0, (1 << read.bits) - 1)
    return n.op("Add", base, n.op("Mul", step, code))


def weighed(n: Nodes, codes: str, significances: Sequence[int], dtype: str) -> str:
    """Add up bit-slices ``[..., S, N, P]`` by what they count: int64 ``[..., N, P]``."""
    return _added(n, n.op("Mul", codes, n.array(_by_slice(significances, 1, dtype))))


def _added(n: Nodes, weighed_codes: str) -> str:
    return n.cast(n.sum(weighed_codes, -3), np.int64)


def _by_slice(significances: Sequence[int], level: int, dtype: str) -> Array:
    """Return what a level counts in each bit-slice, ``[S, 1, 1]``."""
    counts: Array = np.array([level * s for s in significances], dtype)
    return counts.reshape(-1, 1, 1)


def code_type(read: BitlineRead, add: ShiftAndAdd) -> str:
    """Return a type in which codes are weighed exactly."""
    if isinstance(read, AdcRead):
        return "int64"
    largest = max(abs(level) for level in read.levels)
    bound = largest * sum(abs(s) for s in add.significances)
    return bounds.Products(-bound, bound).dtype


def thresholds(read: SenseAmpRead, constants: Constants, bound: int) -> Array:
    """Return references ``[G | 1, L, S | 1, N | 1, 1]``, within what sums can reach."""
    table = constants[read.thresholds.name].astype(np.int64) * (1 if read.active is None else 2)
    return np.clip(table, -bound, bound + 1).swapaxes(0, 1)[..., None]


def per_column(constants: Constants, table: int | Const) -> Array:
    """Return a number or a table ``[G | 1, ..., N | 1]`` with a position axis at its end."""
    values = param(constants, table, core.INT64)
    return values[..., None] if values.ndim else values.reshape(1, 1, 1)


def crossbar_layer(n: Nodes, layer: CrossbarLayer, x: str, constants: Constants) -> str:
    """Return the integers of a layer, ``[B, N, *positions]``."""
    mvm, add = layer.mvm, layer.add
    blocks = Blocks(len(mvm.rows))
    products = (
        bounds.half_active_products(layer, constants)
        if layer.half_active
        else bounds.bitline_products(mvm, constants)
    )
    inputs = driven(n, x, mvm, products.dtype)
    weight = n.array(
        stored_weight(constants[mvm.weight.name], mvm.encoding, mvm.groups, blocks.count > 1)
    )

    def block(inner: Nodes, part: str, column: str) -> str:
        sums = bitline_sums(inner, mvm, column, part, _places(mvm), products.dtype)
        active = None
        if layer.half_active or add.offset:
            active = active_rows(inner, part, mvm.outputs, mvm.groups, _places(mvm))
        total = _block_total(inner, layer, constants, blocks, sums, active, products)
        if not add.shares_scale(constants):
            table = per_column(constants, add.scale)
            total = inner.op("Mul", total, blocks.table(inner, table))
        return total

    total = over_blocks(n, mvm.rows, inputs, weight, blocks, block)
    return planes_added(n, total, add, shared_scale(n, add, constants))


def shared_scale(n: Nodes, add: ShiftAndAdd, constants: Constants) -> str:
    """Return the scale of all row blocks, ``[1, N | 1, 1]``; empty where there is none to take."""
    if add.scale == 1 or not add.shares_scale(constants):
        return ""
    return n.array(per_column(constants, add.scale))


def _places(op: CrossbarMvm) -> int:
    return int(np.prod(op.positions))


def _block_total(
    n: Nodes,
    layer: CrossbarLayer,
    constants: Constants,
    blocks: Blocks,
    sums: str,
    active: str | None,
    products: bounds.Products,
) -> str:
    """Read one row block and add up its bit-slices: int64 ``[B, N, P]``."""
    read, add = layer.read, layer.add
    dtype = code_type(read, add)
    if isinstance(read, AdcRead):
        scalars = (read.first, read.step, read.base)
        tables = [blocks.table(n, per_column(constants, t)) for t in scalars]
        codes = converted(n, n.cast(sums, np.int64), read, tables)
        total = weighed(n, codes, add.significances, dtype)
    else:
        table = thresholds(read, constants, products.bound).astype(products.dtype)
        references = [blocks.table(n, table[:, i]) for i in range(table.shape[1])]
        counted = active if layer.half_active else None
        levels = [_by_slice(add.significances, level, dtype) for level in read.levels]
        total = _added(n, compared(n, sums, read, references, counted, products.dtype, levels))
    if add.offset and active is not None:
        counts = n.cast(n.op("Squeeze", active, n.integers(1)), np.int64)
        total = n.op("Add", total, n.op("Mul", counts, n.number(add.offset)))
    return total


def over_blocks(
    n: Nodes,
    rows: tuple[Span, ...],
    inputs: str,
    weight: str,
    blocks: Blocks,
    block: Callable[[Nodes, str, str], str],
) -> str:
    """Add up what ``block`` gives for the wordlines and cells of every row block."""
    if len(rows) == 1:
        return block(n, inputs, weight)
    body = n.subgraph()
    before = body.name()
    index = blocks.table(body, row_index(rows))
    part = body.op("Gather", inputs, index, axis=2)
    column = body.op("Gather", weight, index, axis=2)
    after = body.op("Add", before, block(body, part, column))
    graph = body.graph(
        "row_block",
        [tensor_type(before, None), *_table_types(blocks)],
        [tensor_type(after, None)],
    )
    start = block_zeros(n, inputs, weight)
    outer = [n.array(table) for table in blocks.tables]
    (total,) = n.ops("Scan", [start, *outer], [n.name()], body=graph, num_scan_inputs=len(outer))
    return total


def block_zeros(n: Nodes, inputs: str, weight: str) -> str:
    """Return int64 zeros ``[B, N, P]`` for wordlines ``[B, groups, K, P]``."""
    batch = n.op("Shape", inputs, start=0, end=1)
    places = n.op("Shape", inputs, start=3, end=4)
    outputs = n.op("ReduceProd", n.op("Shape", weight, start=0, end=2), n.integers(0))
    shape = n.op("Concat", batch, outputs, places, axis=0)
    return n.op("Expand", n.number(0), shape)


def _table_types(blocks: Blocks) -> list[ValueInfoProto]:
    return [
        tensor_type(name, table.shape[1:], elem_type(table.dtype))
        for name, table in zip(blocks.inner, blocks.tables, strict=True)
    ]


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
