"""Attention in integers: exact where scales are one number, aligned where they differ."""

import numpy as np

from mapper.ir.builder import GraphBuilder
from mapper.ir.core import FLOAT, Graph, Value
from mapper.ir.evaluate import evaluate
from mapper.ir.hardware import ScaledAdd
from mapper.ir.network import Scale
from mapper.ir.neurons import IntegerNeuron, Reset
from mapper.ir.products import MatMul, Multiply
from mapper.pipeline import make_passes, run_passes
from targets import load_target

H, N, D = 2, 6, 4


def mask(net: GraphBuilder, x: Value, threshold: float = 0.5, **fields) -> Value:
    """The published neuron of attention: ``v + (x - v) / 2``, reset to zero."""
    return net.neurons(
        x, leak=0.5, gain=0.5, threshold=threshold, reset=Reset(kind="value"), **fields
    )


def integers(graph: Graph) -> Graph:
    stages: dict[str, Graph] = {}
    run_passes(
        graph,
        load_target("ideal-128"),
        make_passes(),
        after=lambda step, made: stages.__setitem__(step.name, made),
        stop_after="quantize-neurons",
    )
    return stages["quantize-neurons"]


def same_spikes(graph: Graph, steps: int, density: float = 0.4) -> Graph:
    rng = np.random.default_rng(0)
    x = {v.name: (rng.random((steps, 3, *v.shape)) < density).astype(int) for v in graph.inputs}
    found, expected = evaluate(made := integers(graph), x), evaluate(graph, x)
    for value in graph.outputs:
        assert 0 < expected[value.name].mean() < 1
        assert np.array_equal(found[value.name], expected[value.name])
    return made


def test_masks_and_products_of_spikes_fire_exactly_with_ties():
    """Sums in eighths meet 0.5 on the spot; membranes have bits to spare for nine leaks."""
    net = GraphBuilder("attention")
    q, k, v = (net.input(name, (H, N, D), FLOAT) for name in "qkv")
    pairs = net.matmul(net.transpose(k, (0, 2, 1)), v)
    sums = net.scale(net.matmul(q, pairs), 0.125)
    net.output(mask(net, sums, name="a"))
    graph = net.graph()
    made = same_spikes(graph, steps=9)
    (neuron,) = (op for op in made.ops if isinstance(op, IntegerNeuron))
    assert neuron.threshold == 8 << neuron.fraction_bits  # 0.5 in units of 1/8 and half a step
    assert neuron.fraction_bits >= 9


def test_a_mask_neuron_is_an_or():
    """At its published settings it fires where the count is above zero, and forgets."""
    net = GraphBuilder("mask")
    x = net.input("x", (1, D, N), FLOAT)
    count = net.matmul(net.reshape(net.take(x, (0,), axis=1), (1, N, 1)), net.take(x, (1,), axis=1))
    spikes = mask(net, count)
    net.output(spikes, net.multiply(spikes, count))
    graph = net.graph()
    x = {"x": (np.random.default_rng(1).random((6, 2, 1, D, N)) < 0.5).astype(int)}
    found = evaluate(integers(graph), x)
    spike, masked = (found[v.name] for v in graph.outputs)
    expected = x["x"][:, :, :, 0, :, None] * x["x"][:, :, :, 1, None, :]
    assert np.array_equal(spike, expected > 0)
    assert np.array_equal(masked, expected)


def analogue(scales: list[float], offset: float) -> GraphBuilder:
    """``y = scales * x + offset`` by channel, times spikes, summed over channels."""
    net = GraphBuilder("analogue")
    x, s = net.input("x", (2, 3), FLOAT), net.input("s", (2, 3), FLOAT)
    table = np.asarray(scales, np.float32)[:, None]
    y = net.scale(x, table, np.float32(offset))
    net.output(net.matmul(net.transpose(y, (1, 0)), s))
    return net


def test_factors_of_one_scale_are_multiplied_as_they_are():
    made = integers(analogue([0.25, 0.25], 0.0).graph())
    assert not [op for op in made.ops if isinstance(op, ScaledAdd)]
    coding = made.codings[made.outputs[0].name]
    assert coding.scale == 0.25


def test_scales_that_are_added_up_are_brought_to_one_step():
    """Steps of 0.25 and 0.75, an offset of 0.5: all multiples of 0.25, 1 and 3 and 2."""
    graph = analogue([0.25, 0.75], 0.5).graph()
    made = integers(graph)
    (aligned,) = (op for op in made.ops if isinstance(op, ScaledAdd))
    (scale,), offset = aligned.scales, aligned.offset
    assert made.constants[scale.name].ravel().tolist() == [1, 3]
    assert made.constants[offset.name].ravel().tolist() == [2]
    assert aligned.shift == 0
    x = np.array([[[[1, 0, 1], [1, 1, 0]]]])
    s = np.array([[[[1, 1, 0], [0, 1, 1]]]])
    found = evaluate(made, {"x": x, "s": s})
    expected = evaluate(graph, {"x": x, "s": s})
    coding = made.codings[made.outputs[0].name]
    assert coding.scale == 0.25
    assert np.array_equal(found[made.outputs[0].name] * 0.25, expected[graph.outputs[0].name])


def test_a_masked_analogue_value_has_no_offset_where_the_mask_is_silent():
    net = GraphBuilder("masked")
    x, m = net.input("x", (3,), FLOAT), net.input("m", (3,), FLOAT)
    y = net.scale(x, 0.5, 0.25)
    net.output(net.multiply(m, y))
    made = integers(net.graph())
    assert [type(op) for op in made.ops] == [ScaledAdd, Multiply]
    found = evaluate(made, {"x": np.array([[[1, 0, 1]]]), "m": np.array([[[1, 1, 0]]])})
    (name,) = (v.name for v in made.outputs)
    assert (found[name] * made.codings[name].scale).ravel().tolist() == [0.75, 0.25, 0]


def test_products_keep_scales_of_rows_and_columns():
    """Scales that differ along axes which are not added up go to the neuron's thresholds."""
    net = GraphBuilder("rows")
    x, s = net.input("x", (2, 3), FLOAT), net.input("s", (3, 2), FLOAT)
    y = net.scale(x, np.array([[0.5], [0.25]], np.float32))
    net.output(mask(net, net.matmul(y, s)))
    made = same_spikes(net.graph(), steps=5, density=0.6)
    assert [op for op in made.ops if isinstance(op, MatMul)]
    assert not [op for op in made.ops if isinstance(op, ScaledAdd | Scale)]
