"""What the templates need to know about layers of weights: crossbars, and digital ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from mapper.executor.names import comment, literal
from mapper.executor.numpy.readouts import (
    ONE_BY_ONE,
    MergedReadout,
    NoiseCode,
    ReadoutCode,
    ScalingCode,
    noise_code,
    readout_code,
    scaling_code,
)
from mapper.ir import bounds
from mapper.ir.core import Constants, IntType, Span
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.encoding import Encoding
from mapper.ir.planes import BitPlane
from mapper.ir.readout import SenseAmpRead
from mapper.ir.synapses import Conv2d, ConvTranspose2d, Linear, Synapse
from mapper.ir.tables import OpTable
from mapper.ir.units import CrossbarLayer
from mapper.ir.windows import Window

KEPT_BYTES = 256 << 20
"""Cells of all layers that are held as floats; those of later layers are made when needed."""
DIGITAL_ROWS = 1024
"""Rows of a digital layer multiplied at once where its weights are not kept as floats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridCode:
    """Arguments of ``Grid(...)`` in the generated program, each as the text of an expression."""

    matrix: str
    window: tuple[str, ...]
    """Fields of its ``Window(...)``."""
    linear: bool
    groups: int
    rows: str
    digits: str
    slices: int
    planes: str
    dtype: str
    keep: bool
    tile: int
    copies: int = 1
    """Of the grid, where they differ from each other."""
    packed: int = 1
    """Groups that share a crossbar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerCode:
    """One class of the generated program: a layer of crossbars, fused with its readout or not."""

    template: str
    name: str
    remarks: tuple[str, ...]
    grid: GridCode
    shape: tuple[int, ...]
    """Of the result, without the batch."""
    trace: str
    """A string literal: the name under which driven wordlines are traced; empty: not traced."""
    places: tuple[int, ...]
    """The shape of the array that tiles are written into: ``shape`` with two position axes."""
    blocks: int = 1
    readout: ReadoutCode | None = None
    noise: NoiseCode | None = None
    total_dtype: str = "int64"
    scaling: ScalingCode = ONE_BY_ONE
    offset: int = 0
    plane_weights: tuple[int, ...] = (1,)
    shift: int = 0
    needs: frozenset[str] = frozenset()


@dataclass(slots=True)
class Budget:
    """Memory left for cells that are kept as floats."""

    left: int = KEPT_BYTES

    def take(self, size: int) -> bool:
        """Say whether ``size`` bytes were left, and take them."""
        if size > self.left:
            return False
        self.left -= size
        return True


def crossbar_code(
    layer: CrossbarLayer, name: str, constants: Constants, keys: Mapping[str, str], budget: Budget
) -> LayerCode:
    """Describe a fused layer: wordlines to integers."""
    products = bounds.compared_products(layer, constants)
    readout = readout_code(layer, constants, keys, products)
    copies, noise = layer.copies(constants), noise_code(layer.read, keys)
    scaling = scaling_code(layer, constants, keys, readout)
    grid = _mvm_grid(layer.mvm, products.dtype, keys, budget, copies, _full_level(layer))
    shape = layer.add.result.shape
    needs = {"grid", "window", readout.kind, *_digits_needed(layer.mvm)}
    return LayerCode(
        template="crossbars.py.j2",
        name=name,
        remarks=comment(layer.loc or name, _dimensions(layer.mvm), products.proof, *_halves(layer)),
        grid=grid,
        shape=shape,
        places=_places(shape),
        trace=literal(layer.mvm.partial_sum.name),
        blocks=len(layer.mvm.rows),
        readout=readout,
        noise=noise,
        total_dtype=(
            readout.scaled_dtype
            if isinstance(readout, MergedReadout)
            else bounds.total_type(bounds.code_bounds(layer, constants))
        ),
        scaling=scaling,
        offset=layer.add.offset,
        plane_weights=layer.add.plane_weights,
        shift=layer.add.shift,
        needs=frozenset(
            needs
            | ({"active"} if layer.add.offset else set())
            | ({"noise"} if noise is not None else set())
            | ({"copies"} if copies > 1 else set())
        ),
    )


def _halves(layer: CrossbarLayer) -> list[str]:
    """Explain cells that are not digits of weights."""
    full = _full_level(layer)
    sentence = (
        f"A sum p is compared with half of what its n driven wordlines could give, {full} each:"
        f" cells of 2u - {full} add up to 2p - {full} * n, which is compared with 2t."
    )
    return [sentence] if full else []


def _full_level(layer: CrossbarLayer) -> int:
    """Return what a cell that is full on counts, where the reference is half of that."""
    if isinstance(layer.read, SenseAmpRead) and layer.half_active:
        return layer.read.full_level
    return 0


def partial_sums_code(
    mvm: CrossbarMvm, name: str, constants: Constants, keys: Mapping[str, str], budget: Budget
) -> LayerCode:
    """Describe crossbars whose partial sums are wanted as such."""
    products = bounds.bitline_products(mvm, constants)
    shape = mvm.partial_sum.shape
    return LayerCode(
        template="partial_sums.py.j2",
        name=name,
        remarks=comment(mvm.loc or name, _dimensions(mvm), products.proof),
        grid=_mvm_grid(mvm, products.dtype, keys, budget, _own_copies(mvm, constants)),
        shape=shape,
        places=(*shape[:3], *_places(shape[3:])),
        trace=literal(mvm.partial_sum.name),
        blocks=len(mvm.rows),
        needs=frozenset({"grid", "window", *_digits_needed(mvm)}),
    )


def count_code(count: CountActive, name: str) -> LayerCode:
    """Describe the counting of driven wordlines: a crossbar of one column of ones a group."""
    assert isinstance(count.x.type, IntType)
    shape = count.active.shape
    dtype = bounds.Products(0, count.most_active).dtype
    wordlines = count.rows[-1].stop
    return LayerCode(
        template="partial_sums.py.j2",
        name=name,
        remarks=comment(
            count.loc or name, f"Driven wordlines of {_many(len(count.rows), 'row block')}."
        ),
        grid=GridCode(
            matrix=f"np.ones(({wordlines}, {count.groups}), np.int8)",
            window=window_fields(count.window, shape[3:]),
            linear=count.window is None,
            groups=count.groups,
            rows=_rows_text(count.rows),
            digits="whole",
            slices=1,
            planes=_planes_text(count),
            dtype=f"np.{dtype}",
            keep=True,
            tile=bounds.tile_positions(wordlines * count.groups, count.groups, 8),
        ),
        shape=shape,
        places=(*shape[:2], 1, *_places(shape[2:])),
        trace="",
        blocks=len(count.rows),
        needs=frozenset({"grid", "window", "whole", *_planes_needed(count)}),
    )


def digital_code(
    op: Synapse, name: str, constants: Constants, keys: Mapping[str, str], budget: Budget
) -> LayerCode:
    """Describe a layer of integer weights that no crossbar holds."""
    assert isinstance(op.x.type, IntType)
    matrix = op.matrix(constants[op.weight.name])
    products = bounds.matrix_products(matrix, op.x.type)
    itemsize = np.dtype(products.dtype).itemsize
    wordlines, outputs = matrix.shape
    keep = budget.take(matrix.size * itemsize)
    rows = Span(0, wordlines).split(wordlines if keep else DIGITAL_ROWS)
    shape = op.result.shape
    groups = op.group_count
    return LayerCode(
        template="digital.py.j2",
        name=name,
        remarks=comment(
            op.loc or name, f"{wordlines} inputs to each of {outputs} outputs.", products.proof
        ),
        grid=GridCode(
            matrix=_matrix_text(op, keys[op.weight.name]),
            window=window_fields(op.window, shape[1:]),
            linear=op.window is None,
            groups=groups,
            rows=_rows_text(rows),
            digits="whole",
            slices=1,
            planes="(None,)",
            dtype=f"np.{products.dtype}",
            keep=keep,
            tile=bounds.tile_positions(wordlines * groups, outputs, itemsize),
        ),
        shape=shape,
        places=_places(shape),
        trace="",
        blocks=len(rows),
        total_dtype=products.dtype,
        needs=frozenset({"grid", "window", "whole", type(op).__name__}),
    )


def _matrix_text(op: Synapse, key: str) -> str:
    text = MATRICES.entry(type(op))
    assert text is not None, MATRICES.reason(type(op))
    return text.format(weight=f'weights["{key}"]', groups=op.group_count)


MATRICES: OpTable[str] = OpTable(
    what="matrices of digital layers",
    entries={
        Linear: "{weight}.T",
        Conv2d: "convolution_matrix({weight})",
        ConvTranspose2d: "transposed_matrix({weight}, groups={groups})",
    },
    without={},
    of=Synapse,
)
"""The weights of a layer as ``[K, N]``, from those that are stored."""


def _own_copies(mvm: CrossbarMvm, constants: Constants) -> int:
    return 1 if mvm.cells is None else len(constants[mvm.cells.name])


def _mvm_grid(
    mvm: CrossbarMvm,
    dtype: str,
    keys: Mapping[str, str],
    budget: Budget,
    copies: int,
    full: int = 0,
) -> GridCode:
    assert isinstance(mvm.x.type, IntType)
    slices = mvm.partial_sum.shape[2]
    itemsize = np.dtype(dtype).itemsize
    wordlines = mvm.rows[-1].stop * mvm.groups
    return GridCode(
        matrix=_cells_text(mvm, keys),
        window=window_fields(mvm.window, mvm.positions),
        linear=mvm.window is None,
        groups=mvm.groups,
        rows=_rows_text(mvm.cell_rows),
        digits=_digits_text(mvm, full),
        slices=slices,
        planes=_planes_text(mvm),
        dtype=f"np.{dtype}",
        keep=budget.take(copies * bounds.cell_bytes(mvm, slices, itemsize)),
        tile=bounds.tile_positions(wordlines, slices * mvm.outputs, itemsize),
        copies=copies,
        packed=mvm.packed,
    )


def _cells_text(mvm: CrossbarMvm, keys: Mapping[str, str]) -> str:
    """Return weights ``[K, N]``, or the cells of a die as ``[C, K, N, S]``."""
    if mvm.cells is None:
        return f'weights["{keys[mvm.weight.name]}"]'
    return f'weights["{keys[mvm.cells.name]}"].transpose(0, 2, 3, 1)'


def _digits_text(mvm: CrossbarMvm, full: int) -> str:
    encoding = mvm.encoding
    if mvm.cells is not None:
        cut = "as_they_are(w)"
        return f"lambda w: 2 * {cut} - {full}" if full else "as_they_are"
    if encoding is None:
        return "whole"
    base, count = encoding.base, len(encoding.significances)
    cut = {
        "slice": f"twos_complement(w, {encoding.weight_bits}, {base}, {count})",
        "offset": f"raised(w, {encoding.offset}, {encoding.code_step}, {base}, {count})",
        "pair": f"differential(w, {base}, {count})",
    }[encoding.form.sign]
    return f"lambda w: 2 * {cut} - {full}" if full else f"lambda w: {cut}"


def _digits_needed(mvm: CrossbarMvm) -> set[str]:
    more = _planes_needed(mvm) | ({"packed"} if mvm.packed > 1 else set())
    if mvm.cells is not None:
        return more | {"as-they-are"}
    if mvm.encoding is None:
        return more | {"whole"}
    function = {"slice": "twos-complement", "offset": "raised", "pair": "differential"}
    return more | {"digits", function[mvm.encoding.form.sign]}


def _planes_text(op: CrossbarMvm | CountActive) -> str:
    """Spikes drive their wordline as they are; codes by some bits at a time, or by steps."""
    if op.steps is None and op.x.type == IntType(op.bit_planes[0].bits, signed=False):
        return "(None,)"
    planes = op.bit_planes
    return repr(
        tuple((p.start, p.greatest) if isinstance(p, BitPlane) else p.level for p in planes)
    )


def _planes_needed(op: CrossbarMvm | CountActive) -> set[str]:
    return set() if op.steps is None else {"steps"}


def _rows_text(rows: tuple[Span, ...]) -> str:
    if len(rows) == 1:
        return f"((0, {rows[0].stop}),)"
    stop, size = rows[-1].stop, len(rows[0])
    if Span(0, stop).split(size) == rows:
        return f"spans({stop}, {size})"
    return f"({', '.join(f'({span.start}, {span.stop})' for span in rows)})"


def window_fields(window: Window | None, positions: tuple[int, ...]) -> tuple[str, ...]:
    if window is None:
        window, positions = Window(kernel=(1, 1)), (1, 1)
    fields = ("kernel", "stride", "padding", "dilation", "stuffing")
    given = [f"{field}={getattr(window, field)}" for field in fields]
    return (*given, f"positions={positions}")


def _places(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape if len(shape) == 3 else (*shape, 1, 1)


def _dimensions(mvm: CrossbarMvm) -> str:
    blocks = _many(len(mvm.rows), "row block")
    slices = _many(mvm.partial_sum.shape[2], "bit-slice")
    places = _many(prod(mvm.positions), "position")
    kind = "plain weights" if mvm.encoding is None else _cells(mvm.encoding)
    if mvm.cells is not None:
        kind = f"{kind} of a die"
    wordlines = _many(mvm.rows[-1].stop, "wordline")
    return f"{wordlines} in {blocks}, {slices} of {kind}, {mvm.outputs} outputs at {places}."


def _cells(encoding: Encoding) -> str:
    return f"{encoding.kind} {encoding.weight_bits}-bit weights on {encoding.cells}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
