"""A comparison says at which rate of inferences which side takes less energy."""

import json
from dataclasses import replace

import pytest

import mapper
from mapper.compare.folder import read_comparison
from mapper.cost import price
from mapper.cost.estimate import assumed
from mapper.cost.frames import Line
from mapper.report.comparison.page import comparison_charts
from mapper.report.comparison.rates import FrameRates, Rated, pair_told, rate_pair, rates_table
from targets import load_target
from tests.files import DEMO_MODEL

SA = Line(dynamic_pj=1e6, leakage_uw=3.0, idle_leakage=1, interval_ns=2e3, latency_ns=4e3)
ADC = Line(dynamic_pj=3e6, leakage_uw=1.0, idle_leakage=1, interval_ns=3e3, latency_ns=4e3)


def small_chip(name: str):
    """Return a target with a chip as large as the demo, whose sense amplifiers are the larger."""
    target = load_target(name)
    return replace(target, chip=replace(target.chip, tiles=3, max_chips=1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rates") / "c"


@pytest.fixture(scope="module")
def answer(folder):
    targets = [small_chip(name) for name in ("hpadc-sar5-64", "adcless-64")]
    return mapper.compare_targets(DEMO_MODEL, targets, steps=4, output=folder)


def test_a_break_even_is_told_with_both_units_and_the_ends():
    pair = rate_pair(Rated(side="adc", lines=(SA, ADC, ADC)), Rated(side="sa", lines=(SA, SA, SA)))
    # 1 uJ + 3 uW t = 3 uJ + 1 uW t at t = 1 s.
    assert pair.meetings[1].crossings_ns == (1e9,)
    assert pair_told(pair) == (
        "adc takes less energy below 1.00 inferences a second (one every 1.00 s); sa takes less "
        "energy above 1.00 inferences a second (one every 1.00 s), up to 333,333 inferences a "
        "second. Break-even with all facts at their low ends: none (neither takes less at every "
        "rate), at their high ends: 1.00 inferences a second"
    )


def test_it_is_told_that_there_is_none():
    worse = replace(ADC, leakage_uw=4.0)
    pair = rate_pair(Rated(side="adc", lines=(worse,) * 3), Rated(side="sa", lines=(SA,) * 3))
    assert pair_told(pair).startswith(
        "sa takes less energy than adc at every rate up to 333,333 inferences a second, the most "
        "that both make: there is no break-even. "
    )


def test_a_table_has_round_rates_and_the_break_evens():
    sides = (Rated(side="sa", lines=(SA,) * 3), Rated(side="adc", lines=(ADC,) * 3))
    found = FrameRates(sides=sides, pairs=(rate_pair(sides[1], sides[0]),))
    heads, rows = rates_table(found)
    assert heads == ("inferences a second", "sa (µJ)", "adc (µJ)")
    assert rows[0] == ("1", "4.00", "4.00")
    assert rows[1] == ("10", "1.30", "3.10")
    assert rows[-1][0] == "100,000"


def test_both_sides_cost_the_same_at_a_break_even(answer):
    (pair,) = answer.frame_rates.pairs
    assert (pair.target, pair.over) == ("adcless-64", "hpadc-sar5-64")
    crossings = pair.meetings[1].crossings_ns
    for place in crossings:
        first, second = (
            price(build.summary.build.counts, 0.1, 4, assumed("physical", place * 1e-6))
            for build in answer.builds
        )
        # The break-even itself is rounded, and so are the parts of each cost.
        assert first.total_pj.nominal == pytest.approx(second.total_pj.nominal, rel=1e-12)
    assert len(pair.meetings[1].lower) == len(crossings) + 1


def test_every_form_has_the_rates(answer, folder):
    stored = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    assert stored["frame_rates"] == json.loads(json.dumps(answer.as_dict()["frame_rates"]))
    sides = read_comparison(folder)
    assert sides.frame_rates == answer.frame_rates
    assert "frame-rate" in [chart.name for chart in comparison_charts(sides)]
    told = stored["frame_rates"]["pairs"][0]["told"]
    page = (folder / "compare.html").read_text(encoding="utf-8")
    assert told in page
    for file in ("comparison.md", "comparison.tex"):
        assert told.split(" (")[0].split(". ")[0] in (folder / file).read_text(encoding="utf-8")


def test_a_single_side_has_no_rates():
    answer = mapper.compare_targets(DEMO_MODEL, ["adcless-64"])
    assert answer.frame_rates is None
    assert answer.as_dict()["frame_rates"] is None


def test_sides_without_adcs_are_set_against_the_first():
    answer = mapper.compare_targets(DEMO_MODEL, ["ideal-128", "adcless-64", "adcless-diff-64"])
    pairs = [(pair.target, pair.over) for pair in answer.frame_rates.pairs]
    assert pairs == [("adcless-64", "ideal-128"), ("adcless-diff-64", "ideal-128")]
