"""JSON that every reader takes."""

import json

from mapper.writing import json_text


def test_a_number_that_overflowed_is_null_in_json_and_the_others_stay():
    inf, nan = float("inf"), float("nan")
    data = {"a": [1, inf, {"b": nan}], "c": (0.1, -inf), "d": "inf", "e": True, "f": 10**20}
    assert json.loads(json_text(data)) == {
        "a": [1, None, {"b": None}],
        "c": [0.1, None],
        "d": "inf",
        "e": True,
        "f": 10**20,
    }
