"""What waits in states is stored: what arrives somewhere, and nothing else of a ring."""

import numpy as np
import pytest

from mapper.cost.delays import delayed_bits
from mapper.cost.flow import follow
from mapper.ir.core import SPIKE, Graph, IntType, Value
from mapper.ir.synapses import Linear
from tests.builders import Builder

DELAYS = [0, 2, 3, 1]


def ring(delays: list[int], deepest: int = 4) -> Graph:
    """Spikes in ``[deepest + 1, C]``, newest first; channel ``c`` waits ``delays[c]`` steps."""
    net = Builder()
    channels = len(delays)
    x = net.input("x", (channels,))
    before = net.state("ring", (deepest + 1, channels), SPIKE)
    older = net.take(before, range(deepest), axis=0)
    after = net.concat(net.reshape(x, (1, channels)), older, axis=0)
    net.follow(before, after)
    flat = net.reshape(after, ((deepest + 1) * channels,))
    arrived = net.take(flat, [d * channels + c for c, d in enumerate(delays)])
    net.output(net.integer_neurons(layer(net, arrived), threshold=3))
    return net.graph()


def layer(net: Builder, x: Value) -> Value:
    return net.digital(Linear, x, np.ones((2, *x.shape), np.int64))


def bits(graph: Graph) -> dict[int, int]:
    return delayed_bits(graph, follow(graph))


def test_a_ring_keeps_as_many_spikes_as_its_channels_wait_steps():
    """2 + 3 + 1 spikes, not 5 steps of 4 channels; how deep the file's ring is does not matter."""
    assert bits(ring(DELAYS)) == {0: sum(DELAYS)}
    assert bits(ring(DELAYS, deepest=9)) == {0: sum(DELAYS)}


@pytest.mark.parametrize("steps", [2, 3])
def test_states_that_hand_spikes_on_keep_them_all(steps):
    net = Builder()
    value = net.input("x", (3,))
    for step in range(steps):
        state = net.state(f"d{step}", (3,), SPIKE)
        net.follow(state, value)
        value = state
    net.output(net.integer_neurons(layer(net, value), threshold=1))
    assert bits(net.graph()) == {0: 3 * steps}


def test_a_spike_that_is_fed_back_waits_in_the_input_that_every_layer_keeps():
    net = Builder()
    x = net.input("x", (3,))
    state = net.state("before", (3,), SPIKE)
    total = layer(net, net.concat(x, state, axis=0))
    spikes = net.integer_neurons(net.take(total, [0, 1, 0]), threshold=1)
    net.follow(state, spikes)
    net.output(spikes)
    assert bits(net.graph()) == {}


def test_numbers_that_wait_are_as_wide_as_they_are():
    net = Builder()
    value = net.input("x", (3,), IntType(7, signed=True))
    first, second = (net.state(name, (3,), value.type) for name in ("a", "b"))
    net.follow(first, value)
    net.follow(second, first)
    net.output(net.integer_neurons(layer(net, second), threshold=1))
    assert bits(net.graph()) == {0: 2 * 3 * 7}
