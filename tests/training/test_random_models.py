"""Random models on random hardware: torch, the exported file and the executor agree to the bit."""

import random

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from mapper.build.make import make_build
from mapper.diagnostics import MappingError
from mapper.executor.onnx.run import run_lowered
from mapper.frontend import import_model
from mapper.ir.crossbar import CrossbarMvm
from mapper.recordings import to_reals
from mapper.training import LIF, export_onnx, harden, over_time
from mapper.verify.trained import trained_ring
from targets import Target, load_target
from tests.training.small import ENCODINGS, READOUTS, a_target
from tests.training.twins import disordered


def neurons(rng: random.Random) -> LIF:
    return LIF(
        leak=rng.choice([0, 0.3, 0.5, 0.75, 0.9, 1]),
        threshold=rng.choice([0.1, 0.4, 1]),
        reset=rng.choice(["subtract", "value", "none"]),
        current_leak=rng.choice([None, None, 0.5, 0.3]),
    )


def hardware(rng: random.Random) -> Target:
    encoding, readout = rng.choice(ENCODINGS), rng.choice([*READOUTS, "ideal"])
    if encoding == "differential":
        readout = readout.removeprefix("half-active ").replace("half-active", "sense-amp")
    return a_target(
        readout,
        encoding=encoding,
        wordlines=rng.randint(1, 40),
        cell_bits=rng.choice([1, 2, 4]),
        bitlines=rng.choice([64, 200]),
    )


def network(rng: random.Random, channels: int) -> nn.Sequential:
    groups = rng.choice([1, channels])
    outputs = groups * rng.randint(1, 3)
    layers = [
        nn.Conv2d(channels, outputs, rng.randint(1, 3), rng.randint(1, 2), 1, groups=groups),
        nn.BatchNorm2d(outputs),
        neurons(rng),
    ]
    if rng.random() < 0.5:
        layers += [nn.ConvTranspose2d(outputs, 3, 3, rng.randint(1, 2)), neurons(rng)]
    layers += [nn.MaxPool2d(2), nn.Flatten(), nn.LazyLinear(rng.randint(1, 5))]
    return nn.Sequential(*layers, *([neurons(rng)] if rng.random() < 0.5 else []))


@pytest.mark.parametrize("seed", range(16))
def test_everything_agrees(tmp_path, seed):
    rng = random.Random(seed)
    torch.manual_seed(seed)
    target, bits, channels = hardware(rng), rng.choice([1, 1, 2, 3]), rng.choice([1, 2, 4])
    model = network(rng, channels)
    x = torch.randint(0, 2**bits, (3, 3, channels, rng.randint(4, 7), rng.randint(4, 7))).float()
    over_time(model, x)  # the lazy layer gets its size
    options = {"weight_bits": rng.choice([None, 2, 3, 5, 8]), "input_bits": bits}
    twin = harden(model, target, scale=rng.choice(["layer", "column", "block"]), **options)
    twin(x).sum().backward()
    disordered(twin)
    path = tmp_path / "m.onnx"
    try:
        found = twin.eval()(x).numpy()
        export_onnx(twin, path, x)
    except MappingError as error:
        if error.diagnostics[0].code != "membrane-too-narrow":
            raise
        pytest.skip("its thresholds do not fit a membrane")
    build = make_build(import_model(path), target, None, None, source={})
    codes = {"x": x.numpy().astype(np.int64)}
    assert trained_ring(path, build, codes).status == "equal"
    ran = run_lowered(onnx.load(path), codes)["y"]
    assert (to_reals(build.hardware, {"y": ran})["y"].astype(np.float32) == found).all()


def test_groups_that_share_crossbars_agree(tmp_path):
    """9 channels of 3x3, 7 on a crossbar: what training sums up is what the compiler places."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(9, 9, 3, padding=1, groups=9), LIF(threshold=0.2))
    x = torch.randint(0, 2, (3, 2, 9, 4, 4)).float()
    twin = harden(model, "adcless-64", example=x)
    found, path = twin.eval()(x).numpy(), tmp_path / "m.onnx"
    export_onnx(twin, path, x)
    build = make_build(import_model(path), load_target("adcless-64"), None, None, source={})
    for graph in (build.hardware, twin.hardware(x)):
        (op,) = (op for op in graph.ops if isinstance(op, CrossbarMvm))
        assert (op.packed, op.crossbars) == (7, 2)
    assert trained_ring(path, build, {"x": x.numpy().astype(np.int64)}).status == "equal"
    ran = run_lowered(onnx.load(path), {"x": x.numpy().astype(np.int64)})["y"]
    assert (to_reals(build.hardware, {"y": ran})["y"].astype(np.float32) == found).all()
    assert 0 < found.mean() < 1
