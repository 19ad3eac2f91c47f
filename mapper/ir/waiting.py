"""States that hold what waits for later steps, and what widths their integers have."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from mapper.ir.core import INT64, Array, Const, Graph, IntType, Op, State, Type, param
from mapper.ir.network import MaxPool2d
from mapper.ir.neurons import IntegerNeuron, Neuron


def waiting_states(graph: Graph) -> Iterator[State]:
    """Yield the states that are no neuron's own."""
    neurons: list[Neuron | IntegerNeuron] = [op for op in graph.ops if isinstance(op, Neuron)]
    neurons += [op for op in graph.ops if isinstance(op, IntegerNeuron)]
    own = {v.name for op in neurons for v in (op.membrane, op.current) if v is not None}
    return (state for state in graph.states if state.read.name not in own)


def is_wire(op: Op) -> bool:
    """Say whether an op hands elements on as they are."""
    return op.passes_on and not isinstance(op, MaxPool2d)


def waiting_sums(graph: Graph) -> tuple[State, ...]:
    """Return those of integers wider than spikes."""
    return tuple(
        s
        for s in waiting_states(graph)
        if isinstance(s.read.type, IntType) and s.read.type.bits > 1
    )


def with_types(graph: Graph, types: Mapping[str, Type]) -> Graph:
    """Return a graph with other types of states, by the names that they are read under."""
    states = tuple(
        replace(s, read=replace(s.read, type=types.get(s.read.name, s.read.type)))
        for s in graph.states
    )
    return replace(graph, states=states)


def start_type(state: State, graph: Graph) -> Type:
    """Return the narrowest type of what a state holds before the first step."""
    start = _start(state, graph)
    return IntType.spanning(min(0, int(start.min())), max(0, int(start.max())))


def starting_within(graph: Graph) -> Graph:
    """Cut what waits at the start to what the states hold."""
    constants, states = dict(graph.constants), []
    for state in graph.states:
        type = state.read.type
        if isinstance(type, IntType) and state in waiting_sums(graph):
            cut = _start(state, graph).clip(type.min, type.max)
            if isinstance(state.initial, Const):
                constants[state.initial.name] = cut
            else:
                state = replace(state, initial=int(cut[0]))
        states.append(state)
    return replace(graph, constants=constants, states=tuple(states))


def _start(state: State, graph: Graph) -> Array:
    return np.atleast_1d(param(graph.constants, state.initial, INT64))
