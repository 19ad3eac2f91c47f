"""Intervals of shares, against values worked out by hand or printed."""

from math import sqrt

import pytest

from mapper.proportions import Paired, Score, Z, read_score, wilson


def test_the_interval_of_a_half_is_symmetric_and_closed_in_form():
    # p = 1/2: the middle is 1/2 and the reach z / (2 sqrt(n + z^2)).
    low, high = wilson(50, 100)
    reach = Z / (2 * sqrt(100 + Z * Z))
    assert (low, high) == (pytest.approx(0.5 - reach), pytest.approx(0.5 + reach))
    assert (round(low, 4), round(high, 4)) == (0.4038, 0.5962)


def test_none_and_all_right_have_one_end_that_is_exact():
    # n = 10, none right: high = z^2 / (n + z^2) = 3.8415 / 13.8415.
    assert wilson(0, 10) == (0.0, pytest.approx(Z * Z / (10 + Z * Z)))
    assert round(wilson(0, 10)[1], 4) == 0.2775
    assert wilson(10, 10) == (pytest.approx(10 / (10 + Z * Z)), 1.0)


def test_printed_values_are_met():
    # Newcombe, Two-sided confidence intervals for the single proportion, 1998, Table I, method 3.
    printed = {
        (81, 263): ("0.2553", "0.3662"),
        (15, 148): ("0.0624", "0.1605"),
        (0, 20): ("0.0000", "0.1611"),
        (1, 29): ("0.0061", "0.1718"),
    }
    for (right, of), ends in printed.items():
        assert tuple(f"{end:.4f}" for end in wilson(right, of)) == ends


@pytest.mark.parametrize(("right", "of"), [(-1, 3), (4, 3), (0, 0)])
def test_no_share_is_refused(right, of):
    with pytest.raises(ValueError, match="right of"):
        wilson(right, of)


def test_a_score_says_how_many_and_how_sure():
    assert str(Score(16, 18)) == "88.9 % (16 of 18, 95 %: 67.2 .. 96.9)"
    held = Score(16, 18).as_dict("source_accuracy")
    assert held["source_accuracy"] == 16 / 18
    assert held["source_accuracy_right"] == 16
    assert read_score(held, "source_accuracy") == Score(16, 18)
    assert read_score({"accuracy": 0.5}) is None


@pytest.mark.parametrize(
    "changed", [{"accuracy": 0.5}, {"accuracy_of": 0}, {"accuracy_right": "1"}, {"accuracy_of": 15}]
)
def test_a_score_that_does_not_add_up_is_refused(changed):
    with pytest.raises(ValueError, match="accuracy is"):
        read_score(Score(16, 18).as_dict() | changed)


def test_the_difference_of_two_on_the_same_samples():
    # Newcombe 1998 (paired), the example 36, 12, 2, 0: the excess 36*0 - 12*2 is below 0, so phi
    # is -24 / sqrt(48 * 2 * 38 * 12) and stays.
    found = Paired(both=36, first_only=12, second_only=2, neither=0)
    assert found.difference == 0.2
    low, high = found.interval
    first, second = wilson(48, 50), wilson(38, 50)
    phi = -24 / sqrt(48 * 2 * 38 * 12)
    below, above = 0.96 - first[0], second[1] - 0.76
    assert low == pytest.approx(0.2 - sqrt(below**2 - 2 * phi * below * above + above**2))
    assert (round(low, 4), round(high, 4)) == (0.0569, 0.3404)


def test_a_small_excess_counts_as_no_correlation():
    # n = 4, 1*1 - 1*1 = 0, and below n/2 = 2 in any case: phi = 0, a plain square-and-add.
    found = Paired(both=1, first_only=1, second_only=1, neither=1)
    low, high = found.interval
    reach = wilson(2, 4)[1] - 0.5
    assert (low, high) == (pytest.approx(-sqrt(2) * reach), pytest.approx(sqrt(2) * reach))


def test_exact_p_counts_the_samples_that_one_alone_gets_right():
    # Of 10 samples apart, 1 or fewer on one side: 2 * (1 + 10) / 1024.
    assert Paired(both=5, first_only=9, second_only=1, neither=0).p == 22 / 1024
    assert Paired(both=5, first_only=3, second_only=3, neither=0).p == 1.0
    assert Paired(both=5, first_only=0, second_only=0, neither=1).p == 1.0
