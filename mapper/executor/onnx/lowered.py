"""The same integers as an ONNX model of one time step: standard operators, exact."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

import onnx
from onnx import helper, numpy_helper

from mapper.diagnostics import refuse
from mapper.executor.names import check_names, remark
from mapper.executor.onnx.nodes import OPSET, Nodes, tensor_type
from mapper.executor.onnx.ops import Lowering
from mapper.executor.onnx.wire import with_initializers
from mapper.ir.core import Const, Graph, IntType, param
from mapper.ir.units import CrossbarLayer, units

INTERFACE = "spikeloom.interface"
_IR_VERSION = 8  # the one that came with operator set 18


@dataclass(frozen=True, slots=True)
class Port:
    """A value of the network and the tensor of the model that carries it."""

    name: str
    tensor: str


@dataclass(frozen=True, slots=True)
class StatePort:
    """A state: given to the model as ``tensor``, returned as ``following``.

    ``initial`` is what it holds before the first step, a number or the name of an array that is
    stored with the model.
    """

    name: str
    tensor: str
    following: str
    output: str
    """Name under which the source model returns it; empty if it does not."""
    initial: float | str = 0


@dataclass(frozen=True, slots=True)
class Interface:
    """How the network's names relate to those of the model; kept in its metadata."""

    inputs: tuple[Port, ...]
    states: tuple[StatePort, ...]
    outputs: tuple[Port, ...]

    @property
    def tensors(self) -> frozenset[str]:
        """Names that the model's inputs and outputs have."""
        ports: list[Port | StatePort] = [*self.inputs, *self.outputs, *self.states]
        return frozenset([*(p.tensor for p in ports), *(s.following for s in self.states)])

    @classmethod
    def of(cls, model: onnx.ModelProto) -> "Interface":
        """Read the interface that ``to_lowered_onnx`` wrote."""
        data = json.loads(next(p.value for p in model.metadata_props if p.key == INTERFACE))
        return cls(
            inputs=tuple(Port(**port) for port in data["inputs"]),
            states=tuple(StatePort(**state) for state in data["states"]),
            outputs=tuple(Port(**port) for port in data["outputs"]),
        )


def to_lowered_onnx(graph: Graph) -> onnx.ModelProto:
    """Return a model of one time step that computes what the hardware graph computes.

    Every input, output and state is int64 ``[B, *shape]``. Inputs and states keep their names;
    so do outputs, except where an input has the same name. A state's next value is an output
    under the name that the source model gives it, or one made from the state's. The metadata
    entry ``spikeloom.interface`` has all names and each state's start value. Row blocks are
    worked through one by one, but a layer's unfolded input is held as a whole, unlike in the
    generated executor.

    Raises:
        MappingError: ``not-hardware`` or ``unusable-name``, as ``generate_executor``.
    """
    model, nodes = _lowered(graph)
    tensors = (numpy_helper.from_array(array, name) for name, array in nodes.stored.values())
    model.graph.initializer.extend(tensors)
    return model


def lowered_bytes(graph: Graph) -> bytes:
    """Return the content of ``lowered.onnx``: the bytes of ``to_lowered_onnx``.

    Raises:
        MappingError: as ``to_lowered_onnx``.
    """
    model, nodes = _lowered(graph)
    return with_initializers(model, nodes.stored.values())


def _lowered(graph: Graph) -> tuple[onnx.ModelProto, Nodes]:
    """Return a model without its constants, and what it was written with, which stored them."""
    for value in (*graph.inputs, *(state.read for state in graph.states)):
        if not isinstance(value.type, IntType):
            raise refuse("not-hardware", f"{remark(value.name)} is {value.type}, not an integer")
    interface = interface_of(graph)
    nodes = Nodes(reserved=interface.tensors)
    given: list[Port | StatePort] = [*interface.inputs, *interface.states]
    lowering = Lowering(nodes, graph.constants, {port.name: port.tensor for port in given})
    for unit in units(graph):
        kind = "crossbars" if isinstance(unit, CrossbarLayer) else unit.mnemonic
        nodes.remark = f"{kind} {remark(unit.loc or unit.results[0].name)}"
        lowering.lower(unit)
    nodes.remark = ""
    for source, tensor in published(graph, interface):
        nodes.op("Identity", lowering.tensors[source], result=tensor)
    return _model(graph, nodes, _with_initials(graph, nodes, interface)), nodes


def interface_of(graph: Graph) -> Interface:
    """Name the tensors of a model that has the inputs, outputs and states of a graph.

    Raises:
        MappingError: ``unusable-name``.
    """
    values = (*graph.inputs, *(state.read for state in graph.states), *graph.outputs)
    check_names([*(v.name for v in values), *(s.output for s in graph.states)])
    names = UniqueNames()
    inputs = tuple(Port(v.name, names.take(v.name)) for v in graph.inputs)
    reads = [names.take(state.read.name) for state in graph.states]
    outputs = tuple(Port(v.name, names.take(v.name)) for v in graph.outputs)
    states = tuple(
        StatePort(s.read.name, read, names.take(s.output or f"{s.read.name}.next"), s.output)
        for s, read in zip(graph.states, reads, strict=True)
    )
    return Interface(inputs=inputs, states=states, outputs=outputs)


class UniqueNames:
    """Hands out names, changed as little as it takes to make them different."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def take(self, name: str) -> str:
        name = name or "unnamed"  # an empty name means "absent" in ONNX
        candidate, number = name, 1
        while candidate in self._taken:
            number += 1
            candidate = f"{name}.{number}"
        self._taken.add(candidate)
        return candidate


def published(graph: Graph, interface: Interface) -> Iterable[tuple[str, str]]:
    """Yield every value that the model returns and the tensor that returns it."""
    for port in interface.outputs:
        yield port.name, port.tensor
    for state, s in zip(graph.states, interface.states, strict=True):
        yield state.next, s.following


def _with_initials(graph: Graph, nodes: Nodes, interface: Interface) -> Interface:
    """Store start values that are arrays, and note where each one is."""
    states = []
    for state, port in zip(graph.states, interface.states, strict=True):
        start = param(graph.constants, state.initial, state.read.type)
        where = nodes.array(start) if isinstance(state.initial, Const) else int(start)
        states.append(replace(port, initial=where))
    return replace(interface, states=tuple(states))


def _model(graph: Graph, nodes: Nodes, interface: Interface) -> onnx.ModelProto:
    inputs = [
        tensor_type(port.tensor, ("B", *value.shape))
        for port, value in zip(interface.inputs, graph.inputs, strict=True)
    ]
    inputs += [
        tensor_type(port.tensor, ("B", *state.read.shape))
        for port, state in zip(interface.states, graph.states, strict=True)
    ]
    outputs = [
        tensor_type(port.tensor, ("B", *value.shape))
        for port, value in zip(interface.outputs, graph.outputs, strict=True)
    ]
    outputs += [
        tensor_type(port.following, ("B", *state.read.shape))
        for port, state in zip(interface.states, graph.states, strict=True)
    ]
    model = helper.make_model(
        nodes.graph("one time step", inputs, outputs),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="spikeloom",
        doc_string="Integers of a spiking network on crossbars, one time step: inputs and states"
        f" in, outputs and next states out. Start values: metadata '{INTERFACE}'.",
    )
    helper.set_model_props(model, {INTERFACE: json.dumps(asdict(interface))})
    return model
