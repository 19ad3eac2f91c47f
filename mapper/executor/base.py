"""What every engine is: something that takes a hardware graph and runs it over time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mapper.diagnostics import refuse
from mapper.executor.names import check_distinct, remark
from mapper.executor.ports import Port, Refusal, checked_inputs, initial_states
from mapper.ir.activity import count_activity, counted_shapes, watched_values
from mapper.ir.core import Array, Graph, IntType, Value, param
from mapper.ir.evaluate import recorded_names

Arrays = dict[str, Array]
Progress = Callable[[int], None]
"""Called with the number of finished time steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """What a run gave, and what was active in it."""

    outputs: Arrays
    counts: Arrays = field(default_factory=dict)
    """By the names of ``mapper.ir.activity.counted_shapes``; the same on every engine."""
    spikes: Arrays = field(default_factory=dict)
    """By value, ``uint8 [T, B, H, W, ceil(C / 8)]`` with channel 0 in the lowest bit, from engines
    that hold spikes so; empty from others."""


class Prepared(Protocol):
    """A graph that an engine has made ready: it runs on any inputs, as often as wanted."""

    @property
    def variant(self) -> str:
        """What instructions of the processor it uses; empty where there is nothing to choose."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What it does otherwise than its name says, and why; for people."""
        ...

    def run(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None = None,
        progress: Progress | None = None,
    ) -> Arrays:
        """Run ``T`` time steps over ``B`` samples.

        Args:
            inputs: Input codes ``[T, B, *shape]`` or, for one sample, ``[T, *shape]``, by name.
            initial: States ``[B, *shape]`` or ``[*shape]`` to start from, by the name of the
                state's ``read`` value, where they differ from the graph's own.
            progress: Called with the number of finished time steps.

        Returns:
            ``[T, B, *shape]`` by name: outputs, states that the source model returns, and what is
            watched, as ``mapper.ir.evaluate.evaluate`` returns them.

        Raises:
            MappingError: ``input-name``, ``input-shape``, ``input-type`` or ``input-range``.
        """
        ...

    def trace(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None = None,
        progress: Progress | None = None,
    ) -> Traced:
        """Run as ``run`` does, and count what is active."""
        ...


class Generated(Protocol):
    """Programs of a graph that are there already, or are generated when they are asked for."""

    @property
    def hardware(self) -> Graph: ...

    @property
    def executor(self) -> str:
        """The text of ``executor.py``."""
        ...

    @property
    def lowered(self) -> bytes:
        """The content of ``lowered.onnx``."""
        ...


class Engine(Protocol):
    """A way to compute a hardware graph; all of them give the same integers."""

    @property
    def name(self) -> str: ...

    def unavailable(self) -> str:
        """Say why it cannot run here; empty where it can."""
        ...

    def prepare(
        self,
        graph: Graph,
        *,
        watch: Sequence[str] = (),
        threads: int | None = None,
        generated: Generated | None = None,
    ) -> Prepared:
        """Make a graph that has passed ``check_graph`` ready to run.

        Args:
            graph: The network, in integers.
            watch: Names of further values to return, such as the spikes of a hidden layer.
            threads: How many share the work, where the engine has threads; if None, as many as
                there are processors.
            generated: Programs of this very graph, so that they are not generated again; those of
                another graph are not used.

        Raises:
            MappingError: ``backend-unavailable``, ``not-hardware`` for floats, ``unusable-name``,
                ``unknown-value`` for a watched name.
        """
        ...


def traced_by_values(
    graph: Graph, watch: Sequence[str], run: Callable[[tuple[str, ...]], Arrays]
) -> Traced:
    """Count what is active by the definition of every count, from the values that a run returns.

    Args:
        graph: What is run.
        watch: What is returned besides the graph's outputs.
        run: Runs once, and returns the values it is given the names of besides.
    """
    check_distinct(name for name, _ in counted_shapes(graph))
    found = run(tuple(dict.fromkeys((*watch, *watched_values(graph)))))
    outputs = {name: found[name] for name in recorded_names(graph, watch)}
    return Traced(outputs=outputs, counts=count_activity(graph, found))


def programs_of(
    graph: Graph, watch: Sequence[str], generated: Generated | None
) -> Generated | None:
    """Return ``generated`` where it is of this graph and returns what is asked for."""
    same = generated is not None and generated.hardware is graph and not watch
    return generated if same else None


# --- ports -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ports:
    """What a graph takes."""

    inputs: tuple[Port, ...]
    states: tuple[Port, ...]
    starts: Mapping[str, Array]
    """What the states hold before the first step."""

    def checked(
        self, inputs: Mapping[str, Array], initial: Mapping[str, Array] | None = None
    ) -> tuple[Arrays, Arrays]:
        """Return inputs as ``[T, B, *shape]`` and all states as ``[B, *shape]``.

        Raises:
            MappingError: ``input-name``, ``input-shape``, ``input-type`` or ``input-range``.
        """
        arrays = self.checked_inputs(inputs)
        batch = next(iter(arrays.values())).shape[1]
        return arrays, self.checked_states(initial or {}, batch)

    def checked_inputs(self, inputs: Mapping[str, Array]) -> Arrays:
        """Return the first half of ``checked``."""
        try:
            return checked_inputs(self.inputs, inputs)
        except Refusal as refusal:
            raise refuse(refusal.code, refusal.message) from refusal

    def checked_states(self, initial: Mapping[str, Array], batch: int) -> Arrays:
        """Return the second half of ``checked``."""
        try:
            return initial_states(self.states, self.starts, initial, batch)
        except Refusal as refusal:
            raise refuse(refusal.code, refusal.message) from refusal


def ports_of(graph: Graph) -> Ports:
    """Return what a graph takes.

    Raises:
        MappingError: ``not-hardware`` where that is not integers, or nothing.
    """
    if not graph.inputs:
        raise refuse("not-hardware", "the network has no inputs")
    return Ports(
        inputs=tuple(port_of(value) for value in graph.inputs),
        states=tuple(port_of(state.read) for state in graph.states),
        starts={s.read.name: param(graph.constants, s.initial, s.read.type) for s in graph.states},
    )


def port_of(value: Value) -> Port:
    """Return the integers that an input or a state takes.

    Raises:
        MappingError: ``not-hardware`` where it takes others.
    """
    if not isinstance(value.type, IntType):
        raise refuse("not-hardware", f"{remark(value.name)} is {value.type}, not an integer")
    return Port(value.name, value.shape, value.type.min, value.type.max)


def check_watched(graph: Graph, watch: Sequence[str]) -> None:
    """Refuse a name that is of no value.

    Raises:
        MappingError: ``unknown-value``.
    """
    known = {value.name for op in graph.ops for value in op.results}
    known |= {value.name for value in graph.inputs} | {state.read.name for state in graph.states}
    for name in watch:
        if name not in known:
            raise refuse("unknown-value", f"no value of the network is named {remark(name)}")
