"""A closer look at a point: beside what compiling and pricing its design say."""

import pytest

import mapper
from mapper.exploration.closer import closer_look
from mapper.exploration.space import Space
from mapper.exploration.work import explore_work
from mapper.ir.assignment import Assignment, Choice
from targets import load_target
from tests.explore.test_ran import READ, recording

POINT = {"array": 32, "weight_bits": 2}
DATA = {"axes": {"array": [32, 64], "weight_bits": [2, 4]}, "objectives": {"energy": "min"}}
TARGET = load_target("adcless-64")


def points(evaluation, assignment=None, **given):
    space = Space.of_data({**DATA, "evaluation": evaluation})
    return explore_work(READ, TARGET, space, assignment=assignment, **given).prepare()


def test_macros_and_swings_are_those_of_the_estimate():
    found = points({"steps": 3, "density": 0.2})
    held = closer_look(found, POINT)
    build = mapper.compile(READ, held.target, weight_bits=2)
    cost = build.cost(0.2, steps=3)
    each = cost.as_dict()["macro"]["fj_per_mac"]
    assert held.fj_per_bit == tuple(each[end] / 2 for end in ("low", "nominal", "high"))
    energy = next(tornado for tornado in held.swings if tornado.total == "energy_pj")
    assert energy.nominal == cost.energy_pj.nominal
    assert found.record(POINT)["energy_uj"][1] == energy.nominal / 1e6
    assert energy.swings


def test_layers_of_different_widths_have_no_energy_of_a_bit():
    name = points({}).mapped.network.layers[0]
    decided = Assignment(layers={name.partition(":")[2] or name: Choice(weight_bits=3)})
    assert closer_look(points({}, decided), POINT).fj_per_bit is None


def test_a_point_that_was_run_is_not_run_again(monkeypatch):
    found = points({"activity": "recorded"}, recording=recording())
    found.record(POINT)
    monkeypatch.setattr(type(found.trial), "run", lambda *_, **__: pytest.fail("run again"))
    assert closer_look(found, POINT).swings
