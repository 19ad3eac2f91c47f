"""Every network op as a node of the canonical form, and back: one row each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from onnx import NodeProto

from mapper.exchange.canonical import windows
from mapper.exchange.canonical.file import Reading, Writing
from mapper.exchange.canonical.functions import (
    DOMAIN,
    MERGES,
    attributes_of,
    named_neuron,
    neuron_name,
    neuron_numbers,
)
from mapper.ir.core import EXACT_SINGLE, IntType, Op, Scalar
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.hardware import ScaledAdd
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
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Conv2d, ConvTranspose2d, Linear
from mapper.ir.tables import OpTable

Read = Callable[[Reading, NodeProto], Op]


# --- elementwise ---------------------------------------------------------------------------


def _write_scale(to: Writing, op: Scale) -> None:
    to.call("Scale", op, to.of(op.x), to.number(op.factor), to.number(op.offset))


def _read_scale(at: Reading, node: NodeProto) -> Scale:
    x, factor, offset = node.input
    return Scale(
        loc=node.doc_string,
        x=at.values[x],
        factor=at.number(factor),
        offset=at.number(offset),
        result=at.values[node.output[0]],
    )


def _write_fake_quantize(to: Writing, op: FakeQuantize) -> None:
    numbers = (to.number(op.step), to.number(op.zero))
    to.call("FakeQuantize", op, to.of(op.x), *numbers, low=op.low, high=op.high)


def _read_fake_quantize(at: Reading, node: NodeProto) -> FakeQuantize:
    x, step, zero = node.input
    held = attributes_of(node)
    return FakeQuantize(
        loc=node.doc_string,
        x=at.values[x],
        step=at.number(step),
        zero=at.number(zero),
        low=held["low"],
        high=held["high"],
        result=at.values[node.output[0]],
    )


def _write_merge(to: Writing, op: Merge) -> None:
    to.call(MERGES[op.kind], op, to.of(op.a), to.of(op.b))


def _read_merge(kind: Any) -> Callable[[Reading, NodeProto], Op]:
    def read(at: Reading, node: NodeProto) -> Op:
        a, b = (at.values[name] for name in node.input)
        result = at.values[node.output[0]]
        return Merge(loc=node.doc_string, kind=kind, a=a, b=b, result=result)

    return read


def _write_add(to: Writing, op: Add) -> None:
    to.op("Sum", op, *(to.of(term) for term in op.terms))


def _read_add(at: Reading, node: NodeProto) -> Add:
    terms = tuple(at.values[name] for name in node.input)
    return Add(loc=node.doc_string, terms=terms, result=at.values[node.output[0]])


def _write_product(kind: str) -> Callable[[Writing, Any], None]:
    def write(to: Writing, op: Multiply | MatMul) -> None:
        whole = isinstance(op.result.type, IntType)
        if whole and max(-op.range()[0], op.range()[1]) > EXACT_SINGLE:
            raise to.refused(
                op, f"its products span {op.range()}, single precision holds {EXACT_SINGLE}"
            )
        to.op(kind, op, to.of(op.a), to.of(op.b))

    return write


def _read_product(made: type[Multiply | MatMul]) -> Read:
    def read(at: Reading, node: NodeProto) -> Op:
        a, b = (at.values[name] for name in node.input)
        return made(loc=node.doc_string, a=a, b=b, result=at.values[node.output[0]])

    return read


# --- shape ---------------------------------------------------------------------------------


def _write_reshape(to: Writing, op: Reshape) -> None:
    to.op("Reshape", op, to.of(op.x), to.integers(op, "shape", [-1, *op.result.shape]))


def _read_reshape(at: Reading, node: NodeProto) -> Reshape:
    result = at.values[node.output[0]]
    return Reshape(loc=node.doc_string, x=at.values[node.input[0]], result=result)


def _write_transpose(to: Writing, op: Transpose) -> None:
    to.op("Transpose", op, to.of(op.x), perm=[0, *(axis + 1 for axis in op.order)])


def _read_transpose(at: Reading, node: NodeProto) -> Transpose:
    order = tuple(axis - 1 for axis in attributes_of(node)["perm"][1:])
    x, result = at.values[node.input[0]], at.values[node.output[0]]
    return Transpose(loc=node.doc_string, x=x, order=order, result=result)


def _write_take(to: Writing, op: Take) -> None:
    indices = to.integers(op, "indices", list(op.indices))
    to.op("Gather", op, to.of(op.x), indices, axis=op.axis + 1)


def _read_take(at: Reading, node: NodeProto) -> Take:
    return Take(
        loc=node.doc_string,
        x=at.values[node.input[0]],
        indices=tuple(at.integers(node.input[1])),
        axis=attributes_of(node)["axis"] - 1,
        result=at.values[node.output[0]],
    )


def _write_concat(to: Writing, op: Concat) -> None:
    axis = op.axis % len(op.result.shape)
    to.op("Concat", op, *(to.of(part) for part in op.parts), axis=axis + 1)


def _read_concat(at: Reading, node: NodeProto) -> Concat:
    parts = tuple(at.values[name] for name in node.input)
    axis = attributes_of(node)["axis"] - 1
    return Concat(loc=node.doc_string, parts=parts, axis=axis, result=at.values[node.output[0]])


# --- neurons -------------------------------------------------------------------------------


_UNITS = {"leak_unit": "leak_rounding", "current_unit": "current_rounding"}
"""Numbers of a neuron's function that a field of the op holds inside."""


def _write_neuron(to: Writing, op: Neuron) -> None:
    numbers = [_number(op, name) for name in neuron_numbers(op)]
    states = [value for value in (op.membrane, op.current) if value is not None]
    inputs = [to.of(op.x), *(to.of(state) for state in states)]
    to.call(neuron_name(op), op, *inputs, *(to.number(number) for number in numbers))


def _number(op: Neuron, name: str) -> Scalar:
    units = {name: getattr(op, field).unit for name, field in _UNITS.items()}
    inside: dict[str, Scalar] = {"reset": op.reset.amount, **units}
    held: Scalar = inside[name] if name in inside else getattr(op, name)
    return held


def _read_neuron(at: Reading, node: NodeProto) -> Neuron:
    op = named_neuron(node.op_type)
    fields = ("membrane", *(() if op.current is None else ("current",)))
    reads = ("x", *fields)
    writes = (*(() if op.spike is None else ("spike",)), *(f"{name}_next" for name in fields))
    held: dict[str, Any] = {
        **{n: at.values[t] for n, t in zip(reads, node.input, strict=False)},
        **{n: at.values[t] for n, t in zip(writes, node.output, strict=True)},
    }
    names, tensors = neuron_numbers(op), node.input[len(reads) :]
    numbers: dict[str, Any] = {n: at.number(t) for n, t in zip(names, tensors, strict=True)}
    if "reset" in numbers:
        held["reset"] = replace(op.reset, amount=numbers.pop("reset"))
    for name in _UNITS.keys() & numbers.keys():
        unit = numbers.pop(name)
        if not isinstance(unit, float):
            raise ValueError("the unit that a leak is rounded to is one number")
        held[_UNITS[name]] = replace(getattr(op, _UNITS[name]), unit=unit)
    return replace(op, loc=node.doc_string, **held, **numbers)


@dataclass(frozen=True, slots=True)
class Form:
    """How an op is written, and the nodes it is read from."""

    write: Callable[[Writing, Any], None]
    standard: Mapping[str, Read] = field(default_factory=dict)
    """By name of a standard operator."""
    ours: Mapping[str, Read] = field(default_factory=dict)
    """By name of a function of our domain."""


_HARDWARE = "hardware is written as a trained network is"

FORMS: OpTable[Form] = OpTable(
    what="ops of the canonical form",
    entries={
        Linear: Form(windows.write_linear, {"Gemm": windows.read_linear}),
        Conv2d: Form(windows.write_conv, {"Conv": windows.read_conv}),
        ConvTranspose2d: Form(
            windows.write_conv_transpose, {"ConvTranspose": windows.read_conv_transpose}
        ),
        MaxPool2d: Form(windows.write_pool, {"MaxPool": windows.read_pool(MaxPool2d)}),
        AvgPool2d: Form(windows.write_pool, {"AveragePool": windows.read_pool(AvgPool2d)}),
        SumPool2d: Form(windows.write_sum_pool, ours={"SumPool": windows.read_sum_pool}),
        Scale: Form(_write_scale, ours={"Scale": _read_scale}),
        FakeQuantize: Form(_write_fake_quantize, ours={"FakeQuantize": _read_fake_quantize}),
        Merge: Form(_write_merge, ours={MERGES[kind]: _read_merge(kind) for kind in MERGES}),
        Add: Form(_write_add, {"Sum": _read_add}),
        Multiply: Form(_write_product("Mul"), {"Mul": _read_product(Multiply)}),
        MatMul: Form(_write_product("MatMul"), {"MatMul": _read_product(MatMul)}),
        Reshape: Form(_write_reshape, {"Reshape": _read_reshape}),
        Transpose: Form(_write_transpose, {"Transpose": _read_transpose}),
        Take: Form(_write_take, {"Gather": _read_take}),
        Concat: Form(_write_concat, {"Concat": _read_concat}),
        Neuron: Form(_write_neuron),  # read by the parts of its name, see read_op
    },
    without={
        IntegerNeuron: _HARDWARE,
        CrossbarMvm: _HARDWARE,
        CountActive: _HARDWARE,
        SenseAmpRead: _HARDWARE,
        AdcRead: _HARDWARE,
        ShiftAndAdd: _HARDWARE,
        ScaledAdd: _HARDWARE,
    },
)
"""The canonical form of each network op."""

_STANDARD = {kind: read for form in FORMS.entries.values() for kind, read in form.standard.items()}
_OURS = {name: read for form in FORMS.entries.values() for name, read in form.ours.items()}
BESIDE = frozenset({"Constant", "DequantizeLinear", "Identity", "Pad"})
"""Nodes that are read together with the one they belong to."""


def read_op(at: Reading, node: NodeProto) -> Op:
    """Return the op of a node; raise ``LookupError`` or ``ValueError`` where it is none of ours."""
    if node.domain != DOMAIN:
        return _STANDARD[node.op_type](at, node)
    return _OURS.get(node.op_type, _read_neuron)(at, node)
