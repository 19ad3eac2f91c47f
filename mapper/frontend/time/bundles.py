"""What nodes do to tensors with a time axis.

Stateless nodes act on every time step alone, whatever axis time is on; slicing and joining on
the time axis pick and build steps; a sum over it is a readout.
"""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
from onnx import NodeProto, helper

from mapper.frontend.fold import ELEMENTWISE, fold
from mapper.frontend.time.graded import fires_once
from mapper.frontend.time.tensors import (
    Bundle,
    Known,
    Part,
    Shape,
    Single,
    Slot,
    Tape,
    TimeFormError,
)
from mapper.ir.core import Array

Inputs = Sequence[Single | None]
Rule = Callable[[Tape, NodeProto, Inputs], list[Single]]

BATCHED = frozenset(
    {
        "AveragePool",
        "BatchNormalization",
        "Conv",
        "ConvTranspose",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "MaxPool",
    }
)
"""Operators that treat the elements of their first axis alike."""
REDUCED = {"ReduceSum": "Sum", "ReduceMean": "Mean", "ReduceMax": "Max", "ReduceMin": "Min"}
MIXES = "it computes one time step from several"


def applied(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """Return the results of a node that has no subgraph and no sequence."""
    if proto.op_type == "Constant" or all(i is None or isinstance(i, Known) for i in inputs):
        return list(tape.emit(proto, [i for i in inputs if not isinstance(i, Bundle)]))
    if proto.op_type in ("Shape", "Size"):
        return [_measured(tape, proto, inputs)]
    if proto.op_type in RULES:
        return RULES[proto.op_type](tape, proto, inputs)
    if proto.op_type == "Cast" and _keeps_type(proto, inputs[0]):
        return [inputs[0]] if inputs[0] is not None else []
    if not any(isinstance(i, Bundle) for i in inputs):
        return [_simplified(tape, part) for part in tape.emit(proto, _whole(tape, proto, inputs))]
    if proto.op_type in ELEMENTWISE:
        return _elementwise(tape, proto, inputs)
    axes = [i.axis if isinstance(i, Bundle) else None for i in inputs]
    if proto.op_type in BATCHED and axes[0] == 0 and not any(axes[1:]):
        return lifted(tape, proto, inputs, 0)
    return list(tape.emit(proto, _whole(tape, proto, inputs)))


def setting(proto: NodeProto, name: str, default: object = None) -> object:
    for attribute in proto.attribute:
        if attribute.name == name:
            return helper.get_attribute_value(attribute)
    return default


def number(proto: NodeProto, name: str, default: int) -> int:
    value = setting(proto, name, default)
    assert isinstance(value, int)
    return value


def numbers(proto: NodeProto, inputs: Inputs, name: str, index: int) -> list[int] | None:
    """Return integers that older opsets hold in an attribute and newer ones in an input."""
    if index < len(inputs) and (held := inputs[index]) is not None:
        return [int(n) for n in array_of(held, proto).reshape(-1)]
    value = setting(proto, name)
    return None if value is None else [int(n) for n in np.asarray(value).reshape(-1)]


def array_of(part: Single | None, proto: NodeProto) -> Array:
    if not isinstance(part, Known):
        raise TimeFormError(f"{proto.op_type}: what it takes from a tensor depends on the data")
    return part.array


def bundled(axis: int, parts: Sequence[Part]) -> Single:
    """Return parts of one element on ``axis`` as one tensor."""
    return parts[0] if len(parts) == 1 else Bundle(axis, tuple(parts))


def whole(tape: Tape, tensor: Single, like: NodeProto) -> Part:
    """Return a tensor as one part, time axis and all."""
    if not isinstance(tensor, Bundle):
        return tensor
    return tape.one("Concat", tensor.parts, like, axis=tensor.axis)


def _whole(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Part | None]:
    return [None if i is None else whole(tape, i, proto) for i in inputs]


def lifted(tape: Tape, proto: NodeProto, inputs: Inputs, axis: int) -> list[Single]:
    """Apply a node to every step; ``axis`` is the time axis of its results."""
    length = next(len(i.parts) for i in inputs if isinstance(i, Bundle))
    rows = []
    for t in range(length):
        parts = [i.parts[t] if isinstance(i, Bundle) else i for i in inputs]
        rows.append([_simplified(tape, part) for part in tape.emit(proto, parts)])
    if any(part.shape[axis : axis + 1] != (1,) for row in rows for part in row):
        raise TimeFormError(f"{proto.op_type}: {MIXES}", tape.place(proto))
    return [bundled(axis, column) for column in zip(*rows, strict=True)]


def pieces(tape: Tape, tensor: Single, axis: int, like: NodeProto) -> list[Part]:
    """Split a tensor into parts of one element on ``axis``."""
    if isinstance(tensor, Bundle) and tensor.axis == axis:
        return list(tensor.parts)
    if isinstance(tensor, Known):
        return [tape.known(tensor.array.take([k], axis)) for k in range(tensor.shape[axis])]
    part = whole(tape, tensor, like)
    if part.shape[axis] == 1:
        return [part]
    picks = (tape.known(np.asarray([k], np.int64)) for k in range(part.shape[axis]))
    return [tape.one("Gather", [part, pick], like, axis=axis) for pick in picks]


def _keeps_type(proto: NodeProto, tensor: Single | None) -> bool:
    parts = tensor.parts if isinstance(tensor, Bundle) else (tensor,)
    return all(isinstance(p, Slot) and p.kind == number(proto, "to", 0) for p in parts)


def _simplified(tape: Tape, part: Part) -> Part:
    step = tape.maker.get(part) if isinstance(part, Slot) else None
    spike = fires_once(tape, step) if step is not None else None
    return part if spike is None or spike.shape != part.shape else spike


# --- elementwise and weighted --------------------------------------------------------------


def _elementwise(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    bundles = [i for i in inputs if isinstance(i, Bundle)]
    from_right = {len(b.shape) - b.axis for b in bundles}
    lengths = {len(b.parts) for b in bundles}
    if len(from_right) > 1 or len(lengths) > 1:
        return list(tape.emit(proto, _whole(tape, proto, inputs)))
    back, length = from_right.pop(), lengths.pop()
    rank = max(len(i.shape) for i in inputs if i is not None)
    aligned = [_aligned(tape, i, back, length, proto) for i in inputs]
    return lifted(tape, proto, aligned, rank - back)


def _aligned(
    tape: Tape, tensor: Single | None, back: int, length: int, like: NodeProto
) -> Single | None:
    """Split a tensor that has one element per step on the axis that is ``back`` from the right."""
    if tensor is None or isinstance(tensor, Bundle):
        return tensor
    axis = len(tensor.shape) - back
    if axis < 0 or tensor.shape[axis] == 1 or length == 1:
        return tensor
    return bundled(axis, pieces(tape, tensor, axis, like))


def _product(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """Apply weights to every step; a matrix over the time axis itself stays whole."""
    left, right = inputs[0], inputs[1]
    if isinstance(left, Bundle) and not isinstance(right, Bundle):
        kept = left.axis < len(left.shape) - 1
        if kept and right is not None and len(right.shape) <= 2 and _plain(tape, proto, inputs):
            return lifted(tape, proto, inputs, left.axis)
    if isinstance(right, Bundle) and isinstance(left, Known) and proto.op_type == "MatMul":
        back = len(right.shape) - right.axis
        if back != 2 and len(left.shape) <= 2:
            return lifted(tape, proto, inputs, right.axis)
    return list(tape.emit(proto, _whole(tape, proto, inputs)))


def _plain(tape: Tape, proto: NodeProto, inputs: Inputs) -> bool:
    """Say whether the rows of a general product's first operand stay its rows."""
    if proto.op_type != "Gemm":
        return True
    bias = inputs[2] if len(inputs) > 2 else None
    per_row = bias is not None and len(bias.shape) == 2 and bias.shape[0] > 1
    return not number(proto, "transA", 0) and not per_row


# --- shapes --------------------------------------------------------------------------------


def _measured(tape: Tape, proto: NodeProto, inputs: Inputs) -> Single:
    tensor = inputs[0]
    assert tensor is not None
    dims = list(tensor.shape)
    if proto.op_type == "Size":
        return tape.known(np.asarray(prod(dims), np.int64))
    start, end = number(proto, "start", 0), number(proto, "end", len(dims))
    return tape.known(np.asarray(dims[start:end], np.int64))


def _reshaped(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    tensor = inputs[0]
    assert tensor is not None
    target = _target(proto, inputs, tensor.shape)
    if prod(target) != prod(tensor.shape):
        raise TimeFormError(f"{proto.op_type}: {tensor.shape} cannot become {target}")
    if not isinstance(tensor, Bundle):
        return [tape.reshaped(tensor, target, proto)]
    axis = _where_axis(tensor.shape, tensor.axis, target)
    if axis is None:
        return [tape.reshaped(whole(tape, tensor, proto), target, proto)]
    shape = (*target[:axis], 1, *target[axis + 1 :])
    return [bundled(axis, [tape.reshaped(part, shape, proto) for part in tensor.parts])]


def _where_axis(old: Shape, axis: int, new: Shape) -> int | None:
    """Return where an axis is after a reshape, or None where it was merged with another."""
    before, after = prod(old[:axis]), prod(old[axis + 1 :])
    for place, size in enumerate(new):
        if size == old[axis] and prod(new[:place]) == before and prod(new[place + 1 :]) == after:
            return place
    return None


def _target(proto: NodeProto, inputs: Inputs, shape: Shape) -> Shape:
    if proto.op_type == "Flatten":
        axis = number(proto, "axis", 1) % (len(shape) + 1)
        return (prod(shape[:axis]), prod(shape[axis:]))
    if proto.op_type == "Reshape":
        return _given_target(numbers(proto, inputs, "shape", 1) or [], shape, proto)
    axes = numbers(proto, inputs, "axes", 1)
    if proto.op_type == "Unsqueeze":
        rank = len(shape) + len(axes or [])
        places = {axis % rank for axis in axes or []}
        rest = iter(shape)
        return tuple(1 if k in places else next(rest) for k in range(rank))
    if axes is None:
        return tuple(n for n in shape if n != 1)
    places = {axis % len(shape) for axis in axes}
    return tuple(n for k, n in enumerate(shape) if k not in places)


def _given_target(dims: list[int], shape: Shape, proto: NodeProto) -> Shape:
    keeps = not number(proto, "allowzero", 0)
    filled = [shape[k] if d == 0 and keeps and k < len(shape) else d for k, d in enumerate(dims)]
    known = prod(d for d in filled if d != -1)
    return tuple(prod(shape) // max(1, known) if d == -1 else d for d in filled)


def _transposed(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    tensor = inputs[0]
    if not isinstance(tensor, Bundle):
        return list(tape.emit(proto, [tensor]))
    order = setting(proto, "perm", list(reversed(range(len(tensor.shape)))))
    assert isinstance(order, Sequence)
    return lifted(tape, proto, inputs, list(order).index(tensor.axis))


def _repeated(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """``Expand`` and ``Tile``: also what makes many steps of one image."""
    tensor = inputs[0]
    assert tensor is not None
    dims = tuple(numbers(proto, inputs, "shape", 1) or [])
    rank = max(len(dims), len(tensor.shape))
    old = (*(1,) * (rank - len(tensor.shape)), *tensor.shape)
    times = (*(1,) * (rank - len(dims)), *dims)
    if proto.op_type == "Tile":
        new = tuple(a * b for a, b in zip(old, times, strict=True))
    else:
        new = np.broadcast_shapes(old, times)
    grown = [k for k in range(rank) if new[k] != old[k]]
    lead = rank - len(tensor.shape)
    if isinstance(tensor, Bundle):
        axis = tensor.axis + lead
        parts = [tape.reshaped(p, (*(1,) * lead, *p.shape), proto) for p in tensor.parts]
        if not grown:
            return [bundled(axis, parts)]
        raise TimeFormError(
            f"{proto.op_type}: repeats a tensor with a time axis", tape.place(proto)
        )
    part = tape.reshaped(tensor, old, proto)
    if not grown:
        return [part]
    if len(grown) == 1 and old[grown[0]] == 1:
        return [bundled(grown[0], [part] * new[grown[0]])]
    return list(tape.emit(proto, [tensor, inputs[1]] if not isinstance(inputs[1], Bundle) else []))


# --- picking and joining -------------------------------------------------------------------


def _gathered(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    tensor, index = inputs[0], inputs[1]
    assert tensor is not None
    axis = number(proto, "axis", 0) % max(1, len(tensor.shape))
    if not isinstance(tensor, Bundle):
        if isinstance(index, Known) and index.array.size == 1 == tensor.shape[axis]:
            target = (*tensor.shape[:axis], *index.shape, *tensor.shape[axis + 1 :])
            return [tape.reshaped(tensor, target, proto)]
        return list(tape.emit(proto, _whole(tape, proto, inputs)))
    places = array_of(index, proto)
    if axis != tensor.axis:
        result = tensor.axis if tensor.axis < axis else tensor.axis + places.ndim - 1
        return lifted(tape, proto, inputs, result)
    if places.ndim > 1:
        raise TimeFormError("Gather: picks time steps by a table", tape.place(proto))
    count = len(tensor.parts)
    if places.size and not (-count <= places.min() and places.max() < count):
        raise TimeFormError(f"Gather: picks step {int(places.max())} of {count}", tape.place(proto))
    parts = [tensor.parts[int(k) % count] for k in places.reshape(-1)]
    if places.ndim == 1:
        return [bundled(axis, parts)]
    return [tape.reshaped(parts[0], _without(tensor.shape, axis), proto)]


def _without(shape: Shape, axis: int) -> Shape:
    return (*shape[:axis], *shape[axis + 1 :])


def _sliced(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    tensor = inputs[0]
    if not isinstance(tensor, Bundle):
        return list(tape.emit(proto, _whole(tape, proto, inputs)))
    starts, ends = (numbers(proto, inputs, n, k) or [] for n, k in (("starts", 1), ("ends", 2)))
    axes = numbers(proto, inputs, "axes", 3) or list(range(len(starts)))
    strides = numbers(proto, inputs, "steps", 4) or [1] * len(starts)
    parts, others = list(tensor.parts), []
    for start, end, axis, stride in zip(starts, ends, axes, strides, strict=True):
        if axis % len(tensor.shape) == tensor.axis:
            low = None if stride < 0 and end < -len(parts) else end
            parts = parts[start:low:stride]
        else:
            others.append((start, end, axis, stride))
    if not parts:
        raise TimeFormError("Slice: takes no time step", tape.place(proto))
    if others:
        rest = [tape.known(np.asarray(column, np.int64)) for column in zip(*others, strict=True)]
        cut = helper.make_node("Slice", [], [""], name=proto.name)
        parts = [tape.emit(cut, [part, *rest])[0] for part in parts]
    return [bundled(tensor.axis, parts)]


def _split(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    tensor = inputs[0]
    assert tensor is not None
    axis = number(proto, "axis", 0) % len(tensor.shape)
    if not isinstance(tensor, Bundle):
        return list(tape.emit(proto, _whole(tape, proto, inputs)))
    if axis != tensor.axis:
        return lifted(tape, proto, inputs, tensor.axis)
    count = len(proto.output)
    sizes = numbers(proto, inputs, "split", 1)
    if sizes is None:
        each = -(-len(tensor.parts) // count)
        sizes = [each] * (count - 1) + [len(tensor.parts) - each * (count - 1)]
    ends = np.cumsum(sizes)
    spans = [tensor.parts[int(e) - n : int(e)] for n, e in zip(sizes, ends, strict=True)]
    return [bundled(axis, span) for span in spans]


def joined(tape: Tape, tensors: Sequence[Single], axis: int, proto: NodeProto) -> Single:
    """Concatenate; joining single elements makes a time axis."""
    others = {t.axis for t in tensors if isinstance(t, Bundle) and t.axis != axis}
    singles = all(isinstance(t, Bundle | Known) or t.shape[axis] == 1 for t in tensors)
    if others:
        return _joined_per_step(tape, tensors, axis, proto)
    if singles:
        return bundled(axis, [p for t in tensors for p in pieces(tape, t, axis, proto)])
    return tape.one("Concat", _whole(tape, proto, tensors), proto, axis=axis)


def _joined_per_step(tape: Tape, tensors: Sequence[Single], axis: int, proto: NodeProto) -> Single:
    time = next(t.axis for t in tensors if isinstance(t, Bundle) and t.axis != axis)
    columns = [pieces(tape, t, time, proto) for t in tensors]
    if len({len(column) for column in columns}) > 1:
        raise TimeFormError(f"Concat: {MIXES}", tape.place(proto))
    rows = zip(*columns, strict=True)
    return bundled(time, [tape.one("Concat", row, proto, axis=axis) for row in rows])


def _concatenated(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    tensors = [i for i in inputs if i is not None]
    return [joined(tape, tensors, number(proto, "axis", 0) % len(tensors[0].shape), proto)]


def _scattered(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """Write a step into a tensor; where each element comes from is worked out with numbers."""
    data, index, update = inputs
    assert data is not None
    assert update is not None
    places = array_of(index, proto)
    if setting(proto, "reduction", b"none") not in (b"none", "none"):
        raise TimeFormError(f"{proto.op_type}: adds where it writes", tape.place(proto))
    written = np.arange(1, prod(update.shape) + 1, dtype=np.int64).reshape(update.shape)
    node = helper.make_node(proto.op_type, ["d", "i", "u"], ["o"])
    node.attribute.extend(proto.attribute)
    (origin,) = fold(node, [np.zeros(data.shape, np.int64), places, written], tape.opset)
    axes = [data.axis] if isinstance(data, Bundle) else range(len(data.shape))
    for axis in axes:
        rows = [origin.take([k], axis) for k in range(data.shape[axis])]
        if all(row.all() or not row.any() for row in rows) and _in_order(rows, update.shape):
            return [_written(tape, data, axis, rows, update, proto)]
    return list(tape.emit(proto, _whole(tape, proto, inputs)))


def _in_order(rows: Sequence[Array], shape: Shape) -> bool:
    """Say whether the rows that are written take the update's elements as they lie."""
    written = [row for row in rows if row.any()]
    size = prod(shape) // max(1, len(written))
    runs = sorted(int(row.flat[0]) for row in written)
    return runs == [1 + k * size for k in range(len(written))] and all(
        np.array_equal(row.reshape(-1), np.arange(row.flat[0], row.flat[0] + size))
        for row in written
    )


def _written(
    tape: Tape, data: Single, axis: int, rows: Sequence[Array], update: Single, proto: NodeProto
) -> Single:
    parts = pieces(tape, data, axis, proto)
    count = sum(bool(row.any()) for row in rows)
    shape = (*data.shape[:axis], 1, *data.shape[axis + 1 :])
    flat = tape.reshaped(whole(tape, update, proto), (count, prod(shape)), proto)
    sources = pieces(tape, flat, 0, proto)
    for k, row in enumerate(rows):
        if row.any():
            source = sources[(int(row.flat[0]) - 1) // prod(shape)]
            parts[k] = tape.reshaped(source, shape, proto)
    return bundled(axis, parts)


def _reduced(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    tensor = inputs[0]
    if not isinstance(tensor, Bundle):
        return list(tape.emit(proto, _whole(tape, proto, inputs)))
    rank = len(tensor.shape)
    given = numbers(proto, inputs, "axes", 1)
    if not given and number(proto, "noop_with_empty_axes", 0):
        return [tensor]
    axes = {axis % rank for axis in given or range(rank)}
    keeps = bool(number(proto, "keepdims", 1))
    if tensor.axis not in axes:
        gone = 0 if keeps else sum(axis < tensor.axis for axis in axes)
        return lifted(tape, proto, inputs, tensor.axis - gone)
    parts = tensor.parts
    if others := sorted(axes - {tensor.axis}):
        parts = tuple(_reduced_part(tape, proto, part, others) for part in parts)
    total = tape.one(REDUCED[proto.op_type], parts, proto)
    shape = total.shape if keeps else tuple(n for k, n in enumerate(total.shape) if k not in axes)
    return [tape.reshaped(total, shape, proto)]


def _reduced_part(tape: Tape, proto: NodeProto, part: Part, axes: list[int]) -> Part:
    newer = tape.opset >= (13 if proto.op_type == "ReduceSum" else 18)
    if newer:
        return tape.one(proto.op_type, [part, tape.known(np.asarray(axes, np.int64))], proto)
    return tape.one(proto.op_type, [part], proto, axes=axes)


RULES: dict[str, Rule] = {
    "Concat": _concatenated,
    "Expand": _repeated,
    "Flatten": _reshaped,
    "Gather": _gathered,
    "Gemm": _product,
    "MatMul": _product,
    "Reshape": _reshaped,
    "ScatterElements": _scattered,
    "ScatterND": _scattered,
    "Slice": _sliced,
    "Split": _split,
    "Squeeze": _reshaped,
    "Tile": _repeated,
    "Transpose": _transposed,
    "Unsqueeze": _reshaped,
    **dict.fromkeys(REDUCED, _reduced),
}
