"""What stands between tensors of time steps and the outputs of a model."""

from collections.abc import Iterable, Sequence

from onnx import NodeProto

from mapper.frontend.time.cut import live_steps
from mapper.frontend.time.tensors import Bundle, Slot, Step, Tape, Tensor


def needed(nodes: Sequence[NodeProto], outputs: Iterable[str]) -> list[NodeProto]:
    """Return the nodes that outputs need: a stack under a shape may have no reader."""
    needed, found = set(outputs), []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            found.append(node)
            needed.update(node.input)
    return found[::-1]


def between(tape: Tape, roots: Sequence[Slot], cut: set[Slot]) -> list[Step]:
    """Return the nodes that roots need and a cut does not give."""
    needed = set(roots) - cut
    found = []
    for step in reversed(live_steps(tape, list(roots))):
        if needed.intersection(step.outputs):
            found.append(step)
            needed.update(set(step.slots) - cut)
    return found[::-1]


def slots_of(tensors: Iterable[Tensor]) -> set[Slot] | None:
    """Return the slots of tensors; None where one is a list, or known."""
    found: set[Slot] = set()
    for tensor in tensors:
        parts = tensor.parts if isinstance(tensor, Bundle) else (tensor,)
        slots = [part for part in parts if isinstance(part, Slot)]
        if len(slots) < len(parts):
            return None
        found.update(slots)
    return found
