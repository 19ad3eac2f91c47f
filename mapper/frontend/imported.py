"""The way in: a model file becomes a checked graph, with what the file knew beyond it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

from onnx import ModelProto

from mapper.canonical import from_model, from_trained
from mapper.diagnostics import MappingError, refuse
from mapper.executor.lowered import Interface
from mapper.frontend.build import build_graph
from mapper.frontend.check import check_neurons
from mapper.frontend.echoes import (
    Echo,
    has_states,
    leftover_echoes,
    likely_echoes,
    placed_echoes,
)
from mapper.frontend.fold import MAX_ELEMENTS
from mapper.frontend.load import nodes_of, read_stored, without_functions
from mapper.frontend.logic import type_of
from mapper.frontend.states import Dynamics, find_dynamics, missing_state
from mapper.frontend.time import other_form
from mapper.frontend.trace import Trace, trace
from mapper.ir.core import Array, Graph
from mapper.ir.evaluate import defined_values
from mapper.ir.verify import check_graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input, output or state of the model, and how its arrays relate to the graph's."""

    name: str
    model_shape: tuple[int, ...]
    """As the file says, batch axis included (1 where the file leaves it open)."""
    graph_shape: tuple[int, ...]
    """Without the batch axis."""
    batch_axis: int | None
    """The axis of ``model_shape`` that is the batch; None if the model has none."""

    def to_graph(self, array: Array) -> Array:
        """Turn ``[T, *model shape]`` into ``[T, B, *graph shape]``."""
        steps = array.shape[0]
        batch = array.shape[1 + self.batch_axis] if self.batch_axis is not None else 1
        return array.reshape(steps, batch, *self.graph_shape)

    def to_model(self, array: Array) -> Array:
        """Turn ``[T, B, *graph shape]`` into ``[T, *model shape]``."""
        if self.batch_axis is not None:
            return array
        return array.reshape(array.shape[0], *self.model_shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A model as a graph of one time step."""

    graph: Graph
    time_form: str
    """How the file holds time: ``step``, one time step with its state as inputs and outputs."""
    producer: str
    opset: int
    ports: tuple[Port, ...]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    unreturned: Mapping[str, str] = field(default_factory=dict)
    """States that the file returns and the network does not: output by name of the state."""
    trained_for: str = ""
    """The target that the network was trained on, where it was: then it holds integers, and layers
    come with their crossbars and references."""

    @property
    def fed_back(self) -> dict[str, str]:
        """Which output of the file is the next value of which of its state inputs."""
        returned = {s.read.name: s.output for s in self.graph.states if s.output}
        return {**returned, **self.unreturned}

    def port(self, name: str) -> Port:
        """Return the port of an input, an output, a state input or a state output."""
        return next(port for port in self.ports if port.name == name)


def import_model(path: Path | str) -> Imported:
    """Read an ONNX model of one time step into a graph of float network ops.

    Raises:
        MappingError: The model cannot be read; ``docs/frontend.md`` lists the codes.
    """
    path = Path(path)
    stored = read_stored(path)
    canonical = from_model(stored)
    if canonical is not None:
        return _as_written(stored, path, *canonical)
    trained = from_trained(stored)
    if trained is not None:
        return _as_trained(stored, path, *trained)
    return _recognise(without_functions(stored, path), path)


def _as_trained(
    model: ModelProto, path: Path, graph: Graph, target: str, interface: Interface
) -> Imported:
    """Return a network that was trained on hardware: the integers, references and all."""
    notes = [f"trained for target {target!r}: integers, with their crossbars and references"]
    written = _as_written(model, path, graph, {"notes": notes}, interface)
    return replace(written, trained_for=target)


def _as_written(
    model: ModelProto, path: Path, graph: Graph, facts: Mapping[str, Any], interface: Interface
) -> Imported:
    """Return what a file in canonical form says it is; nothing has to be recognised."""
    for value in defined_values(graph):
        if prod(value.shape) > MAX_ELEMENTS:
            raise refuse(
                "model-too-large",
                f"{value.name!r} has {prod(value.shape)} elements, at most {MAX_ELEMENTS} are read",
                loc=path.name,
            )
    notes = facts.get("notes")
    return Imported(
        graph=graph,
        time_form="step",
        producer=model.producer_name,
        opset=next(o.version for o in model.opset_import if not o.domain),
        ports=tuple(_written_ports(graph, interface)),
        notes=tuple(map(str, notes)) if isinstance(notes, list) else (),
        unreturned={s.name: s.following for s in interface.states if not s.output},
    )


def _written_ports(graph: Graph, interface: Interface) -> Iterator[Port]:
    reads = [state.read for state in graph.states]
    named = (
        ([port.tensor for port in interface.inputs], graph.inputs),
        ([port.tensor for port in interface.states], reads),
        ([port.tensor for port in interface.outputs], graph.outputs),
        ([port.following for port in interface.states], reads),
    )
    for tensors, values in named:
        for name, value in zip(tensors, values, strict=True):
            shape = value.shape
            yield Port(name=name, model_shape=(1, *shape), graph_shape=shape, batch_axis=0)


def _recognise(model: ModelProto, path: Path) -> Imported:
    first = _trace(model, path)
    echoes = likely_echoes(first)
    if not echoes and not has_states(first):
        raise _without_state(first, model)
    _refuse_fixed_batch(first)
    walked, dynamics = _recognised(model, path, first, echoes)
    graph = build_graph(walked, dynamics)
    check_graph(graph, "the ONNX reader")
    check_neurons(walked, dynamics, graph)
    return Imported(
        graph=graph,
        time_form="step",
        producer=" ".join(part for part in (model.producer_name, model.producer_version) if part),
        opset=walked.opset,
        ports=tuple(_ports(walked)),
        warnings=tuple(walked.warnings),
        notes=tuple(_notes(dynamics, graph)),
    )


def _trace(model: ModelProto, path: Path) -> Trace:
    """Walk a model; where that fails because it holds many time steps, say so instead."""
    try:
        return trace(model, path)
    except MappingError as error:
        if error.diagnostics[0].code != "unsupported-op" or len(_data_inputs(model)) > 1:
            raise
        raise _other_form(model, path, set()) or error from error


def _data_inputs(model: ModelProto) -> list[str]:
    known = {tensor.name for tensor in model.graph.initializer}
    return [port.name for port in model.graph.input if port.name not in known]


def _other_form(model: ModelProto, path: Path, lengths: set[int]) -> MappingError | None:
    weights = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) > 1}
    return other_form(list(nodes_of(model)), weights, lengths, path.name)


def _recognised(
    model: ModelProto, path: Path, first: Trace, echoes: list[Echo]
) -> tuple[Trace, Dynamics]:
    """Find the states, trying once more with other spikes fed back where that explains more."""
    try:
        walked, dynamics = _with_echoes(model, path, first, echoes)
    except MappingError as error:
        guessed = placed_echoes(first, echoes)
        if not guessed:
            raise
        try:
            return _with_echoes(model, path, first, [*echoes, *guessed])
        except MappingError:
            raise error from None
    reads = {pair.read.name for pair in dynamics.pairs} | {echo.read for echo in echoes}
    more = leftover_echoes(walked, echoes, reads)
    return _with_echoes(model, path, first, [*echoes, *more]) if more else (walked, dynamics)


def _with_echoes(
    model: ModelProto, path: Path, first: Trace, echoes: list[Echo]
) -> tuple[Trace, Dynamics]:
    types = {echo.read: type_of(first.form(echo.output)) for echo in echoes}
    walked = trace(model, path, types) if echoes else first
    return walked, find_dynamics(walked, echoes)


def _without_state(walked: Trace, model: ModelProto) -> MappingError:
    """Return the refusal of what has no state: many steps in one file, or no neuron at all."""
    lengths = {shape[0] for shape in walked.shapes.values() if shape}
    if other := _other_form(model, walked.path, lengths):
        return other
    if walked.comparisons.all:
        return missing_state(walked.comparisons.all[0])
    return refuse("no-neurons", "no spiking neuron was found", loc=walked.path.name)


def _refuse_fixed_batch(walked: Trace) -> None:
    sizes = {shape[0] for shape in walked.shapes.values() if shape}
    if len(sizes) == 1 and max(sizes) > 1:
        raise refuse(
            "fixed-batch",
            f"the model was exported for {max(sizes)} samples at once",
            loc=walked.path.name,
            help="export it for one sample, or leave the batch axis open",
        )


def _notes(dynamics: Dynamics, graph: Graph) -> Iterator[str]:
    """Say what a reading takes for granted, where it does."""
    for state in graph.states:
        if not state.output:
            yield f"{state.read.name!r} starts as 0: no membrane may start above its threshold"
    for neuron in dynamics.neurons:
        name = neuron.membrane.read.name
        if neuron.starts_below:
            yield f"{name!r} must not start above its threshold; from zero it never does"
        for echo in neuron.echoes:
            yield f"{echo.name!r} must start as 1 where {name!r} starts above its threshold, else 0"


def _ports(walked: Trace) -> Iterator[Port]:
    for name, shape in walked.shapes.items():
        yield _port(name, shape, walked)
    for name in walked.outputs:
        yield _port(name, walked.form(name).shape, walked)


def _port(name: str, shape: tuple[int, ...], walked: Trace) -> Port:
    inner = walked.inner(shape)
    axis = 0 if len(inner) < len(shape) else None
    return Port(name=name, model_shape=shape, graph_shape=inner, batch_axis=axis)
