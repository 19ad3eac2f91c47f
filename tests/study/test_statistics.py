"""Statistics of many runs, by hand and against NumPy; what a sweep tolerates."""

import doctest
from math import inf, tan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.proportions import Score
from mapper.study import statistics, sweep
from mapper.study.statistics import (
    Distribution,
    Reach,
    Swept,
    _within,
    difference,
    reach,
    student_t,
)
from tests.campaigns import examples

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)


@pytest.mark.parametrize("module", [statistics, sweep], ids=lambda module: module.__name__)
def test_examples_of_docstrings_are_true(module):
    found = doctest.testmod(module)
    assert (found.failed, found.attempted > 0) == (0, True)


def test_five_dies_by_hand():
    found = Distribution.of([0.9, 0.5, 0.8, 0.7, 0.6])
    assert found.as_dict() == {
        "of": 5,
        "mean": 0.7,
        "deviation": pytest.approx(0.025**0.5),  # squares 0.1 over 4
        "least": 0.5,
        "p5": pytest.approx(0.52),  # place 0.2
        "median": 0.7,
        "p95": pytest.approx(0.88),  # place 3.8
        "greatest": 0.9,
    }


def test_one_die_has_no_spread():
    found = Distribution.of([0.4])
    assert (found.mean, found.deviation, found.quantile(0.05)) == (0.4, None, 0.4)


def test_no_dies_have_no_distribution():
    with pytest.raises(ValueError, match="no values"):
        Distribution.of([])


@pytest.mark.parametrize("share", [-0.1, 1.1, inf])
def test_a_quantile_is_of_a_share(share):
    with pytest.raises(ValueError, match="a quantile of"):
        Distribution.of([1.0]).quantile(share)


@settings(max_examples=examples(50))
@given(values=VALUES, share=st.floats(0, 1))
def test_quantiles_are_those_of_numpy(values, share):
    found = Distribution.of(values).quantile(share)
    assert found == pytest.approx(np.quantile(values, share, method="linear"), abs=1e-6)


def test_a_die_at_the_bound_is_good():
    # 0.57 * 100 is less than 57: shares are compared as they are.
    found = Distribution.of([57 / 100, 56 / 100, 0.58])
    assert found.reaching(0.57) == Score(2, 3)


# --- pairs -----------------------------------------------------------------------------------


def test_three_pairs_by_hand():
    found = difference([0.8, 0.7, 0.9], [0.9, 0.9, 0.9])
    assert found.mean == pytest.approx(-0.1)
    assert found.deviation == pytest.approx(0.1)
    low, high = found.interval
    assert low == pytest.approx(-0.1 - 4.302653 * 0.1 / 3**0.5)
    assert high == pytest.approx(-0.1 + 4.302653 * 0.1 / 3**0.5)
    assert found.as_dict()["interval"] == [low, high]


def test_one_pair_has_no_interval():
    found = difference([0.8], [0.9])
    assert (found.interval, found.as_dict()["interval"], found.of) == (None, None, 1)


def test_runs_that_are_not_as_many_are_no_pairs():
    with pytest.raises(ValueError, match="longer"):
        difference([0.8], [0.9, 0.9])


@pytest.mark.parametrize(
    ("freedom", "expected"),
    # W. H. Beyer, CRC Standard Mathematical Tables; 12.706 is tan(0.95 pi / 2).
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (10, 2.228), (19, 2.093),
     (30, 2.042), (120, 1.980), (5000, 1.960)],
)  # fmt: skip
def test_student_t_is_that_of_tables(freedom, expected):
    assert round(student_t(freedom), 3) == expected


def test_student_t_of_one_degree_is_a_tangent():
    assert student_t(1) == pytest.approx(tan(0.95 * np.pi / 2))
    with pytest.raises(ValueError, match="0 degrees"):
        student_t(0)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 8])
def test_the_series_is_the_integral_of_the_density(freedom):
    # In the angle the density is a power of the cosine; the half circle is all of it.
    angles = np.linspace(-np.pi / 2, np.pi / 2, 200_001)
    density = np.cos(angles) ** (freedom - 1)
    share = density[np.abs(angles) < 0.8].sum() / density.sum()
    assert _within(0.8, freedom) == pytest.approx(share, abs=1e-4)


# --- tolerance -------------------------------------------------------------------------------

FALLING = [(0.0, 1.0), (0.1, 0.98), (0.2, 0.92), (0.3, 0.5)]


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.95, Reach("up to", 0.15)),
        (0.98, Reach("up to", 0.1)),
        (0.92, Reach("up to", 0.2)),
        (0.71, Reach("up to", 0.25)),
        (0.5, Reach("all of it", 0.3)),
        (0.2, Reach("all of it", 0.3)),
    ],
)
def test_how_far_a_sweep_may_go(share, expected):
    assert reach(FALLING, share) == expected
    assert reach(FALLING[::-1], share) == expected


def test_too_few_good_dies_from_the_start_are_not_reached():
    assert reach([(0.0, 0.94), (0.1, 1.0)], 0.95) == Reach("not reached", None)


def test_the_first_fall_counts():
    again = [(0, 1.0), (1, 0.9), (2, 1.0)]
    assert reach(again, 0.95) == Reach("up to", 0.5)


@settings(max_examples=examples(50))
@given(
    shares=st.lists(st.floats(0, 1), min_size=1, max_size=8),
    asked=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_who_asks_for_more_gets_no_further(shares, asked):
    points = [(float(place), share) for place, share in enumerate(shares)]
    more, less = max(asked), min(asked)
    far = [-1.0 if (v := reach(points, share).value) is None else v for share in (more, less)]
    assert far[0] <= far[1] <= len(shares) - 1


def swept(*points: tuple[float, list[float]]) -> Swept:
    return Swept.of("offset", [(value, Distribution.of(dies)) for value, dies in points])


def test_a_tolerance_reads_as_a_sentence():
    good, half = [0.95] * 200, [0.95] * 100 + [0.5] * 100
    text = "at 90 % or more"
    some = swept((1.0, half), (0.0, good)).tolerance(0.9)
    assert some.told(text) == "offset up to 0.1 keeps 95 % of dies at 90 % or more"
    # 200 of 200 are 98.1 % or more, half of them 43.1 % or more.
    assert some.sure == Reach("up to", pytest.approx(0.0567, abs=1e-3))
    every = swept((0.0, good), (0.5, good)).tolerance(0.9)
    assert every.told(text) == (
        "all of it: offset up to 0.5, all that was swept, keeps 95 % of dies at 90 % or more"
    )
    none = swept((0.25, half), (0.5, half)).tolerance(0.9)
    assert none.told(text) == (
        "not reached: offset at 0.25, the least swept, leaves 50 % of dies at 90 % or more, "
        "and 95 % are asked for"
    )
    assert none.as_dict() == {
        "setting": "offset",
        "bound": 0.9,
        "share": 0.95,
        "reach": "not reached",
        "value": None,
        "sure_reach": "not reached",
        "sure_value": None,
    }
    assert [str(one.reach) for one in (some, every, none)] == [
        "up to 0.1", "all of it 0.5", "not reached",
    ]  # fmt: skip


def test_few_dies_are_not_sure_of_anything():
    found = swept((0.0, [1.0] * 20), (1.0, [1.0] * 20)).tolerance(0.9)
    assert (found.reach.kind, found.sure.kind) == ("all of it", "not reached")


def test_what_rounding_of_quotients_leaves_is_no_difference():
    changed, unchanged = [10 / 18, 10 / 18, 12 / 18], [10 / 18, 11 / 18, 11 / 18]
    assert sum(a - b for a, b in zip(changed, unchanged, strict=True)) != 0
    assert difference(changed, unchanged).mean == 0
