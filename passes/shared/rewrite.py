"""Small questions and edits that several passes share."""

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mapper.ir.core import Array, Const, Graph, Scalar

if TYPE_CHECKING:
    import networkx as nx


def use_counts(graph: Graph) -> Counter[str]:
    """Count how often each value is used: by ops, as an output, as a state's next value."""
    reads = [value.name for op in graph.ops for value in op.operands]
    reads += [value.name for value in graph.outputs]
    reads += [state.next for state in graph.states]
    return Counter(reads)


def number(graph: Graph, scalar: Scalar) -> Array:
    """Return a parameter in double precision: one number, or an array that broadcasts."""
    raw = graph.constants[scalar.name] if isinstance(scalar, Const) else scalar
    return np.asarray(raw, dtype=np.float64)


def simplest(array: Array) -> Array:
    """Shrink axes along which an array repeats itself to length 1; a constant becomes 0-d."""
    if array.ndim == 0:
        return array
    for axis in range(array.ndim):
        first = array.take([0], axis=axis)
        if array.shape[axis] > 1 and (array == first).all():
            array = first
    return array.reshape(()) if array.size == 1 else array


def pruned(graph: Graph) -> Graph:
    """Return the graph without constants that nothing refers to."""
    used = {const.name for op in graph.ops for const in op.constants}
    used |= {s.initial.name for s in graph.states if isinstance(s.initial, Const)}
    for coding in graph.codings.values():
        used |= {c.name for c in (coding.scale, coding.offset) if isinstance(c, Const)}
    return replace(graph, constants={k: a for k, a in graph.constants.items() if k in used})


def dataflow(graph: Graph) -> "nx.DiGraph[int]":
    """Return the ops as a graph of their indices, with an edge from each writer to each reader.

    The edge of a state, from the op that writes it to those that read it in the next step, has
    the attribute ``delayed=True``.
    """
    import networkx as nx  # some passes alone need it, and it takes long to import

    flow: nx.DiGraph[int] = nx.DiGraph()
    flow.add_nodes_from(range(len(graph.ops)))
    written = {v.name: i for i, op in enumerate(graph.ops) for v in op.results}
    carried = {state.read.name: state.next for state in graph.states}
    for i, op in enumerate(graph.ops):
        for value in op.operands:
            source = carried.get(value.name, value.name)
            if source in written and written[source] != i:
                flow.add_edge(written[source], i, delayed=value.name in carried)
    return flow
