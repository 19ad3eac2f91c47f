"""The definition as an engine computes large layers some rows at a time, to the same bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.executor.definition import DefinitionEngine
from mapper.ir import strips as layer_strips
from mapper.ir.core import Graph
from mapper.ir.evaluate import evaluate
from mapper.ir.identity import digest
from mapper.ir.windows import Window, sliding
from mapper.pipeline import make_passes, run_passes
from targets import load_target
from tests.campaigns import examples
from tests.networks import NetworkBuilder, spikes
from tests.strategies import codes, hardware_graphs


def assert_same(graph: Graph, seed: int, strip: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = {v.name: codes(rng, v, 3, 2) for v in graph.inputs}
    watch = [v.name for op in graph.ops if not op.inside_layer for v in op.results]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layer_strips, "STRIP", strip)
        found = DefinitionEngine().prepare(graph, watch=watch).run(inputs)
    expected = evaluate(graph, inputs, watch=watch)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert np.array_equal(found[name], array), name
        assert found[name].dtype == array.dtype


@settings(max_examples=examples(60), deadline=None)
@given(graph=hardware_graphs(), seed=st.integers(0, 99), strip=st.sampled_from([1, 40, 300]))
def test_strips_give_the_bits_of_the_definition(graph, seed, strip):
    assert_same(graph, seed, strip)


@pytest.mark.parametrize("target", ["adcless-64", "hpadc-sar5-64"])
def test_recordings_calibrate_the_same_in_strips(target, monkeypatch):
    """Layers with a window, without one, and behind each other."""
    net = NetworkBuilder(5)
    s = net.neuron(net.conv(net.entry(2, 7, 7), 4))
    graph = net.graph(net.neuron(net.dense(net.flatten(net.neuron(net.conv(s, 3))), 4)))
    samples = {name: array.astype(np.uint8) for name, array in spikes(graph, 3, 5).items()}
    steps = make_passes(samples=samples)
    whole, _ = run_passes(graph, load_target(target), steps)
    monkeypatch.setattr(layer_strips, "STRIP", 1)
    parts, _ = run_passes(graph, load_target(target), steps)
    random, _ = run_passes(graph, load_target(target), make_passes())
    assert digest(parts) == digest(whole) != digest(random)


@pytest.mark.parametrize("padding", [(0, 0, 0, 0), (1, 1, 1, 1), (2, 0, 3, 1), (-1, 0, -2, 0)])
@pytest.mark.parametrize(("stride", "dilation", "stuffing"), [(1, 1, 1), (2, 1, 1), (1, 2, 2)])
def test_windows_of_strips_are_those_of_the_whole(padding, stride, dilation, stuffing):
    """Side by side, what their windows see is what the whole one does."""
    window = Window(
        kernel=(3, 2),
        stride=(stride, 1),
        padding=padding,
        dilation=(dilation, 1),
        stuffing=(stuffing, 1),
    )
    x = np.arange(1, 1 + 9 * 5).reshape(1, 1, 9, 5)
    rows, _ = window.output_size(9, 5)
    whole = sliding(x, window)
    for each in (1, 2, rows):
        strips = layer_strips.strips(window, 9, rows, each)
        assert sum(count for _, count in strips) == rows
        parts = [sliding(x, part) for part, _ in strips]
        assert [part.shape[2] for part in parts] == [count for _, count in strips]
        assert np.array_equal(np.concatenate(parts, axis=2), whole)
