"""Keep ONNX sequences: lists of tensors, with none of which anything is computed."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from onnx import NodeProto

from mapper.frontend.onnx.operators.row import Through
from mapper.frontend.time.parts import array_of, bundled, number, pieces
from mapper.frontend.time.picking import joined
from mapper.frontend.time.tensors import Bundle, Listed, Single, Tape, Tensor, TimeFormError

Inputs = Sequence[Tensor | None]


def empty(tape: Tape, node: NodeProto, inputs: Inputs) -> Tensor:
    return Listed(())


def constructed(tape: Tape, node: NodeProto, inputs: Inputs) -> Tensor:
    return Listed(tuple(_single(i) for i in inputs))


def parted(tape: Tape, node: NodeProto, inputs: Inputs) -> Tensor:
    return Listed(tuple(_parted(tape, node, inputs)))


def length(tape: Tape, node: NodeProto, inputs: Inputs) -> Tensor:
    return tape.known(np.asarray(len(_items(node, inputs)), np.int64))


def inserted(tape: Tape, node: NodeProto, inputs: Inputs) -> Tensor:
    items = _items(node, inputs)
    place = _place(node, inputs, 2)
    items.insert(len(items) if place is None else place, _single(inputs[1]))
    return Listed(tuple(items))


def element(tape: Tape, node: NodeProto, inputs: Inputs) -> Tensor:
    items = _items(node, inputs)
    place = _place(node, inputs, 1)
    return items[len(items) if place is None else place]


def erased(tape: Tape, node: NodeProto, inputs: Inputs) -> Tensor:
    items = _items(node, inputs)
    place = _place(node, inputs, 1)
    del items[-1 if place is None else place]
    return Listed(tuple(items))


def _parted(tape: Tape, node: NodeProto, inputs: Inputs) -> list[Single]:
    tensor = _single(inputs[0])
    axis = number(node, "axis", 0) % len(tensor.shape)
    parts = pieces(tape, tensor, axis, node)
    if len(inputs) > 1 and inputs[1] is not None:
        sizes = array_of(_single(inputs[1]), node)
        if sizes.ndim == 0:
            each = int(sizes)
            groups = [parts[k : k + each] for k in range(0, len(parts), max(1, each))]
        else:
            ends = np.cumsum(sizes)
            groups = [parts[int(e - n) : int(e)] for n, e in zip(sizes, ends, strict=True)]
        return [bundled(axis, group) for group in groups]
    if number(node, "keepdims", 1):
        return list(parts)
    shape = [n for k, n in enumerate(tensor.shape) if k != axis]
    return [tape.reshaped(part, shape, node) for part in parts]


def concatenated(tape: Tape, node: NodeProto, inputs: Inputs) -> Tensor:
    items = _items(node, inputs)
    if not items:
        raise TimeFormError("ConcatFromSequence: of nothing")
    axis, new = number(node, "axis", 0), number(node, "new_axis", 0)
    rank = len(items[0].shape) + new
    axis %= rank
    if new:
        items = [_unsqueezed(tape, item, axis, node) for item in items]
    return joined(tape, items, axis, node)


def _unsqueezed(tape: Tape, tensor: Single, axis: int, node: NodeProto) -> Single:
    if isinstance(tensor, Bundle):
        raise TimeFormError("a sequence of tensors that have a time axis themselves")
    return tape.reshaped(tensor, (*tensor.shape[:axis], 1, *tensor.shape[axis:]), node)


def _items(node: NodeProto, inputs: Inputs) -> list[Single]:
    first = inputs[0] if inputs else None
    if not isinstance(first, Listed):
        raise TimeFormError(f"{node.op_type}: reads no sequence")
    return list(first.items)


def _place(node: NodeProto, inputs: Inputs, index: int) -> int | None:
    """Return a place in a list, or None where the node leaves it out."""
    if index >= len(inputs) or inputs[index] is None:
        return None
    return int(array_of(_single(inputs[index]), node).reshape(-1)[0])


def _single(tensor: Tensor | None) -> Single:
    if tensor is None or isinstance(tensor, Listed):
        raise TimeFormError("a sequence of sequences")
    return tensor


RULES: Mapping[Through, Callable[[Tape, NodeProto, Inputs], Tensor]] = {
    "sequence at": element,
    "sequence concat": concatenated,
    "sequence construct": constructed,
    "sequence empty": empty,
    "sequence erase": erased,
    "sequence insert": inserted,
    "sequence length": length,
    "sequence split": parted,
}
"""What the nodes do that read or give a list."""
