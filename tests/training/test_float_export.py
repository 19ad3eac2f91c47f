"""Float models in canonical form, and what an export looks at and refuses."""

from math import prod

import numpy as np
import pytest
import torch
from torch import nn

from mapper import api
from mapper.frontend import import_model
from mapper.ir.crossbar import CrossbarMvm
from mapper.training import LIF, export_onnx, harden, over_time
from tests.training.small import a_network, spikes
from tests.training.twins import branches


def test_a_float_model_is_read_back(tmp_path):
    model, x = a_network().eval(), spikes(4, 3, 2, 6, 6)
    export_onnx(model, tmp_path / "m.onnx", x)
    np.savez(tmp_path / "x.npz", x=x.numpy())
    np.savez(tmp_path / "io.npz", x=x.numpy(), expected_y=over_time(model, x).detach().numpy())
    answer = api.verify(tmp_path / "m.onnx", tmp_path / "io.npz")
    assert answer["bit_exact"]  # spikes equal; analogue outputs within 1e-5
    assert {r["name"] for r in answer["rings"]} >= {"3-onnxruntime", "3-expected-outputs"}
    made = api.compile_model(
        tmp_path / "m.onnx", "adcless-64", tmp_path / "b", calibrate=tmp_path / "x.npz"
    )
    assert made["calibrated"]


def test_a_float_model_with_branches_and_currents(tmp_path):
    model, x = branches().eval(), spikes(4, 3, 2, 6, 6)
    export_onnx(model, tmp_path / "m.onnx", x)
    np.savez(tmp_path / "io.npz", x=x.numpy(), expected_y=over_time(model, x).detach().numpy())
    assert api.verify(tmp_path / "m.onnx", tmp_path / "io.npz")["bit_exact"]


def test_what_cannot_be_exported_is_said(tmp_path):
    with pytest.raises(TypeError, match="Softmax has no counterpart"):
        export_onnx(nn.Sequential(nn.Linear(4, 2), nn.Softmax(1)), tmp_path / "m", spikes(2, 2, 4))
    with pytest.raises(ValueError, match="cannot be followed"):
        export_onnx(Branching(), tmp_path / "m", spikes(2, 2, 4))


class Branching(nn.Module):
    def forward(self, x):
        return LIF()(x) if x.sum() > 0 else x


def test_shapes_are_found_without_reading_a_column(tmp_path, monkeypatch):
    model = harden(a_network(), "adcless-32", example=spikes(2, 1, 2, 6, 6))
    export_onnx(model, tmp_path / "small.onnx", spikes(1, 1, 2, 6, 6))

    def read(*_):
        raise AssertionError("a column was read")

    monkeypatch.setattr("mapper.training.nets.layers.read_sums", read)
    with pytest.raises(AssertionError, match="column"):
        model(spikes(1, 1, 2, 6, 6))
    export_onnx(model, tmp_path / "again.onnx", spikes(1, 1, 2, 6, 6))
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "small.onnx").read_bytes()


@pytest.mark.parametrize("shape", [(3, 6, 6), (2, 6)])
def test_an_example_that_the_first_layer_cannot_take_is_refused(tmp_path, shape):
    model = harden(a_network(), "adcless-32", example=spikes(2, 1, 2, 6, 6))
    with pytest.raises(ValueError, match="a layer of 2 input channels cannot take"):
        export_onnx(model, tmp_path / "wrong.onnx", spikes(1, 1, *shape))
    assert not any(tmp_path.iterdir())


def test_columns_that_are_read_block_by_block_may_be_any_number(tmp_path):
    model = harden(
        nn.Sequential(nn.Conv2d(16, 16, 3, padding=1)),
        "adcless-32",
        example=spikes(1, 2, 16, 6, 6),
    )
    export_onnx(model, tmp_path / "wide.onnx", torch.zeros(1, 1, 16, 1024, 1024))
    imported = import_model(tmp_path / "wide.onnx")
    grid = next(op for op in imported.graph.ops if isinstance(op, CrossbarMvm))
    assert prod(grid.results[0].shape) > 1 << 28
    assert imported.trained_for == "adcless-32"
