"""Pick time steps out of a tensor, and join or write them into one."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import numpy as np
from onnx import NodeProto, helper

from mapper.frontend.time.delays import settled
from mapper.frontend.time.joined import part_of_joined, sliced_of_joined
from mapper.frontend.time.parts import (
    MIXES,
    Inputs,
    array_of,
    bundled,
    lifted,
    number,
    numbers,
    pieces,
    setting,
    whole,
    whole_inputs,
)
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


def gathered(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    tensor, index = inputs[0], inputs[1]
    assert tensor is not None
    axis = number(proto, "axis", 0) % max(1, len(tensor.shape))
    if not isinstance(tensor, Bundle):
        if isinstance(index, Known) and index.array.size == 1 == tensor.shape[axis]:
            target = (*tensor.shape[:axis], *index.shape, *tensor.shape[axis + 1 :])
            return [tape.reshaped(tensor, target, proto)]
        return list(tape.emit(proto, whole_inputs(tape, proto, inputs)))
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


def sliced(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    tensor = inputs[0]
    if not isinstance(tensor, Bundle):
        part = sliced_of_joined(tape, proto, inputs)
        return [part] if part else list(tape.emit(proto, whole_inputs(tape, proto, inputs)))
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
    return [bundled(tensor.axis, settled(tape, parts, proto))]


def split(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    tensor = inputs[0]
    assert tensor is not None
    axis = number(proto, "axis", 0) % len(tensor.shape)
    count = len(proto.output)
    sizes = numbers(proto, inputs, "split", 1)
    if not isinstance(tensor, Bundle):
        even = sizes or [-(-tensor.shape[axis] // count)] * count
        bounds = [int(end) for end in np.cumsum([0, *even])]
        parts = [part_of_joined(tape, tensor, axis, *pair) for pair in pairwise(bounds)]
        if any(part is None for part in parts):
            return list(tape.emit(proto, whole_inputs(tape, proto, inputs)))
        return [part for part in parts if part is not None]
    if axis != tensor.axis:
        return lifted(tape, proto, inputs, tensor.axis)
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
        parts = [p for t in tensors for p in pieces(tape, t, axis, proto)]
        stacked = not isinstance(tensors[-1], Bundle)
        return bundled(axis, parts if stacked else settled(tape, parts, proto))
    return tape.one("Concat", whole_inputs(tape, proto, tensors), proto, axis=axis)


def _joined_per_step(tape: Tape, tensors: Sequence[Single], axis: int, proto: NodeProto) -> Single:
    time = next(t.axis for t in tensors if isinstance(t, Bundle) and t.axis != axis)
    columns = [pieces(tape, t, time, proto) for t in tensors]
    if len({len(column) for column in columns}) > 1:
        raise TimeFormError(f"Concat: {MIXES}", tape.place(proto))
    rows = zip(*columns, strict=True)
    return bundled(time, [tape.one("Concat", row, proto, axis=axis) for row in rows])


def concatenated(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    tensors = [i for i in inputs if i is not None]
    return [joined(tape, tensors, number(proto, "axis", 0) % len(tensors[0].shape), proto)]


def scattered(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
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
    arrays = [np.zeros(data.shape, np.int64), places, written]
    (origin,) = tape.folder.fold(node, arrays, tape.place(proto))
    over = [] if isinstance(data, Slot) and isinstance(update, Known) else range(len(data.shape))
    for axis in [data.axis] if isinstance(data, Bundle) else over:
        rows = [origin.take([k], axis) for k in range(data.shape[axis])]
        if all(row.all() or not row.any() for row in rows) and _in_order(rows, update.shape):
            return [_written(tape, data, axis, rows, update, proto)]
    if isinstance(update, Known) and isinstance(data, Bundle | Slot):
        return [_overwritten(tape, data, origin, update.array, proto)]
    return list(tape.emit(proto, whole_inputs(tape, proto, inputs)))


def _overwritten(
    tape: Tape, data: Bundle | Slot, origin: Array, update: Array, proto: NodeProto
) -> Single:
    """Write known numbers into every step alone: each element stays, or is one of them."""
    values = np.where(origin > 0, update.reshape(-1)[origin - 1], 0).astype(update.dtype)

    def chosen(part: Part, kept: Array, value: Array) -> Part:
        return tape.one("Where", [tape.known(kept), part, tape.known(value)], proto)

    if isinstance(data, Slot):
        return chosen(data, origin == 0, values)
    cut = [
        (origin.take([k], data.axis) == 0, values.take([k], data.axis))
        for k in range(len(data.parts))
    ]
    return bundled(
        data.axis,
        [chosen(part, kept, value) for part, (kept, value) in zip(data.parts, cut, strict=True)],
    )


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
