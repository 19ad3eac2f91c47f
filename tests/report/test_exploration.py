"""An exploration as a page and as files, beside records that formulas made."""

import csv
import io
import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mapper.cost.sensitivity import Swing, Tornado
from mapper.diagnostics import MappingError
from mapper.exploration.closer import Closer
from mapper.exploration.found import Evaluated, Explored
from mapper.exploration.run import explore_space
from mapper.exploration.sampling import Sampling
from mapper.exploration.space import Space
from mapper.report.exploration import data
from mapper.report.exploration.chips import nearest, published
from mapper.report.exploration.data import ExplorationReport, chip_lines, fact_lines, moves
from mapper.report.exploration.read import read_exploration
from mapper.report.exploration.told import answer_lines, setting
from mapper.report.exploration.written import FILES, check_ours, exploration_files
from mapper.report.page.frame import asset
from mapper.study import RECORDS
from targets import load_target
from tests.explore.works import SPACE, Formulas, formulas
from tests.report.pages import HOSTILE, exploration_report

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def report() -> ExplorationReport:
    return exploration_report()


@pytest.fixture(scope="module")
def files(report: ExplorationReport) -> dict[str, str]:
    return exploration_files(report)


def points_of(page: str) -> list[dict[str, Any]]:
    return embedded(page, "data-points")


def embedded(page: str, name: str) -> Any:
    begin = page.index(">", page.index(f'id="{name}"')) + 1
    return json.loads(page[begin : page.index("</script>", begin)])


def test_the_page_has_every_point_with_its_state_and_what_was_measured(files, report):
    held = points_of(files["index.html"])
    front = [point.number for point in report.found.front]
    assert [point["number"] for point in held[: len(front)]] == front
    assert sorted(point["number"] for point in held) == list(range(288))
    assert held[0]["state"] == "on the front: no other beats it"
    states = {point["number"]: point["state"] for point in held}
    for point in report.found.points:
        found = formulas(point.point)
        if found["state"] == "refused":
            assert states[point.number] == f"refused [capacity]: {found['why']}"
        elif found["area_mm2"][1] > 12:
            assert "area_mm2" in states[point.number]


def test_every_file_has_the_same_points(files, report):
    rows = list(csv.DictReader(io.StringIO(files["explore.csv"])))
    told = json.loads(files["explore.json"])
    assert len(rows) == len(told["points"]) == 288
    for row, point in zip(rows, told["points"], strict=True):
        assert row["number"] == str(point["number"])
        if point["state"] == "done":
            assert [float(row[f"energy_uj{end}"]) for end in ("_low", "", "_high")] == point[
                "energy_uj"
            ]
        else:
            assert (row["energy_uj"], row["refused"]) == ("", "capacity")
    number = str(report.found.front[0].number)
    assert f"| {number} |" in files["explore.md"]
    assert f"\n{number} & " in files["explore.tex"]


def test_charts_are_of_the_first_objective_against_the_others(files):
    charts = embedded(files["index.html"], "data-charts")
    assert list(charts) == ["front-latency", "front-accuracy", "parallel", "importance"]
    rows = charts["front-latency"]["data"]["values"]
    assert len(rows) == 288 - 36  # refused ones were not measured
    assert {row["group"] for row in rows} == {"on the front", "feasible", "beyond a constraint"}
    lines = charts["parallel"]["layer"][0]["data"]["values"]
    assert len(lines) == len(rows) * (4 + 3)  # axes and objectives
    assert all(0 <= line["at"] <= 1 for line in lines)


def test_a_single_objective_is_drawn_against_what_else_was_measured():
    single = replace(SPACE, objectives={"energy": "min"}, constraints={})
    found = explore_space(Formulas(), single, Sampling(kind="random", points=12))
    report = ExplorationReport(found=replace(found, network="n", target="t"))
    charts = embedded(exploration_files(report)["index.html"], "data-charts")
    assert list(charts)[:3] == ["front-latency", "front-area", "front-accuracy"]


def test_names_of_others_are_text_on_the_page_and_in_tables():
    space = replace(SPACE, axes={**SPACE.axes, HOSTILE: (f"={HOSTILE}",)})
    found = explore_space(Formulas(), space, Sampling(kind="random", points=6))
    report = ExplorationReport(found=replace(found, network=HOSTILE, target=HOSTILE))
    files = exploration_files(report)
    assert "alert(1)</script>" not in files["index.html"]
    page = files["index.html"].replace(asset("vega.js"), "")
    assert "<img" not in page + files["explore.md"]
    rows = list(csv.reader(io.StringIO(files["explore.csv"])))
    assert not any(cell.startswith("=") for row in rows for cell in row)


def test_an_exploration_without_a_point_to_choose_says_so():
    none = replace(
        SPACE, constraints={"area_mm2": replace(SPACE.constraints["area_mm2"], at_most=0.0)}
    )
    found = explore_space(Formulas(), none, Sampling(kind="random", points=6))
    files = exploration_files(ExplorationReport(found=replace(found, network="n", target="t")))
    assert "No point may be chosen" in files["index.html"]
    least = min(point.value("area_mm2") or 0.0 for point in found.points if not point.refused)
    told = f"no point has area_mm2 of 0 or less: the least is {least:.4g}"
    assert told in answer_lines(found)
    assert told in files["index.html"]
    assert not [line for line in answer_lines(found) if "accuracy of" in line]


def test_values_of_axes_are_written_as_files_have_them():
    assert [setting(value) for value in (True, False, 1, 0.85123, "sar4")] == [
        *("true", "false", "1", "0.85123", "sar4")
    ]


def test_an_answer_says_how_many_samples_tell():
    case = {"number": 0, "batch": 0, "point": {"array": 64}}
    space = Space.of_data({"axes": {"array": [64]}, "objectives": {"accuracy": "max"}})
    ran = Evaluated.of(case, {"state": "done", "accuracy": 0.5, "spikes": 3.0}, space)
    found = Explored(
        space=space, sampling=Sampling(), asked=1, points=(ran,), identity={}, samples=18
    )
    worth = "one right answer more is 5.56 points of accuracy"
    assert f"priced at the activity of each point on 18 samples; {worth}" in answer_lines(found)
    assert read_exploration(found.as_dict()).found.samples == 18


@pytest.mark.parametrize("name", ["index.html", "explore.csv", "designs"])
def test_files_of_someone_else_are_not_replaced(tmp_path, files, name):
    assert set(files) == set(FILES)
    (tmp_path / "thesis.txt").touch()
    check_ours(tmp_path)  # nothing of it would be replaced
    (tmp_path / name).mkdir()
    with pytest.raises(MappingError, match=f"{name} would be replaced") as error:
        check_ours(tmp_path)
    assert error.value.diagnostics[0].code == "output-exists"
    (tmp_path / RECORDS).touch()
    check_ours(tmp_path)


def test_a_file_is_no_folder_for_an_exploration(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(MappingError, match="this is no folder"):
        check_ours(tmp_path / "file")


# --- what would move a point ----------------------------------------------------------------------


def test_moves_go_to_points_that_differ_in_one_axis(report):
    known = moves(report)
    points = report.found.points
    for number in (0, 100, 287):
        assert known[number]
        for move in known[number]:
            one, other = points[number].point, points[move.number].point
            assert [name for name in one if one[name] != other[name]] == [move.axis]
            assert other[move.axis] == move.to
    # 1 and 2 columns a readout: the second takes twice as long, for less area.
    move = next(m for m in known[0] if m.axis == "columns_per_readout")
    assert move.told == "energy x1.00, latency x2.00, accuracy +0.00 points"


def test_a_page_of_many_points_has_the_front_and_the_first_others(report, monkeypatch):
    monkeypatch.setattr(data, "MOST_SHOWN", 40)
    few = replace(report)
    numbers = [point.number for point in few.shown]
    front = {point.number for point in report.found.front}
    others = [number for number in numbers if number not in front]
    assert len(numbers) == 40
    assert front <= set(numbers)
    assert others == [number for number in range(288) if number not in front][: len(others)]


def test_facts_are_told_with_both_ends():
    swing = Swing(constant="hop.energy_pj", low=1.0, nominal=2.0, high=4.0, at_low=5e6, at_high=7e6)
    held = Closer(
        target=load_target("adcless-64"),
        swings=(Tornado(total="energy_pj", nominal=6e6, swings=(swing,)),),
    )
    assert fact_lines(held) == ["energy: hop.energy_pj from 1 to 4 moves it from 5.00 to 7.00 µJ"]


# --- published macros -----------------------------------------------------------------------------


def test_published_macros_are_those_of_the_benchmark():
    known = {}
    for name in ("chips", "third", "fourth", "unseen"):
        held = tomllib.loads((BENCHMARKS / f"silicon_{name}.toml").read_text(encoding="utf-8"))
        known |= {chip["id"]: chip for chip in held["chip"]}
    assert len(published()) == 45
    for chip in published():
        facts = known[chip.id]["facts"]
        energy = next(m for m in known[chip.id]["measured"] if m["quantity"] == "energy")
        assert (chip.fj, chip.told) == (energy["value"], energy["text"])
        assert (chip.node_nm, chip.wordlines) == (facts["node_nm"], facts["wordlines"])
        widths = facts["weight_bits"], facts.get("input_bits", 1)
        assert (chip.weight_bits, chip.input_bits) == widths
        assert str(chip.readout_bits) in facts["readout"] or chip.readout_bits < 2


def test_the_nearest_macro_by_hand():
    target = load_target("adcless-64")  # 65 nm, resistive, 64 rows, 4-bit weights, 1-bit readout
    macro = target.macros[0]
    khwa = next(chip for chip in published() if chip.id == "KHWA65")
    assert khwa.away(target, macro) == 2.0 + 2.0  # static cells; weights of one bit, not of four
    chip, _ = nearest(target)
    assert chip.away(target, macro) == min(one.away(target, macro) for one in published())


def test_a_design_stands_beside_its_chip_in_the_same_unit():
    target = load_target("adcless-64")
    chip, _ = nearest(target)
    lines = chip_lines(Closer(target=target, fj_per_bit=(1.0, 2 * chip.fj_of_a_bit, 9.0)))
    assert "2.00 times the measured one" in lines[-1]
    assert len(chip_lines(Closer(target=target))) == 3  # nothing is estimated of it


def test_the_same_exploration_gives_the_same_bytes(files):
    assert exploration_files(exploration_report()) == files
