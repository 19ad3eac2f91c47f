"""Convolutions and matrix products of the model as layers of weights."""

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Form, Shape, next_order, of_atom
from mapper.frontend.onnx.constants import Constant
from mapper.frontend.onnx.layers import Operand, SynapseLayer, Weights
from mapper.frontend.onnx.node import Node
from mapper.ir.core import Array
from mapper.ir.synapses import Conv2d, ConvTranspose2d, Linear, Synapse
from mapper.ir.windows import Pair, Sides, Window, transposed_window


def convolution(node: Node) -> Form:
    """``Conv`` over one or two axes."""
    weight = node.constant(1)
    sizes = _plane(node, weight)
    kernel, stride, dilation = _geometry(node, weight)
    groups = int(node.attribute("group", 1))
    outputs, channels = weight.shape[:2]
    if node.form(0).shape[1] != channels * groups or outputs % groups:
        raise node.unsupported(f"{node.form(0).shape} does not fit weights {weight.shape}")
    padding = padding_of(node, sizes, kernel, stride, dilation)
    window = Window(kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    geometry = {
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
    }
    return _spatial(node, Conv2d, _weights(node, weight, 0, 1), outputs, window, geometry)


def transposed_convolution(node: Node) -> Form:
    """``ConvTranspose`` over one or two axes."""
    weight = node.constant(1)
    sizes = _plane(node, weight)
    kernel, stride, dilation = _geometry(node, weight)
    extra = pair_of(node, "output_padding", 0)
    groups = int(node.attribute("group", 1))
    channels, outputs = weight.shape[0], weight.shape[1] * groups
    if node.form(0).shape[1] != channels or channels % groups:
        raise node.unsupported(f"{node.form(0).shape} does not fit weights {weight.shape}")
    padding = _transposed_padding(node, sizes, kernel, stride, dilation, extra)
    window = transposed_window(kernel, stride, padding, dilation, extra)
    geometry = {
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "output_padding": extra,
        "dilation": dilation,
        "groups": groups,
    }
    weights = _weights(node, weight, 1, groups)
    return _spatial(node, ConvTranspose2d, weights, outputs, window, geometry)


def _spatial(
    node: Node,
    kind: type[Synapse],
    weights: Weights,
    outputs: int,
    window: Window,
    geometry: Mapping[str, Any],
) -> Form:
    x = node.form(0)
    sizes = plane_of(x.shape)
    positions = window.output_size(*sizes)
    if window.problems() or min(positions) < 1:
        raise node.unsupported(f"window {window.kernel} does not fit into {x.shape}")
    node.check_size((outputs, *positions))
    node.check_window(window, (x.shape[1], *sizes))
    layer = SynapseLayer(
        name=node.name,
        shape=(outputs, *positions),
        loc=node.loc,
        operands=(Operand(form=x, shape=(x.shape[1], *sizes), name=node.proto.input[0]),),
        kind=kind,
        weights=weights,
        bias=_bias(node, outputs),
        bias_name=input_name(node, 2, "bias"),
        geometry=geometry,
    )
    return of_atom(layer, (1, outputs, *positions[4 - len(x.shape) :]))


def matrix_product(node: Node) -> Form:
    """``MatMul`` of one vector with known weights, on either side."""
    left, right = node.input(0), node.input(1)
    if isinstance(right, Constant) and right.array.ndim == 2:
        x = node.form(0)
        _check_vector(node, x, right.shape[0])
        weights = oriented(node, right, transposed=True)
        return _linear(node, x, weights, (*x.shape[:-1], right.shape[1]), operand=0)
    if isinstance(left, Constant) and left.array.ndim == 2:
        x = node.form(1)
        _check_vector(node, x, left.shape[1])
        ends = (left.shape[0],) if len(x.shape) == 1 else (*x.shape[:-2], left.shape[0], 1)
        return _linear(node, x, oriented(node, left, transposed=False), ends, operand=1)
    raise node.unsupported(
        "its weights are no matrix, and not computed from the network's input",
        "multiply by a matrix of weights, or by a computed tensor (attention)",
    )


def general_product(node: Node) -> Form:
    """``Gemm``: ``alpha * A @ B + beta * C`` with known ``B``."""
    a, b = node.form(0), node.constant(1)
    if b.array.ndim != 2:
        raise node.unsupported(f"weights have shape {b.shape}")
    transposed = not node.attribute("transB", 0)
    _check_vector(node, a, b.shape[0] if transposed else b.shape[1])
    weights = _scaled(oriented(node, b, transposed=transposed), node.attribute("alpha", 1.0))
    result = _linear(node, a, weights, (1, weights.array.shape[0]), operand=0)
    if node.input(2) is None:
        return result
    addend = forms.scale(node.form(2), float(node.attribute("beta", 1.0)))
    return _with_bias(result, addend, node, 2) or forms.add(result, addend)


def _linear(node: Node, x: Form, weights: Weights, shape: Shape, operand: int) -> Form:
    layer = SynapseLayer(
        name=node.name,
        shape=weights.array.shape[:1],
        loc=node.loc,
        operands=(Operand(form=x, shape=(prod(x.shape),), name=node.proto.input[operand]),),
        kind=Linear,
        weights=weights,
        bias_name=input_name(node, 2, "bias"),
        geometry={},
    )
    return of_atom(layer, shape)


def as_bias(node: Node) -> Form | None:
    """Move a constant into the layer whose result, read by nothing else, it is added to."""
    for total, addend in ((0, 1), (1, 0)):
        if isinstance(node.inputs[addend], Constant) and node.proto.input[total] in node.alone:
            return _with_bias(node.form(total), node.form(addend), node, addend)
    return None


def _with_bias(total: Form, addend: Form, node: Node, index: int) -> Form | None:
    """Return a layer that adds a constant per output itself, where it has no bias yet."""
    layer = total.alias
    if not isinstance(layer, SynapseLayer) or layer.bias is not None or not addend.is_constant:
        return None
    if np.broadcast_shapes(total.shape, addend.shape) != total.shape:
        return None
    full = np.broadcast_to(addend.constant, total.shape).reshape(layer.shape[0], -1)
    if not np.array_equal(full, np.broadcast_to(full[:, :1], full.shape)):
        return None
    biased = replace(
        layer,
        bias=full[:, 0].astype(np.float32),
        bias_name=input_name(node, index, "bias"),
        name=node.name,
        order=next_order(),
    )
    return of_atom(biased, total.shape)


def _check_vector(node: Node, x: Form, length: int) -> None:
    if prod(x.shape) == length:
        return
    if x.shape[-1] == length:
        raise node.unsupported(
            f"{x.shape} is {prod(x.shape[:-1])} samples or time steps at once",
            "export one sample and one time step; tokens are supported as [1, N, C]",
        )
    raise node.unsupported(f"{x.shape} is not one vector of {length} numbers")


def oriented(node: Node, weight: Constant, *, transposed: bool) -> Weights:
    """Return a constant matrix as ``[outputs, inputs]``."""
    index = next(k for k, tensor in enumerate(node.inputs) if tensor is weight)
    name = weight.name or node.proto.input[index]
    if weight.quantised is not None:
        codes, step = weight.quantised.codes, weight.quantised.step
        codes, step = (codes.T, step.T) if transposed else (codes, step)
        if step.shape[1] == 1:
            return Weights(name=name, array=codes, step=step[:, 0])
    array = weight.array.T if transposed else weight.array
    return Weights(name=name, array=as_floats(array))


def _scaled(weights: Weights, factor: float) -> Weights:
    if factor == 1.0:
        return weights
    if weights.step is not None:
        return replace(weights, step=weights.step * factor)
    return replace(weights, name=f"{weights.name}.scaled", array=weights.array * np.float32(factor))


def _weights(node: Node, weight: Constant, axis: int, repeats: int) -> Weights:
    """Return a kernel with two spatial axes; ``axis`` counts outputs, ``repeats`` times over."""
    name = weight.name or node.proto.input[1]
    if weight.quantised is not None:
        codes, step = weight.quantised.codes, weight.quantised.step
        if step.size == step.shape[axis]:
            steps = np.tile(step.reshape(-1), repeats) if step.size > 1 else step.reshape(-1)
            return Weights(name=name, array=_in_plane(codes), step=steps)
    return Weights(name=name, array=_in_plane(as_floats(weight.array)))


def as_floats(array: Array) -> Array:
    return array.astype(np.float32, copy=False)


def _in_plane(kernel: Array) -> Array:
    return kernel if kernel.ndim == 4 else kernel[:, :, None, :]


def _bias(node: Node, outputs: int) -> Array | None:
    if node.input(2) is None:
        return None
    bias = node.constant(2).array
    if bias.shape != (outputs,):
        raise node.unsupported(f"{outputs} outputs, but the bias has shape {bias.shape}")
    return as_floats(bias)


def input_name(node: Node, index: int, default: str) -> str:
    tensor = node.input(index)
    if isinstance(tensor, Constant) and tensor.name:
        return tensor.name
    held = node.proto.input[index] if index < len(node.proto.input) else ""
    return held or f"{node.name}.{default}"


def _plane(node: Node, weight: Constant) -> Pair:
    """Return height and width of the input; a one-dimensional one is a plane one element high."""
    x = node.form(0)
    if len(x.shape) != weight.array.ndim or len(x.shape) not in (3, 4):
        raise node.unsupported(f"one or two spatial axes are supported, the input is {x.shape}")
    if x.shape[0] != 1:
        raise node.unsupported(f"{x.shape[0]} samples or time steps at once in {x.shape}")
    return plane_of(x.shape)


def plane_of(shape: Shape) -> Pair:
    return (shape[2], shape[3]) if len(shape) == 4 else (1, shape[2])


def _geometry(node: Node, weight: Constant) -> tuple[Pair, Pair, Pair]:
    sizes = weight.shape[2:]
    said = tuple(node.attribute("kernel_shape", sizes))
    if said != sizes:
        raise node.unsupported(f"kernel_shape {said} is not that of weights {weight.shape}")
    kernel = (sizes[0], sizes[1]) if len(sizes) == 2 else (1, sizes[0])
    return kernel, pair_of(node, "strides", 1), pair_of(node, "dilations", 1)


def pair_of(node: Node, name: str, default: int) -> Pair:
    """Return an attribute with a number per spatial axis."""
    held = [int(n) for n in node.attribute(name, ())]
    if not held:
        return (default, default)
    return (held[0], held[1]) if len(held) == 2 else (default, held[0])


def sides_of(held: list[int]) -> Sides:
    """Return ONNX padding (all beginnings, then all ends) as top, left, bottom, right."""
    if len(held) == 4:
        return (held[0], held[1], held[2], held[3])
    return (0, held[0], 0, held[1]) if len(held) == 2 else (0, 0, 0, 0)


def padding_of(node: Node, sizes: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Sides:
    """Return the padding of a convolution or a pooling, worked out where it is automatic."""
    mode = bytes(node.attribute("auto_pad", b"NOTSET")).decode("ascii", "replace")
    if mode in ("NOTSET", ""):
        return sides_of([int(n) for n in node.attribute("pads", ())])
    if mode == "VALID":
        return (0, 0, 0, 0)
    totals = [
        max(0, (-(-n // s) - 1) * s + (k - 1) * d + 1 - n)
        for n, k, s, d in zip(sizes, kernel, stride, dilation, strict=True)
    ]
    return _split(totals, more_at_end=mode != "SAME_LOWER")


def _split(totals: list[int], *, more_at_end: bool) -> Sides:
    less, more = [t // 2 for t in totals], [t - t // 2 for t in totals]
    begin, end = (less, more) if more_at_end else (more, less)
    return (begin[0], begin[1], end[0], end[1])


def _transposed_padding(
    node: Node, sizes: Pair, kernel: Pair, stride: Pair, dilation: Pair, extra: Pair
) -> Sides:
    mode = bytes(node.attribute("auto_pad", b"NOTSET")).decode("ascii", "replace")
    wanted = [int(n) for n in node.attribute("output_shape", ())]
    if not wanted and mode in ("NOTSET", "VALID", ""):
        return (0, 0, 0, 0) if mode == "VALID" else sides_of(list(node.attribute("pads", ())))
    if not wanted:
        wanted = [n * s for n, s in zip(sizes, stride, strict=True)]
    wanted = [1, *wanted] if len(wanted) == 1 else wanted[-2:]
    totals = [
        s * (n - 1) + e + (k - 1) * d + 1 - w
        for n, k, s, d, e, w in zip(sizes, kernel, stride, dilation, extra, wanted, strict=True)
    ]
    return _split(totals, more_at_end=mode == "SAME_UPPER")
