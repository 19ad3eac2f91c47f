"""Reshapes of every kind: where the time axis is afterwards."""

from collections.abc import Sequence
from math import prod

import numpy as np
from onnx import NodeProto

from mapper.frontend.time.parts import (
    Inputs,
    bundled,
    lifted,
    number,
    numbers,
    setting,
    whole,
)
from mapper.frontend.time.tensors import (
    Bundle,
    Shape,
    Single,
    Tape,
    TimeFormError,
)


def measured(tape: Tape, proto: NodeProto, inputs: Inputs) -> Single:
    tensor = inputs[0]
    assert tensor is not None
    dims = list(tensor.shape)
    if proto.op_type == "Size":
        return tape.known(np.asarray(prod(dims), np.int64))
    start, end = number(proto, "start", 0), number(proto, "end", len(dims))
    return tape.known(np.asarray(dims[start:end], np.int64))


def reshaped(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
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
        if len(places) < rank - len(shape):
            raise TimeFormError(f"Unsqueeze: axes {axes} name an axis twice")
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


def transposed(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    tensor = inputs[0]
    if not isinstance(tensor, Bundle):
        return list(tape.emit(proto, [tensor]))
    order = setting(proto, "perm", list(reversed(range(len(tensor.shape)))))
    assert isinstance(order, Sequence)
    return lifted(tape, proto, inputs, list(order).index(tensor.axis))


def repeated(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
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
