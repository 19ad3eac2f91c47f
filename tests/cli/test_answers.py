"""What every command answers on the bundled network: its JSON and its table, byte for byte."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mapper import cli, load
from mapper.build.folder import check_replaceable
from mapper.demo import DEMO_TARGETS
from mapper.kernels.core import unavailable
from mapper.verify.record import recall
from mapper.writing import json_text
from tests.files import DEMO_MODEL, DEMO_RECORDING

ANSWERS = Path(__file__).parents[1] / "golden" / "answers"
"""``<name>.json`` and ``<name>.txt``, as the commands wrote them before answers were classes."""

Check = Callable[[str, list[str]], None]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Check:
    """Run a command; compare what it prints, and its answer as ``--json`` has it, with the files.

    That ``--json`` prints the answer of the same call is the frame's (``test_json_is_the_answer``).
    """
    monkeypatch.chdir(tmp_path)
    shutil.copy(DEMO_MODEL, "model.onnx")
    shutil.copy(DEMO_RECORDING, "recording.npz")
    update = request.config.getoption("--update-golden")

    def run(name: str, args: list[str]) -> None:
        done = CliRunner().invoke(cli.app, args, standalone_mode=False)
        assert done.exit_code == 0, (args, done.output)
        answer = json_text(done.return_value.as_dict()) + "\n"
        for ending, found in (("json", answer), ("txt", done.stdout)):
            text, path = _of_any_machine(found), ANSWERS / f"{name}.{ending}"
            if update:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            assert text == path.read_text(encoding="utf-8"), path.name

    return run


def _of_any_machine(text: str) -> str:
    """Leave out which instructions the processor has, and what hashes are of: bytes of files."""
    text = re.sub(r'"variant": "\w+"', '"variant": "any"', text)
    return re.sub(r"\b[0-9a-f]{64}\b", "SHA-256", text)


def test_json_is_the_answer(tmp_path):
    shutil.copy(DEMO_MODEL, tmp_path / "model.onnx")
    args = ["inspect", str(tmp_path / "model.onnx"), "--target", "adcless-64"]
    answer = CliRunner().invoke(cli.app, args, standalone_mode=False).return_value
    printed = CliRunner().invoke(cli.app, [*args, "--json"]).stdout
    assert printed == json_text(answer.as_dict()) + "\n"


def test_answers_about_a_model(check):
    check("inspect", ["inspect", "model.onnx"])
    check("inspect-target", ["inspect", "model.onnx", "--target", "adcless-64"])
    check("verify-model", ["verify", "model.onnx", "--input", "recording.npz"])
    check("export", ["export", "model.onnx", "-o", "canonical.onnx"])


def test_answers_about_a_build(check):
    built = ["--calibrate", "recording.npz", "-o", "build"]
    check("compile", ["compile", "model.onnx", "--target", "adcless-64", *built])
    recorded = ["--input", "recording.npz"]
    check("run", ["run", "build", *recorded, "--output", "y.npz", "--trace", "--backend", "numpy"])
    check("cost", ["cost", "build", "--activity", "0.2", "--steps", "4", "--preset", "paper"])
    counted = ["--activity", "y.trace.npz"]
    check("cost-counted", ["cost", "build", *counted, "--sensitivity", "--details"])
    check("report", ["report", "build"])
    check("verify-build", ["verify", "build", *recorded, "--model", "model.onnx"])
    check("report-verified", ["report", "build", "-o", "page.html", *counted])
    check("report-input", ["report", "build", "-o", "page.html", *recorded])
    other = ["--weight-bits", "3", "-o", "other"]
    check("compile-other", ["compile", "model.onnx", "--target", "hpadc-flash5-64", *other])
    check("compare-builds", ["compare", "build", "other", *recorded, "-o", "sides"])


def test_answers_of_the_native_backend(check):
    if unavailable():
        pytest.skip(unavailable())
    built = ["--calibrate", "recording.npz", "-o", "build"]
    check("compile", ["compile", "model.onnx", "--target", "adcless-64", *built])
    recorded = ["--input", "recording.npz"]
    check("run-native", ["run", "build", *recorded, "--output", "y.npz", "--backend", "native"])


def test_answers_about_targets_side_by_side(check):
    on = ["--targets", "hpadc-flash5-64,adcless-64"]
    recorded = ["--input", "recording.npz", "-o", "sides"]
    check("compare-targets", ["compare", "model.onnx", *on, *recorded])


def test_answers_about_figures(check):
    pytest.importorskip("vl_convert", reason="needs the extra 'figures'")
    built = ["--calibrate", "recording.npz", "-o", "build"]
    check("compile", ["compile", "model.onnx", "--target", "adcless-64", *built])
    check("figures", ["figures", "build", "-o", "figs"])


def test_answers_about_what_there_is(check):
    check("targets", ["targets"])
    check("targets-one", ["targets", "mixed-64"])
    check("components", ["targets", "--components"])
    check("components-one", ["targets", "--components", "aladdin-40nm"])
    check("passes", ["passes"])
    check("passes-one", ["passes", "tile-rows"])


def test_the_answer_of_the_demo_and_what_it_leaves(check):
    check("demo", ["demo", "-o", "demo"])
    for name in DEMO_TARGETS:
        assert Path("demo", name, "report.html").is_file()
    check_replaceable(Path("demo"))  # a second run would put its own in their place
    assert recall(Path("demo/adcless-64")).files.keys() == {"input", "model"}
    folder = Path("demo/hpadc-sar5-64")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Nothing was" not in page
    assert "18 samples of 20 time steps, of which the mapping is right on 100.0 % (18 of" in page
    load(folder, page=True)
