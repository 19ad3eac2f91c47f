"""Operators of libraries that run a neuron over a whole sequence, taken step by step.

``frontend.onnx.custom`` says what they compute in one step. They keep their place on the tape, over
sequences of one step each.
"""

from collections.abc import Sequence

from onnx import NodeProto

from mapper.frontend.time.parts import Inputs, bundled, pieces, whole
from mapper.frontend.time.tensors import Part, Shape, Single, Slot, Tape, TimeFormError


def stepped(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """Return spikes, last membrane and membranes before firing, for ``x[T, ...]`` and ``v``."""
    x, v, *rest = inputs
    if x is None or v is None:
        raise TimeFormError(f"{proto.op_type}: needs a sequence and a membrane", tape.place(proto))
    held: Part = whole(tape, v, proto)
    others = [None if i is None else whole(tape, i, proto) for i in rest]
    rows: list[list[Part]] = []
    for part in pieces(tape, x, 0, proto):
        results = tape.emit(proto, [part, held, *others], _shapes(proto, part, held))
        held = results[1]
        rows.append(list(results))
    spikes, _, charged = zip(*rows, strict=True)
    return [bundled(0, spikes), held, bundled(0, charged)]


def _shapes(proto: NodeProto, x: Part, v: Part) -> Sequence[tuple[Shape, int]]:
    if len(proto.output) != 3 or x.shape[1:] != v.shape:
        raise TimeFormError(
            f"{proto.op_type}: a sequence of shape {x.shape} for a membrane of shape {v.shape}",
            proto.name,
        )
    kind = next((part.kind for part in (x, v) if isinstance(part, Slot)), 1)
    return [(x.shape, kind), (v.shape, kind), (x.shape, kind)]
