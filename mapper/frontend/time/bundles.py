"""What nodes do to tensors with a time axis.

Stateless nodes act on every time step alone, whatever axis time is on; slicing and joining on
the time axis pick and build steps; a sum over it is a readout.
"""

from collections.abc import Mapping

import numpy as np
import onnx.defs
from onnx import NodeProto

from mapper.frontend.onnx.einsum import equation_of
from mapper.frontend.onnx.operators import operator_of
from mapper.frontend.onnx.operators.row import Through
from mapper.frontend.time import moving, neurons, picking, slots
from mapper.frontend.time.graded import simplified
from mapper.frontend.time.kernels import convolved
from mapper.frontend.time.parts import (
    Inputs,
    Rule,
    bundled,
    lifted,
    number,
    numbers,
    pieces,
    setting,
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


def applied(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """Return the results of a node that has no subgraph and no sequence."""
    operator = operator_of(proto)
    known = [i for i in inputs if not isinstance(i, Bundle | Slot)]
    if operator.folds is not None and len(known) == len(inputs):
        return list(tape.emit(proto, known))
    return RULES[operator.time.through](tape, proto, inputs)


def _whole(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    return list(tape.emit(proto, whole_inputs(tape, proto, inputs)))


def _cast(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    if inputs[0] is not None and _keeps_type(proto, inputs[0]):
        return [inputs[0]]
    return _each_step(tape, proto, inputs)


def _each_sample(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """Apply a node that treats the elements of its first axis alike."""
    axes = [i.axis if isinstance(i, Bundle) else None for i in inputs]
    if axes[0] == 0 and not any(axes[1:]):
        return lifted(tape, proto, inputs, 0)
    return _whole(tape, proto, inputs)


def _each_channel(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """Apply a node that treats all elements of a channel, axis 1, alike."""
    tensor, *others = inputs
    of_channels = any(isinstance(i, Bundle) for i in others)
    if isinstance(tensor, Bundle) and tensor.axis != 1 and not of_channels:
        return lifted(tape, proto, inputs, tensor.axis)
    return _whole(tape, proto, inputs)


def _convolution(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """Convolve every step alone; a kernel over the time axis itself is one behind delays."""
    late = convolved(tape, proto, inputs)
    return _each_sample(tape, proto, inputs) if late is None else [late]


def _keeps_type(proto: NodeProto, tensor: Single) -> bool:
    parts = tensor.parts if isinstance(tensor, Bundle) else (tensor,)
    return all(isinstance(p, Slot) and p.kind == number(proto, "to", 0) for p in parts)


# --- elementwise and weighted --------------------------------------------------------------


def _each_step(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    bundles = [i for i in inputs if isinstance(i, Bundle)]
    if not bundles:
        if (found := slots.compared(tape, proto, inputs)) is not None:
            return found
        emitted = tape.emit(proto, whole_inputs(tape, proto, inputs))
        return [simplified(tape, part) for part in emitted]
    from_right = {len(b.shape) - b.axis for b in bundles}
    lengths = {len(b.parts) for b in bundles}
    if len(from_right) > 1 or len(lengths) > 1:
        return _whole(tape, proto, inputs)
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


def _matrix_product(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """Apply weights on either side to every step; over the time axis itself they stay whole."""
    left, right = inputs[0], inputs[1]
    if isinstance(left, Bundle) and isinstance(right, Bundle):
        return _product_of_steps(tape, proto, left, right)
    if isinstance(right, Bundle) and isinstance(left, Known):
        back = len(right.shape) - right.axis
        if back != 2 and len(left.shape) <= 2:
            return lifted(tape, proto, inputs, right.axis)
    return _weighed(tape, proto, inputs)


def _product_of_steps(tape: Tape, proto: NodeProto, left: Bundle, right: Bundle) -> list[Single]:
    """Multiply two computed tensors step by step, where time is an axis that both go along."""
    back = {len(tensor.shape) - tensor.axis for tensor in (left, right)}
    if len(back) > 1 or min(back) <= 2 or len(left.parts) != len(right.parts):
        return _whole(tape, proto, [left, right])
    rank = max(len(left.shape), len(right.shape))
    return lifted(tape, proto, [left, right], rank - back.pop())


def _general_product(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """Apply weights to every step, unless the rows of the first operand do not stay its rows."""
    bias = inputs[2] if len(inputs) > 2 else None
    per_row = bias is not None and len(bias.shape) == 2 and bias.shape[0] > 1
    if number(proto, "transA", 0) or per_row:
        return _whole(tape, proto, inputs)
    return _weighed(tape, proto, inputs)


def _weighed(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    left, right = inputs[0], inputs[1]
    if isinstance(left, Bundle) and not isinstance(right, Bundle):
        kept = left.axis < len(left.shape) - 1
        if kept and right is not None and len(right.shape) <= 2:
            return lifted(tape, proto, inputs, left.axis)
    return _whole(tape, proto, inputs)


def _einsum(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """Take an equation step by step, where all time axes have one letter that the result has."""
    text = setting(proto, "equation", b"")
    assert isinstance(text, bytes)
    equation = equation_of(text.decode("ascii", "replace"), [len(i.shape) for i in inputs if i])
    tensors = list(zip(inputs, equation.operands, strict=True))
    letters = {axes[i.axis] for i, axes in tensors if isinstance(i, Bundle)}
    time = letters.pop() if len(letters) == 1 else ""
    whole = any(time in axes for i, axes in tensors if not isinstance(i, Bundle))
    if not time or time not in equation.result or whole:
        return _whole(tape, proto, inputs)
    return lifted(tape, proto, inputs, equation.result.index(time))


def _reduced(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    tensor = inputs[0]
    if not isinstance(tensor, Bundle):
        return _whole(tape, proto, inputs)
    axes = _axes_of(proto, inputs, tensor)
    if not axes:
        return [tensor]
    keeps = bool(number(proto, "keepdims", 1))
    if tensor.axis not in axes:
        gone = 0 if keeps else sum(axis < tensor.axis for axis in axes)
        if operator_of(proto).time.side_by_side == "Sum":
            sums = [slots.added_up(tape, part, axes, proto) for part in tensor.parts]
            found = [total for total in sums if total is not None]
            if len(found) == len(sums):
                shape = found[0].shape
                shape = shape if keeps else tuple(n for k, n in enumerate(shape) if k not in axes)
                return [
                    bundled(tensor.axis - gone, [tape.reshaped(one, shape, proto) for one in found])
                ]
        return lifted(tape, proto, inputs, tensor.axis - gone)
    parts = tensor.parts
    if others := sorted(axes - {tensor.axis}):
        parts = tuple(_reduced_part(tape, proto, part, others) for part in parts)
    kind = operator_of(proto).time.side_by_side
    total = (slots.total(tape, parts, proto) if kind == "Sum" else None) or tape.one(
        kind, parts, proto
    )
    shape = total.shape if keeps else tuple(n for k, n in enumerate(total.shape) if k not in axes)
    return [tape.reshaped(total, shape, proto)]


def _axes_of(proto: NodeProto, inputs: Inputs, tensor: Bundle) -> set[int]:
    """Return the axes that a node reduces; none where it does nothing."""
    rank, given = len(tensor.shape), numbers(proto, inputs, "axes", 1)
    if not given and number(proto, "noop_with_empty_axes", 0):
        return set()
    return {axis % rank for axis in given or range(rank)}


def _reduced_step(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """Reduce every step alone; over time there is no node for tensors side by side."""
    tensor = inputs[0]
    if isinstance(tensor, Bundle) and tensor.axis not in _axes_of(proto, inputs, tensor):
        return _reduced(tape, proto, inputs)
    return _whole(tape, proto, inputs)


def _along_axis(tape: Tape, proto: NodeProto, inputs: Inputs) -> list[Single]:
    """Apply a node along one axis to every step, where that is not the time axis."""
    tensor = inputs[0]
    if not isinstance(tensor, Bundle) or tape.opset < 13:  # it flattened what is behind its axis
        return _whole(tape, proto, inputs)
    known = onnx.defs.get_schema(proto.op_type, tape.opset, "").attributes
    axis = number(proto, "axis", known["axis"].default_value.i) % len(tensor.shape)
    if axis == tensor.axis:
        return _whole(tape, proto, inputs)
    keeps = "keepdims" not in known or bool(number(proto, "keepdims", 1))
    return lifted(tape, proto, inputs, tensor.axis - (not keeps and axis < tensor.axis))


def _reduced_part(tape: Tape, proto: NodeProto, part: Part, axes: list[int]) -> Part:
    if len(onnx.defs.get_schema(proto.op_type, tape.opset, "").inputs) > 1:
        return tape.one(proto.op_type, [part, tape.known(np.asarray(axes, np.int64))], proto)
    return tape.one(proto.op_type, [part], proto, axes=axes)


RULES: Mapping[Through, Rule] = {
    "whole": _whole,
    "each step": _each_step,
    "each sample": _each_sample,
    "each channel": _each_channel,
    "along axis": _along_axis,
    "cast": _cast,
    "concat": picking.concatenated,
    "convolution": _convolution,
    "einsum": _einsum,
    "gather": picking.gathered,
    "gather at": moving.gathered_at,
    "general product": _general_product,
    "matrix product": _matrix_product,
    "neuron": neurons.stepped,
    "reduce": _reduced,
    "pad": moving.padded,
    "reduce step": _reduced_step,
    "repeat": moving.repeated,
    "reshape": moving.reshaped,
    "scatter": picking.scattered,
    "shape": moving.shape_of,
    "size": moving.size_of,
    "slice": picking.sliced,
    "split": picking.split,
    "transpose": moving.transposed,
}
"""What the nodes do that the walk of ``flatten`` leaves to their operators."""
