"""Tensors that are joined and taken apart again: states that one tensor holds side by side."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from onnx import NodeProto

from mapper.frontend.time.cut import Levels
from mapper.frontend.time.parts import Inputs, number, numbers, whole
from mapper.frontend.time.tensors import (
    Bundle,
    Known,
    Part,
    Single,
    Slot,
    Tape,
    Tensor,
    TimeFormError,
)


def sliced_of_joined(tape: Tape, proto: NodeProto, inputs: Inputs) -> Part | None:
    """Return the tensor that a slice takes out of several that were joined, where it is one."""
    columns = [numbers(proto, inputs, n, k) for k, n in enumerate(("starts", "ends", "axes"), 1)]
    strides = numbers(proto, inputs, "steps", 4) or [1]
    if not isinstance(inputs[0], Slot) or strides != [1]:
        return None
    if any(column is None or len(column) != 1 for column in columns):
        return None
    (start,), (end,), (axis,) = (column or [0] for column in columns)
    axis %= len(inputs[0].shape)
    span = range(inputs[0].shape[axis])[start:end]
    return part_of_joined(tape, inputs[0], axis, span.start, span.stop)


def part_of_joined(tape: Tape, tensor: Single, axis: int, start: int, end: int) -> Part | None:
    """Return which of the tensors that were joined is from ``start`` up to ``end``, or None."""
    maker = tape.maker.get(tensor) if isinstance(tensor, Slot) else None
    if maker is None or maker.proto.op_type != "Concat":
        return None
    if number(maker.proto, "axis", 0) % len(tensor.shape) != axis:
        return None
    parts = [part for part in maker.inputs if part is not None]
    ends = [int(n) for n in np.cumsum([0, *(part.shape[axis] for part in parts)])]
    spans = dict(zip(pairwise(ends), parts, strict=True))
    return spans.get((start, end))


def unjoined(tape: Tape, held: Tensor) -> Sequence[Tensor]:
    """Return the tensors that are carried as one, where each of them is read alone."""
    if isinstance(held, Bundle):
        return held.parts
    maker = tape.maker.get(held) if isinstance(held, Slot) else None
    if maker is None or maker.proto.op_type != "Concat":
        return [held]
    if any(held in step.inputs for step in tape.steps):
        return [held]
    return maker.slots


def stacked_states(
    tape: Tape, outputs: Mapping[str, Tensor], length: int, levels: Levels
) -> dict[str, Tensor]:
    """Return outputs with stacks of what one time step hands on as one tensor each.

    They are laid out like time steps, one behind the other, but all are of the same step.
    """
    return {
        name: _as_one(tape, tensor) if _is_of_one_step(tensor, length, levels) else tensor
        for name, tensor in outputs.items()
    }


def _is_of_one_step(tensor: Tensor, length: int, levels: Levels) -> bool:
    if not isinstance(tensor, Bundle) or length < 2:
        return False
    steps = {levels[part] for part in tensor.parts if isinstance(part, Slot)}
    if len(steps) != 1 or len(set(tensor.parts)) < len(tensor.parts):
        return False
    return len(tensor.parts) != length or steps == {length - 1}


def _as_one(tape: Tape, tensor: Tensor) -> Tensor:
    assert isinstance(tensor, Bundle)
    makers = (tape.maker.get(part) for part in tensor.parts if isinstance(part, Slot))
    made = next((maker for maker in makers if maker is not None), None)
    return tensor if made is None else whole(tape, tensor, made.proto)


def started_from(tape: Tape, start: Part | None) -> Part | None:
    """Return what a state starts from; where it is a part of an input without time, zeros.

    Raises:
        TimeFormError: It is computed from another input.
    """
    if start is None or isinstance(start, Known) or start in tape.known_starts:
        return start
    maker = tape.maker.get(start)
    takes_part = maker is not None and maker.operator.time.picks_steps
    if maker is not None and takes_part and maker.slots[0] in tape.given:
        zeros = [
            tape.known(np.zeros(part.shape, np.float32)) if isinstance(part, Slot) else part
            for part in maker.inputs
        ]
        return tape.emit(maker.proto, zeros)[maker.outputs.index(start)]
    raise TimeFormError(
        "what its first step starts from is computed from another input",
        help="give the states themselves as inputs",
    )
