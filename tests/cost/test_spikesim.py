"""SpikeSim's rule: its printed numbers, to the last digit, and its arithmetic by hand."""

from dataclasses import replace
from fractions import Fraction

import pytest

from mapper.cost.spikesim import VGG9, ConvLayer, PeShape, cycle_energy, spikesim_cost
from targets import Interval, load_parts

PARTS = load_parts("spikesim-65nm")
COST = spikesim_cost(VGG9, PARTS, steps=5)


def with_part(name: str, **facts: float):
    changed = {key: Interval(low=value, nominal=value, high=value) for key, value in facts.items()}
    return replace(
        PARTS,
        parts=tuple(replace(p, **changed) if p.name == name else p for p in PARTS.parts),
    )


def test_the_numbers_that_its_script_prints():
    assert (COST.pes, COST.tiles) == (48, 6)
    assert COST.total_pj.nominal == 15906934.02624
    assert COST.latency_ns == 62832640.0
    # The script prints 8425528.755833998: binary sums, ours are decimal.
    assert COST.total_um2.nominal == 8425528.755834


def test_pe_cycles_of_every_layer():
    assert COST.pe_cycles == (1024, 256, 512, 256, 512, 1024, 256)
    assert sum(COST.pe_cycles) == 3840


def test_energy_of_a_pe_cycle():
    energy = cycle_energy(PARTS, PeShape())
    assert energy["tile_buffer"] == 397
    assert energy["h_tree"] == Fraction("157.12")
    assert energy["adc"] == 64 * Fraction("2.03084")  # 129.97 pJ
    assert energy["crossbar"] == 8 * 9 * Fraction("1.76423")  # 127.02 pJ
    assert energy["mux"] == 64 * Fraction("0.094245")  # 6.03 pJ
    assert energy["neuron"] == Fraction("5.096")
    assert energy["temporary_buffer"] == Fraction("1.6")
    assert sum(energy.values()) == Fraction("828.4861472")


def test_all_outputs_in_series_take_longer():
    assert COST.serial_ns == 83066880.0


def test_parts_add_up_to_the_totals():
    # Floats of exact decimals: their sum is rounded once a term.
    assert sum(COST.energy_pj.values()) == pytest.approx(COST.total_pj.nominal, rel=1e-14)
    assert sum(COST.area_um2.values()) == pytest.approx(COST.total_um2.nominal, rel=1e-14)


def test_one_constant_changes_what_it_is_in_and_nothing_else():
    changed = spikesim_cost(VGG9, with_part("adc", energy_pj=3.03084), steps=5)
    assert changed.energy_pj["adc"] - COST.energy_pj["adc"] == 64 * 3840 * 5
    assert changed.energy_pj | {"adc": 0} == COST.energy_pj | {"adc": 0}
    assert changed.total_pj.nominal == 15906934.02624 + 64 * 3840 * 5
    assert (changed.total_um2, changed.latency_ns) == (COST.total_um2, COST.latency_ns)


def test_an_interval_of_a_constant_is_one_of_the_total():
    parts = replace(
        PARTS,
        parts=tuple(
            replace(p, energy_pj=Interval(low=396, nominal=397, high=399))
            if p.name == "tile_buffer"
            else p
            for p in PARTS.parts
        ),
    )
    low, nominal, high = spikesim_cost(VGG9, parts, steps=5).total_pj
    assert (nominal - low, high - nominal) == pytest.approx((3840 * 5, 2 * 3840 * 5))


def test_one_small_layer_by_hand():
    layer = ConvLayer(inputs=65, outputs=10, input_side=4, output_side=2)
    cost = spikesim_cost((layer,), PARTS, steps=3)
    assert (cost.pes, cost.tiles) == (2, 1)  # two blocks of input channels
    assert cost.pe_cycles == (2 * 4,)
    assert cost.total_pj.nominal == float(Fraction("828.4861472") * 8 * 3)
    assert cost.latency_ns == 2 * 2 * 10 * 3 * 104.0  # the last layer does not overlap
    assert cost.area_um2["input_memory"] == float(65 * 16 * 22 * Fraction("0.7391"))


def test_more_steps_cost_in_proportion():
    twice = spikesim_cost(VGG9, PARTS, steps=10)
    assert twice.total_pj.nominal == 2 * COST.total_pj.nominal
    assert twice.latency_ns == 2 * COST.latency_ns
    assert twice.total_um2 == COST.total_um2
