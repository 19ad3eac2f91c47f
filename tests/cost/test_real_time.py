"""Inferences every so often: whole chips leak in between. And chips that nobody could build."""

import json
import runpy
import sys
from dataclasses import replace

import numpy as np
import pytest

import mapper
from mapper.cost import assumed, count_actions, estimate, generate_cost
from mapper.cost.actions import activity_of_density
from mapper.cost.facts import chip_of, corners_of
from mapper.cost.model import Chip, Facts
from mapper.cost.points import totals
from mapper.cost.realtime import TooOftenError, chips_in_use, whole_area
from mapper.cost.result import Cost
from mapper.cost.summary import cost_of
from mapper.diagnostics import MappingError
from mapper.ir.core import Span
from mapper.ir.crossbar import Placement
from targets import Target, load_target, target_from_data, target_to_data
from tests.cost.networks import activity_of, graph_for, small_target, two_by_two_grid
from tests.cost.test_estimate import CHIP, FACTS
from tests.files import DEMO_MODEL

GRID = two_by_two_grid(Placement(macro="m", slots=Span(0, 4)))
LAYERS = count_actions(GRID, small_target()).layers
SPIKES = np.array([[[1, 0, 1, 0, 0]], [[0, 0, 0, 0, 1]]])  # two time steps
TEN = replace(CHIP, crossbars_per_chip=10)
"""Chips of 10 crossbars, 4 a tile, of which the grid takes 4."""


def cost_on(chip: Chip, facts: Facts = FACTS) -> Cost:
    return cost_of(LAYERS, chip, (facts, facts, facts), activity_of(GRID, SPIKES))


def every(ns: float, idle_leakage: float = 1.0) -> Chip:
    return replace(TEN, every_ms=ns * 1e-6, idle_leakage=idle_leakage)


EMPTY_UM2 = 6 * (8 * 12 * 0.5 + 8 * 2.0 + 3 * 10.0) + 2 * 1000.0
"""6 crossbars of 8 x 12 cells, 8 drivers and 3 readouts; a router for each of 2 empty tiles."""


def test_a_whole_chip_has_its_empty_crossbars_and_routers():
    cost = cost_on(TEN)
    assert cost.chips == 1
    assert cost.chips_um2.nominal == cost.total_um2.nominal + EMPTY_UM2
    assert cost_on(CHIP).chips_um2 == cost_on(CHIP).total_um2  # as large as its network


def test_back_to_back_the_occupied_area_leaks():
    cost = cost_on(TEN)
    assert cost.real_time is None
    assert cost.energy_pj == cost_on(CHIP).energy_pj
    # 50 uW/mm2 for the 24 ns of two steps
    assert cost.energy_pj["leakage"].nominal == 50.0 * cost.total_um2.nominal * 1e-6 * 24 * 1e-3


def test_the_whole_chip_leaks_from_one_inference_to_the_next():
    cost = cost_on(every(1000.0))
    watts = 50.0 * cost.chips_um2.nominal * 1e-6
    assert cost.energy_pj["leakage"].nominal == pytest.approx(watts * 1000 * 1e-3, rel=1e-15)
    assert cost.real_time is not None
    assert cost.real_time.duty.nominal == pytest.approx(53 / 1000)
    rest = {name: value for name, value in cost.energy_pj.items() if name != "leakage"}
    assert rest == {n: v for n, v in cost_on(CHIP).energy_pj.items() if n != "leakage"}
    assert cost.metrics["power_mw"].nominal == pytest.approx(cost.total_pj.nominal / 1000)


def test_idle_gating_leaves_a_share_of_it_while_the_chip_waits():
    cost = cost_on(every(1000.0, idle_leakage=0.25))
    watts = 50.0 * cost.chips_um2.nominal * 1e-6
    expected = watts * (53 + 0.25 * (1000 - 53)) * 1e-3
    assert cost.energy_pj["leakage"].nominal == pytest.approx(expected, rel=1e-15)


def test_inferences_that_overlap_leave_nothing_to_gate():
    # Three stages deep, two of a step of 12 ns and one of 41 ns, an inference of two steps takes
    # 77 ns; the next can begin after 24 ns.
    deep = tuple(replace(layer, stage=2) for layer in LAYERS)
    activity = activity_of(GRID, SPIKES)
    cost = cost_of(deep, every(30.0, idle_leakage=0.0), (FACTS,) * 3, activity)
    assert cost.latency_ns["inference_pipelined"].nominal == 77
    assert cost.real_time is not None
    assert cost.real_time.duty.nominal == 1
    watts = 50.0 * cost.chips_um2.nominal * 1e-6
    assert cost.energy_pj["leakage"].nominal == pytest.approx(watts * 30 * 1e-3, rel=1e-15)


def test_an_interval_shorter_than_an_inference_takes_is_refused_with_both():
    assert cost_on(every(24.0)).real_time is not None  # just as long
    with pytest.raises(TooOftenError, match=r"every 2\.3e-05 ms .* every 2\.4e-05 ms at the soon"):
        cost_on(every(23.0))


def test_the_slow_end_of_the_facts_is_back_to_back_and_says_so():
    slow = replace(FACTS, readouts={"m": FACTS.readouts["m"]._replace(ns=40.0)})
    cost = cost_of(LAYERS, every(100.0), (FACTS, FACTS, slow), activity_of(GRID, SPIKES))
    assert cost.latency_ns["inference_interval"].high == 162
    assert cost.warnings[-1] == (
        "at the slow end of the facts the chip begins an inference every 0.000162 ms, not every "
        "0.0001 ms: that end is back to back"
    )
    assert cost.real_time is not None
    assert cost.real_time.duty.high == 1


def test_rounds_share_their_crossbars_and_wide_ones_take_several_chips():
    two = (LAYERS[0], replace(LAYERS[0], round=1))
    assert chips_in_use(two, TEN) == 1
    assert whole_area(two, TEN, FACTS, {"cells": 7.0}) == {"cells": 7.0, "empty": EMPTY_UM2}
    together = (LAYERS[0],) * 3  # 12 crossbars on two chips of 10
    assert chips_in_use(together, TEN) == 2
    crossbar = 8 * 12 * 0.5 + 8 * 2.0 + 3 * 10.0
    assert whole_area(together, TEN, FACTS, {}) == {"empty": 8 * crossbar + 2 * 1000.0}


def test_empty_crossbars_are_of_the_kind_that_is_used_most():
    macros = {"other": replace(CHIP.macros["m"], wordlines=1, bitlines=1), **CHIP.macros}
    facts = replace(FACTS, readouts={**FACTS.readouts, "other": FACTS.readouts["m"]})
    assert whole_area(LAYERS, replace(TEN, macros=macros), facts, {}) == {"empty": EMPTY_UM2}


def test_power_density_is_of_the_area_in_use_and_warned_about_above_100():
    cost = cost_on(every(1000.0))
    spent = cost_on(CHIP).total_pj.nominal / 24  # mW
    density = spent * 1e-3 / (cost.total_um2.nominal * 1e-8)
    assert cost.metrics["power_w_per_cm2"].nominal == pytest.approx(density, rel=1e-12)
    assert cost.metrics == {**cost_on(CHIP).metrics, **{n: cost.metrics[n] for n in MOVED}}
    assert density > 100
    assert cost.warnings == (
        f"while it computes it draws {density:.4g} W/cm2 over the area in use, more than the 100 "
        "W/cm2 that air cooling carries away",
    )
    assert cost_on(CHIP, replace(FACTS, hop=FACTS.hop._replace(um2=1e6))).warnings == ()


def test_neuron_units_have_a_leakage_of_their_own_where_it_is_known():
    # 2 units of 100 um2 (tests/cost/test_estimate.py) draw 0.25 uW each; the rest 50 uW/mm2.
    cost = cost_on(CHIP, replace(FACTS, neuron_leak_uw=0.25))
    assert cost.area_um2["neurons"].nominal == 200
    watts = 50.0 * (cost.total_um2.nominal - 200) * 1e-6 + 2 * 0.25
    assert cost.energy_pj["leakage"].nominal == pytest.approx(watts * 24 * 1e-3, rel=1e-15)


MOVED = ("edp_pj_ns", "tops_per_watt", "pj_per_synaptic_operation", "power_mw")


def test_a_die_larger_than_a_reticle_is_warned_about():
    three_tiles = replace(CHIP, crossbars_per_chip=12)
    wide = replace(FACTS, hop=FACTS.hop._replace(um2=2.9e8))
    (warning,) = cost_on(three_tiles, wide).warnings
    assert warning.startswith("a chip has 870 mm2, more than the 858 mm2 of one reticle")
    less = replace(FACTS, hop=FACTS.hop._replace(um2=2.8e8))
    assert cost_on(three_tiles, less).warnings == ()
    # 16 crossbars take two chips of 12: twice that area is two dies.
    activity = activity_of_density(LAYERS * 4, 0.1, 2)
    two = cost_of(LAYERS * 4, three_tiles, (wide,) * 3, activity)
    assert two.chips == 2
    assert two.chips_um2.nominal > 2 * 858e6
    assert two.warnings == cost_on(three_tiles, wide).warnings
    assert cost_of(LAYERS * 4, three_tiles, (less,) * 3, activity).warnings == ()


@pytest.mark.parametrize("name", ["adcless-64", "mixed-64"])
def test_the_generated_file_and_points_have_the_same_numbers(name, tmp_path, monkeypatch, capsys):
    target = load_target(name)
    chip = replace(target.chip, idle_leakage=0.3)
    target = replace(target, chip=chip)
    graph = graph_for(target)
    preset = assumed("physical", 2.5)
    cost = estimate(graph, target, 0.25, 3, preset)
    path = tmp_path / "cost.py"
    path.write_text(generate_cost(count_actions(graph, target), steps=3))
    monkeypatch.setattr(sys, "argv", ["cost.py", "0.25", "--every", "2.5", "--json"])
    runpy.run_path(str(path), run_name="__main__")
    assert json.loads(capsys.readouterr().out) == cost.as_dict()
    layers = count_actions(graph, target).layers
    activity = activity_of_density(layers, 0.25, 3)
    facts = corners_of(target, preset)[1]
    found = totals(layers, chip_of(target, preset, layers), facts, activity)
    assert found["energy_pj"] == cost.total_pj.nominal


@pytest.mark.parametrize("arguments", [["--every", "1e-6"], ["--every", "0"], ["--every", "nan"]])
def test_the_generated_file_refuses_what_cost_refuses(arguments, tmp_path, monkeypatch):
    path = tmp_path / "cost.py"
    path.write_text(
        generate_cost(count_actions(graph_for(load_target("mixed-64")), small_target()))
    )
    monkeypatch.setattr(sys, "argv", ["cost.py", *arguments])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(path), run_name="__main__")


def test_idle_gating_is_a_key_of_the_chip():
    data = target_to_data(load_target("adcless-64"))
    assert data["chip"]["idle_leakage"] == 1.0  # nothing is gated unless a target says so
    data["chip"]["idle_leakage"] = 0.1
    assert target_from_data(data, loc="t.toml").chip.idle_leakage == 0.1
    data["chip"]["idle_leakage"] = 1.5
    with pytest.raises(MappingError, match=r"\[chip\] idle_leakage must be 0\.\.1, got 1\.5"):
        target_from_data(data, loc="t.toml")


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf")])
def test_an_interval_that_is_none_is_refused(wrong):
    with pytest.raises(MappingError, match="cost-every"):
        assumed("physical", wrong)


def test_cost_compare_and_report_take_it(tmp_path):
    build = mapper.compile(DEMO_MODEL, "adcless-64")
    paced = build.cost(every_ms=10.0)
    assert paced.as_dict()["real_time"]["every_ms"] == 10.0
    assert paced.energy_pj.nominal > 100 * build.cost().energy_pj.nominal
    (told,) = (fact for fact in paced.headline.facts if fact.name == "In real time")
    assert told.value == "every 10 ms"
    assert "leakage of 1 whole chip" in told.told
    build.report(tmp_path / "page.html", every_ms=10.0)
    page = (tmp_path / "page.html").read_text()
    assert "from one inference to the next</th><td>10 ms" in page
    with pytest.raises(MappingError, match=r"'adcless-64': an inference every 0\.0001 ms"):
        build.cost(every_ms=1e-4)
    both = mapper.compare_mappings([build], every_ms=10.0)
    assert both.builds[0].cost == paced.cost
    assert any("an inference every 10 ms" in text for text in both.warnings)


def of_columns(name: str, columns: int) -> Target:
    target = load_target(name)
    macros = tuple(
        replace(macro, readout=replace(macro.readout, columns_per_readout=columns))
        for macro in target.macros
    )
    return replace(target, name=f"{name}-{columns}", macros=macros)


def test_designs_of_equal_columns_that_are_too_slow_are_left_out():
    targets = of_columns("adcless-64", 8), of_columns("hpadc-sar5-64", 1)
    builds = [mapper.compile(DEMO_MODEL, target) for target in targets]
    slowest = max(b.cost().cost.latency_ns["inference_interval"].nominal for b in builds)
    paced = mapper.compare_mappings(builds, every_ms=slowest * 1e-6)  # as compiled, both keep it
    found = {one.columns: [design.side for design in one.designs] for one in paced.equal_columns}
    both = [target.name for target in targets]
    assert found == {1: both, 8: both[:1]}  # ADCs that eight columns share are slower


def test_every_report_warns_of_a_die_that_cannot_be_made():
    target = load_target("adcless-64")
    build = mapper.compile(DEMO_MODEL, replace(target, chip=replace(target.chip, tiles=20_000)))
    warnings = build.cost().warnings
    assert any("one reticle" in text for text in warnings)
    assert any("one reticle" in text for text in build.cost().as_dict()["warnings"])
    compared = mapper.compare_mappings([build])
    assert any("one reticle" in text for text in compared.builds[0].as_dict()["warnings"])
    assert any("one reticle" in text for text in compared.warnings)
