"""Neurons small enough to compute by hand, on the definition and on every engine."""

import numpy as np
import pytest

from mapper.ir.core import IntType
from mapper.ir.leaks import Decay
from mapper.ir.neurons import Reset
from tests.builders import Builder
from tests.engines import run_everywhere

I8 = IntType(8, signed=True)


def traces(codes, **neuron):
    """Return spikes and membranes over time of one neuron that is driven by ``codes``."""
    net = Builder()
    x = net.input("x", (1,), IntType(6, signed=True))
    neuron.setdefault("membrane", I8)
    out = net.integer_neurons(x, name="n", output="v", **neuron)
    net.output(out)
    found = run_everywhere(net.graph(), {"x": np.reshape(codes, (-1, 1, 1))})
    return tuple(array.ravel().tolist() for array in found.values())


def test_a_subtracting_neuron_keeps_what_is_left():
    spikes, v = traces([3, 3, 3], threshold=5, reset=Reset(kind="subtract", amount=5))
    assert (spikes, v) == ([0, 1, 0], [3, 1, 4])


def test_a_neuron_reset_to_a_value_forgets_what_is_left():
    spikes, v = traces([3, 3, 3], threshold=5, reset=Reset(kind="value", amount=-1))
    assert (spikes, v) == ([0, 1, 0], [3, -1, 2])


def test_a_neuron_without_reset_keeps_firing():
    assert traces([3, 3, 0], threshold=5) == ([0, 1, 1], [3, 6, 6])


def test_a_delayed_subtraction_comes_after_the_leak_of_the_next_step():
    # v = 6 fires; next: 6 - (6 >> 1) + 0 - 5 = -2
    spikes, v = traces(
        [6, 0],
        threshold=5,
        decay=Decay(kind="shift", shift=1),
        reset=Reset(kind="subtract", amount=5, phase="next"),
    )
    assert (spikes, v) == ([1, 0], [6, -2])


def test_a_delayed_reset_to_a_value_comes_before_the_leak():
    # v = 6 fires; next: 2 - (2 >> 1) + 1 = 2
    spikes, v = traces(
        [6, 1],
        threshold=5,
        decay=Decay(kind="shift", shift=1),
        reset=Reset(kind="value", amount=2, phase="next"),
    )
    assert (spikes, v) == ([1, 0], [6, 2])


def test_a_spike_one_step_late_is_of_the_membrane_before():
    spikes, v = traces([6, 0, 0], threshold=5, spike_phase="next", reset=Reset(kind="value"))
    assert (spikes, v) == ([0, 0, 0], [0, 0, 0])  # reset in the same step: nothing is left to see
    late = Reset(kind="value", phase="next")
    spikes, v = traces([6, 0, 0], threshold=5, spike_phase="next", reset=late)
    assert (spikes, v) == ([0, 1, 0], [6, 0, 0])


@pytest.mark.parametrize(("strict", "fired"), [(False, [1]), (True, [0])])
def test_a_membrane_at_the_threshold_fires_unless_strict(strict, fired):
    assert traces([5], threshold=5, strict=strict, on_chip=not strict)[0] == fired


def test_leaks_round_down():
    # -5 - (-5 >> 1) = -5 + 3; (-5 * 3) >> 2 = -4
    assert traces([-5, 0], spiking=False, decay=Decay(kind="shift", shift=1)) == ([-5, -2],) * 2
    times = Decay(kind="multiply", shift=2, multiplier=3)
    assert traces([-5, 0], spiking=False, decay=times) == ([-5, -4],) * 2


@pytest.mark.parametrize(
    ("rounding", "shift", "multiply"),
    [
        # v/4: -1.75 -1.5 -1.25 -0.5 0.5 1.25 1.5 1.75; the shift takes it away, 1/4 keeps it
        ("floor", [-5, -4, -3, -1, 2, 4, 5, 6], [-2, -2, -2, -1, 0, 1, 1, 1]),
        ("toward-zero", [-6, -5, -4, -2, 2, 4, 5, 6], [-1, -1, -1, 0, 0, 1, 1, 1]),
        ("nearest", [-5, -4, -4, -2, 2, 4, 4, 5], [-2, -2, -1, 0, 0, 1, 2, 2]),
    ],
)
def test_leaks_round_as_they_say(rounding, shift, multiply):
    starts = np.array([-7, -6, -5, -2, 2, 5, 6, 7])
    kinds = {"shift": shift, "multiply": multiply}
    for kind, kept in kinds.items():
        net = Builder()
        x = net.input("x", (8,), IntType(6, signed=True))
        decay = Decay(kind=kind, shift=2, multiplier=1, rounding=rounding)
        out = net.integer_neurons(x, spiking=False, membrane=I8, decay=decay, initial=starts)
        net.output(out)
        (found,) = run_everywhere(net.graph(), {"x": np.zeros((1, 1, 8), np.int64)}).values()
        assert found.ravel().tolist() == kept


def test_a_membrane_of_4_bits_saturates_at_7_and_minus_8():
    narrow = IntType(4, signed=True)
    assert traces([6, 6, -30], spiking=False, membrane=narrow) == ([6, 7, -8],) * 2


def test_a_membrane_saturates_after_a_negative_subtraction():
    # 7 - (-5) is more than 4 bits hold
    reset = Reset(kind="subtract", amount=-5)
    narrow = IntType(4, signed=True)
    assert traces([7], threshold=7, membrane=narrow, reset=reset) == ([1], [7])


def test_a_floor_holds_the_membrane_up():
    assert traces([-9, 4], spiking=False, floor=-3) == ([-3, 1],) * 2


def test_input_is_shifted_by_the_fraction_bits_and_the_bias_is_not():
    assert traces([3], spiking=False, fraction_bits=2, bias=1) == ([13],) * 2


def test_a_synaptic_current_leaks_on_its_own():
    # i: 8, 8 - 2 = 6, 6 - 1 = 5; v: half of i each step: 4, 4 + 3, 7 + 2
    net = Builder()
    x = net.input("x", (1,), IntType(6, signed=True))
    v = net.integer_neurons(
        x,
        spiking=False,
        membrane=I8,
        current=I8,
        current_decay=Decay(kind="shift", shift=2),
        input_decay=Decay(kind="multiply", shift=1, multiplier=1),
    )
    net.output(v)
    (found,) = run_everywhere(net.graph(), {"x": np.reshape([8, 0, 0], (3, 1, 1))}).values()
    assert found.ravel().tolist() == [4, 7, 9]


def test_a_current_saturates_at_its_own_width():
    net = Builder()
    x = net.input("x", (1,), IntType(6, signed=True))
    current = IntType(4, signed=True)
    net.output(net.integer_neurons(x, spiking=False, membrane=I8, current=current))
    (found,) = run_everywhere(net.graph(), {"x": np.reshape([20, 0], (2, 1, 1))}).values()
    assert found.ravel().tolist() == [7, 14]


def test_states_start_where_the_graph_or_the_caller_says():
    net = Builder()
    x = net.input("x", (2,), IntType(6, signed=True))
    net.output(net.integer_neurons(x, name="n", spiking=False, initial=np.array([10, 20])))
    graph = net.graph()
    inputs = {"x": np.ones((1, 2, 2), np.int64)}
    assert run_everywhere(graph, inputs)["n.v.next"].tolist() == [[[11, 21], [11, 21]]]
    given = {"n.v": np.array([[1, 2], [3, 4]])}
    assert run_everywhere(graph, inputs, given)["n.v.next"].tolist() == [[[2, 3], [4, 5]]]


def test_spikes_fed_back_through_a_state_arrive_one_step_later():
    # x = 1 0 0 and threshold 1: the neuron keeps itself firing
    net = Builder()
    x = net.input("x", (1,))
    before = net.state("before", (1,), x.type)
    spikes = net.integer_neurons(net.sum(x, before), threshold=1, reset=Reset(kind="value"))
    net.follow(before, spikes)
    net.output(spikes, before)
    found = run_everywhere(net.graph(), {"x": np.reshape([1, 0, 0], (3, 1, 1))})
    assert [array.ravel().tolist() for array in found.values()] == [[1, 1, 1], [0, 1, 1]]
