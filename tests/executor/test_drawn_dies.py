"""Every engine computes a die to the bits of the definition, on random networks and devices."""

from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapper.executor.engine import ENGINES
from mapper.executor.numpy.generate import generate_executor
from mapper.executor.numpy.run import load_executor
from mapper.executor.ports import Port, Refusal, check_codes
from mapper.ir.core import Graph
from mapper.ir.counter import read_keys
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.evaluate import evaluate
from mapper.ir.noise import KEY_TYPE
from mapper.verify.rings import spike_values
from targets import list_targets, load_target
from tests.campaigns import examples
from tests.drawn_dies import EVERYTHING, compiled, device, drawn, with_keys
from tests.engines import AVAILABLE, assert_same_bits
from tests.networks import NetworkBuilder, float_networks, spikes

devices = st.fixed_dictionaries(
    {}, optional={name: st.just(value) for name, value in EVERYTHING.items()}
)


def assert_engines_agree(die: Graph, inputs, watch) -> None:
    given_ = with_keys(die, inputs)
    expected = evaluate(die, given_, watch=watch)
    for name in AVAILABLE:
        found = ENGINES[name].prepare(die, watch=watch).run(given_)
        assert_same_bits(found, expected)


@settings(max_examples=examples(36), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    network=float_networks(),
    target=st.sampled_from(list_targets()),
    of=devices,
    noise=st.sampled_from([0.0, 0.7]),
)
def test_engines_agree_on_dies(network, target, of, noise):
    chip = load_target(target)
    graph = compiled(network, chip)
    made = device(**{k.replace(".", "__"): v for k, v in of.items()}, amplifier__noise=noise)
    die = drawn(graph, chip, made)
    assert_engines_agree(die, spikes(network), spike_values(graph))


def test_partial_sums_and_codes_of_copies_that_differ_can_be_watched():
    net = NetworkBuilder()
    net.output(net.neuron(net.conv(net.entry(2, 6, 5), 3)))
    network = net.graph()
    everything = {k.replace(".", "__"): v for k, v in EVERYTHING.items()}
    for target in ("adcless-64", "adcless-diff-64", "hpadc-sar5-64", "ternary-diff-64"):
        chip = load_target(target)
        graph = compiled(network, chip)
        ops = tuple(
            replace(op, placement=replace(op.placement, copies=4, slots=replace(
                op.placement.slots, stop=op.placement.slots.start + 4 * op.crossbars)))
            if isinstance(op, CrossbarMvm) else op
            for op in graph.ops
        )  # fmt: skip
        die = drawn(replace(graph, ops=ops), chip, device(**everything, amplifier__noise=0.7))
        inner = [v.name for op in die.ops if op.inside_layer for v in op.results]
        assert len(inner) >= 2
        assert_engines_agree(die, spikes(network), inner)


def test_keys_of_noise_may_have_any_of_their_62_bits():
    net = NetworkBuilder()
    net.output(net.neuron(net.dense(net.entry(9), 5)))
    network, chip = net.graph(), load_target("adcless-diff-64")
    die = drawn(compiled(network, chip), chip, device(amplifier__noise=1.0))
    inputs = dict(spikes(network, steps=3, batch=1))
    keys = np.array([[0], [1], [KEY_TYPE.max]])
    expected = evaluate(die, {**inputs, "read_key": keys}, watch=["fc0.sum"])
    for name in AVAILABLE:
        assert_same_bits(
            ENGINES[name].prepare(die, watch=["fc0.sum"]).run({**inputs, "read_key": keys}),
            expected,
        )


def test_a_generated_program_makes_its_keys_from_a_seed():
    net = NetworkBuilder()
    net.output(net.neuron(net.dense(net.entry(9), 5)))
    network, chip = net.graph(), load_target("adcless-diff-64")
    die = drawn(compiled(network, chip), chip, device(amplifier__noise=5.0))
    inputs = dict(spikes(network, steps=4, batch=3))
    program = load_executor(generate_executor(die, watch=["fc0.sum"]), die.constants)
    expected = evaluate(die, {**inputs, "read_key": read_keys(7, 4, 3)}, watch=["fc0.sum"])
    assert_same_bits(program.module["run"](inputs, net=program.network, seed=7), expected)
    other = program.module["run"](inputs, net=program.network)
    assert any((other[name] != expected[name]).any() for name in expected)


@pytest.mark.parametrize("kind", ["float64", "float32", "longdouble"])
def test_keys_of_noise_are_no_floats_which_round_them(kind):
    """Of 62 bits a float has 53; one that rounds up to 2**62 was no key either, and was taken."""
    net = NetworkBuilder()
    net.output(net.neuron(net.dense(net.entry(9), 5)))
    network, chip = net.graph(), load_target("adcless-diff-64")
    die = drawn(compiled(network, chip), chip, device(amplifier__noise=5.0))
    inputs = dict(spikes(network, steps=2, batch=3))
    floats = {**inputs, "read_key": read_keys(7, 2, 3).astype(kind)}
    program = load_executor(generate_executor(die, watch=["fc0.sum"]), die.constants)
    runs = [ENGINES[name].prepare(die, watch=["fc0.sum"]).run for name in AVAILABLE]
    for run in (partial(program.module["run"], net=program.network), *runs):
        with pytest.raises(
            Exception, match="rounds whole numbers beyond 9007199254740992"
        ) as caught:
            run(floats)
        assert "input-type" in str(caught.value)


@pytest.mark.parametrize(("high", "taken"), [(1 << 53, True), ((1 << 53) + 1, False)])
def test_floats_are_codes_where_they_have_every_one(high, taken):
    codes = np.array([3.0, 2.0**53])
    refused = pytest.raises(Refusal, match="input-type")
    with nullcontext() if taken else refused:
        check_codes(Port("x", (2,), 0, high), codes, "the start")
    check_codes(Port("x", (2,), 0, high), codes.astype(np.int64), "the start")


def test_a_sample_has_the_same_keys_wherever_a_batch_is_cut():
    keys = read_keys(3, steps=5, samples=8)
    assert np.array_equal(read_keys(3, steps=2, samples=4), keys[:2, :4])
    assert keys.max() <= KEY_TYPE.max
    assert len(np.unique(keys)) == 40
