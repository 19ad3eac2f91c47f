"""The examples of training run to their end at sizes that learn nothing."""

import argparse
import importlib
import json
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra 'train'")

import torch

from examples import pipeline
from examples.nmnist import assign
from mapper import inspect
from mapper.training.hardening.stages import staged
from mapper.training.hardening.tasks import Classification
from targets.devices import load_device
from tests.training import layouts
from tests.training.layouts import nmnist_event

ROOT = Path(__file__).resolve().parents[2]


def run(name: str, *arguments: str) -> int:
    module = importlib.import_module(f"examples.{name}.run")
    return pipeline.main(module.options().parse_args(arguments), module.make)


def some_digits(folder: Path) -> Path:
    """Write N-MNIST's original folders, two events a recording at a place of its class."""
    for part in ("Train", "Test"):
        for label in range(10):
            (folder / part / str(label)).mkdir(parents=True)
            for copy in range(4):
                events = nmnist_event(3 * label, 5, 1, 9) + nmnist_event(3 * label, copy, 0, 99_999)
                (folder / part / str(label) / f"{copy}.bin").write_bytes(events)
    return folder


def recordings(name: str, folder: Path) -> Path:
    """Write small files in the layout that the data set of an example is published in."""
    if name == "optical_flow":
        h5py = pytest.importorskip("h5py", reason="needs the extra 'train'")
        return layouts.mvsec_folder(folder, h5py)
    return some_digits(folder) if name == "nmnist" else layouts.gesture_folder(folder)


@pytest.mark.slow
def test_the_float_network_of_digits_is_written_for_assign(tmp_path):
    data = some_digits(tmp_path / "data")
    assert assign.main(["--tiny", "-o", str(tmp_path / "out"), "--data", str(data)]) == 0
    inspected = inspect(tmp_path / "out" / "float.onnx", assign.TARGET)
    assert [row.macro for row in inspected.mapping.grids] == ["sar6-64"] * 3
    with np.load(tmp_path / "out" / "held_out.npz") as held:
        assert held["x"].shape[1:] == (40, 2, 34, 34)
        assert held["labels"].shape == (40,)
    assert assign.main(["-o", str(tmp_path / "out"), "--data", str(tmp_path / "none")]) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["nmnist", pytest.param("gesture", marks=pytest.mark.campaign(0)), "optical_flow"]
)
def test_an_example_on_published_layouts_ends_in_equal_rings(tmp_path, capsys, name):
    data = recordings(name, tmp_path / "data")
    out = tmp_path / "out"
    assert run(name, "--tiny", "-o", str(out), "--data", str(data)) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert list(summary["scores"]) == ["float", "target"]
    assert summary["bit_exact"]
    for target, row in summary["targets"].items():
        assert row["rings"]["7-trained-export"] == "equal"
        assert row["energy_uj"] > 0
        assert (out / f"{target}.html").is_file()
    printed = capsys.readouterr().out
    assert "HP-ADC over ADC-less" in printed
    if name == "nmnist":
        return
    assert list(summary["published"]) == ["float", "target, adcless-diff-64"]
    assert "here, target, adcless-diff-64" in printed
    assert "8.9 to 24.6" in printed


@pytest.mark.parametrize("name", ["nmnist", "gesture", "optical_flow"])
def test_a_wrong_folder_is_told_without_a_traceback(tmp_path, capsys, name):
    assert run(name, "--data", str(tmp_path), "-o", str(tmp_path / "out")) == 1
    told = capsys.readouterr().err
    assert told.startswith("error[no-data-set]: ")
    assert "help: " in told
    assert not (tmp_path / "out").exists()


def test_a_run_that_is_stopped_says_how_to_go_on(tmp_path, capsys):
    def stopped(options: argparse.Namespace) -> pipeline.Example:
        raise KeyboardInterrupt

    options = pipeline.parser("", "").parse_args(["-o", str(tmp_path / "out")])
    assert pipeline.main(options, stopped) == 130
    assert capsys.readouterr().err.startswith("stopped: the same command goes on after")


@pytest.mark.parametrize("name", ["gesture", "optical_flow"])
def test_synthetic_recordings_have_no_published_row(name):
    module = importlib.import_module(f"examples.{name}.run")
    example = module.make(module.options().parse_args(["--tiny", "-o", "x"]))
    text = pipeline.published(example, {})
    assert text.startswith("These recordings are synthetic and have no row in a published table.")
    assert str(example.real) in text
    assert text.endswith("; then --data FOLDER\n")


@pytest.mark.parametrize("name", ["nmnist", "gesture", "optical_flow"])
def test_the_readme_gives_commands_that_parse(name):
    readme = (ROOT / "examples" / name / "README.md").read_text(encoding="utf-8")
    commands = re.findall(rf"^python -m examples\.{name}\.run (.*)$", readme, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        assert pipeline.parser("", "").parse_args(command.split()).out


def an_example(options: argparse.Namespace) -> pipeline.Example:
    x = torch.zeros(2, 4, 1, 6, 6), torch.zeros(4, dtype=torch.int64)
    return pipeline.Example(
        model=torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(36, 3)),
        task=Classification("none", x, x),
        schedule=staged(1, 1, target=1),
        metric="accuracy",
    )


def chosen(*arguments: str) -> pipeline.Example:
    options = pipeline.parser("", "").parse_args(["-o", "x", *arguments])
    return pipeline.chosen(an_example(options), options)


def test_chips_of_a_device_are_a_last_stage():
    assert [stage.name for stage in chosen().schedule] == ["float", "quantised", "target"]
    example = chosen("--target", "adcless-64", "--device", "pcm", "--age", "60", "--dies", "7")
    last = example.schedule[-1]
    assert (example.target, last.name, last.kind) == ("adcless-64", "dies", "target")
    assert (last.device, last.age, last.epochs) == (load_device("pcm"), 60, 7)
    last = chosen("--set", "amplifier.offset=1", "--set", "cell.sigma=0.2").schedule[-1]
    changed = {"amplifier.offset": 1.0, "cell.sigma": 0.2}
    assert last.device == load_device("ideal").with_set(changed)
    assert last.epochs == chosen().schedule[-1].epochs


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (["--device", "rram-wam"], "unknown-device"),
        (["--set", "amplifier.ofset=1"], "device-setting"),
        (["--target", "adcless-63"], "unknown-target"),
    ],
)
def test_chips_that_there_are_not_are_told_without_a_traceback(tmp_path, capsys, wrong, code):
    options = pipeline.parser("", "").parse_args(["-o", str(tmp_path / "out"), *wrong])
    assert pipeline.main(options, an_example) == 1
    assert capsys.readouterr().err.startswith(f"error[{code}]: ")


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ("--frames", ("0", "-1", "1.5", "9" * 5000)),
        ("--apart", ("0", "-1", "9")),
        ("--dies", ("0", "1000001")),
        ("--threads", ("0", "1025")),
        ("--seed", ("-1", str(2**31))),
        ("--age", ("-1", "nan", "inf")),
    ],
)
def test_numbers_of_the_command_line_have_ends(capsys, option, wrong):
    options = importlib.import_module("examples.optical_flow.run").options()
    for text in wrong:
        with pytest.raises(SystemExit):
            options.parse_args(["-o", "x", f"{option}={text}"])
        assert f"argument {option}: " in capsys.readouterr().err
    with pytest.raises(SystemExit):
        options.parse_args(["-o", "x", "--apart=9"])
    assert "argument --apart: 9 is not within 1 to 8" in capsys.readouterr().err


def test_a_table_names_what_it_shows():
    row = {
        "crossbars": 7,
        "energy_uj": 1.5,
        "latency_us": 2.5,
        "rings": {"7-trained-export": "equal"},
    }
    summary = {
        "task": "a task",
        "metric": "accuracy",
        "scores": {"float": 0.5},
        "targets": {"a-chip": row},
        "ratio": dict.fromkeys(("energy_uj", "latency_us", "area_mm2"), np.float64(2)),
    }
    assert pipeline.table(summary).splitlines()[3].split() == [
        "a-chip",
        "7",
        "1.500",
        "2.50",
        "equal",
    ]
