"""Axes: where they are logarithmic, and names beside them that are whole."""

import pytest

from mapper.report.charts.base import Bar, Chart, Table, for_page, for_paper, interval_bars
from mapper.report.charts.scales import far_apart, log_axis, log_ticks
from mapper.report.charts.wrapping import wrapped
from mapper.report.numbers import interval_text, three_digits


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (1, "1.00"),
        (0.0306, "0.0306"),
        (14.84, "14.8"),
        (999.4, "999"),
        (999.6, "1,000"),
        (1234567, "1,234,567"),
        (0, "0"),
        (0.99996, "1.00"),
        (1.5e-8, "1.50e-08"),
        (float("inf"), "inf"),
    ],
)
def test_results_have_three_digits_zeros_among_them(value, told):
    assert three_digits(value) == told


def test_the_ends_of_an_interval_are_as_exact_as_its_middle():
    assert interval_text(0.0306, 1.0, 2.5, "µJ") == "1.00 µJ (0.0306 .. 2.50)"
    assert interval_text(1, 1, 1, "pJ") == "1 pJ"  # known exactly


def test_an_interval_of_four_times_makes_an_axis_logarithmic():
    assert not far_apart([(1.0, 3.9), (0.0, 100.0)])  # from 0 on, no axis shows the lower end
    assert far_apart([(1.0, 3.9), (1.0, 4.0)])
    scale, ticks = log_axis([0.0, 0.2, 10.0])
    assert scale == {"type": "log", "domain": [0.16, 12.5], "nice": False}
    assert ticks == [0.2, 0.5, 1.0, 2.0, 5.0, 10.0]
    assert log_ticks(0.0008, 20) == [0.001, 0.01, 0.1, 1.0, 10.0]
    low, high = log_axis([1e-12, 1.0])[0]["domain"]
    assert high / low == pytest.approx(1e6 * 1.25**2)


def spec_of(*bars: Bar) -> Chart:
    spec = interval_bars(bars, unit="pJ", what="energy")
    return Chart(name="x", title="X", description="", spec=spec, table=Table(columns=(), rows=()))


def test_a_wide_interval_is_a_dot_with_a_line_and_a_narrow_one_a_bar():
    narrow = spec_of(Bar(label="a", low=1, nominal=2, high=3)).spec
    assert [layer["mark"]["type"] for layer in narrow["layer"]] == ["bar", "rule"]
    assert narrow["layer"][0]["encoding"]["x"]["scale"] == {"zero": True}
    wide = spec_of(
        Bar(label="a", low=0.1, nominal=1, high=10), Bar(label="b", low=0, nominal=0, high=2)
    ).spec
    assert [layer["mark"]["type"] for layer in wide["layer"]] == ["rule", "point"]
    rows = wide["data"]["values"]
    assert [(row["low"], row["nominal"]) for row in rows] == [(0.1, 1), (0.08, None)]
    assert rows[1]["shown"] == "0 pJ (0 .. 2.00)"  # what is told is what is there


def test_a_name_is_wrapped_after_its_signs_and_nothing_is_left_out():
    name = "components: reference-fit-65nm to the target's"
    assert wrapped(name, 24).split("\n") == [
        "components: reference-",
        "fit-65nm to the target's",
    ]
    for letters in (1, 5, 18, 80):
        assert wrapped(name, letters).replace("\n", "") == name
        assert all(len(line.rstrip()) <= letters for line in wrapped(name, letters).split("\n"))
    assert wrapped("short", 24) == "short"


def test_bars_get_the_room_that_lines_of_names_need():
    name = "/features/features.0/block/conv/Conv"
    chart = spec_of(Bar(label=name, low=1, nominal=2, high=3))
    print_ = for_paper(chart)
    assert print_["height"] > chart.spec["height"]
    assert print_["encoding"]["y"]["axis"]["labelExpr"] == "split(datum.label, '\\n')"
    assert print_["config"]["axis"]["labelLimit"] == 0
    page = for_page(chart)  # its script wraps for the width there is
    assert page["data"]["values"][0]["label"] == name
    assert page["encoding"]["y"]["axis"]["labelExpr"] == "split(datum.label, '\\n')"
