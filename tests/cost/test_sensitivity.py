"""Which constants a total hangs on."""

from dataclasses import replace

import pytest

from mapper.cost import count_actions, estimate, swings_of
from mapper.cost.points import totals
from mapper.cost.resolved import resolved
from mapper.cost.sensitivity import TOTALS, intervals, sensitivity, tornado_lines, with_constant
from targets import AS_BUILT, Interval, load_target
from tests.calls import counted_calls
from tests.cost.networks import graph_for

TARGET = load_target("hpadc-sar5-64")


def evaluate_on(graph):
    """Return the totals on a target, as the estimate has them."""

    def on(target):
        cost = estimate(graph, target, 0.25, 2)
        return {
            "energy_pj": cost.total_pj.nominal,
            "latency_ns": cost.latency_ns["inference_pipelined"].nominal,
            "area_um2": cost.total_um2.nominal,
        }

    return on


def test_every_interval_of_a_library_has_a_place():
    places = dict(intervals(TARGET.components))
    sar = Interval(low=0.2676, nominal=1.407, high=3.54, kind="law")
    assert places["sar_adc.5.energy_pj"] == sar
    assert places["cell.read_voltage_v"].high == 0.5
    assert places["leakage.power_uw_per_mm2"].nominal == 100
    components = [c for _, c in TARGET.components.entries()]
    # Cell, leakage, control; what a neuron unit leaks, endurance.
    assert len(places) == 3 * len(components) + 4 + 1 + 1 + 2


def test_one_constant_is_moved_and_no_other():
    moved = with_constant(TARGET, "sar_adc.5.energy_pj", 9.0)
    before, after = (dict(intervals(t.components)) for t in (resolved(TARGET), moved))
    assert {name for name in before if before[name] != after[name]} == {"sar_adc.5.energy_pj"}
    assert after["sar_adc.5.energy_pj"] == Interval(low=9.0, nominal=9.0, high=9.0)
    assert replace(moved, components=TARGET.components) == TARGET


def linear(target):
    """Return totals that can be followed by hand: 3 x one constant + 2 x another."""
    library = target.components
    energy = 3 * library.shift_add.energy_pj.nominal + 2 * library.hop.energy_pj.nominal
    return {"energy_pj": energy, "latency_ns": 7.0, "area_um2": 1.0}


def test_a_tornado_by_hand():
    energy, latency, area = sensitivity(linear, TARGET)
    shift_add, hop = TARGET.components.shift_add.energy_pj, TARGET.components.hop.energy_pj
    assert energy.nominal == 3 * shift_add.nominal + 2 * hop.nominal
    assert [swing.constant for swing in energy.swings] == ["hop.energy_pj", "shift_add.energy_pj"]
    first, second = energy.swings
    assert first.at_low == 3 * shift_add.nominal + 2 * hop.low
    assert first.at_high == 3 * shift_add.nominal + 2 * hop.high
    assert first.swing == pytest.approx(2 * (hop.high - hop.low))  # 1.12: one rounding a sum
    assert second.swing == pytest.approx(3 * (shift_add.high - shift_add.low))  # 0.83
    assert (latency.swings, area.swings) == ((), ())


@pytest.fixture(scope="module")
def tornados():
    return sensitivity(evaluate_on(graph_for(TARGET)), TARGET)


def test_there_is_a_tornado_for_each_total_widest_first(tornados):
    assert [tornado.total for tornado in tornados] == list(TOTALS)
    for tornado in tornados:
        widths = [swing.swing for swing in tornado.swings]
        assert widths == sorted(widths, reverse=True)
        assert all(width > 0 for width in widths)


def test_a_swing_is_what_an_estimate_with_that_constant_gives(tornados):
    evaluate = evaluate_on(graph_for(TARGET))
    energy = tornados[0]
    for swing in energy.swings:
        high = with_constant(TARGET, swing.constant, swing.high)
        assert evaluate(high)["energy_pj"] == swing.at_high
    assert energy.nominal == evaluate(TARGET)["energy_pj"]


@pytest.mark.parametrize("name", ["hpadc-sar5-64", "adcless-diff-64", "ideal-128"])
def test_points_give_the_totals_of_whole_estimates_to_the_last_bit(name):
    """Under a preset that brings no library: the target's constants are those in force."""
    target = load_target(name)
    graph = graph_for(target)
    expected = sensitivity(evaluate_on(graph), target)
    assert swings_of(count_actions(graph, target), 0.25, 2, AS_BUILT) == expected


def test_constants_that_are_not_in_force_are_not_evaluated():
    """All constants at the start, then each end of one in force; of the ADCs, one is."""
    counts = count_actions(graph_for(TARGET), TARGET)
    with counted_calls(totals) as calls:
        swings_of(counts, 0.25, 2, AS_BUILT)
    used = [
        ends
        for name, ends in intervals(TARGET.components)
        if "sar_adc.5" in name or not name.startswith(("flash_adc", "sar_adc", "sense_amp"))
    ]
    moved = sum(end != ends.nominal for ends in used for end in (ends.low, ends.high))
    assert calls["totals"] == 1 + moved == 83


def test_totals_stay_between_those_with_all_constants_at_their_ends(tornados):
    cost = estimate(graph_for(TARGET), TARGET, 0.25, 2)
    ends = (cost.total_pj, cost.latency_ns["inference_pipelined"], cost.total_um2)
    for tornado, (low, nominal, high) in zip(tornados, ends, strict=True):
        assert tornado.nominal == nominal
        for swing in tornado.swings:
            assert low <= swing.at_low <= nominal <= swing.at_high <= high


def test_constants_of_other_converters_move_nothing(tornados):
    names = {swing.constant for tornado in tornados for swing in tornado.swings}
    assert "sar_adc.5.energy_pj" in names
    assert not any(name.startswith(("sar_adc.8", "flash_adc", "sense_amp")) for name in names)


def test_data_and_text(tornados):
    data = tornados[0].as_dict()
    assert list(data) == ["total", "nominal", "constants"]
    assert set(data["constants"][0]) == {
        "constant", "low", "nominal", "high", "at_low", "at_high", "swing",
    }  # fmt: skip
    lines = list(tornado_lines(tornados))
    assert lines[0].startswith("energy_pj: ")
    assert lines[1].split()[0] == tornados[0].swings[0].constant
