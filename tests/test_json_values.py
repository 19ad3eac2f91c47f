"""Values of a JSON file that may come from anyone."""

import math

import pytest

from mapper.json_values import finite, number, one_of, share, shares, text, texts, whole


def test_what_is_meant_is_returned():
    assert [number(2), finite(2.5), share(1), text("a")] == [2.0, 2.5, 1.0, "a"]
    assert whole(3, "count", most=3) == 3
    assert texts(["a", "b"]) == ("a", "b")
    assert one_of("b", ("a", "b")) == "b"
    assert shares([0, 1], 2) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("read", "value", "error"),
    [
        (number, True, TypeError),
        (number, "2", TypeError),
        (number, 10**400, ValueError),
        (finite, -(10**400), ValueError),
        (finite, math.inf, ValueError),
        (finite, math.nan, ValueError),
        (share, 1.01, ValueError),
        (share, math.nan, ValueError),
        (lambda values: shares(values, 2), [], ValueError),
        (lambda values: shares(values, 2), [0.1, 0.2, 0.3], ValueError),
        (lambda values: shares(values, 2), (0.1,), ValueError),
        (lambda values: shares(values, 2), [2], ValueError),
        (text, 2, TypeError),
        (lambda value: one_of(value, ("a", "b")), "c", ValueError),
        (lambda value: one_of(value, ("a", "b")), ["a"], ValueError),
        (texts, ["a", None], TypeError),
        (lambda value: whole(value, "count"), 0, ValueError),
        (lambda value: whole(value, "count", most=3), 4, ValueError),
        (lambda value: whole(value, "count"), True, ValueError),
        (lambda value: whole(value, "count"), 2.0, ValueError),
    ],
)
def test_anything_else_is_an_error(read, value, error):
    with pytest.raises(error):
        read(value)
