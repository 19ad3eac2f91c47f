"""Find what stands for a state one time step earlier, going forward from what both steps read.

Where a model returns its last step alone, no result of an earlier step is at hand to start from.
But both steps read the input by equal nodes, and what those give is read by equal nodes again. A
node that also reads the state thus tells what it read in the step before.
"""

from collections.abc import Mapping, Sequence

from mapper.frontend.time.cut import Levels
from mapper.frontend.time.match import match
from mapper.frontend.time.tensors import Part, Slot, Step, Tape

_MAX_ALIKE = 64
"""Nodes that do the same to one tensor with others; of more, none is looked at."""


def stepped_back(
    tape: Tape, steps: Sequence[Step], levels: Levels, state: frozenset[Slot], time: int
) -> Mapping[Slot, Part]:
    """Return what tensors that step ``time`` reads and computes are in the step before.

    A node is followed where just one of the earlier step fits it; what several fit is looked at
    again once more is known. State that nothing tells is not in the result.

    Args:
        tape: The model, laid out.
        steps: Its nodes.
        levels: The latest input step that each tensor depends on.
        state: What the step reads of earlier ones.
        time: The step.
    """
    pairs = _inputs(tape, time)
    readers: dict[object, list[Step]] = {}
    for step in steps:
        if levels[step.outputs[0]] == time - 1:
            for place, slot in enumerate(step.inputs):
                if isinstance(slot, Slot):
                    readers.setdefault(_kind(step, place, slot), []).append(step)
    waiting = [step for step in steps if levels[step.outputs[0]] == time]
    while True:
        left = [s for s in waiting if not _follow(tape, s, readers, state, pairs)]
        if len(left) == len(waiting):
            return pairs
        waiting = left


def _inputs(tape: Tape, time: int) -> dict[Slot, Part]:
    at = {where: slot for slot, where in tape.times.items()}
    return {slot: at[name, t - 1] for slot, (name, t) in tape.times.items() if t == time}


def _follow(
    tape: Tape,
    step: Step,
    readers: Mapping[object, Sequence[Step]],
    state: frozenset[Slot],
    pairs: dict[Slot, Part],
) -> bool:
    """Pair a node, with all that leads to it, with the only one that fits; say whether it is."""
    anchors = (k for k, i in enumerate(step.inputs) if isinstance(i, Slot) and i in pairs)
    place = next(anchors, None)
    if place is None:
        return False
    anchor = step.inputs[place]
    assert isinstance(anchor, Slot)
    candidates = readers.get(_kind(step, place, pairs[anchor]), ())
    fitting = []
    for other in candidates if len(candidates) <= _MAX_ALIKE else ():
        roots = list(zip(step.outputs, other.outputs, strict=True))
        found = match(tape, roots, state, -1, pairs)
        if found.differs is None:
            fitting.append(found.other)
    if len(fitting) != 1:
        return False
    pairs.update(fitting[0])
    return True


def _kind(step: Step, place: int, read: Part) -> object:
    """Return what nodes share that do the same, with the same constants, to a tensor."""
    constants = tuple(None if isinstance(part, Slot) else part for part in step.inputs)
    return step.mark, constants, place, read
