"""Samplers: every point once, the same whatever happened before, and better than chance."""

import logging
import sys
from collections.abc import Sequence

import pytest

from mapper.diagnostics import MappingError
from mapper.exploration.batch import Batch, Told
from mapper.exploration.grid import Axes, Point, drawn, point_at, size_of
from mapper.exploration.sampler import ask
from mapper.exploration.sampling import ADAPTIVE, SAMPLERS, Sampling
from mapper.study.case import canonical

AXES: Axes = {
    "array": (32, 64, 128),
    "readout": ("sense-amp", "sar4", "sar5"),
    "bits": (4, 1, 2, 3),
    "node": (65,),
}
"""36 points: numbers that are out of order, text, an axis of one value."""


@pytest.fixture(params=SAMPLERS)
def kind(request: pytest.FixtureRequest) -> str:
    """Every sampler; those of Optuna where it is there."""
    if request.param in ADAPTIVE:
        pytest.importorskip("optuna")
    return request.param


def told(point: Point) -> Told:
    """A point of two objectives that pull apart; 1-bit weights miss a bound."""
    slow = {"sense-amp": 1, "sar4": 4, "sar5": 5}[point["readout"]]
    values = (point["array"] * point["bits"] / 8, slow + 256 / point["array"])
    return Told(point=point, values=values, violations=(0.5 if point["bits"] == 1 else 0.0,))


def asked(sampling: Sampling, batches: int, axes: Axes = AXES) -> list[Told]:
    """Ask batch after batch, and tell what each point gives."""
    found: list[Told] = []
    for number in range(batches):
        batch = Batch(
            axes=axes, best=("min", "min"), sampling=sampling, number=number, told=tuple(found)
        )
        found += map(told, ask(batch))
    return found


def texts(found: Sequence[Told]) -> list[str]:
    return [canonical(one.point) for one in found]


def test_points_are_numbered_as_loops_run():
    points = [point_at({"a": (1, 2), "b": ("x", "y", "z")}, number) for number in range(6)]
    assert [tuple(point.values()) for point in points] == [
        *((1, "x"), (1, "y"), (1, "z")),
        *((2, "x"), (2, "y"), (2, "z")),
    ]
    assert list(points[0]) == ["a", "b"]


@pytest.mark.parametrize("size", [1, 2, 3, 10, 100, 257])
def test_a_drawn_order_has_every_number_once(size):
    orders = {tuple(drawn(size, place, seed) for place in range(size)) for seed in range(20)}
    assert all(sorted(order) == list(range(size)) for order in orders)
    assert len(orders) >= min(15, size)


def test_a_huge_space_is_drawn_from_without_a_list_of_it():
    axes = {f"axis{number}": tuple(range(100)) for number in range(12)}
    points = asked_points = [
        point
        for number in range(3)
        for point in ask(
            Batch(axes=axes, best=("min",), sampling=Sampling(), number=number, told=())
        )
    ]
    assert size_of(axes) == 10**24
    assert len({canonical(point) for point in points}) == len(asked_points) == 48
    # Every axis is drawn from: 48 draws of 100 values give about 38 different ones.
    for name in axes:
        assert len({point[name] for point in points}) > 25


def test_every_point_is_asked_once_and_then_the_space_is_exhausted(kind):
    found = asked(Sampling(kind=kind, batch=10), 4)
    assert len(found) == len(set(texts(found))) == 36 == size_of(AXES)
    assert all(list(one.point) == list(AXES) for one in found)
    assert all(one.point[name] in AXES[name] for one in found for name in AXES)


def test_a_batch_follows_from_seed_number_and_what_was_told(kind):
    sampling = Sampling(kind=kind, batch=6, seed=3)
    first = asked(sampling, 4)
    assert texts(first) == texts(asked(sampling, 4))
    others = texts(asked(Sampling(kind=kind, batch=6, seed=4), 4))
    assert (texts(first) == others) == (kind == "grid")


def test_the_first_points_of_a_batch_do_not_depend_on_how_many_are_taken(kind):
    batch = Batch(
        axes=AXES, best=("min", "min"), sampling=Sampling(kind=kind, batch=6), number=0, told=()
    )
    assert ask(batch)[:2] == tuple(one.point for one in asked(batch.sampling, 1)[:2])


@pytest.mark.parametrize("kind", ADAPTIVE)
def test_optuna_finds_more_of_the_best_than_chance_and_keeps_to_bounds(kind):
    pytest.importorskip("optuna")
    axes = {"array": tuple(range(1, 201)), "bits": tuple(range(1, 21)), "readout": ("sar4", "sar5")}

    def best(sampler: str, seed: int) -> float:
        found = asked(Sampling(kind=sampler, batch=12, seed=seed), 6, axes)
        return min(sum(one.values) for one in found if not any(one.violations))

    seeds = range(2)
    mean = sum(best(kind, seed) for seed in seeds), sum(best("random", seed) for seed in seeds)
    assert mean[0] < mean[1]


@pytest.mark.parametrize("kind", ADAPTIVE)
def test_optuna_says_nothing_and_speaks_as_before_afterwards(kind, capfd, recwarn):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(logging.INFO)
    asked(Sampling(kind=kind, batch=4), 3)
    assert capfd.readouterr() == ("", "")
    assert [str(one.message) for one in recwarn] == []
    assert optuna.logging.get_verbosity() == logging.INFO


def test_a_point_that_was_refused_is_the_worst_there_is():
    pytest.importorskip("optuna")
    lost = float("inf")
    for kind in ADAPTIVE:
        found: list[Told] = []
        for number in range(3):
            batch = Batch(
                axes={"bits": tuple(range(64)), "readout": ("a", "b")},
                best=("min", "max"),
                sampling=Sampling(kind=kind, batch=16),
                number=number,
                told=tuple(found),
            )
            for point in ask(batch):
                good = point["readout"] == "a"
                values = (float(point["bits"]), 1.0) if good else (lost, -lost)
                found.append(Told(point=point, values=values, violations=(float(not good),)))
        late = [one.point["readout"] for one in found[16:]]
        assert late.count("a") > late.count("b")


LOST = (float("inf"), float("-inf"))
TOLD = {
    "all refused": (lambda point: LOST, lambda point: (2.0,)),
    "all alike": (lambda point: (1.0, 1.0), lambda point: (0.0,)),
    "far apart": (lambda point: (point["bits"] * 1e300, 0.5), lambda point: (0.4,)),
    "some refused": (
        lambda point: LOST if point["bits"] % 2 else (0.0, 0.0),
        lambda point: (3.0 if point["bits"] % 2 else 0.0,),
    ),
}


@pytest.mark.parametrize("name", TOLD)
@pytest.mark.parametrize("kind", ADAPTIVE)
def test_whatever_is_told_there_is_a_next_batch(kind, name, recwarn):
    pytest.importorskip("optuna")
    values, violations = TOLD[name]
    sampling = Sampling(kind=kind, batch=5)
    found: list[Told] = []
    for number in range(4):
        batch = Batch(
            axes={"bits": tuple(range(12)), "share": (0.5, 1, 2.25)},
            best=("min", "max"),
            sampling=sampling,
            number=number,
            told=tuple(found),
        )
        found += [
            Told(point=point, values=values(point), violations=violations(point))
            for point in ask(batch)
        ]
    assert len(set(texts(found))) == 20
    assert [str(one.message) for one in recwarn] == []


@pytest.mark.parametrize("kind", ADAPTIVE)
def test_a_space_of_one_point_is_asked_once(kind):
    pytest.importorskip("optuna")
    batch = Batch(
        axes={"bits": (4,)}, best=("min",), sampling=Sampling(kind=kind), number=0, told=()
    )
    assert ask(batch) == ({"bits": 4},)


def test_optuna_is_missed_by_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MappingError, match=r"error\[missing-extra\].*\n.*spikeloom\[explore\]"):
        asked(Sampling(kind="tpe"), 1)


# --- the table of a space ----------------------------------------------------------------------


def test_a_table_is_read_and_options_outweigh_it():
    made = Sampling.of_data({"kind": "nsga2", "points": 64, "batch": 8, "seed": 5})
    assert made == Sampling(kind="nsga2", points=64, batch=8, seed=5)
    assert made.but(points=100, kind=None) == Sampling(kind="nsga2", points=100, batch=8, seed=5)
    assert Sampling.of_data({}) == Sampling()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"kind": "tpee"}, "no sampler is called 'tpee'; did you mean 'tpe'"),
        ({"kind": 3}, "no sampler is called 3"),
        ({"point": 3}, "sampler has no 'point'; did you mean 'points'"),
        ({"points": 0}, "points of the sampler is 0, not 1 to 50,000"),
        ({"points": True}, "points of the sampler is True, not 1 to 50,000"),
        ({"batch": 2.5}, "batch of the sampler is 2.5, not 1 to 4,096"),
        ({"seed": -1}, "seed of the sampler is -1, not 0 to 9,223,372,036,854,775,807"),
        ({"kind": "nsga2", "batch": 1}, "batch of the sampler is 1: a generation of nsga2"),
        ([1], r"sampler is \[1\], no table"),
    ],
)
def test_a_table_that_is_wrong_is_refused_by_name(data, text):
    with pytest.raises(MappingError, match=f"bad-space.: {text}") as caught:
        Sampling.of_data(data, "space.toml")
    assert caught.value.diagnostics[0].loc == "space.toml"


def test_all_that_is_wrong_with_a_table_is_told_at_once():
    with pytest.raises(MappingError) as caught:
        Sampling.of_data({"kind": "x", "points": 0, "more": 1})
    assert len(caught.value.diagnostics) == 3


def test_points_are_at_most_those_of_the_space():
    assert Sampling(kind="grid").count(36) == 36
    assert Sampling(kind="grid", points=10).count(36) == 10
    assert Sampling().count(10**9) == 200
    assert Sampling(points=500).count(36) == 36
    with pytest.raises(MappingError, match=r"the grid has 60,000 points, at most 50,000"):
        Sampling(kind="grid").count(60_000)
