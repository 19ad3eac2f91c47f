"""Targets as points: axes, names beside their marks, what is known of accuracy."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper.report.charts.beside import HEIGHT, WIDTHS, place_names
from mapper.report.comparison.pareto import (
    accuracy_told,
    pareto_charts,
    rightness,
    scale_of,
    undominated,
)


def answer(*rows: tuple[float, float, dict[str, Any]]) -> dict[str, Any]:
    """Targets of an energy in pJ, a latency in ns, and whatever else is known."""
    exactly = lambda value: {"low": value, "nominal": value, "high": value}  # noqa: E731
    return {
        "targets": [
            {
                "target": f"target-{index}",
                "cost": {
                    "energy_pj": {"total": exactly(energy)},
                    "latency_ns": {"inference_pipelined": exactly(latency)},
                    "area_um2": {"total": exactly(100.0 * (index + 1))},
                },
                **more,
            }
            for index, (energy, latency, more) in enumerate(rows)
        ]
    }


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
    held = answer((1, 1, {"accuracy": 0.9}), (2, 1, {"accuracy": 0.8}), (3, 1, {}))
    latency, accuracy = pareto_charts(held)
    assert (latency.name, accuracy.name) == ("pareto", "pareto-accuracy")
    assert [row[0] for row in accuracy.table.rows] == ["target-0", "target-1"]
    assert [row[1] for row in accuracy.table.rows] == ["90", "80"]
    assert [row[-1] for row in accuracy.table.rows] == ["yes", "no"]
    assert accuracy_told(held) == "Not drawn, because their accuracy is not known: target-2."


def test_equal_spikes_stand_in_for_accuracy():
    held = answer((1, 1, {"verification": {"spike_agreement": 0.75, "accuracy": None}}))
    assert rightness(held) == ("equal spikes", [0.75])
    assert pareto_charts(held)[1].title == "Energy against equal spikes"
    assert accuracy_told(held) == ""


def test_without_accuracy_the_page_says_how_to_get_it():
    held = answer((1, 1, {}), (2, 2, {}))
    assert len(pareto_charts(held)) == 1
    assert "Accuracy is not known here" in accuracy_told(held)


def test_the_area_of_a_mark_is_in_words_and_no_legend_takes_room():
    (chart,) = pareto_charts(answer((1, 1, {}), (2, 200, {})))
    assert "100 to 200 µm²" in chart.description
    assert "legend': None" in str(chart.spec)
    assert "The axis across is logarithmic, the other one linear." in chart.description
