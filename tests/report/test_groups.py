"""Builds of one network, averaged: what is averaged, and what is refused."""

import csv
import io
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
from mapper.report.comparison.tables import averages
from mapper.report.numbers import spread_text
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
        written = (tmp_path / "c" / name).read_text(encoding="utf-8")
        assert "3 on adcless-diff-64" in written
        assert "of 4 samples" in written
        assert all(f"{one.target} less {one.over}, 4 samples" in written for one in answer.pairs)


def test_groups_and_pairs_are_csv_with_their_numbers_in_full(seeds, tmp_path):
    answer = mapper.compare_mappings(
        [], groups={"=g": seeds}, inputs={"x": X, "labels": LABELS}, output=tmp_path / "c"
    )
    (row,) = lines(tmp_path / "c" / "comparison-groups.csv")
    (group,) = answer.groups
    assert row["group"] == "'=g"  # no formula
    assert (row["builds"], row["accuracy_of"]) == ("3", "4 4 4")
    assert float(row["accuracy_mean"]) == group.accuracy.mean
    assert float(row["latency_ns_deviation"]) == group.latency_ns.deviation
    found = lines(tmp_path / "c" / "comparison-pairs.csv")
    assert len(found) == len(answer.pairs) == 3
    for row, pair in zip(found, answer.pairs, strict=True):
        assert (row["build"], row["over"]) == (pair.target, pair.over)
        assert int(row["only_first_right"]) == pair.counts.first_only
        assert (float(row["difference_low"]), float(row["difference_high"])) == pair.counts.interval


def test_where_there_are_no_groups_and_pairs_only_heads_are_written(seeds, tmp_path):
    mapper.compare_mappings(seeds[:2], output=tmp_path / "c")
    for name in ("comparison-groups.csv", "comparison-pairs.csv"):
        assert lines(tmp_path / "c" / name) == []
        assert len((tmp_path / "c" / name).read_text().splitlines()) == 1


def lines(path):
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize(
    ("samples", "told"),
    [((4, 4), "of 4 samples"), ((1, 1), "of 1 sample"), ((4, 1200), "of 4 to 1,200 samples")],
)
def test_an_average_says_how_many_samples_each_build_answered(compared, samples, told):
    (group,) = compared.groups
    _, ((*_, accuracy),) = averages(replace(compared, groups=(replace(group, samples=samples),)))
    assert accuracy.partition("; ")[0].endswith(f" {told}")


@pytest.fixture(scope="module")
def compared(seeds):
    recorded = {"x": X, "labels": LABELS}
    return mapper.compare_mappings([], groups={"g": seeds[:2]}, inputs=recorded).side_by_side()


def test_a_comparison_of_before_samples_were_counted_is_read(seeds, tmp_path):
    mapper.compare_mappings([], groups={"g": seeds[:2]}, output=tmp_path / "c")
    path = tmp_path / "c" / "comparison.json"
    held = json.loads(path.read_text())
    bad = ([4], [4, 0.5], [4, 0])
    for counts in (None, [], *bad):
        (group,) = held["groups"]
        group.pop("accuracy_of", None)
        if counts is not None:
            group["accuracy_of"] = counts
        path.write_text(json.dumps(held))
        if counts not in bad:
            assert read_comparison(tmp_path / "c").groups[0].samples == ()
        else:
            with pytest.raises(MappingError, match="bad-comparison"):
                read_comparison(tmp_path / "c")


@pytest.mark.parametrize(
    ("mean", "deviation", "told"),
    [
        (100.0, 0.0153, "100.000 ± 0.015"),
        (97.222, 1.26, "97.2 ± 1.3"),
        (1234.5, 120.0, "1,234 ± 120"),
        (97.222, 0.0996, "97.22 ± 0.10"),  # rounds to two digits first
        (97.222, 0.0, "97.2 ± 0"),
        (100.0, 1.234e-9, "100.000000 ± 1.2e-09"),  # nobody reads eleven digits
    ],
)
def test_a_mean_has_the_decimals_of_its_deviation(mean, deviation, told):
    assert spread_text(mean, deviation) == told


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
