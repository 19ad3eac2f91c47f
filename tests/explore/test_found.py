"""What an exploration found: the front against brute force, importance, tables, JSON."""

import json
import math
import random
import sys
from dataclasses import replace

import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.exploration.found import Evaluated, Explored
from mapper.exploration.front import non_dominated, share_explained, spread_by_chance
from mapper.exploration.run import explore_space
from mapper.exploration.sampling import Sampling
from mapper.exploration.space import Space
from mapper.report.exploration.told import importance_table
from mapper.study import RECORDS
from mapper.study.case import canonical, digest
from tests.explore.works import DATA, SPACE, Formulas, formulas


@pytest.fixture(scope="module")
def found() -> Explored:
    return explore_space(Formulas(), SPACE, Sampling(kind="grid"))


# --- the front -----------------------------------------------------------------------------------


def beats(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((one <= other).all() and (one < other).any())


@pytest.mark.parametrize("objectives", [1, 2, 3, 5])
def test_the_front_is_that_of_brute_force(objectives):
    chance = np.random.default_rng(objectives)
    for count in (0, 1, 2, 3, 40, 120):
        for levels in (3, 10**6):  # many equal numbers, and few
            losses = chance.integers(0, levels, (count, objectives)).astype(float)
            brute = [not any(beats(other, one) for other in losses) for one in losses]
            assert non_dominated(losses).tolist() == brute


def test_equal_points_stand_beside_each_other_on_the_front():
    losses = np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    assert non_dominated(losses).tolist() == [True, True, True, False]


def test_the_front_of_a_space_is_that_of_brute_force(found):
    rows = [(point, formulas(point.point)) for point in found.points]
    allowed = [
        (point, np.array([row["energy_uj"][1], row["latency_us"][1], -row["accuracy"]]))
        for point, row in rows
        if row["state"] == "done" and row["area_mm2"][1] <= 12 and row["accuracy"] >= 0.5
    ]
    brute = {
        point.number
        for point, losses in allowed
        if not any(beats(other, losses) for _, other in allowed)
    }
    assert {point.number for point in found.front} == brute
    assert 0 < len(brute) < len(allowed) < len(rows)
    energies = [point.value("energy_uj") for point in found.front]
    assert energies == sorted(energies)


def test_the_best_of_an_objective_is_feasible(found):
    best = found.best("accuracy")
    assert best in found.front
    assert best.value("accuracy") == max(p.value("accuracy") for p in found.feasible)
    with pytest.raises(MappingError, match=r"no 'energy'; did you mean 'energy_uj'"):
        best.value("energy")
    assert found.best("energy").value("energy_uj") == min(
        p.value("energy_uj") for p in found.feasible
    )
    with pytest.raises(MappingError, match=r"bad-argument.*'area'.*\n.*\n.*energy, latency"):
        found.best("area")


def test_where_nothing_is_feasible_there_is_no_best():
    space = Space.of_data({**DATA, "constraints": {"area_mm2": {"at_most": 0.1}}})
    none = explore_space(Formulas(), space, Sampling(points=10))
    assert (none.front, none.feasible, none.best("energy")) == ((), (), None)


# --- constraints ---------------------------------------------------------------------------------


def evaluated(**record: object) -> Evaluated:
    case = {"number": 0, "batch": 0, "point": {name: v[0] for name, v in SPACE.axes.items()}}
    return Evaluated.of(case, {"state": "done", **record}, SPACE)


DONE = {"energy_uj": [1.0, 2.0, 3.0], "latency_us": [4.0, 4.0, 4.0]}


def test_constraints_are_missed_by_shares():
    # Area 18 of at most 12 is half of it too much; accuracy 0.4 of at least 0.5 a fifth too little.
    point = evaluated(**DONE, area_mm2=[1.0, 18.0, 20.0], accuracy=0.4)
    assert point.misses(SPACE) == (pytest.approx(0.5 / 1.5), pytest.approx(0.2 / 1.2))
    assert not point.feasible(SPACE)
    assert point.told(SPACE).violations == (*point.misses(SPACE), 0.0)
    # A bound itself holds.
    held = evaluated(**DONE, area_mm2=[12.0] * 3, accuracy=0.5)
    assert held.misses(SPACE) == (0.0, 0.0)
    assert held.feasible(SPACE)
    assert held.told(SPACE).values == (2.0, 4.0, 0.5)


def test_what_was_not_measured_or_refused_is_infeasible():
    unknown = evaluated(**DONE, area_mm2=[1.0, 1.0, 1.0], accuracy=None)
    assert unknown.misses(SPACE) == (0.0, 1.0)
    told = unknown.told(SPACE)
    assert told.values == (math.inf, math.inf, -math.inf)
    refused = evaluated(state="refused", code="capacity", why="too large").told(SPACE)
    # Worse than whatever misses every constraint.
    assert sum(refused.violations) > 2 * len(SPACE.constraints)
    assert sum(told.violations) < sum(refused.violations)


# --- importance ----------------------------------------------------------------------------------


def test_importance_by_hand():
    # Two groups of three: means 2 and 5, total variance 17.5, within 4; 5/4 for what chance has.
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert share_explained("aaabbb", values) == pytest.approx(1 - 4 / 17.5 * 5 / 4)
    assert share_explained("aaaaaa", values) == 0
    assert share_explained("aaabbb", np.full(6, 3.0)) == 0
    assert share_explained("abcdef", values) is None
    assert share_explained("aabb", np.array([1.0, 1.0, 2.0, 2.0])) == 1
    assert share_explained("", np.zeros(0)) is None


@pytest.mark.parametrize(("points", "groups"), [(7, 2), (12, 4), (40, 20)])
def test_what_groups_explain_by_chance_spreads_as_it_says(points, groups):
    rng = np.random.default_rng(0)
    of = [place % groups for place in range(points)]
    plain = []  # share_explained is never below 0, which takes off half of the spread
    for _ in range(4000):
        values = rng.standard_normal(points)
        means = np.array([values[place % groups :: groups].mean() for place in range(points)])
        within, total = ((values - means) ** 2).sum(), ((values - values.mean()) ** 2).sum()
        share = 1 - within / total * (points - 1) / (points - groups)
        assert share_explained(of, values) == pytest.approx(max(share, 0.0))
        plain.append(share)
    assert np.std(plain) == pytest.approx(spread_by_chance(points, groups), rel=0.1)


def test_importance_of_a_few_points_is_not_told(found):
    few = replace(found, points=found.points[:4])
    assert set(few.importance["latency"].values()) == {None}
    assert {cell for row in importance_table(few).rows for cell in row[1:]} == {"too few points"}


def test_an_axis_that_does_nothing_has_no_importance_however_many_values_it_has():
    chance = random.Random(0)
    values = np.array([chance.random() for _ in range(60)])
    shares = [
        share_explained([chance.randrange(20) for _ in range(60)], values) for _ in range(200)
    ]
    assert np.mean(shares) < 0.06  # the plain correlation ratio would be 0.32


def test_importance_of_each_axis_for_each_objective(found):
    latency = found.importance["latency"]
    # Latency is the converter's times how many share it: logarithms add up, so shares do.
    assert latency["columns_per_readout"] > latency["readout"] > 0.1
    assert latency["array"] < 0.02
    assert latency["weight_bits"] < 0.02
    assert sum(latency.values()) == pytest.approx(1, abs=0.05)
    assert found.importance["accuracy"]["columns_per_readout"] < 0.01


# --- tables --------------------------------------------------------------------------------------


def test_the_table_has_a_row_a_point(found):
    table = found.table
    assert {len(column) for column in table.values()} == {288}
    assert table["array"].dtype == np.int64
    assert table["front"].sum() == len(found.front)
    assert table["feasible"].sum() == len(found.feasible)
    refused = table["refused"] == "capacity"
    assert refused.sum() == found.refusals["capacity"] > 0
    assert np.isnan(table["energy_uj"]).tolist() == refused.tolist()
    kept = ~refused
    assert (table["energy_uj_low"][kept] * 2 == table["energy_uj"][kept]).all()
    assert (table["energy_uj_high"][kept] > table["energy_uj"][kept]).all()
    assert "yield" not in table
    assert found.unmeasured == ("agreement", "yield")


def test_the_frame_of_pandas_has_the_rows_of_the_table(found):
    pandas = pytest.importorskip("pandas", reason="needs pandas, which is not installed")
    frame = found.to_pandas()
    assert list(frame.columns) == list(found.table)
    assert len(frame) == len(found.points)
    assert frame["front"].dtype == bool
    assert pandas.api.types.is_integer_dtype(frame["array"])
    best = frame[frame["front"]].sort_values("energy_uj").iloc[0]
    assert best["number"] == found.front[0].number
    assert best["energy_uj"] == found.front[0].value("energy_uj")
    refused = frame["refused"] != ""
    assert frame.loc[refused, "energy_uj"].isna().all()
    by_readout = frame.groupby("readout")["energy_uj"].min()
    assert by_readout.min() == frame["energy_uj"].min()
    frame.loc[:, "energy_uj"] *= 2  # a frame is its owner's: the table stays
    assert frame["energy_uj"].min() == 2 * found.table["energy_uj"][~refused].min()


def test_pandas_gets_the_table_or_is_missed_by_name(found, monkeypatch):
    class Pandas:
        DataFrame = dict

    monkeypatch.setitem(sys.modules, "pandas", Pandas())
    assert list(found.to_pandas()) == list(found.table)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MappingError, match=r"missing-extra.*pandas"):
        found.to_pandas()


def test_json_of_an_exploration(golden):
    small = Space.of_data(
        {
            "axes": {"array": [64, 256], "weight_bits": [2, 3], "readout": ["sense-amp", "sar4"]}
            | {"columns_per_readout": [4]},
            "objectives": {"energy": "min", "accuracy": "max"},
            "constraints": {"area_mm2": {"at_most": 30}},
        }
    )
    told = explore_space(Formulas(), small, Sampling(kind="grid", batch=4))
    data = json.loads(told.to_json())
    data["study"].pop("version")
    data["space"].pop("evaluation", None)
    golden(json.dumps(data, indent=1) + "\n")


# --- a folder from someone else ------------------------------------------------------------------


HOSTILE = {
    "state": ({}, {"state": "dome"}, "'dome' is none of done, refused"),
    "reason": ({}, {"state": "refused", "code": 3, "why": ""}, "3 is no text"),
    "range": ({}, {**DONE, "state": "done", "energy_uj": [3.0, 2.0, 1.0]}, "low, nominal and high"),
    "shares": ({}, {"state": "done", "accuracy": 1.5}, "no share of 0 to 1"),
    "text": ({}, {"state": "done", "crossbars": "x"}, "'x' is no number"),
    "batch": ({"batch": 7}, {"state": "done"}, "is no point of an exploration"),
    "number": ({"number": True}, {"state": "done"}, "is no point of an exploration"),
    "more": ({"seed": 1}, {"state": "done"}, "is no point of an exploration"),
    "axes": ({"point": {"array": 64}}, {"state": "done"}, "does not have the axes"),
    "value": ({"point": {**dict.fromkeys(SPACE.axes, 3)}}, {"state": "done"}, "has 3 on the axis"),
    "other": ({"point": "next"}, {"state": "done"}, "and the sampler asks"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_points_that_nobody_asked_are_refused(tmp_path, name):
    changed, record, text = HOSTILE[name]
    sampling = Sampling(kind="grid", points=3, batch=3)
    explore_space(Formulas(), SPACE, sampling, folder=tmp_path)
    header, first, second, _ = (tmp_path / RECORDS).read_bytes().splitlines()
    study, line = json.loads(header)["study"], json.loads(first)
    case = {**line["case"], **changed}
    if case["point"] == "next":
        case["point"] = {**line["case"]["point"], "array": 256}
    written = {"case": case, "key": digest([study, case]), "record": record}
    lines = [header, canonical(written).encode(), second]
    (tmp_path / RECORDS).write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(MappingError, match=f"bad-study.*{text}"):
        explore_space(Formulas(), SPACE, sampling, folder=tmp_path)


def test_a_point_that_is_there_twice_is_refused(tmp_path):
    sampling = Sampling(kind="grid", points=3, batch=3)
    explore_space(Formulas(), SPACE, sampling, folder=tmp_path)
    lines = (tmp_path / RECORDS).read_bytes().splitlines()
    study, line = json.loads(lines[0])["study"], json.loads(lines[1])
    case = {**line["case"], "point": {**line["case"]["point"], "array": 256}}
    written = {"case": case, "key": digest([study, case]), "record": line["record"]}
    lines.append(canonical(written).encode())
    (tmp_path / RECORDS).write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(MappingError, match="point 0 is there twice"):
        explore_space(Formulas(), SPACE, sampling, folder=tmp_path)
