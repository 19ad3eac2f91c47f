"""Charts and tables of studies: distributions, sweeps, what costs what."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.report.charts.base import for_page, for_paper
from mapper.report.figures import draw
from mapper.report.markup import latex_table, markdown_table
from mapper.report.page.frame import embedded
from mapper.report.study.bands import sweep_chart, yield_chart
from mapper.report.study.effects import Effect, effect_chart
from mapper.report.study.histogram import bins_of, histogram_chart
from mapper.report.study.quantity import Quantity, accuracy_of
from mapper.report.study.tables import (
    SURE,
    distribution_table,
    distributions_as_csv,
    effect_table,
    effects_as_csv,
    sweep_table,
    tolerance_table,
    tolerances_as_csv,
)
from mapper.study.statistics import Distribution, Swept, difference
from tests.campaigns import examples

ACCURACY = accuracy_of(20)
ENERGY = Quantity(name="energy", unit="nJ", run="point", runs="points")
DIES = Distribution.of([right / 20 for right in (16, 18, 18, 19, 20)])
WORSE = Distribution.of([right / 20 for right in (10, 12, 15, 18, 18)])
SWEPT = Swept.of("amplifier.offset", [(0.5, WORSE), (0.0, DIES)])
EFFECTS = [
    Effect(label="amplifier.offset", group="alone", difference=difference([0.1, 0.3], [0.0, 0.0])),
    Effect(label="amplifier.offset", group="all but this", difference=difference([0.1], [0.2])),
]


# --- histograms ------------------------------------------------------------------------------


def test_values_by_hand():
    # Quartiles 3 and 7: 2 * 4 / 9^(1/3) is 3.8, so bars are 5 wide, from a multiple of 5 on.
    bins = bins_of([1, 2, 3, 4, 5, 6, 7, 8, 10])
    assert (bins.start, bins.width, bins.counts) == (0, 5, (4, 4, 1))
    assert bins.ends(2) == (10, 15)


def test_bars_of_accuracies_have_whole_grains_with_their_ends_between():
    # Quartiles 90 and 95: 2 * 5 / 5^(1/3) is 5.8, which is one grain of 5 %.
    bins = bins_of([80, 90, 90, 95, 100], grain=5)
    assert (bins.start, bins.width, bins.counts) == (77.5, 5, (1, 0, 2, 1, 1))


@pytest.mark.parametrize("value", [0.0, -3.0, 250.0])
def test_values_that_are_all_the_same_are_one_bar(value):
    bins = bins_of([value] * 4)
    assert bins.counts == (4,)
    assert bins.ends(0)[0] <= value <= bins.ends(0)[1]


@settings(max_examples=examples(60))
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=50).map(sorted))
def test_every_value_is_counted_where_it_lies(values):
    bins = bins_of(values)
    assert sum(bins.counts) == len(values)
    assert len(bins.counts) <= 42
    fuzz = 1e-6 * bins.width
    for place, count in enumerate(bins.counts):
        start, stop = bins.ends(place)
        assert count >= sum(start + fuzz < value < stop - fuzz for value in values)
        assert count <= sum(start - fuzz <= value <= stop + fuzz for value in values)


def test_a_histogram_says_what_is_required_and_reached():
    chart = histogram_chart(DIES, ACCURACY, bound=0.9)
    assert chart.title == "Accuracy of 5 dies"
    assert chart.description == (
        "A bar is the number of dies whose accuracy lies between its ends, 5 points apart. "
        "At 90 % or more: 80.0 % (4 of 5, 95 %: 37.6 .. 96.4)."
    )
    assert chart.table.columns == ("from (%)", "to", "dies")
    assert chart.table.rows[0] == ("77.5", "82.5", "1")
    bars, lines = chart.spec["layer"]
    assert [row["told"] for row in bars["data"]["values"]][:2] == [
        "77.5 to 82.5 %: 1 die", "82.5 to 87.5 %: 0 dies",
    ]  # fmt: skip
    assert [row["line"] for row in lines["data"]["values"]] == [
        "mean: 91.0 %", "5th percentile: 82.0 %", "required: 90.0 %",
    ]  # fmt: skip


def test_what_is_required_is_on_the_axis_even_where_no_die_is():
    chart = histogram_chart(Distribution.of([0.5, 0.5]), ACCURACY, bound=0.9)
    assert chart.spec["layer"][0]["encoding"]["x"]["scale"]["domain"] == [47.5, 90]


def test_a_quantity_without_a_bound():
    chart = histogram_chart(Distribution.of([3.0]), ENERGY, name="energies", title="Energies")
    assert (chart.name, chart.title) == ("energies", "Energies")
    assert "or more" not in chart.description
    assert len(chart.spec["layer"][1]["data"]["values"]) == 2


# --- sweeps ----------------------------------------------------------------------------------


def test_a_sweep_is_a_line_in_a_band_of_percentiles():
    chart = sweep_chart({"": SWEPT}, ACCURACY, name="sweep", unit="counts", bound=0.9)
    assert chart.title == "Accuracy against amplifier.offset"
    assert chart.table.columns == (
        "amplifier.offset", "mean (%)", "5th percentile", "95th percentile",
    )  # fmt: skip
    assert chart.table.rows == (("0", "91", "82", "99"), ("0.5", "73", "52", "90"))
    first = chart.spec["data"]["values"][0]
    assert first["told"] == "0: 91.0 % (82.0 .. 99.0)"
    names = [layer["mark"]["type"] for layer in chart.spec["layer"]]
    assert names == ["area", "line", "point", "rule", "text"]
    assert chart.spec["layer"][3]["data"]["values"] == [{"at": 90.0, "name": "required"}]
    assert chart.spec["layer"][0]["encoding"]["x"]["axis"]["title"] == "amplifier.offset (counts)"


def test_several_designs_have_marks_of_their_own():
    chart = sweep_chart({"a": SWEPT, "b": SWEPT}, ACCURACY, name="sweep")
    assert chart.table.columns[1] == "design"
    scale = chart.spec["layer"][2]["encoding"]["shape"]["scale"]
    assert scale == {"domain": ["a", "b"], "range": ["circle", "square"]}
    assert len(chart.spec["layer"]) == 3


def test_a_yield_has_the_interval_of_its_share():
    chart = yield_chart({"": SWEPT}, ACCURACY, 0.9, name="yield")
    assert chart.description == (
        "Share of 5 dies at 90 % or more; bands are 95 % intervals (Wilson). Asked for: 95 %."
    )
    assert chart.table.rows == (("0", "80", "37.55", "96.38"), ("0.5", "40", "11.76", "76.93"))


def test_sweeps_of_other_numbers_of_dies_say_so():
    few = Swept.of("amplifier.offset", [(0.0, Distribution.of([0.5, 1.0]))])
    chart = sweep_chart({"a": SWEPT, "b": few}, ACCURACY, name="sweep")
    assert "means over 2 to 5 dies" in chart.description


# --- what costs what -------------------------------------------------------------------------


def test_effects_are_bars_with_the_interval_of_their_mean():
    chart = effect_chart(
        EFFECTS, ACCURACY, name="effects", title="What costs what", told="Accuracy lost.",
        what="accuracy lost", label="imperfection",
    )  # fmt: skip
    assert chart.description == (
        "Accuracy lost. Means over 1 to 2 dies, each compared with itself; a line is the 95 % "
        "interval of the mean (Student's t)."
    )
    bars = chart.spec["data"]["values"]
    assert [row["group"] for row in bars] == ["alone", "all but this"]
    # 20 points, deviation 14.1 of two: 12.706 * 14.1 / sqrt(2).
    assert bars[0]["shown"] == "20.0 points (-107 .. 147)"
    assert bars[1]["shown"] == "-10 points"
    assert chart.spec["layer"][1]["encoding"]["x"]["scale"] == {"zero": True}


def test_differences_that_lie_far_apart_keep_their_zero():
    wide = [Effect(label="a", difference=difference([0.2, 0.21, 0.8], [0.0, 0.0, 0.0]))]
    wide += [Effect(label="b", difference=difference([0.5, 0.9, 0.7] * 9, [0.0] * 27))]
    chart = effect_chart(wide, ENERGY, name="x", title="X", told="X.", what="energy", label="part")
    assert chart.spec["layer"][0]["mark"]["type"] == "bar"


# --- tables ----------------------------------------------------------------------------------


def test_tables_for_papers(golden):
    tables = (
        distribution_table({"a_b": DIES, "c": WORSE}, ACCURACY, label="design", bound=0.9),
        sweep_table(SWEPT, ACCURACY),
        tolerance_table([SWEPT.tolerance(0.9, 0.6)], ACCURACY),
        effect_table(EFFECTS, ACCURACY, label="imperfection", what="accuracy lost"),
    )
    markdown = [markdown_table(table.columns, table.rows) for table in tables]
    golden("\n\n".join([*markdown, SURE, latex_table(tables[0].columns, tables[0].rows)]))


def test_lines_for_programs_have_all_digits_and_no_formulas():
    one = Distribution.of([0.1 + 0.2])
    text = distributions_as_csv({("=1+1", "0.5"): one}, ("design", "offset"))
    heads, line = text.splitlines()
    assert heads == (
        "design,offset,of,mean,deviation,least,p5,median,p95,greatest,required,yield,yield_low,"
        "yield_high"
    )
    value = "0.30000000000000004"
    assert line == f"'=1+1,0.5,1,{value},,{value},{value},{value},{value},{value},,,,"
    held = distributions_as_csv({("a",): DIES}, ("design",), bound=0.9).splitlines()[1]
    assert held.split(",")[-4:-2] == ["0.9", "0.8"]
    assert effects_as_csv(EFFECTS, "imperfection").splitlines()[2] == (
        "amplifier.offset,all but this,-0.1,,,,1"
    )
    tolerances = [SWEPT.tolerance(0.9, 0.6), SWEPT.tolerance(0.9)]
    assert tolerances_as_csv(tolerances).splitlines() == [
        "setting,required,share,reach,value,sure_reach,sure_value",
        "amplifier.offset,0.9,0.6,up to,0.25,not reached,",
        "amplifier.offset,0.9,0.95,not reached,,not reached,",
    ]


# --- drawn -----------------------------------------------------------------------------------


def test_every_chart_is_drawn_whole():
    pytest.importorskip("vl_convert")
    charts = [
        histogram_chart(DIES, ACCURACY, bound=0.9),
        sweep_chart({"a": SWEPT, "b": SWEPT}, ACCURACY, name="sweep", bound=0.9),
    ]
    first, second = (f.files[f"{f.name}.svg"].decode() for f in draw(charts, ""))
    for text in ("mean: 91.0 %", "5th percentile: 82.0 %", "required: 90.0 %", "Dies"):
        assert text in first
    for text in (">a<", ">b<", "required", "amplifier.offset"):
        assert text in second


def test_names_of_others_are_values_and_never_expressions():
    hostile = "</script>\x1b[2J${datum.x}"
    chart = sweep_chart({hostile: SWEPT, "b": SWEPT}, ACCURACY, name="sweep")
    for spec in (for_page(chart), for_paper(chart)):
        text = embedded(spec)
        assert "</script" not in text
        assert "\x1b" not in text
