"""Run a graph on every engine and hold them to the same bits."""

from collections.abc import Mapping

import numpy as np

from mapper.executor.engine import ENGINES
from mapper.ir.core import Array, Graph

AVAILABLE = tuple(name for name, engine in ENGINES.items() if not engine.unavailable())


def assert_same_bits(found: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == np.int64
        assert np.array_equal(found[name], array), name


def assert_same_counts(found: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
    """Compare what two engines traced; the order of names is each engine's own."""
    assert found.keys() == expected.keys()
    assert_same_bits({name: found[name] for name in expected}, expected)


def run_everywhere(
    graph: Graph, inputs: Mapping[str, Array], initial: Mapping[str, Array] | None = None
) -> dict[str, Array]:
    """Return what all engines agree on."""
    expected = ENGINES["definition"].prepare(graph).run(inputs, initial)
    for name in AVAILABLE:
        assert_same_bits(ENGINES[name].prepare(graph).run(inputs, initial), expected)
    return expected


def answer(graph: Graph, *codes: object) -> list[int]:
    """Return the one output of one step of one sample, as a flat list."""
    inputs = {
        value.name: np.asarray(x).reshape(1, 1, *value.shape)
        for value, x in zip(graph.inputs, codes, strict=True)
    }
    (found,) = run_everywhere(graph, inputs).values()
    return found.ravel().tolist()
