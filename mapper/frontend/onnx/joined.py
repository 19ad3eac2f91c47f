"""States that a file holds side by side in one tensor: taken apart, for each is a state.

Such as Spyx's membrane and current, ``[1, 2 N]``, or a stack of membrane and spikes ``[2, 1, N]``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper

from mapper.frontend.onnx.load import to_array
from mapper.ir.core import Array

Places = tuple[tuple[int, int], ...]
"""Where parts are along an axis: from and up to which element, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """A model whose states are tensors of their own."""

    model: ModelProto
    returned: Mapping[str, str]
    """Which output of the file holds the next value of which of its inputs."""
    parts: Mapping[str, tuple[str, ...]]
    """The states that such an input of the file holds, in order."""


def apart(model: ModelProto, path: Path) -> Apart | None:
    """Return a model of one time step without joined states, or None where it has none.

    An input is joined states where nodes only take it into parts that are all of it, and an output
    joins as many parts of the same sizes along the same axis.
    """
    graph = model.graph
    known = {tensor.name for tensor in graph.initializer}
    small = [t for t in graph.initializer if t.data_type == TensorProto.INT64 and len(t.dims) < 2]
    stored = {tensor.name: to_array(tensor, path) for tensor in small}
    stored |= {
        node.output[0]: to_array(held.t, path)
        for node in graph.node
        if node.op_type == "Constant"
        for held in node.attribute
        if held.name == "value" and len(held.t.dims) < 2
    }
    makers = {name: node for node in graph.node for name in node.output}
    outputs = [port.name for port in graph.output]
    pairs: dict[str, tuple[str, _Taken, tuple[str, ...]]] = {}
    for port in graph.input:
        if port.name in known or (taken := _taken(port, graph.node, stored)) is None:
            continue
        for name in outputs:
            given = _given(makers.get(name), taken, makers)
            line = not set(taken.tensors).isdisjoint(given or ())  # a part waits: it is a delay
            if (
                given is not None
                and not line
                and name not in {used for used, _, _ in pairs.values()}
            ):
                pairs[port.name] = (name, taken, given)
                break
    return _without(model, pairs) if pairs else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    nodes: tuple[NodeProto, ...]
    axis: int
    places: Places
    tensors: tuple[str, ...]
    """The parts, in the order of their places."""
    shapes: tuple[tuple[int, ...], ...]
    picked: bool
    """Parts have lost the axis."""


def _taken(
    port: ValueInfoProto, nodes: Sequence[NodeProto], stored: Mapping[str, Array]
) -> _Taken | None:
    """Say how an input is taken apart; None where it is used otherwise."""
    shape = tuple(dim.dim_value for dim in port.type.tensor_type.shape.dim)
    readers = [node for node in nodes if port.name in node.input]
    if not readers or 0 in shape or any(list(n.input).count(port.name) > 1 for n in readers):
        return None
    found: list[tuple[int, int, int, str]] = []
    for node in readers:
        pieces = _pieces(node, shape, stored) if node.input[0] == port.name else None
        if pieces is None:
            return None
        found += pieces
    found.sort()
    axes, picked = {axis for axis, *_ in found}, {node.op_type == "Gather" for node in readers}
    places = tuple((start, end) for _, start, end, _ in found)
    if len(axes) > 1 or len(picked) > 1 or len(found) < 2:
        return None
    (axis,), (alone,) = axes, picked
    if places != _in_order(end - start for start, end in places) or places[-1][1] != shape[axis]:
        return None
    sizes = ([] if alone else [end - start] for start, end in places)
    return _Taken(
        nodes=tuple(readers),
        axis=axis,
        places=places,
        tensors=tuple(name for *_, name in found),
        shapes=tuple((*shape[:axis], *size, *shape[axis + 1 :]) for size in sizes),
        picked=alone,
    )


def _pieces(
    node: NodeProto, shape: tuple[int, ...], stored: Mapping[str, Array]
) -> list[tuple[int, int, int, str]] | None:
    """Return axis, start, end and name of what a node takes out, or None."""
    held = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    known = [stored[name].reshape(-1).tolist() for name in node.input[1:] if name in stored]
    if len(known) < len(node.input) - 1:
        return None
    axis = held.get("axis", 0) % len(shape)
    match node.op_type:
        case "Split":
            even = [shape[axis] // len(node.output)] * len(node.output)
            ends = _in_order(known[0] if known else held.get("split", even))
            return [(axis, *end, name) for end, name in zip(ends, node.output, strict=False)]
        case "Slice" if [len(column) for column in known] in ([1, 1, 1], [1, 1, 1, 1]):
            (start,), (end,), (axis,) = known[:3]
            span = range(shape[axis % len(shape)])[start:end]
            plain = known[3:] in ([], [[1]])
            return [(axis % len(shape), span.start, span.stop, node.output[0])] if plain else None
        case "Gather" if not stored[node.input[1]].ndim:
            index = known[0][0] % shape[axis]
            return [(axis, index, index + 1, node.output[0])]
        case _:
            return None


def _in_order(sizes: Iterable[int]) -> Places:
    """Return where parts of such sizes are, one after the other."""
    ends = list(accumulate(sizes, initial=0))
    return tuple(pairwise(ends))


def _given(
    node: NodeProto | None, taken: _Taken, makers: Mapping[str, NodeProto]
) -> tuple[str, ...] | None:
    """Return the tensors that an output joins as an input is taken apart; None elsewhere."""
    if node is None or node.op_type != "Concat" or len(node.input) != len(taken.tensors):
        return None
    axis = next(a.i for a in node.attribute if a.name == "axis")
    rank = len(taken.shapes[0]) + taken.picked
    if axis % rank != taken.axis:
        return None
    if not taken.picked:
        return tuple(node.input)
    alone = [makers.get(name) for name in node.input]
    if any(one is None or one.op_type != "Unsqueeze" for one in alone):
        return None
    return tuple(one.input[0] for one in alone if one is not None)


def _without(model: ModelProto, pairs: Mapping[str, tuple[str, _Taken, tuple[str, ...]]]) -> Apart:
    """Return a model whose joined states are inputs and outputs of their own."""
    parted = ModelProto()
    parted.CopyFrom(model)
    graph = parted.graph
    gone = {name for _, taken, _ in pairs.values() for name in taken.tensors}
    nodes = [node for node in graph.node if gone.isdisjoint(node.output)]
    inputs = [port for port in graph.input if port.name not in pairs]
    for port in graph.input:
        if port.name in pairs:
            taken, kind = pairs[port.name][1], port.type.tensor_type.elem_type
            ports = zip(taken.tensors, taken.shapes, strict=True)
            inputs += [helper.make_tensor_value_info(name, kind, shape) for name, shape in ports]
    made = (name for node in graph.node for name in node.output)
    taken_names = {*made, *(p.name for p in (*graph.input, *graph.initializer))}
    following: dict[str, list[str]] = {}  # each called like the state that it is the next value of
    for output, taken, parts in pairs.values():
        for state, part in zip(taken.tensors, parts, strict=True):
            name = f"{state}_out"
            while name in taken_names:
                name += "_"
            taken_names.add(name)
            nodes.append(helper.make_node("Identity", [part], [name], name=name))
            following.setdefault(output, []).append(name)
    names = [name for p in graph.output for name in following.get(p.name, [p.name])]
    known = {port.name: port for port in graph.output}
    outputs = [known.get(name, ValueInfoProto(name=name)) for name in dict.fromkeys(names)]
    for field, held in ((graph.node, nodes), (graph.input, inputs), (graph.output, outputs)):
        kept = [type(one).FromString(one.SerializeToString()) for one in held]
        del field[:]
        field.extend(kept)
    return Apart(
        model=parted,
        returned={name: output for name, (output, _, _) in pairs.items()},
        parts={name: taken.tensors for name, (_, taken, _) in pairs.items()},
    )
