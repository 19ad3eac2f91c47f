"""``--spread-steps`` from Python and the command line: compiled, told, reported and compared."""

import json

import numpy as np
import pytest

import mapper
from mapper.report.steps import steps_answer, way_cost
from tests.cli.test_cli import run
from tests.frontend.models import saved
from tests.frontend.test_levels import FAMILIES, SOFT, spelled

TWO_READS = "(4 reads of steps, 3 of planes)"


@pytest.fixture(scope="module")
def counting(tmp_path_factory):
    """``x -> Gemm -> 0..4 spikes -> Gemm``, and a recording."""
    _, nodes = FAMILIES["clip, then round"]
    folder = tmp_path_factory.mktemp("counting")
    x = (np.random.default_rng(0).random((6, 2, 4)) < 0.5).astype(np.float32)
    np.savez(folder / "x.npz", x=x)
    return saved(spelled(*nodes, *SOFT), folder), folder / "x.npz"


def test_a_build_says_whose_integers_are_not_those_of_planes(counting):
    model, recording = counting
    build = mapper.compile(model, "adcless-64", calibrate=recording, spread_steps=True)
    (told,) = (text for text in build.warnings if "binary steps" in text)
    assert told.endswith(TWO_READS)
    planes = mapper.compile(model, "adcless-64", calibrate=recording)
    assert not any("binary steps" in text for text in planes.warnings)
    kept = mapper.compile(model, "ideal-128", spread_steps=True)
    assert not any("binary steps" in text for text in kept.warnings)
    with pytest.raises(mapper.MappingError, match="bad-argument"):
        mapper.compile(model, "ideal-128", spread_steps=4)


def test_the_page_prices_both_ways(counting):
    model, _ = counting
    for spread in (None, True):
        report = mapper.compile(model, "ideal-128", spread_steps=spread).mapped.page
        (answer,) = steps_answer(report)
        assert "3 reads in all, in binary steps 4" in answer.text
        assert "the same integers both ways" in answer.reasons[0]
        planes, steps = (way_cost(report, steps=way) for way in (False, True))
        own = steps if spread else planes
        assert own.total_pj == report.cost.total_pj
        reads = [cost.layers[1].counts["crossbar_reads"] for cost in (planes, steps)]
        assert reads == [3, 4]


def test_commands_take_it(counting, tmp_path):
    model, recording = counting
    at = ["--target", "adcless-64", "--spread-steps"]
    ran = run("compile", model, *at, "-o", tmp_path / "build", "--json")
    assert any(TWO_READS in text for text in json.loads(ran.stdout)["warnings"])
    again = mapper.load(tmp_path / "build")
    assert any(TWO_READS in text for text in again.warnings)
    assert run("inspect", model, *at).stdout
    run("inspect", model, "--spread-steps", code=2)
    more = ["--targets", "ideal-128", "--input", recording, "--spread-steps", "--json"]
    ran = run("compare", model, *more, "-o", tmp_path / "both")
    first, second = json.loads(ran.stdout)["targets"]
    assert (first["target"], second["build"]) == ("ideal-128", "ideal-128-steps")
    assert {path.name for path in (tmp_path / "both").iterdir() if path.is_dir()} == {
        "ideal-128",
        "ideal-128-steps",
    }
    assert run("energy-table", model, *more).stdout
    ran = run("compare", tmp_path / "build", "--spread-steps", code=1)
    assert "--spread-steps would change nothing" in ran.stderr
