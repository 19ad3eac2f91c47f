"""``epilogue.onnx``: write it, and read one that may come from anyone.

A file is read by building a model anew from the parts that an epilogue has, and by comparing bytes:
whatever else a file could hold, such as subgraphs, functions, data beside it or notes, is no part.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from mapper.epilogue.limits import MOST_BYTES
from mapper.epilogue.operators import FLOATS, OPERATORS, TYPES, Shape, node_problem
from mapper.ir.core import Array

MOST_NODES = 20_000
MOST_NAME = 1 << 12
"""Characters of a name, as of a model."""
MOST_RANK = 8
MOST_ELEMENTS = 1 << 24
"""Of one tensor."""
MOST_HELD = 1 << 27
"""Elements of all tensors of one run together."""
MOST_WORK = 1 << 33
"""Operations of one run."""
MOST_WORK_IN_ALL = 1 << 42
"""Operations of all time steps and samples of a recording: an hour."""
TIME = "T"
"""What the size of a time axis is called that is left open."""

_IR_VERSION = 10
_OPSETS = range(11, 27)


class EpilogueError(Exception):
    """What an epilogue may not have; the text is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A tensor of an epilogue."""

    shape: Shape
    kind: int
    """Its ONNX element type."""


def written(
    nodes: Sequence[NodeProto],
    reads: Sequence[tuple[str, tuple[int | str, ...]]],
    gives: Sequence[str],
    stored: Iterable[tuple[str, Array]],
    opset: int,
) -> bytes:
    """Return the bytes of an epilogue: the same parts give the same bytes.

    Args:
        nodes: In order of execution.
        reads: Name and shape of each input, single precision; an axis may be ``TIME``.
        gives: Names of its outputs.
        stored: Constants by name.
        opset: Version of the standard operators.

    Raises:
        EpilogueError: An epilogue may not have this.
    """
    if problem := next(filter(None, map(node_problem, nodes)), ""):
        raise EpilogueError(problem)
    graph = helper.make_graph(
        [_node(node) for node in nodes],
        "epilogue",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in reads],
        [ValueInfoProto(name=name) for name in gives],
        [_stored(name, array) for name, array in stored],
    )
    content = _bytes(graph, opset)
    sized(parsed(content), 1)  # of any length: what is wrong with it is wrong with one step
    return content


def parsed(content: bytes) -> ModelProto:
    """Return an epilogue that may come from anyone, checked but for its sizes.

    Raises:
        EpilogueError: It is none.
    """
    if len(content) > MOST_BYTES:
        raise EpilogueError(f"{len(content)} bytes, at most {MOST_BYTES} are read")
    model = ModelProto()
    try:
        model.ParseFromString(content)
        _check(model)
        again = _bytes(_graph(model.graph), model.opset_import[0].version)
    except (DecodeError, ValueError, TypeError, LookupError, UnicodeError) as error:
        raise EpilogueError(f"this is no epilogue: {error}") from error
    if again != content:
        raise EpilogueError("it holds more than an epilogue has")
    return model


def sized(model: ModelProto, steps: int) -> Mapping[str, Facts]:
    """Return every tensor of an epilogue for so many time steps, none of them computed yet.

    Raises:
        EpilogueError: A size is not known before it runs, or too great, or the work is too much.
    """
    closed = ModelProto()
    closed.CopyFrom(model)
    for port in closed.graph.input:
        for dim in port.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.dim_value = steps
    try:
        inferred = onnx.shape_inference.infer_shapes(closed, strict_mode=True, data_prop=True)
    except Exception as error:  # of classes of its own, or whatever hostile shapes make it meet
        reason = str(error).strip().splitlines() or ["?"]
        raise EpilogueError(f"its shapes do not fit together: {reason[0][:200]}") from error
    found = {t.name: Facts(shape=tuple(t.dims), kind=t.data_type) for t in model.graph.initializer}
    ports = (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output)
    found |= {port.name: facts for port in ports if (facts := _facts(port)) is not None}
    _check_sizes(model, found)
    return found


def work_of(model: ModelProto, found: Mapping[str, Facts]) -> int:
    """Return how many operations a run is, from what ``sized`` returns."""
    return sum(_work(node, found) for node in model.graph.node)


def is_same(one: ModelProto, other: ModelProto) -> bool:
    """Say whether two epilogues compute the same, whatever their tensors are called."""
    return _told(one) == _told(other)


def _told(model: ModelProto) -> list[object]:
    """Return what an epilogue computes, tensors by where they are made."""
    order: dict[str, object] = {port.name: k for k, port in enumerate(model.graph.input)}
    order |= {t.name: (t.data_type, *t.dims, t.raw_data) for t in model.graph.initializer}
    told: list[object] = []
    for place, node in enumerate(model.graph.node):
        settings = [a.SerializeToString(deterministic=True) for a in node.attribute]
        told.append((node.op_type, settings, [order.get(name) for name in node.input]))
        order.update((name, (place, k)) for k, name in enumerate(node.output))
    return [*told, *(order[port.name] for port in model.graph.output)]


def _work(node: NodeProto, found: Mapping[str, Facts]) -> int:
    gives = [found[name].shape for name in node.output if name]
    reads = [found[name].shape for name in node.input if name]
    return OPERATORS[node.op_type](node, reads, gives)


def _bytes(graph: GraphProto, opset: int) -> bytes:
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    return bytes(model.SerializeToString(deterministic=True))


def _graph(held: GraphProto) -> GraphProto:
    """Return a graph of nothing but what an epilogue has."""
    return helper.make_graph(
        [_node(node) for node in held.node],
        "epilogue",
        [
            helper.make_tensor_value_info(
                port.name,
                TensorProto.FLOAT,
                [dim.dim_param or dim.dim_value for dim in port.type.tensor_type.shape.dim],
            )
            for port in held.input
        ],
        [ValueInfoProto(name=port.name) for port in held.output],
        [_stored(t.name, numpy_helper.to_array(t)) for t in held.initializer],
    )


def _node(held: NodeProto) -> NodeProto:
    node = NodeProto(op_type=held.op_type, input=held.input, output=held.output)
    for attribute in sorted(held.attribute, key=lambda one: str(one.name)):
        kept = node.attribute.add()
        kept.CopyFrom(attribute)
        kept.ClearField("doc_string")
    return node


def _stored(name: str, array: Array) -> TensorProto:
    return numpy_helper.from_array(np.asarray(array, order="C"), name)


def _check(model: ModelProto) -> None:
    """Check what is there before anything of it is made."""
    graph = model.graph
    if len(model.opset_import) != 1 or model.opset_import[0].version not in _OPSETS:
        raise EpilogueError(f"it is not of one opset {_OPSETS.start}..{_OPSETS.stop - 1}")
    if not 0 < len(graph.node) <= MOST_NODES:
        raise EpilogueError(f"{len(graph.node)} nodes, it has 1..{MOST_NODES}")
    if problem := next(filter(None, map(node_problem, graph.node)), ""):
        raise EpilogueError(problem)
    for tensor in graph.initializer:
        _check_stored(tensor)
    known = {t.name for t in graph.initializer}
    for port in graph.input:
        dims = port.type.tensor_type.shape.dim
        if any(dim.dim_param not in ("", TIME) or dim.dim_value < 0 for dim in dims):
            raise EpilogueError(f"input {port.name!r} has an axis of no size")
        known.add(port.name)
    _check_names(graph, known)


def _check_stored(tensor: TensorProto) -> None:
    size = prod(tensor.dims)
    if min(tensor.dims, default=0) < 0 or size > MOST_ELEMENTS or len(tensor.dims) > MOST_RANK:
        raise EpilogueError(f"constant {tensor.name!r} has shape {list(tensor.dims)[:8]}")
    if tensor.data_type not in TYPES or tensor.data_location != TensorProto.DEFAULT:
        raise EpilogueError(f"constant {tensor.name!r} is of another type, or not in the file")
    wide = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
    if len(tensor.raw_data) != size * wide:
        raise EpilogueError(
            f"constant {tensor.name!r} has {len(tensor.raw_data)} bytes for {size} elements"
        )


def _check_names(graph: GraphProto, known: set[str]) -> None:
    """See that every tensor is made once, before it is read; names are text."""
    if len(known) != len(graph.input) + len(graph.initializer):
        raise EpilogueError("two of its tensors have one name")
    for node in graph.node:
        if missing := sorted(set(filter(None, node.input)) - known):
            raise EpilogueError(f"{node.op_type} reads {missing[0]!r}, which nothing gives")
        for name in filter(None, node.output):
            if name in known:
                raise EpilogueError(f"two of its tensors are called {name!r}")
            known.add(name)
    made = {name for node in graph.node for name in node.output}
    if unmade := [port.name for port in graph.output if port.name not in made]:
        raise EpilogueError(f"no node gives its output {unmade[0]!r}")
    if not all(isinstance(name, str) for name in known) or max(map(len, known)) > MOST_NAME:
        raise EpilogueError(f"a name is no text, or longer than {MOST_NAME} characters")


def _facts(port: ValueInfoProto) -> Facts | None:
    """Return what is known of a tensor; None where a size is not."""
    held = port.type.tensor_type
    if not held.HasField("shape") or any(not d.HasField("dim_value") for d in held.shape.dim):
        return None
    return Facts(shape=tuple(int(d.dim_value) for d in held.shape.dim), kind=held.elem_type)


def _check_sizes(model: ModelProto, found: Mapping[str, Facts]) -> None:
    held, work = 0, 0
    above = {t.name for t in model.graph.initializer if (numpy_helper.to_array(t) > 0).all()}
    for node in model.graph.node:
        for name in filter(None, (*node.input, *node.output)):
            _check_size(node, name, found.get(name))
        whole = node.op_type == "Div" and found[node.output[0]].kind not in FLOATS
        if whole and node.input[1] not in above:  # the least integer by -1 is none either
            raise EpilogueError("Div: integers are divided by others than constants above 0")
        held += sum(prod(found[name].shape) for name in node.output if name)
        work += _work(node, found)
    if held > MOST_HELD or work > MOST_WORK:
        raise EpilogueError(
            f"one run holds {held} elements in {work} operations, at most {MOST_HELD} and "
            f"{MOST_WORK} are computed"
        )


def _check_size(node: NodeProto, name: str, facts: Facts | None) -> None:
    if facts is None:
        raise EpilogueError(f"{node.op_type}: the size of {name!r} is not known")
    size, rank = prod(facts.shape), len(facts.shape)
    if size > MOST_ELEMENTS or rank > MOST_RANK or min(facts.shape, default=0) < 0:
        raise EpilogueError(
            f"{node.op_type}: {name!r} has {size} elements on {rank} axes, at most "
            f"{MOST_ELEMENTS} on {MOST_RANK} are computed"
        )
    if facts.kind not in TYPES:
        raise EpilogueError(f"{node.op_type}: {name!r} is of a type that no host computes")
