"""Spikes that are scaled channel by channel: the weights behind take the factors over."""

from collections.abc import Callable

import numpy as np
import pytest

from mapper.ir.core import SPIKE, Graph, Value
from mapper.ir.edges import edges
from mapper.ir.evaluate import evaluate
from mapper.ir.network import Scale
from mapper.ir.synapses import Synapse
from mapper.pipeline import make_passes, run_passes
from passes import FoldBatchNorm
from targets import load_target
from tests.engines import run_everywhere
from tests.networks import NetworkBuilder, spikes

TARGET = load_target("adcless-64")


def folded(graph: Graph) -> Graph:
    found, _ = run_passes(graph, TARGET, [FoldBatchNorm()])
    return found


def scaled(net: NetworkBuilder, *shape: int, least: float = 0.5) -> Value:
    """Return an input of spikes whose channels have factors of their own."""
    return net.spread(net.input("x", shape, SPIKE), least)


def scales(graph: Graph) -> int:
    return sum(isinstance(op, Scale) for op in graph.ops)


def test_by_hand():
    """``y = 1 * 2 x0 + 4 * 0.5 x1``: weights of 2 and 2."""
    net = NetworkBuilder()
    x = net.input("x", (2,), SPIKE)
    factor = net.constant("factor", np.array([2, 0.5], np.float32))
    weight = net.constant("weight", np.array([[1, 4]], np.float32))
    graph = folded(net.graph(net.linear(net.scale(x, factor, name="scaled"), weight, name="y")))
    (layer,) = graph.ops
    assert isinstance(layer, Synapse)
    assert layer.x == x
    assert graph.constants[layer.weight.name].tolist() == [[2, 2]]


LAYERS: dict[str, Callable[[NetworkBuilder], Value]] = {
    "linear": lambda net: net.dense(scaled(net, 12), 5),
    "convolution": lambda net: net.conv(scaled(net, 4, 6, 6), 6, padding=(1,) * 4),
    "groups": lambda net: net.conv(scaled(net, 4, 6, 6), 6, groups=2),
    "transposed": lambda net: net.conv_transpose(scaled(net, 4, 3, 3), 5, 2, stride=(2, 2)),
    "behind a mean": lambda net: net.conv(net.pool(scaled(net, 4, 6, 6), "avg"), 5),
    "behind a maximum": lambda net: net.conv(net.pool(scaled(net, 4, 6, 6)), 5),
    "behind both, in a row": lambda net: net.dense(
        net.flatten(net.pool(net.pool(scaled(net, 3, 8, 8)), "avg")), 5
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_weights_take_factors_over(name):
    net = NetworkBuilder()
    wanted = net.graph(LAYERS[name](net))
    found = folded(wanted)
    assert (scales(wanted), scales(found)) == (1, 0)
    (layer,) = (op for op in found.ops if isinstance(op, Synapse))
    assert edges(found)[layer.x.name] == edges(wanted)[layer.x.name]
    inputs = spikes(wanted, steps=3)
    (after,), (before,) = (evaluate(g, inputs).values() for g in (found, wanted))
    # A product is rounded once more, to single precision.
    assert np.allclose(after, before, rtol=0, atol=1e-5 * np.abs(before).max())


@pytest.mark.parametrize("factors", [[1.0, 2.0, 0.5, 1.0], [1.0, 0.7, 1.0, 0.45]])
def test_weights_on_a_grid_stay_on_one(factors):
    """4-bit weights of 1 and -1 times powers of two are codes; times 0.7 and 0.45 they are none."""
    net = NetworkBuilder()
    x = net.input("x", (4,), SPIKE)
    scaled_x = net.scale(x, net.constant("factor", np.array(factors, np.float32)), name="scaled")
    weight = net.constant("weight", np.array([[1, 1, -1, -1], [1, -1, 0, 0]], np.float32))
    found = folded(net.graph(net.linear(scaled_x, weight, name="y")))
    assert scales(found) == (0 if 2.0 in factors else 1)
    if not scales(found):
        layer = found.ops[0]
        assert found.constants[layer.weight.name].tolist() == [[1, 2, -0.5, -1], [1, -2, 0, 0]]


def twice(net: NetworkBuilder) -> Value:
    x = scaled(net, 6)
    return net.sum(net.dense(x, 4), net.dense(x, 4))


def from_place_to_place(net: NetworkBuilder) -> Value:
    x = net.input("x", (2, 4, 4), SPIKE)
    factor = net.constant("factor", net.rng.uniform(0.5, 1.5, (2, 4, 4)).astype(np.float32))
    return net.conv(net.scale(x, factor, name="scaled"), 3)


def shifted(net: NetworkBuilder) -> Value:
    x = net.input("x", (3,), SPIKE)
    factor, offset = (net.constant(n, np.array([1, 2, 3], np.float32)) for n in "fo")
    return net.dense(net.scale(x, factor, offset, name="scaled"), 3)


def negative(net: NetworkBuilder) -> Value:
    """The greatest of numbers is not the greatest of what they were scaled from."""
    return net.conv(net.pool(scaled(net, 4, 6, 6, least=-3.0)), 3)


@pytest.mark.parametrize("made", [twice, from_place_to_place, shifted, negative])
def test_what_weights_cannot_take_over_stays(made):
    net = NetworkBuilder()
    graph = net.graph(made(net))
    assert folded(graph) == graph


@pytest.mark.parametrize("target", ["ideal-128", "adcless-64", "adcless-diff-64", "hpadc-sar5-64"])
def test_factors_a_million_apart_are_on_crossbars_and_on_every_engine(target):
    """A channel that never fired when a network was converted has next to no threshold."""
    net = NetworkBuilder(3)
    first = net.neuron(net.conv(net.entry(2, 6, 6), 4, padding=(1,) * 4))
    factor = np.array([1.3, 0.7, 1e-6, 0.9], np.float32).reshape(4, 1, 1)
    wide = net.scale(first, net.constant("factor", factor), name="wide")
    made = net.graph(net.neuron(net.dense(net.flatten(net.pool(wide, "avg")), 5)))
    graph, _ = run_passes(made, load_target(target), make_passes())
    assert not any(isinstance(op, Synapse) for op in graph.ops)  # all are on crossbars
    run_everywhere(graph, spikes(graph, steps=3))
