"""Targets as points: axes, names beside their marks, what is known of accuracy."""

from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper.cost import Range
from mapper.ir.firing import Firing
from mapper.proportions import Score
from mapper.report.charts.beside import HEIGHT, WIDTHS, place_names
from mapper.report.comparison.data import Differences, Side, SideBySide
from mapper.report.comparison.pareto import accuracy_told, pareto_charts, rightness, undominated
from mapper.report.comparison.scatter import scale_of


def sides(*known: tuple[float, float, float | None]) -> SideBySide:
    """Targets of an energy in pJ, a latency in ns, and an accuracy where it is known."""
    return SideBySide(
        network="net",
        activity="measured",
        preset="physical",
        sides=tuple(
            Side(
                name=f"target-{index}",
                target=f"target-{index}",
                energy_pj=Range(energy, energy, energy),
                latency_ns=Range(latency, latency, latency),
                area_um2=Range(*[100.0 * (index + 1)] * 3),
                way=(),
                accuracy=accuracy,
            )
            for index, (energy, latency, accuracy) in enumerate(known)
        ),
        differences=Differences(columns=(), rows=()),
    )


def boxes(points, names, width):
    made = []
    for (x, y), name, place in zip(points, names, place_names(points, names), strict=True):
        wide = 6.9 * len(name)
        left = x * width + place.dx - (wide if place.align == "right" else 0)
        middle = (1 - y) * HEIGHT + place.dy
        made.append((left, left + wide, middle - 7, middle + 7))
    return made


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "points",
    [
        [(0.1, 0.9)] * 6,  # all in one place
        [(0.1, 0.5 + 0.01 * i) for i in range(6)],
        [(0.92, 0.9), (0.92, 0.9), (0.9, 0.1), (0.8, 0.08), (0.1, 0.1)],
        [(0.5, 0.5), (0.52, 0.5), (0.1, 0.02), (0.95, 0.99)],
    ],
)
def test_no_name_lies_on_another_or_sticks_out(points, width):
    found = boxes(points, [f"adcless-diff-{i}" for i in range(len(points))], width)
    for a, b in combinations(found, 2):
        assert a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] + 0.5 or b[3] <= a[2] + 0.5
    for left, right, top, bottom in found:
        assert left >= 0
        assert right <= width
        assert top >= -0.5
        assert bottom <= HEIGHT + 0.5


@given(st.lists(st.floats(1e-6, 1e12), min_size=1, max_size=8))
def test_every_value_is_inside_of_its_axis(values):
    scale = scale_of(values, "Energy (pJ)", "y")
    assert scale.log == (max(values) / min(values) >= 4)
    assert all(0 < scale.at(value) < 1 for value in values)
    shown = scale.encoded()["axis"].get("values", [1])
    assert shown  # a logarithmic axis has numbers on it


def test_an_axis_with_a_zero_is_linear():
    assert not scale_of([0, 100], "Latency (ns)", "x").log


def test_only_what_is_better_in_both_dominates():
    assert undominated([(1, 1), (1, 1), (2, 0.5), (1, 2), (3, 3)]) == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_energy_is_drawn_against_accuracy_where_it_is_known_and_the_others_are_named():
    compared = sides((1, 1, 0.9), (2, 1, 0.8), (3, 1, None))
    latency, accuracy = pareto_charts(compared)
    assert (latency.name, accuracy.name) == ("pareto", "pareto-accuracy")
    assert [row[0] for row in accuracy.table.rows] == ["target-0", "target-1"]
    assert [row[1] for row in accuracy.table.rows] == ["90", "80"]
    assert [row[-1] for row in accuracy.table.rows] == ["yes", "no"]
    assert accuracy_told(compared) == "Not drawn, because their accuracy is not known: target-2."


def test_equal_spikes_stand_in_for_accuracy():
    (alone,) = sides((1, 1, None)).sides
    compared = replace(sides((1, 1, None)), sides=(replace(alone, spike_agreement=0.75),))
    assert rightness(compared) == ("equal spikes", [0.75])
    assert pareto_charts(compared)[1].title == "Energy against equal spikes"
    assert accuracy_told(compared) == ""


def test_without_accuracy_the_page_says_how_to_get_it():
    compared = sides((1, 1, None), (2, 2, None))
    assert len(pareto_charts(compared)) == 1
    assert "Accuracy is not known here" in accuracy_told(compared)


def test_the_area_of_a_mark_is_in_words_and_no_legend_takes_room():
    (chart,) = pareto_charts(sides((1, 1, None), (2, 200, None)))
    assert "100 to 200 µm²" in chart.description
    assert "legend': None" in str(chart.spec)
    assert "The axis across is logarithmic, the other one linear." in chart.description


def test_a_line_through_a_mark_is_the_interval_of_its_accuracy():
    compared = sides((1, 1, 16 / 18), (2, 1, 0.8))
    first, other = compared.sides
    counted = replace(compared, sides=(replace(first, score=Score(16, 18)), other))
    _, chart = pareto_charts(counted)
    (drawn, plain) = chart.spec["data"]["values"]
    low, high = Score(16, 18).interval
    assert (drawn["low"], drawn["high"]) == (100 * low, 100 * high)
    assert "low" not in plain
    assert "95 % intervals of accuracy" in chart.description
    lines = [layer for layer in chart.spec["layer"] if "isValid" in str(layer.get("transform"))]
    assert len(lines) == 1
    _, bare = pareto_charts(compared)
    assert "isValid" not in str(bare.spec)


def test_a_dead_target_is_on_no_front():
    compared = sides((1, 1, 0.1), (2, 1, 0.8))
    silent = Firing(steps=1, samples=2, layers=(), alike=True)
    first, other = compared.sides
    dead = replace(
        compared, sides=(replace(first, firing=silent, incomparable=silent.reason), other)
    )
    for chart in pareto_charts(dead):
        assert [row[0] for row in chart.table.rows] == ["target-1"]
    assert pareto_charts(replace(dead, sides=dead.sides[:1])) == ()
    assert dead.first is other
    assert dead.base == "Ratios are to target-1, the first target that is comparable."
