"""Every network op as a node of the canonical form, and back: one pair of functions each."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import NodeProto

from mapper.exchange.canonical.file import Reading, Writing
from mapper.exchange.canonical.functions import (
    DOMAIN,
    MERGES,
    WINDOW,
    attributes_of,
    named_neuron,
    neuron_name,
    neuron_numbers,
)
from mapper.ir.core import FLOAT, Op, Scalar, Value
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
    Transpose,
)
from mapper.ir.neurons import Neuron
from mapper.ir.synapses import Conv2d, ConvTranspose2d, Linear, Synapse
from mapper.ir.windows import Pair, Sides, Window

NO_SIDES: Sides = (0, 0, 0, 0)


# --- weights -------------------------------------------------------------------------------


def _write_linear(to: Writing, op: Linear) -> None:
    to.op("Gemm", op, to.of(op.x), *_weights(to, op), transB=1)


def _read_linear(at: Reading, node: NodeProto) -> Linear:
    return Linear(**_synapse(at, node, node.input[0]))


def _write_conv(to: Writing, op: Conv2d) -> None:
    outside = min(op.padding) < 0  # a convolution cannot crop
    x = _padded(to, op, op.x, op.padding, 0.0) if outside else to.of(op.x)
    pads = NO_SIDES if outside else op.padding
    to.op("Conv", op, x, *_weights(to, op), **_geometry(op, pads), group=op.groups)


def _read_conv(at: Reading, node: NodeProto) -> Conv2d:
    x, sides = _unpadded(at, node)
    held = attributes_of(node)
    return Conv2d(
        **_synapse(at, node, x),
        kernel=_pair(held["kernel_shape"]),
        stride=_pair(held["strides"]),
        padding=sides,
        dilation=_pair(held["dilations"]),
        groups=held["group"],
    )


def _write_conv_transpose(to: Writing, op: ConvTranspose2d) -> None:
    if min(op.padding) < 0:
        raise to.refused(op, f"ONNX has no transposed convolution with padding {op.padding}")
    more = {"group": op.groups, "output_padding": op.output_padding}
    to.op("ConvTranspose", op, to.of(op.x), *_weights(to, op), **_geometry(op, op.padding), **more)


def _read_conv_transpose(at: Reading, node: NodeProto) -> ConvTranspose2d:
    held = attributes_of(node)
    return ConvTranspose2d(
        **_synapse(at, node, node.input[0]),
        kernel=_pair(held["kernel_shape"]),
        stride=_pair(held["strides"]),
        padding=_sides(held["pads"]),
        output_padding=_pair(held["output_padding"]),
        dilation=_pair(held["dilations"]),
        groups=held["group"],
    )


def _weights(to: Writing, op: Synapse) -> list[str]:
    """Return weight and bias; integers are dequantised with step 1, and so stay integers."""
    weight = to.constants[op.weight.name]
    if to.graph.constants[op.weight.name].dtype.kind in "iu":
        weight = to.dequantised(weight, op)
    return [weight, *([] if op.bias is None else [to.constants[op.bias.name]])]


def _synapse(at: Reading, node: NodeProto, x: str) -> dict[str, Any]:
    weight = at.source(node.input[1], "DequantizeLinear") or node.input[1]
    return {
        "loc": node.doc_string,
        "x": at.values[x],
        "weight": at.constant(weight),
        "bias": at.constant(node.input[2]) if len(node.input) > 2 else None,
        "result": at.values[node.output[0]],
    }


# --- windows -------------------------------------------------------------------------------


def _geometry(op: Conv2d | ConvTranspose2d, pads: Sides) -> dict[str, Any]:
    return {
        "kernel_shape": op.kernel,
        "strides": op.stride,
        "pads": pads,
        "dilations": op.dilation,
    }


def _padded(to: Writing, op: Op, x: Value, sides: Sides, fill: float) -> str:
    """Pad or crop height and width in a node of its own."""
    top, left, bottom, right = sides
    pads = to.integers(op, "pads", [0, 0, top, left, 0, 0, bottom, right])
    return to.helper("Pad", op, "padded", to.of(x), pads, to.number(fill))


def _unpadded(at: Reading, node: NodeProto) -> tuple[str, Sides]:
    """Return what a window slides over, and its padding, wherever that is written."""
    pad = at.made_by.get(node.input[0])
    if pad is None or pad.op_type != "Pad":
        return node.input[0], _sides(attributes_of(node)["pads"])
    pads = at.integers(pad.input[1])
    return pad.input[0], (pads[2], pads[3], pads[6], pads[7])


def _write_pool(to: Writing, op: MaxPool2d | AvgPool2d) -> None:
    window = op.window
    greatest = isinstance(op, MaxPool2d)
    fill = -np.inf if greatest and op.x.type == FLOAT else 0.0
    x, pads = to.of(op.x), window.padding
    if _padded_apart(window):
        x, pads = _padded(to, op, op.x, window.padding, fill), NO_SIDES
    more = {} if greatest else {"count_include_pad": 1}
    to.op(
        "MaxPool" if greatest else "AveragePool",
        op,
        x,
        kernel_shape=window.kernel,
        strides=window.stride,
        pads=pads,
        dilations=window.dilation,
        **more,
    )


def _padded_apart(window: Window) -> bool:
    """Say whether engines refuse the padding of a pool, or may see windows of padding alone."""
    sides = zip(window.padding, window.kernel * 2, strict=True)
    return any(side and not (0 <= side < kernel) for side, kernel in sides) or (
        window.dilation != (1, 1) and window.padding != NO_SIDES
    )


def _read_pool(kind: type[MaxPool2d] | type[AvgPool2d]) -> Callable[[Reading, NodeProto], Op]:
    def read(at: Reading, node: NodeProto) -> Op:
        x, sides = _unpadded(at, node)
        held = attributes_of(node)
        return kind(
            loc=node.doc_string,
            x=at.values[x],
            window=_window(held["kernel_shape"], held, sides),
            result=at.values[node.output[0]],
        )

    return read


def _write_sum_pool(to: Writing, op: SumPool2d) -> None:
    window, channels = op.window, op.x.shape[0]
    outside = min(window.padding) < 0
    x = _padded(to, op, op.x, window.padding, 0.0) if outside else to.of(op.x)
    to.call(
        "SumPool",
        op,
        x,
        ones=[channels, 1, *window.kernel],
        strides=window.stride,
        pads=NO_SIDES if outside else window.padding,
        dilations=window.dilation,
        channels=channels,
    )


def _read_sum_pool(at: Reading, node: NodeProto) -> SumPool2d:
    x, sides = _unpadded(at, node)
    held = attributes_of(node)
    return SumPool2d(
        loc=node.doc_string,
        x=at.values[x],
        window=_window(held["ones"][2:], held, sides),
        result=at.values[node.output[0]],
    )


def _window(kernel: list[int], held: Mapping[str, Any], sides: Sides) -> Window:
    stride, _, dilation = (held[name] for name in WINDOW)
    return Window(
        kernel=_pair(kernel), stride=_pair(stride), padding=sides, dilation=_pair(dilation)
    )


def _pair(held: list[int]) -> Pair:
    first, second = held
    return first, second


def _sides(held: list[int]) -> Sides:
    top, left, bottom, right = held
    return top, left, bottom, right


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


def _write_concat(to: Writing, op: Concat) -> None:
    axis = op.axis % len(op.result.shape)
    to.op("Concat", op, *(to.of(part) for part in op.parts), axis=axis + 1)


def _read_concat(at: Reading, node: NodeProto) -> Concat:
    parts = tuple(at.values[name] for name in node.input)
    axis = attributes_of(node)["axis"] - 1
    return Concat(loc=node.doc_string, parts=parts, axis=axis, result=at.values[node.output[0]])


# --- neurons -------------------------------------------------------------------------------


def _write_neuron(to: Writing, op: Neuron) -> None:
    numbers = [_number(op, name) for name in neuron_numbers(op)]
    states = [value for value in (op.membrane, op.current) if value is not None]
    inputs = [to.of(op.x), *(to.of(state) for state in states)]
    to.call(neuron_name(op), op, *inputs, *(to.number(number) for number in numbers))


def _number(op: Neuron, name: str) -> Scalar:
    held: Scalar = op.reset.amount if name == "reset" else getattr(op, name)
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
    return replace(op, loc=node.doc_string, **held, **numbers)


WRITE: Mapping[type[Op], Callable[[Writing, Any], None]] = {
    Linear: _write_linear,
    Conv2d: _write_conv,
    ConvTranspose2d: _write_conv_transpose,
    MaxPool2d: _write_pool,
    AvgPool2d: _write_pool,
    SumPool2d: _write_sum_pool,
    Scale: _write_scale,
    FakeQuantize: _write_fake_quantize,
    Merge: _write_merge,
    Add: _write_add,
    Reshape: _write_reshape,
    Transpose: _write_transpose,
    Concat: _write_concat,
    Neuron: _write_neuron,
}
_STANDARD: Mapping[str, Callable[[Reading, NodeProto], Op]] = {
    "Gemm": _read_linear,
    "Conv": _read_conv,
    "ConvTranspose": _read_conv_transpose,
    "MaxPool": _read_pool(MaxPool2d),
    "AveragePool": _read_pool(AvgPool2d),
    "Sum": _read_add,
    "Reshape": _read_reshape,
    "Transpose": _read_transpose,
    "Concat": _read_concat,
}
_OURS: Mapping[str, Callable[[Reading, NodeProto], Op]] = {
    "SumPool": _read_sum_pool,
    "Scale": _read_scale,
    "FakeQuantize": _read_fake_quantize,
    **{name: _read_merge(kind) for kind, name in MERGES.items()},
}
BESIDE = frozenset({"Constant", "DequantizeLinear", "Identity", "Pad"})
"""Nodes that are read together with the one they belong to."""


def read_op(at: Reading, node: NodeProto) -> Op:
    """Return the op of a node; raise ``LookupError`` or ``ValueError`` where it is none of ours."""
    if node.domain != DOMAIN:
        return _STANDARD[node.op_type](at, node)
    return _OURS.get(node.op_type, _read_neuron)(at, node)
