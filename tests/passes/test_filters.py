"""Synaptic filters in integers: exact leaks, codes that weights read, leaks that spikes switch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.diagnostics import MappingError
from mapper.ir.core import FLOAT, SPIKE, Graph, Value
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.evaluate import evaluate
from mapper.ir.neurons import Reset
from mapper.pipeline import make_passes, run_passes
from mapper.training.hardening.integer import TorchEngine
from targets import load_target
from tests.campaigns import examples
from tests.engines import assert_same_bits, run_everywhere
from tests.networks import NetworkBuilder, spikes

TORCH = TorchEngine(torch.device("cpu"))


def filtered(
    net: NetworkBuilder, s: Value, leak: float, on: float | None, switch: Value | None = None
) -> Value:
    """Return a filter of spikes; with ``on`` that is its leak where there is a spike."""
    if on is None:
        return net.neurons(s, leak=leak, fires=False, name="f")
    v = Value("f.v", FLOAT, s.shape)
    x = net.sum(net.scale(net.multiply(switch or s, v), on - leak), s)
    return net.neurons(x, leak=leak, fires=False, name="f")


def network(seed: int, leak: float, on: float | None, x: Value | None = None) -> Graph:
    net = NetworkBuilder(seed)
    weight = (net.rng.integers(-8, 9, (3, 4)) / 4).astype(np.float32)
    s = net.input("x", (4,), SPIKE)
    y = net.linear(filtered(net, s, leak, on), net.constant("w", weight), name="fc")
    return net.graph(net.neurons(y, leak=0.5, threshold=2.0, name="n"))


def compiled(graph: Graph, target: str) -> tuple[Graph, list[str]]:
    made, runs = run_passes(graph, load_target(target), make_passes())
    return made, [text for run in runs for text in run.warnings]


def membrane(graph: Graph, target: str, s: list[int]) -> list[float]:
    """Return what the filter holds, in reals, for one element's spikes."""
    made, _ = compiled(graph, target)
    (op,) = (op for op in made.ops if op.results[0].name == "f.v_next")
    unit = 2.0 ** -(op.results[0].type.bits - 5)  # of a state that saturates at 16
    x = np.zeros((len(s), 1, 4), np.int64)
    x[:, 0, 0] = s
    found = evaluate(made, {"x": x}, watch=["f.v_next"])["f.v_next"][:, 0, 0]
    return (found * unit).tolist()


def test_a_switched_leak_by_hand():
    """``v - (1 - s) v / 4 + s``: 1, 0.75, 0.5625, then 1.5625 and 2.5625 without any leak."""
    graph = network(0, leak=0.75, on=1.0)
    wanted = [1, 0.75, 0.5625, 1.5625, 2.5625]
    assert membrane(graph, "ideal-128", [1, 0, 0, 1, 1]) == wanted
    assert membrane(graph, "adcless-64", [1, 0, 0, 1, 1]) == wanted


def test_what_a_spike_keeps_is_kept_to_the_bit_and_saturates():
    found = membrane(network(0, leak=0.75, on=1.0), "adcless-64", [1] * 20 + [0])
    top = 16 - 2.0**-11
    assert found[:20] == [*map(float, range(1, 16)), *[top] * 5]
    assert found[20] == (32767 - (32767 >> 2)) / 2**11


def test_what_is_lost_is_said():
    made, told = compiled(network(0, leak=0.75, on=1.0), "adcless-64")
    assert [text for text in told if text.startswith("f: ")] == [
        "f: weights read the highest 8 of its 16 bits, in steps of 0.125",
        "f: a spike keeps its membrane from leaking, so nothing bounds it: it saturates at "
        "15.9995, which 16 greatest inputs in a row reach",
    ]
    (layer,) = (op for op in made.ops if isinstance(op, CrossbarMvm))
    assert str(layer.x.type) == "i8"


@pytest.mark.parametrize("on", [None, 1.0, 0.0, 0.5])
def test_spikes_behind_a_filter_are_those_of_reals_where_codes_hold_it(on):
    """Halves and quarters are exact for as many steps as there are bits."""
    graph = network(3, leak=0.5, on=on)
    inputs = spikes(graph, steps=8)
    made, _ = compiled(graph, "ideal-128")
    wanted = evaluate(graph, inputs)["n.s"]
    assert 0 < wanted.mean() < 1
    assert np.array_equal(run_everywhere(made, inputs)["n.s"], wanted)


@settings(max_examples=examples(15), deadline=None)
@given(
    st.integers(0, 2**16),
    st.sampled_from([0.0, 0.25, 0.75, 0.9, 0.99]),
    st.sampled_from([None, 0.0, 0.3, 1.0]),
    st.sampled_from(["ideal-128", "adcless-64", "adcless-diff-64", "hpadc-sar5-64"]),
)
def test_engines_agree_on_filters(seed, leak, on, target):
    graph = network(seed, leak, on)
    made, _ = compiled(graph, target)
    inputs = spikes(graph, steps=12)
    expected = run_everywhere(made, inputs)
    assert_same_bits(TORCH.prepare(made).run(inputs), expected)


def problem(graph: Graph) -> str:
    with pytest.raises(MappingError) as caught:
        compiled(graph, "adcless-64")
    (found,) = caught.value.diagnostics
    assert found.code == "unsupported-leak"
    return found.message


def test_counts_do_not_switch_a_leak():
    net = NetworkBuilder()
    a, b = net.input("a", (4,), SPIKE), net.input("b", (4,), SPIKE)
    y = net.dense(filtered(net, net.sum(a, b), 0.75, 1.0), 2)
    assert problem(net.graph(net.neurons(y, name="n"))) == (
        "the leak of this membrane is switched by 'sum0', which holds codes of 2 bits; the digital "
        "unit switches one by a spike of 1 bit"
    )


def test_two_spikes_do_not_switch_one_leak():
    net = NetworkBuilder()
    a, b = net.input("a", (4,), SPIKE), net.input("b", (4,), SPIKE)
    v = Value("f.v", FLOAT, (4,))
    products = (net.scale(net.multiply(s, v), 0.125) for s in (a, b))
    y = net.dense(net.neurons(net.sum(*products, a), leak=0.75, fires=False, name="f"), 2)
    assert problem(net.graph(net.neurons(y, name="n"))) == (
        "the leak of this membrane is switched by 'a' and 'b', each by itself; the digital unit "
        "switches one by a spike of 1 bit"
    )


def test_a_filter_that_only_an_output_reads_keeps_all_its_bits():
    net = NetworkBuilder()
    weight = net.constant("w", np.ones((3, 4), np.float32))
    s = net.neurons(net.linear(net.input("x", (4,), SPIKE), weight), threshold=2.0, name="n")
    graph = net.graph(filtered(net, s, 0.75, 1.0))
    made, _ = compiled(graph, "adcless-64")
    inputs = spikes(graph, steps=12)
    (found,), (coding,) = run_everywhere(made, inputs).values(), made.codings.values()
    assert np.abs(found).max() * coding.scale < 16
    assert found.max() > 255


def test_a_delayed_reset_beside_a_filter_stays_a_neuron():
    net = NetworkBuilder()
    s = net.input("x", (4,), SPIKE)
    late = Reset(kind="subtract", amount=1.0, phase="next")
    y = net.neurons(net.dense(filtered(net, s, 0.75, 1.0), 3), leak=0.5, reset=late, name="n")
    graph = net.graph(y)
    run_everywhere(compiled(graph, "adcless-64")[0], spikes(graph, steps=6))
