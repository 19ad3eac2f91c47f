"""Update on event: membranes that nothing reaches are left alone, where that changes nothing."""

import json
import runpy
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mapper
from mapper.cost import count_actions, estimate, generate_cost
from mapper.diagnostics import MappingError
from mapper.ir.core import SPIKE, Array, Graph, Span, Value
from mapper.ir.crossbar import CrossbarMvm, driven_wordlines
from mapper.ir.evaluate import evaluate
from mapper.ir.leaks import Decay
from mapper.ir.neurons import IntegerNeuron, Reset
from mapper.ir.windows import Window
from targets import EventGating, Target, load_target
from tests.campaigns import examples
from tests.cost.networks import (
    DIFFERENTIAL_3,
    FIVE_BY_THREE,
    activity_of,
    crossbar,
    layer,
    network,
    small_target,
    traced,
    two_by_two_grid,
)
from tests.files import DEMO_MODEL

TO_ZERO = Reset(kind="value", amount=0)


def on_event(target: Target) -> Target:
    return replace(target, events=EventGating(update_on_event=True))


def with_neurons(graph: Graph, **changes: object) -> Graph:
    ops = (replace(op, **changes) if isinstance(op, IntegerNeuron) else op for op in graph.ops)
    return replace(graph, ops=tuple(ops))


def linear(reset: Reset = TO_ZERO) -> Graph:
    """Five inputs, three outputs, two row blocks."""
    return with_neurons(two_by_two_grid(), reset=reset)


def convolution(rows: tuple[Span, ...], reset: Reset = TO_ZERO) -> Graph:
    """One channel of 4 x 4, kernel 2 x 2, stride 2: four positions of three outputs."""
    x = Value("x", SPIKE, (1, 4, 4))
    weight = FIVE_BY_THREE[:4]
    window = Window(kernel=(2, 2), stride=(2, 2))
    mvm = crossbar(x, weight, DIFFERENTIAL_3, rows, (Span(0, 3),), window)
    return with_neurons(network(layer(mvm)[0], {"fc.weight": weight}, x), reset=reset)


def touched(graph: Graph, inputs: Array) -> Array:
    """Return where a membrane is touched, ``[T, B, N, ...]``, by the definition of the rule.

    Every membrane that is not touched must keep its value and must not fire.
    """
    (mvm,) = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
    (neuron,) = [op for op in graph.ops if isinstance(op, IntegerNeuron)]
    assert neuron.spike is not None
    names = (neuron.membrane.name, neuron.membrane_next.name, neuron.spike.name)
    run = evaluate(graph, {"x": inputs}, watch=names)
    before, after, spikes = (run[name] for name in names)
    reached = []
    for t, step in enumerate(inputs):
        driven = driven_wordlines(step, mvm).any(axis=(1, 2, 3))  # [B, positions]
        shape = (len(step), 1, *mvm.positions) if mvm.positions else (len(step), 1)
        here = np.broadcast_to(driven.reshape(shape), before[t].shape)
        again = spikes[t - 1] > 0 if t and neuron.reset.kind != "value" else np.zeros_like(here)
        reached.append(here | again)
    found = np.stack(reached)
    assert np.array_equal(before[~found], after[~found])
    assert not spikes[~found].any()
    return found


@st.composite
def recordings(draw: st.DrawFn, shape: tuple[int, ...]) -> Array:
    seed, density = draw(st.integers(0, 99)), draw(st.sampled_from([0.0, 0.1, 0.3, 1.0]))
    return (np.random.default_rng(seed).random((3, 2, *shape)) < density).astype(np.int64)


def updates(graph: Graph, inputs: Array) -> int:
    (events,) = activity_of(graph, inputs).events
    return events.updates


@settings(max_examples=examples(25), deadline=None)
@given(inputs=recordings((5,)))
def test_a_linear_layer_is_updated_where_any_wordline_is_driven(inputs):
    graph = linear()
    assert updates(graph, inputs) == touched(graph, inputs).sum()


@settings(max_examples=examples(25), deadline=None)
@given(inputs=recordings((1, 4, 4)))
def test_a_convolution_of_one_row_block_is_updated_where_its_window_hears(inputs):
    graph = convolution((Span(0, 4),))
    assert updates(graph, inputs) == touched(graph, inputs).sum()


@settings(max_examples=examples(25), deadline=None)
@given(
    inputs=recordings((1, 4, 4)), reset=st.sampled_from([TO_ZERO, Reset(kind="subtract", amount=2)])
)
def test_elsewhere_the_count_is_a_bound(inputs, reset):
    graph = convolution((Span(0, 2), Span(2, 4)), reset)
    exact = touched(graph, inputs)
    assert exact.sum() <= updates(graph, inputs) <= exact.size


SPIKES = np.array([[[1, 0, 1, 0, 0]], [[0, 0, 0, 0, 0]], [[0, 0, 0, 0, 1]], [[0, 0, 0, 0, 0]]])


def test_only_touched_membranes_cost_anything():
    graph, target = linear(), small_target()
    activity = activity_of(graph, SPIKES)
    every, some = estimate(graph, target, activity), estimate(graph, on_event(target), activity)
    for action in ("membrane_update", "membrane_memory"):  # two of four steps have a spike
        half = every.energy_pj[action].nominal / 2
        assert some.energy_pj[action].nominal == pytest.approx(half, rel=1e-12)
    assert some.latency_ns == every.latency_ns
    assert some.as_dict()["event_gating"] == {"skipped_updates": 0.5, "updates_exact": True}
    assert "membranes left alone     50 %, counted" in str(some)


def test_a_density_gives_a_bound_and_says_so():
    target = on_event(small_target())
    told = estimate(linear(), target, 0.1).as_dict()["event_gating"]
    assert told["updates_exact"] is False
    assert 0 < told["skipped_updates"] < 1
    repeats = estimate(linear(Reset(kind="subtract", amount=2)), target, 0.1).as_dict()[
        "event_gating"
    ]
    assert repeats["skipped_updates"] == 0  # how often neurons fire is not known


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"decay": Decay(kind="shift", shift=2)}, "a leak of kind 'shift' changes it"),
        ({"bias": 1}, "a bias changes it in every step"),
        ({"threshold": 0}, "its threshold is 0, so it fires without input"),
        ({"spike_phase": "next"}, "its reset or its spike comes a step late"),
    ],
)
def test_membranes_that_change_by_themselves_are_refused(changes, reason):
    graph = with_neurons(two_by_two_grid(), **changes)
    assert estimate(graph, small_target(), 0.1)
    with pytest.raises(MappingError, match=rf"update-on-event.*\n?.*{reason}"):
        estimate(graph, on_event(small_target()), 0.1)


def test_readout_that_says_something_of_silence_is_refused():
    graph = two_by_two_grid()
    silent = {
        **graph.constants,
        "one": np.zeros((1, 1, 1, 1), np.int64),
    }  # 0 passes a threshold of 0
    with pytest.raises(MappingError, match=r"crossbars that no spike drives give 3 of 3 neurons"):
        estimate(replace(graph, constants=silent), on_event(small_target()), 0.1)


def test_the_leaks_of_a_trained_network_are_named():
    build = mapper.compile(DEMO_MODEL, on_event(load_target("ideal-128")))
    with pytest.raises(MappingError) as error:
        build.cost()
    (problem,) = error.value.diagnostics
    assert "a leak of kind 'shift' changes it in every step" in problem.message
    assert problem.loc == "model.onnx:/lif1/GreaterOrEqual"


def test_the_generated_file_has_the_same_numbers(tmp_path, monkeypatch, capsys):
    graph, target = linear(), on_event(small_target())
    (tmp_path / "cost.py").write_text(generate_cost(count_actions(graph, target)))
    np.savez(tmp_path / "trace.npz", **traced(graph, SPIKES))
    arguments = ["--activity", str(tmp_path / "trace.npz"), "--preset", "as-built", "--json"]
    monkeypatch.setattr(sys, "argv", ["cost.py", *arguments])
    runpy.run_path(str(tmp_path / "cost.py"), run_name="__main__")
    expected = estimate(graph, target, activity_of(graph, SPIKES)).as_dict()
    assert json.loads(capsys.readouterr().out) == expected
