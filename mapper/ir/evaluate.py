"""Run a graph over time: the slow, plain definition every executor agrees with."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from mapper.ir.core import Array, Graph, State, Value, dtype_of, param


def evaluate(
    graph: Graph,
    inputs: Mapping[str, Array],
    initial: Mapping[str, Array] | None = None,
    watch: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> dict[str, Array]:
    """Run ``T`` time steps over ``B`` samples.

    Args:
        graph: The network, at any stage of lowering.
        inputs: An array ``[T, B, *shape]`` per graph input.
        initial: Start values ``[B, *shape]`` by the name of the state's ``read`` value, where
            they differ from the graph's own.
        watch: Names of further values to return, such as the spikes of a hidden layer.
        progress: Called with the number of finished steps.

    Returns:
        ``[T, B, *shape]`` per graph output, per state that the source model returns (under
        ``State.output``) and per watched value.
    """
    record: dict[str, list[Array]] = {name: [] for name in recorded_names(graph, watch)}
    for t, step in enumerate(steps_of(graph, inputs, initial, watch)):
        for name, array in step.items():
            record[name].append(array)
        if progress is not None:
            progress(t + 1)
    return {name: np.stack(arrays) for name, arrays in record.items()}


def steps_of(
    graph: Graph,
    inputs: Mapping[str, Array],
    initial: Mapping[str, Array] | None = None,
    watch: Sequence[str] = (),
    run: Callable[[Mapping[str, Array], Mapping[str, Array]], Mapping[str, Array]] | None = None,
) -> Iterator[dict[str, Array]]:
    """Yield what ``evaluate`` records, ``[B, *shape]`` by name: one time step is in memory.

    ``run`` computes a step from inputs and states, as ``run_step`` does.
    """
    run = run or partial(run_step, graph)
    steps, batch = next(iter(inputs.values())).shape[:2]
    states = initial_states(graph, batch, initial or {})
    names = recorded_names(graph, watch)
    for t in range(steps):
        env = run({v.name: inputs[v.name][t] for v in graph.inputs}, states)
        states = {state.read.name: env[state.next] for state in graph.states}
        yield {name: env[source] for name, source in names.items()}


@np.errstate(all="ignore")  # trained numbers may overflow, as they do in every engine
def run_step(
    graph: Graph, inputs: Mapping[str, Array], states: Mapping[str, Array]
) -> dict[str, Array]:
    """Run one time step and return every value ``[B, *shape]`` by name."""
    env = {v.name: inputs[v.name].astype(dtype_of(v.type)) for v in graph.inputs}
    env.update(states)
    for op in graph.ops:
        results = op.evaluate(graph.constants, *(env[v.name] for v in op.operands))
        env.update(zip((v.name for v in op.results), results, strict=True))
    return env


def initial_states(graph: Graph, batch: int, given: Mapping[str, Array]) -> dict[str, Array]:
    """Return what every state holds before the first step, ``[batch, *shape]``."""
    return {s.read.name: _initial(graph, s, batch, given.get(s.read.name)) for s in graph.states}


def _initial(graph: Graph, state: State, batch: int, given: Array | None) -> Array:
    start = param(graph.constants, state.initial, state.read.type) if given is None else given
    full = np.broadcast_to(start, (batch, *state.read.shape))
    return full.astype(dtype_of(state.read.type))


def recorded_names(graph: Graph, watch: Sequence[str]) -> dict[str, str]:
    """Map each name that ``evaluate`` returns to the value it records."""
    names = {v.name: v.name for v in graph.outputs}
    names.update({s.output: s.next for s in graph.states if s.output})
    names.update({name: name for name in watch})
    return names


def defined_values(graph: Graph) -> Iterator[Value]:
    """Yield every value of a graph: inputs, states, results in execution order."""
    yield from graph.inputs
    yield from (state.read for state in graph.states)
    for op in graph.ops:
        yield from op.results
