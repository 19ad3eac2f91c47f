"""Delays of whole sequences: steps that are shifted along the time axis, zeros first.

What arrives ``d`` steps later is handed on from step to step, ``d`` times: a node that changes
nothing stands for each of them, and belongs to the step in which it is read.
"""

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto

from mapper.frontend.time.parts import Inputs, bundled, number, setting
from mapper.frontend.time.tensors import Bundle, Known, Part, Single, Slot, Tape
from mapper.ir.core import Array


def settled(tape: Tape, parts: Sequence[Part], like: NodeProto) -> list[Part]:
    """Let steps that were shifted behind zeros wait until they are read; others stay."""
    late = _zeros_first(parts)
    told = [tape.level(part) for part in parts[late:]]
    if not 0 < late < len(parts) == tape.length or told != list(range(len(told))):
        return list(parts)
    return [_arrived(tape, parts, late, t, late, like) for t in range(len(parts))]


def _zeros_first(parts: Sequence[Part]) -> int:
    """Return how many parts are known zeros before the first that is computed."""
    first = next((k for k, part in enumerate(parts) if isinstance(part, Slot)), 0)
    return first if all(_is_zero(part) for part in parts[:first]) else 0


def _is_zero(part: Part) -> bool:
    return isinstance(part, Known) and not part.array.any()


def _arrived(
    tape: Tape, parts: Sequence[Part], late: int, t: int, steps: int, like: NodeProto
) -> Part:
    """Return what was sent ``steps`` before step ``t``, where ``parts`` has ``late`` zeros first.

    Before the first step nothing was sent: the states that it is handed on in start as zeros.
    """
    sent = t - steps
    part = parts[sent + late] if sent >= 0 else _nothing(tape, parts[-1])
    for at in range(max(sent, -1) + 1, t + 1):
        assert isinstance(part, Slot)
        shape = tape.known(np.asarray(part.shape, np.int64))
        part = tape.one("Reshape", [part, shape], like)
        assert isinstance(part, Slot)
        tape.waits[part] = at
    tape.deepest = max(tape.deepest, steps)
    return part


def _nothing(tape: Tape, like: Part) -> Slot:
    """Return what a delay holds before the first step."""
    if like.shape not in tape.nothing:
        tape.nothing[like.shape] = slot = tape.slot(like.shape)
        tape.starts[slot] = np.zeros(like.shape, np.float32)
    return tape.nothing[like.shape]


def padded(tape: Tape, tensor: Bundle, before: int, behind: int, like: NodeProto) -> Single:
    """Put zeros before the first step and behind the last."""
    zeros = _zeros_like(tape, tensor.parts[0])
    parts = [*[zeros] * before, *tensor.parts, *[zeros] * behind]
    return bundled(tensor.axis, settled(tape, parts, like))


def _zeros_like(tape: Tape, part: Part) -> Known:
    return tape.known(np.zeros(part.shape, np.float32))


# --- convolutions over time ----------------------------------------------------------------


def convolved(tape: Tape, proto: NodeProto, inputs: Inputs) -> Single | None:
    """Return a depthwise convolution over the time axis as delays; None of any other node.

    A kernel of one 1 is a delay of its channel, whose spikes stay spikes; of several taps, the sum
    of some delays, each times its tap.
    """
    tensor, kernel = inputs[0], inputs[1]
    if not isinstance(tensor, Bundle) or not isinstance(kernel, Known):
        return None
    taps = kernel.array
    before, behind = _pads(proto)
    plain = all(np.all(np.asarray(setting(proto, n, [1])) == 1) for n in ("strides", "dilations"))
    over_time = len(tensor.shape) == 3 == taps.ndim and tensor.axis == 2
    if not plain or not over_time or before < 0 or (len(inputs) > 2 and inputs[2] is not None):
        return None
    if not taps.shape[0] == number(proto, "group", 1) == tensor.shape[1] or taps.shape[1] != 1:
        return None
    zeros = _zeros_like(tape, tensor.parts[0])
    parts = [*[zeros] * before, *tensor.parts, *[zeros] * behind]
    late = _zeros_first(parts)
    columns = {late - j: taps[:, 0, j] for j in range(taps.shape[2]) if taps[:, 0, j].any()}
    known = [tape.level(part) for part in parts[late:] if isinstance(part, Slot)]
    length = len(parts) - taps.shape[2] + 1
    if min(columns, default=-1) < 0 or known != list(range(tape.length)) or length < tape.length:
        return None
    made = [
        [(_arrived(tape, parts, late, t, d, proto), column) for d, column in columns.items()]
        for t in range(min(length, tape.length))
    ]
    return bundled(2, [_joined(tape, arrived, proto) for arrived in made])


def _pads(proto: NodeProto) -> tuple[int, int]:
    given = setting(proto, "pads", [0, 0])
    automatic = setting(proto, "auto_pad", b"NOTSET") not in (b"NOTSET", "NOTSET")
    before, behind = given if isinstance(given, Sequence) and len(given) == 2 else (-1, -1)
    return (-1, -1) if automatic else (int(before), int(behind))


def _joined(tape: Tape, arrived: list[tuple[Part, Array]], like: NodeProto) -> Part:
    """Put channels together: of one delay each side by side, of several as a sum."""
    masks = np.stack([taps for _, taps in arrived])
    if ((masks != 0).sum(axis=0) == 1).all() and (masks.sum(axis=0) == 1).all():
        chosen = [np.flatnonzero(taps) for _, taps in arrived]
        groups = [
            tape.one("Gather", [part, tape.known(channels.astype(np.int64))], like, axis=1)
            for (part, _), channels in zip(arrived, chosen, strict=True)
        ]
        joined = groups[0] if len(groups) == 1 else tape.one("Concat", groups, like, axis=1)
        order = np.argsort(np.concatenate(chosen)).astype(np.int64)
        if np.array_equal(order, np.arange(len(order))):
            return joined
        return tape.one("Gather", [joined, tape.known(order)], like, axis=1)
    terms = [
        tape.one("Mul", [part, tape.known(taps.reshape(1, -1, 1).astype(np.float32))], like)
        for part, taps in arrived
    ]
    total = terms[0]
    for term in terms[1:]:
        total = tape.one("Add", [total, term], like)
    return total
