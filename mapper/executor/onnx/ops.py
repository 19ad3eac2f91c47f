"""Every integer op in standard ONNX operators, one function each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mapper.diagnostics import refuse
from mapper.executor.onnx import grids, layers, readouts
from mapper.executor.onnx.neurons import Compared, fire_and_reset
from mapper.executor.onnx.nodes import Nodes
from mapper.executor.onnx.noise import noisy
from mapper.ir import bounds
from mapper.ir.copies import over_positions
from mapper.ir.core import INT64, Const, Constants, IntType, Scalar, Span, Value, param
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.hardware import ScaledAdd
from mapper.ir.leaks import Decay
from mapper.ir.network import (
    Add,
    AvgPool2d,
    Concat,
    FakeQuantize,
    MaxPool2d,
    Merge,
    Reshape,
    Scale,
    SumPool2d,
    Take,
    Transpose,
)
from mapper.ir.neurons import IntegerNeuron, Neuron
from mapper.ir.products import MatMul, Multiply
from mapper.ir.readout import AdcRead, BitlineRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Synapse
from mapper.ir.tables import OpTable
from mapper.ir.units import CrossbarLayer, Unit
from mapper.ir.windows import Window


@dataclass(frozen=True, slots=True)
class Lowering:
    """The model under construction: where to write, and which tensor holds which value."""

    nodes: Nodes
    constants: Constants
    tensors: dict[str, str] = field(default_factory=dict)

    def lower(self, unit: Unit) -> None:
        """Write the nodes of an op, or of a fused layer, and note its results."""
        if isinstance(unit, CrossbarLayer):
            x, *key = (self.tensors[value.name] for value in unit.operands)
            results: Sequence[str] = [
                layers.crossbar_layer(self.nodes, unit, x, "".join(key), self.constants)
            ]
        else:
            rule = OPERATORS.entry(type(unit))
            types = [value.type for value in (*unit.operands, *unit.results)]
            if rule is None or not all(isinstance(type, IntType) for type in types):
                raise refuse(
                    "not-hardware",
                    f"{unit.mnemonic} is not computed in integers",
                    loc=unit.loc,
                    help="compile the network to the end",
                )
            results = rule(self, unit)
        for value, tensor in zip(unit.results, results, strict=True):
            self.tensors[value.name] = tensor

    def of(self, value: Value) -> str:
        return self.tensors[value.name]

    def parameter(self, scalar: Scalar, type: IntType) -> str:
        return self.nodes.array(param(self.constants, scalar, type).astype(np.int64))

    def chain(self, kind: str, *terms: str) -> str:
        """Combine terms from the left with a binary operator."""
        total = terms[0]
        for term in terms[1:]:
            total = self.nodes.op(kind, total, term)
        return total


def _windows(at: Lowering, x: Value, window: Window, fill: int) -> str:
    return grids.unfold(at.nodes, at.of(x), window, x.shape, "int64", fill)


def _max_pool(at: Lowering, op: MaxPool2d) -> list[str]:
    assert isinstance(op.x.type, IntType)
    seen = _windows(at, op.x, op.window, op.x.type.min)
    greatest = at.nodes.op("ReduceMax", seen, at.nodes.integers(2), keepdims=0)
    return [at.nodes.reshape(greatest, -1, *op.result.shape)]


def _sum_pool(at: Lowering, op: SumPool2d) -> list[str]:
    total = at.nodes.sum(_windows(at, op.x, op.window, 0), 2)
    return [at.nodes.reshape(total, -1, *op.result.shape)]


def _add(at: Lowering, op: Add) -> list[str]:
    return [at.chain("Add", *(at.of(term) for term in op.terms))]


def _merge(at: Lowering, op: Merge) -> list[str]:
    a, b = at.of(op.a), at.of(op.b)
    if op.kind == "iand":
        return [at.nodes.op("Mul", at.nodes.op("Sub", at.nodes.number(1), a), b)]
    if op.kind == "xor":
        return [at.nodes.op("Abs", at.nodes.op("Sub", a, b))]
    return [at.nodes.op("Min" if op.kind == "and" else "Max", a, b)]


def _multiply(at: Lowering, op: Multiply) -> list[str]:
    return [at.nodes.op("Mul", at.of(op.a), at.of(op.b))]


def _matmul(at: Lowering, op: MatMul) -> list[str]:
    n, dtype = at.nodes, bounds.Products(*op.range()).dtype
    total = n.op("MatMul", n.cast(at.of(op.a), dtype), n.cast(at.of(op.b), dtype))
    return [n.cast(total, np.int64)]


def _reshape(at: Lowering, op: Reshape) -> list[str]:
    return [at.nodes.reshape(at.of(op.x), -1, *op.result.shape)]


def _transpose(at: Lowering, op: Transpose) -> list[str]:
    return [at.nodes.transpose(at.of(op.x), 0, *(i + 1 for i in op.order))]


def _take(at: Lowering, op: Take) -> list[str]:
    indices = at.nodes.integers(*op.indices)
    return [at.nodes.op("Gather", at.of(op.x), indices, axis=op.axis + 1)]


def _concat(at: Lowering, op: Concat) -> list[str]:
    return [at.nodes.op("Concat", *(at.of(part) for part in op.parts), axis=op.axis + 1)]


def _scaled_add(at: Lowering, op: ScaledAdd) -> list[str]:
    terms = [
        at.nodes.op("Mul", at.parameter(scale, _WIDE), at.of(term))
        for scale, term in zip(op.scales, op.terms, strict=True)
    ]
    if op.offset != 0:
        terms.append(at.parameter(op.offset, _WIDE))
    return [at.nodes.shift_right(at.chain("Add", *terms), op.shift)]


_WIDE = IntType(64, signed=True)


def _synapse(at: Lowering, op: Synapse) -> list[str]:
    assert isinstance(op.x.type, IntType)
    n = at.nodes
    matrix = op.matrix(at.constants[op.weight.name])
    dtype = bounds.matrix_products(matrix, op.x.type).dtype
    inputs = grids.wordlines(n, at.of(op.x), op.x.shape, op.window, op.group_count, dtype)
    weight = n.array(grids.stored_weight(matrix, None, op.group_count, spare=False))
    total = n.op("MatMul", n.cast(weight, dtype), inputs)
    return [n.reshape(n.cast(total, np.int64), -1, *op.result.shape)]


def _crossbar_mvm(at: Lowering, op: CrossbarMvm) -> list[str]:
    return [layers.partial_sums(at.nodes, op, at.of(op.x), at.constants)]


def _count_active(at: Lowering, op: CountActive) -> list[str]:
    n = at.nodes
    inputs = grids.driven(n, at.of(op.x), op, "float32")
    counts = [n.unsqueeze(n.sum(grids.chosen(n, inputs, i), 2), 1) for i in grids.row_indices(op)]
    joined = n.cast(n.op("Concat", *counts, axis=1), np.int64)
    return [n.reshape(joined, -1, *op.active.shape)]


def _flat(at: Lowering, value: Value) -> str:
    """Return ``[B * planes, G, S, N, P]``."""
    blocks, slices, outputs, *positions = value.shape[1:]
    places = int(np.prod(positions))
    return at.nodes.reshape(at.of(value), -1, blocks, slices, outputs, places)


def _per_output(at: Lowering, active: Value, outputs: int) -> str:
    """Spread counts over the outputs of each group: ``[B * planes, G, N, P]``."""
    n = at.nodes
    blocks, groups, *positions = active.shape[1:]
    counts = n.reshape(at.of(active), -1, blocks, groups, int(np.prod(positions)))
    return n.op("Gather", counts, n.array(np.arange(outputs) // (outputs // groups)), axis=2)


def _sense_amp(at: Lowering, op: SenseAmpRead) -> list[str]:
    n = at.nodes
    active = None
    if op.active is not None:
        active = n.unsqueeze(_per_output(at, op.active, op.partial_sum.shape[3]), 2)
    references = [n.array(t) for t in _by_position(at, op.thresholds, op.result, axes=4)]
    if op.active is not None:
        references = [n.op("Mul", table, n.number(2)) for table in references]
    sums = _read_sums(at, op)
    levels = [np.array(level, np.int64) for level in op.levels]
    codes = readouts.compared(n, sums, op, references, active, "int64", levels)
    return [n.reshape(codes, -1, *op.result.shape)]


def _adc(at: Lowering, op: AdcRead) -> list[str]:
    n = at.nodes
    tables = [n.array(_by_position(at, t, op.result)) for t in readouts.adc_tables(op)]
    codes = readouts.converted(n, _read_sums(at, op), op, tables)
    return [n.reshape(codes, -1, *op.result.shape)]


def _read_sums(at: Lowering, op: BitlineRead) -> str:
    """Return partial sums as they are read, ``[B * planes, G, S, N, P]``."""
    sums = _flat(at, op.partial_sum)
    if op.key is None:
        return sums
    n, shape = at.nodes, op.partial_sum.shape
    everywhere = Span(0, int(np.prod(shape[4:])))
    blocks = n.array(np.arange(shape[1]))
    return noisy(n, sums, op, at.of(op.key), at.constants, "int64", everywhere, blocks)


def _by_position(at: Lowering, table: int | Const, result: Value, axes: int = 3) -> Any:
    """Return a table of a readout so that it broadcasts to ``[..., G, S, N, P]``."""
    values = param(at.constants, table, INT64)
    if values.ndim < 2:
        return values
    places = (int(np.prod(result.shape[4:])),)
    if axes == 3:
        return over_positions(values, places)
    return np.stack([over_positions(of_level, places) for of_level in values])


def _table(at: Lowering, table: Any) -> np.ndarray[Any, Any]:
    return readouts.per_column(at.constants, table)


def _shift_and_add(at: Lowering, op: ShiftAndAdd) -> list[str]:
    n = at.nodes
    total = readouts.weighed(n, _flat(at, op.codes), op.significances, "int64")
    if op.active is not None:
        counts = _per_output(at, op.active, op.codes.shape[3])
        total = n.op("Add", total, n.op("Mul", counts, n.number(op.offset)))
    scale = n.array(_table(at, op.scale))
    if op.merged and op.shares_scale(at.constants):
        return [layers.planes_added(n, n.sum(total, 1), op, scale)]
    # Files from before merged sums have this form; see mapper.exchange.canonical.crossbars.
    return [layers.planes_added(n, n.sum(n.op("Mul", total, scale), 1), op)]


def _neuron(at: Lowering, op: IntegerNeuron) -> list[str]:
    """Follow the order of ``mapper/ir/neurons.py``."""
    n = at.nodes
    state = op.membrane.type
    assert isinstance(state, IntType)
    x, v = at.of(op.x), at.of(op.membrane)
    drive = n.op("Mul", x, n.number(1 << op.fraction_bits)) if op.fraction_bits else x
    drive = n.op("Add", drive, at.parameter(op.bias, _WIDE))
    results = []
    if op.current is not None:
        assert isinstance(op.current.type, IntType)
        kept = _decayed(at, op.current_decay, at.of(op.current))
        current = n.clip(n.op("Add", kept, drive), op.current.type.min, op.current.type.max)
        drive = _decayed(at, op.input_decay, current)
        results = [current]

    def integrate(membrane: str) -> str:
        return n.op("Add", _decayed(at, op.decay, membrane), drive)

    def saturate(u: str) -> str:
        return n.clip(u, state.min, state.max)

    compared = Compared(
        threshold=_threshold(at, op, state),
        amount=at.parameter(op.reset.amount, state),
        zero=n.number(0),
        floor="" if op.floor is None else at.parameter(op.floor, state),
    )
    spike, u = fire_and_reset(n, op, v, integrate, saturate, compared)
    return [*([] if op.spike is None else [n.cast(spike, np.int64)]), u, *results]


def _threshold(at: Lowering, op: IntegerNeuron, state: IntType) -> str:
    """Return what a membrane is compared with; of levels ``[levels - 1, 1, ...]``."""
    if op.levels.is_spike:
        return at.parameter(op.threshold, state)
    table = param(at.constants, op.threshold, state)
    missing = len(op.x.shape) - (table.ndim - 1)
    lead = (len(table), *(1 for _ in range(missing + 1)))  # the batch axis, and what broadcasts
    return at.nodes.array(table.reshape(*lead, *table.shape[1:]))


def _decayed(at: Lowering, decay: Decay, v: str) -> str:
    n = at.nodes
    if decay.kind == "none":
        return v
    if decay.kind == "shift":
        return n.op("Sub", v, _shifted(n, v, decay))
    return _shifted(n, n.op("Mul", v, at.parameter(decay.multiplier, _WIDE)), decay)


def _shifted(n: Nodes, x: str, decay: Decay) -> str:
    """Write ``mapper.ir.leaks.shifted``."""
    if decay.rounding == "toward-zero":
        return n.op("Div", x, n.number(1 << decay.shift))  # as ONNX divides integers
    if decay.rounding == "nearest":
        odd = n.op("Mod", n.shift_right(x, decay.shift), n.number(2))
        x = n.op("Add", n.op("Add", x, n.number((1 << (decay.shift - 1)) - 1)), odd)
    return n.shift_right(x, decay.shift)


_REALS = "it is not computed in integers"

OPERATORS: OpTable[Callable[[Lowering, Any], list[str]]] = OpTable(
    what="ops of the lowered model",
    entries={
        MaxPool2d: _max_pool,
        SumPool2d: _sum_pool,
        Add: _add,
        Merge: _merge,
        Multiply: _multiply,
        MatMul: _matmul,
        Reshape: _reshape,
        Take: _take,
        Transpose: _transpose,
        Concat: _concat,
        ScaledAdd: _scaled_add,
        Synapse: _synapse,
        CrossbarMvm: _crossbar_mvm,
        CountActive: _count_active,
        SenseAmpRead: _sense_amp,
        AdcRead: _adc,
        ShiftAndAdd: _shift_and_add,
        IntegerNeuron: _neuron,
    },
    without={AvgPool2d: _REALS, FakeQuantize: _REALS, Neuron: _REALS, Scale: _REALS},
)
"""The nodes of an op; crossbars that are read at once are fused before."""
