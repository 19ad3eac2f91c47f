"""A network of 40 million weights: its graph stays small."""

from math import prod

import numpy as np
import pytest

from mapper.ir.core import Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.limits import MOST_ELEMENTS
from mapper.pipeline import make_passes, run_passes
from passes.base import Pass
from targets import load_target
from tests.networks import NetworkBuilder

WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512)
"""Convolutions of the published SNN_VGG (arXiv 2211.02167); 0 is a max pool."""


@pytest.mark.campaign(0)
def test_157_432_crossbars_are_sixteen_layers_on_one_screen():
    net = NetworkBuilder()
    net.rng = np.random.Generator(np.random.SFC64(0))  # fast: the numbers do not matter
    s = net.entry(3, 32, 32)
    for width in WIDTHS:
        s = net.neuron(net.conv(s, width, padding=(1,) * 4)) if width else net.pool(s)
    s = net.flatten(s)
    for width in (4096, 4096, 100):
        s = net.neuron(net.dense(s, width))
    target = load_target("adcless-32")
    mapped, _ = run_passes(net.graph(s), target, make_passes())
    layers = [op for op in mapped.ops if isinstance(op, CrossbarMvm)]
    assert len(layers) == 16
    assert sum(op.crossbars for op in layers) == 157_432
    assert len(str(mapped).splitlines()) < 110


def test_partial_sums_without_their_readout_may_be_more_than_are_ever_held():
    """Optical flow on 256x256: 25 row blocks x 4 slices x 32 x 65,536, worked through in pieces."""
    net = NetworkBuilder()
    s = net.neuron(net.conv(net.entry(176, 256, 256), 32, padding=(1,) * 4))
    sizes: dict[str, int] = {}

    def largest(step: Pass, graph: Graph) -> None:
        sums = [op.partial_sum for op in graph.ops if isinstance(op, CrossbarMvm)]
        sizes[step.name] = max((prod(value.shape) for value in sums), default=0)

    run_passes(net.graph(s), load_target("adcless-64"), make_passes(), after=largest)
    assert sizes["slice-weights"] == 25 * 4 * 32 * 256 * 256 > MOST_ELEMENTS
