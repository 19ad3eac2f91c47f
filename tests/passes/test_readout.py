"""Readout settings: what is picked from data, and what from the weights alone."""

from dataclasses import replace

import numpy as np
import pytest

from mapper.ir.builder import GraphBuilder
from mapper.ir.core import FLOAT, Graph
from mapper.ir.evaluate import evaluate
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd
from mapper.pipeline import make_passes, run_passes
from passes.readout import calibrate
from passes.readout.calibrate import first_threshold
from targets import list_targets, load_target
from tests.networks import small_conv_net, spikes

NETWORK = small_conv_net()
SAMPLES = dict(spikes(NETWORK, steps=8, batch=4))


def lowered(target: str, samples: dict | None = None) -> Graph:
    loaded = load_target(target)
    return run_passes(NETWORK, loaded, make_passes(samples=samples))[0]


def reads(graph: Graph) -> list:
    return [op for op in graph.ops if isinstance(op, SenseAmpRead | AdcRead)]


def test_an_adc_rounds_to_the_nearest_step_ties_up():
    """Steps of 4 from 0: 1 -> 0, 2 -> 4; steps of 3: 1 -> 0, 2 -> 3."""
    assert (first_threshold(0, 4), first_threshold(0, 3), first_threshold(-4, 1)) == (2, 2, -3)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("together", [1, 1 << 18])
def test_the_step_of_an_adc_has_the_least_error_of_all(signed, together, monkeypatch):
    """Against the definition, step after step; the first of equal ones is taken."""
    monkeypatch.setattr(calibrate, "_TILE", together)
    rng = np.random.default_rng(signed)
    for bits in (1, 3, 5):
        counts = rng.integers(0, 9, 2 * 40 + 1) * (rng.random(81) < 0.3)
        sums, below = np.arange(-40, 41), (1 << bits) // 2 if signed else 0
        errors = []
        for step in range(1, -(-81 // ((1 << bits) - 1)) + 1):
            codes = np.clip((sums + below * step + step // 2) // step, 0, (1 << bits) - 1)
            errors.append((counts * (sums - step * (codes - below)) ** 2).sum())
        best = 1 + int(np.argmin(errors))
        assert calibrate._best_step(counts, 40, signed, bits) == (best, -below * best)
    assert calibrate._best_step(np.zeros(81, np.int64), 40, signed, 3) == (1, -4 * signed)


def test_half_active_references_of_sense_amplifiers_are_not_moved():
    for op in reads(lowered("adcless-64", SAMPLES)):
        assert op.active is not None
        assert lowered("adcless-64", SAMPLES).constants[op.thresholds.name].ravel().tolist() == [0]


def test_constant_references_are_set_for_each_column():
    graph = lowered("adcless-diff-64", SAMPLES)
    for op in reads(graph):
        assert op.active is None
        assert graph.constants[op.thresholds.name].shape == (1, *op.partial_sum.shape[1:4])


def test_a_ternary_readout_has_two_ascending_references():
    graph = lowered("ternary-diff-64", SAMPLES)
    for op in reads(graph):
        low, high = graph.constants[op.thresholds.name]
        assert (low <= high).all()
        assert op.levels == (-1, 0, 1)


def test_a_five_bit_adc_of_step_one_reads_sums_below_32_exactly():
    """18 wordlines of 1-bit cells never reach 32: step 1, nothing lost."""
    (first, *_) = reads(lowered("hpadc-flash5-64", SAMPLES))
    assert (first.bits, first.step, first.base) == (5, 1, 0)


def test_sums_of_one_bit_are_rescaled_and_those_of_adcs_are_not():
    scaled = [op for op in lowered("adcless-64").ops if isinstance(op, ShiftAndAdd)]
    plain = [op for op in lowered("hpadc-sar5-64").ops if isinstance(op, ShiftAndAdd)]
    assert all(op.scale > 1 and op.offset == 0 for op in scaled)
    assert all(op.scale == 1 and op.shift == 0 and op.offset == -8 for op in plain)


@pytest.mark.parametrize(
    "name", ["adcless-64", "adcless-diff-64", "hpadc-flash5-64", "ternary-diff-64"]
)
def test_settings_are_the_same_bits_however_many_sums_are_worked_out_at_once(monkeypatch, name):
    target = load_target(name)
    low = tuple(replace(macro, wordlines=16) for macro in target.macros)  # several row blocks
    target = replace(target, macros=low)

    def compiled() -> Graph:
        return run_passes(NETWORK, target, make_passes(samples=SAMPLES))[0]

    whole = compiled()
    assert max(op.partial_sum.shape[1] for op in reads(whole)) > 1
    monkeypatch.setattr("passes.readout.calibrate._TILE", 1)  # one row block at a time
    parts = compiled()
    assert parts.ops == whole.ops
    for constant, array in whole.constants.items():
        assert np.array_equal(array, parts.constants[constant]), constant


@pytest.mark.parametrize("target", list_targets())
def test_data_makes_no_readout_worse_on_the_data_it_saw(target):
    """Spike agreement of the first layer, which sees the same inputs either way."""
    expected = evaluate(NETWORK, SAMPLES, watch=["lif1.s"])["lif1.s"]

    def agreement(samples):
        found = evaluate(lowered(target, samples), SAMPLES, watch=["lif1.s"])["lif1.s"]
        return (found == expected).mean()

    assert agreement(SAMPLES) >= agreement(None) - 0.01  # 1 %: settings come from a sample


def test_finer_sums_come_out_of_the_membrane_not_on_top_of_it():
    """The same membrane unit: fraction bits of the sums plus those left are as many as before."""
    loaded = load_target("adcless-diff-64")
    graphs = {}
    passes = make_passes()
    run_passes(NETWORK, loaded, passes, after=lambda p, g: graphs.setdefault(p.name, g))
    before = [op for op in graphs["slice-weights"].ops if hasattr(op, "fraction_bits")]
    after = [op for op in graphs["lower-readout"].ops if hasattr(op, "fraction_bits")]
    assert [a.fraction_bits + 4 for a in after] == [b.fraction_bits for b in before]


@pytest.mark.parametrize("with_sums", [False, True])
def test_neurons_on_inputs_keep_their_fraction_bits(with_sums):
    """Spikes of an input are not finer, alone and beside sums that are."""
    net = GraphBuilder("on an input")
    x = net.input("x", (4, 1, 1), FLOAT)
    drive = net.flatten(x)
    if with_sums:
        drive = net.sum(net.linear(net.flatten(x), np.eye(4, dtype=np.float32)), drive)
    spikes = net.neurons(drive, leak=0.5, threshold=0.7, name="lif")
    net.output(net.linear(spikes, np.eye(4, dtype=np.float32)))
    graphs: dict[str, Graph] = {}
    target = load_target("adcless-diff-64")
    run_passes(net.graph(), target, make_passes(), after=lambda p, g: graphs.setdefault(p.name, g))
    before, after = (
        next(op for op in graphs[name].ops if op.loc == "lif")
        for name in ("slice-weights", "lower-readout")
    )
    assert (before.fraction_bits, before.threshold) == (after.fraction_bits, after.threshold)


def test_a_silent_network_still_compiles():
    nothing = {name: np.zeros_like(array) for name, array in SAMPLES.items()}
    for target in list_targets():
        lowered(target, nothing)
