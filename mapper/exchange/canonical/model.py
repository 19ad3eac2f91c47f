"""A network graph as an ONNX model in canonical form, and back to the same graph."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from mapper.diagnostics import refuse
from mapper.exchange.canonical.bare import without_numbers
from mapper.exchange.canonical.file import (
    DEQUANTISED,
    Reading,
    Writing,
    described,
    to_tensor,
)
from mapper.exchange.canonical.functions import DOMAIN, OPSET, VERSION
from mapper.exchange.canonical.layers import BESIDE, FORMS, read_op
from mapper.executor.onnx.lowered import INTERFACE, Interface, UniqueNames, interface_of, published
from mapper.executor.onnx.nodes import tensor_type
from mapper.ir.core import (
    FLOAT,
    Array,
    Const,
    Graph,
    IntType,
    Op,
    Scalar,
    State,
    Type,
    Value,
)
from mapper.ir.leaks import LeakRounding
from mapper.ir.neurons import Neuron, Reset
from mapper.ir.synapses import Synapse
from mapper.ir.verify import graph_problems

CANONICAL = "spikeloom.canonical"
"""Metadata: names that had to change, and what the network's reader said of it."""

IR_VERSION = 10  # the one that came with operator set 21
MAX_BYTES = (1 << 31) - 1
_TOLD = (
    "A trained spiking network, one time step: inputs and states in, outputs and next states out."
    f" Which output is fed back to which input, and start values: metadata '{INTERFACE}'."
    f" Functions of the domain '{DOMAIN}' have bodies of standard operators."
)


# --- writing -------------------------------------------------------------------------------


def to_model(graph: Graph, facts: Mapping[str, Any] | None = None) -> ModelProto:
    """Return a model of one time step that ONNX Runtime runs and ``from_model`` reads back.

    Every tensor is single precision, ``[B, *shape]``; spikes are 0 and 1. The same graph gives
    the same bytes.

    Args:
        graph: Network ops only, as ``import_model`` gives it.
        facts: What goes with the graph, as JSON data; written to the metadata.

    Raises:
        MappingError: ``not-exportable``, ``unusable-name``, ``model-too-large``.
    """
    return _written(graph, facts or {}, to_tensor)


def _written(
    graph: Graph, facts: Mapping[str, Any], store: Callable[[Array, str], TensorProto]
) -> ModelProto:
    graph = plain(graph)
    _refuse_others(graph)
    interface = _with_initials(interface_of(graph), graph)
    to = _named(graph, interface)
    for op in graph.ops:
        form = FORMS.entry(type(op))
        assert form is not None  # others were refused
        form.write(to, op)
    to.nodes.remark = ""
    for source, tensor in published(graph, interface):
        if to.tensors[source] != tensor:
            to.nodes.op("Identity", to.tensors[source], result=tensor, name=tensor)
    stored = [store(array, to.constants[name]) for name, array in graph.constants.items()]
    return _model(to, interface, facts, stored)


def plain(graph: Graph) -> Graph:
    """Return the same network, as the file can say it.

    Numbers are single precision, as they are wherever they are used, and parameters that have no
    effect, such as the amount of a reset that is none, have their defaults.
    """
    return replace(
        graph,
        ops=tuple(_plain_op(op) for op in graph.ops),
        states=tuple(replace(s, initial=_single(s.initial)) for s in graph.states),
    )


def _plain_op(op: Op) -> Op:
    if isinstance(op, Neuron):
        op = _plain_neuron(op)
    numbers: dict[str, Any] = {
        name: _single(held)
        for name in op.__dataclass_fields__
        if isinstance(held := getattr(op, name), float)
    }
    return replace(op, **numbers)


def _plain_neuron(op: Neuron) -> Neuron:
    fires, defaults = op.spike is not None, Neuron.__dataclass_fields__
    idle = [] if fires else ["threshold", "strict"]
    currents = ["current_leak", "current_input", "current_gain", "current_rounding"]
    idle += [] if op.current is not None else currents
    amount = 0 if op.reset.kind == "none" else _single(op.reset.amount)
    reset = replace(op.reset, amount=amount) if fires else Reset()
    unset: dict[str, Any] = {name: defaults[name].default for name in idle}
    plain = {name: _plain_leak(getattr(op, name)) for name in ("leak_rounding", "current_rounding")}
    return replace(op, reset=reset, **(plain | unset))


def _plain_leak(how: LeakRounding) -> LeakRounding:
    return replace(how, unit=float(np.float32(how.unit)))


def _single(scalar: Scalar) -> Scalar:
    return scalar if isinstance(scalar, Const | int) else float(np.float32(scalar))


def _refuse_others(graph: Graph) -> None:
    for op in graph.ops:
        if FORMS.entry(type(op)) is None:
            raise refuse(
                "not-exportable", f"{op.mnemonic} has no place in the canonical form", loc=op.loc
            )
        weights = {op.weight.name} if isinstance(op, Synapse) else set()
        for const in op.constants:
            dtype = graph.constants[const.name].dtype
            if dtype != np.float32 and not (const.name in weights and dtype in DEQUANTISED):
                raise refuse("not-exportable", f"{const} holds {dtype} numbers", loc=op.loc)
    if graph.codings:
        raise refuse("not-exportable", f"its ports are coded: {sorted(graph.codings)}")
    size = sum(array.nbytes for array in graph.constants.values())
    if size > MAX_BYTES:
        raise refuse("model-too-large", f"{size} bytes of weights, at most {MAX_BYTES} fit")


def _with_initials(interface: Interface, graph: Graph) -> Interface:
    """Say what each state starts as: a number, or the name of a constant."""
    starts = [s.initial.name if isinstance(s.initial, Const) else s.initial for s in graph.states]
    states = zip(interface.states, starts, strict=True)
    return replace(interface, states=tuple(replace(port, initial=start) for port, start in states))


def _named(graph: Graph, interface: Interface) -> Writing:
    """Name the tensor of every value and constant after it, changed where the name is taken."""
    names = UniqueNames(interface.tensors)
    tensors = {port.name: port.tensor for port in interface.inputs}
    tensors |= {port.name: port.tensor for port in interface.states}
    results = [value.name for op in graph.ops for value in op.results]
    returned = set(published(graph, interface))
    for name in results:
        tensors[name] = name if (name, name) in returned else names.take(name)
    constants = {name: names.take(name) for name in graph.constants}
    return Writing(graph=graph, names=names, tensors=tensors, constants=constants)


def _model(
    to: Writing, interface: Interface, facts: Mapping[str, Any], stored: list[TensorProto]
) -> ModelProto:
    graph = to.graph
    states = zip(graph.states, interface.states, strict=True)
    nexts = [(port.following, state.read) for state, port in states]
    inputs = [
        _typed(port.tensor, v) for port, v in zip(interface.inputs, graph.inputs, strict=True)
    ]
    inputs += [
        _typed(port.tensor, s.read) for port, s in zip(interface.states, graph.states, strict=True)
    ]
    outputs = [
        _typed(port.tensor, v) for port, v in zip(interface.outputs, graph.outputs, strict=True)
    ]
    outputs += [_typed(name, value) for name, value in nexts]
    told = {port.name for port in outputs}
    inner = [v for op in graph.ops for v in op.results if to.of(v) not in told]
    main = helper.make_graph(
        to.nodes.nodes,
        graph.name,
        inputs,
        outputs,
        stored,
        value_info=[_typed(to.of(value), value) for value in inner],
    )
    model = helper.make_model(
        main,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, VERSION)],
        functions=[to.functions[name] for name in sorted(to.functions)],
        ir_version=IR_VERSION,
        producer_name="spikeloom",
        doc_string=_TOLD,
    )
    helper.set_model_props(model, _metadata(to, interface, facts))
    return model


def _typed(tensor: str, value: Value) -> ValueInfoProto:
    """Declare a tensor; its denotation says what the numbers are: ``f32``, ``u1`` (spikes)."""
    port = tensor_type(tensor, ("B", *value.shape), TensorProto.FLOAT)
    port.type.denotation = str(value.type)
    return port


def _metadata(to: Writing, interface: Interface, facts: Mapping[str, Any]) -> dict[str, str]:
    renamed = {
        kind: {tensor: name for name, tensor in held.items() if tensor != name}
        for kind, held in (("values", to.tensors), ("constants", to.constants))
    }
    held = {"format": VERSION, "renamed": renamed, "facts": dict(facts)}
    return {
        INTERFACE: json.dumps(asdict(interface)),
        CANONICAL: json.dumps(held, sort_keys=True),
    }


# --- reading -------------------------------------------------------------------------------


def from_model(model: ModelProto) -> tuple[Graph, dict[str, Any], Interface] | None:
    """Return graph, facts and interface of a file in canonical form; None for any other.

    A file may claim what it does not hold. It is believed only if writing what was read gives the
    same file again, function bodies included; so nothing in it can mean anything else.
    """
    if DOMAIN not in {opset.domain for opset in model.opset_import}:
        return None
    try:
        graph, facts = _read(model)
        if next(graph_problems(graph), None) is not None:
            return None
        again = _written(graph, facts, described)
        interface = Interface.of(again)
        bare = without_numbers(model)  # numbers written again are those that were read
        same = bare.SerializeToString(deterministic=True) == again.SerializeToString(
            deterministic=True
        )
    except Exception:  # whatever a file that is not ours makes of the walk
        return None
    return (graph, facts, interface) if same else None


def canonical_tensors(model: ModelProto) -> dict[str, str]:
    """Return which tensor of a file in canonical form carries which value of its network."""
    held = json.loads(next(p.value for p in model.metadata_props if p.key == CANONICAL))
    names = dict(held["renamed"]["values"])
    main = model.graph
    ports = (*main.value_info, *main.output, *main.input)
    return {names.get(port.name, port.name): port.name for port in ports}


def _read(model: ModelProto) -> tuple[Graph, dict[str, Any]]:
    main = model.graph
    held = json.loads(next(p.value for p in model.metadata_props if p.key == CANONICAL))
    renamed = held["renamed"]
    interface = Interface.of(model)
    names = dict(renamed["values"])
    values = {
        port.name: _value(port, names.get(port.name, port.name))
        for port in (*main.value_info, *main.output, *main.input)
    }
    constants = {renamed["constants"].get(t.name, t.name): _array(t) for t in main.initializer}
    tensors = {t.name: renamed["constants"].get(t.name, t.name) for t in main.initializer}
    made_by = {name: node for node in main.node for name in node.output}
    at = Reading(values=values, made_by=made_by, constants=tensors)
    graph = Graph(
        name=main.name,
        inputs=tuple(values[port.tensor] for port in interface.inputs),
        outputs=tuple(_behind(at, port.tensor) for port in interface.outputs),
        states=tuple(
            State(
                read=values[port.tensor],
                next=_behind(at, port.following).name,
                initial=Const(port.initial) if isinstance(port.initial, str) else port.initial,
                output=port.output,
            )
            for port in interface.states
        ),
        ops=tuple(read_op(at, node) for node in main.node if node.op_type not in BESIDE),
        constants=constants,
    )
    return graph, dict(held["facts"])


def _behind(at: Reading, tensor: str) -> Value:
    """Return the value that an output returns, perhaps under another name."""
    return at.values[at.source(tensor, "Identity") or tensor]


def _value(port: ValueInfoProto, name: str) -> Value:
    dims = port.type.tensor_type.shape.dim
    return Value(name, _type(port.type.denotation), tuple(int(d.dim_value) for d in dims[1:]))


def _type(text: str) -> Type:
    return FLOAT if text == str(FLOAT) else IntType(int(text[1:]), signed=text[0] == "i")


def _array(tensor: onnx.TensorProto) -> Array:
    return np.asarray(numpy_helper.to_array(tensor))
