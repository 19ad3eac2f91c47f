"""Neurons that give several spikes a step, on hardware: thresholds, and layers that read codes."""

import numpy as np
import pytest

from mapper.ir.core import IntType, param
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.evaluate import evaluate
from mapper.ir.levels import Levels, RoundedLevels
from mapper.ir.neurons import IntegerNeuron, Reset
from mapper.pipeline import make_passes, run_passes
from targets import load_target
from tests.engines import run_everywhere
from tests.networks import NetworkBuilder, spikes

TARGETS = ("ideal-128", "adcless-64", "adcless-diff-64", "hpadc-sar5-64")
NEAREST = RoundedLevels(high=4, rounding="half-even")
TERNARY = RoundedLevels(low=-1)


def network():
    """Conv - 0..4 - conv - ternary - linear - LIF; weights are quarters, so ties are met."""
    net, rng = NetworkBuilder(), np.random.default_rng(1)

    def weight(*shape):
        return (rng.integers(-7, 8, shape) / 4).astype(np.float32)

    x = net.entry(2, 5, 5)
    y = net.conv2d(x, weight(3, 2, 3, 3))
    s = net.neurons(
        y, leak=0.5, levels=NEAREST, reset=Reset(kind="subtract", amount=1.0), name="counts"
    )
    y = net.conv2d(s, weight(4, 3, 2, 2))
    s = net.neurons(y, threshold=2.0, levels=TERNARY, reset=Reset(kind="value"), name="signs")
    y = net.linear(net.flatten(s), weight(5, 16))
    return net.graph(net.neurons(y, threshold=1.5, name="last"))


@pytest.mark.parametrize("name", TARGETS)
def test_layers_read_codes_of_neurons_on_every_engine(name):
    trained, target = network(), load_target(name)
    graph, _ = run_passes(trained, target, make_passes())
    layers = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
    assert [op.x.type for op in layers] == [
        IntType(1, signed=False),
        IntType(3, signed=False),
        IntType(2, signed=True),
    ]
    inputs = spikes(graph, steps=6)
    found = run_everywhere(graph, inputs)
    if name == "ideal-128":  # nothing is lost: weights are on one grid, leaks and resets exact
        (expected,) = evaluate(trained, inputs).values()
        (spikes_of_all,) = found.values()
        assert expected.any()
        assert (spikes_of_all == expected).all()


def before_quantising(target, options):
    """Return ``x -> weight 1 -> neuron`` as the pass finds it, the target, and the passes."""
    net = NetworkBuilder()
    y = net.linear(net.entry(1), np.array([[1.0]], np.float32))
    trained = net.graph(net.neurons(y, reset=Reset(kind="none"), **options))
    facts, passes = load_target(target), make_passes()
    place = [p.name for p in passes].index("quantize-neurons")
    graph, _ = run_passes(trained, facts, passes[:place])
    return graph, facts, passes[place]


def quantised(target="ideal-128", **options):
    """Return its integer neuron, and the thresholds."""
    graph, facts, quantize = before_quantising(target, options)
    graph = quantize.run(graph, facts)
    (op,) = (op for op in graph.ops if isinstance(op, IntegerNeuron))
    return op, param(graph.constants, op.threshold, op.membrane.type)


def warned(target, **options):
    graph, facts, quantize = before_quantising(target, options)
    return quantize.warnings(graph, facts)


def test_every_level_becomes_a_threshold_with_its_tie():
    """One unit is ``1 / (127 << f)`` of the threshold 1.

    Level 1 begins past 1/2, level 2 at 3/2, level 3 past 5/2, level 4 at 7/2.
    """
    op, thresholds = quantised(levels=NEAREST)
    one = 127 << op.fraction_bits
    assert (op.levels, op.strict) == (Levels(high=4), False)
    assert thresholds.tolist() == [one // 2 + 1, 3 * one // 2, 5 * one // 2 + 1, 7 * one // 2]


def test_ternary_thresholds_keep_their_ties():
    """-1 is reached at -1, so silence begins one unit above it."""
    op, thresholds = quantised(levels=TERNARY)
    one = 127 << op.fraction_bits
    assert thresholds.tolist() == [-one + 1, one]
    op, thresholds = quantised(levels=TERNARY, strict=True)
    assert (thresholds.tolist(), op.strict) == ([-one, one + 1], False)


def test_levels_that_no_membrane_reaches_are_left_out_and_a_warning_says_so():
    options = {"levels": RoundedLevels(high=255), "threshold": 100.0}
    op, thresholds = quantised("adcless-64", **options)
    assert isinstance(op.membrane.type, IntType)
    assert op.levels.high == len(thresholds) < 255
    assert op.spike.type == op.levels.type
    assert thresholds[-1] <= op.membrane.type.max < thresholds[-1] + thresholds[0]
    (told,) = warned("adcless-64", **options)
    assert f"levels 0..255 begin at membranes of {thresholds[0]} to {255 * thresholds[0]} " in told
    assert f"holds {op.membrane.type.min}..{op.membrane.type.max}: " in told
    assert f"levels beyond 0..{op.levels.high} are never given" in told
    assert not any("levels" in told for told in warned("adcless-64", levels=NEAREST))
