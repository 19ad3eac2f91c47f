"""The search by itself, on networks whose accuracy is a sum that a test writes down."""

from collections.abc import Callable, Sequence
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper.assigning.search import Layer, Search
from mapper.assigning.tried import Picks, Tried
from mapper.cost.result import Range
from mapper.proportions import wilson

MACROS = ("adc", "ternary", "bit")
SAMPLES = 1000


def tried(picks: Picks, right: int, goal: float) -> Tried:
    return Tried(
        picks=picks,
        right=tuple(number < right for number in range(SAMPLES)),
        energy_pj=Range(goal, goal, goal),
    )


def searched(
    measure: Callable[[Picks], Tried], layers: int, keep: float = 0.01
) -> tuple[Search, Picks]:
    def ask(what: str, picks: Sequence[Picks]) -> list[Tried]:
        assert len(set(picks)) == len(picks)
        return [measure(one) for one in picks]

    names = [Layer(name=f"layer{place}", macros=MACROS) for place in range(layers)]
    search = Search(layers=names, ask=ask, by="energy", keep=keep)
    return search, search.run().chosen


def of_tables(
    lost: Sequence[Sequence[int]], cost: Sequence[Sequence[int]]
) -> Callable[[Picks], Tried]:
    """Return what measures a network: samples lost and cost, by layer and macro, add up."""

    def measure(picks: Picks) -> Tried:
        places = [MACROS.index(name) for name in picks]
        right = 900 - sum(row[place] for row, place in zip(lost, places, strict=True))
        goal = sum(row[place] for row, place in zip(cost, places, strict=True))
        return tried(picks, right, goal)

    return measure


def test_sense_amplifiers_go_where_they_are_harmless_and_adcs_where_not():
    measure = of_tables(
        lost=[(0, 200, 400), (0, 0, 1), (0, 4, 90)], cost=[(9, 5, 4), (9, 5, 4), (9, 5, 4)]
    )
    assert searched(measure, 3)[1] == ("adc", "bit", "ternary")


def test_as_many_samples_are_lost_as_may_be_and_no_more():
    measure = of_tables(lost=[(0, 10, 11)], cost=[(3, 2, 1)])
    assert searched(measure, 1)[1] == ("ternary",)
    assert searched(measure, 1, keep=0.011)[1] == ("bit",)
    assert searched(measure, 1, keep=0.0)[1] == ("adc",)


def test_a_step_that_is_in_the_way_is_taken_back():
    """The first step saves most for what it loses, and then nothing else has room."""
    measure = of_tables(lost=[(0, 6, 50), (0, 9, 50)], cost=[(10, 4, 3), (20, 12, 11)])
    search, chosen = searched(measure, 2)
    assert search.tried[("ternary", "adc")].energy_pj.nominal == 24
    assert chosen == ("adc", "ternary")  # 22


def test_hardly_anything_is_saved_for_no_loss():
    """One of a thousand is saved for four samples of the ten that may be lost."""
    measure = of_tables(lost=[(0, 0, 4), (0, 0, 4)], cost=[(500, 400, 399), (500, 400, 300)])
    assert searched(measure, 2)[1] == ("ternary", "bit")


def test_what_the_target_refuses_is_never_chosen():
    def measure(picks: Picks) -> Tried:
        if picks[0] == "bit":
            return Tried(picks=picks, refused="too-many-crossbars: no room")
        return of_tables([(0, 0, 0)] * 2, [(3, 2, 1)] * 2)(picks)

    assert searched(measure, 2)[1] == ("ternary", "bit")


def test_where_the_finest_is_refused_nothing_is_searched():
    search, chosen = searched(lambda picks: Tried(picks=picks, refused="no: room"), 2)
    assert chosen == ("adc", "adc")
    assert set(search.tried) == {(name, name) for name in MACROS}


def test_what_is_better_beyond_chance_is_what_is_kept():
    """Ternary everywhere is right 30 times more often: the ADCs lose too much to it."""
    measure = of_tables(lost=[(30, 0, 11), (0, 0, 5)], cost=[(9, 5, 4), (9, 5, 4)])
    search, chosen = searched(measure, 2)
    assert search.run().best[0] == "ternary"
    assert chosen == ("ternary", "bit")


def test_one_that_is_better_by_luck_sets_no_mark():
    """Three of a thousand are within chance: ten below the finest are good all the same."""
    measure = of_tables(lost=[(3, 0, 13)], cost=[(9, 5, 1)])
    search, chosen = searched(measure, 1)
    assert search.run().best == ("adc",)
    assert chosen == ("bit",)


@given(
    lost=st.lists(
        st.tuples(st.just(0), st.integers(0, 12), st.integers(0, 40)), min_size=1, max_size=3
    ),
    cost=st.lists(
        st.tuples(st.just(30), st.integers(5, 29), st.integers(1, 25)), min_size=3, max_size=3
    ),
)
def test_the_answer_is_good_and_nearly_the_cheapest(lost, cost):
    """Of sums there is a cheapest good one; the search is within a twentieth of it, never bad."""
    measure = of_tables(lost, cost[: len(lost)])
    _, chosen = searched(measure, len(lost))
    found = measure(chosen)
    every = [measure(picks) for picks in product(MACROS, repeat=len(lost))]
    good = [one.energy_pj.nominal for one in every if sum(one.right) >= 890]
    assert sum(found.right) >= 890
    finest = 30 * len(lost)
    assert found.energy_pj.nominal <= min(good) + 0.05 * finest


@pytest.mark.parametrize("layers", [1, 12])
def test_the_work_grows_with_layers_and_not_with_their_combinations(layers):
    rows = [(0, 1, 2)] * layers
    search, _ = searched(of_tables(rows, [(3, 2, 1)] * layers), layers)
    assert len(search.tried) <= 3 + 2 * layers + 4 * 2 * layers + 48


# --- how sure a loss is --------------------------------------------------------------------------


def answered(name: str, *right: bool) -> Tried:
    return Tried(picks=(name,), right=right)


def test_answers_that_never_turn_still_have_an_interval():
    few, others = answered("adc", *[True] * 5), answered("bit", *[True] * 5)
    others_of_five = wilson(0, 5)[1]
    assert few.lost_to(others).interval == (-others_of_five, others_of_five)
    assert few.lost_to(few).interval is None  # the same assignment


def test_no_interval_leaves_what_a_difference_can_be():
    good, bad = answered("adc", *[True] * 5), answered("bit", True, True, False, False, False)
    worst = answered("none", *[False] * 5)
    assert bad.lost_to(good).interval == pytest.approx((-1.0, 0.0800873806))
    assert good.lost_to(worst).interval == (1 - wilson(0, 5)[1], 1.0)
