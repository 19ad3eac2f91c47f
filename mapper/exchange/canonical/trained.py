"""A network that was trained for its hardware, as an ONNX model, and back to the same graph.

The integers are the network: weights, references, scales, thresholds. Each layer, neuron and join
is a call of a function whose body is standard operators; so ONNX Runtime runs what the crossbars
compute. ``docs/canonical-onnx.md`` is the reference.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from math import prod
from typing import Any

import numpy as np
from onnx import FunctionProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from mapper.exchange.canonical.crossbars import crossbar_body
from mapper.exchange.canonical.file import to_tensor
from mapper.exchange.canonical.functions import DOMAIN, VERSION
from mapper.executor.onnx.lowered import INTERFACE, Interface, UniqueNames, interface_of, published
from mapper.executor.onnx.nodes import OPSET, Nodes, tensor_type
from mapper.executor.onnx.ops import Lowering
from mapper.ir.bounds import narrowest
from mapper.ir.core import Array, Const, Constants, Graph, IntType, Scalar, Value
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.serialize import from_json, to_json
from mapper.ir.units import CrossbarLayer, Unit, held_values, units
from mapper.ir.verify import graph_problems

TRAINED = "spikeloom.trained"
"""Metadata: the network's structure and the target it was trained for."""

MAX_ELEMENTS = 1 << 28
"""Of one value of an imported file; the function bodies have tables of that size."""

_IR_VERSION = 8  # the one that came with operator set 18
_ABOUT = (
    "A spiking network trained for in-memory-computing hardware, one time step, in integers: inputs"
    f" and states in, outputs and next states out. Start values: metadata '{INTERFACE}'. Functions"
    f" of the domain '{DOMAIN}' have bodies of standard operators."
)
_ABOUT_EARLIER = _ABOUT.replace("trained for", "trained on")
"""What files said up to version 0.1.0; they are read like those that are written now."""


# --- writing -------------------------------------------------------------------------------


def to_trained(graph: Graph, target: str) -> ModelProto:
    """Return a model of one time step that computes what a hardware graph computes.

    Inputs, outputs and states are int64 ``[B, *shape]``. The same graph gives the same bytes.

    Args:
        graph: Integers only, as ``lower-neurons`` leaves it.
        target: Name of the target it was trained for.

    Raises:
        MappingError: ``not-hardware`` where an op is not of integers; ``unusable-name``.
    """
    graph = replace(graph, constants=dict(sorted(graph.constants.items())))
    interface = interface_of(graph)
    names = UniqueNames(interface.tensors)
    tensors = {port.name: port.tensor for port in interface.inputs}
    tensors |= {port.name: port.tensor for port in interface.states}
    constants = {name: names.take(name) for name in graph.constants}
    interface = _with_initials(interface, graph, constants)
    main, functions = Nodes(reserved=interface.tensors), []
    values: list[Value] = []
    for number, unit in enumerate(units(graph)):
        tensors |= {value.name: names.take(value.name) for value in unit.results}
        values += unit.results
        call = _Call.of(unit, graph.constants, f"{_kind(unit)}_{number}")
        functions.append(call.function())
        given = [tensors[v.name] for v in call.values] + [constants[c] for c in call.constants]
        results = [tensors[value.name] for value in unit.results]
        main.remark = unit.loc
        main.ops(call.name, given, results, name=results[0], domain=DOMAIN)
    main.remark = ""
    for source, tensor in published(graph, interface):
        main.op("Identity", tensors[source], result=tensor)
    stored = [to_tensor(_narrow(graph, n, a), constants[n]) for n, a in graph.constants.items()]
    infos = [tensor_type(tensors[v.name], ("B", *v.shape)) for v in values]
    model = helper.make_model(
        helper.make_graph(main.nodes, graph.name, *_ports(graph, interface), stored, None, infos),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, VERSION)],
        functions=functions,
        ir_version=_IR_VERSION,
        producer_name="spikeloom",
        doc_string=_ABOUT,
    )
    told: dict[str, Any] = {
        "format": VERSION,
        "target": target,
        "constants": constants,
        "values": tensors,
    }
    told["graph"] = to_json(graph)
    helper.set_model_props(
        model,
        {INTERFACE: json.dumps(asdict(interface)), TRAINED: json.dumps(told, sort_keys=True)},
    )
    return model


def _kind(unit: Unit) -> str:
    return "Crossbars" if isinstance(unit, CrossbarLayer) else type(unit).__name__


def _with_initials(interface: Interface, graph: Graph, constants: Mapping[str, str]) -> Interface:
    """Say what each state starts as: a number, or the tensor that is stored with the model."""
    starts = [
        constants[s.initial.name] if isinstance(s.initial, Const) else s.initial
        for s in graph.states
    ]
    pairs = zip(interface.states, starts, strict=True)
    return replace(interface, states=tuple(replace(port, initial=start) for port, start in pairs))


def _narrow(graph: Graph, name: str, array: Array) -> Array:
    """Return weights in the narrowest type that holds them; other numbers as they are."""
    weights = {op.weight.name for op in graph.ops if isinstance(op, CrossbarMvm)}
    if name not in weights:
        return array.astype(np.int64) if array.dtype.kind in "iu" else array
    return array.astype(narrowest(int(np.abs(array.astype(np.int64)).max(initial=0))))


def _ports(graph: Graph, interface: Interface) -> tuple[list[Any], list[Any]]:
    states = list(zip(graph.states, interface.states, strict=True))
    inputs = zip(graph.inputs, interface.inputs, strict=True)
    outputs = zip(graph.outputs, interface.outputs, strict=True)
    given = [tensor_type(port.tensor, ("B", *v.shape)) for v, port in inputs]
    given += [tensor_type(port.tensor, ("B", *s.read.shape)) for s, port in states]
    returned = [tensor_type(port.tensor, ("B", *v.shape)) for v, port in outputs]
    returned += [tensor_type(port.following, ("B", *s.read.shape)) for s, port in states]
    return given, returned


# --- one function --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Body(Lowering):
    """A body under construction: constants of the network are inputs of the function."""

    given: dict[str, str] = field(default_factory=dict)

    def parameter(self, scalar: Scalar, type: IntType) -> str:
        if isinstance(scalar, Const):
            return self.given[scalar.name]
        return Lowering.parameter(self, scalar, type)


@dataclass(frozen=True, slots=True)
class _Call:
    """What a unit is called with: values first, then constants, by the fields that hold them."""

    unit: Unit
    numbers: Constants
    name: str
    values: dict[Value, str]
    constants: dict[str, str]

    @classmethod
    def of(cls, unit: Unit, numbers: Constants, name: str) -> "_Call":
        parts = (unit.mvm, unit.read, unit.add) if isinstance(unit, CrossbarLayer) else (unit,)
        named = [item for part in parts for item in _held(part, "")]
        operands = set(unit.operands)
        values: dict[Value, str] = {}
        constants: dict[str, str] = {}
        for place, held in named:
            if isinstance(held, Const):
                constants.setdefault(held.name, place)
            elif held in operands:
                values.setdefault(held, place)
        return cls(unit, numbers, name, values, constants)

    def function(self) -> FunctionProto:
        unit = self.unit
        results = [f"y{i}" if i else "y" for i in range(len(unit.results))]
        inputs = [*self.values.values(), *self.constants.values()]
        n = Nodes(reserved=frozenset([*inputs, *results]))
        if isinstance(unit, CrossbarLayer):
            tensors = {"x": self.values[unit.mvm.x], **self.constants}
            found = [crossbar_body(n, unit, tensors, self.numbers)]
        else:
            values = {value.name: tensor for value, tensor in self.values.items()}
            body = _Body(n, self.numbers, values, self.constants)
            body.lower(unit)
            found = [body.of(value) for value in unit.results]
        for tensor, result in zip(found, results, strict=True):
            n.op("Identity", tensor, result=result)
        stored = [_constant(*constant) for constant in n.stored.values()]
        return helper.make_function(
            DOMAIN,
            self.name,
            inputs,
            results,
            [*stored, *n.nodes],
            [helper.make_opsetid("", OPSET)],
        )


def _constant(name: str, array: Array) -> NodeProto:
    return helper.make_node("Constant", [], [name], value=to_tensor(array, name))


def _held(item: Any, place: str) -> Iterator[tuple[str, Value | Const]]:
    """Yield the values and constants of an op under the names of the fields that hold them."""
    if isinstance(item, Value | Const):
        yield place, item
    elif isinstance(item, tuple):
        for i, part in enumerate(item):
            yield from _held(part, f"{place}{i}")
    elif is_dataclass(item) and not isinstance(item, type):
        for spec in fields(item):
            inner = f"{place}_{spec.name}" if place else spec.name
            yield from _held(getattr(item, spec.name), inner)


def tensors_of(model: ModelProto) -> dict[str, str]:
    """Return which tensor of a trained file carries which value of the network, by name."""
    values: dict[str, str] = _told(model)["values"]
    return values


# --- reading -------------------------------------------------------------------------------


def from_trained(model: ModelProto) -> tuple[Graph, str, Interface] | None:
    """Return graph, target and interface of a file that ``to_trained`` wrote; None for others.

    A file may claim what is not true. It is accepted only if writing the imported graph gives the
    same file again, function bodies included.
    """
    if DOMAIN not in {opset.domain for opset in model.opset_import}:
        return None
    try:
        graph, target = _read(model)
        again = to_trained(graph, target)
        interface = Interface.of(again)
        if model.doc_string == _ABOUT_EARLIER:
            again.doc_string = _ABOUT_EARLIER
    except Exception:  # whatever a file that is not ours makes of the walk
        return None
    same = again.SerializeToString(deterministic=True) == model.SerializeToString(
        deterministic=True
    )
    return (graph, target, interface) if same else None


def claims_training(model: ModelProto) -> bool:
    """Return whether a file says that ``to_trained`` wrote it, whether that is true or not."""
    return any(entry.key == TRAINED for entry in model.metadata_props)


def _told(model: ModelProto) -> dict[str, Any]:
    held: dict[str, Any] = json.loads(
        next(p.value for p in model.metadata_props if p.key == TRAINED)
    )
    return held


def _read(model: ModelProto) -> tuple[Graph, str]:
    told = _told(model)
    tensors = {t.name: t for t in model.graph.initializer}
    constants = {name: _array(tensors[tensor]) for name, tensor in told["constants"].items()}
    graph = from_json(told["graph"], constants, "model")
    if next(graph_problems(graph), None) is not None:
        raise ValueError("no graph that this version runs")
    if max(prod(v.shape) for v in held_values(graph)) > MAX_ELEMENTS:
        raise ValueError("no graph that this version runs")
    return graph, str(told["target"])


def _array(tensor: TensorProto) -> Array:
    array = np.asarray(numpy_helper.to_array(tensor))
    return array.astype(np.int64) if array.dtype.kind in "iu" else array
