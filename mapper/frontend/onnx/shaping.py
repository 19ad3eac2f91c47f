"""Nodes that only move elements: reshapes cost nothing, transposes and joins are layers."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Form, Shape, of_atom
from mapper.frontend.algebra.logic import type_of
from mapper.frontend.onnx.constants import Quantised
from mapper.frontend.onnx.layers import Layer, Operand, PlainLayer, Writer
from mapper.frontend.onnx.node import Node
from mapper.frontend.onnx.picking import rearranged, repeated
from mapper.frontend.onnx.shapes import MAX_RANK, ShapeRule, axis_of
from mapper.frontend.onnx.synapses import sides_of
from mapper.ir.core import FLOAT, IntType, Value
from mapper.ir.network import Concat, Scale, SumPool2d, Transpose
from mapper.ir.windows import Sides, Window


def reshaped_to(shape_rule: ShapeRule) -> Callable[[Node], Form]:
    """Return the rule of a node that keeps elements and their order."""

    def reshaped(node: Node) -> Form:
        x = node.form(0)
        shape = shape_rule(node, x.shape)
        if len(shape) > MAX_RANK:
            raise node.unsupported(f"makes {len(shape)} axes, at most {MAX_RANK} are read")
        if prod(shape) != prod(x.shape):
            raise node.unsupported(f"makes {shape} of {x.shape}")
        return forms.reshape(x, shape)

    return reshaped


def repeated_to(shape_rule: ShapeRule) -> Callable[[Node], Form]:
    """Return the rule of a node that lays its elements side by side several times."""

    def rule(node: Node) -> Form:
        x = node.form(0)
        shape = shape_rule(node, x.shape)
        if len(shape) > MAX_RANK:
            raise node.unsupported(f"makes {len(shape)} axes, at most {MAX_RANK} are read")
        node.check_size(shape)
        return repeated(node, x, shape)

    return rule


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
    return turned(node, x, order)


def turned(node: Node, x: Form, order: tuple[int, ...]) -> Form:
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
    """``Concat`` along any axis; that of the samples, of which there is one, becomes another."""
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
    types = {type_of(part) for part in parts}
    inner = node.inner(shape)
    place = axis - (len(shape) - len(inner))
    if place < 0:
        inner, place = (lead, total, prod(shape[axis + 1 :])), 1
    loc = node.loc
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
        how=lambda values, result, out: _write_join(loc, place, values, result, out),
    )
    return of_atom(layer, shape)


def _write_join(loc: str, axis: int, values: tuple[Value, ...], result: Value, out: Writer) -> None:
    parts = []
    for value in values:
        if result.type == FLOAT != value.type:
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
        raise node.unsupported("only padding with zeros or with elements of the input is supported")
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
    node.check_window(window, plane)
    before, loc = type_of(x), node.loc
    type = before
    if isinstance(before, IntType):
        type = IntType.spanning(min(0, before.min), before.max)

    def write(values: tuple[Value, ...], result: Value, out: Writer) -> None:
        out.add(SumPool2d(loc=loc, x=values[0], window=window, result=result))

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


def depth_to_space(node: Node) -> Form:
    """``DepthToSpace``: channels become positions."""
    x, block = _blocks(node)
    n, c, h, w = x.shape
    result = (n, c // block**2, h * block, w * block)
    if bytes(node.attribute("mode", b"DCR")) == b"CRD":
        apart, order = (n, c // block**2, block, block, h, w), (0, 1, 4, 2, 5, 3)
    else:
        apart, order = (n, block, block, c // block**2, h, w), (0, 3, 4, 1, 5, 2)
    return _unfolded(node, x, apart, order, result)


def space_to_depth(node: Node) -> Form:
    """``SpaceToDepth``: positions become channels."""
    x, block = _blocks(node)
    n, c, h, w = x.shape
    apart, order = (n, c, h // block, block, w // block, block), (0, 3, 5, 1, 2, 4)
    return _unfolded(node, x, apart, order, (n, c * block**2, h // block, w // block))


def _blocks(node: Node) -> tuple[Form, int]:
    x, block = node.form(0), int(node.attribute("blocksize", 0))
    if len(x.shape) != 4 or block < 1:
        raise node.unsupported(f"blocks of {block} in {x.shape}")
    return x, block


def _unfolded(node: Node, x: Form, apart: Shape, order: tuple[int, ...], result: Shape) -> Form:
    if prod(apart) != prod(x.shape):
        raise node.unsupported(f"{x.shape} does not divide into blocks of {_blocks(node)[1]}")
    return forms.reshape(turned(node, forms.reshape(x, apart), order), result)


# --- integer codes of constants ------------------------------------------------------------


def same_codes(node: Node, source: Quantised, shape: Shape) -> Quantised:
    """Return the codes of a result that is its input."""
    return source


def turned_codes(node: Node, source: Quantised, shape: Shape) -> Quantised:
    """Return the codes of a transposed constant."""
    order = node.attribute("perm", tuple(reversed(range(source.codes.ndim))))
    return Quantised(codes=source.codes.transpose(order), step=source.step.transpose(order))


def reshaped_codes(node: Node, source: Quantised, shape: Shape) -> Quantised | None:
    """Return the codes of a constant under another shape, where one step serves all of it."""
    if source.step.size != 1 or source.codes.size != prod(shape):
        return None
    one = source.step.reshape((1,) * len(shape))
    return Quantised(codes=source.codes.reshape(shape), step=one)
