"""In which order steps run, and which of them are loops."""

from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush


def in_order(into: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield nodes ``0 .. n - 1``, each after those with an edge into it; a loop as one list.

    ``into`` has the nodes with an edge into each. Of several that may come next the one with the
    least number does. Numbers in a list ascend.

    >>> list(in_order([[], [2, 0], [1], [0]]))
    [[0], [1, 2], [3]]
    """
    groups = _loops(into)
    group_of = {node: k for k, group in enumerate(groups) for node in group}
    sorter = TopologicalSorter(
        {k: {group_of[n] for node in group for n in into[node]} - {k}
         for k, group in enumerate(groups)}
    )  # fmt: skip
    sorter.prepare()
    ready: list[tuple[int, int]] = []
    while sorter.is_active():
        for k in sorter.get_ready():
            heappush(ready, (groups[k][0], k))
        _, k = heappop(ready)
        yield groups[k]
        sorter.done(k)


def _loops(into: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the nodes of each loop together, and every other node by itself."""
    try:
        TopologicalSorter(dict(enumerate(into))).prepare()
    except CycleError:
        import networkx as nx  # takes long to import, and few networks have loops

        flow: nx.DiGraph[int] = nx.DiGraph()
        flow.add_nodes_from(range(len(into)))
        flow.add_edges_from((n, node) for node, before in enumerate(into) for n in before)
        return [sorted(group) for group in nx.strongly_connected_components(flow)]
    return [[node] for node in range(len(into))]
