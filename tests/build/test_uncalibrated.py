"""Readout of one bit or three levels was set on recordings, or a warning says it was not."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import mapper
from mapper import cli
from mapper.recordings import read_arrays
from tests.files import DEMO_MODEL, DEMO_RECORDING

OPTION = "--calibrate RECORDINGS.npz (in Python calibrate=)"


@pytest.mark.parametrize(
    ("target", "warned"),
    [
        ("adcless-diff-64", True),
        ("ternary-diff-64", True),
        ("hpadc-sar5-64", False),
        ("ideal-128", False),
    ],
)
def test_only_sense_amplifiers_need_recordings(target, warned):
    told = mapper.compile(DEMO_MODEL, target).summary.warnings
    assert [OPTION in text for text in told] == [True] * warned


def test_recordings_and_training_for_the_hardware_answer_the_warning():
    few = {"x": read_arrays(DEMO_RECORDING)["x"][:2, :2]}
    build = mapper.compile(DEMO_MODEL, "adcless-diff-64", calibrate=few)
    assert build.mapped.uncalibrated == ()
    forgotten = replace(build.mapped, samples={})
    assert OPTION in forgotten.uncalibrated[0]
    assert replace(forgotten, source={"trained for": "hardware"}).uncalibrated == ()


def test_every_answer_about_the_build_says_so(tmp_path):
    folder = tmp_path / "b"

    def said(*args):
        done = CliRunner().invoke(cli.app, list(map(str, args)))
        assert done.exit_code == 0, done.output
        return done

    done = said("compile", DEMO_MODEL, "--target", "adcless-diff-64", "-o", folder, "--json")
    assert OPTION in json.loads(done.stdout)["warnings"][0]
    done = said("cost", folder)
    assert "warning: not calibrated: " in done.stderr
    assert OPTION in json.loads(said("cost", folder, "--json").stdout)["warnings"][0]
    assert OPTION in json.loads(said("report", folder, "--json").stdout)["warnings"][0]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.index("not calibrated") < page.index("Energy of an inference")
