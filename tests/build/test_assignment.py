"""Builds of layers that were decided: written, read back and verified like any other."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mapper.build.folder import read_build, write_build
from mapper.build.make import make_build
from mapper.build.model import Build
from mapper.build.summary import CompileSummary
from mapper.diagnostics import MappingError
from mapper.frontend import describe, import_model
from mapper.ir.assignment import DIGITAL, Assignment, Choice
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.synapses import Linear
from mapper.recordings import read_arrays
from mapper.verify.build import verify_build
from targets import load_target
from tests.files import DEMO_MODEL, DEMO_RECORDING

CODES = {"x": read_arrays(DEMO_RECORDING)["x"][:6, :2].astype(np.int64)}
DECIDED = Assignment(
    layers={"/conv1/Conv": Choice(weight_bits=6), "/fc/Gemm": Choice(macro=DIGITAL)}
)


def built(assignment: Assignment, target: str = "adcless-64", bits: int | None = None) -> Build:
    made = make_build(
        import_model(DEMO_MODEL), load_target(target), bits, None, source={}, assignment=assignment
    )
    assert made is not None
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("assigned") / "build"
    write_build(built(DECIDED), out)
    return out


def test_every_ring_of_a_build_of_decided_layers_is_equal(folder):
    """Ring 2 runs the passes again: from the network that the folder has, with its assignment."""
    build = read_build(folder)
    layers = [op for op in build.hardware.ops if isinstance(op, CrossbarMvm)]
    assert [op.encoding.weight_bits for op in layers] == [6, 4]
    assert [type(op) for op in build.hardware.ops if isinstance(op, Linear)] == [Linear]
    verified = verify_build(build, CODES, CODES)
    ran = {ring.name: ring.status for ring in verified.rings if ring.status != "skipped"}
    assert ran.pop("8-inexact-passes") == "measured"
    assert set(ran.values()) == {"equal"}
    assert {"2-exact-passes", "4-executor", "6-lowered-onnx"} <= set(ran)


def test_the_folder_says_what_was_decided(folder):
    data = json.loads((folder / "mapping.json").read_text())
    decided = {
        "weight_bits": None,
        "layers": {"/conv1/Conv": {"weight_bits": 6}, "/fc/Gemm": {"macro": "digital"}},
    }
    assert data["network"]["assignment"] == data["hardware"]["assignment"] == decided
    assert data["weight_bits"] == 6  # the widest


def test_the_page_says_what_was_decided_and_which_command_leaves_it_out(folder):
    page = (folder / "report.html").read_text()
    assert "4- to 6-bit weights" in page
    assert 'assigned, /conv1/Conv</th><td class="wrap">6-bit weights</td>' in page
    assert 'assigned, /fc/Gemm</th><td class="wrap">digital</td>' in page
    assert "--target adcless-64 --assign assigned.toml -o BUILD" in page
    assert "[layer.&#34;/conv1/Conv&#34;]\nweight_bits = 6" in page


def test_a_summary_says_how_wide_weights_are():
    assert "4- to 6-bit weights" in repr(CompileSummary(build=built(DECIDED)))
    same = Assignment(layers={"/conv1/Conv": Choice(weight_bits=6)}, weight_bits=6)
    assert "chip, 6-bit weights" in repr(CompileSummary(build=built(same)))


def test_a_width_for_all_layers_leaves_those_with_their_own():
    build = built(DECIDED, bits=5)
    layers = [op for op in build.hardware.ops if isinstance(op, CrossbarMvm)]
    assert [op.encoding.weight_bits for op in layers] == [6, 5]
    assert build.network.assignment.weight_bits == 5


def test_a_build_left_to_the_compiler_has_no_assignment(tmp_path):
    write_build(built(Assignment()), tmp_path / "build")
    text = (tmp_path / "build" / "mapping.json").read_text()
    assert "assignment" not in text
    assert json.loads(text)["hardware"]["format"] == 1


def test_a_layer_nobody_has_is_refused_by_name():
    wrong = Assignment(layers={"/conv9/Conv": Choice(macro=DIGITAL)})
    with pytest.raises(MappingError, match=r"error\[unknown-layer\].*did you mean '/conv\d/Conv'"):
        built(wrong)


def test_inspect_says_that_a_decided_layer_is_on_the_digital_unit():
    graph = built(DECIDED).network
    places = {
        layer["name"]: layer["runs_on"]
        for layer in describe(replace(import_model(DEMO_MODEL), graph=graph)).as_dict()["layers"]
    }
    assert places["/conv1/Conv"] == "crossbars"
    assert places["/fc/Gemm"] == "digital unit"
