"""Nodes that only move elements: reshapes cost nothing, transposes and joins are layers."""

from dataclasses import dataclass
from math import prod

import numpy as np

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Form, Shape, of_atom
from mapper.frontend.algebra.logic import type_of
from mapper.frontend.onnx.layers import Layer, Operand, PlainLayer, Writer
from mapper.frontend.onnx.node import Node, axis_of
from mapper.frontend.onnx.picking import gathered, rearranged, sliced
from mapper.frontend.onnx.synapses import sides_of
from mapper.ir.core import FLOAT, IntType, Value
from mapper.ir.network import Concat, Scale, SumPool2d, Transpose
from mapper.ir.windows import Sides, Window


def reshaped(node: Node) -> Form:
    """Any node that keeps elements and their order, or takes some of them."""
    if node.op in _PICKS:
        return _PICKS[node.op](node)
    x = node.form(0)
    shape = _SHAPES[node.op](node, x.shape)
    if prod(shape) != prod(x.shape):
        raise node.unsupported(f"makes {shape} of {x.shape}")
    return forms.reshape(x, shape)


def _reshape(node: Node, shape: Shape) -> Shape:
    wanted = list(node.integers("shape", 1) or ())
    if not node.attribute("allowzero", 0):
        wanted = [shape[k] if n == 0 and k < len(shape) else n for k, n in enumerate(wanted)]
    if -1 in wanted:
        known = prod(n for n in wanted if n != -1)
        wanted[wanted.index(-1)] = prod(shape) // max(1, known)
    return tuple(wanted)


def _flatten(node: Node, shape: Shape) -> Shape:
    axis = int(node.attribute("axis", 1))
    axis += len(shape) if axis < 0 else 0
    return (prod(shape[:axis]), prod(shape[axis:]))


def _squeeze(node: Node, shape: Shape) -> Shape:
    axes = node.integers("axes", 1)
    if axes is None:
        return tuple(n for n in shape if n != 1)
    gone = {axis_of(axis, len(shape)) for axis in axes}
    return tuple(n for k, n in enumerate(shape) if k not in gone)


def _unsqueeze(node: Node, shape: Shape) -> Shape:
    axes = node.integers("axes", 1) or ()
    rank = len(shape) + len(axes)
    new = {axis_of(axis, rank) for axis in axes}
    if len(new) < len(axes):
        raise ValueError(f"axes {axes} name one twice")
    rest = iter(shape)
    return tuple(1 if k in new else next(rest) for k in range(rank))


def _expand(node: Node, shape: Shape) -> Shape:
    return np.broadcast_shapes(shape, node.integers("shape", 1) or ())


def _tile(node: Node, shape: Shape) -> Shape:
    repeats = node.integers("repeats", 1) or ()
    return tuple(n * r for n, r in zip(shape, repeats, strict=True))


_SHAPES = {
    "Expand": _expand,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Unsqueeze": _unsqueeze,
}
_PICKS = {"Gather": gathered, "Slice": sliced}
"""These keep everything where time or a list has one element."""
RESHAPING = frozenset({*_SHAPES, *_PICKS})


@dataclass(frozen=True, eq=False, repr=False, slots=True, kw_only=True)
class Turned(Layer):
    """A transpose; two in a row become one, or none."""

    source: Form
    order_of_axes: tuple[int, ...]
    seen: Shape
    """The result's shape in the model."""

    def write(self, operands: tuple[Value, ...], result: Value, out: Writer) -> None:
        wide = [k for k, n in enumerate(self.source.shape) if n > 1]
        ranks = {axis: rank for rank, axis in enumerate(wide)}
        order = tuple(ranks[axis] for axis in self.order_of_axes if axis in ranks)
        out.add(Transpose(loc=self.loc, x=operands[0], order=order, result=result))


def transposed(node: Node) -> Form:
    """``Transpose``; axes one element wide move for nothing."""
    x = node.form(0)
    order = tuple(node.attribute("perm", tuple(reversed(range(len(x.shape))))))
    return _turned(node, x, order)


def _turned(node: Node, x: Form, order: tuple[int, ...]) -> Form:
    if sorted(order) != list(range(len(x.shape))):
        raise node.unsupported(f"{order} does not permute the axes of {x.shape}")
    before = x.alias
    if isinstance(before, Turned) and before.seen == x.shape:
        x, order = before.source, tuple(before.order_of_axes[axis] for axis in order)
    shape = tuple(x.shape[axis] for axis in order)
    moved = [axis for axis in order if x.shape[axis] > 1]
    if moved == sorted(moved):
        return forms.reshape(x, shape)
    layer = Turned(
        name=node.name,
        shape=_narrow(shape),
        type=type_of(x),
        loc=node.loc,
        nonnegative=forms.is_at_least_zero(x),
        operands=(Operand(form=x, shape=_narrow(x.shape), name=node.proto.input[0]),),
        source=x,
        order_of_axes=order,
        seen=shape,
    )
    return of_atom(layer, shape)


def _narrow(shape: Shape) -> Shape:
    return tuple(n for n in shape if n > 1)


def joined(node: Node) -> Form:
    """``Concat`` along any axis but that of the samples."""
    parts = node.forms()
    rank = len(parts[0].shape)
    axis = axis_of(int(node.attribute("axis", 0)), rank)
    if len(parts) == 1:
        return parts[0]
    total = sum(part.shape[axis] for part in parts)
    shape = (*parts[0].shape[:axis], total, *parts[0].shape[axis + 1 :])
    if any(part.is_constant for part in parts):
        raise node.unsupported("joins a constant to a computed tensor")
    lead = prod(shape[:axis])
    if axis == 0 and node.batched and rank > 1:
        raise node.unsupported("joins along the axis of the samples")
    types = {type_of(part) for part in parts}
    inner = node.inner(shape)
    place = axis - (len(shape) - len(inner))
    if place < 0:
        inner, place = (lead, total, prod(shape[axis + 1 :])), 1
    operands = tuple(
        Operand(form=part, shape=(*inner[:place], part.shape[axis], *inner[place + 1 :]), name=name)
        for part, name in zip(parts, node.proto.input, strict=True)
    )
    layer = PlainLayer(
        name=node.name,
        shape=inner,
        type=types.pop() if len(types) == 1 else FLOAT,
        loc=node.loc,
        nonnegative=all(forms.is_at_least_zero(part) for part in parts),
        operands=operands,
        how=lambda values, result, out: _write_join(node.loc, place, values, result, out),
    )
    return of_atom(layer, shape)


def _write_join(loc: str, axis: int, values: tuple[Value, ...], result: Value, out: Writer) -> None:
    parts = []
    for value in values:
        if value.type != result.type:
            real = out.fresh(f"{value.name}.real", FLOAT, value.shape)
            out.add(Scale(loc=loc, x=value, result=real))
            value = real
        parts.append(value)
    out.add(Concat(loc=loc, parts=tuple(parts), axis=axis, result=result))


def padded(node: Node) -> Form:
    """``Pad`` around a plane: with zeros a pooling of single elements, else elements repeated."""
    x = node.form(0)
    mode = bytes(node.attribute("mode", b"constant")).decode("ascii", "replace")
    fill = node.setting("value", 2)
    held = node.integers("pads", 1)
    if held is None or (mode == "constant" and fill is not None and np.any(fill != 0)):
        raise node.unsupported("only padding with zeros or with elements of the input is read")
    axes = node.integers("axes", 3) or tuple(range(len(x.shape)))
    begin, end = [0] * len(x.shape), [0] * len(x.shape)
    for k, axis in enumerate(axes):
        place = axis_of(axis, len(x.shape))
        begin[place], end[place] = held[k], held[k + len(axes)]
    x = rearranged(node, x, tuple(begin), tuple(end))
    begin, end = [max(0, n) for n in begin], [max(0, n) for n in end]
    if mode != "constant" or not any((*begin, *end)):
        return x
    if len(x.shape) not in (3, 4) or x.shape[0] != 1 or any((*begin[:2], *end[:2])):
        raise node.unsupported(f"only height and width are padded, the input is {x.shape}")
    sides = sides_of([*begin[2:], *end[2:]])
    return _padded(node, x, sides)


def _padded(node: Node, x: Form, sides: Sides) -> Form:
    plane = (x.shape[1], *((1,) * (4 - len(x.shape))), *x.shape[2:])
    window = Window(kernel=(1, 1), padding=sides)
    positions = window.output_size(plane[1], plane[2])
    if min(positions) < 1:
        raise node.unsupported(f"padding {sides} leaves nothing of {x.shape}")
    node.check_size((plane[0], *positions))
    before = type_of(x)
    type = before if not isinstance(before, IntType) else IntType.spanning(0, before.max)

    def write(values: tuple[Value, ...], result: Value, out: Writer) -> None:
        out.add(SumPool2d(loc=node.loc, x=values[0], window=window, result=result))

    layer = PlainLayer(
        name=node.name,
        shape=(plane[0], *positions),
        type=type,
        loc=node.loc,
        nonnegative=forms.is_at_least_zero(x),
        operands=(Operand(form=x, shape=plane, name=node.proto.input[0]),),
        how=write,
    )
    return of_atom(layer, (1, plane[0], *positions[4 - len(x.shape) :]))


def unfolded(node: Node) -> Form:
    """``DepthToSpace`` and ``SpaceToDepth``: channels become positions, or the other way round."""
    x, block = node.form(0), int(node.attribute("blocksize", 0))
    if len(x.shape) != 4 or block < 1:
        raise node.unsupported(f"blocks of {block} in {x.shape}")
    n, c, h, w = x.shape
    if node.op == "SpaceToDepth":
        apart, order = (n, c, h // block, block, w // block, block), (0, 3, 5, 1, 2, 4)
        result = (n, c * block**2, h // block, w // block)
    elif bytes(node.attribute("mode", b"DCR")) == b"CRD":
        apart, order = (n, c // block**2, block, block, h, w), (0, 1, 4, 2, 5, 3)
        result = (n, c // block**2, h * block, w * block)
    else:
        apart, order = (n, block, block, c // block**2, h, w), (0, 3, 4, 1, 5, 2)
        result = (n, c // block**2, h * block, w * block)
    if prod(apart) != prod(x.shape):
        raise node.unsupported(f"{x.shape} does not divide into blocks of {block}")
    return forms.reshape(_turned(node, forms.reshape(x, apart), order), result)
