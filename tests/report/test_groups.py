"""Builds of one network, averaged: what is averaged, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

import mapper
from mapper import cli
from mapper.compare.folder import read_comparison
from mapper.diagnostics import MappingError
from mapper.proportions import Spread
from mapper.recordings import read_arrays
from tests.files import DEMO_MODEL, DEMO_RECORDING
from tests.networks import NetworkBuilder

ARRAYS = read_arrays(DEMO_RECORDING)
X, LABELS = ARRAYS["x"][:, :4], ARRAYS["labels"][:4]


@pytest.fixture(scope="module")
def seeds():
    """Three builds whose readout was set from other samples, as three trainings would differ."""
    options = [{"lower-readout": {"seed": seed}} for seed in range(3)]
    return [mapper.compile(DEMO_MODEL, "adcless-diff-64", calibrate=X, passes=o) for o in options]


def refused(groups, builds=()):
    with pytest.raises(MappingError) as caught:
        mapper.compare_mappings(builds, groups=groups)
    (found,) = caught.value.diagnostics
    assert found.code == "compare-group"
    return found.message


def test_a_spread_is_that_of_a_sample():
    # Mean 4; squares 4 + 0 + 4 over 2.
    assert Spread.of_values([2.0, 4.0, 6.0]) == Spread(mean=4.0, deviation=2.0, of=3)


def test_a_group_is_averaged_from_the_rows_of_its_builds(seeds, tmp_path):
    answer = mapper.compare_mappings(
        seeds[:1],
        groups={"diff": seeds, "two": seeds[:2]},
        inputs={"x": X, "labels": LABELS},
        output=tmp_path / "c",
    )
    assert len(answer.builds) == 3  # each once, though it is in two groups and among the builds
    right = [build.accuracy for build in answer.builds]
    energy = [build.cost.total_pj.nominal for build in answer.builds]
    diff, two = answer.groups
    assert (diff.accuracy.of, two.accuracy.of) == (3, 2)
    assert diff.accuracy.mean == pytest.approx(np.mean(right))
    assert diff.accuracy.deviation == pytest.approx(np.std(right, ddof=1))
    assert two.energy_pj.mean == pytest.approx(np.mean(energy[:2]))
    assert diff.incomparable == "; ".join(
        f"{build.title}: {build.incomparable}" for build in answer.builds if build.incomparable
    )
    assert read_comparison(tmp_path / "c") == answer.side_by_side()
    for name in ("compare.html", "comparison.md", "comparison.tex"):
        assert "3 on adcless-diff-64" in (tmp_path / "c" / name).read_text(encoding="utf-8")


def test_a_group_of_the_command_line_has_the_same_averages(seeds, tmp_path):
    folders = [str(build.save(tmp_path / f"s{n}").folder) for n, build in enumerate(seeds)]
    args = ["compare", "--group", f"diff={','.join(folders)}", "--json"]
    done = CliRunner().invoke(cli.app, args)
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    (group,) = answer["groups"]
    assert group["builds"] == ["s0", "s1", "s2"]
    energy = [row["cost"]["energy_pj"]["total"]["nominal"] for row in answer["targets"]]
    assert group["energy_pj"]["mean"] == pytest.approx(np.mean(energy))
    assert group["accuracy"] is None  # nothing was recorded
    done = CliRunner().invoke(cli.app, args[:-1])
    assert "3 on adcless-diff-64" in done.stdout


def test_builds_that_differ_in_more_than_training_are_refused(seeds):
    adc = mapper.compile(DEMO_MODEL, "hpadc-sar5-64")
    narrow = mapper.compile(DEMO_MODEL, "adcless-diff-64", weight_bits=2, calibrate=X)
    assert refused({"a": [seeds[0], adc]}) == (
        "group 'a': 'adcless-diff-64' is on target 'adcless-diff-64', 'hpadc-sar5-64' on "
        "'hpadc-sar5-64'"
    )
    assert "has weights of 4 bits" in refused({"a": [seeds[0], narrow]})
    assert "it has 1 build" in refused({"a": seeds[:1]})
    assert "which would count twice" in refused(
        {"a": [seeds[0], mapper.compile(DEMO_MODEL, "adcless-diff-64", calibrate=X)]}
    )


def test_other_layers_are_named_and_other_weights_are_not():
    def network(outputs, seed):
        net = NetworkBuilder(seed)
        return net.graph(net.neuron(net.dense(net.neuron(net.dense(net.entry(4), outputs)), 3)))

    known = mapper.import_model(DEMO_MODEL)

    def mapped(graph):
        return mapper.compile(replace(known, graph=graph), "ideal-128")

    same = mapper.compare_mappings([], groups={"a": [mapped(network(5, s)) for s in range(2)]})
    assert same.groups[0].energy_pj.of == 2
    message = refused({"a": [mapped(network(5, 0)), mapped(network(6, 0))]})
    assert "'ideal-128' has net.linear from input 0 to f32[5]" in message


@pytest.mark.parametrize("text", ["a", "=b", "a=", "a=,"])
def test_an_option_that_names_no_group_is_refused(text):
    done = CliRunner().invoke(cli.app, ["compare", "--group", text, "--json"])
    assert json.loads(done.stdout)["errors"][0]["code"] == "compare-group"
