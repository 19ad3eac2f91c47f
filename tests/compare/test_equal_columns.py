"""Beside the usual rows of a comparison stand those with equal columns a readout."""

import csv
import json

import pytest
from typer.testing import CliRunner

import mapper
from mapper import cli
from mapper.compare.folder import read_comparison
from mapper.cost import price
from mapper.report.comparison.data import SideBySide
from targets import Target, load_preset, load_target, target_from_data, target_to_data
from tests.files import DEMO_MODEL

NAMES = ("adcless-64", "hpadc-sar5-64")


def reading(target: Target, columns: int) -> Target:
    """Return a target as a file with other columns a readout would give it."""
    facts = target_to_data(target)
    for macro in facts["macro"]:
        macro["readout"]["columns_per_readout"] = columns
    return target_from_data(facts, loc="test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("equal") / "c"


@pytest.fixture(scope="module")
def answer(folder):
    return mapper.compare_targets(DEMO_MODEL, NAMES, steps=3, output=folder)


def test_a_row_is_what_a_compile_of_that_target_costs(answer):
    assert [equal.columns for equal in answer.equal_columns] == [1, 8]
    for equal in answer.equal_columns:
        for name, design in zip(NAMES, equal.designs, strict=True):
            build = mapper.compile(DEMO_MODEL, reading(load_target(name), equal.columns))
            cost = price(build.mapped.counts, 0.1, 3, load_preset("physical"))
            assert (design.side, design.columns) == (name, (equal.columns,))
            assert design.energy_pj == cost.total_pj
            assert design.area_um2 == cost.total_um2
            assert design.latency_ns == cost.latency_ns["inference_pipelined"]
            assert design.step_ns == cost.latency_ns["step_pipelined"]


def test_the_builds_own_columns_are_among_them(answer):
    (one, eight), (less, high) = answer.equal_columns, answer.builds
    assert [design.compiled for design in one.designs] == [True, False]
    assert [design.compiled for design in eight.designs] == [False, True]
    assert one.designs[0].energy_pj == less.cost.total_pj
    assert eight.designs[1].area_um2 == high.cost.total_um2


def test_a_csv_has_a_line_for_every_one(answer, folder):
    with (folder / "comparison-designs.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    designs = [(equal, design) for equal in answer.equal_columns for design in equal.designs]
    for line, (equal, design) in zip(lines, designs, strict=True):
        assert line["set"] == "equal-columns"
        assert (line["target"], line["wanted"]) == (design.side, str(equal.columns))
        assert float(line["area_um2"]) == design.area_um2.nominal
        times = design.area_um2.nominal / equal.designs[0].area_um2.nominal
        assert float(line["area_ratio"]) == times


def test_every_form_has_them_and_says_where_columns_are_ignored(answer, folder):
    stored = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    assert stored["equal_columns"] == json.loads(json.dumps(answer.as_dict()["equal_columns"]))
    sides: SideBySide = read_comparison(folder)
    assert sides.equal_columns == answer.equal_columns
    text = CliRunner().invoke(cli.app, ["compare", str(DEMO_MODEL), "--targets", ",".join(NAMES)])
    assert "with as many columns a readout as each other" in text.stdout
    for held in (
        " ".join(text.stdout.split()),
        (folder / "compare.html").read_text(encoding="utf-8"),
        (folder / "comparison.md").read_text(encoding="utf-8"),
        (folder / "comparison.tex").read_text(encoding="utf-8"),
    ):
        assert "switches of the multiplexer" in held
        assert "hpadc-sar5-64 (as compiled)" in held or "8 columns a readout (as compiled)" in held


def test_there_are_none_where_all_read_as_many_columns():
    answer = mapper.compare_targets(DEMO_MODEL, ["hpadc-sar5-64", "hpadc-flash5-64"])
    assert answer.equal_columns == ()


def test_ideal_readouts_stay_as_they_are_and_small_crossbars_are_left_out():
    wide = reading(load_target("hpadc-sar5-128"), 128)
    answer = mapper.compare_targets(DEMO_MODEL, ["adcless-64", wide, "ideal-128"])
    one, many = answer.equal_columns
    assert (one.columns, many.columns) == (1, 128)
    assert [design.side for design in one.designs] == ["adcless-64", wide.name, "ideal-128"]
    assert [design.side for design in many.designs] == [wide.name, "ideal-128"]
    assert many.designs[1].columns == ()
    assert many.designs[1].area_um2 == answer.builds[2].cost.total_um2
