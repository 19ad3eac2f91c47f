"""Event gating as a key of a target: silent crossbars are not read, and nothing else changes."""

import json
import runpy
import sys
from dataclasses import replace

import numpy as np
import pytest

import mapper
from mapper.cost import count_actions, estimate, generate_cost
from mapper.diagnostics import MappingError
from mapper.ir.core import Span
from mapper.ir.crossbar import Placement
from targets import EventGating, Target, load_target, target_from_data, target_to_data
from tests.cost.networks import activity_of, graph_for, small_target, two_by_two_grid
from tests.files import DEMO_MODEL

GRID = two_by_two_grid(Placement(macro="sense-amp-8", slots=Span(0, 4)))
SPIKES = np.array([[[1, 0, 1, 0, 0]], [[0, 0, 0, 0, 0]], [[0, 0, 0, 0, 1]]])  # three time steps
GATED = EventGating(skip_silent_reads=True)


def gating(target: Target) -> Target:
    return replace(target, events=GATED)


def test_silent_reads_convert_nothing_and_shift_nothing():
    activity = activity_of(GRID, SPIKES)
    every = estimate(GRID, small_target(), activity)
    some = estimate(GRID, gating(small_target()), activity)
    # Of 2 x 2 crossbars: the upper two are read in step 0, the lower two in step 2, none in step 1.
    assert some.counts == every.counts
    assert some.counts["crossbar_reads"] == 3 * 4
    assert some.counts["gated_crossbar_reads"] == 4
    for action in ("readout", "shift_add"):
        assert some.energy_pj[action].nominal == pytest.approx(
            every.energy_pj[action].nominal / 3, rel=1e-12
        )
    same = set(every.energy_pj) - {"readout", "shift_add", "control"}
    assert all(some.energy_pj[action] == every.energy_pj[action] for action in same)
    assert (some.latency_ns, some.area_um2) == (every.latency_ns, every.area_um2)
    assert some.as_dict()["event_gating"] == {"skipped_reads": 1 - 4 / 12, "exact": True}
    assert every.as_dict()["event_gating"] is None


def test_what_random_spikes_skip_is_a_bound_and_said_to_be_one():
    target = gating(small_target())
    sparse = estimate(GRID, target, 0.1)
    assert sparse.as_dict()["event_gating"]["exact"] is False
    assert "at least, of random spikes" in str(sparse)
    assert "counted" in str(estimate(GRID, target, activity_of(GRID, SPIKES)))
    assert estimate(GRID, target, 0.0).energy_pj["readout"].nominal == 0
    full = estimate(GRID, target, 1.0)
    assert full.energy_pj == estimate(GRID, small_target(), 1.0).energy_pj


def test_the_generated_file_gates_too(tmp_path, monkeypatch, capsys):
    target = gating(load_target("adcless-64"))
    graph = graph_for(target)
    path = tmp_path / "cost.py"
    path.write_text(generate_cost(count_actions(graph, target)))
    monkeypatch.setattr(sys, "argv", ["cost.py", "0.02", "--preset", "as-built", "--json"])
    runpy.run_path(str(path), run_name="__main__")
    printed = json.loads(capsys.readouterr().out)
    assert printed == estimate(graph, target, 0.02).as_dict()
    assert printed["event_gating"]["skipped_reads"] > 0.5


def test_no_integer_changes_and_the_answer_says_what_is_skipped():
    plain = mapper.compile(DEMO_MODEL, "adcless-64")
    gated = mapper.compile(DEMO_MODEL, gating(load_target("adcless-64")))
    assert gated.hardware == plain.hardware
    cost = gated.cost(0.001)
    assert cost.energy_pj.nominal < plain.cost(0.001).energy_pj.nominal
    (told,) = (fact for fact in cost.headline.facts if fact.name == "Event gating")
    assert told.value.endswith("of the reads skipped")
    assert told.told.startswith("at least")


def test_it_is_read_from_a_file_strictly():
    data = target_to_data(load_target("adcless-64"))
    assert data["events"] == {"skip_silent_reads": False, "update_on_event": False}
    data["events"] = {"skip_silent_reads": 1}
    with pytest.raises(MappingError, match=r"skip_silent_reads must be true or false, got 1"):
        target_from_data(data, loc="t.toml")
    del data["events"]
    assert not target_from_data(data, loc="t.toml").events.skip_silent_reads
