"""Layers of weights and pools as nodes of the canonical form, and back: two functions each."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from onnx import NodeProto

from mapper.exchange.canonical.file import Reading, Writing
from mapper.exchange.canonical.functions import WINDOW, attributes_of
from mapper.ir.core import FLOAT, Op, Value
from mapper.ir.network import AvgPool2d, MaxPool2d, SumPool2d
from mapper.ir.synapses import Conv2d, ConvTranspose2d, Linear, Synapse
from mapper.ir.windows import Pair, Sides, Window

NO_SIDES: Sides = (0, 0, 0, 0)


# --- weights -------------------------------------------------------------------------------


def write_linear(to: Writing, op: Linear) -> None:
    to.op("Gemm", op, to.of(op.x), *_weights(to, op), transB=1)


def read_linear(at: Reading, node: NodeProto) -> Linear:
    return Linear(**_synapse(at, node, node.input[0]))


def write_conv(to: Writing, op: Conv2d) -> None:
    outside = min(op.padding) < 0  # a convolution cannot crop
    x = _padded(to, op, op.x, op.padding, 0.0) if outside else to.of(op.x)
    pads = NO_SIDES if outside else op.padding
    to.op("Conv", op, x, *_weights(to, op), **_geometry(op, pads), group=op.groups)


def read_conv(at: Reading, node: NodeProto) -> Conv2d:
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


def write_conv_transpose(to: Writing, op: ConvTranspose2d) -> None:
    if min(op.padding) < 0:
        raise to.refused(op, f"ONNX has no transposed convolution with padding {op.padding}")
    more = {"group": op.groups, "output_padding": op.output_padding}
    to.op("ConvTranspose", op, to.of(op.x), *_weights(to, op), **_geometry(op, op.padding), **more)


def read_conv_transpose(at: Reading, node: NodeProto) -> ConvTranspose2d:
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


def write_pool(to: Writing, op: MaxPool2d | AvgPool2d) -> None:
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


def read_pool(kind: type[MaxPool2d] | type[AvgPool2d]) -> Callable[[Reading, NodeProto], Op]:
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


def write_sum_pool(to: Writing, op: SumPool2d) -> None:
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


def read_sum_pool(at: Reading, node: NodeProto) -> SumPool2d:
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
