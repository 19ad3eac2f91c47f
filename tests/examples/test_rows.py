"""Rows of published tables: what is measured, counted by hand, and how it is printed."""

import importlib

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra 'train'")

import torch

from examples.rows import FlowRows, GestureRows, ratios
from mapper.training import over_time
from mapper.training.hardening.recorded import RecordedFlow, frame_errors
from tests.training import layouts


def test_windows_of_a_section_vote_by_their_sums():
    # Three windows: sections 0, 0, 2 of classes 1, 1, 0. The first is wrong alone: 3 against 2.
    x = torch.zeros(2, 3, 2, 4, 4, dtype=torch.uint8)
    rows = GestureRows(
        x=x,
        labels=torch.tensor([1, 1, 0]),
        sections=torch.tensor([0, 0, 2]),
        trials=(98, 24),
        listed=3,
    )
    sums = torch.tensor([[3.0, 2.0, 0.0], [0.0, 4.0, 0.0], [1.0, 0.0, 2.0]])
    found = rows.measure(lambda x: torch.stack([sums / 4, sums * 3 / 4]))
    assert (found["sections_right"], found["sections_of"]) == (1, 2)
    assert (found["windows_right"], found["windows_of"]) == (1, 3)
    lines = rows.text({"float": found}).splitlines()
    assert lines[0].endswith(
        "24 of 24 trials to test, 98 of 98 to train; 4x4, 2 steps a window of 1 s"
    )
    assert lines[2].split("  ")[1].strip() == "here, float"
    assert "50.0 % (1 of 2, 95 %: 9.5 .. 90.5)" in lines[2]
    assert lines[2].endswith("this run; windows 33.3 % of 3")
    assert " ".join(lines[3].split()) == "sections 2 of 3 those of a whole window or more"
    assert "96.5 %" in lines[4]
    assert "of 11 classes as its abstract says" in lines[4]


def test_errors_of_a_frame_are_a_mean_of_means():
    # Frame 0: errors 5 (3, 4) and 0; frame 1: 1; frame 2 has no pixel; frame 3: 3 and below.
    output = torch.zeros(2, 4, 2, 1, 2)
    flow = torch.zeros(4, 2, 1, 2)
    flow[3, 0, 0] = torch.tensor([3.0, 2.999])
    flow[0, :, 0, 0] = torch.tensor([3.0, 4.0])
    flow[1, 0, 0, 0] = 1.0
    mask = torch.tensor([[[True, True]], [[True, False]], [[False, False]], [[True, True]]])
    errors, outliers = frame_errors(output, flow, mask)
    assert errors == pytest.approx([2.5, 1.0, 2.9995], abs=1e-5)
    assert outliers == [0.5, 0.0, 0.5]


class Still:
    """A recording of n intervals that move by its number of pixels."""

    def __init__(self, n: int, moved: float) -> None:
        self.n, self.moved = n, moved

    def __len__(self) -> int:
        return self.n

    def spread(self, most: int) -> np.ndarray:
        return np.arange(min(most, self.n))

    def read(self, chosen) -> tuple[np.ndarray, ...]:
        x = np.full((5, len(chosen), 4, 2, 2), 9, np.uint8)
        x[0, :, 0, 0, 0] = chosen
        flow = np.full((len(chosen), 2, 2, 2), 0, np.float32)
        flow[:, 0] = self.moved
        return x, flow, np.ones((len(chosen), 2, 2), bool)


def test_an_epoch_draws_intervals_and_none_twice():
    task = RecordedFlow(
        "a", Still(7, 1.0), (Still(3, 2.0), Still(9, 4.0)), 250, each_epoch=5, batch=2
    )
    seen = [x[0, :, 0, 0, 0].tolist() for x, _ in task.batches(epoch=0, seed=3)]
    assert [len(part) for part in seen] == [2, 2, 1]
    assert len({number for part in seen for number in part}) == 5
    again = [x[0, :, 0, 0, 0].tolist() for x, _ in task.batches(epoch=0, seed=3)]
    other = [x[0, :, 0, 0, 0].tolist() for x, _ in task.batches(epoch=1, seed=3)]
    assert seen == again != other
    held = list(RecordedFlow("a", Still(7, 1.0), task.test, 3, held=4).held_out())
    assert [(x.shape[1], float(x.max()), float(flow.max())) for x, (flow, _) in held] == [
        (2, 3.0, 2.0),
        (2, 3.0, 4.0),
    ]


def test_a_sequence_has_its_own_error():
    tests = {"outdoor_day1": Still(3, 2.0), "indoor_flying1": Still(9, 4.0)}
    task = RecordedFlow("a", Still(7, 1.0), tuple(tests.values()), 3, batch=2)
    rows = FlowRows(task=task, tests=tests, frames=4, size=256, apart=4, network="sfn")
    found = rows.measure(lambda x: torch.zeros(5, x.shape[1], 2, 2, 2))
    assert found["outdoor_day1"] == {"aee": pytest.approx(2.0), "outliers": 0.0, "frames": 3}
    assert found["indoor_flying1"] == {"aee": pytest.approx(4.0), "outliers": 1.0, "frames": 4}
    lines = rows.text({"float": found}).splitlines()
    assert lines[0].endswith("; no published errors at dt=4 are kept here")
    assert [line.split() for line in lines[1:]] == [
        ["network", "outdoor_day1", "indoor_flying1", "source"],
        ["here,", "float", "2.00", "4.00", "this", "run"],
        ["errors", "of", "3", "pixels", "or", "more", "0.00", "%", "100.00", "%"],
        ["frames", "3", "of", "3", "4", "of", "9"],
    ]


def test_the_recordings_of_both_examples_become_tables(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs the extra 'train'")
    flow, gesture = (
        importlib.import_module(f"examples.{name}.run") for name in ("optical_flow", "gesture")
    )
    data = layouts.mvsec_folder(tmp_path / "mvsec", h5py)
    command = ["--tiny", "-o", "x", "--data", str(data)]
    example = flow.make(flow.options().parse_args([*command, "--network", "SFN"]))
    x, (wanted, _) = next(example.task.batches(0, 0))
    assert over_time(example.model, x).shape == (5, *wanted.shape)
    example = flow.make(flow.options().parse_args(command))
    zero = example.rows.measure(lambda x: torch.zeros(5, x.shape[1], 2, 16, 16))
    # 1.6 right and 0.8 up in 40 ms, on all pixels with events.
    assert [cell["aee"] for cell in zero.values()] == pytest.approx(
        [np.hypot(1.6, 0.8)] * 4, rel=1e-5
    )
    text = example.rows.text({"float": zero})
    assert "of FireFlowNet, dt=1, central 16x16" in text
    assert "not to be compared" in text
    assert text.count("quoted, not checked against the paper") == 2
    assert "does not give its 0.49 on outdoor_day1\n" in text
    assert "no published errors" not in text

    data = layouts.gesture_folder(tmp_path / "gestures")
    example = gesture.make(gesture.options().parse_args(["--tiny", "-o", "x", "--data", str(data)]))
    found = example.rows.measure(lambda x: torch.zeros(20, x.shape[1], 11))
    assert (found["sections_of"], found["windows_of"]) == (2, 3)
    text = example.rows.text({"float": found})
    assert "1 of 24 trials to test, 2 of 98 to train" in text
    assert text.splitlines()[3].split()[:4] == ["sections", "2", "of", "3"]


def test_intervals_that_are_left_out_are_counted(tmp_path, capsys, monkeypatch):
    h5py = pytest.importorskip("h5py", reason="needs the extra 'train'")
    flow = importlib.import_module("examples.optical_flow.run")
    data = layouts.mvsec_folder(tmp_path, h5py)
    monkeypatch.setattr(flow.mvsec, "MOST_EVENTS", 4)  # two intervals of each sequence have five
    flow.make(flow.options().parse_args(["--tiny", "-o", "x", "--data", str(data)]))
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 5
    said = "2 intervals with over 4 events an image are left out, 1 are used"
    assert told[0] == f"outdoor_day2: {said}"


def test_ratios_stand_beside_those_of_the_reference():
    found = {"energy_uj": 1.5, "latency_us": 9.0, "area_mm2": 1.0}
    x, none = torch.zeros(2, 1, 2, 128, 128), torch.zeros(1)
    rows = GestureRows(x=x, labels=none, sections=none, trials=(1, 1), listed=1)
    lines = ratios(found, rows, ("mine", "theirs")).splitlines()
    assert [" ".join(line.split()) for line in lines[2:]] == [
        "here, 128x128, measured activity 1.50 9.00 mine against theirs",
        "reference, DVSNet, 64x64 4.48 12.8 its simulator, half of the inputs active "
        "(docs/cost.md)",
        "reference, all networks 2 to 7 8.9 to 24.6 arXiv 2211.02167, abstract",
    ]
