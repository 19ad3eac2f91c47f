"""The five-minute start: its events, its training script and the files it left in the package."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "gesture_start"
DEMO = ROOT / "mapper" / "data" / "demo"


@pytest.fixture(scope="module")
def events():
    spec = importlib.util.spec_from_file_location("gesture_start_events", EXAMPLE / "events.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def step_through(model: Path, frames: np.ndarray) -> np.ndarray:
    """Run frames [T, B, 2, 32, 32] through a one-step file; return its spikes [T, B, 6]."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    states = session.get_inputs()[1:]
    batch = frames.shape[1]
    stored = {v.name: np.zeros((batch, *v.shape[1:]), np.float32) for v in states}
    spikes = []
    for frame in frames.astype(np.float32):
        fired, *membranes = session.run(None, {"x": frame, **stored})
        stored = dict(zip(stored, membranes, strict=True))
        spikes.append(fired)
    return np.stack(spikes)


def centre(frames: np.ndarray) -> np.ndarray:
    """Return the median x and y of each step of [T, 32, 32]: [T, 2]; noise hardly moves it."""
    return np.array([[np.median(x), np.median(y)] for y, x in map(np.nonzero, frames)])


@pytest.mark.parametrize("label", ["left", "right", "up", "down", "clockwise", "counter-clockwise"])
def test_a_recording_is_in_order_and_on_the_sensor(events, label):
    recording = events.record(label, np.random.default_rng(0))
    assert recording.dtype == events.EVENT
    assert (np.diff(recording["t_us"]) >= 0).all()
    assert recording["t_us"].min() >= 0
    assert recording["t_us"].max() < 300_000
    assert max(recording["x"].max(), recording["y"].max()) < 32
    assert set(np.unique(recording["polarity"])) == {0, 1}


def test_binning_sets_one_cell_for_any_number_of_events(events):
    recording = np.array([(0, 3, 4, 1), (14_999, 3, 4, 1), (15_000, 5, 6, 0)], events.EVENT)
    frames = events.bin_events(recording)
    assert frames.shape == (20, 2, 32, 32)
    assert np.argwhere(frames).tolist() == [[0, 1, 4, 3], [1, 0, 6, 5]]


def test_a_dataset_is_binary_and_takes_the_classes_in_turn(events):
    frames, labels = events.make_dataset(8, seed=0)
    assert frames.shape == (20, 8, 2, 32, 32)
    assert frames.dtype == np.uint8
    assert set(np.unique(frames)) == {0, 1}
    assert labels.tolist() == [0, 1, 2, 3, 4, 5, 0, 1]


def test_a_seed_fixes_every_event(events):
    first, _ = events.make_dataset(6, seed=5)
    assert np.array_equal(first, events.make_dataset(6, seed=5)[0])
    assert not np.array_equal(first, events.make_dataset(6, seed=6)[0])


def test_the_bright_hand_switches_pixels_on_ahead_and_off_behind(events):
    for label, axis, sign in [("left", 3, -1), ("right", 3, 1), ("up", 2, -1), ("down", 2, 1)]:
        frames = events.bin_events(events.record(label, np.random.default_rng(1)))
        step = int(frames.sum(axis=(1, 2, 3)).argmax())  # the hand is in full view
        off, on = (np.median(np.argwhere(frames[step : step + 1, p])[:, axis - 1]) for p in (0, 1))
        assert np.sign(on - off) == sign, label


def test_clockwise_turns_from_right_to_down(events):
    for label, sign in [("clockwise", 1), ("counter-clockwise", -1)]:
        frames = events.bin_events(events.record(label, np.random.default_rng(2)))
        path = centre(frames.any(axis=1)[1:])
        dx, dy = (path - path.mean(axis=0)).T
        turned = np.diff(
            np.unwrap(np.arctan2(dy, dx))
        ).sum()  # y points down: clockwise is positive
        assert np.sign(turned) == sign, label
        assert abs(turned) > np.pi, label


def test_a_still_sensor_sends_only_noise(events):
    noise = events._noise_events(np.random.default_rng(0))
    expected = 0.4 * 0.3 * 2 * 32 * 32  # events a second, seconds, polarities, pixels
    assert abs(len(noise) - expected) < 5 * np.sqrt(expected)


def test_the_bundled_recording_is_what_the_generator_makes(events):
    with np.load(DEMO / "recording.npz") as recording:
        frames, labels = events.make_dataset(len(recording["labels"]), seed=3)
        assert np.array_equal(recording["x"], frames)
        assert np.array_equal(recording["labels"], labels)


def test_the_bundled_model_scores_what_metrics_json_says():
    metrics = json.loads((EXAMPLE / "metrics.json").read_text(encoding="utf-8"))
    with np.load(DEMO / "recording.npz") as recording:
        spikes = step_through(DEMO / "model.onnx", recording["x"])
        correct = spikes.sum(axis=0).argmax(axis=1) == recording["labels"]
    assert round(correct.mean(), 4) == metrics["bundled_accuracy"]
    assert metrics["held_out_accuracy"] >= 0.9


def test_the_readme_shows_the_measured_accuracy():
    metrics = json.loads((EXAMPLE / "metrics.json").read_text(encoding="utf-8"))
    readme = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    assert f'"held_out_accuracy": {metrics["held_out_accuracy"]},' in readme
    assert f"Training took {metrics['training_seconds']:.0f} seconds" in readme


def test_the_bundled_files_are_small_and_name_no_machine():
    files = [DEMO / "model.onnx", DEMO / "recording.npz"]
    assert sum(file.stat().st_size for file in files) < 300_000
    assert str(ROOT).encode() not in files[0].read_bytes()


def test_train_py_writes_a_model_that_runs(tmp_path):
    pytest.importorskip("torch", reason="training needs the extra: pip install 'spikeloom[train]'")
    command = [sys.executable, "train.py", "--epochs=1", "--train=12", "--held-out=6"]
    done = subprocess.run(
        [*command, "--bundled=6", "--out", tmp_path, "--metrics", tmp_path / "metrics.json"],
        cwd=EXAMPLE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "recording.npz") as recording:
        assert recording["x"].shape == (20, 6, 2, 32, 32)
        spikes = step_through(tmp_path / "model.onnx", recording["x"])
    assert set(np.unique(spikes)) <= {0, 1}
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["held_out_recordings"] == 6
