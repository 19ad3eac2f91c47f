"""Which edges wait for the next time step, and the order of nodes within a step.

A cycle of edges is recurrence, and takes one step. The spikes (or the membrane) of a neuron wait,
never what weights make of them: the bias of recurrent weights counts in the first step too, as in
snnTorch. In a cycle through several neurons, the edge that leads back waits: towards a neuron
that is as near to the inputs, or nearer, counted in neurons along the shortest way.
"""

from collections.abc import Callable, Iterable

import networkx

from mapper.diagnostics import refuse
from mapper.frontend.nir.file import Node
from mapper.frontend.nir.flatten import Edge
from mapper.frontend.nir.rules import number

NEURONS = frozenset({"I", "LI", "IF", "LIF", "CubaLI", "CubaLIF"})


def delayed_edges(
    nodes: dict[str, Node], edges: Iterable[Edge], holds: Callable[[str], bool]
) -> frozenset[Edge]:
    """Return the edges that carry their source's value of the step before.

    Args:
        nodes: All nodes by name.
        edges: All edges.
        holds: Says which nodes give their output without regard to their input of this step
            (delays of at least one step): a cycle through one needs no other wait.

    Raises:
        MappingError: ``unsupported-cycle``: no neuron in it, or weights that serve both ways.
    """
    graph = networkx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(edges)
    ranks = _ranks(nodes, edges)
    delayed: set[Edge] = set()
    for part in networkx.strongly_connected_components(graph):
        delayed.update((a, b) for a, b in graph.subgraph(part).edges if holds(a))
    graph.remove_edges_from(delayed)
    for part in networkx.strongly_connected_components(graph):
        inner = graph.subgraph(part)
        if len(part) > 1 or inner.number_of_edges():
            delayed |= _delayed_in(inner, nodes, ranks)
    return frozenset(delayed)


def _delayed_in(part: networkx.DiGraph, nodes: dict[str, Node], ranks: dict[str, int]) -> set[Edge]:
    neurons = {name for name in part if nodes[name].kind in NEURONS}
    delayed: set[Edge] = set()
    for source in sorted(neurons):
        for target in sorted(part.successors(source)):
            ahead = {ranks[n] > ranks[source] for n in _next_neurons(part, target, neurons)}
            if ahead == {True, False}:
                raise _cycle(
                    f"what {target[:60]!r} makes of {source[:60]!r} goes on and comes back; "
                    "give each way weights of its own",
                    nodes[target],
                )
            if ahead == {False}:
                delayed.add((source, target))
    left = networkx.DiGraph(part)
    left.remove_edges_from(delayed)
    if not networkx.is_directed_acyclic_graph(left):
        first = sorted(next(networkx.simple_cycles(left)))[0]
        raise _cycle("a cycle of edges has no neuron and no delay", nodes[first])
    return delayed


def _next_neurons(part: networkx.DiGraph, start: str, neurons: set[str]) -> set[str]:
    """Return the neurons that a node feeds, without passing through other neurons."""
    found, seen, waiting = set(), set(), [start]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in neurons:
            found.add(name)
        else:
            waiting.extend(part.successors(name))
    return found


def _ranks(nodes: dict[str, Node], edges: Iterable[Edge]) -> dict[str, int]:
    """Count the neurons on the shortest way from an input to each node, itself included."""
    weighted = networkx.DiGraph()
    weighted.add_nodes_from(nodes)
    weighted.add_edges_from((a, b, {"n": int(nodes[b].kind in NEURONS)}) for a, b in edges)
    starts = [name for name, node in nodes.items() if node.kind == "Input"]
    if not starts:
        return dict.fromkeys(nodes, 0)
    found = networkx.multi_source_dijkstra_path_length(weighted, set(starts), weight="n")
    return {name: int(found.get(name, len(nodes))) for name in nodes}


def ordered(nodes: dict[str, Node], edges: Iterable[Edge], delayed: frozenset[Edge]) -> list[str]:
    """Return all nodes, each after those it reads in the same step; the file's order else."""
    graph = networkx.DiGraph()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(e for e in edges if e not in delayed)
    place = {name: k for k, name in enumerate(sorted(nodes, key=lambda n: _key(n, nodes[n])))}
    return list(networkx.lexicographical_topological_sort(graph, key=place.__getitem__))


def _key(name: str, node: Node) -> tuple[float, list[tuple[int, int, str]]]:
    """Order by the position that our own files keep, then by name, numbers by value."""
    said = number(node.metadata, "position")
    position = float("inf") if said is None else said
    parts: list[tuple[int, int, str]] = []
    for text in "".join(c if c.isdecimal() else f" {c} " for c in name).split():
        parts.append((0, int(text), "") if text.isascii() and text.isdecimal() else (1, 0, text))
    return position, parts


def _cycle(message: str, node: Node) -> Exception:
    return refuse("unsupported-cycle", message, loc=node.loc)
