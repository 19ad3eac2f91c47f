"""Trials of one bit: what is kept of them, and that they go on and never see the test set."""

import json
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="needs the extra 'train'")

import torch

from benchmarks import one_bit_trials
from benchmarks.accuracy_settings import SETTINGS
from tests.benchmarks.test_accuracy import a_place

ROW = {
    "task": "flow-narrow",
    "target": "adcless-diff-64",
    "seed": 0,
    "idea": "taught",
    "epochs": [45, 18],
    "metric_name": "endpoint error",
    "metric": 0.9,
    "float": 0.8,
}


def test_a_row_takes_the_place_of_an_earlier_one(tmp_path):
    path = tmp_path / "new" / "rows.json"
    other = {**ROW, "idea": "long", "metric": 1.0}
    for row in (ROW, other, {**ROW, "metric": 0.88}):
        one_bit_trials.keep(path, row)
    held = json.loads(path.read_text())
    assert held["schema"] == "spikeloom/one-bit-trials/1"
    assert [row["metric"] for row in held["rows"]] == [1.0, 0.88]
    assert one_bit_trials.read(path) == held["rows"]


def test_the_table_says_how_far_a_row_is_from_float():
    counted = {**ROW, "metric_name": "accuracy", "metric": 0.956, "float": 0.944}
    lines = one_bit_trials.table([ROW, counted]).splitlines()
    named = "| flow-narrow, `adcless-diff-64`, 0 | taught | 45 + 18 |"
    assert lines[0].endswith("| epochs | score | float | against its teacher |")
    assert lines[2:] == [
        f"{named} 0.900 | 0.800 | -12.5 % |",
        f"{named} 0.956 | 0.944 | +1.2 points |",
    ]


def test_ideas_are_stages_of_the_same_length_that_say_what_they_decide():
    setting, teacher = SETTINGS["flow-narrow"], SETTINGS["flow-narrow"].model()
    stages = {name: idea.stage(setting, teacher) for name, idea in one_bit_trials.IDEAS.items()}
    assert {(s.kind, s.epochs) for s in stages.values()} == {("target", 18)}
    assert stages["slow"] == replace(stages["long"], rate=2e-3)
    assert stages["taught"] == replace(stages["long"], teacher=teacher)
    assert stages["averaged"] == replace(stages["long"], averaged=5)
    assert all(idea.decides.startswith("whether ") for idea in one_bit_trials.IDEAS.values())


def without_test_set(monkeypatch) -> None:
    """Leave no test part in what is loaded: whatever touches it fails."""
    whole = one_bit_trials.load
    monkeypatch.setattr(one_bit_trials, "load", lambda *args: replace(whole(*args), test=None))


def test_what_trials_are_given_has_nothing_of_the_test_set(tmp_path, monkeypatch):
    place = a_place(tmp_path)
    without_test_set(monkeypatch)
    setting = place.settings["nmnist"]
    data = one_bit_trials.load(setting, place.data)
    task = one_bit_trials.split(setting, data, validate=True).whole
    given = torch.cat([task.train[0], task.test[0]], dim=1)
    assert torch.equal(given, torch.from_numpy(data.train.x))


def test_settings_of_the_gradient_have_folders_of_their_own(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(one_bit_trials.Sharpening, "train", lambda run: kept.append(run.folder))
    place = a_place(tmp_path)
    trials = one_bit_trials.Trials(
        setting=place.settings["nmnist"],
        task=None,
        target="adcless-diff-64",
        seed=0,
        work=tmp_path,
    )
    stage = one_bit_trials.FLOAT.stage(trials.setting)
    for sharpest in (1.0, 0.3, 0.5):
        trials._trained(stage, "sharper", sharpest)
    assert [folder.name for folder in kept] == ["0-sharper", "0-sharper-0.3", "0-sharper-0.5"]


@pytest.mark.campaign(0)
def test_trials_run_on_held_back_training_recordings(tmp_path, capsys, monkeypatch):
    place = a_place(tmp_path)
    without_test_set(monkeypatch)
    asked = ["--task", "nmnist", "--smoke", "--data", str(place.data)]
    asked += ["--work", str(tmp_path / "work"), "-o", str(tmp_path / "rows.json")]
    assert one_bit_trials.main([*asked, "--idea", "taught", "--idea", "sharper"]) == 0
    rows = one_bit_trials.read(tmp_path / "rows.json")
    assert [row["idea"] for row in rows] == ["sharper", "taught"]
    held = json.loads(
        (tmp_path / "work" / "nmnist" / "adcless-diff-64" / "0-taught" / "metrics.jsonl")
        .read_text()
        .splitlines()[-1]
    )
    assert held["metric_of"] == 4  # a fifth of 20 training recordings
    assert "nmnist adcless-diff-64 seed 0 taught: 0." in capsys.readouterr().out
