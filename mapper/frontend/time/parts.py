"""Tensors with a time axis: take them apart, put them together, and what nodes say of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from mapper.frontend.time.graded import simplified
from mapper.frontend.time.tensors import (
    Bundle,
    Known,
    Part,
    Single,
    Tape,
    TimeFormError,
)
from mapper.ir.core import Array

Inputs = Sequence[Single | None]
Rule = Callable[[Tape, NodeProto, Inputs], list[Single]]

MAX_PARTS = 1 << 16
"""Elements of an axis that become parts of their own; recordings have fewer time steps."""

MIXES = "it computes one time step from several"


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


@dataclass(frozen=True, eq=False, slots=True)
class Settings:
    """What a node says beside its first input, as ``frontend.onnx.shapes`` asks for it."""

    proto: NodeProto
    inputs: Inputs

    def attribute(self, name: str, default: Any = None) -> Any:
        return setting(self.proto, name, default)

    def integers(self, name: str, index: int) -> list[int] | None:
        return numbers(self.proto, self.inputs, name, index)


def array_of(part: Single | None, proto: NodeProto) -> Array:
    if not isinstance(part, Known):
        raise TimeFormError(f"{proto.op_type}: what it takes from a tensor depends on the data")
    return part.array


def check_parts(tape: Tape, count: int, proto: NodeProto) -> None:
    """Refuse a tensor of more parts than any recording has time steps, before they are made."""
    if count > MAX_PARTS:
        raise TimeFormError(
            f"{proto.op_type}: {count} parts, at most {MAX_PARTS} are told apart", tape.place(proto)
        )


def bundled(axis: int, parts: Sequence[Part]) -> Single:
    """Return parts of one element on ``axis`` as one tensor."""
    return parts[0] if len(parts) == 1 else Bundle(axis, tuple(parts))


def whole(tape: Tape, tensor: Single, like: NodeProto) -> Part:
    """Return a tensor as one part, time axis and all."""
    if not isinstance(tensor, Bundle):
        return tensor
    return tape.one("Concat", tensor.parts, like, axis=tensor.axis)


def whole_inputs(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Part | None]:
    return [None if i is None else whole(tape, i, proto) for i in inputs]


def lifted(tape: Tape, proto: NodeProto, inputs: Inputs, axis: int) -> list[Single]:
    """Apply a node to every step; ``axis`` is the time axis of its results."""
    length = next(len(i.parts) for i in inputs if isinstance(i, Bundle))
    rows = []
    for t in range(length):
        parts = [i.parts[t] if isinstance(i, Bundle) else i for i in inputs]
        rows.append([simplified(tape, part) for part in tape.emit(proto, parts)])
    if any(part.shape[axis : axis + 1] != (1,) for row in rows for part in row):
        raise TimeFormError(f"{proto.op_type}: {MIXES}", tape.place(proto))
    return [bundled(axis, column) for column in zip(*rows, strict=True)]


def pieces(tape: Tape, tensor: Single, axis: int, like: NodeProto) -> list[Part]:
    """Split a tensor into parts of one element on ``axis``."""
    if isinstance(tensor, Bundle) and tensor.axis == axis:
        return list(tensor.parts)
    check_parts(tape, tensor.shape[axis], like)
    if isinstance(tensor, Known):
        return [tape.known(tensor.array.take([k], axis)) for k in range(tensor.shape[axis])]
    part = whole(tape, tensor, like)
    if part.shape[axis] == 1:
        return [part]
    picks = (tape.known(np.asarray([k], np.int64)) for k in range(part.shape[axis]))
    return [tape.one("Gather", [part, pick], like, axis=axis) for pick in picks]
