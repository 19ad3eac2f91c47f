"""Neurons on potentials small enough to follow by hand."""

from dataclasses import replace

import numpy as np
import pytest

from mapper.ir.core import FLOAT, SPIKE, Graph, IntType, State, Value
from mapper.ir.evaluate import evaluate
from mapper.ir.leaks import Decay, LeakRounding
from mapper.ir.neurons import IntegerNeuron, Neuron, Reset
from mapper.ir.verify import check_graph

I8 = IntType(8, signed=True)


def run(inputs: list[int], **options: object) -> tuple[list[int], list[int]]:
    """Return spikes and membranes of one integer neuron over time."""
    x, v, after = (Value(name, I8, (1,)) for name in ("x", "v", "after"))
    spike = Value("s", SPIKE, (1,))
    neuron = IntegerNeuron(x=x, membrane=v, membrane_next=after, spike=spike, **options)
    graph = Graph(
        name="one",
        inputs=(x,),
        outputs=(spike,),
        states=(State(read=v, next="after", output="v_out"),),
        ops=(neuron,),
    )
    check_graph(graph, "the test")
    held = evaluate(graph, {"x": np.array(inputs).reshape(-1, 1, 1)})
    return held["s"].ravel().tolist(), held["v_out"].ravel().tolist()


def test_integrate_and_fire_subtracts_the_threshold():
    subtract = Reset(kind="subtract", amount=5)
    assert run([3, 3, 3], threshold=5, reset=subtract) == ([0, 1, 0], [3, 1, 4])


def test_reaching_the_threshold_fires_unless_strict():
    assert run([5], threshold=5)[0] == [1]
    assert run([5], threshold=5, strict=True)[0] == [0]


def test_a_hard_reset_goes_to_its_value():
    assert run([7, 1], threshold=5, reset=Reset(kind="value", amount=2))[1] == [2, 3]


def test_a_delayed_subtraction_comes_after_leak_and_input():
    """7 fires and stays; next step 7 - (7 >> 1) = 4, plus 1, minus 5 = 0."""
    delayed = Reset(kind="subtract", amount=5, phase="next")
    leak = Decay(kind="shift", shift=1)
    assert run([7, 1], threshold=5, reset=delayed, decay=leak) == ([1, 0], [7, 0])


def test_a_delayed_hard_reset_comes_before_leak_and_input():
    """7 fires and stays; next step the membrane is 0 first, then 1 comes in."""
    delayed = Reset(kind="value", amount=0, phase="next")
    assert run([7, 1], threshold=5, reset=delayed)[1] == [7, 1]


def test_a_late_hard_reset_replaces_the_input_as_well():
    """7 fires and stays; next step the membrane is 2, whatever comes in; then 2 + 1."""
    late = Reset(kind="value", amount=2, phase="late")
    assert run([7, 4, 1], threshold=5, reset=late) == ([1, 0, 0], [7, 2, 3])


def test_a_guarded_subtraction_asks_more_of_a_membrane_above_its_threshold():
    """12 fires, 7 is left above 5: 7 + 2 = 9 fires only from 5 + 5; 9 + 1 = 10 does, 5 is left."""
    guarded = Reset(kind="subtract", amount=5, phase="guarded")
    assert run([12, 2, 1], threshold=5, reset=guarded) == ([1, 0, 1], [7, 9, 5])


def test_late_and_guarded_go_with_one_kind_of_reset_each():
    x, v, after = (Value(name, I8, (1,)) for name in ("x", "v", "after"))
    spike = Value("s", SPIKE, (1,))
    for reset in (Reset(kind="subtract", phase="late"), Reset(kind="value", phase="guarded")):
        neuron = IntegerNeuron(x=x, membrane=v, membrane_next=after, spike=spike, reset=reset)
        assert f"a {reset.phase} reset is to" in " ".join(neuron.verify({}))


def test_a_spike_one_step_late_is_that_of_the_old_membrane():
    assert run([7, 0, 0], threshold=5, spike_phase="next", reset=Reset())[0] == [0, 1, 1]


def test_shift_leak_rounds_the_kept_part_up_for_negative_membranes():
    """-5 - (-5 >> 1) = -5 + 3 = -2."""
    assert run([-5, 0], decay=Decay(kind="shift", shift=1))[1] == [-5, -2]


def test_multiply_leak_rounds_down():
    """(-5 * 3) >> 2 = -15 >> 2 = -4."""
    assert run([-5, 0], decay=Decay(kind="multiply", shift=2, multiplier=3))[1] == [-5, -4]


def test_the_membrane_saturates_at_its_width():
    assert run([100, 100], threshold=127, reset=Reset())[1] == [100, 127]
    assert run([-100, -100], threshold=127)[1] == [-100, -128]


def test_fraction_bits_make_the_membrane_finer_than_its_input():
    assert run([3], fraction_bits=2, bias=1)[1] == [13]


def test_a_floor_holds_the_membrane_up():
    assert run([-9, 0], floor=-2)[1] == [-2, -2]


def test_current_based_neuron_integrates_a_leaking_current():
    """i: 8, 4, 2; v without leak: 8, 12, 14."""
    x, v, v2, i, i2 = (Value(name, I8, (1,)) for name in ("x", "v", "v2", "i", "i2"))
    neuron = IntegerNeuron(
        x=x,
        membrane=v,
        membrane_next=v2,
        current=i,
        current_next=i2,
        current_decay=Decay(kind="shift", shift=1),
        threshold=100,
    )
    graph = Graph(
        name="two-state",
        inputs=(x,),
        outputs=(v2,),
        states=(State(read=v, next="v2"), State(read=i, next="i2")),
        ops=(neuron,),
    )
    check_graph(graph, "the test")
    held = evaluate(graph, {"x": np.array([8, 0, 0]).reshape(-1, 1, 1)})
    assert held["v2"].ravel().tolist() == [8, 12, 14]


@pytest.mark.parametrize("strict", [False, True])
def test_float_neuron_follows_its_formula(strict):
    """U = 0.5 * v + 2 * x + 0.25: 1.25, then fires at or above 1.25 when not strict."""
    x, v, after = (Value(name, FLOAT, (1,)) for name in ("x", "v", "after"))
    neuron = Neuron(
        x=x,
        membrane=v,
        membrane_next=after,
        spike=Value("s", SPIKE, (1,)),
        leak=0.5,
        gain=2.0,
        bias=0.25,
        threshold=1.25,
        strict=strict,
    )
    (spike, membrane) = neuron.evaluate({}, np.array([[0.5]]), np.array([[0.0]], np.float32))
    assert membrane.tolist() == [[1.25]]
    assert spike.tolist() == [[0 if strict else 1]]


@pytest.mark.parametrize(
    ("rounding", "kept", "taken"),
    [
        # 3/4 of them: -5.25 -3.75 -1.5 1.5 3.75 5.25; a quarter: -1.75 -1.25 -0.5 0.5 1.25 1.75
        ("floor", [-6, -4, -2, 1, 3, 5], [-5, -3, -1, 2, 4, 6]),
        ("toward-zero", [-5, -3, -1, 1, 3, 5], [-6, -4, -2, 2, 4, 6]),
        ("nearest", [-5, -4, -2, 2, 4, 5], [-5, -4, -2, 2, 4, 5]),
    ],
)
@pytest.mark.parametrize("unit", [1.0, 0.5])
def test_trained_neurons_round_what_is_kept_or_taken_to_a_unit(rounding, kept, taken, unit):
    v = (np.array([-7, -5, -2, 2, 5, 7]) * unit).astype(np.float32)
    for part, expected in (("kept", kept), ("taken", taken)):
        how = LeakRounding(unit=unit, rounding=rounding, part=part)
        left = how.apply(np.float32(0.75), v)
        assert left.dtype == np.float32
        assert (left / unit).tolist() == expected


def test_a_leak_is_rounded_to_a_unit_of_0_or_more():
    assert next(LeakRounding(unit=-1.0).problems()).endswith("got -1")
    assert next(LeakRounding(unit=float("nan")).problems()).endswith("got nan")
    assert "is not rounded, but says nearest" in next(LeakRounding(rounding="nearest").problems())


def test_a_rounded_current_reaches_the_membrane_as_it_is_after_its_update():
    """Of a current of 7 a half is kept, cut to 3; 10 is added, and 13 / 2 moves the membrane."""
    x, v, i = (Value(n, FLOAT, (2,)) for n in "xvi")
    cut = LeakRounding(unit=1.0, rounding="toward-zero")
    fields = {"current_leak": 0.5, "current_input": 2.0, "gain": 1.0, "current_gain": 0.25}
    op = Neuron(
        x=x,
        membrane=v,
        membrane_next=replace(v, name="v_next"),
        current=i,
        current_next=replace(i, name="i_next"),
        current_rounding=cut,
        **fields,
    )
    assert list(op.verify({})) == []
    given = (np.full((1, 2), n, np.float32) for n in (5.0, 1.0))
    membrane, current = op.evaluate({}, *given, np.array([[7.0, -7.0]], np.float32))
    assert current.tolist() == [[13.0, 7.0]]
    assert membrane.tolist() == [[1 + 6.5, 1 + 3.5]]
    late = replace(op, current_gain=1.0)
    assert list(late.verify({})) == ["a membrane takes a rounded current as it is after its update"]
    none = replace(op, current=None, current_next=None)
    assert "a current is rounded, and there is none" in list(none.verify({}))
