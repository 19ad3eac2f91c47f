"""Which membranes an event reaches: what a chip that updates on event has to touch.

A neuron is touched in a time step in which a wordline of its output position is driven, or after a
step in which it fired, as its membrane may still be above the threshold. It is left alone
otherwise. That is exact where nothing would have changed: no leak, no bias, no delayed reset or
spike, and an input of zero from crossbars that no spike drives.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from mapper.cost.flow import Flow
from mapper.diagnostics import refuse
from mapper.ir.core import INT64, Graph, Op, param
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.evaluate import evaluate
from mapper.ir.neurons import IntegerNeuron, fires


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """The neurons of a layer whose input comes from its own crossbars alone."""

    neurons: int
    spike: str
    """Name of their spikes; empty where they never fire."""
    repeats: bool
    """A neuron that fired may fire again without an event."""
    exact: bool
    """A trace tells how many: of one row block, or of one output position, and none repeats; groups
    that share crossbars are read together."""


def reached(flow: Flow, graph: Graph) -> tuple[Reached | None, ...]:
    """Return the neurons that the events of each layer reach; None where others feed them, too.

    Those are updated in every step, as are neurons of which several stand behind one output.
    """
    members: list[list[Op]] = [[] for _ in flow.starts]
    for op, home in zip(graph.ops, flow.homes, strict=True):
        if flow.starts:
            members[home].append(op)
    return tuple(_reached(start, ops) for start, ops in zip(flow.starts, members, strict=True))


def _reached(start: Op, members: Sequence[Op]) -> Reached | None:
    if not isinstance(start, CrossbarMvm) or start.planes != 1:
        return None
    neurons = [op for op in members if isinstance(op, IntegerNeuron)]
    if len(neurons) != 1 or prod(neurons[0].membrane.shape) != start.outputs * prod(
        start.positions
    ):
        return None
    made = {value.name for op in members for value in op.results}
    known = {start.x.name, neurons[0].membrane.name, *made}
    if neurons[0].current is not None:
        known.add(neurons[0].current.name)
    if any(value.name not in known for op in members for value in op.operands):
        return None
    spike = neurons[0].spike
    repeats = neurons[0].reset.kind != "value" and spike is not None
    one = len(start.rows) == 1 or (prod(start.positions) == 1 and start.groups == 1)
    one = one and start.packed == 1
    return Reached(
        neurons=prod(neurons[0].membrane.shape),
        spike="" if spike is None else spike.name,
        repeats=repeats,
        exact=one and not repeats,
    )


def check_update_on_event(graph: Graph, target: str) -> None:
    """Refuse a network whose membranes change where no event arrives.

    Raises:
        MappingError: ``update-on-event`` with the neurons and what changes them.
    """
    for op in graph.ops:
        if isinstance(op, IntegerNeuron):
            for reason in (*_changes(op, graph), *_silent_input(op, graph)):
                raise refuse(
                    "update-on-event",
                    f"target '{target}' updates a membrane on event alone, but {reason}",
                    loc=op.loc or op.membrane.name,
                    help="leave update_on_event out of the target, or train neurons without it",
                )


def _changes(op: IntegerNeuron, graph: Graph) -> Iterator[str]:
    """Yield why a membrane without input changes."""
    if op.decay.kind != "none":
        yield f"a leak of kind '{op.decay.kind}' changes it in every step"
    if op.current is not None:
        yield "a synaptic current changes it after its events"
    if np.any(param(graph.constants, op.bias, INT64)):
        yield "a bias changes it in every step"
    if op.reset.phase != "same" or op.spike_phase != "same":
        yield "its reset or its spike comes a step late"
    if op.spike is not None and fires(op, graph.constants, np.zeros(op.x.shape, np.int64)).any():
        least = int(np.min(param(graph.constants, op.threshold, INT64)))
        yield f"its threshold is {least}, so it fires without input"


def _silent_input(op: IntegerNeuron, graph: Graph) -> Iterator[str]:
    """Yield why its input is not zero where no wordline is driven."""
    silent = {value.name: np.zeros((1, 1, *value.shape), np.int64) for value in graph.inputs}
    found = evaluate(graph, silent, watch=[op.x.name])[op.x.name]
    if found.any():
        yield (
            f"crossbars that no spike drives give {int(np.count_nonzero(found))} of "
            f"{found.size} neurons an input, up to {int(np.abs(found).max())}"
        )
