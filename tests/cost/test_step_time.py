"""Chips whose time steps last a given physical time."""

import json
import runpy
import sys
from dataclasses import replace

import pytest

from mapper.cost import count_actions, estimate, generate_cost
from mapper.cost.timing import latencies
from mapper.diagnostics import MappingError
from targets import Target, load_preset, load_target, target_from_data, target_to_data
from tests.cost.test_estimate import CHIP, FACTS
from tests.cost.test_real_time import LAYERS, cost_on, graph_for


def lasting(ns: float, name: str = "adcless-64") -> Target:
    target = load_target(name)
    return replace(target, clock=replace(target.clock, step_ns=ns))


def test_a_step_lasts_as_long_as_the_chip_says():
    found = latencies(LAYERS, replace(CHIP, step_ns=100.0), FACTS, steps=5)
    assert found["step_pipelined"] == found["step_sequential"] == 100.0
    assert found["inference_interval"] == found["inference_sequential"] == 500.0


def test_what_sets_the_pace_is_said():
    cost = cost_on(replace(CHIP, step_ns=1200.0))
    assert cost.limited_by == ("", "time step of the target")
    assert "set by                   time step of the target\n" in str(cost)
    assert cost_on(replace(CHIP, step_ns=1.0)).limited_by == cost_on(CHIP).limited_by


def test_circuits_that_take_longer_set_the_pace():
    short = latencies(LAYERS, replace(CHIP, step_ns=1.0), FACTS, steps=5)
    assert short == latencies(LAYERS, CHIP, FACTS, steps=5)


def test_every_round_lasts_its_steps():
    twice = (*LAYERS, replace(LAYERS[0], round=1, stage=1))
    found = latencies(twice, replace(CHIP, step_ns=100.0), FACTS, steps=3)
    assert found["inference_pipelined"] == 2 * 3 * 100.0  # two rounds of three steps


def test_leakage_follows_and_what_actions_take_does_not():
    usual, slow = cost_on(CHIP), cost_on(replace(CHIP, step_ns=1200.0))
    assert usual.latency_ns["inference_interval"].nominal == 24.0  # by hand: two steps of 12 ns
    grown = slow.energy_pj["leakage"].nominal / usual.energy_pj["leakage"].nominal
    assert grown == pytest.approx(100.0)  # 2 x 1,200 ns; rounding of the quotient alone
    for action in usual.energy_pj.keys() - {"leakage"}:
        assert slow.energy_pj[action] == usual.energy_pj[action]


@pytest.mark.parametrize("preset", ["physical", "as-built", "paper"])
def test_every_preset_keeps_it(preset):
    target = lasting(1e6)
    cost = estimate(graph_for(target), target, 0.25, 3, load_preset(preset))
    assert cost.latency_ns["step_pipelined"] == (1e6, 1e6, 1e6)


def test_the_generated_file_has_the_same_numbers(tmp_path, monkeypatch, capsys):
    target = lasting(1e6)
    graph = graph_for(target)
    path = tmp_path / "cost.py"
    path.write_text(generate_cost(count_actions(graph, target), steps=3))
    monkeypatch.setattr(sys, "argv", ["cost.py", "0.25", "--json"])
    runpy.run_path(str(path), run_name="__main__")
    cost = estimate(graph, target, 0.25, 3, load_preset("physical"))
    assert json.loads(capsys.readouterr().out) == cost.as_dict()


def test_it_is_a_key_of_the_clock_that_may_be_left_out():
    data = target_to_data(load_target("adcless-64"))
    assert "step_ns" not in data["clock"]
    data["clock"]["step_ns"] = 100.0
    assert target_from_data(data, loc="t.toml").clock.step_ns == 100.0
    data["clock"]["step_ns"] = 0
    with pytest.raises(MappingError, match=r"\[clock\] step_ns must be 1e-06\.\.1e\+12, got 0"):
        target_from_data(data, loc="t.toml")
