"""Run models of integers over time in ONNX Runtime: the lowered model as an engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from mapper.executor.base import (
    Arrays,
    Generated,
    Ports,
    Progress,
    Traced,
    check_watched,
    ports_of,
    programs_of,
    traced_by_values,
)
from mapper.executor.onnx.lowered import Interface, to_lowered_onnx
from mapper.executor.onnx.nodes import tensor_type
from mapper.ir.core import Array, Graph
from mapper.ir.evaluate import defined_values, recorded_names
from mapper.runtime import session_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A model in ONNX Runtime, with what it takes from one time step to the next."""

    session: Any
    interface: Interface
    returned: Mapping[str, str]
    """Tensors, by the name to return them under."""
    shapes: Mapping[str, tuple[int, ...]]
    """Of the model's inputs, without samples."""
    starts: Mapping[str, Array]
    """What states hold before the first step."""

    def run(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None = None,
        progress: Progress | None = None,
    ) -> Arrays:
        """Run ``T`` time steps over ``B`` samples; see ``run_lowered``."""
        steps, batch = next(iter(inputs.values())).shape[:2]
        given, interface = {**self.starts, **(initial or {})}, self.interface
        states = {
            state.tensor: np.broadcast_to(
                given[state.name], (batch, *self.shapes[state.tensor])
            ).astype(np.int64)
            for state in interface.states
        }
        record: dict[str, list[Array]] = {name: [] for name in self.returned}
        names = [value.name for value in self.session.get_outputs()]
        for t in range(steps):
            feed = {port.tensor: inputs[port.name][t].astype(np.int64) for port in interface.inputs}
            found = dict(zip(names, self.session.run(names, {**feed, **states}), strict=True))
            states = {state.tensor: found[state.following] for state in interface.states}
            for name, tensor in self.returned.items():
                record[name].append(found[tensor])
            if progress is not None:
                progress(t + 1)
        return {name: np.stack(arrays) for name, arrays in record.items()}


def run_lowered(
    model: onnx.ModelProto,
    inputs: Mapping[str, Array],
    initial: Mapping[str, Array] | None = None,
    progress: Progress | None = None,
    watch: Mapping[str, str] | None = None,
) -> dict[str, Array]:
    """Run a model of integers, such as ``to_lowered_onnx`` writes, over time in ONNX Runtime.

    Args:
        model: One time step.
        inputs: Input codes ``[T, B, *shape]`` by the network's names.
        initial: Start values ``[B, *shape]`` of states, where they differ from the graph's own.
        progress: Called with the number of finished steps.
        watch: More tensors to return, by the name to return them under.

    Returns:
        What ``mapper.ir.evaluate.evaluate`` returns: ``[T, B, *shape]`` by name.
    """
    return load_lowered(model, watch).run(inputs, initial, progress)


def load_lowered(model: onnx.ModelProto, watch: Mapping[str, str] | None = None) -> Session:
    """Make a model of integers ready for ONNX Runtime; see ``run_lowered``."""
    interface = Interface.of(model)
    model = _watched(model, watch or {})
    returned = {port.name: port.tensor for port in interface.outputs}
    returned |= {state.output: state.following for state in interface.states if state.output}
    return Session(
        session=session_of(model.SerializeToString()),
        interface=interface,
        returned=returned | dict(watch or {}),
        shapes={
            value.name: tuple(d.dim_value for d in value.type.tensor_type.shape.dim[1:])
            for value in model.graph.input
        },
        starts=_starts(model, interface),
    )


def _watched(model: onnx.ModelProto, watch: Mapping[str, str]) -> onnx.ModelProto:
    """Return a model that has more of its tensors as outputs."""
    known = {port.name for port in (*model.graph.output, *model.graph.input)}
    more = dict.fromkeys(tensor for tensor in watch.values() if tensor not in known)
    if not more:
        return model
    wide = onnx.ModelProto()
    wide.CopyFrom(model)
    wide.graph.output.extend(tensor_type(tensor, None) for tensor in more)
    return wide


def _starts(model: onnx.ModelProto, interface: Interface) -> dict[str, Array]:
    """Return what each state holds before the first step."""
    stored = {array.name: array for array in model.graph.initializer}
    return {
        state.name: numpy_helper.to_array(stored[state.initial])
        if isinstance(state.initial, str)
        else np.asarray(state.initial)
        for state in interface.states
    }


@dataclass(frozen=True, slots=True)
class Lowered:
    """A graph as a lowered model that is ready to run."""

    graph: Graph
    ports: Ports
    session: Session
    watch: tuple[str, ...] = ()
    variant: str = ""
    notes: tuple[str, ...] = ()

    def run(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None = None,
        progress: Progress | None = None,
    ) -> Arrays:
        """Run as every engine does."""
        found = self.session.run(*self.ports.checked(inputs, initial), progress)
        return {name: found[name] for name in recorded_names(self.graph, self.watch)}

    def trace(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None = None,
        progress: Progress | None = None,
    ) -> Traced:
        """Run a model that returns more, and count by definition in what it returns."""

        def run(watch: tuple[str, ...]) -> Arrays:
            return prepared(self.graph, watch).run(inputs, initial, progress)

        return traced_by_values(self.graph, self.watch, run)


def prepared(
    graph: Graph, watch: Sequence[str] = (), generated: Generated | None = None
) -> Lowered:
    """Lower a graph, where that was not done yet; the session has one thread."""
    check_watched(graph, watch)
    there = programs_of(graph, watch, generated)
    if there is not None:
        model = onnx.ModelProto.FromString(there.lowered)
    else:
        model = to_lowered_onnx(_returning(graph, watch))
    return Lowered(graph, ports_of(graph), load_lowered(model), tuple(watch))


def _returning(graph: Graph, watch: Sequence[str]) -> Graph:
    """Return the graph with watched values among its outputs."""
    known = {value.name for value in graph.outputs}
    values = {value.name: value for value in defined_values(graph)}
    more = (values[name] for name in dict.fromkeys(watch) if name not in known)
    return replace(graph, outputs=(*graph.outputs, *more))
