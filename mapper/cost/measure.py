"""Events of a run, from what an engine traced in it."""

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import prod

from mapper.cost.actions import Activity
from mapper.cost.events import NOT_ON_CROSSBARS, wiring_of
from mapper.cost.flow import follow
from mapper.cost.layer_counts import Levels, levels_of
from mapper.cost.trace import INTEGERS, Table, Wiring, activity_of_tables, trace_problems
from mapper.cost.updates import Reached, reached
from mapper.diagnostics import Diagnostic, MappingError
from mapper.ir.core import Array, Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.neurons import IntegerNeuron
from mapper.ir.units import LayerOp

Trace = Mapping[str, Array]


def measure(graph: Graph, trace: Trace, levels: Levels | None = None) -> Activity:
    """Count the events of a run from its trace, as an engine returns it.

    Args:
        graph: The hardware graph that ran.
        trace: Counts by name.
        levels: Those of the graph's ``Counts``, where they are known.

    Raises:
        MappingError: ``activity-array`` where the trace cannot be one of this graph.
    """
    wirings, most = wirings_of(graph, levels), most_spikes(graph)
    tables = {name: _table(array) for name, array in trace.items()}
    _refuse_any(trace_problems(wirings, most, tables))
    return activity_of_tables(wirings, most, tables)


def most_spikes(graph: Graph) -> dict[str, int]:
    """Return how many spikes each input and each layer of neurons has at most in a time step."""
    neurons = [op.spike for op in graph.ops if isinstance(op, IntegerNeuron)]
    values = [*graph.inputs, *(spike for spike in neurons if spike is not None)]
    return {value.name: prod(value.shape) for value in values}


def wirings_of(graph: Graph, levels: Levels | None = None) -> tuple[Wiring, ...]:
    """Return what turns a trace into events, a layer each; a graph without any counts as one."""
    flow = follow(graph)
    known = levels_of(flow.starts, graph) if levels is None else levels
    rows = zip(flow.starts, known, reached(flow, graph), strict=True)
    return tuple(_wiring(op, levels, found) for op, levels, found in rows) or (NOT_ON_CROSSBARS,)


def _wiring(op: LayerOp, levels: Array | None, found: Reached | None) -> Wiring:
    if levels is None or not isinstance(op, CrossbarMvm):
        return NOT_ON_CROSSBARS
    return replace(
        wiring_of(op, levels),
        positions=prod(op.positions),
        neurons=0 if found is None else found.neurons,
        spike=found.spike if found is not None and found.repeats else "",
    )


def _table(counts: Array) -> Table:
    """Return an array of a trace as a generated ``cost.py`` would read it."""
    code = INTEGERS.get(f"{counts.dtype.kind}{counts.dtype.itemsize}")
    values = (
        None
        if code is None
        else array(code, counts.astype(counts.dtype.newbyteorder("=")).tobytes())
    )
    return Table(counts.shape, str(counts.dtype), values)


def _refuse_any(messages: Iterable[str]) -> None:
    help = "record it with run --trace from the same build folder"
    problems = [
        Diagnostic(code="activity-array", message=message, help=help) for message in messages
    ]
    if problems:
        raise MappingError(problems)
