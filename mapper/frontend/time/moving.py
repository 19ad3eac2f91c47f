"""Reshapes of every kind: where the time axis is afterwards."""

from collections.abc import Sequence
from math import prod

import numpy as np
from onnx import NodeProto

from mapper.frontend.onnx.operators import operator_of
from mapper.frontend.time import delays, slots
from mapper.frontend.time.parts import (
    Inputs,
    Settings,
    bundled,
    check_parts,
    lifted,
    number,
    numbers,
    setting,
    whole,
    whole_inputs,
)
from mapper.frontend.time.tensors import (
    Bundle,
    Known,
    Shape,
    Single,
    Tape,
    TimeFormError,
)


def shape_of(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    tensor = inputs[0]
    assert tensor is not None
    dims = list(tensor.shape)
    start, end = number(proto, "start", 0), number(proto, "end", len(dims))
    return [tape.known(np.asarray(dims[start:end], np.int64))]


def padded(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """Pad every step alone, where nothing is added before the first step or behind the last."""
    tensor = inputs[0]
    held = numbers(proto, inputs, "pads", 1)
    if isinstance(tensor, Bundle) and held is not None:
        rank = len(tensor.shape)
        axes = numbers(proto, inputs, "axes", 3) or list(range(rank))
        on_time = [k for k, axis in enumerate(axes) if axis % rank == tensor.axis]
        ends = [(held[k], held[k + len(axes)]) for k in on_time]
        if not any(map(any, ends)):
            return lifted(tape, proto, inputs, tensor.axis)
        if _is_of_zeros(proto, inputs) and min(ends[0]) >= 0 and len(axes) == rank:
            rest = [0 if k % rank == tensor.axis else n for k, n in enumerate(held)]
            if not any(rest):
                check_parts(tape, len(tensor.parts) + sum(ends[0]), proto)
                return [delays.padded(tape, tensor, *ends[0], proto)]
    return list(tape.emit(proto, whole_inputs(tape, proto, inputs)))


def _is_of_zeros(proto: NodeProto, inputs: Inputs) -> bool:
    value = inputs[2] if len(inputs) > 2 else None
    constant = setting(proto, "mode", b"constant") in (b"constant", "constant")
    return constant and (value is None or (isinstance(value, Known) and not value.array.any()))


def gathered_at(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """Take elements by coordinates from every step alone, where none of them is of time."""
    tensor, places = inputs[0], inputs[1]
    if isinstance(tensor, Bundle) and isinstance(places, Known) and places.shape:
        alike, depth = number(proto, "batch_dims", 0), places.shape[-1]
        if tensor.axis >= alike + depth:
            axis = tensor.axis - alike - depth + len(places.shape) - 1
            return lifted(tape, proto, inputs, axis)
    return list(tape.emit(proto, whole_inputs(tape, proto, inputs)))


def size_of(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    tensor = inputs[0]
    assert tensor is not None
    return [tape.known(np.asarray(prod(tensor.shape), np.int64))]


def reshaped(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    tensor = inputs[0]
    assert tensor is not None
    target = _shape_after(proto, inputs, tensor.shape)
    if prod(target) != prod(tensor.shape):
        raise TimeFormError(f"{proto.op_type}: {tensor.shape} cannot become {target}")
    if not isinstance(tensor, Bundle):
        return [tape.reshaped(tensor, target, proto)]
    axis = _where_axis(tensor.shape, tensor.axis, target)
    if axis is None and (steps := slots.among_steps(tape, tensor, target, proto)) is not None:
        return [steps]
    if axis is None and (steps := slots.of_steps(tape, tensor, target, proto)) is not None:
        return [steps]
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


def _shape_after(proto: NodeProto, inputs: Inputs, shape: Shape) -> Shape:
    rule = operator_of(proto).time.shape
    assert rule is not None
    return rule(Settings(proto, inputs), shape)


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
    new = _shape_after(proto, inputs, tensor.shape)
    lead = len(new) - len(tensor.shape)
    old = (*(1,) * lead, *tensor.shape)
    grown = [k for k in range(len(new)) if new[k] != old[k]]
    if isinstance(tensor, Bundle):
        axis = tensor.axis + lead
        parts = [tape.reshaped(p, (*(1,) * lead, *p.shape), proto) for p in tensor.parts]
        if not grown:
            return [bundled(axis, parts)]
        if axis in grown:
            raise TimeFormError(f"{proto.op_type}: repeats time steps", tape.place(proto))
        times = tape.known(np.asarray([n // o for n, o in zip(new, old, strict=True)], np.int64))
        return [bundled(axis, [tape.one("Tile", [part, times], proto) for part in parts])]
    part = tape.reshaped(tensor, old, proto)
    if not grown:
        return [part]
    if len(grown) == 1 and old[grown[0]] == 1:
        check_parts(tape, new[grown[0]], proto)
        return [bundled(grown[0], [part] * new[grown[0]])]
    return list(tape.emit(proto, [tensor, inputs[1]] if not isinstance(inputs[1], Bundle) else []))
