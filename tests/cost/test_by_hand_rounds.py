"""Signed inputs, copies and two rounds on a shipped target, every figure worked out by hand.

A 1x1 convolution of 2-bit codes in two's complement, two copies, in the first round; one of its
spikes, one copy, in the second. Facts are those of targets/components/reference-65nm.toml.
"""

import numpy as np
import pytest

from mapper.cost import Cost, estimate
from mapper.ir.core import IntType, Span, Value
from mapper.ir.crossbar import Placement
from mapper.ir.windows import Window
from targets import load_preset, load_target
from tests.cost.networks import OFFSET_4, activity_of, crossbar, layer, network

FIRST = np.array([[1, -8], [7, 3]])
"""Offset by 8: 1001 0000, 1111 1011. Of 8 cells a row, 2 and 7 are on."""
SECOND = np.array([[2], [-1]])
"""Offset by 8: 1010, 0111. Of 4 cells a row, 2 and 3 are on."""

CODES = np.array([[[[[1], [1]], [[0], [-2]]]]])
"""One step, one sample, 2 channels of 2x1 pixels. Pixel 0 has 1 and 0: bit 0 drives row 0, bit 1
nothing. Pixel 1 has 1 and -2 (10 in two's complement): bit 0 drives row 0, bit 1 row 1. Sense
amplifiers pass single rows on as they are: the first output of pixel 0 is 9 and fires; all others
are 0 or, as bit 1 counts -2, below it. The second layer sees one spike, on row 0 at pixel 0."""

PIXEL = Window(kernel=(1, 1))
ROUNDING = 1e-14  # only the order of products and sums differs from a calculation in decimals


@pytest.fixture(scope="module")
def cost() -> Cost:
    x = Value("x", IntType(2, signed=True), (2, 2, 1))
    held = Placement(macro="sense-amp-64", slots=Span(0, 2), copies=2)
    a = crossbar(x, FIRST, OFFSET_4, [Span(0, 2)], [Span(0, 2)], PIXEL, placement=held, name="a")
    ops, _ = layer(a, name="a")
    spikes = ops[-1].spike
    later = Placement(macro="sense-amp-64", slots=Span(0, 1), round=1, stage=1)
    b = crossbar(
        spikes, SECOND, OFFSET_4, [Span(0, 2)], [Span(0, 1)], PIXEL, placement=later, name="b"
    )
    ops += layer(b, name="b")[0]
    graph = network(ops, {"a.weight": FIRST, "b.weight": SECOND}, x)
    target, preset = load_target("adcless-64"), load_preset("physical")
    return estimate(graph, target, activity_of(graph, CODES), preset=preset)


def nominal(values) -> dict[str, float]:
    return {name: value.nominal for name, value in values.items()}


def test_counts(cost):
    first, second = (layer.counts for layer in cost.layers)
    assert first == {
        "crossbar_reads": 2 * 2,  # bits x pixels; copies share the pixels
        "gated_crossbar_reads": 3,  # bit 1 of pixel 0 drives nothing
        "wordline_events": 3,
        "on_cells": 2 + 2 + 7,
        "synaptic_operations": 3 * 2,
        "dense_operations": 2 * 2 * 2,
        "macs": 2 * 2 * 2,  # a product of a code is one, whatever its bits
        "conversions": 4 * 4 * 2,  # reads x slices x outputs
        "gated_conversions": 3 * 4 * 2,
        "shift_adds": 32 + 2 * 2,  # and one for each pixel and output, to put the bits together
        "tree_additions": 0,
        "accumulations": 0,
        "scale_multiplies": 0,
        "membrane_updates": 2 * 2,
        "membrane_bits": 4 * 12 * 2,
        "buffer_bits": 8 + 8,  # 4 codes of 2 bits, each written and read once
        "buffer_bits_reused": 8 + 8,
        "hops": 8 * 1,  # from the corner into the first tile
        "skip_bits": 0,
        "skip_hops": 0,
    }
    assert second == {
        "crossbar_reads": 2,
        "gated_crossbar_reads": 1,
        "wordline_events": 1,
        "on_cells": 2,
        "synaptic_operations": 1,
        "dense_operations": 2 * 2,
        "macs": 2 * 2,
        "conversions": 2 * 4,
        "gated_conversions": 4,
        "shift_adds": 8,
        "tree_additions": 0,
        "accumulations": 0,
        "scale_multiplies": 0,
        "membrane_updates": 2,
        "membrane_bits": 2 * 12 * 2,
        "buffer_bits": 4 + 4,
        "buffer_bits_reused": 4 + 4,
        "hops": 0,  # the same tile, later
        "skip_bits": 0,
        "skip_hops": 0,
    }


ENERGY_PJ = {
    # V^2 G t of 13 cells that are on and 15 that are off, for 1 ns to settle and 1 ns to read.
    "cells": 0.12131289 * (13 * 166.7 + 15 * 1.111) * 2 * 1e-3,
    "wordline_drive": 0.2516736,  # 4 lines x 64 cells x 0.0009831 pJ
    "inputs": 0.17832,  # 12 bits x 0.01486 pJ
    "read_channel": 0.0,
    "readout": 1.668,  # 40 x 0.0417 pJ
    # 40 of 4 bits (0..15) and 4 of 6 bits (0..15 - 2 x 0..15), where the two bits of a code meet:
    # 184 x 0.0257 pJ
    "shift_add": 4.7288,
    "accumulate": 0.0,
    "scale_multiply": 0.0,
    "membrane_update": 6.06,  # 6 x 1.01 pJ
    # The neurons of a pixel share a word of 256 bits: of two pixels and layers 4 words, both ways.
    "membrane_memory": 226.5088,  # 8 x 256 bits x 0.1106 pJ
    "buffer_read": 113.2544,  # 4 words, one a pixel and layer
    "buffer_write": 56.6272,  # 2 words, one a layer
    "hop": 2.0128,  # 8 bits x 0.2516 pJ
    "collect": 0.0,
    "weight_loading": 1333.2,  # 4 weights twice and 2 weights, in 4 cells each, x 33.33 pJ
}
IN_MACROS = ("cells", "wordline_drive", "inputs", "readout", "shift_add")
ENERGY_PJ["control"] = 0.05 * sum(ENERGY_PJ[name] for name in IN_MACROS)

AREA_UM2 = {  # of the first round, which is the larger one in every block: two crossbars
    "cells": 361.2672,  # 2 x 64 x 64 x 0.0441
    "wordline_drivers": 423.552,  # 2 x 64 x 3.309
    "inputs": 1159.808,  # 2 x 64 x 9.061
    "read_channels": 0.0,
    "control": 0.0,
    "readouts": 6950.4,  # 128 x 54.3
    "shift_adders": 11376.64,  # 128 readouts x 4 bits x 22.22
    "adders": 533.28,  # 2 copies x 2 outputs x 6 bits x 22.22: they put the bits together
    "multipliers": 0.0,
    "neurons": 4580.0,  # 2 copies x 2 outputs x 1145
    "memory": 47.296,  # 4 states of 12 bits, two steps of 8 input bits: 64 bits x 0.739
    "routers": 121000.0,  # one tile
}
STEP_NS = {
    # First layer: 1 hop; 8 bits arrive as 1 word: 1; a copy has one pixel: a word of each of the
    # two copies through the port of their tile 2 x 2, two bits settle and read 2 x 2, 2 cycles to
    # shift and add, 2 in which an adder puts the bits together; an update 5.
    "a": 1 + 1 + 4 + 4 + 2 + 2 + 5,
    # Second: no hop; 4 bits arrive: 1; two pixels: 2 x 2 loaded, 2 x 2 read, 2 shifted, 2 x 5.
    "b": 1 + 4 + 4 + 2 + 10,
}


def test_energy(cost):
    held = sum(AREA_UM2.values())
    # 100 uW/mm2, but for the four neuron units of 57.6 nW, for the 340 ns of an inference
    leakage = (100 * (held - 4580) * 1e-6 + 4 * 0.0576) * 340 * 1e-3
    expected = {**ENERGY_PJ, "leakage": leakage}
    assert nominal(cost.energy_pj) == pytest.approx(expected, rel=ROUNDING)
    assert cost.total_pj.nominal == pytest.approx(sum(expected.values()), rel=ROUNDING)


def test_area(cost):
    assert nominal(cost.area_um2) == pytest.approx(AREA_UM2, rel=ROUNDING)


def test_latency(cost):
    assert STEP_NS == {"a": 19, "b": 21}
    # Weights that are loaded again every round leave nothing to overlap: two crossbars of two
    # wordlines, then one of two, 50 ns a wordline.
    loading = (2 * 2 + 1 * 2) * 50.0
    assert nominal(cost.latency_ns) == {
        "cycle": 1.0,
        "step_pipelined": loading + 40.0,
        "step_sequential": 40.0,
        "inference_interval": loading + 40.0,
        "inference_pipelined": loading + 40.0,
        "inference_sequential": loading + 40.0,
    }
