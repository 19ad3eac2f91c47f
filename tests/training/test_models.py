"""The networks of the reference design: weights and crossbars of the published table.

The table leaves out the 1x1 prediction of the flow networks: it runs on the digital unit.
"""

import pytest
import torch
from torch import nn

from mapper.ir.crossbar import CrossbarMvm
from mapper.training import harden
from mapper.training.nets.geometry import Geometry, Weighted
from mapper.training.nets.models import (
    DvsNet,
    FireFlowNet,
    SpikeFlowNet,
    SpikingResNet,
    SpikingVgg,
    leaky,
)
from passes.shared.grid import layer_spans
from targets import load_target
from tests.training.small import spikes
from tests.training.twins import assert_same_as_compiled

PUBLISHED = [
    (DvsNet, 94_144, (372, 104, 32)),
    (FireFlowNet, 56_448, (224, 62, 19)),
    (SpikeFlowNet, 13.12e6, (51_304, 12_854, 3_231)),
    (SpikingVgg, 40.3e6, (157_432, 39_392, 9_868)),
]


def layers(model: nn.Module) -> list[nn.Module]:
    """Return the layers of weights that crossbars compute."""
    digital = getattr(model, "digital", ())
    named = model.named_modules()
    return [m for name, m in named if isinstance(m, Weighted) and name not in digital]


def crossbars(layer: nn.Module, target: str) -> int:
    macro = load_target(target).macros[0]
    geometry = Geometry.of(layer)
    rows, outputs = geometry.matrix(layer.weight).shape
    width = macro.outputs_per_crossbar(4)
    return -(-rows // macro.wordlines) * len(layer_spans(outputs, geometry.groups, width))


@pytest.mark.parametrize(("kind", "weights", "counts"), PUBLISHED)
def test_weights_and_crossbars_are_those_of_the_table(kind, weights, counts):
    with torch.device("meta"):  # shapes without numbers: the largest has 40 million
        model = kind()
    found = sum(layer.weight.numel() for layer in layers(model))
    assert found == pytest.approx(weights, rel=0.002)  # the table rounds the large ones
    for target, expected in zip(("adcless-32", "adcless-64", "adcless-128"), counts, strict=True):
        assert sum(crossbars(layer, target) for layer in layers(model)) == expected


def test_dvsnet_has_all_its_crossbars_at_a_quarter_of_the_area():
    model = DvsNet(size=32)
    assert sum(layer.weight.numel() for layer in layers(model)) == 94_144
    for target, expected in (("adcless-32", 372), ("adcless-64", 104), ("adcless-128", 32)):
        assert sum(crossbars(layer, target) for layer in layers(model)) == expected


@pytest.mark.parametrize(
    ("kind", "shape", "counts"),
    [(DvsNet, (2, 64, 64), (372, 104, 32)), (FireFlowNet, (4, 8, 8), (224, 62, 19))],
)
@pytest.mark.parametrize("readout", ["adcless", "hpadc-flash5"])
def test_what_is_compiled_has_as_many_crossbars(kind, shape, counts, readout):
    x = spikes(1, 1, *shape)
    for rows, expected in zip((32, 64, 128), counts, strict=True):
        model = harden(kind(), f"{readout}-{rows}", example=x)
        lowered = model.hardware(x, stop_after="partition")
        grids = [op for op in lowered.ops if isinstance(op, CrossbarMvm)]
        assert sum(len(op.rows) * len(op.columns) for op in grids) == expected


SMALL = [
    (lambda: DvsNet(size=32, width=4), (2, 32, 32)),
    (lambda: FireFlowNet(width=4), (4, 8, 8)),
    (lambda: SpikeFlowNet(width=4), (4, 16, 16)),
    (lambda: SpikingVgg(size=16, width=2, classes=5), (3, 16, 16)),
    (lambda: SpikingResNet(size=16, width=2, classes=5), (3, 16, 16)),
]


@pytest.mark.campaign(3)
@pytest.mark.parametrize(("make", "shape"), SMALL)
def test_small_ones_are_hardened_and_compiled(make, shape):
    model, x = make(), spikes(3, 2, *shape)
    for neuron in model.modules():
        if type(neuron) is type(leaky()):
            neuron.threshold.data.fill_(0.2)  # untrained networks are silent at 0.6
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_var.fill_(0.05)
    assert_same_as_compiled(harden(model, "adcless-diff-32", example=x), x)
