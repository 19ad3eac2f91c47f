"""The order of steps is that of networkx, which a run does not wait for."""

import networkx as nx
import numpy as np
import pytest

from mapper.executor.native.order import in_order


@pytest.mark.parametrize("seed", range(40))
def test_loops_and_order_are_those_of_networkx(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 12))
    edges = rng.random((count, count)) < rng.choice([0.05, 0.15, 0.4])
    into = [np.flatnonzero(edges[:, node]).tolist() for node in range(count)]
    flow = nx.DiGraph()
    flow.add_nodes_from(range(count))
    flow.add_edges_from((a, b) for b in range(count) for a in into[b])
    groups = nx.condensation(flow)
    members = groups.nodes(data="members")
    order = nx.lexicographical_topological_sort(groups, key=lambda g: min(members[g]))
    assert list(in_order(into)) == [sorted(members[g]) for g in order]
