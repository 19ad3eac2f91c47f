"""Twins with no number that is special, and what their evaluation is held against."""

from typing import Any

import numpy as np
import torch
from torch import nn

from mapper.executor import engine
from mapper.ir.evaluate import evaluate
from mapper.recordings import to_reals
from mapper.training import LIF, Iand
from mapper.training.hardening.harden import HardwareModel
from mapper.training.hardening.integer import TorchEngine
from tests.engines import AVAILABLE


def disordered(model: HardwareModel) -> HardwareModel:
    """Move what training moves, so that no number is special."""
    with torch.no_grad():
        for layer in model.layers():
            layer.thresholds += torch.randint(-1, 2, layer.thresholds.shape)
            layer.bias += 0.1 * torch.randn(layer.bias.shape)
            layer.block_scale *= 1 + 0.2 * torch.rand(layer.block_scale.shape)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
    return model


def assert_same_as_compiled(model: HardwareModel, x: torch.Tensor) -> None:
    """Compare evaluation in torch with the generated executor and with the definition."""
    found = model.eval()(x)
    graph = model.hardware(x)
    codes = {"x": x.numpy().astype(np.int64)}
    defined = evaluate(graph, codes)["y"]
    for name in AVAILABLE:
        assert (engine.run(graph, codes, name).outputs["y"] == defined).all()
    assert (TorchEngine(x.device).prepare(graph).run(codes)["y"] == defined).all()
    reals = to_reals(graph, {"y": defined})["y"]
    assert (found.numpy() == reals.astype(np.float32)).all()
    assert found.abs().sum() > 0


VARIANTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("sense-amp", {}, {}),
    ("sense-amp", {"wordlines": 5}, {"scale": "column"}),
    ("sense-amp", {"wordlines": 32, "cell_bits": 2}, {"scale": "block"}),
    ("sense-amp", {"encoding": "offset-binary"}, {"weight_bits": 3}),
    ("half-active", {"encoding": "offset-binary"}, {"scale": "block"}),
    ("half-active", {"encoding": "twos-complement", "cell_bits": 2}, {"scale": "column"}),
    ("half-active ternary", {"encoding": "twos-complement"}, {}),
    ("ternary", {}, {"weight_bits": 2}),
    ("ternary", {"wordlines": 7}, {"weight_bits": 8, "scale": "block"}),
    ("flash", {}, {"scale": "column"}),
    ("flash", {"encoding": "offset-binary", "cell_bits": 4}, {"weight_bits": 8}),
    ("half-active", {"encoding": "binary", "weight_bits": 1}, {}),
    ("sense-amp", {"weight_bits": 1}, {"scale": "column"}),
    ("sar", {"encoding": "ternary", "weight_bits": 2, "cell_bits": 2, "cell_levels": 3}, {}),
    ("flash", {"encoding": "offset-binary", "cell_bits": 3, "cell_levels": 5}, {}),
    ("sar", {"encoding": "twos-complement", "wordlines": 9}, {"weight_bits": 5}),
    ("ideal", {}, {}),
    ("sense-amp", {"rows_per_read": 5}, {"scale": "block"}),
    ("adder-tree", {"encoding": "offset-binary"}, {}),
]


class Branches(nn.Module):
    """Every way in which branches meet, and a transposed convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.c = nn.ConvTranspose2d(4, 4, 2, stride=2)
        self.spike_a, self.spike_b, self.spike_c = LIF(threshold=0.3), LIF(), LIF(current_leak=0.5)
        self.join, self.pool, self.last = Iand(), nn.MaxPool2d(2), nn.Linear(8 * 36, 3)
        self.out = LIF(leak=1.0, spiking=False)

    def forward(self, x):
        s = self.spike_a(self.a(x))
        s = self.join(self.spike_b(self.b(s) + self.a_skip(s)), s)
        s = torch.cat([self.spike_c(self.c(s)), self.up(s)], dim=1)
        return self.out(self.last(torch.flatten(self.pool(s), 1)))

    def a_skip(self, s):
        return self.skip(s)


def branches() -> Branches:
    model = Branches()
    model.skip = nn.Conv2d(4, 4, 1, bias=False)
    model.up = nn.Sequential(nn.ConvTranspose2d(4, 4, 2, stride=2), LIF(threshold=0.2))
    return model
