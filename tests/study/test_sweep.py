"""What a user writes to ask for a study."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.diagnostics import MappingError
from mapper.study.sweep import Sweep, parse_share, parse_sweep, parse_sweeps
from tests.campaigns import examples


def test_both_ends_and_what_is_between():
    assert parse_sweep("cell.sigma=0:0.3:7").values == (0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
    assert parse_sweep("age=1:0:2").values == (1, 0)
    assert parse_sweep("x=-.5:1e1:4") == Sweep("x", (-0.5, 3.0, 6.5, 10.0))
    assert parse_sweep("read_noise=0,0.1,2E-1").values == (0, 0.1, 0.2)
    assert parse_sweep("offset=3").values == (3,)


@settings(max_examples=examples(50))
@given(start=st.integers(-99, 99), width=st.integers(1, 99), count=st.integers(2, 30))
def test_spaced_values_are_the_nearest_to_the_exact_ones(start, width, count):
    found = parse_sweep(f"x={start}:{start + width}:{count}").values
    exact = [(start * (count - 1) + width * i) / (count - 1) for i in range(count)]
    assert list(found) == exact


WRONG = {
    "cell.sigma": "'cell.sigma' is no sweep",
    "=1": "'=1' is no sweep",
    "a b=1": "'a b=1' is no sweep",
    "\x1b[2J=1": "'\\\\x1b[2J=1' is no sweep",
    "x=": "x takes numbers, not ''",
    "x=1,": "x takes numbers, not ''",
    "x=1,two": "x takes numbers, not 'two'",
    "x=nan": "x takes numbers, not 'nan'",
    "x=1_0": "x takes numbers, not '1_0'",
    "x=1e999": "x takes numbers, not '1e999'",
    "x=" + "9" * 50: f"x takes numbers, not '{'9' * 40}...'",
    "x=0:1": "x has 2 parts between colons: it takes 3, or a list",
    "x=0:1:2:3": "x has 4 parts between colons: it takes 3, or a list",
    "x=0:one:2": "x takes numbers, not 'one'",
    "x=0:1:1": "x takes '1' values, not 2 to 1,000",
    "x=0:1:2.5": "x takes '2.5' values, not 2 to 1,000",
    "x=0:1:-3": "x takes '-3' values, not 2 to 1,000",
    "x=0:1:1001": "x takes '1001' values, not 2 to 1,000",
    "x=0:1:99999999999": "x takes '99999999999' values, not 2 to 1,000",
    "x=2:2:5": "x starts and stops at 2",
    "x=1,2,1.0": "x takes the value 1 twice",
    "x=" + "1," * 1000 + "1": "x takes 1,001 values, not 1 to 1,000",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_sweep_that_cannot_be_read_is_refused(text):
    with pytest.raises(MappingError) as caught:
        parse_sweep(text)
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.message) == ("bad-sweep", WRONG[text])
    assert problem.help.startswith("NAME=START:STOP:COUNT")


def test_all_that_is_wrong_with_several_is_told_at_once():
    with pytest.raises(MappingError) as caught:
        parse_sweeps(["x=1", "y", "z=a", "x=0:1:2"])
    assert [problem.message for problem in caught.value.diagnostics] == [
        "'y' is no sweep", "z takes numbers, not 'a'", "x is swept twice",
    ]  # fmt: skip
    assert [sweep.name for sweep in parse_sweeps(["x=1", "y=2,3"])] == ["x", "y"]


def test_shares_are_percent_or_not():
    assert [parse_share(t, "") for t in ("90%", "0.9", " 90 % ", "100%", "0", "1")] == [
        0.9, 0.9, 0.9, 1, 0, 1,
    ]  # fmt: skip
    assert parse_share("57%", "--require") == 57 / 100


@pytest.mark.parametrize("text", ["", "%", "90", "-1%", "100.1%", "nan", "half", "9" * 99])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(MappingError) as caught:
        parse_share(text, "--require")
    (problem,) = caught.value.diagnostics
    assert (problem.code, problem.loc) == ("bad-share", "--require")
