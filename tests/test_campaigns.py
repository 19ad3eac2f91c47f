"""Which cases of a long campaign run: some, the same each time, or all."""

from types import SimpleNamespace

import pytest

from tests import campaigns

MARK = SimpleNamespace(args=(2,))


class Case:
    """What pytest has of a case, as far as it is asked."""

    def __init__(self, nodeid: str, mark: object = MARK) -> None:
        self.nodeid, self.mark = nodeid, mark

    def get_closest_marker(self, name: str) -> object:
        return self.mark if name == "campaign" else None


CASES = [
    *(Case(f"t.py::many[{case}]") for case in range(5)),
    *(Case(f"t.py::few[{case}]") for case in range(2)),
    *(Case(f"t.py::plain[{case}]", None) for case in range(5)),
]


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaigns, "whole", False)


@pytest.mark.usefixtures("part")
def test_a_test_that_is_marked_runs_as_many_cases_as_it_says():
    left = campaigns.left_out(CASES)
    assert len(left) == 3
    assert all(case.nodeid.startswith("t.py::many") for case in left)
    assert campaigns.left_out(CASES) == left  # in another worker, too


@pytest.mark.usefixtures("part")
def test_cases_are_chosen_in_their_order_and_examples_are_a_third():
    assert campaigns.chosen("abcdef", 6, "seed") == list("abcdef")
    few = campaigns.chosen(range(100), 5, "seed")
    assert few == sorted(few)
    assert few == campaigns.chosen(range(100), 5, "seed") != campaigns.chosen(range(100), 5, "x")
    assert [campaigns.examples(n) for n in (1, 60, 80)] == [1, 20, 27]


def test_a_whole_campaign_leaves_nothing_out(monkeypatch):
    monkeypatch.setattr(campaigns, "whole", True)
    assert campaigns.left_out(CASES) == set()
    assert campaigns.chosen("abc", 1, "seed") == ["a", "b", "c"]
    assert campaigns.examples(60) == 60
