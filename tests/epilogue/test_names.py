"""Names that drive a terminal come out as escapes, of every command and answer."""

import numpy as np
import pytest
from typer.testing import CliRunner

import mapper
from mapper import cli
from tests.epilogue.heads import recording, step_model
from tests.frontend.models import node, saved

EVIL = "\x1b[2Jy\x07\u202e"
SHOWN = "\\x1b[2Jy\\x07\\u202e"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model whose outputs, weights and neurons are so called, its recording and its build."""
    place = tmp_path_factory.mktemp("names")
    outputs = {EVIL: [1, 4], "\x1b[31mz": [1, 4]}
    head = [node("Tanh", "z", EVIL), node("Identity", "z", "\x1b[31mz")]
    proto = step_model(head, {}, outputs)
    for held in proto.graph.node:
        held.name = f"\x1b[1m{held.op_type}"
    saved(proto, place)
    np.savez(place / "x.npz", **recording())
    build = mapper.compile(place / "model.onnx", "adcless-64", calibrate=recording())
    build.save(place / "build")
    return place


@pytest.mark.parametrize(
    "words",
    [
        "inspect model.onnx",
        "inspect model.onnx --target adcless-64",
        "compile model.onnx --target ideal-128 -o other --print-after quantize-neurons",
        "verify build --input x.npz --model model.onnx",
        "run build --input x.npz --output y.npz --trace",
        "cost build --details",
        "compare model.onnx --targets adcless-64,ideal-128",
        "energy-table model.onnx --targets adcless-64",
        "export model.onnx -o hardware.onnx",
    ],
)
def test_no_command_prints_control_characters(words, folder, monkeypatch):
    monkeypatch.chdir(folder)
    ran = CliRunner().invoke(cli.app, words.split())
    assert ran.exit_code == 0, ran.output
    assert "\x1b" not in ran.output
    assert "\u202e" not in ran.output
    assert "\x07" not in ran.output


def test_answers_show_control_characters_as_escapes(folder):
    build = mapper.load(folder / "build")
    run = build.run(recording())
    assert SHOWN in repr(run)
    told = map(repr, (run, build, build.summary, build.verify(recording()), build.cost()))
    assert "\x1b" not in "".join(told)
    assert SHOWN in run._repr_html_()
