"""Every exact pass keeps every bit, on every target, on random networks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.ir.core import Graph, IntType
from mapper.ir.evaluate import evaluate
from mapper.pipeline import make_passes, run_passes
from mapper.verify.rings import spike_values
from passes import PIPELINE
from targets import list_targets, load_target
from tests.campaigns import examples
from tests.networks import float_networks, small_conv_net, spikes


def stages(graph: Graph, target_name: str, **options: object) -> list[tuple[str, bool, Graph]]:
    target, found = load_target(target_name), []
    passes = make_passes(**options)  # type: ignore[arg-type]  # forwarded by name
    run_passes(graph, target, passes, after=lambda p, g: found.append((p.name, p.exact, g)))
    return found


def assert_exact_passes_keep_bits(graph: Graph, target_name: str) -> None:
    inputs, before = spikes(graph), None
    watch = spike_values(graph)
    for name, exact, after_pass in stages(graph, target_name):
        after = evaluate(after_pass, inputs, watch=watch)
        if exact and before is not None:
            for value, bits in after.items():
                assert np.array_equal(bits, before[value]), (name, value)
        before = after


@pytest.mark.parametrize("target", list_targets())
def test_exact_passes_keep_every_bit_of_a_small_network(target):
    assert_exact_passes_keep_bits(small_conv_net(), target)


@settings(max_examples=examples(40), deadline=None)
@given(graph=float_networks(), target=st.sampled_from(list_targets()))
def test_exact_passes_keep_every_bit_of_random_networks(graph, target):
    assert_exact_passes_keep_bits(graph, target)


def test_after_the_passes_everything_is_an_integer():
    last = stages(small_conv_net(), "adcless-64")[-1][2]
    values = [v for op in last.ops for v in op.results]
    assert all(isinstance(v.type, IntType) for v in values)


def test_an_ideal_readout_loses_nothing_after_the_weights():
    """On ideal-128 only quantisation is inexact: lower-readout keeps every bit as well."""
    found = dict((name, graph) for name, _, graph in stages(small_conv_net(), "ideal-128"))
    inputs = spikes(small_conv_net())
    before = evaluate(found["quantize-neurons"], inputs)
    after = evaluate(found["lower-readout"], inputs)
    assert all(np.array_equal(after[name], before[name]) for name in before)


def test_the_pipeline_lists_each_pass_once():
    names = [kind.name for kind in PIPELINE]
    assert len(set(names)) == len(names) == 16


def test_calibrating_with_data_is_deterministic():
    samples = dict(spikes(small_conv_net()))
    texts = {str(stages(small_conv_net(), "adcless-64", samples=samples)[-1][2]) for _ in "ab"}
    assert len(texts) == 1
