"""Sums of layers that wait in states: as integers, as long as the reals did."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.diagnostics import MappingError
from mapper.ir.core import FLOAT, SPIKE, Graph, State, Value
from mapper.ir.evaluate import evaluate
from mapper.ir.neurons import Reset
from mapper.pipeline import make_passes, run_passes
from targets import load_target
from tests.campaigns import examples
from tests.engines import run_everywhere
from tests.networks import NetworkBuilder, spikes

EXACT = load_target("ideal-128")


def held(net: NetworkBuilder, name: str, value: Value, initial: float = 0.0) -> Value:
    """Return what a value was in the step before."""
    read = Value(name, FLOAT, value.shape)
    net.states.append(State(read=read, next=value.name, initial=initial))
    return read


def on_a_grid(net: NetworkBuilder, x: Value, outputs: int, bias: bool = True) -> Value:
    """Return a layer of weights in eighths, which 8 bits hold, and of such biases."""
    name = net.numbered("fc")
    weight = net.rng.integers(-8, 9, (outputs, x.shape[0])).astype(np.float32) / 8
    own = net.constant(f"{name}.b", (net.rng.integers(-4, 5, outputs) / 8).astype(np.float32))
    return net.linear(x, net.constant(f"{name}.w", weight), own if bias else None, name=name)


def integrated(net: NetworkBuilder, x: Value) -> Value:
    return net.neuron(x, leak=1.0, threshold=2.0, reset=Reset(kind="subtract", amount=2.0))


@st.composite
def networks(draw: st.DrawFn) -> Graph:
    """Layers whose sums wait some steps, each channel as long as it likes, then meet neurons."""
    net = NetworkBuilder(draw(st.integers(0, 2**16)))
    s = net.input("x", (5,), SPIKE)
    for layer in range(draw(st.integers(1, 2))):
        y = on_a_grid(net, s, 4)
        line = [y]
        for step in range(draw(st.integers(1, 3))):
            line.append(held(net, f"d{layer}.{step}", line[-1]))
        if draw(st.booleans()):
            chosen = draw(st.lists(st.integers(0, len(line) - 1), min_size=4, max_size=4))
            every = net.concat(*line)
            arrived = net.take(every, [4 * steps + c for c, steps in enumerate(chosen)])
        else:
            arrived = net.sum(*line[1:]) if len(line) > 2 else line[-1]
        s = integrated(net, arrived)
    return net.graph(s)


@settings(max_examples=examples(25), deadline=None)
@given(graph=networks())
def test_sums_that_wait_give_the_spikes_that_reals_give(graph):
    made, _ = run_passes(graph, EXACT, make_passes())
    inputs = spikes(graph, steps=8)
    wanted = evaluate(graph, inputs)
    assert all(
        np.array_equal(bits, wanted[name]) for name, bits in run_everywhere(made, inputs).items()
    )


def test_a_bias_arrives_with_the_sums_that_it_is_part_of():
    """Nothing waits at first, so the membrane stays at 0 for two steps; then 0.5 a step comes."""
    net = NetworkBuilder()
    x = net.input("x", (2,), SPIKE)
    weight, bias = np.ones((1, 2), np.float32), np.full(1, 0.5, np.float32)
    y = net.linear(x, net.constant("w", weight), net.constant("b", bias))
    late = held(net, "d2", held(net, "d1", y))
    graph = net.graph(net.neuron(late, leak=1.0, fires=False))
    made, _ = run_passes(graph, EXACT, make_passes())
    (value,) = made.outputs
    codes = run_everywhere(made, {"x": np.zeros((5, 1, 2), np.int64)})[value.name]
    scale = made.codings[value.name].scale
    assert (codes.ravel() * scale).tolist() == pytest.approx([0, 0, 0.5, 1.0, 1.5], abs=0.01)


def test_what_a_readout_can_sum_is_what_waits():
    """Sums of one bit a column span less than exact ones, and so do the states."""
    net = NetworkBuilder()
    y = on_a_grid(net, net.input("x", (40,), SPIKE), 4, bias=False)
    graph = net.graph(integrated(net, held(net, "d2", held(net, "d1", y))))
    widths = []
    for target in ("ideal-128", "adcless-64"):
        made, _ = run_passes(graph, load_target(target), make_passes())
        sums = {v.name: v.type for op in made.ops for v in op.results}
        first = next(state for state in made.states if state.read.name == "d1")
        types = {s.read.type for s in made.states if s.read.name in ("d1", "d2")}
        assert types == {sums[first.next]}
        widths.append(sums[first.next].bits)
    assert widths[0] > widths[1]


@pytest.mark.parametrize("circle", [False, True])
def test_reals_that_change_outside_a_neuron_are_refused(circle):
    """Half of what was there, and a number that only goes round and comes from no layer."""
    net = NetworkBuilder()
    y = on_a_grid(net, net.input("x", (2,), SPIKE), 2)
    read = Value("trace", FLOAT, (2,))
    following = net.reshape(read, (2,)) if circle else net.sum(net.scale(read, 0.5), y)
    net.states.append(State(read=read, next=following.name))
    graph = net.graph(integrated(net, net.sum(y, read)))
    with pytest.raises(MappingError, match="the reals in 'trace' are changed") as refused:
        run_passes(graph, EXACT, make_passes())
    assert refused.value.diagnostics[0].code == "unsupported-on-hardware"
