"""The README's commands run as they stand, and its promises hold."""

import json
import re
import runpy
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mapper import cli, load
from mapper.demo import DEMO_TARGETS
from passes import PIPELINE
from tests.files import DEMO

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    (block,) = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    return [shlex.split(line) for line in block.splitlines()]


def test_the_commands_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "mapper" / "data"
    data.mkdir(parents=True)
    (data / "demo").symlink_to(DEMO)
    for program, *args in commands():
        assert program == "spikeloom"
        done = CliRunner().invoke(cli.app, args)
        assert done.exit_code == 0, (args, done.output)


def python_blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_python_it_shows_runs_and_gives_the_numbers_beside_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "mapper" / "data"
    data.mkdir(parents=True)
    (data / "demo").symlink_to(DEMO)
    first, _ = python_blocks()
    (tmp_path / "shown.py").write_text(first, encoding="utf-8")
    ran = runpy.run_path("shown.py")
    assert (ran["x"].shape, ran["labels"].shape) == ((20, 18, 2, 32, 32), (18,))
    assert round(ran["run"].accuracy(ran["labels"]), 2) == 0.89
    assert ran["build"].verify(ran["x"][:, :2]).bit_exact
    assert load(tmp_path / "build" / "gesture").hardware.name == "model"


def test_the_training_it_shows_runs_and_what_it_exports_compiles(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="needs the extra 'train'")
    monkeypatch.chdir(tmp_path)
    _, training = python_blocks()
    (tmp_path / "shown.py").write_text(training, encoding="utf-8")
    runpy.run_path("shown.py")
    args = ["compile", "trained.onnx", "--target", "adcless-64", "-o", "build", "--json"]
    done = CliRunner().invoke(cli.app, args)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["calibrated"] is False


def test_the_accuracies_it_shows_are_those_of_the_results():
    text = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `adcless-diff-64` \| (.*?) \|$", text, re.MULTILINE)
    held = [row.split(" | ") for row in rows]  # float, 4 bits, 5-bit ADC, not retrained, staged
    expected = {(row[0], row[3], row[4]) for row in held}
    block = README.partition("1 bit, staged |\n")[2].partition("\n\n")[0]
    shown = {tuple(line.strip("| ").split(" | ")[1:]) for line in block.splitlines()[1:]}
    assert shown == expected


def test_every_command_is_listed():
    names = {command.name for command in cli.app.registered_commands} - {"demo"}
    missing = [name for name in names if f"`spikeloom {name}" not in README]
    assert missing == []


@pytest.mark.parametrize(
    "path", re.findall(r"`((?:docs|mapper|passes|targets|examples)/[^` ]*)`", README)
)
def test_every_file_it_names_exists(path):
    assert (ROOT / path).exists()


def test_the_targets_of_the_demo_are_the_ones_shown():
    assert all(re.search(rf"^{name} +yes", README, re.MULTILINE) for name in DEMO_TARGETS)


def test_the_inexact_passes_are_the_ones_the_semantics_name():
    text = (ROOT / "docs" / "semantics.md").read_text(encoding="utf-8")
    assert all(f"`{kind.name}`" in text for kind in PIPELINE if not kind.exact)
