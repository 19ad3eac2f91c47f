"""What nodes do to tensors with a time axis.

Stateless nodes act on every time step alone, whatever axis time is on; slicing and joining on
the time axis pick and build steps; a sum over it is a readout.
"""

import numpy as np
from onnx import NodeProto

from mapper.frontend.onnx.fold import ELEMENTWISE
from mapper.frontend.time import moving, operators, picking
from mapper.frontend.time.graded import simplified
from mapper.frontend.time.parts import (
    Inputs,
    Rule,
    bundled,
    lifted,
    number,
    numbers,
    pieces,
    whole_inputs,
)
from mapper.frontend.time.tensors import (
    Bundle,
    Known,
    Part,
    Single,
    Slot,
    Tape,
)

BATCHED = frozenset(
    {
        "AveragePool",
        "BatchNormalization",
        "Conv",
        "ConvTranspose",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "MaxPool",
    }
)
"""Operators that treat the elements of their first axis alike."""
REDUCED = {"ReduceSum": "Sum", "ReduceMean": "Mean", "ReduceMax": "Max", "ReduceMin": "Min"}


def applied(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """Return the results of a node that has no subgraph and no sequence."""
    if operators.is_neuron(proto):
        return operators.stepped(tape, proto, inputs)
    if proto.op_type == "Constant" or all(i is None or isinstance(i, Known) for i in inputs):
        return list(tape.emit(proto, [i for i in inputs if not isinstance(i, Bundle)]))
    if proto.op_type in ("Shape", "Size"):
        return [moving.measured(tape, proto, inputs)]
    if proto.op_type in RULES:
        return RULES[proto.op_type](tape, proto, inputs)
    if proto.op_type == "Cast" and _keeps_type(proto, inputs[0]):
        return [inputs[0]] if inputs[0] is not None else []
    if not any(isinstance(i, Bundle) for i in inputs):
        return [
            simplified(tape, part) for part in tape.emit(proto, whole_inputs(tape, proto, inputs))
        ]
    if proto.op_type in ELEMENTWISE:
        return _elementwise(tape, proto, inputs)
    axes = [i.axis if isinstance(i, Bundle) else None for i in inputs]
    if proto.op_type in BATCHED and axes[0] == 0 and not any(axes[1:]):
        return lifted(tape, proto, inputs, 0)
    return list(tape.emit(proto, whole_inputs(tape, proto, inputs)))


def _keeps_type(proto: NodeProto, tensor: Single | None) -> bool:
    parts = tensor.parts if isinstance(tensor, Bundle) else (tensor,)
    return all(isinstance(p, Slot) and p.kind == number(proto, "to", 0) for p in parts)


# --- elementwise and weighted --------------------------------------------------------------


def _elementwise(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    bundles = [i for i in inputs if isinstance(i, Bundle)]
    from_right = {len(b.shape) - b.axis for b in bundles}
    lengths = {len(b.parts) for b in bundles}
    if len(from_right) > 1 or len(lengths) > 1:
        return list(tape.emit(proto, whole_inputs(tape, proto, inputs)))
    back, length = from_right.pop(), lengths.pop()
    rank = max(len(i.shape) for i in inputs if i is not None)
    aligned = [_aligned(tape, i, back, length, proto) for i in inputs]
    return lifted(tape, proto, aligned, rank - back)


def _aligned(
    tape: Tape, tensor: Single | None, back: int, length: int, like: NodeProto
) -> Single | None:
    """Split a tensor that has one element per step on the axis that is ``back`` from the right."""
    if tensor is None or isinstance(tensor, Bundle):
        return tensor
    axis = len(tensor.shape) - back
    if axis < 0 or tensor.shape[axis] == 1 or length == 1:
        return tensor
    return bundled(axis, pieces(tape, tensor, axis, like))


def _product(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """Apply weights to every step; a matrix over the time axis itself stays whole."""
    left, right = inputs[0], inputs[1]
    if isinstance(left, Bundle) and not isinstance(right, Bundle):
        kept = left.axis < len(left.shape) - 1
        if kept and right is not None and len(right.shape) <= 2 and _plain(tape, proto, inputs):
            return lifted(tape, proto, inputs, left.axis)
    if isinstance(right, Bundle) and isinstance(left, Known) and proto.op_type == "MatMul":
        back = len(right.shape) - right.axis
        if back != 2 and len(left.shape) <= 2:
            return lifted(tape, proto, inputs, right.axis)
    return list(tape.emit(proto, whole_inputs(tape, proto, inputs)))


def _plain(tape: Tape, proto: NodeProto, inputs: Inputs) -> bool:
    """Say whether the rows of a general product's first operand stay its rows."""
    if proto.op_type != "Gemm":
        return True
    bias = inputs[2] if len(inputs) > 2 else None
    per_row = bias is not None and len(bias.shape) == 2 and bias.shape[0] > 1
    return not number(proto, "transA", 0) and not per_row


def _reduced(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    tensor = inputs[0]
    if not isinstance(tensor, Bundle):
        return list(tape.emit(proto, whole_inputs(tape, proto, inputs)))
    rank = len(tensor.shape)
    given = numbers(proto, inputs, "axes", 1)
    if not given and number(proto, "noop_with_empty_axes", 0):
        return [tensor]
    axes = {axis % rank for axis in given or range(rank)}
    keeps = bool(number(proto, "keepdims", 1))
    if tensor.axis not in axes:
        gone = 0 if keeps else sum(axis < tensor.axis for axis in axes)
        return lifted(tape, proto, inputs, tensor.axis - gone)
    parts = tensor.parts
    if others := sorted(axes - {tensor.axis}):
        parts = tuple(_reduced_part(tape, proto, part, others) for part in parts)
    total = tape.one(REDUCED[proto.op_type], parts, proto)
    shape = total.shape if keeps else tuple(n for k, n in enumerate(total.shape) if k not in axes)
    return [tape.reshaped(total, shape, proto)]


def _reduced_part(tape: Tape, proto: NodeProto, part: Part, axes: list[int]) -> Part:
    newer = tape.opset >= (13 if proto.op_type == "ReduceSum" else 18)
    if newer:
        return tape.one(proto.op_type, [part, tape.known(np.asarray(axes, np.int64))], proto)
    return tape.one(proto.op_type, [part], proto, axes=axes)


RULES: dict[str, Rule] = {
    "Concat": picking.concatenated,
    "Expand": moving.repeated,
    "Flatten": moving.reshaped,
    "Gather": picking.gathered,
    "Gemm": _product,
    "MatMul": _product,
    "Reshape": moving.reshaped,
    "ScatterElements": picking.scattered,
    "ScatterND": picking.scattered,
    "Slice": picking.sliced,
    "Split": picking.split,
    "Squeeze": moving.reshaped,
    "Tile": moving.repeated,
    "Transpose": moving.transposed,
    "Unsqueeze": moving.reshaped,
    **dict.fromkeys(REDUCED, _reduced),
}
