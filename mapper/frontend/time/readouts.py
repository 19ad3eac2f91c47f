"""What the outputs of a whole sequence are, in terms of what each time step computes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mapper.frontend.time.cut import Levels
from mapper.frontend.time.tensors import (
    Bundle,
    Known,
    Part,
    Shape,
    Slot,
    Step,
    Tape,
    Tensor,
    TimeFormError,
)
from mapper.ir.core import Array

ONE_STEP_HELP = "return every time step, the last one, or their sum, mean or maximum"
Reduction = Literal["each", "sum", "mean", "max", "min", "last", "one"]
ALONE: tuple[Reduction, ...] = ("last", "one")
"""Of a single time step: the last, or one before it."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Wanted:
    """An output of the model: tensors of all steps or the last, and what is computed of them."""

    name: str
    shape: Shape
    """Of the whole output."""
    reduction: Reduction
    parts: tuple[Part, ...]
    """One per time step; the only one where the output is of a single step."""
    step: int | None = None
    """The step that the output is of, from 0, where it is ``one`` before the last."""
    axis: int | None = None
    """Where time is, in an output of every step."""
    scale: float = 1.0
    """What a sum is multiplied with."""
    after: tuple[Step, ...] = ()
    """Linear nodes between the reduction and the output, first to last."""


def wanted(tape: Tape, outputs: Mapping[str, Tensor], length: int, levels: Levels) -> list[Wanted]:
    """Return every output of the model; refuse one that is neither of each step nor of all."""
    return [_one(tape, name, tensor, length, levels) for name, tensor in outputs.items()]


def cut_short(wants: Sequence[Wanted], length: int, levels: Levels) -> tuple[list[Wanted], int]:
    """Return the outputs of a model that returns one step before the last, and the steps it uses.

    Raises:
        TimeFormError: Others are of another step, or the steps up to it are too few to tell how a
            step goes on.
    """
    counts = [uses(want, length, levels) for want in wants]
    used = min(counts)
    name = wants[counts.index(used)].name
    if used == 0:
        raise TimeFormError(f"output {name!r} does not depend on the input", name)
    if used < max(counts):
        raise TimeFormError(
            f"output {name!r} is of time step {used} of {length}, another one is of later ones",
            name,
            ONE_STEP_HELP,
        )
    if used < 3:
        raise TimeFormError(
            f"output {name!r} is of time step {used} of {length}, and what is computed after it "
            "is not returned: that does not tell how a step goes on",
            name,
            ONE_STEP_HELP,
        )
    return [replace(want, reduction="one", step=used - 1) for want in wants], used


def uses(want: Wanted, length: int, levels: Levels) -> int:
    """Return how many time steps an output depends on."""
    part = want.parts[-1]
    if want.reduction in ALONE and isinstance(part, Slot):
        return levels[part] + 1
    return length


def _one(tape: Tape, name: str, tensor: Tensor, length: int, levels: Levels) -> Wanted:
    if isinstance(tensor, Bundle) and len(tensor.parts) == length:
        return Wanted(
            name=name, shape=tensor.shape, reduction="each", parts=tensor.parts, axis=tensor.axis
        )
    if isinstance(tensor, Bundle):
        raise TimeFormError(
            f"output {name!r} holds {len(tensor.parts)} of {length} time steps", name
        )
    if not isinstance(tensor, Slot):
        raise TimeFormError(f"output {name!r} does not depend on the input", name)
    for after, slot in _unwrapped(tape, tensor):
        parts, reduction = _reduced(tape, slot, length, levels)
        if reduction != "last" and _fits(after, reduction):
            return Wanted(
                name=name,
                shape=tensor.shape,
                reduction=reduction,
                parts=parts,
                scale=_scale(after),
                after=tuple(step for step in after if _factor(step) is None),
            )
    return Wanted(name=name, shape=tensor.shape, reduction="last", parts=(tensor,))


def _unwrapped(tape: Tape, slot: Slot) -> Iterator[tuple[list[Step], Slot]]:
    """Yield a slot, and what it is a linear function of, with the nodes in between."""
    after: list[Step] = []
    while True:
        yield after, slot
        step = tape.maker.get(slot)
        if step is None or len(step.slots) != 1 or len(step.outputs) != 1 or not _is_linear(step):
            return
        after = [step, *after]
        slot = step.slots[0]


def _is_linear(step: Step) -> bool:
    match step.operator.time.linear:
        case "weighs":
            return isinstance(step.inputs[0], Slot)
        case "multiplies" | "divides":
            return _factor(step) is not None
        case kind:
            return kind != ""


def _factor(step: Step) -> float | None:
    """Return the number that a node multiplies with, or None."""
    constant = next((part for part in step.inputs if isinstance(part, Known)), None)
    if constant is None or constant.array.size != 1:
        return None
    value = float(constant.array.reshape(-1)[0])
    match step.operator.time.linear:
        case "multiplies":
            return value
        case "divides":
            return 1.0 / value if value and step.inputs[1] is constant else None
        case _:
            return None


def _scale(after: Sequence[Step]) -> float:
    return float(np.prod([f for step in after if (f := _factor(step)) is not None] or [1.0]))


def _fits(after: Sequence[Step], reduction: Reduction) -> bool:
    """Say whether nodes may act on every step instead of on the sum over all steps."""
    kinds = [step.operator.time.linear for step in after]
    if reduction in ("max", "min"):
        return all(kind == "moves" for kind in kinds)
    adds = any(
        kind == "adds" or (kind == "weighs" and len(step.inputs) > 2)
        for kind, step in zip(kinds, after, strict=True)
    )
    return not adds or (reduction == "mean" and not any(_factor(step) for step in after))


def _reduced(
    tape: Tape, slot: Slot, length: int, levels: Levels
) -> tuple[tuple[Part, ...], Reduction]:
    step = tape.maker.get(slot)
    if step is None:
        return (slot,), "last"
    reduction = step.operator.time.reduces
    if reduction and len(step.inputs) == length > 2:
        return tuple(part for part in step.inputs if part is not None), reduction
    terms = terms_of(tape, slot, length, levels) if step.proto.op_type == "Add" else None
    return ((slot,), "last") if terms is None else (terms, "sum")


def terms_of(tape: Tape, slot: Slot, length: int, levels: Levels) -> tuple[Part, ...] | None:
    """Return what a chain of additions adds up, one term a step."""
    terms: list[Part] = []
    total: Part = slot
    for _ in range(length - 1):
        step = tape.maker.get(total) if isinstance(total, Slot) else None
        if step is None or step.proto.op_type != "Add":
            return None
        chosen = _sides(tape, step, levels)
        if chosen is None:
            return None
        total, term = chosen
        terms.append(term)
    first = _first_term(tape, total)
    return None if first is None else (first, *reversed(terms))


def _sides(tape: Tape, step: Step, levels: Levels) -> tuple[Part, Part] | None:
    """Split an addition into the total so far, which nothing else reads, and the new term."""
    left, right = step.inputs
    assert left is not None
    assert right is not None
    readers = _readers(tape)
    now = levels.get(step.outputs[0], -1)
    for total, term in ((left, right), (right, left)):
        if not isinstance(total, Slot) or not isinstance(term, Slot):
            continue
        earlier = levels.get(total, -1) == now - 1 and levels.get(term, -1) == now
        if earlier and (readers.get(total, 0) == 1 or now == 1):
            return total, term
    return None


def _readers(tape: Tape) -> dict[Slot, int]:
    counts: dict[Slot, int] = {}
    for step in tape.steps:
        for slot in step.slots:
            counts[slot] = counts.get(slot, 0) + 1
    return counts


def _first_term(tape: Tape, total: Part) -> Part | None:
    """Return the first term of a sum that starts from zero, or from that term."""
    step = tape.maker.get(total) if isinstance(total, Slot) else None
    if step is None or step.proto.op_type != "Add":
        return total
    left, right = step.inputs
    for start, term in ((left, right), (right, left)):
        array = _start_of(tape, start)
        if array is not None and term is not None:
            return None if array.any() else term
    return total


def _start_of(tape: Tape, part: Part | None) -> Array | None:
    if isinstance(part, Known):
        return part.array
    return tape.starts.get(part) if part is not None else None
