"""Macros of every kind that ships: what they compute is the same on every engine."""

from pathlib import Path

import numpy as np
import pytest

import mapper
from mapper.executor import engine
from mapper.frontend import import_model
from mapper.ir.core import IntType
from mapper.ir.crossbar import CrossbarMvm
from mapper.pipeline import make_passes, run_passes
from mapper.recordings import measure_codes, read_arrays
from targets import load_target
from tests.engines import AVAILABLE, assert_same_counts
from tests.files import DEMO_MODEL, DEMO_RECORDING

KINDS = ("binary-64", "ternary-weights-64", "multibit-input-64", "digital-cim-64")


@pytest.mark.parametrize("name", KINDS)
def test_the_bundled_network_is_bit_exact(name):
    """Spikes as codes of 5 bits, so that inputs are read in parts."""
    spikes = read_arrays(DEMO_RECORDING)["x"][:3, :2].astype(np.int64)
    codes = spikes * np.random.default_rng(0).integers(1, 32, spikes.shape)
    build = mapper.compile(DEMO_MODEL, name, calibrate={"x": codes})
    assert build.verify({"x": codes}).bit_exact


MODELS = (
    "flow_spikedec_step_legacy",  # transposed convolutions, skips
    "snntorch_csnn34_step_legacy",  # multi-bit sums between layers
)


@pytest.mark.campaign(4)
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("model", MODELS)
def test_real_networks_are_the_same_on_every_engine(model: str, name: str, shared: Path):
    network = import_model(shared / "models" / model / "model.onnx").graph
    rng = np.random.default_rng(0)
    reals = {v.name: rng.integers(0, 8, (2, 1, *v.shape)) for v in network.inputs}
    target = load_target(name)
    passes = make_passes(codes=measure_codes(reals), samples=reals)
    graph, _ = run_passes(network, target, passes)
    inputs = {v.name: clipped(reals[v.name], v.type) for v in graph.inputs}
    expected = engine.run(graph, inputs, "numpy", trace=True)
    for other in AVAILABLE:
        found = engine.run(graph, inputs, other, trace=other == "native")
        for value, array in expected.outputs.items():
            assert (found.outputs[value] == array).all(), other
        if other == "native":
            assert_same_counts(found.counts, expected.counts)
    layers = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
    macro = target.macros[0]
    assert max(op.turns for op in layers) == macro.turns
    assert max(op.plane_bits for op in layers) == macro.input_bits_per_read


def clipped(codes: np.ndarray, type: object) -> np.ndarray:
    assert isinstance(type, IntType)
    return codes.clip(type.min, type.max)
