"""Blocks of spiking transformers as their authors write them, exported with torch."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapper.frontend import import_model
from mapper.ir.evaluate import evaluate
from mapper.ir.neurons import Neuron
from mapper.ir.products import MatMul
from mapper.verify.model import verify_model
from tests.frontend import attention_nets as nets
from tests.frontend.export import liven
from tests.frontend.zoo import torch

BLOCKS: Mapping[str, Callable[[], Any]] = {
    "scores first": lambda: nets.Spikformer(scale=1.5),
    "keys and values first": lambda: nets.Spikformer("pairs", scale=1.5),
    "matrices on tokens": nets.SpikformerTokens,
    "one projection": nets.OneProjection,
    "spike-driven": nets.SpikeDriven,
    "spike-driven, pooled": lambda: nets.SpikeDriven(events=True),
    "membrane shortcut": nets.Meta,
    "tokens decide": nets.QKToken,
    "channels decide": lambda: nets.QKToken(dim=4),
    "a mask that remembers": lambda: nets.QKToken(mask=1.5),
    "analogue factors": nets.Resformer,
}
STEPS, MAP = 4, (nets.C, 4, 4)


def export(net: Any, given: tuple, names: list[str], exporter: str, path: Path) -> None:
    options: dict[str, Any] = {
        "input_names": ["x", *names],
        "output_names": ["y", *(f"{name}_out" for name in names)],
        "dynamo": exporter == "dynamo",
    }
    if exporter == "legacy":
        options |= {"opset_version": 17, "training": torch.onnx.TrainingMode.PRESERVE}
    else:
        options |= {"opset_version": 18, "external_data": False}
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
        warnings.simplefilter("ignore")  # exporters warn about themselves
        torch.onnx.export(net, given, str(path), **options)


def exported(block: str, form: str, exporter: str, folder: Path) -> tuple[Path, np.ndarray]:
    """Return a file of one step, of all steps, or of all steps between a stem and a head."""
    torch.manual_seed(1)
    net, path = BLOCKS[block](), folder / "model.onnx"
    shape, names, states = (STEPS, 1, *MAP), [], []
    if form == "step":
        net = nets.Step(net)
    if form == "stem":
        net, shape = nets.Stem(net), (STEPS, 1, 2, 8, 8)
    liven(net)
    x = torch.zeros(shape)
    if form == "step":
        x = x[0]
        with torch.no_grad():
            states = [torch.zeros(one) for one in nets.state_shapes(net, x)]
        names = [f"v{k}" for k in range(len(states))]
    export(net, (x, *states), names, exporter, path)
    drawn = np.random.default_rng(0).random(shape) < 0.5
    return path, drawn.astype(np.float32)


def assert_equal_and_alive(path: Path, x: np.ndarray) -> None:
    """Every output is the file's, and every layer of neurons fires now and then."""
    assert [ring.status for ring in verify_model(path, {"x": x}, "x").rings] == ["equal"] * 2
    graph = import_model(path).graph
    spikes = [op.spike.name for op in graph.ops if isinstance(op, Neuron) and op.spike]
    found = evaluate(graph, {graph.inputs[0].name: x.reshape(STEPS, 1, *x.shape[2:])}, watch=spikes)
    assert all(0 < found[name].mean() < 1 for name in spikes)


@pytest.mark.campaign(7)
@pytest.mark.parametrize("form", ["step", "sequence"])
@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_computes_what_the_legacy_export_computes(block, form, tmp_path):
    assert_equal_and_alive(*exported(block, form, "legacy", tmp_path))


@pytest.mark.campaign(0)
@pytest.mark.slow
@pytest.mark.parametrize("form", ["step", "sequence"])
@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_computes_what_the_dynamo_export_computes(block, form, tmp_path):
    assert_equal_and_alive(*exported(block, form, "dynamo", tmp_path))


@pytest.mark.campaign(1)
@pytest.mark.parametrize("block", ["scores first", "spike-driven, pooled", "tokens decide"])
def test_a_stem_that_pools_and_a_head_that_takes_means(block, tmp_path):
    path, x = exported(block, "stem", "legacy", tmp_path)
    assert [ring.status for ring in verify_model(path, {"x": x}, "x").rings] == ["equal"] * 2


def test_products_are_on_the_digital_unit_in_whole_numbers(tmp_path):
    path, _ = exported("one projection", "step", "legacy", tmp_path)
    products = [op for op in import_model(path).graph.ops if isinstance(op, MatMul)]
    assert [str(op.result.type) for op in products] == ["u5", "u7"]  # of 16 tokens, of 4 channels
