"""Pooling and reductions of the model as windows."""

from collections.abc import Callable
from dataclasses import replace
from math import prod

import numpy as np
from onnx import NodeProto, helper

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import ONE, Form, Shape, is_at_least_zero, of_atom, reshape
from mapper.frontend.algebra.logic import type_of
from mapper.frontend.onnx.layers import Operand, PlainLayer, Writer
from mapper.frontend.onnx.node import Node
from mapper.frontend.onnx.picking import take
from mapper.frontend.onnx.shapes import axis_of
from mapper.frontend.onnx.shaping import turned
from mapper.frontend.onnx.synapses import padding_of, pair_of, plane_of
from mapper.ir.core import FLOAT, Array, IntType, Type, Value
from mapper.ir.network import AvgPool2d, MaxPool2d, Scale, SumPool2d
from mapper.ir.windows import Pair, Sides, Window, sliding

Plane = tuple[int, int, int]


def max_pool(node: Node) -> Form:
    """``MaxPool`` over one or two axes, or over three with windows of one along the first."""
    if len(node.form(0).shape) == 5:
        return _max_pool_of_maps(node)
    _check_plane(node)
    if len(node.proto.output) > 1 and node.proto.output[1]:
        raise node.unsupported("the positions of the greatest elements are used")
    window, positions = _window(node)
    x = node.form(0)
    return _pooled(node, x, _plane(x.shape), window, positions, "max", _result(x.shape, positions))


def _max_pool_of_maps(node: Node) -> Form:
    """Pool each map of ``[1, C, D, H, W]``: to a window of one ``D`` is an axis as channels are."""
    x = node.form(0)
    flat = forms.reshape(x, (x.shape[0], prod(x.shape[1:3]), *x.shape[3:]))
    settings = {name: list(node.attribute(name, ())) for name in _ALONG}
    pads = settings["pads"] or [0] * 6
    along = [held[0] for held in settings.values() if held] + [pads[3]]
    if along != [1 if name != "pads" else 0 for name, held in settings.items() if held] + [0]:
        raise node.unsupported(f"its window goes along three axes of {x.shape}")
    plane = {name: held[1:] for name, held in settings.items() if held and name != "pads"}
    proto = NodeProto()
    proto.CopyFrom(node.proto)
    del proto.attribute[:]
    proto.attribute.extend(a for a in node.proto.attribute if a.name not in _ALONG)
    for name, held in {**plane, "pads": [*pads[1:3], *pads[4:]]}.items():
        proto.attribute.append(helper.make_attribute(name, held))
    pooled = max_pool(replace(node, proto=proto, inputs=(flat, *node.inputs[1:])))
    return forms.reshape(pooled, (*x.shape[:3], *pooled.shape[2:]))


_ALONG = ("kernel_shape", "strides", "dilations", "pads")
"""Attributes with a number for each axis of a window, or two."""


def average_pool(node: Node) -> Form:
    """``AveragePool`` over one or two axes, padding counted or not."""
    _check_plane(node)
    window, positions = _window(node)
    x = node.form(0)
    counts = _counts(_plane(x.shape), window, _declared_padding(node), node)
    plane, result = _plane(x.shape), _result(x.shape, positions)
    return _pooled(node, x, plane, window, positions, "mean", result, counts)


def global_max_pool(node: Node) -> Form:
    return _global_pool(node, "max")


def global_average_pool(node: Node) -> Form:
    return _global_pool(node, "mean")


def _global_pool(node: Node, kind: str) -> Form:
    _check_plane(node)
    x = node.form(0)
    plane = _plane(x.shape)
    window = Window(kernel=plane[1:])
    return _pooled(node, x, plane, window, (1, 1), kind, (*x.shape[:2], *(1 for _ in x.shape[2:])))


def reduce_mean(node: Node) -> Form:
    return _reduced(node, "mean")


def reduce_sum(node: Node) -> Form:
    return _reduced(node, "sum")


def reduce_max(node: Node) -> Form:
    return _reduced(node, "max")


def _reduced(node: Node, kind: str) -> Form:
    """Return a pooling over neighbouring axes."""
    x = node.form(0)
    axes = node.integers("axes", 1)
    if axes is None:
        axes = () if node.attribute("noop_with_empty_axes", 0) else tuple(range(len(x.shape)))
    chosen = {axis_of(axis, len(x.shape)) for axis in axes}
    return _reduced_over(node, x, chosen, kind, keep=bool(node.attribute("keepdims", 1)))


def summed_over(node: Node, x: Form, axes: tuple[int, ...]) -> Form:
    """Return the sum of a tensor over axes, which are gone afterwards."""
    return _reduced_over(node, x, set(axes), "sum", keep=False)


def _reduced_over(node: Node, x: Form, chosen: set[int], kind: str, *, keep: bool) -> Form:
    wide = sorted(axis for axis in chosen if x.shape[axis] > 1)
    shape = tuple(1 if k in chosen else n for k, n in enumerate(x.shape) if keep or k not in chosen)
    if not wide:
        return reshape(x, shape)
    if kind == "sum" and (picked := _picked(node, x, wide, shape)) is not None:
        return picked
    first, last = wide[0], wide[-1]
    between = [k for k in range(first, last) if k not in chosen and x.shape[k] > 1]
    if between:
        kept = [k for k in range(len(x.shape)) if k not in chosen]
        x = turned(node, x, (*kept, *sorted(chosen)))
        first, last = len(kept), len(x.shape) - 1
    block, tail = prod(x.shape[first : last + 1]), prod(x.shape[last + 1 :])
    plane = (prod(x.shape[:first]), block, tail)
    window = Window(kernel=(block, 1))
    return _pooled(node, x, plane, window, (1, tail), kind, shape)


def _picked(node: Node, x: Form, axes: list[int], shape: Shape) -> Form | None:
    """Return a sum in which all but one element are multiplied by 0: taps of delays pick so."""
    (monomial, factor), *more = x.terms.items() or [(ONE, np.ones(()))]
    if more or monomial == ONE or not np.any(factor == 0):
        return None
    order = (*(k for k in range(len(x.shape)) if k not in axes), *axes)

    def in_rows(array: Array) -> Array:
        """Return what each result is the sum of."""
        return array.transpose(order).reshape(prod(shape), -1)

    taps = in_rows(np.broadcast_to(factor, x.shape))
    if not ((taps != 0).sum(axis=1) == 1).all():
        return None
    rows, at = np.arange(len(taps)), (taps != 0).argmax(axis=1)
    places = in_rows(np.arange(prod(x.shape)).reshape(x.shape))[rows, at]
    flat = reshape(Form(x.shape, {monomial: np.ones(())}), (1, prod(x.shape)))
    return forms.scale(
        reshape(take(node, flat, 1, places.tolist()), shape), taps[rows, at].reshape(shape)
    )


def _pooled(
    node: Node,
    x: Form,
    plane: Plane,
    window: Window,
    positions: Pair,
    kind: str,
    shape: Shape,
    counts: Array | None = None,
) -> Form:
    """Return a pooling layer; ``counts`` are the divisors where they differ by position."""
    how, loc = _HOW[kind] if counts is None else _uneven(counts), node.loc
    layer = PlainLayer(
        name=node.name,
        shape=(plane[0], *positions),
        type=_type_after(kind, type_of(x), prod(window.kernel)),
        loc=node.loc,
        nonnegative=is_at_least_zero(x),
        operands=(Operand(form=x, shape=plane, name=node.proto.input[0]),),
        how=lambda operands, result, out: how(loc, window, operands[0], result, out),
    )
    return of_atom(layer, shape)


def _type_after(kind: str, before: Type, area: int) -> Type:
    if kind == "mean" or not isinstance(before, IntType):
        return FLOAT
    if kind == "max":
        return before
    return IntType.spanning(min(0, area * before.min), area * before.max)


How = Callable[[str, Window, Value, Value, Writer], None]


def _write_max(loc: str, window: Window, x: Value, result: Value, out: Writer) -> None:
    out.add(MaxPool2d(loc=loc, x=x, window=window, result=result))


def _write_sum(loc: str, window: Window, x: Value, result: Value, out: Writer) -> None:
    out.add(SumPool2d(loc=loc, x=x, window=window, result=result))


def _write_mean(loc: str, window: Window, x: Value, result: Value, out: Writer) -> None:
    out.add(AvgPool2d(loc=loc, x=x, window=window, result=result))


_HOW: dict[str, How] = {"max": _write_max, "sum": _write_sum, "mean": _write_mean}


def _uneven(counts: Array) -> How:
    """Sum, then divide by how many elements each window really has."""

    def write(loc: str, window: Window, x: Value, result: Value, out: Writer) -> None:
        type = _type_after("sum", x.type, prod(window.kernel))
        total = out.fresh(f"{result.name}.sum", type, result.shape)
        out.add(SumPool2d(loc=loc, x=x, window=window, result=total))
        factor = out.parameter(f"{result.name}.share", 1.0 / counts)
        out.add(Scale(loc=loc, x=total, factor=factor, result=result))

    return write


def _counts(plane: Plane, window: Window, declared: Sides, node: Node) -> Array | None:
    """Return the divisor at each position, or None where it is the window's area everywhere."""
    inside = np.ones((1, 1, *plane[1:]))
    if node.attribute("count_include_pad", 0):
        top, left, bottom, right = declared
        inside = np.pad(inside, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=1)
        rest = tuple(w - d for w, d in zip(window.padding, declared, strict=True))
        padding: Sides = (rest[0], rest[1], rest[2], rest[3])
    else:
        padding = window.padding
    full = Window(
        kernel=window.kernel, stride=window.stride, padding=padding, dilation=window.dilation
    )
    counts = sliding(inside, full).sum(axis=(4, 5))[0]
    if np.any(counts == 0):
        raise node.unsupported("a window lies outside the input altogether")
    return None if np.all(counts == prod(window.kernel)) else counts


def _declared_padding(node: Node) -> Sides:
    kernel, stride = pair_of(node, "kernel_shape", 1), pair_of(node, "strides", 1)
    sizes = plane_of(node.form(0).shape)
    return padding_of(node, sizes, kernel, stride, pair_of(node, "dilations", 1))


def _window(node: Node) -> tuple[Window, Pair]:
    """Return the window of a pooling node and its positions, rounded up where the node says so."""
    kernel, stride = pair_of(node, "kernel_shape", 1), pair_of(node, "strides", 1)
    dilation = pair_of(node, "dilations", 1)
    top, left, bottom, right = _declared_padding(node)
    sizes = plane_of(node.form(0).shape)
    window = Window(
        kernel=kernel, stride=stride, padding=(top, left, bottom, right), dilation=dilation
    )
    if window.problems():
        raise node.unsupported(window.problems()[0])
    if node.attribute("ceil_mode", 0):
        down = _extra(sizes[0], top, bottom, kernel[0], stride[0], dilation[0])
        across = _extra(sizes[1], left, right, kernel[1], stride[1], dilation[1])
        padding = (top, left, bottom + down, right + across)
        window = Window(kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    positions = window.output_size(*sizes)
    if min(positions) < 1:
        raise node.unsupported(f"window {kernel} does not fit into {node.form(0).shape}")
    node.check_size((node.form(0).shape[1], *positions, *kernel))
    node.check_window(window, _plane(node.form(0).shape))
    return window, positions


def _extra(size: int, begin: int, end: int, kernel: int, stride: int, dilation: int) -> int:
    """Return the padding at the end that rounding the positions up needs.

    A window that would start in the padding at the end is left out.
    """
    span = size + begin + end - ((kernel - 1) * dilation + 1)
    steps = -(-span // stride)
    if steps * stride >= size + begin:
        steps -= 1
    return max(0, steps * stride - span)


def _check_plane(node: Node) -> None:
    x = node.form(0)
    if len(x.shape) not in (3, 4) or x.shape[0] != 1:
        raise node.unsupported(f"one or two spatial axes are supported, the input is {x.shape}")


def _plane(shape: Shape) -> Plane:
    return (shape[1], *plane_of(shape))


def _result(shape: Shape, positions: Pair) -> Shape:
    return (1, shape[1], *positions[4 - len(shape) :])
