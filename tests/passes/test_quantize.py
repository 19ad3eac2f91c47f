"""Quantisation, on weights and thresholds whose integers can be worked out by hand."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.ir.builder import GraphBuilder
from mapper.ir.core import FLOAT, SPIKE, Const, Graph, IntType, State, Value
from mapper.ir.evaluate import evaluate
from mapper.ir.hardware import ScaledAdd
from mapper.ir.leaks import LeakRounding, Rounding
from mapper.ir.network import Scale
from mapper.ir.neurons import IntegerNeuron, Neuron, Reset
from mapper.ir.synapses import Linear
from mapper.ir.verify import check_graph
from mapper.ir.windows import Window
from mapper.pipeline import make_passes, run_passes
from passes import QuantizeWeights
from passes.integers.grids import binary_step
from passes.integers.rounding import nearest
from passes.quantize_weights import best_scales, kept_scales
from targets import Target, load_target
from tests.networks import NetworkBuilder, assigned

IDEAL = load_target("ideal-128")


def one_neuron(weights: list[float], threshold: float = 1.0, **options: object) -> Graph:
    """One neuron behind a linear layer, its weights on a grid of 1/8."""
    x, y = Value("x", FLOAT, (len(weights),)), Value("y", FLOAT, (1,))
    v, after, spike = Value("v", FLOAT, (1,)), Value("after", FLOAT, (1,)), Value("s", SPIKE, (1,))
    graph = Graph(
        name="one",
        inputs=(x,),
        outputs=(spike,),
        states=(State(read=v, next="after"),),
        ops=(
            Linear(x=x, weight=Const("w"), result=y),
            Neuron(
                x=y,
                membrane=v,
                membrane_next=after,
                spike=spike,
                threshold=threshold,
                **({"reset": Reset(kind="subtract", amount=threshold)} | options),
            ),
        ),
        constants={"w": np.array([weights], np.float32)},
    )
    check_graph(graph, "the test")
    return graph


APART = make_passes(options={"fold-layers": {"when": "never"}})
"""Layers stay as they are written, whatever that costs."""


def integers(graph: Graph, target: str | Target = "ideal-128") -> Graph:
    facts = load_target(target) if isinstance(target, str) else target
    return run_passes(graph, facts, APART, stop_after="quantize-neurons")[0]


def neuron_of(graph: Graph) -> IntegerNeuron:
    return next(op for op in graph.ops if isinstance(op, IntegerNeuron))


def test_best_scale_of_weights_on_a_grid_is_the_grid():
    weights = np.array([[0.7], [-0.7], [0.1], [0.3]])
    assert best_scales(weights, bits=4) == pytest.approx(0.1)


def test_a_lone_outlier_is_clipped_when_that_loses_less():
    weights = np.concatenate([np.linspace(-1, 1, 200), [2.0]])[:, None]
    assert best_scales(weights, bits=3)[0] < 2.0 / 3


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("outputs", [1, 2, 7, 64])
def test_scales_are_the_same_bits_however_many_columns_are_searched_at_once(
    monkeypatch, order, outputs
):
    """In C order a column is added from the top, in F order (a linear layer) in pairs."""
    weights = np.random.default_rng(0).normal(size=(300, outputs))
    weights = np.asarray(weights.astype(np.float32), order=order)
    monkeypatch.setattr("passes.quantize_weights._TILE_WEIGHTS", weights.size)
    whole = best_scales(weights, bits=4)
    monkeypatch.setattr("passes.quantize_weights._TILE_WEIGHTS", 1)
    assert best_scales(weights, bits=4).tolist() == whole.tolist()
    peaks = np.abs(weights).max(axis=0)
    assert (whole <= peaks.astype(np.float64) / 7).all()
    assert len(set(whole)) == outputs


def test_weights_of_one_bit_are_signs_whose_scale_is_the_mean_magnitude():
    """(0.6 + 0.2 + 0.4 + 0) / 4 = 0.3; a column of zeros gets the scale of the greatest one."""
    weights = np.array([[0.6, 0.0], [-0.2, 0.0], [0.4, 0.0], [0.0, 0.0]])
    assert best_scales(weights, bits=1) == pytest.approx([0.3, 0.3])
    assert nearest(np.array([0.1, -0.1, 0.0, 7.0]), bits=1).tolist() == [1, -1, 1, 1]
    assert nearest(np.array([0.4, -1.6, 2.6]), bits=2).tolist() == [0, -1, 1]


def test_a_network_that_was_trained_with_weights_of_one_bit_keeps_them_exactly():
    net = NetworkBuilder()
    x = net.entry(3)
    net.constants["w"] = np.array([[0.25, -0.25, 0.25]], np.float32)
    total = Value("t", FLOAT, (1,))
    net.ops.append(Linear(x=x, weight=Const("w"), result=total))
    graph = QuantizeWeights().run(net.graph(net.neuron(total)), load_target("binary-64"))
    (layer,) = (op for op in graph.ops if isinstance(op, Linear))
    (scale,) = (op for op in graph.ops if isinstance(op, Scale))
    assert graph.constants[layer.weight.name].tolist() == [[1, -1, 1]]
    assert graph.constants[scale.factor.name].ravel().tolist() == [0.25]


def test_integer_weights_that_fit_are_kept():
    net = NetworkBuilder()
    x = net.entry(3)
    net.constants["w"] = np.array([[7, -7, 1]], np.int8)
    total, y = Value("t", FLOAT, (1,)), Value("y", FLOAT, (1,))
    net.ops += [Linear(x=x, weight=Const("w"), result=total), Scale(x=total, factor=0.1, result=y)]
    graph = assigned(net.graph(net.neuron(y)), 4)
    assert QuantizeWeights().run(graph, IDEAL).ops == graph.ops


def test_layers_that_meet_in_one_sum_share_a_scale_per_layer():
    net = NetworkBuilder()
    x = net.entry(4)
    graph = net.graph(net.neuron(net.sum(net.dense(x, 3), net.dense(x, 3))))
    quantised = QuantizeWeights(granularity="layer").run(assigned(graph, 4), IDEAL)
    scales = [quantised.constants[f"{name}.scale"] for name in ("fc0", "fc1")]
    assert np.ptp(np.concatenate(scales)) == 0


@pytest.mark.parametrize("strict", [False, True])
def test_a_sum_exactly_at_the_threshold_fires_as_in_the_trained_network(strict):
    """32/128 + 64/128 = 96/128: a tie, in single precision and in integers of 1/128."""
    graph = one_neuron([32 / 128, 64 / 128, 127 / 128], threshold=96 / 128, strict=strict)
    spikes = np.array([[[1, 1, 0]], [[0, 0, 1]]])
    expected = evaluate(graph, {"x": spikes})["s"]
    assert np.array_equal(evaluate(integers(graph), {"x": spikes})["s"], expected)
    assert expected[0, 0, 0] == (0 if strict else 1)


def test_a_threshold_between_two_steps_rounds_to_the_same_side():
    """Weights of 1/127: 0.5 is 63.5 steps; >= 0.5 needs 64 of 2^-f, as > 0.5 does."""
    weights = [1.0, 1 / 127]
    for strict in (False, True):
        neuron = neuron_of(integers(one_neuron(weights, threshold=0.5, strict=strict)))
        steps = 63.5 * 2**neuron.fraction_bits
        assert neuron.threshold == pytest.approx(steps, abs=1)


def test_a_leak_of_seven_eighths_is_a_shift():
    neuron = neuron_of(integers(one_neuron([1.0], 1.0, leak=0.875)))
    assert (neuron.decay.kind, neuron.decay.shift) == ("shift", 3)


def test_any_other_leak_is_multiplied():
    neuron = neuron_of(integers(one_neuron([1.0], 1.0, leak=0.8)))
    assert neuron.decay.multiplier == round(0.8 * 2**16)


@pytest.mark.parametrize("leak", [0.875, 0.8])
@pytest.mark.parametrize("rounding", get_args(Rounding))
def test_leaks_round_and_membranes_are_as_fine_as_the_target_has_them(leak, rounding):
    unit = replace(IDEAL.neuron, leak_rounding=rounding, fraction_bits=5)
    graph = one_neuron([1.0], 1.0, leak=leak)
    neuron = neuron_of(integers(graph, replace(IDEAL, neuron=unit)))
    assert (neuron.decay.rounding, neuron.fraction_bits) == (rounding, 5)


def loihi(weights: list[float], **options: object) -> Graph:
    """One neuron that rounds its leak to whole numbers and fires above 130, to 0."""
    fields = {"threshold": 130.0, "strict": True, "reset": Reset(kind="value"), "leak": 0.75}
    return one_neuron(weights, **(fields | options))


ROUNDS = {how: LeakRounding(unit=1.0, rounding=how) for how in get_args(Rounding)}


@pytest.mark.parametrize("rounding", get_args(Rounding))
def test_a_network_that_rounds_its_leak_keeps_its_integers_where_the_target_rounds_so(rounding):
    """Weights are multiples of 2: their codes with one fraction bit count in the model's unit."""
    target = replace(IDEAL, neuron=replace(IDEAL.neuron, leak_rounding=rounding))
    graph = loihi([64.0, -96.0, 34.0, 0.0], leak_rounding=ROUNDS[rounding])
    neuron = neuron_of(integers(graph, target))
    assert (neuron.fraction_bits, neuron.threshold, neuron.decay.kind) == (1, 130, "multiply")
    spikes = np.random.default_rng(0).integers(0, 2, (60, 3, 4))
    reals, codes = (evaluate(g, {"x": spikes}) for g in (graph, integers(graph, target)))
    assert reals["s"].any()
    assert np.array_equal(reals["s"], codes["s"])


def told(graph: Graph, target: Target = IDEAL) -> str:
    runs = run_passes(graph, target, make_passes(), stop_after="quantize-neurons")[1]
    return " ".join(text for run in runs for text in run.warnings)


def test_a_target_that_rounds_leaks_otherwise_says_so():
    kept = loihi([64.0, 34.0], leak_rounding=ROUNDS["floor"])
    assert told(kept) == ""
    cut = loihi([64.0, 34.0], leak_rounding=ROUNDS["toward-zero"])
    assert "the model rounds its leak toward zero, the target's neuron unit down" in told(cut)
    taken = loihi([64.0, 34.0], leak=0.7, leak_rounding=replace(ROUNDS["floor"], part="taken"))
    assert "the model rounds what is taken, the neuron unit what is kept" in told(taken)
    assert "its leak of 0.7 becomes 0.699997" in told(taken)
    thirds = loihi([64.0, 34.0], leak_rounding=replace(ROUNDS["floor"], unit=3.0))
    assert "rounds to multiples of 3, its membranes have steps of" in told(thirds)


def test_what_a_leak_takes_is_rounded_by_a_shift():
    neuron = neuron_of(
        integers(loihi([64.0, 34.0], leak_rounding=replace(ROUNDS["floor"], part="taken")))
    )
    assert (neuron.decay.kind, neuron.decay.shift, neuron.fraction_bits) == ("shift", 2, 1)


@pytest.mark.parametrize("bits", [4, 8])
def test_weights_on_a_grid_keep_their_integers(bits):
    """A step of a layer, and one a channel; a column off the grid is fitted, and none else."""
    rng, most = np.random.default_rng(0), 2 ** (bits - 1) - 2
    codes = rng.integers(-most, most + 1, (40, 6))
    codes[0] = most
    layer = codes.astype(np.float32) * np.float32(0.013)
    assert kept_scales(layer, bits) == pytest.approx(np.full(6, 0.013), rel=1e-6)
    steps = rng.uniform(0.01, 0.02, 6).astype(np.float32)
    channels = codes.astype(np.float32) * steps
    assert kept_scales(channels, bits) == pytest.approx(steps, rel=1e-6)
    channels[:, 2] = rng.normal(size=40)
    found = kept_scales(channels, bits)
    assert np.delete(found, 2) == pytest.approx(np.delete(steps, 2), rel=1e-6)
    assert found[2] == best_scales(channels, bits)[2]


def test_a_grid_without_an_odd_factor_where_that_fits():
    assert [binary_step(step, np.array([5 * step]), 8) for step in (3.0, 96.0)] == [1.0, 32.0]
    assert binary_step(0.3, np.array([1.5]), 8) == 0.3
    assert binary_step(3.0, np.array([60.0]), 6) == 3.0  # codes of 60 need 7 bits


def test_fraction_bits_of_a_target_that_leave_no_room_are_refused():
    unit = replace(load_target("adcless-64").neuron, fraction_bits=12)
    graph = one_neuron([1.0], threshold=2.0)  # 14 steps, of 2**15
    with pytest.raises(MappingError, match="the 12 fraction bits of the target") as refused:
        integers(graph, replace(load_target("adcless-64"), neuron=unit))
    assert refused.value.diagnostics[0].code == "membrane-too-narrow"


def refusal(graph: Graph, target: str = "adcless-64") -> str:
    with pytest.raises(MappingError) as refused:
        integers(graph, target)
    return refused.value.diagnostics[0].code


def mean_of_two_scales() -> Graph:
    """The mean over 16 places of two layers, one of numbers 4000 times finer, and its neurons."""
    net = NetworkBuilder()
    x = net.entry(2, 4, 4)
    coarse, fine = net.conv(x, 8, kernel=1), net.conv(x, 8, kernel=1)
    for name in ("conv1.w", "conv0.b", "conv1.b"):
        net.constants[name] = net.constants[name] / np.float32(4000)
    mean = net.flatten(net.pool(net.sum(coarse, fine), "avg", 4))
    return net.graph(net.neuron(mean, threshold=0.5, reset=Reset(kind="subtract", amount=0.5)))


def rounded_inputs(graph: Graph) -> list[ScaledAdd]:
    return [op for op in graph.ops if isinstance(op, ScaledAdd) and op.scales == (1,)]


def test_a_sum_that_counts_finer_than_a_membrane_is_brought_to_a_coarser_step():
    """Membranes of 16 bits hold eight thresholds of it; those of 32 count in steps of the sum."""
    graph = mean_of_two_scales()
    target = load_target("adcless-64")
    wider = replace(target, neuron=replace(target.neuron, membrane_bits=32))
    made, wide = integers(graph, target), integers(graph, wider)
    (rounded,) = rounded_inputs(made)
    assert not rounded_inputs(wide)
    neuron = neuron_of(made)
    assert neuron.x == rounded.result
    assert 1 << 11 <= made.constants[neuron.threshold.name].max() <= 1 << 12
    rng = np.random.default_rng(1)
    drawn = rng.random((40, 6, 2, 4, 4)) < rng.random((40, 1, 2, 1, 1))
    inputs = {"x0": drawn.astype(np.int64)}
    expected, found = (evaluate(g, inputs)[graph.outputs[0].name] for g in (wide, made))
    assert 0.1 < expected.mean() < 0.9
    assert (found == expected).mean() > 0.99


def test_a_coarser_step_is_rounded_to_the_nearest_a_half_upwards():
    (rounded,) = rounded_inputs(integers(mean_of_two_scales(), "adcless-64"))
    half = 1 << (rounded.shift - 1)
    sums = np.array([[half - 1, half, 3 * half - 1], [-half - 1, -half, 0]])
    assert rounded.evaluate({}, sums)[0].tolist() == [[0, 1, 1], [-1, 0, 0]]


def test_what_is_rounded_for_a_membrane_is_told():
    target, graph = load_target("adcless-64"), mean_of_two_scales()
    _, runs = run_passes(graph, target, APART, stop_after="quantize-neurons")
    (told,) = runs[-1].warnings
    assert "bits is rounded to multiples of" in told
    assert "for membranes of 16 bits" in told


@pytest.mark.parametrize("bits", [22, 23, 24])
def test_membranes_hold_twice_their_threshold_where_inputs_may_count_coarser(bits):
    """Of 23 bits a membrane holds the threshold 1.8 times in steps of its input."""
    target = load_target("adcless-64")
    target = replace(target, neuron=replace(target.neuron, membrane_bits=bits))
    made = integers(mean_of_two_scales(), target)
    thresholds = made.constants[neuron_of(made).threshold.name]
    assert 2 * thresholds.max() < 1 << (bits - 1)
    assert bool(rounded_inputs(made)) == (bits < 24)


def test_membranes_that_saturate_near_their_threshold_are_told():
    """Of inputs that take many steps to the threshold, coarser steps would leave nothing."""
    graph = one_neuron([1.0], threshold=3000.0)
    _, runs = run_passes(graph, load_target("adcless-64"), APART, stop_after="quantize-neurons")
    (told,) = runs[-1].warnings
    assert told.endswith(
        "its membranes of 16 bits hold 1.6 times its threshold of 21000 steps, and saturate there: "
        "spikes may differ"
    )


def test_what_integers_cannot_follow_is_refused_by_name():
    assert refusal(one_neuron([1.0], threshold=1e6)) == "membrane-too-narrow"
    assert refusal(one_neuron([1.0], threshold=1.0, gain=0.0)) == "negative-scale"
    late = {"current_leak": 0.5, "current_input": 1.0, "current_gain": 1.0, "gain": 0.0}
    net = NetworkBuilder()
    graph = net.graph(net.neuron(net.dense(net.entry(2), 1), current=True, **late))
    assert refusal(graph) in {"unsupported-neuron", "negative-scale"}


def test_inputs_of_different_scales_are_brought_to_one_step():
    """Spikes scaled channel by channel, and shifted: codes on the wordlines of one matrix."""
    net = NetworkBuilder()
    s = net.neuron(net.dense(net.entry(3), 4))
    graph = net.graph(net.neuron(net.dense(net.norm(s), 2)))
    inputs = {"x0": (np.random.default_rng(1).random((40, 4, 3)) < 0.5).astype(np.int64)}
    expected = evaluate(graph, inputs)[graph.outputs[0].name]
    found = evaluate(integers(graph), inputs)[graph.outputs[0].name]
    assert expected.any()
    assert (found == expected).mean() > 0.98


def read_with(scales: list[float], offsets: list[float]) -> tuple[Graph, ScaledAdd]:
    """Return spikes with a scale and an offset each, read by weights, as integers."""
    net = NetworkBuilder()
    factor = net.constant("f", np.asarray(scales, np.float32))
    offset = net.constant("o", np.asarray(offsets, np.float32))
    x = net.entry(len(scales))
    graph = net.graph(net.neuron(net.dense(net.scale(x, factor, offset), 2)))
    made = integers(graph)
    (aligned,) = (op for op in made.ops if isinstance(op, ScaledAdd))
    return made, aligned


def test_inputs_that_count_in_multiples_of_one_step_are_read_exactly():
    """0.5, 1.5 and 2 are 1, 3 and 4 steps; one that is written over is none, and 1 is two."""
    made, aligned = read_with([0.5, 1.5, 2.0, 0.0], [0.0, 0.0, 0.5, 1.0])
    (scale,), offset = aligned.scales, aligned.offset
    assert made.constants[scale.name].tolist() == [1, 3, 4, 0]
    assert made.constants[offset.name].tolist() == [0, 0, 1, 2]
    assert aligned.shift == 0
    x = np.array([[1, 1, 1, 1], [0, 0, 0, 0]])
    assert aligned.evaluate(made.constants, x)[0].tolist() == [[1, 3, 5, 2], [0, 0, 1, 2]]


def test_codes_of_real_inputs_have_at_most_twelve_bits():
    """1000 and 0.3 have no step in common; a quarter of 0.3 would take 15 bits."""
    _, aligned = read_with([0.3, 1000.0], [0.0, 0.0])
    assert aligned.result.type.bits <= 12
    made, aligned = read_with([0.3, 0.7], [0.0, 0.0])
    (scale,) = aligned.scales
    assert (made.constants[scale.name].tolist(), aligned.shift) == ([256, 597], 6)


def test_a_leak_that_no_shift_gives_needs_a_multiplier():
    shifts = replace(IDEAL.neuron, leaks=("shift",))
    growing = one_neuron([1.0], threshold=1.0, leak=1.5)
    with pytest.raises(MappingError, match=r"error\[unsupported-leak\]: .*its leak of 1.5 needs"):
        run_passes(growing, replace(IDEAL, neuron=shifts), make_passes())


def test_an_operation_without_an_integer_form_is_refused():
    """Scaled sums come from this pass; in a network of reals nothing says what they stand for."""
    net = NetworkBuilder()
    spikes, twice = net.neuron(net.entry(3)), Value("y", IntType(2, signed=False), (3,))
    net.ops.append(ScaledAdd(terms=(spikes,), scales=(2,), result=twice))
    assert refusal(net.graph(net.neuron(twice))) == "unsupported-on-hardware"


def test_weight_bits_outside_two_to_eight_are_refused():
    with pytest.raises(MappingError, match=r"error\[weight-bits\]: weights of 9 bits"):
        integers(assigned(one_neuron([1.0], 1.0), 9))


def test_currents_of_different_scales_are_aligned():
    net = NetworkBuilder()
    x = net.entry(6)
    graph = net.graph(net.neuron(net.sum(net.dense(x, 3), net.dense(x, 3))))
    inputs = {"x0": (np.random.default_rng(1).random((20, 4, 6)) < 0.4).astype(np.int64)}
    expected = evaluate(graph, inputs)["lif3.s"]
    found = evaluate(integers(graph), inputs)["lif3.s"]
    assert (found == expected).mean() > 0.98  # 8-bit weights; a step of rounding at most


@pytest.mark.parametrize("kind", ["max", "avg"])
def test_pooling_keeps_meaning_before_and_after_the_neuron(kind):
    net = NetworkBuilder()
    s = net.neuron(net.pool(net.conv(net.entry(2, 8, 8), 4), kind))
    graph = net.graph(net.neuron(net.dense(net.flatten(net.pool(s, kind, 3)), 3)))
    inputs = {"x0": (np.random.default_rng(1).random((10, 4, 2, 8, 8)) < 0.3).astype(np.int64)}
    expected = evaluate(graph, inputs, watch=["lif2.s"])
    found = evaluate(integers(graph), inputs, watch=["lif2.s"])
    assert (found["lif2.s"] == expected["lif2.s"]).mean() > 0.98  # 8-bit weights


def test_an_output_that_never_fires_says_what_its_integers_stand_for():
    net = NetworkBuilder()
    graph = net.graph(net.neuron(net.dense(net.entry(4), 2), fires=False))
    mapped = integers(graph)
    inputs = {"x0": np.ones((3, 1, 4), np.int64)}
    (name,) = (v.name for v in mapped.outputs)
    coding = mapped.codings[name]
    scale = mapped.constants[coding.scale.name]
    real = evaluate(mapped, inputs)[name] * scale
    assert real == pytest.approx(evaluate(graph, inputs)[name], abs=0.05)  # 8-bit weights


def code_of(graph: Graph) -> str:
    with pytest.raises(MappingError) as refused:
        integers(graph)
    return refused.value.diagnostics[0].code


def test_a_reset_far_beyond_the_threshold_takes_fraction_bits_away():
    """The finest unit in which a membrane of 16 bits holds 100 thresholds of one step each."""
    far = Reset(kind="subtract", amount=100.0)
    neuron = neuron_of(integers(one_neuron([1.0], 1.0, reset=far), "adcless-64"))
    assert neuron.membrane.type.bits == 16
    assert (1 << 15) // 2 <= neuron.reset.amount < 1 << 15


def test_a_reset_that_no_membrane_holds_is_refused():
    assert code_of(one_neuron([1e-6], 1e-6, reset=Reset(kind="subtract", amount=1e6))) == (
        "membrane-too-narrow"
    )
    assert code_of(one_neuron([1e-6], -1e6)) == "membrane-too-narrow"


def test_values_whose_scales_are_worlds_apart_cannot_be_added():
    net = NetworkBuilder()
    x = net.entry(3)
    a, b = net.dense(x, 2), net.dense(x, 2)
    net.constants["fc1.w"] = net.constants["fc1.w"] * np.float32(1e-30)
    assert code_of(net.graph(net.neuron(net.sum(a, b)))) == "unsupported-scaling"


def over_channels(pool: str, weights: list[list[float]]) -> tuple[Graph, Graph]:
    """Return a layer whose channels are pooled together, in reals and in integers."""
    net = GraphBuilder()
    x = net.input("x", (len(weights[0]),), FLOAT)
    sums = net.linear(x, net.constant("w", np.asarray(weights, np.float32)))
    plane = net.reshape(sums, (1, len(weights), 1))
    window = Window(kernel=(len(weights), 1), stride=(len(weights), 1))
    graph = net.graph(getattr(net, pool)(plane, window))
    return graph, integers(graph, "adcless-64")


def test_channels_of_different_scales_are_pooled_in_one_step():
    """Of 1/7 and 1/14: 5/7 and 6/14 are 10 and 6 steps of the finer one."""
    weights = [[1.0, -2 / 7], [0.5, -1 / 14]]
    for pool, real, code in (("max_pool2d", 5 / 7, 10), ("sum_pool2d", 8 / 7, 16)):
        graph, found = over_channels(pool, weights)
        (y,) = found.outputs
        assert np.allclose(evaluate(graph, {"x": np.ones((1, 1, 2))})[graph.outputs[0].name], real)
        assert any(isinstance(op, ScaledAdd) for op in found.ops)
        given = evaluate(found, {"x": np.ones((1, 1, 2), np.int64)})[y.name]
        assert given.reshape(-1).tolist() == [code]
        assert abs(code * found.codings[y.name].scale - real) < 1e-6


@pytest.mark.parametrize("pool", ["max_pool2d", "avg_pool2d", "sum_pool2d"])
def test_pools_over_channels_are_within_a_quarter_of_the_finest_step_of_each(pool):
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(5, 6)) * np.array([[1], [3], [0.2], [1], [0.7]])
    x = (rng.random((1, 64, 6)) < 0.5).astype(np.float32)
    graph, found = over_channels(pool, np.round(weights, 2).tolist())
    (real,), (y,) = evaluate(graph, {"x": x}).values(), found.outputs
    coding = found.codings[y.name]
    given = evaluate(found, {"x": x.astype(np.int64)})[y.name] * coding.scale
    ends = np.abs(weights).max(axis=1) / 7  # a step of each channel's weights, six of which err
    assert np.abs(given - real).max() < {"sum_pool2d": 5}.get(pool, 1) * 6 * ends.max() / 2


def test_a_membrane_that_others_read_before_its_neuron_is_refused():
    graph = one_neuron([1.0], 1.0)
    early = Scale(x=graph.states[0].read, factor=2.0, result=Value("early", FLOAT, (1,)))
    read = replace(graph, ops=(early, *graph.ops), outputs=(*graph.outputs, early.result))
    assert code_of(read) == "unsupported-on-hardware"


def test_a_spike_keeps_its_name_where_the_output_is_a_multiple_of_it():
    """Rings look for the spikes of the source network by name, in every stage."""
    graph = one_neuron([1.0], 1.0)
    half = Scale(x=graph.outputs[0], factor=0.5, result=Value("half", FLOAT, (1,)))
    done = integers(replace(graph, ops=(*graph.ops, half), outputs=(half.result,)))
    assert neuron_of(done).spike.name == "s"
    assert [value.name for value in done.outputs] == ["half"]
    assert done.codings["half"].scale == 0.5


def test_numbers_far_beyond_the_membrane_are_refused():
    assert code_of(one_neuron([1.0], 1.0, bias=1e30)) == "membrane-too-narrow"
    assert code_of(one_neuron([1.0], 1.0, floor=-1e30)) == "membrane-too-narrow"
    assert code_of(one_neuron([1.0], 1.0, leak=1e25)) == "unsupported-leak"


def test_a_network_without_weights_has_nothing_to_map():
    net = NetworkBuilder()
    graph = net.graph(net.neuron(net.entry(3)))
    with pytest.raises(MappingError, match="no layer with weights"):
        run_passes(graph, IDEAL, make_passes())
