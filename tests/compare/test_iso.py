"""One thing is made equal: the area of the chip, the time per step, or the columns a readout."""

import csv
import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import mapper
from mapper import cli
from mapper.compare.compared import Compared
from mapper.compare.folder import read_comparison
from mapper.compare.iso import iso
from mapper.compare.measure import row_of
from mapper.compare.sweep import Point, front, sweep
from mapper.cost import price
from mapper.cost.estimate import assumed
from mapper.diagnostics import MappingError
from mapper.report.comparison.data import SideBySide
from mapper.report.comparison.page import comparison_charts
from targets import Target, list_presets, load_preset, load_target
from tests.files import DEMO_MODEL
from tests.frontend.models import one_neuron_layer, saved

NAMES = ("adcless-64", "hpadc-sar5-64")
PHYSICAL = load_preset("physical")
STEPS = 3


def reading(target: Target, columns: int) -> Target:
    """Return a target with other columns a readout."""
    macros = (
        replace(m, readout=replace(m.readout, columns_per_readout=columns)) for m in target.macros
    )
    return replace(target, macros=tuple(macros))


@pytest.fixture(scope="module")
def found():
    builds = (mapper.compile(DEMO_MODEL, name).mapped for name in NAMES)
    return [Compared(build=build, steps=STEPS) for build in builds]


@pytest.fixture(scope="module")
def held(found):
    costs = [row_of(one, PHYSICAL).cost for one in found]
    return {kind: iso(kind, found, costs, PHYSICAL) for kind in ("area", "throughput", "mux")}


@pytest.fixture(scope="module")
def swept(found):
    return [sweep(one, PHYSICAL) for one in found]


def compiled(design):
    """Compile the demo with the settings of a design, and price it."""
    options = {"positions": design.positions, "max-copies": design.copies}
    passes = {} if design.positions is None else {"replicate": options}
    build = mapper.compile(
        DEMO_MODEL, reading(load_target(design.side), design.columns[0]), passes=passes
    )
    return price(build.mapped.counts, 0.1, STEPS, PHYSICAL)


@pytest.mark.parametrize("kind", ["area", "throughput", "mux"])
def test_every_design_is_what_a_compile_with_its_settings_costs(held, kind):
    for design in (*held[kind].equal[1:], *held[kind].best):
        cost = compiled(design)
        assert design.energy_pj == cost.total_pj
        assert design.area_um2 == cost.total_um2
        assert design.step_ns == cost.latency_ns["step_pipelined"]
        assert design.latency_ns == cost.latency_ns["inference_pipelined"]


def test_a_front_is_what_compiles_with_its_settings_cost(held):
    points = held["area"].front
    for point in points[:: len(points) // 3]:
        cost = compiled(point)
        assert point.energy_pj == cost.total_pj.nominal
        assert point.area_um2 == cost.total_um2.nominal
        assert point.step_ns == cost.latency_ns["step_pipelined"].nominal


@pytest.mark.parametrize(("kind", "value"), [("area", "area_um2"), ("throughput", "step_ns")])
def test_copies_come_as_near_as_they_can_and_both_numbers_are_told(held, swept, kind, value):
    answer = held[kind]
    own, other = swept
    assert answer.wanted == getattr(own[0], value)
    first, second = answer.equal
    assert first.compiled
    assert second.columns == (8,)  # as compiled: copies alone were changed
    misses = [abs(getattr(p, value) - answer.wanted) for p in other if p.columns is None]
    assert abs(answer.reached(second) - answer.wanted) == min(misses)
    (told,) = answer.told
    assert told.startswith("hpadc-sar5-64: ")
    reached = [getattr(p, value) for p in other if p.columns is None]
    between = min(reached) < answer.wanted < max(reached)
    assert ("as near as copies come: they are whole, and the next have" in told) == between
    least = "as near as copies come: every layer has one copy, or fewer would change nothing"
    assert (least in told) == (value == "area_um2" and not between)
    row = answer.as_dict()["equal"][1]
    assert row["reached"] == answer.reached(second)
    assert row["gap"] == row["reached"] / answer.wanted - 1


def test_the_best_settings_in_an_area_are_the_fastest(held, swept):
    answer = held["area"]
    for design, points in zip(answer.best, swept, strict=True):
        assert design.area_um2.nominal <= answer.wanted
        fits = [p.step_ns for p in points if p.area_um2 <= answer.wanted]
        assert design.step_ns.nominal == min(fits)


def test_the_best_settings_in_a_time_are_the_smallest(held, swept):
    answer = held["throughput"]
    for design, points in zip(answer.best, swept, strict=True):
        assert design.step_ns.nominal <= answer.wanted
        fits = [p.area_um2 for p in points if p.step_ns <= answer.wanted]
        assert design.area_um2.nominal == min(fits)


def test_equal_columns_keep_the_copies_and_the_best_change_them(held, swept):
    answer = held["mux"]
    assert answer.wanted == 1
    assert [design.columns for design in (*answer.equal, *answer.best)] == [(1,)] * 4
    assert [design.positions for design in answer.equal] == [None, None]
    assert answer.told == ()
    least = min(p.area_um2 * p.step_ns for p in swept[1] if p.columns == 1)
    assert answer.best[1].area_um2.nominal * answer.best[1].step_ns.nominal == least


def test_a_front_has_no_beaten_point_and_leaves_none_out(swept):
    points = swept[1]
    kept = front(points)

    def beaten(point: Point, by: Point) -> bool:
        pairs = list(zip(by.costs, point.costs, strict=True))
        return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)

    assert not any(beaten(point, other) for point in kept for other in points)
    costs = {point.costs for point in kept}
    assert all(
        any(beaten(point, other) for other in kept) for point in points if point.costs not in costs
    )


@pytest.mark.parametrize("name", list_presets())
def test_a_sweep_prices_what_a_cost_prices_under_every_preset(found, name):
    """The reference's chip adds every bit-slice, a sweep of it as well."""
    preset = load_preset(name)
    for one in found:
        cost, first = row_of(one, preset).cost, sweep(one, preset)[0]
        assert first.energy_pj == cost.total_pj.nominal
        assert first.area_um2 == cost.total_um2.nominal
        assert first.step_ns == cost.latency_ns["inference_interval"].nominal / STEPS


def test_every_pair_is_priced_once_and_the_build_itself_first(found, swept):
    for one, points in zip(found, swept, strict=True):
        cost = row_of(one, PHYSICAL).cost
        assert points[0].energy_pj == cost.total_pj.nominal
        settings = [(p.columns, p.copies and p.copies.positions) for p in points]
        assert len(set(settings)) == len(settings)
        # 1, 2, 4 .. 64 columns; 256 positions leave 31 ways to share them out.
        assert len(points) == 7 * 31


def test_what_infers_too_seldom_is_no_choice(found):
    every = assumed("physical", 5e-3)  # 5 us: the ADC design takes 9.4 us with 8 columns
    points = sweep(found[1], every)
    assert points
    assert max(p.step_ns for p in points) <= 5e3 / STEPS


def test_linear_layers_have_one_position_and_copies_change_nothing(tmp_path):
    path = saved(one_neuron_layer(), tmp_path)
    answer = mapper.compare_targets(path, NAMES, iso="throughput")
    assert answer.iso is not None
    assert answer.iso.swept == (7, 7)  # columns alone
    (told, *_) = answer.iso.told
    assert told.endswith("each output position has a copy of its own, or more would wait")


@pytest.mark.parametrize(
    ("targets", "kind", "told"),
    [
        (NAMES, "volume", "'volume' is nothing that can be held equal; area, throughput, mux are"),
        (NAMES[:1], "area", "1 of the compared can be compared"),
        (("ideal-128", *NAMES), "mux", "'ideal-128' has no number of columns a readout"),
    ],
)
def test_what_cannot_be_held_equal_is_refused(targets, kind, told):
    with pytest.raises(MappingError) as caught:
        mapper.compare_targets(DEMO_MODEL, targets, iso=kind)
    (problem,) = caught.value.diagnostics
    assert problem.code == "compare-iso"
    assert problem.message.startswith(told)


def test_ideal_readouts_and_small_crossbars_say_why_they_are_not_equal():
    wide = reading(load_target("hpadc-sar5-128"), 128)
    answer = mapper.compare_targets(DEMO_MODEL, [wide, "adcless-64", "ideal-128"], iso="mux")
    assert answer.iso is not None
    assert answer.iso.told == (
        "adcless-64: its crossbars have 64 columns, 128 cannot share a readout",
        "ideal-128: no columns share a readout, it stays as it is",
    )
    assert [design.columns for design in answer.iso.equal] == [(128,), (64,), ()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("iso") / "c"
    arguments = ["compare", DEMO_MODEL, "--targets", ",".join(NAMES), "--iso", "area", "-o", folder]
    done = CliRunner().invoke(cli.app, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output
    (folder / "text").write_text(done.stdout, encoding="utf-8")
    return folder


def test_every_form_of_a_comparison_has_what_is_held_equal(folder):
    sides: SideBySide = read_comparison(folder)
    again = mapper.compare_targets(DEMO_MODEL, NAMES, iso="area")
    assert sides.iso == again.iso
    stored = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    assert stored["iso"] == json.loads(json.dumps(again.as_dict()["iso"]))
    for file in ("text", "compare.html", "comparison.md", "comparison.tex"):
        held = " ".join((folder / file).read_text(encoding="utf-8").split())
        assert "The same area, by copies: " in held, file
        assert "Best columns and copies in that area: the fastest" in held, file
        assert "as near as copies come" in held, file
    assert "fronts" in [chart.name for chart in comparison_charts(sides)]


def test_a_csv_has_a_line_for_every_design(folder):
    held = read_comparison(folder).iso
    assert held is not None
    with (folder / "comparison-designs.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["set"] for line in lines} == {"equal-columns", "equal", "best", "front"}
    for name, designs in (("equal", held.equal), ("best", held.best)):
        for line, design in zip([x for x in lines if x["set"] == name], designs, strict=True):
            assert (line["held"], float(line["wanted"])) == ("area", held.wanted)
            assert float(line["reached"]) == held.reached(design)
            assert (line["target"], line["copies"]) == (design.side, str(design.copies))
            assert line["as_compiled"] == ("yes" if design.compiled else "no")
            assert float(line["latency_ns"]) == design.latency_ns.nominal
            assert float(line["step_ns_high"]) == design.step_ns.high
            times = design.energy_pj.nominal / designs[0].energy_pj.nominal
            assert float(line["energy_ratio"]) == times
    for line, point in zip([x for x in lines if x["set"] == "front"], held.front, strict=True):
        costs = (line["energy_pJ"], line["step_ns"], line["area_um2"])
        assert tuple(map(float, costs)) == point.costs
        assert line["latency_ns"] == line["energy_ratio"] == line["wanted"] == ""


def test_builds_are_held_equal_as_targets_are(folder):
    again = mapper.compare_mappings([folder / name for name in NAMES], iso="area")
    assert again.iso is not None
    assert again.iso == read_comparison(folder).iso
