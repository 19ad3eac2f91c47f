"""Which constants a total hangs on."""

from dataclasses import replace

import pytest

from mapper.cost import Range, estimate
from mapper.cost.sensitivity import TOTALS, intervals, sensitivity, tornado_lines, with_constant
from targets import Interval, load_target
from tests.cost.networks import graph_for

TARGET = load_target("hpadc-sar5-64")


def evaluate_on(graph):
    return lambda target: estimate(graph, target, 0.25, 2)


def test_every_interval_of_a_library_has_a_place():
    places = dict(intervals(TARGET.components))
    assert places["sar_adc.5.energy_pj"] == Interval(low=0.2676, nominal=1.407, high=3.54)
    assert places["cell.read_voltage_v"].high == 0.5
    assert places["leakage.power_uw_per_mm2"].nominal == 24
    components = [c for _, c in TARGET.components.entries()]
    assert len(places) == 3 * len(components) + 4 + 1


def test_one_constant_is_moved_and_no_other():
    moved = with_constant(TARGET, "sar_adc.5.energy_pj", 9.0)
    before, after = (dict(intervals(t.components)) for t in (TARGET, moved))
    assert {name for name in before if before[name] != after[name]} == {"sar_adc.5.energy_pj"}
    assert after["sar_adc.5.energy_pj"] == Interval(low=9.0, nominal=9.0, high=9.0)
    assert replace(moved, components=TARGET.components) == TARGET


class Linear:
    """A cost that can be followed by hand: 3 x one constant + 2 x another."""

    def __init__(self):
        self.base = evaluate_on(graph_for(TARGET))(TARGET)

    def __call__(self, target):
        library = target.components
        energy = 3 * library.shift_add.energy_pj.nominal + 2 * library.hop.energy_pj.nominal
        latency = {**self.base.latency_ns, "inference_pipelined": Range(7.0, 7.0, 7.0)}
        return replace(
            self.base,
            total_pj=Range(0.0, energy, 0.0),
            latency_ns=latency,
            total_um2=Range(1, 1, 1),
        )


def test_a_tornado_by_hand():
    energy, latency, area = sensitivity(Linear(), TARGET)
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
        assert evaluate(high).total_pj.nominal == swing.at_high
    assert energy.nominal == evaluate(TARGET).total_pj.nominal


def test_totals_stay_between_those_with_all_constants_at_their_ends(tornados):
    cost = evaluate_on(graph_for(TARGET))(TARGET)
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
