"""Nodes that take elements of an axis by number: parts, other orders, repetitions.

Each becomes ``net.take`` along the axes that it changes. Batch and time are no such axes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import ceil, floor, prod
from operator import eq
from typing import TypeGuard

import numpy as np

from mapper.diagnostics import refuse
from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Form, Shape, of_atom
from mapper.frontend.algebra.logic import type_of
from mapper.frontend.onnx.layers import Operand, PlainLayer, Writer
from mapper.frontend.onnx.node import Node, Tensor
from mapper.frontend.onnx.shapes import axis_of
from mapper.ir.core import Array, Value
from mapper.ir.network import Take

Numbers = tuple[int, ...]

MOST_TAKEN = 1 << 22
"""Elements of an axis that are listed one by one."""


def sliced(node: Node) -> Form:
    """``Slice`` with known bounds."""
    x = node.form(0)
    starts, ends = node.integers("starts", 1) or (), node.integers("ends", 2) or ()
    axes = node.integers("axes", 3) or tuple(range(len(starts)))
    steps = node.integers("steps", 4) or (1,) * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        place = axis_of(axis, len(x.shape))
        # an end before the first element is written as a number below every count
        last = None if step < 0 and end < -x.shape[place] else end
        x = take(node, x, place, range(x.shape[place])[slice(start, last, step)])
    return x


def gathered(node: Node) -> Form:
    """``Gather`` with known indices; one element is how exporters write ``x[0]``."""
    x, indices = node.form(0), node.constant(1).array
    axis = axis_of(int(node.attribute("axis", 0)), len(x.shape))
    shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
    return forms.reshape(take(node, x, axis, _numbers(node, indices, x.shape[axis])), shape)


def gathered_elements(node: Node) -> Form:
    """``GatherElements``: each result has a number of its own along the axis, such as a delay."""
    x, indices = node.form(0), node.constant(1).array
    axis = axis_of(int(node.attribute("axis", 0)), len(x.shape))
    if indices.ndim != len(x.shape):
        raise node.unsupported(f"indices of shape {indices.shape} pick of {x.shape}")
    _check_count(node, indices.size)
    length = x.shape[axis]
    numbers = np.where(indices < 0, indices + length, indices)
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < length:
        raise node.unsupported(f"takes element {int(numbers.max())} of {length}")
    sizes = [length if k == axis else n for k, n in enumerate(indices.shape)]
    places = np.arange(prod(x.shape)).reshape(x.shape)[tuple(slice(n) for n in sizes)]
    chosen = np.take_along_axis(places, numbers, axis).reshape(-1)
    flat = forms.reshape(x, (1, prod(x.shape)))
    return forms.reshape(take(node, flat, 1, chosen.tolist()), indices.shape)


def gathered_at(node: Node) -> Form:
    """``GatherND``: rows of the first axis (``x[[0, 2, 5]]``), or elements by coordinates."""
    x, indices = node.form(0), node.constant(1).array
    alike, depth = int(node.attribute("batch_dims", 0)), indices.shape[-1] if indices.ndim else 0
    if depth == 1 and not alike:
        shape = (*indices.shape[:-1], *x.shape[1:])
        return forms.reshape(take(node, x, 0, _numbers(node, indices, x.shape[0])), shape)
    if not 0 < depth <= len(x.shape) - alike or indices.shape[:alike] != x.shape[:alike]:
        raise node.unsupported(f"indices of shape {indices.shape} pick of {x.shape}")
    shape = (*indices.shape[:-1], *x.shape[alike + depth :])
    _check_count(node, prod(shape))
    for axis, numbers in enumerate(np.moveaxis(indices, -1, 0), alike):
        if numbers.size and not -x.shape[axis] <= numbers.min() <= numbers.max() < x.shape[axis]:
            raise node.unsupported(f"takes element {int(numbers.max())} of {x.shape[axis]}")
    own = np.indices(indices.shape[:-1], sparse=True)[:alike]
    places = np.arange(prod(x.shape)).reshape(x.shape)
    chosen = places[(*own, *np.moveaxis(indices, -1, 0))].reshape(-1)
    flat = forms.reshape(x, (1, prod(x.shape)))
    return forms.reshape(take(node, flat, 1, chosen.tolist()), shape)


def _numbers(node: Node, indices: Array, length: int) -> Numbers:
    _check_count(node, indices.size)
    return tuple(int(k) + length if k < 0 else int(k) for k in indices.reshape(-1))


def cut(node: Node) -> list[Form]:
    """``Split``: one form per part."""
    x = node.form(0)
    axis = axis_of(int(node.attribute("axis", 0)), len(x.shape))
    length, count = x.shape[axis], len(node.proto.output)
    each = -(-length // count)
    sizes = node.integers("split", 1) or tuple(
        min(each, max(0, length - k * each)) for k in range(count)
    )
    if sum(sizes) != length or len(sizes) != count:
        raise node.unsupported(f"{sizes} are not the parts of {length} elements")
    ends = np.cumsum(sizes).tolist()
    parts = zip(ends, sizes, strict=True)
    return [take(node, x, axis, range(end - n, end), k) for k, (end, n) in enumerate(parts)]


def resized(node: Node) -> Form:
    """``Resize`` to the nearest element."""
    x = node.form(0)
    mode = _text(node, "mode", "nearest")
    if mode != "nearest":
        raise node.unsupported(
            f"interpolates ({mode}); only repeating the nearest element is supported",
            "enlarge maps with mode='nearest' or a transposed convolution",
        )
    for axis, (size, scale) in enumerate(_sizes(node, x.shape)):
        if size != x.shape[axis] or scale != 1:
            x = take(node, x, axis, _nearest(node, x.shape[axis], size, scale))
    return x


def _sizes(node: Node, shape: Shape) -> list[tuple[int, float]]:
    """Return size and scale of every axis of the result."""
    wanted, held = node.integers("sizes", 3), node.setting("scales", 2)
    if _text(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
        raise node.unsupported("sizes that keep the aspect ratio are not supported")
    axes = node.attribute("axes") or tuple(range(len(shape)))
    places = [axis_of(int(axis), len(shape)) for axis in axes]
    found = [(n, 1.0) for n in shape]
    if wanted:
        for place, size in zip(places, wanted, strict=True):
            found[place] = (size, size / shape[place])
        return found
    if held is None or not held.size:
        raise node.unsupported("neither sizes nor scales are known")
    for place, scale in zip(places, held.reshape(-1).tolist(), strict=True):
        found[place] = (floor(shape[place] * scale), float(scale))
    return found


def _nearest(node: Node, length: int, size: int, scale: float) -> Numbers:
    way = _text(node, "coordinate_transformation_mode", "half_pixel")
    rounding = _text(node, "nearest_mode", "round_prefer_floor")
    if way not in _COORDINATES or rounding not in _ROUNDINGS:
        raise node.unsupported(f"coordinates {way} with {rounding} are not supported")
    _check_count(node, size)
    places = (_COORDINATES[way](k, scale, length, size) for k in range(size))
    return tuple(min(max(_ROUNDINGS[rounding](p), 0), length - 1) for p in places)


_COORDINATES: Mapping[str, Callable[[int, float, int, int], float]] = {
    "asymmetric": lambda k, scale, length, size: k / scale,
    "half_pixel": lambda k, scale, length, size: (k + 0.5) / scale - 0.5,
    "pytorch_half_pixel": lambda k, scale, length, size: (
        (k + 0.5) / scale - 0.5 if size > 1 else 0.0
    ),
    "align_corners": lambda k, scale, length, size: (
        k * (length - 1) / (size - 1) if size > 1 else 0.0
    ),
}
_ROUNDINGS: Mapping[str, Callable[[float], int]] = {
    "floor": floor,
    "ceil": ceil,
    "round_prefer_floor": lambda p: ceil(p - 0.5),
    "round_prefer_ceil": lambda p: floor(p + 0.5),
}


def rearranged(node: Node, x: Form, before: Numbers, after: Numbers) -> Form:
    """Take elements before and after the plane, as ``Pad`` does but for constants."""
    mode = _text(node, "mode", "constant")
    for axis, (first, last) in enumerate(zip(before, after, strict=True)):
        if not first and not last:
            continue
        _check_count(node, x.shape[axis] + max(0, first) + max(0, last))
        line = np.arange(x.shape[axis])
        line = line[max(0, -first) : len(line) - max(0, -last)]
        places = np.arange(-max(0, first), len(line) + max(0, last))
        if mode != "constant":
            line = line[_PADDINGS[mode](places, len(line))]
        x = take(node, x, axis, line.tolist())
    return x


def _mirrored(places: Array, length: int) -> Array:
    period = max(1, 2 * (length - 1))
    return np.asarray((length - 1) - np.abs(places % period - (length - 1)))


_PADDINGS: Mapping[str, Callable[[Array, int], Array]] = {
    "reflect": _mirrored,
    "edge": lambda places, length: np.clip(places, 0, length - 1),
    "wrap": lambda places, length: places % length,
}
"""Which element lies at a place before, in or after a line."""


def _text(node: Node, name: str, default: str) -> str:
    return bytes(node.attribute(name, default.encode())).decode("ascii", "replace")


def _check_count(node: Node, count: int) -> None:
    """Refuse a list of elements that would fill the memory, before it is made."""
    if count > MOST_TAKEN:
        raise refuse(
            "model-too-large",
            f"{node.op} takes {count} elements of an axis, at most {MOST_TAKEN} are listed",
            loc=node.loc,
        )


def together(node: Node) -> Node:
    """Return a node whose computed inputs have one shape: what is broadcast is repeated."""
    given = [tensor for tensor in node.inputs if tensor is not None]
    try:
        shape = np.broadcast_shapes(*(tensor.shape for tensor in given))
    except ValueError:
        return node  # its rule says what does not fit
    inputs = tuple(
        repeated(node, tensor, shape, operand) if _is_short(tensor, shape) else tensor
        for operand, tensor in enumerate(node.inputs)
    )
    return node if inputs == node.inputs else replace(node, inputs=inputs)


def _is_short(tensor: Tensor | None, shape: Shape) -> TypeGuard[Form]:
    if not isinstance(tensor, Form) or tensor.is_constant:
        return False
    return prod(tensor.shape) != prod(shape)


def repeated(node: Node, x: Form, shape: Shape, operand: int = 0) -> Form:
    """Return a form under the greater shape that it broadcasts to, or is laid side by side to."""
    x = forms.reshape(x, (*(1,) * (len(shape) - len(x.shape)), *x.shape))
    for axis, (old, new) in enumerate(zip(x.shape, shape, strict=True)):
        if old != new:
            _check_count(node, new)
            x = take(node, x, axis, [k % old for k in range(new)], operand=operand)
    return x


def take(
    node: Node, x: Form, axis: int, indices: Sequence[int], part: int = 0, operand: int = 0
) -> Form:
    """Return the elements of an axis with these numbers; all of them in order cost nothing.

    The result is ``part`` of those of the node, ``x`` the ``operand`` of its inputs.
    """
    length = x.shape[axis]
    if len(indices) == length and all(map(eq, indices, range(length))):
        return x
    _check_count(node, len(indices))
    chosen = tuple(indices)
    shape = (*x.shape[:axis], len(chosen), *x.shape[axis + 1 :])
    place = axis - (len(x.shape) - len(node.inner(x.shape)))
    if not chosen or place < 0:
        raise node.unsupported(f"takes {len(chosen)} of {length} elements of axis {axis}")
    if min(chosen) < 0 or max(chosen) >= length:
        raise node.unsupported(f"takes element {max(chosen)} of {length}")
    node.check_size(shape)
    inner, loc = node.inner(x.shape), node.loc

    def write(values: tuple[Value, ...], result: Value, out: Writer) -> None:
        out.add(Take(loc=loc, x=values[0], indices=chosen, axis=place, result=result))

    layer = PlainLayer(
        name=node.proto.output[part],
        shape=(*inner[:place], len(chosen), *inner[place + 1 :]),
        type=type_of(x),
        loc=node.loc,
        nonnegative=forms.is_at_least_zero(x),
        operands=(Operand(form=x, shape=inner, name=node.proto.input[operand]),),
        how=write,
    )
    assert prod(layer.shape) == prod(shape)
    return of_atom(layer, shape)
