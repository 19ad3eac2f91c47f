"""Cells of 1 to 4 bits, every encoding and readout: executor and ONNX Runtime agree."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mapper.ir.core import SPIKE, Graph, State, Value
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.encoding import greatest_weight
from mapper.ir.evaluate import evaluate
from mapper.pipeline import make_passes, run_passes
from mapper.recordings import measure_codes
from targets import Target, load_target
from tests.engines import run_everywhere
from tests.networks import NetworkBuilder, assigned, small_conv_net, spikes

ENCODINGS = ("twos-complement", "offset-binary", "differential")
READOUTS = (
    "digital-cim-64",
    "ideal-128",
    "adcless-64",
    "adcless-diff-64",
    "ternary-diff-64",
    "hpadc-sar5-64",
)


FEW = {  # encoding, bits of a weight, bits and levels of a cell
    "binary": ("binary", 1, 1, None),
    "binary pairs": ("differential", 1, 1, None),
    "ternary pairs": ("differential", 2, 1, None),
    "ternary": ("ternary", 2, 2, 3),
    "three bits": ("offset-binary", 4, 3, None),
    "three levels": ("twos-complement", 4, 2, 3),
    "six levels": ("offset-binary", 5, 3, 6),
}


def variant(readout: str, encoding: str, cell_bits: int, **changes: Any) -> Target:
    target = load_target(readout)
    macro = target.macros[0]
    reference = macro.readout.reference if encoding != "differential" else "constant"
    changed = replace(
        macro,
        encoding=encoding,
        cell_bits=cell_bits,
        readout=replace(macro.readout, reference=reference),
        **changes,
    )
    assert not list(changed.problems())
    return replace(target, macros=(changed,))


@pytest.mark.campaign(24)
@pytest.mark.parametrize("cell_bits", [1, 2, 4])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("readout", READOUTS)
def test_every_readout_of_every_encoding_is_bit_exact(readout, encoding, cell_bits):
    target = variant(readout, encoding, cell_bits)
    network = small_conv_net()
    inputs = spikes(network, steps=3)
    mapped, _ = run_passes(assigned(network, 5), target, make_passes())
    run_everywhere(mapped, inputs)


@pytest.mark.campaign(18)
@pytest.mark.parametrize("written", FEW)
@pytest.mark.parametrize("readout", READOUTS)
def test_weights_of_few_levels_and_cells_of_any_number_are_bit_exact(readout, written):
    encoding, weight_bits, cell_bits, levels = FEW[written]
    target = variant(readout, encoding, cell_bits, weight_bits=weight_bits, cell_levels=levels)
    network = small_conv_net()
    mapped, _ = run_passes(network, target, make_passes())
    for op in mapped.ops:
        if isinstance(op, CrossbarMvm):
            stored = mapped.constants[op.weight.name]
            assert set(np.unique(stored)) <= set(range(-greatest_weight(weight_bits), 17))
            assert stored.all() or weight_bits > 1
    run_everywhere(mapped, spikes(network, steps=3))


@pytest.mark.parametrize("low", [0, -3])
@pytest.mark.parametrize("target", ["ideal-128", "adcless-64", "hpadc-flash5-64", "mixed-64"])
def test_multi_bit_inputs_are_bit_exact_and_right_without_loss(target, low):
    """Counts 0..5, or signed numbers -3..5: bit planes, the top one negative."""
    network = small_conv_net()
    rng = np.random.default_rng(0)
    inputs = {"x0": rng.integers(low, 6, (3, 2, 2, 8, 8))}
    loaded = load_target(target)
    passes = make_passes(codes=measure_codes(inputs))
    mapped, _ = run_passes(network, loaded, passes)
    expected = run_everywhere(mapped, inputs)
    if target == "ideal-128":
        trained = evaluate(network, inputs)
        assert (expected["lif8.s"] == trained["lif8.s"]).mean() > 0.9  # 8-bit weights


@pytest.mark.parametrize("low", [0, -3])
@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("target", ["ideal-128", "adcless-64", "multibit-input-64"])
def test_inputs_of_several_bits_a_read_are_bit_exact(target, bits, low):
    """Counts 0..5 of 3 bits, or signed numbers of 4 whose sign is read alone."""
    network, loaded = small_conv_net(), load_target(target)
    inputs = {"x0": np.random.default_rng(0).integers(low, 6, (3, 2, 2, 8, 8))}
    macro = replace(loaded.macros[0], input_bits_per_read=bits)
    passes = make_passes(codes=measure_codes(inputs), samples=inputs)
    mapped, _ = run_passes(network, replace(loaded, macros=(macro,)), passes)
    first = next(op for op in mapped.ops if isinstance(op, CrossbarMvm))
    assert first.planes == {(2, 0): 2, (4, 0): 1, (2, -3): 3, (4, -3): 2}[bits, low]
    found = run_everywhere(mapped, inputs)
    if target == "ideal-128":  # what is read without loss does not depend on how it is read
        bitwise, _ = run_passes(network, loaded, passes)
        for name, array in evaluate(bitwise, inputs).items():
            assert (found[name] == array).all()


def test_a_recurrent_layer_is_bit_exact():
    """Spikes of the step before come back through weights of their own."""
    net = NetworkBuilder()
    graph = recurrent(net)
    for name in ("ideal-128", "adcless-64", "adcless-diff-32"):
        target = load_target(name)
        inputs = spikes(graph, steps=6)
        mapped, _ = run_passes(graph, target, make_passes(samples=dict(inputs)))
        run_everywhere(mapped, inputs)


def recurrent(net: NetworkBuilder) -> Graph:
    x, before = net.entry(6), Value("before", SPIKE, (5,))
    s = net.neuron(net.sum(net.dense(x, 5), net.dense(before, 5)))
    net.states.append(State(read=before, next=s.name))
    return net.graph(s)
