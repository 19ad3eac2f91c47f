"""NIR files on the command line: options, warnings on stderr, refusals."""

import json

import nir
import numpy as np
import pytest
from typer.testing import CliRunner

from mapper import cli
from tests.files import DEMO_MODEL
from tests.frontend.nir_models import chain, full, lif, saved

RUNNER = CliRunner()
GIVEN = ("--dt", "0.01", "--reset", "subtract", "--integration", "exponential")


def run(*args, code=0):
    done = RUNNER.invoke(cli.app, [str(arg) for arg in args])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture
def model(tmp_path):
    weights = nir.Linear(weight=np.eye(2))
    return saved(tmp_path, chain([2], weights, lif(2, tau=full(0.02, 2), r=full(1, 2))))


@pytest.fixture
def recording(tmp_path):
    np.savez(tmp_path / "io.npz", input=np.ones((3, 1, 2), np.float32))
    return tmp_path / "io.npz"


def test_inspect_shows_assumptions(model):
    text = run("inspect", model).stdout
    assert "nir 1.0.8" in text
    assert text.count("warning:") == 2
    answer = json.loads(run("inspect", model, "--json").stdout)
    assert answer["opset"] is None
    assert len(answer["warnings"]) == 2


def test_inspect_takes_options(model):
    answer = json.loads(run("inspect", model, *GIVEN, "--json").stdout)
    assert answer["warnings"] == []
    layer = answer["layers"][-1]
    assert layer["parameters"]["leak"] == np.float32(np.exp(-0.5))
    assert layer["reset"]["kind"] == "subtract"


@pytest.mark.parametrize("options", [(), GIVEN])
def test_other_commands_take_options_and_warn_on_stderr(options, model, recording, tmp_path):
    out = ("-o", tmp_path / "out")
    for args, code in (
        (("compile", model, "--target", "ideal-128", *out), 0),
        (("compare", model, "--targets", "ideal-128"), 0),
        (("verify", model, "--input", recording), 1),  # no engine is there to compare with
    ):
        done = run(*args, *options, "--json", code=code)
        told = json.loads(done.stdout).get("warnings", ())
        assert done.stderr.count("warning:") == len(told)
        told = [warning for warning in told if "silent" not in warning]  # on this recording
        assert len(told) == (0 if options else 2)


def test_options_with_an_onnx_file_are_refused():
    done = run("inspect", DEMO_MODEL, "--library", "norse", code=1)
    assert "error[nir-option]" in done.stderr


def test_no_engine_is_a_reference_for_nir(model, recording):
    answer = json.loads(run("verify", model, "--input", recording, "--json", code=1).stdout)
    assert answer["verdict"] == "nothing was compared"
    skipped = [ring for ring in answer["rings"] if ring["status"] == "skipped"]
    assert ["NIR" in ring["reason"] for ring in skipped] == [True]
