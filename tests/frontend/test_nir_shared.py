"""Trained NIR files against what their libraries computed."""

import numpy as np
import pytest

from mapper import api
from mapper.frontend import NirOptions, import_model
from mapper.ir.evaluate import evaluate
from mapper.recordings import Recording
from tests.nmnist import read_events

LAYERS = ("1", "3", "6", "10", "output")
"""The values that hold the spikes of the five neuron layers."""


@pytest.fixture
def scnn(shared):
    return shared / "nir" / "nmnist_scnn" / "cnn_sinabs.nir"


@pytest.fixture
def recorded(scnn):
    with np.load(scnn.parent / "reference.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def event_counts(events, steps=100, step_us=3000):
    """Return the number of events ``[T, 2, 34, 34]`` in each of 100 steps of 3 ms."""
    x, y, polarity, stamp = events.T
    step = np.minimum(stamp // step_us, steps - 1)
    frames = np.zeros((steps, 2, 34, 34), np.float32)
    np.add.at(frames, (step, polarity, y, x), 1)
    return frames


@pytest.mark.parametrize(
    ("simulator", "options", "scale", "to_reset"),
    [
        # Norse steps Euler with dt = 1e-4 here and resets to zero: all 1000 steps agree.
        ("norse", {}, 1.0, True),
        # snnTorch does the same on a membrane that it scales by tau / (r * dt) = 25.
        ("snntorch", {}, 25.0, True),
        # The exact solution is our exponential step until it resets in the middle of a step.
        ("exact", {"integration": "exponential", "reset": "subtract"}, 1.0, False),
    ],
)
def test_a_leaky_neuron_follows_the_traces_of_the_paper(
    simulator, options, scale, to_reset, shared
):
    folder = shared / "nir" / "lif"
    given, membrane, spikes = np.loadtxt(folder / f"lif_{simulator}.csv", delimiter=",").T
    graph = import_model(folder / "lif_norse.nir", NirOptions(**options)).graph
    found = evaluate(graph, {"input": given[:, None, None].astype(np.float32)})
    assert np.flatnonzero(found["output"]).tolist() == [460, 510, 710, 760]
    assert np.flatnonzero(spikes).tolist() == [460, 510, 710, 760]
    last = 1000 if to_reset else 460
    error = np.abs(found["1.v_next"].ravel() - membrane / scale)[:last]
    assert error.max() < 1e-7  # single precision, membranes up to 0.1


def test_a_trained_network_spikes_as_sinabs_computed(scnn, recorded):
    graph = import_model(scnn, NirOptions(library="sinabs")).graph
    frames = recorded["frames"][:2].swapaxes(0, 1).astype(np.float32)
    found = evaluate(graph, {"input": frames}, watch=LAYERS)
    for k, name in enumerate(LAYERS):
        assert np.array_equal(found[name].swapaxes(0, 1), recorded[f"spikes_single_if{k}"]), name


def test_a_trained_network_keeps_its_accuracy_on_real_recordings(shared, scnn, recorded):
    folder = shared / "events" / "nmnist"
    lines = (folder / "test.txt").read_text().splitlines()[1:]
    names = [line.split()[0] for line in lines if line.strip()]
    frames = [event_counts(read_events(folder / f"{name}.bs2")) for name in names]
    inputs = {"input": np.stack(frames, axis=1)}
    graph = import_model(scnn, NirOptions(library="sinabs")).graph
    counts = evaluate(graph, inputs)["output"].sum(axis=0)
    assert np.mean(counts.argmax(-1) == recorded["labels"]) == 0.98


DEAD = "the mapping: silent from 0 on (5 of 5 layers never fire on the recordings)"
"""Nobody trained the network for sense amplifiers."""


@pytest.mark.parametrize(("target", "told"), [("ideal-128", []), ("adcless-64", [DEAD])])
def test_a_trained_network_maps_and_every_ring_is_equal(target, told, scnn, recorded, tmp_path):
    io = tmp_path / "io.npz"
    np.savez(io, input=recorded["frames"][:1, 40:48].swapaxes(0, 1).astype(np.float32))
    nir = NirOptions(library="sinabs")
    made = api.compile_model(scnn, target, tmp_path / "build", calibrate=io, nir=nir)
    assert made is not None
    assert [text.partition(", so its outputs")[0] for text in made["warnings"]] == told
    answer = api.verify(tmp_path / "build", io, model=scnn, nir=nir)
    rings = {ring["name"]: ring["status"] for ring in answer["rings"]}
    assert answer["bit_exact"] is True
    assert {rings[name] for name in ("1-graph-rules", "2-exact-passes")} == {"equal"}
    assert {rings[name] for name in ("4-executor", "6-lowered-onnx")} == {"equal"}
    assert rings["3-onnxruntime"] == "skipped"


def test_verify_compares_a_nir_model_with_expected_outputs(scnn, recorded, tmp_path):
    io = tmp_path / "io.npz"
    arrays = {
        "input": recorded["frames"][:2, :30].swapaxes(0, 1).astype(np.float32),
        "expected_output": recorded["spikes_single_if4"].swapaxes(0, 1)[:30],
    }
    np.savez(io, **arrays)
    answer = api.verify(scnn, io, nir=NirOptions(library="sinabs"))
    rings = {ring["name"]: ring for ring in answer["rings"]}
    assert rings["3-expected-outputs"]["status"] == "equal"
    assert rings["3-onnxruntime"]["status"] == "skipped"
    assert "NIR" in rings["3-onnxruntime"]["reason"]
    wrong = api.verify(scnn, io, nir=NirOptions(reset="zero"))
    assert wrong["bit_exact"] is False


def test_a_recording_of_a_nir_model_needs_no_batch_axis(scnn, recorded, tmp_path):
    io = tmp_path / "io.npz"
    np.savez(io, x=recorded["frames"][0, :3].astype(np.float32))
    graph = import_model(scnn, NirOptions(library="sinabs")).graph
    assert Recording.read(io, graph.inputs).samples == 1
