"""Delays of whole sequences: steps that are shifted along the time axis, zeros first.

What arrives ``d`` steps later is handed on from step to step, ``d`` times: a node that changes
nothing stands for each of them, and belongs to the step in which it is read.
"""

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto

from mapper.frontend.time.parts import bundled
from mapper.frontend.time.tensors import Bundle, Known, Part, Single, Slot, Tape


def settled(tape: Tape, parts: Sequence[Part], like: NodeProto) -> list[Part]:
    """Let steps that were shifted behind zeros wait until they are read; others stay."""
    late = zeros_first(parts)
    told = [tape.level(part) for part in parts[late:]]
    if not 0 < late < len(parts) == tape.length or told != list(range(len(told))):
        return list(parts)
    return [arrived(tape, parts, late, t, late, like) for t in range(len(parts))]


def zeros_first(parts: Sequence[Part]) -> int:
    """Return how many parts are known zeros before the first that is computed."""
    first = next((k for k, part in enumerate(parts) if isinstance(part, Slot)), 0)
    return first if all(_is_zero(part) for part in parts[:first]) else 0


def _is_zero(part: Part) -> bool:
    return isinstance(part, Known) and not part.array.any()


def arrived(
    tape: Tape, parts: Sequence[Part], late: int, t: int, steps: int, like: NodeProto
) -> Part:
    """Return what was sent ``steps`` before step ``t``, where ``parts`` has ``late`` zeros first.

    Before the first step nothing was sent: the states that it is handed on in start as zeros.
    """
    sent = t - steps
    part = parts[sent + late] if sent >= 0 else _nothing(tape, parts[late], sent)
    of_input = steps and part in tape.times  # a state is what a node gives, and no input
    for at in range(max(sent, -1) + (0 if of_input else 1), t + 1):
        assert isinstance(part, Slot)
        shape = tape.known(np.asarray(part.shape, np.int64))
        part = tape.one("Reshape", [part, shape], like)
        assert isinstance(part, Slot)
        tape.waits[part] = at
    tape.deepest = max(tape.deepest, steps)
    return part


def _nothing(tape: Tape, first: Part, sent: int) -> Slot:
    """Return what a delay holds before the first step, whose own is ``first``: ``sent`` is below 0.

    As many states hold it as steps that it waits for: each is one of its own.
    """
    assert isinstance(first, Slot)
    if (first, sent) not in tape.nothing:
        tape.nothing[first, sent] = slot = tape.slot(first.shape)
        tape.starts[slot] = np.zeros(first.shape, np.float32)
    return tape.nothing[first, sent]


def padded(tape: Tape, tensor: Bundle, before: int, behind: int, like: NodeProto) -> Single:
    """Put zeros before the first step and behind the last."""
    parts = among_zeros(tape, tensor, before, behind)
    return bundled(tensor.axis, settled(tape, parts, like))


def among_zeros(tape: Tape, tensor: Bundle, before: int, behind: int) -> list[Part]:
    """Return its steps with so many of zeros before the first and behind the last."""
    zeros = tape.known(np.zeros(tensor.parts[0].shape, np.float32))
    return [*[zeros] * before, *tensor.parts, *[zeros] * behind]
