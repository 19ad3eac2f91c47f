"""One crossbar of a shipped target under the default preset, every figure worked out by hand.

Facts are those of targets/components/reference-65nm.toml, nominal; the arithmetic is in comments.
"""

import numpy as np
import pytest

from mapper.cost import Cost, estimate
from mapper.ir.core import SPIKE, Span, Value
from mapper.ir.crossbar import Placement
from targets import load_preset, load_target
from tests.cost.networks import OFFSET_4, activity_of, crossbar, layer, network

WEIGHT = np.array([[1, -8], [0, 7], [-1, 3]])
"""Offset by 8: 1001 0000, 1000 1111, 0111 1011. Of 8 cells a row, 2, 5 and 6 are on."""

SPIKES = np.array([[[1, 0, 1]], [[0, 1, 0]]])
"""Two steps of one sample: rows 0 and 2, then row 1; 3 driven lines, 24 cells on them, 13 on."""


@pytest.fixture(scope="module")
def cost() -> Cost:
    x = Value("x", SPIKE, (3,))
    placement = Placement(macro="sense-amp-64", slots=Span(0, 1))
    mvm = crossbar(x, WEIGHT, OFFSET_4, [Span(0, 3)], [Span(0, 2)], placement=placement)
    graph = network(layer(mvm)[0], {"fc.weight": WEIGHT}, x)
    target, preset = load_target("adcless-64"), load_preset("physical")
    return estimate(graph, target, activity_of(graph, SPIKES), preset=preset)


def nominal(values) -> dict[str, float]:
    return {name: value.nominal for name, value in values.items()}


def test_counts(cost):
    assert cost.counts == {
        "crossbar_reads": 2 * 1,
        "gated_crossbar_reads": 2,  # both steps have a spike
        "wordline_events": 3,
        "on_cells": 2 + 6 + 5,
        "synaptic_operations": 3 * 2,  # 3 spikes meet 2 outputs
        "dense_operations": 2 * 3 * 2,
        "macs": 2 * 3 * 2,
        "conversions": 2 * 4 * 2,  # 4 slices of 2 outputs
        "gated_conversions": 16,
        "shift_adds": 16,  # one a conversion
        "tree_additions": 0,
        "accumulations": 0,  # one row block
        "scale_multiplies": 0,
        "membrane_updates": 2 * 2,
        "membrane_bits": 2 * 2 * 12 * 2,  # 12 bits, read and written
        "buffer_bits": 2 * (3 + 3),  # each input bit written once, read once
        "buffer_bits_reused": 2 * (3 + 3),
        "hops": 2 * 3 * 1,  # from the corner into the first tile
        "skip_bits": 0,
        "skip_hops": 0,
    }


ENERGY_PJ = {
    # V^2 G t: 0.3483 V; 13 cells at 166.7 uS and 11 at 1.111 uS; 1 ns to settle, 1 ns to read.
    # 0.12131289 x 2179.321 uS x 2 ns = 528.759... uV^2 S ns = 0.528759... pJ
    "cells": 0.12131289 * 2179.321 * 2 * 1e-3,
    "wordline_drive": 0.1887552,  # 3 lines x 64 cells x 0.0009831 pJ
    "inputs": 0.08916,  # 6 bits x 0.01486 pJ
    "read_channel": 0.0,
    "readout": 0.6672,  # 16 x 0.0417 pJ
    "shift_add": 1.6448,  # 16 of 4 bits (codes 0..1 at 1, 2, 4, 8: 0..15) x 0.0257 pJ
    "accumulate": 0.0,
    "scale_multiply": 0.0,
    "membrane_update": 4.04,  # 4 x 1.01 pJ
    # A word of 256 bits holds both membranes: each of the two steps reads it and writes it.
    "membrane_memory": 113.2544,  # 2 x 2 x 256 bits x 0.1106 pJ
    "buffer_read": 56.6272,  # a word a step, of which 3 bits are wanted: 2 x 256 x 0.1106 pJ
    "buffer_write": 56.6272,
    "hop": 1.5096,  # 6 bits x 0.2516 pJ
    "collect": 0.0,
}
IN_MACROS = ("cells", "wordline_drive", "inputs", "readout", "shift_add")
ENERGY_PJ["control"] = 0.05 * sum(ENERGY_PJ[name] for name in IN_MACROS)

AREA_UM2 = {
    "cells": 180.6336,  # 64 x 64 x 0.0441
    "wordline_drivers": 211.776,  # 64 x 3.309
    "inputs": 579.904,  # 64 x 9.061
    "read_channels": 0.0,
    "control": 0.0,
    "readouts": 3475.2,  # 64 x 54.3
    "shift_adders": 5688.32,  # 64 readouts x 4 bits x 22.22
    "adders": 0.0,
    "multipliers": 0.0,
    "neurons": 2290.0,  # 2 x 1145
    "memory": 22.17,  # 2 states of 12 bits, two steps of 3 inputs: 30 bits x 0.739
    "routers": 121000.0,  # one tile
}
TOTAL_UM2 = 133448.0036
# 100 uW/mm2, but for the two neuron units of 57.6 nW, for the 10 ns of an inference
LEAKAGE_PJ = (100 * (TOTAL_UM2 - 2290) * 1e-6 + 2 * 0.0576) * 10 * 1e-3

# Only the order of products and sums differs from a calculation in decimals.
ROUNDING = 1e-14


def test_energy(cost):
    expected = {**ENERGY_PJ, "leakage": LEAKAGE_PJ}
    assert nominal(cost.energy_pj) == pytest.approx(expected, rel=ROUNDING)
    assert cost.total_pj.nominal == pytest.approx(sum(expected.values()), rel=ROUNDING)


def test_area(cost):
    assert nominal(cost.area_um2) == pytest.approx(AREA_UM2, rel=ROUNDING)
    assert cost.total_um2.nominal == pytest.approx(TOTAL_UM2, rel=ROUNDING)


def test_latency(cost):
    # A step: 1 hop of 1 ns, 3 bits arrive as 1 word: 1 ns; one word loaded: 2 ns; settle and read:
    # 1 + 1 ns; 1 cycle to shift and add; an update of 5 ns. The update is the slowest: the second
    # step follows 5 ns after the first, which passes all stages.
    assert nominal(cost.latency_ns) == {
        "cycle": 1.0,
        "step_pipelined": 5.0,
        "step_sequential": 1 + 1 + 2 + 2 + 1 + 5,
        "inference_interval": 2 * 5.0,
        "inference_pipelined": 12.0 + 5.0,
        "inference_sequential": 2 * 12.0,
    }
    assert cost.limited_by[-1] == "membrane"


def test_metrics(cost):
    total = sum(ENERGY_PJ.values()) + LEAKAGE_PJ
    metrics = cost.as_dict()["metrics"]
    expected = {
        "edp_pj_ns": total * 17,
        "tops_per_watt": 2 * 12 / total,  # 12 MACs, 2 operations each; 1 / pJ is TOPS / W
        "pj_per_synaptic_operation": total / 6,
        "tops": 2 * 12 / 10 * 1e-3,  # in 10 ns; 1 / ns is 0.001 TOPS
        "tops_per_mm2": 2 * 12 / 10 * 1e-3 / (TOTAL_UM2 * 1e-6),
        "power_mw": total / 10,  # pJ / ns is mW
    }
    for name, value in expected.items():
        assert metrics[name]["nominal"] == pytest.approx(value, rel=ROUNDING), name
