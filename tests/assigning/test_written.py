"""The answer of ``assign`` as files: what they say, and what they never replace."""

import json
from pathlib import Path

import numpy as np
import pytest

import mapper as spikeloom
from mapper import MappingError
from mapper.api import Assigned
from mapper.assigning.result import WRITTEN, Single, Step
from mapper.assigning.tried import Tried
from mapper.cost.result import Range
from mapper.ir.assignment import Assignment, Choice
from mapper.report.assigning.charts import assigning_charts
from mapper.report.assigning.page import render_assigning
from mapper.report.assigning.written import FILES, check_place, save_assigned
from targets import assignment_toml

FINE, FEW, ONE = "sar5-64", "ternary-64", "sense-amp-64"


def tried(*picks: str, wrong: int, pj: float) -> Tried:
    right = tuple(bool(held) for held in np.arange(40) >= wrong)
    cost = Range(pj / 2, pj, pj * 2)
    return Tried(
        picks=picks,
        answers=tuple(range(40)),
        right=right,
        energy_pj=cost,
        latency_ns=cost,
        area_um2=cost,
    )


def answer_of(network: str = "net") -> Assigned:
    finest = tried(FINE, FINE, wrong=2, pj=100.0)
    middle = tried(FINE, ONE, wrong=2, pj=60.0)
    chosen = tried(FEW, ONE, wrong=3, pj=40.0)
    refused = Tried(picks=(ONE, FINE), refused="weight-bits: too wide")
    return Assigned(
        network=network,
        target="readouts-64",
        preset="physical",
        keep=0.05,
        by="energy",
        labelled=True,
        layers=("conv<1>", "fc"),
        assignment=Assignment(layers={"conv<1>": Choice(macro=FEW), "fc": Choice(macro=ONE)}),
        searched=24,
        tried=7,
        singles=(
            Single(layer="fc", macro=ONE, tried=middle, finest=finest),
            Single(layer="conv<1>", macro=ONE, tried=refused, finest=finest),
        ),
        steps=(Step(before=finest, after=middle), Step(before=middle, after=chosen)),
        chosen=chosen,
        finest=finest,
        coarsest=tried(ONE, ONE, wrong=20, pj=30.0),
        best=finest,
        uniform={FINE: finest, ONE: tried(ONE, ONE, wrong=20, pj=30.0)},
    )


def test_the_charts_say_what_each_step_bought_by_hand():
    steps, accuracy, alone = assigning_charts(answer_of())
    assert [row["nominal"] for row in steps.spec["data"]["values"]] == [100.0, 60.0, 40.0]
    assert steps.table.rows[1][:4] == ("conv<1>", FINE, FEW, "20.0 %")
    notes = steps.spec["layer"][-1]["data"]["values"]
    assert [note["note"] for note in notes] == ["95.0 %", "95.0 %", "92.5 %"]
    rows = {row["label"]: row["nominal"] for row in accuracy.spec["data"]["values"]}
    assert rows[f"1 fc: {ONE}"] == 0
    assert rows[f"2 conv<1>: {FEW}"] == pytest.approx(-2.5)
    assert rows[f"all {ONE}"] == pytest.approx(-45)
    assert [row["label"] for row in alone.spec["data"]["values"]] == ["fc"]  # one was refused


def test_a_page_has_no_markup_of_a_name_and_no_address():
    page = render_assigning(answer_of("<script>alert(1)</script>"))
    assert "<script>alert" not in page
    assert "conv&lt;1&gt;" in page
    assert "What each step bought" in page
    assert WRITTEN in page


def test_a_folder_has_the_assignment_and_the_same_numbers(tmp_path):
    answer, folder = answer_of(), tmp_path / "assigned"
    save_assigned(answer, folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)
    assert spikeloom.load_assignment(folder / "assignment.toml") == answer.assignment
    assert json.loads((folder / "assign.json").read_text())["steps"][0]["to"] == ONE
    assert "20.0" in (folder / "assign.md").read_text()
    save_assigned(answer, folder)  # its own is replaced


def foreign(path: Path, text: str = "mine") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_what_no_search_wrote_is_not_replaced(tmp_path):
    answer = answer_of()
    ours = tmp_path / "a.toml"
    save_assigned(answer, ours)
    save_assigned(answer, ours)
    by_hand = foreign(tmp_path / "b.toml", assignment_toml(answer.assignment))
    for place in (
        by_hand,
        foreign(tmp_path / "notes.txt"),
        foreign(tmp_path / "site" / "index.html").parent,
        foreign(tmp_path / "half" / "assign.json").parent,
    ):
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with pytest.raises(MappingError) as caught:
            save_assigned(answer, place)
        assert caught.value.diagnostics[0].code == "output-exists"
        assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before
    check_place(tmp_path / "new" / "a.toml")
