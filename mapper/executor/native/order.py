"""In which order steps run, and which of them are loops."""

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush


def in_order(into: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Yield nodes ``0 .. n - 1``, each after those with an edge into it; a loop as one list.

    ``into`` has the nodes with an edge into each. Of several that may come next the one with the
    least number does. Numbers in a list ascend.

    >>> list(in_order([[], [2, 0], [1], [0]]))
    [[0], [1, 2], [3]]
    """
    groups = _loops(into)
    group_of = {node: k for k, group in enumerate(groups) for node in group}
    before = [{group_of[n] for node in group for n in into[node]} - {k}
              for k, group in enumerate(groups)]  # fmt: skip
    after: list[list[int]] = [[] for _ in groups]
    for k, others in enumerate(before):
        for other in others:
            after[other].append(k)
    missing = [len(others) for others in before]
    ready = [(groups[k][0], k) for k, count in enumerate(missing) if not count]
    heapify(ready)
    while ready:
        _, k = heappop(ready)
        yield groups[k]
        for other in after[k]:
            missing[other] -= 1
            if not missing[other]:
                heappush(ready, (groups[other][0], other))


def _loops(into: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the strongly connected components: Tarjan, SIAM J. Comput. 1972, without recursion."""
    index: dict[int, int] = {}
    lowest: dict[int, int] = {}
    stack: list[int] = []
    open_nodes: set[int] = set()
    found: list[list[int]] = []
    for root in range(len(into)):
        if root in index:
            continue
        work = [(root, iter(into[root]))]
        index[root] = lowest[root] = len(index)
        stack.append(root)
        open_nodes.add(root)
        while work:
            node, rest = work[-1]
            for other in rest:
                if other not in index:
                    index[other] = lowest[other] = len(index)
                    stack.append(other)
                    open_nodes.add(other)
                    work.append((other, iter(into[other])))
                    break
                if other in open_nodes:
                    lowest[node] = min(lowest[node], index[other])
            else:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[node])
                if lowest[node] == index[node]:
                    at = stack.index(node)
                    found.append(sorted(stack[at:]))
                    open_nodes.difference_update(stack[at:])
                    del stack[at:]
    return found
