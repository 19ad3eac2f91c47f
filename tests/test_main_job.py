"""The main job on real input: a network trained on N-MNIST, on fifty real recordings."""

from pathlib import Path

import numpy as np
import pytest

from mapper.build.make import make_build
from mapper.executor import engine
from mapper.frontend import import_model
from mapper.ir.core import Array
from mapper.recordings import to_codes
from mapper.verify.build import verify_build
from mapper.verify.original import run_reference
from targets import load_target
from tests.nmnist import read_test_set

MODEL = "models/nmnist_real_csnn_step_legacy/model.onnx"


@pytest.fixture(scope="module")
def recordings(request: pytest.FixtureRequest) -> tuple[Path, Array, Array]:
    shared = Path(__file__).parent.parent.parent / "shared"
    if not shared.is_dir():
        pytest.skip("needs the models and recordings in ../shared, which are not here")
    frames, labels = read_test_set(shared / "events" / "nmnist")
    return shared / MODEL, frames, labels


@pytest.fixture(scope="module")
def predictions(recordings) -> Array:
    """Classes that ONNX Runtime predicts with the original model."""
    model, frames, _ = recordings
    votes = [
        run_reference(model, {"x": frames[:, b : b + 1]})["spk"].sum(axis=0)[0]
        for b in range(frames.shape[1])
    ]
    return np.argmax(votes, axis=1)


def test_onnx_runtime_reaches_the_trained_accuracy(recordings, predictions):
    """0.94 here: the binning is the one the model was trained with."""
    assert (predictions == recordings[2]).mean() >= 0.9


@pytest.mark.parametrize("target", ["ideal-128", "hpadc-flash5-64", "adcless-64"])
def test_the_mapping_is_bit_exact_on_every_target(recordings, predictions, target, campaign):
    model, frames, labels = recordings
    some = campaign(range(len(labels)), 8)
    frames, labels = frames[:, some], labels[some]
    build = make_build(import_model(model), load_target(target), None, None, source={})
    assert build is not None
    codes = to_codes(build.hardware, {"x": frames}, "recordings")
    checked = verify_build(build, codes, {"x": frames}, labels=labels)

    verdicts = {ring.name: ring.status for ring in checked.rings}
    assert verdicts["2-exact-passes"] == "equal"
    assert verdicts["4-executor"] == "equal"
    assert verdicts["6-lowered-onnx"] == "equal"
    print(target, checked.accuracy, dict(checked.layer_agreement))  # reported, whatever it is
    assert checked.source_accuracy == (predictions[some] == labels).mean()
    if target == "ideal-128":
        assert checked.spike_agreement >= 0.995


def test_ideal_readout_predicts_what_onnx_runtime_predicts(recordings, predictions):
    """8-bit weights: the same class for at least 49 of 50 recordings."""
    model, frames, _ = recordings
    build = make_build(import_model(model), load_target("ideal-128"), 8, None, source={})
    assert build is not None
    codes = to_codes(build.hardware, {"x": frames}, "recordings")
    mapped = engine.run(build.hardware, codes, "numpy").outputs["spk"].sum(axis=0).argmax(axis=1)
    assert (mapped == predictions).sum() >= 49
