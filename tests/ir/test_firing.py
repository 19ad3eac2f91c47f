"""Layers that never or always fire are found, and nothing else is called dead."""

from dataclasses import replace

import numpy as np
import pytest

from mapper.ir.builder import GraphBuilder
from mapper.ir.core import FLOAT
from mapper.ir.firing import (
    MAPPING,
    NETWORK,
    Firing,
    LayerFiring,
    firing_along,
    firing_of,
)
from mapper.verify.answers import classes, judged

STEPS, SAMPLES = 3, 2
INPUT = np.array([[[0, 2], [3, 1]]] * STEPS) / 3.0


def chain(*thresholds, membrane=False):
    """Layers of two neurons, each behind a 1-to-1 sum, with these thresholds."""
    net = GraphBuilder()
    x = net.input("x", (2,), FLOAT)
    for place, threshold in enumerate(thresholds):
        y = net.linear(x, np.eye(2, dtype=np.float32), name=f"fc{place}", loc=f"m:/fc{place}")
        x = net.neurons(y, threshold=threshold, leak=0.0, name=f"lif{place}")
    if membrane:
        x = net.linear(x, np.eye(2, dtype=np.float32), name="last")
    return net.graph(x)


def looked_at(graph, **arrays):
    return firing_along(graph, arrays or {"x": INPUT})


def test_a_network_that_answers_has_no_findings_and_its_rate_is_counted():
    found = looked_at(chain(0.5, 1.0))
    # Of each sample one neuron of two passes 0.5 in every step, and every spike goes on.
    assert [layer.spikes for layer in found.layers] == [6, 6]
    assert found.rate == 12 / (4 * STEPS * SAMPLES)
    assert [found.rate_of(layer) for layer in found.layers] == [0.5, 0.5]
    assert not found.findings
    assert not found.dead
    assert found.warnings(MAPPING) == ()


def test_layers_that_never_fire_are_one_finding_from_the_first_on():
    found = looked_at(chain(0.5, 9.0, 0.5, 0.5))
    assert found.dead
    assert found.reason == "silent from /fc1 on"
    assert found.warnings(MAPPING) == (
        "the mapping: silent from /fc1 on (3 of 4 layers never fire on the recordings), so its "
        "outputs do not depend on the inputs",
    )


def test_a_layer_that_always_fires_is_named():
    found = looked_at(chain(-1.0, 0.5))
    assert found.warnings(NETWORK) == (
        "the trained network: fires always from /fc0 on (2 of 2 layers fire in every neuron and "
        "step on the recordings), so its outputs do not depend on the inputs",
    )


def test_a_silent_branch_beside_a_live_one_is_named_but_the_network_is_not_dead():
    net = GraphBuilder()
    x = net.input("x", (2,), FLOAT)
    silent = net.neurons(x, threshold=9.0, leak=0.0, name="silent", loc="m:/silent")
    live = net.neurons(x, threshold=0.5, leak=0.0, name="live", loc="m:/live")
    found = looked_at(net.graph(net.merge("or", silent, live)))
    assert not found.dead
    assert found.reason == ""
    assert found.warnings(MAPPING) == (
        "the mapping: /silent silent (1 of 2 layers never fires on the recordings)",
    )


def test_a_membrane_that_is_read_out_is_not_a_layer_that_never_fires():
    net = GraphBuilder()
    x = net.input("x", (2,), FLOAT)
    net.neurons(x, threshold=99.0, leak=0.5, name="last")  # as snnTorch writes an output layer
    graph = net.graph(checked=False)
    graph = replace(graph, outputs=(graph.ops[0].membrane_next,))
    found = looked_at(graph)
    assert found.layers == ()
    assert found.rate is None
    assert not found.findings


def test_outputs_that_no_layer_explains_are_found_where_all_samples_are_alike():
    graph = chain(0.5, membrane=True)
    values = {"x": INPUT, "spikes": None}
    counts = {name: np.full((STEPS, SAMPLES), 1) for name in ("x", graph.ops[1].spike.name)}
    same = {graph.outputs[0].name: np.ones((STEPS, SAMPLES, 2))}
    found = firing_of(graph, counts, values, same)
    assert found.dead
    assert found.warnings(MAPPING) == ("the mapping: its outputs are alike for all 2 samples",)
    other = {graph.outputs[0].name: np.arange(STEPS * SAMPLES * 2).reshape(STEPS, SAMPLES, 2)}
    assert not firing_of(graph, counts, values, other).dead


def test_one_answer_for_samples_whose_labels_differ_is_named():
    graph = chain(0.5, membrane=True)
    counts = {name: np.full((STEPS, SAMPLES), 1) for name in ("x", graph.ops[1].spike.name)}
    outputs = {graph.outputs[0].name: np.arange(STEPS * SAMPLES * 2).reshape(STEPS, SAMPLES, 2)}
    found = firing_of(graph, counts, {"x": INPUT, "spikes": None}, outputs)
    assert classes(outputs[graph.outputs[0].name]).tolist() == [1, 1]
    given = np.ones(4, int)
    found = replace(found, samples=4)
    one = judged(found, given, np.array([0, 1, 2, 1]))
    assert one.warnings(MAPPING) == (
        "the mapping: it answers class 1 for all 4 samples, whose labels differ",
    )
    assert not one.dead
    assert one.as_dict()["one_class"] == 1
    assert one.findings[0].short == "all 4 samples are class 1 to it"
    for labels in (None, np.ones(4, int), np.zeros(4, int), np.array([1, 1, 0, 1])):
        assert judged(found, given, labels) == found
    assert judged(found, np.array([1, 0, 1, 1]), np.array([0, 1, 0, 0])) == found


def test_alike_outputs_of_equal_samples_are_no_finding():
    graph = chain(0.5, membrane=True)
    twice = np.repeat(INPUT[:, :1], 2, axis=1)
    assert not looked_at(graph, x=twice).findings


def test_one_sample_cannot_be_like_others_but_its_outputs_may_be_one_number():
    graph = chain(0.5, membrane=True)
    assert not looked_at(graph, x=INPUT[:, :1]).findings
    counts = {name: np.ones((STEPS, 1), int) for name in ("x", graph.ops[1].spike.name)}
    one = {graph.outputs[0].name: np.full((STEPS, 1, 2), 960)}
    found = firing_of(graph, counts, {"x": INPUT[:, :1]}, one)
    assert found.warnings(MAPPING) == ("the mapping: its outputs are one number everywhere",)


def test_an_output_of_one_number_for_one_sample_is_no_finding():
    net = GraphBuilder()
    x = net.input("x", (2,), FLOAT)
    graph = net.graph(net.linear(x, np.ones((1, 2), np.float32), name="sum"))
    found = firing_of(
        graph, {"x": np.ones((2, 1), int)}, {"x": INPUT[:2, :1]}, {"sum": np.zeros((2, 1, 1))}
    )
    assert not found.findings


def test_an_empty_recording_is_said_to_be_empty_and_no_layer_is_blamed():
    found = looked_at(chain(0.5, 0.5), x=np.zeros((STEPS, SAMPLES, 2)))
    assert found.dead
    assert found.warnings(MAPPING) == ("the recordings are empty: every input is 0 in every step",)


def test_one_neuron_in_one_step_says_neither_never_nor_always():
    layer = LayerFiring(layer="fc", value="s", neurons=1, spikes=0)
    assert not Firing(steps=1, samples=1, layers=(layer,)).findings
    assert not Firing(steps=1, samples=1, layers=(replace(layer, spikes=1),)).findings
    assert Firing(steps=2, samples=1, layers=(layer,)).findings


@pytest.mark.parametrize("state", [True, False])
def test_what_comes_back_through_a_state_is_a_way_to_the_outputs(state):
    net = GraphBuilder()
    x = net.input("x", (2,), FLOAT)
    late = net.state("late", (2,), FLOAT)
    silent = net.neurons(x, threshold=9.0, leak=0.0, name="silent", loc="m:/silent")
    dense = net.linear(silent, np.eye(2, dtype=np.float32), name="fc")
    net.follow(late, net.sum(x, x, name="kept") if state else net.sum(dense, dense, name="kept"))
    graph = net.graph(net.sum(dense, late, name="y"))
    assert looked_at(graph).dead is not state
