"""Slots of a count: one time step of integer spikes, written as several steps of binary ones.

SpikingJelly compares a count with ``0 .. D - 1``, puts these slots among the time steps, applies
weights to all and adds up what belongs to one step. Time is where it was: each slot is a tensor of
its own meanwhile, and weights that are applied to all of them are applied to their sum.
"""

from collections.abc import Sequence
from math import prod

from onnx import NodeProto

from mapper.frontend.onnx.operators import operator_of
from mapper.frontend.time.parts import Inputs, bundled, pieces
from mapper.frontend.time.tensors import Bundle, Known, Part, Shape, Single, Slot, Step, Tape

MOST_SLOTS = 64
"""Of a time step: a neuron of more levels hardly has its spikes told apart."""


def among_steps(tape: Tape, tensor: Bundle, target: Shape, like: NodeProto) -> Single | None:
    """Return time steps whose slots become steps of their own by a reshape; None where none do.

    Slots are the axis behind time, and what they differ in are constants.
    """
    old, axis = tensor.shape, tensor.axis
    slots = old[axis + 1] if axis + 1 < len(old) else 1
    place = _place(target, prod(old[:axis]), old[axis] * slots, prod(old[axis + 2 :]))
    if place is None or not 1 < slots <= MOST_SLOTS:
        return None
    back = len(old) - axis - 1
    shape = (*target[:place], 1, *target[place + 1 :])
    parts: list[Part] = []
    for part in tensor.parts:
        cut = [_taken(tape, part, back, k) for k in range(slots)]
        parts += [tape.reshaped(one, shape, like) for one in cut if one is not None]
    return bundled(place, parts) if len(parts) == old[axis] * slots else None


def of_steps(tape: Tape, tensor: Bundle, target: Shape, like: NodeProto) -> Single | None:
    """Return time steps again that a reshape makes of their slots; None where it makes none."""
    old, axis, length = tensor.shape, tensor.axis, tape.length
    slots = old[axis] // max(length, 1)
    place = _place(target, prod(old[:axis]), length, slots * prod(old[axis + 1 :]))
    if place is None or slots * length != old[axis] or target[place + 1 : place + 2] != (slots,):
        return None
    shape = (*target[:place], 1, 1, *target[place + 2 :])
    steps: list[Part] = []
    for t in range(length):
        own = [tape.reshaped(p, shape, like) for p in tensor.parts[t * slots : (t + 1) * slots]]
        step = tape.one("Concat", own, like, axis=place + 1)
        if isinstance(step, Slot):
            tape.stacked[step] = (place + 1, tuple(own))
        steps.append(step)
    return bundled(place, steps)


def added_up(tape: Tape, part: Part, axes: set[int], like: NodeProto) -> Part | None:
    """Return the sum of what is stacked along an axis, which has one element then.

    None where nothing is. Weights that all of them went through are applied to the sum of what
    they read.
    """
    if not isinstance(part, Slot) or part not in tape.stacked:
        return None
    axis, parts = tape.stacked[part]
    return _sum(tape, parts, like) if axes == {axis} else None


def compared(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single] | None:
    """Compare a count with numbers along an axis that it lacks: one part for each. None elsewhere.

    Such slots may lie where samples are: they are no samples, and are laid out like time steps.
    """
    known = next((i for i in inputs if isinstance(i, Known)), None)
    count = next((i for i in inputs if isinstance(i, Slot)), None)
    if operator_of(proto).time.again != "compare" or known is None or count is None:
        return None
    shape = (1,) * (len(known.shape) - len(count.shape)) + count.shape
    axes = [k for k, n in enumerate(known.shape) if n > 1]
    if len(axes) != 1 or len(known.shape) != len(shape) or shape[axes[0]] != 1:
        return None
    (axis,) = axes
    if known.shape[axis] > MOST_SLOTS:
        return None
    parts: list[Part] = []
    for level in pieces(tape, known, axis, proto):
        (part,) = tape.emit(proto, [level if i is known else count for i in inputs])
        tape.compared.add(part)
        parts.append(part)
    return [bundled(axis, parts)]


def total(tape: Tape, parts: Sequence[Part], like: NodeProto) -> Part | None:
    """Return the sum of slots that were compared at once; None of anything else."""
    return _sum(tape, parts, like) if all(_is_slot(tape, part) for part in parts) else None


def _is_slot(tape: Tape, part: Part) -> bool:
    while isinstance(part, Slot) and part not in tape.compared:
        step = tape.maker.get(part)
        if step is None or len(step.slots) != 1:
            return False
        part = step.slots[0]
    return part in tape.compared


def _place(shape: Shape, before: int, size: int, after: int) -> int | None:
    """Return the axis of so many elements, between so many before it and behind it."""
    for place, here in enumerate(shape):
        if (prod(shape[:place]), here, prod(shape[place + 1 :])) == (before, size, after):
            return place
    return None


def _taken(tape: Tape, part: Part, back: int, index: int) -> Part | None:
    """Return one element of an axis, counted from the right, along which constants alone differ."""
    axis = len(part.shape) - back
    if axis < 0 or part.shape[axis] == 1:
        return part
    if isinstance(part, Known):
        return tape.known(part.array.take([index], axis))
    step = tape.maker.get(part)
    if step is None or step.operator.time.through not in ("each step", "cast"):
        return None
    inputs = [None if i is None else _taken(tape, i, back, index) for i in step.inputs]
    if any(new is None and old is not None for new, old in zip(inputs, step.inputs, strict=True)):
        return None
    return tape.emit(step.proto, inputs)[step.outputs.index(part)]


def _sum(tape: Tape, parts: Sequence[Part], like: NodeProto) -> Part:
    steps = [tape.maker.get(part) for part in parts if isinstance(part, Slot)]
    first = steps[0] if len(steps) == len(parts) else None
    if first is not None and (place := _linear_in(first)) is not None:
        alike = [step for step in steps if step is not None and _alike(step, first, place)]
        if len(alike) == len(parts):
            inputs = list(first.inputs)
            read = [step.inputs[place] for step in alike]
            inputs[place] = _sum(tape, [one for one in read if one is not None], like)
            return tape.emit(first.proto, inputs)[0]
    return tape.one("Sum", parts, like)


def _linear_in(step: Step) -> int | None:
    """Return which input a node is a linear function of, nothing added; None where it is none."""
    kind, weighs = step.operator.time.linear, step.operator.has_weights
    known = kind in ("moves", "multiplies", "divides", "linear", "weighs") or weighs
    if not known or len(step.slots) != 1:
        return None
    if (kind == "weighs" or weighs) and any(_adds(part) for part in step.inputs[2:]):
        return None
    return next(k for k, part in enumerate(step.inputs) if isinstance(part, Slot))


def _adds(bias: Part | None) -> bool:
    return bias is not None and not (isinstance(bias, Known) and not bias.array.any())


def _alike(step: Step, first: Step, place: int) -> bool:
    """Say whether two nodes do the same to what stands at one place."""
    others = [part for k, part in enumerate(step.inputs) if k != place]
    same = others == [part for k, part in enumerate(first.inputs) if k != place]
    return same and step.mark == first.mark and isinstance(step.inputs[place], Slot)
