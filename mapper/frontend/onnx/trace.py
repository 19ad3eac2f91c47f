"""Walk through a model's nodes once and say of every tensor what it is.

The result of each node is a ``Constant`` or a ``Form``. What has neither meaning becomes an
``Opaque`` atom, which is refused when, and only if, the network needs it.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    helper,
    numpy_helper,
)

from mapper.diagnostics import MappingError, refuse
from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Form, Input, NotAffineError, Opaque, Shape
from mapper.frontend.onnx.comparisons import Comparisons, nested
from mapper.frontend.onnx.constants import (
    MAX_COMPUTED,
    MAX_ELEMENTS,
    SPREAD_ELEMENTS,
    Constant,
    Quantised,
)
from mapper.frontend.onnx.fold import CannotFoldError, Folder
from mapper.frontend.onnx.load import to_array
from mapper.frontend.onnx.node import Node, Tensor
from mapper.frontend.onnx.operators import Operator, operator_of
from mapper.frontend.onnx.picking import together
from mapper.frontend.onnx.ports import fixed_shape
from mapper.frontend.onnx.refusals import lost_state
from mapper.frontend.onnx.shapes import MAX_RANK
from mapper.frontend.onnx.steps import refuse_loops
from mapper.ir.core import FLOAT, Array, Type
from mapper.ir.frozen import FrozenMap

T = TypeVar("T")


@dataclass(eq=False, kw_only=True)
class Trace:
    """What is known of every tensor of a model."""

    path: Path
    folder: Folder
    batched: bool
    shapes: dict[str, Shape]
    """Of the inputs; a batch axis without fixed size is 1."""
    inputs: dict[str, Input] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    interior: dict[str, NodeProto] = field(default_factory=dict)
    """Elementwise, reshaping and rounding nodes, by result: run again to check a neuron."""
    makers: dict[str, NodeProto] = field(default_factory=dict)
    """The node of each computed tensor."""
    comparisons: Comparisons = field(default_factory=Comparisons)
    outputs: tuple[str, ...] = ()
    readers: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    fed_back: Mapping[str, str] = field(default_factory=dict)
    """Outputs that are known to be next states, and the inputs that are those states."""
    count: int = 0
    """Nodes that were visited."""

    def form(self, name: str) -> Form:
        tensor = self.tensors[name]
        return tensor if isinstance(tensor, Form) else forms.of_array(tensor.array)

    def inner(self, shape: Shape) -> Shape:
        """Return a shape as the graph says it: without the batch axis."""
        return shape[1:] if self.batched and shape[:1] == (1,) else shape


def trace(
    model: ModelProto,
    path: Path,
    types: Mapping[str, Type] | None = None,
    fed_back: Mapping[str, str] | None = None,
    before: Trace | None = None,
    arrays: Mapping[str, Array] = FrozenMap({}),
) -> Trace:
    """Return what every tensor of a model is.

    Args:
        model: As read by ``load.read_model``.
        path: Its file, for locations.
        types: Of inputs that are known to hold spikes.
        fed_back: Inputs that are known to be states, by the outputs that are their next values.
        before: An earlier walk of the same model, which has read the stored arrays.
        arrays: Stored arrays that are known by name, and are not read from the model.

    Raises:
        MappingError: ``dynamic-shape``, ``unsupported-time-form`` (a loop),
            ``training-batch-norm``, ``invalid-model``, ``unsupported-op``.
    """
    known = {tensor.name for tensor in model.graph.initializer}
    ports = [port for port in model.graph.input if port.name not in known]
    shapes = {port.name: fixed_shape(port, path) for port in ports}
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
    result = Trace(
        path=path,
        folder=Folder(opset) if before is None else before.folder,
        batched=bool(shapes) and all(shape[:1] == (1,) for shape in shapes.values()),
        shapes=shapes,
        fed_back=fed_back or {},
    )
    for tensor in model.graph.initializer:
        name = tensor.name
        if before is not None:
            result.tensors[name] = before.tensors[name]
            continue
        array = arrays[name] if name in arrays else to_array(tensor, path)
        result.tensors[name] = Constant(array=array, name=name)
    stored = sum(prod(tensor.shape) for tensor in result.tensors.values())
    result.folder.stored, result.folder.made = stored, 0
    result.folder.most_made = MAX_COMPUTED + 8 * stored
    for name, shape in shapes.items():
        result.inputs[name] = Input(
            name=name,
            shape=result.inner(shape),
            type=(types or {}).get(name, FLOAT),
            loc=f"{path.name}:{name}",
        )
        result.tensors[name] = forms.of_atom(result.inputs[name], shape)
    result.outputs = tuple(port.name for port in model.graph.output)
    live = _live_nodes(model.graph)
    result.readers.update(name for node in live for name in _reads(node))
    result.readers.update(result.outputs)
    for node in live:
        _visit(node, result)
    return result


def _live_nodes(graph: GraphProto) -> list[NodeProto]:
    """Return the nodes that the outputs need, in order."""
    needed = {port.name for port in graph.output}
    live = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            live.append(node)
            needed.update(_reads(node))
    return live[::-1]


def _reads(node: NodeProto) -> list[str]:
    """Return the tensors a node reads, those of its subgraphs included."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            names.extend(name for inner in graph.node for name in _reads(inner))
            names.extend(port.name for port in graph.output)
    return names


def _visit(proto: NodeProto, state: Trace) -> None:
    index, state.count = state.count, state.count + 1
    loc = f"{state.path.name}:{proto.name or f'#{index} ({proto.op_type})'}"
    refuse_loops(proto, loc)
    node = Node(
        proto=proto,
        inputs=tuple(state.tensors[name] if name else None for name in proto.input),
        loc=loc,
        opset=state.folder.opset,
        batched=state.batched,
        comparisons=state.comparisons,
        alone=frozenset(name for name in proto.input if state.readers[name] == 1),
    )
    state.makers.update(dict.fromkeys(proto.output, proto))
    operator = operator_of(proto)
    spelled_out = operator.spelled_out
    if operator.kind == "branch":
        _visit_branch(node, state)
    elif spelled_out is not None:
        for part in _guarded(node, lambda: spelled_out(node)):
            state.readers.update(part.input)
            _visit(part, state)
    else:
        results = _results(node, operator, state)
        state.tensors.update(zip(proto.output, results, strict=False))


def _visit_branch(node: Node, state: Trace) -> None:
    """Follow the branch that a known condition chooses."""
    condition = node.inputs[0]
    if not isinstance(condition, Constant):
        raise node.unsupported("which branch is taken depends on the data")
    name = "then_branch" if condition.array.reshape(-1)[:1].any() else "else_branch"
    graph = node.attribute(name)
    for tensor in graph.initializer:
        state.tensors[tensor.name] = Constant(array=to_array(tensor, state.path), name=tensor.name)
    for inner in graph.node:
        _visit(inner, state)
    for outer, port in _guarded(
        node, lambda: list(zip(node.proto.output, graph.output, strict=True))
    ):
        state.tensors[outer] = state.tensors[port.name]


def _results(node: Node, operator: Operator, state: Trace) -> Sequence[Tensor]:
    if operator.kind == "size" or _is_known(node, operator):
        return _folded(node, operator, state.folder)
    try:
        return _guarded(node, lambda: _computed(node, operator, state))
    except NotAffineError as error:
        return _opaque(node, operator, f"{node.op}: {error}", error.help)
    except MappingError as error:
        diagnostic = error.diagnostics[0]
        if diagnostic.code != "unsupported-op":
            raise
        return _opaque(node, operator, diagnostic.message, diagnostic.help)


def _guarded(node: Node, read: Callable[[], T]) -> T:
    """Refuse a node that breaks the rules of its operator, however reading it fails."""
    try:
        return read()
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise refuse(
            "invalid-model",
            f"{node.op}: its attributes and inputs do not fit together: {error}",
            loc=node.loc,
            help="export the model again",
        ) from error


def _computed(node: Node, operator: Operator, state: Trace) -> Sequence[Tensor]:
    if operator.refusal is not None:
        raise node.unsupported(*operator.refusal)
    if operator.rule is None:
        raise NotAffineError("the hardware has no such operation")
    if operator.in_layer is not None and (layer := operator.in_layer(node)) is not None:
        return [layer]
    given = node
    if operator.kind == "elementwise":
        node = together(node)
    results = operator.rule(node)
    if operator.is_checked and node is given:
        state.interior[node.name] = node.proto
    if isinstance(results, Form) and operator.kind == "elementwise":
        results = nested(results)
    return [results] if isinstance(results, Constant | Form) else results


def _is_known(node: Node, operator: Operator) -> bool:
    """Say whether a node can be computed now: its rule does so itself where it quantises."""
    if operator.kind in ("random", "quantiser"):
        return False
    return all(tensor is None or isinstance(tensor, Constant) for tensor in node.inputs)


def _folded(node: Node, operator: Operator, folder: Folder) -> list[Tensor]:
    arrays: list[Array | None] = [None if t is None else _array_of(t) for t in node.inputs]
    read = arrays[0] if operator.has_weights and arrays else None
    if read is not None and read.dtype.kind == "f" and not read.any():
        raise lost_state(f"{node.op}: what its weights read is", node.loc)
    try:
        results = folder.fold(node.proto, arrays, node.loc)
    except CannotFoldError as error:
        if operator.has_weights and operator.folds is None:
            raise node.unsupported(
                "it reads nothing but constants, such as a state that starts inside the network",
                help="export the state as an input and an output, or many time steps at once",
            ) from error
        raise node.unsupported(str(error)) from error
    source = node.input(0)
    if not isinstance(source, Constant):
        return [Constant(array=array) for array in results]
    name = source.name if operator.names_result else ""
    return [
        Constant(array=array, name=name, quantised=_moved_codes(node, operator, source, array))
        for array in results
    ]


def _array_of(tensor: Tensor) -> Array:
    """Return a constant, or something of the right shape where only the shape is asked for."""
    if isinstance(tensor, Constant):
        return tensor.array
    return np.broadcast_to(np.float32(0), tensor.shape)


def _moved_codes(
    node: Node, operator: Operator, source: Constant, result: Array
) -> Quantised | None:
    """Keep integer codes beside reals through nodes that only move them."""
    if source.quantised is None or operator.codes is None:
        return None
    return operator.codes(node, source.quantised, result.shape)


def _opaque(node: Node, operator: Operator, reason: str, help: str) -> list[Tensor]:
    """Return atoms for results that have no meaning for us, with their shapes."""
    results: list[Tensor] = []
    for name, shape in zip(node.proto.output, _inferred_shapes(node, reason, help), strict=True):
        atom = Opaque(
            name=name,
            shape=node.inner(shape),
            loc=node.loc,
            operands=tuple(t for t in node.inputs if isinstance(t, Form)),
            reason=reason,
            help=help,
            in_neuron=operator.in_neuron,
            instead=operator.instead,
            telling=operator.in_neuron != "" and operator.kind != "random",
        )
        results.append(forms.of_atom(atom, shape))
    return results


def _inferred_shapes(node: Node, reason: str, help: str) -> list[Shape]:
    ports, known = [], []
    for name, tensor in zip(node.proto.input, node.inputs, strict=True):
        if isinstance(tensor, Constant) and tensor.array.size > SPREAD_ELEMENTS:  # says no shape
            kind = helper.np_dtype_to_tensor_dtype(tensor.array.dtype)
            ports.append(helper.make_tensor_value_info(name, kind, tensor.shape))
        elif isinstance(tensor, Constant):
            known.append(numpy_helper.from_array(tensor.array, name))
        elif tensor is not None:
            ports.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, tensor.shape))
    outputs = [helper.make_empty_tensor_value_info(name) for name in node.proto.output]
    graph = helper.make_graph([node.proto], "node", ports, outputs, known)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", node.opset)])
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError) as error:
        raise refuse("unsupported-op", reason, loc=node.loc, help=help) from error
    found = []
    for port in inferred.graph.output:
        dims = port.type.tensor_type.shape.dim
        if not port.type.tensor_type.HasField("shape") or any(d.dim_value < 1 for d in dims):
            raise refuse("unsupported-op", reason, loc=node.loc, help=help)
        shape = tuple(int(d.dim_value) for d in dims)
        if prod(shape) > MAX_ELEMENTS or len(shape) > MAX_RANK:
            raise refuse("unsupported-op", reason, loc=node.loc, help=help)
        found.append(shape)
    return found
