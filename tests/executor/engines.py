"""Run a graph with every engine and hold them to the same bits."""

import numpy as np

from mapper.executor.numpy.generate import generate_executor
from mapper.executor.numpy.run import load_executor
from mapper.executor.onnx.lowered import run_lowered, to_lowered_onnx
from mapper.ir.core import Array, Graph
from mapper.ir.evaluate import evaluate


def assert_same_bits(found: dict[str, Array], expected: dict[str, Array]) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == np.int64
        assert np.array_equal(found[name], array), name


def run_everywhere(
    graph: Graph, inputs: dict[str, Array], initial: dict[str, Array] | None = None
) -> dict[str, Array]:
    """Return what the definition, the executor and the lowered model agree on."""
    expected = evaluate(graph, inputs, initial)
    executor = load_executor(generate_executor(graph), graph.constants)
    assert_same_bits(executor.run(inputs, initial), expected)
    assert_same_bits(run_lowered(to_lowered_onnx(graph), inputs, initial), expected)
    return expected


def answer(graph: Graph, *codes: object) -> list[int]:
    """Return the one output of one step of one sample, as a flat list."""
    inputs = {
        value.name: np.asarray(x).reshape(1, 1, *value.shape)
        for value, x in zip(graph.inputs, codes, strict=True)
    }
    (found,) = run_everywhere(graph, inputs).values()
    return found.ravel().tolist()
