"""Where two designs take the same energy, as inferences come more seldom and whole chips leak."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mapper
from mapper.cost import price
from mapper.cost.estimate import assumed
from mapper.cost.frames import EQUAL, Line, Meeting, lines_of, meet, rates
from targets import load_preset, load_target
from tests.files import DEMO_MODEL

SA = Line(dynamic_pj=10, leakage_uw=3e3, idle_leakage=1, interval_ns=2, latency_ns=4)
ADC = Line(dynamic_pj=30, leakage_uw=1e3, idle_leakage=1, interval_ns=3, latency_ns=4)


def test_lines_cross_where_saved_leakage_pays_for_the_dearer_inference():
    # 10 pJ + 3 pJ/ns t = 30 pJ + 1 pJ/ns t at t = 10 ns.
    assert meet(SA, ADC) == Meeting(from_ns=3, crossings_ns=(10.0,), lower=(0, 1))
    assert meet(ADC, SA) == Meeting(from_ns=3, crossings_ns=(10.0,), lower=(1, 0))
    assert SA.energy_pj(10) == ADC.energy_pj(10) == 40


def test_gating_counts_after_the_chip_has_computed_alone():
    gated = replace(SA, idle_leakage=0.1)
    # 10 + 3 * 4 + 0.3 (t - 4) = 30 + t needs 0.7 t = -9.2: the gated one is never dearer.
    assert meet(gated, ADC) == Meeting(from_ns=3, crossings_ns=(), lower=(0,))
    assert gated.energy_pj(14) == 10 + 12 + 3
    # Slower to compute, it is dearer from 10 ns on, until gating pays: 10 + 3 * 20 + 0.3 (t - 20)
    # = 30 + t where 0.7 t = 34.
    slow = replace(gated, latency_ns=20)
    found = meet(slow, ADC)
    assert found.lower == (0, 1, 0)
    assert found.crossings_ns == pytest.approx((10, 34 / 0.7), rel=1e-15)


def test_one_is_lower_at_every_rate_or_both_are_equal():
    assert meet(SA, replace(SA, dynamic_pj=11)).lower == (0,)
    assert meet(SA, SA) == Meeting(from_ns=2, crossings_ns=(), lower=(EQUAL,))
    # From 10 ns on only: the interval of the slower one hides the crossing.
    assert meet(SA, replace(ADC, interval_ns=12, latency_ns=12)).lower == (1,)


def test_lines_that_start_together_part_without_a_crossing():
    start = replace(ADC, dynamic_pj=16)  # 10 + 3 * 3 = 16 + 3 at 3 ns
    assert meet(SA, start) == Meeting(from_ns=3, crossings_ns=(), lower=(1,))


NUMBERS = st.integers(0, 40)
LINES = st.builds(
    Line,
    dynamic_pj=NUMBERS,
    leakage_uw=NUMBERS.map(lambda n: n * 1e3),
    idle_leakage=st.sampled_from([0.0, 0.25, 1.0]),
    interval_ns=st.integers(1, 9),
    latency_ns=st.integers(9, 40),
)


@given(LINES, LINES)
def test_a_meeting_says_what_the_energies_say_at_every_time(one, other):
    found = meet(one, other)
    for lower, start, stop in rates(found):
        for share in (0.25, 0.5, 0.75):
            place = start + share * (min(stop, start + 200) - start)
            apart = other.energy_pj(place) - one.energy_pj(place)
            if lower == EQUAL:
                assert apart == pytest.approx(0, abs=1e-9)
            else:
                # Within the rounding of a crossing the sign is not known.
                assert (apart if lower == 0 else -apart) > -1e-9
    for place in found.crossings_ns:
        assert one.energy_pj(place) == pytest.approx(other.energy_pj(place), rel=1e-12)


@pytest.mark.parametrize("name", ["adcless-64", "hpadc-sar5-64"])
def test_a_line_is_what_cost_says_at_that_interval(name):
    target = load_target(name)
    target = replace(target, chip=replace(target.chip, idle_leakage=0.3))
    counts = mapper.compile(DEMO_MODEL, target).mapped.counts
    back_to_back = price(counts, 0.1, 4, load_preset("physical"))
    lines = lines_of(counts, back_to_back, load_preset("physical"))
    for every_ms in (0.05, 1.0, 40.0):
        cost = price(counts, 0.1, 4, assumed("physical", every_ms))
        for line, energy in zip(lines, cost.total_pj, strict=True):
            # The parts of a cost are added up with one rounding, those of a line with two.
            assert line.energy_pj(every_ms * 1e6) == pytest.approx(energy, rel=1e-15, abs=0)
        assert lines_of(counts, cost, assumed("physical", every_ms)) == lines


def test_a_line_leaks_over_the_adders_of_its_preset():
    counts = mapper.compile(DEMO_MODEL, "adcless-64").mapped.counts
    cost = price(counts, 0.1, 4, assumed("paper", 40.0))
    for line, energy in zip(
        lines_of(counts, cost, load_preset("paper")), cost.total_pj, strict=True
    ):
        # As above: sums in another order.
        assert line.energy_pj(40e6) == pytest.approx(energy, rel=1e-15, abs=0)
