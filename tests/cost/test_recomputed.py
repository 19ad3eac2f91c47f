"""Three networks, every number worked out a second time from the documentation alone."""

import numpy as np
import pytest

from mapper.cost import Cost, count_actions, measure, price
from mapper.executor import engine
from mapper.ir.builder import GraphBuilder
from mapper.ir.core import Graph
from mapper.ir.windows import Window
from mapper.pipeline import make_passes, run_passes
from targets import load_preset, load_target
from tests.cost.recomputed import Layer, recompute

ROUNDING = 1e-12  # sums are taken in another order


def drawn(*shape: int) -> np.ndarray:
    """Return weights of 4 bits, -8..7, over 8."""
    return np.random.default_rng(sum(shape)).integers(-8, 8, shape) / 8


def linear() -> Graph:
    """Return 70 inputs and 10 neurons: two row blocks."""
    net = GraphBuilder("A")
    return net.graph(net.neurons(net.linear(net.input("x", (70,)), drawn(10, 70)), threshold=1.0))


def conv() -> Graph:
    """Return a 3x3 convolution of 2 channels of 8x8 pixels into 8, every other one."""
    net = GraphBuilder("B")
    x = net.input("x", (2, 8, 8))
    sides = {"stride": (2, 2), "padding": (1, 1, 1, 1)}
    return net.graph(net.neurons(net.conv2d(x, drawn(8, 2, 3, 3), **sides), threshold=1.0))


def residual(far: bool) -> Graph:
    """Return convolutions and a pool, whose spikes are added to what is computed from them.

    ``far`` has another layer in between: the operand is not the input of the layer that adds it.
    """
    net, same = GraphBuilder("C"), {"padding": (1, 1, 1, 1)}
    x = net.input("x", (4, 8, 8))
    first = net.neurons(net.conv2d(x, drawn(8, 4, 3, 3), **same), threshold=1.0)
    pooled = net.max_pool2d(first, Window(kernel=(2, 2), stride=(2, 2)))
    y = pooled
    if far:
        y = net.neurons(net.conv2d(y, drawn(8, 8, 1, 1)), threshold=0.5)
    y = net.sum(net.conv2d(y, drawn(8, 8, 3, 3), **same), pooled)
    return net.graph(net.neurons(y, threshold=1.0))


NETWORKS = {
    "A": linear,
    "B": conv,
    "C": lambda: residual(far=False),
    "C with a layer between": lambda: residual(far=True),
}


def both(name: str, target_name: str) -> tuple[Cost, list[Layer], dict[str, float]]:
    target = load_target(target_name)
    graph, _ = run_passes(NETWORKS[name](), target, make_passes())
    (x,) = graph.inputs
    spikes = (np.random.default_rng(5).random((5, 3, *x.shape)) < 0.3).astype(np.int64)
    trace = engine.run(graph, {x.name: spikes}, "numpy", trace=True).counts
    cost = price(count_actions(graph, target), measure(graph, trace), 5, load_preset("physical"))
    return cost, *recompute(graph, target_name, spikes)


@pytest.mark.parametrize("target", ["adcless-64", "hpadc-sar5-64"])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_number_follows_from_the_documentation(name, target):
    cost, layers, totals = both(name, target)
    assert len(layers) == len(cost.layers)
    for layer, found in zip(layers, cost.layers, strict=True):
        for action, count in layer.counts.items():
            assert found.counts[action] == count, action
        for what, ours in (
            ("energy_pj", layer.energy),
            ("area_um2", layer.area),
            ("stages_ns", layer.stages),
        ):
            theirs = {n: value.nominal for n, value in getattr(found, what).items()}
            for part, value in ours.items():
                assert theirs.pop(part) == pytest.approx(value, rel=ROUNDING), (what, part)
            assert not any(theirs.values()), theirs
    latency = {n: value.nominal for n, value in cost.latency_ns.items()}
    assert cost.total_um2.nominal == pytest.approx(totals["area"], rel=ROUNDING)
    assert cost.area_um2["routers"].nominal == totals["routers"]
    assert cost.energy_pj["leakage"].nominal == pytest.approx(totals["leakage"], rel=ROUNDING)
    assert cost.total_pj.nominal == pytest.approx(totals["energy"], rel=ROUNDING)
    assert latency["inference_interval"] == pytest.approx(totals["interval"], rel=ROUNDING)
    assert latency["inference_pipelined"] == pytest.approx(totals["pipelined"], rel=ROUNDING)
    assert latency["inference_sequential"] == pytest.approx(totals["sequential"], rel=ROUNDING)
