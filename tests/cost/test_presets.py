"""What each assumption of a preset changes, by hand on tiny layers, and the way between presets."""

from dataclasses import replace

import numpy as np
import pytest

from mapper.cost import (
    costs_along,
    count_actions,
    count_layers,
    estimate,
    priceable,
    ratio_waterfall,
    steps_between,
)
from mapper.cost.actions import activity_of_density, random_density, slots_of, tiles_per_copy
from mapper.cost.adders import as_added
from mapper.cost.energy import layer_energy
from mapper.cost.facts import chip_of
from mapper.cost.macro import conducting_ns, conversion_pj
from mapper.cost.model import Grid, Hierarchy, Part
from mapper.cost.summary import cost_of
from mapper.cost.timing import clock_of, layer_stages, pace
from mapper.diagnostics import MappingError
from mapper.ir.core import Span
from mapper.ir.crossbar import Placement
from targets import AS_BUILT, list_presets, list_targets, load_preset, load_target
from tests.cost.networks import graph_for, small_target, two_by_two_grid
from tests.cost.test_estimate import CHIP, FACTS

HIERARCHY = Hierarchy(
    buffer_bits=4.0,
    bus_bits_per_wordline=0.25,  # 8 wordlines: 2 bits
    local_bits=3.0,
    collect_cycles=2.0,
    wire_pj_per_bit_mm=10.0,
    collect_pj_per_bit=0.5,
)
ONE_BUFFER = replace(
    CHIP, hierarchy=HIERARCHY, overlap=False, widest=3, merged_sums=False, shared_units=False
)


def only_layer(copies: int = 1):
    placement = Placement(macro="m", slots=Span(0, 4 * copies), copies=copies)
    (layer,) = count_layers(two_by_two_grid(placement), small_target())
    return layer


def test_stages_behind_one_buffer_by_hand():
    # 5 bits to the layer and 3 results back: 8 bits in words of 4, over a bus of 2. The window of 5
    # bits comes from the tile in words of 3. One tile sends 3 results, in 2 turns of a readout, to
    # an accumulator that takes 3 in 2 cycles. A cycle is 2 ns.
    layer = only_layer()
    stages = layer_stages(layer, ONE_BUFFER, FACTS, clock_of((layer,), ONE_BUFFER, FACTS))
    assert stages == {
        "buffer": 2 * 2.0,
        "arrival": 4 * 2.0,
        "load": 2 * 2.0,
        "collect": 4 * 2.0,
        "read": 1 + 2 * 4.0,
        "shift_add": 2 * 2.0,
        "accumulate": 2.0,
        "digital": 0.0,
        "membrane": 6.0,
    }
    assert pace(layer, ONE_BUFFER, stages, 2.0) == 45.0


def test_steps_as_bits_load_all_steps_and_collect_once():
    chip = replace(ONE_BUFFER, steps_as_bits=True)
    layer = only_layer()
    clock = clock_of((layer,), chip, FACTS)
    one, four = (layer_stages(layer, chip, FACTS, clock, steps) for steps in (1, 4))
    assert (one["load"], four["load"]) == (2 * 2.0, 7 * 2.0)  # 5 bits, then 20, in words of 3
    assert (one["collect"], four["collect"]) == (8.0, 2.0)
    assert one["read"] == four["read"]


def test_energy_behind_one_buffer_by_hand():
    (layer,) = as_added((only_layer(),), ONE_BUFFER)
    activity = activity_of_density((layer,), 1.0, 2)

    def energy(chip):
        return layer_energy(layer, activity.events[0], activity, chip, FACTS, side_mm=2.0)

    found = energy(ONE_BUFFER)
    assert found["buffer_read"] == 2 * 5 * 1.0
    assert found["buffer_write"] == 2 * 3 * 3.0
    assert found["hop"] == 2 * (5 + 3) * 10.0 * 2.0
    assert found["collect"] == 2 * 3 * 12 * 0.5  # 3 results of 12 bits, one copy
    as_bits = energy(replace(ONE_BUFFER, steps_as_bits=True))
    assert as_bits["collect"] == 3 * (12 + 2) * 0.5  # once an inference, 2 bits wider
    assert as_bits["shift_add"] == 2 * (24 + 12 * 2) * 0.5
    assert as_bits["accumulate"] == 2 * (36 + 3 * 2) * 2.0


def test_what_is_not_charged_is_zero_and_nothing_else_changes():
    layer = only_layer()
    activity = activity_of_density((layer,), 1.0, 1)

    def cost(**change):
        return cost_of((layer,), replace(CHIP, **change), (FACTS,) * 3, activity).as_dict()

    full, bare = cost(), cost(neurons=False)
    changed = {
        name for name, value in full["energy_pj"].items() if value != bare["energy_pj"][name]
    }
    assert changed == {"membrane_update", "membrane_memory", "leakage", "total"}
    assert bare["area_um2"]["neurons"]["nominal"] == 0
    assert bare["counts"] == full["counts"]


def test_gated_reads_convert_only_where_a_wordline_is_driven():
    layer = only_layer()
    silent = activity_of_density((layer,), 0.0, 1)
    chip = replace(CHIP, gated=True)
    energy = layer_energy(layer, silent.events[0], silent, chip, FACTS, 1.0)
    assert (energy["readout"], energy["shift_add"], energy["cells"]) == (0.0, 0.0, 0.0)
    every = activity_of_density((layer,), 1.0, 1)
    for policy in (chip, CHIP):
        assert (
            layer_energy(layer, every.events[0], every, policy, FACTS, 1.0)["readout"] == 12 * 3.0
        )


def test_copies_have_whole_tiles_or_equal_parts_of_one():
    chip = replace(ONE_BUFFER, crossbars_per_tile=16)
    grid = replace(only_layer().grid, row_blocks=1)

    def slots(crossbars: int, copies: int) -> tuple[int, float]:
        layer = replace(only_layer(), grid=replace(grid, column_blocks=crossbars, copies=copies))
        return slots_of(layer, chip), tiles_per_copy(layer, chip)

    # As the tiles and copies of the reference's runs: 3 crossbars share a tile by fours, 10 take a
    # tile, 36 three.
    assert slots(3, 64) == (16 * 16, 0.25)
    assert slots(10, 64) == (64 * 16, 1.0)
    assert slots(36, 4) == (12 * 16, 3.0)
    assert slots(1, 1) == (16, 1 / 16)


def test_a_fast_converter_conducts_for_less_time_on_taller_crossbars():
    part = Part(pj=8.0, ns=4.0, um2=1.0, wordline_ns=16.0)
    macro = CHIP.macros["m"]
    assert conducting_ns(part, replace(macro, wordlines=2)) == 4.0
    assert conducting_ns(part, macro) == 2.0
    assert conversion_pj(part, macro) == 4.0


def test_random_activity_is_that_of_the_reference():
    assert [random_density(steps) for steps in (1, 2, 5, 20)] == [0.5, 0.25, 0.4, 0.475]
    target = load_target("adcless-64")
    graph, paper = graph_for(target), load_preset("paper")
    costs = {
        estimate(graph, target, density, 20, paper) == estimate(graph, target, 0.9, 20, paper)
        for density in (0.0, 0.5)
    }
    assert costs == {True}


def test_presets_price_the_adc_that_they_name():
    target = load_target("hpadc-flash5-64")
    graph = graph_for(target)
    flash = estimate(graph, target, 0.1, 2)
    physical = estimate(graph, target, 0.1, 2, load_preset("physical"))
    sar = target.components.converter("sar", 5)
    assert sar is not None
    conversions = physical.counts["conversions"]
    assert physical.energy_pj["readout"].nominal == conversions * sar.energy_pj.nominal
    assert flash.energy_pj["readout"].nominal > physical.energy_pj["readout"].nominal
    # Where a library has no such SAR, the target's own ADC stays.
    only_flash = replace(target, components=replace(target.components, sar_adc=()))
    kept = estimate(graph, only_flash, 0.1, 2, load_preset("physical"))
    assert kept.energy_pj["readout"] == flash.energy_pj["readout"]


def test_an_adc_that_no_library_has_is_refused():
    target = load_target("hpadc-flash5-64")
    macro = target.macros[0]
    readout = replace(macro.readout, bits=8)
    eight = replace(target, macros=(replace(macro, readout=readout),))
    with pytest.raises(MappingError) as error:
        estimate(graph_for(target), eight, 0.1, 2, load_preset("paper"))
    (found,) = error.value.diagnostics
    assert found.code == "preset-adc"
    assert "flash ADCs of [2, 3, 4, 5, 6] bits, not of 8" in found.message


def test_an_unknown_preset_is_refused():
    with pytest.raises(MappingError, match="no preset is named 'papyrus'"):
        load_preset("papyrus")
    assert list_presets() == ("paper", "physical", "as-built")


@pytest.mark.parametrize("name", list_targets())
def test_the_way_ends_at_the_other_preset(name):
    target = load_target(name)
    graph = graph_for(target)
    first, last = load_preset("paper"), load_preset("physical")
    steps = steps_between(first, last)
    assert [step.changed for step in steps[1:]] == [
        "activity",
        "adc",
        "clock",
        "steps_as_bits",
        "hierarchy",
        "overlap",
        "components",
        "neurons",
        "corrections",
        "merged_sums",
        "shared_units",
    ]
    steps = priceable(steps, [target])  # the fitted library has no SAR ADC of 2 or 3 bits
    costs = costs_along(count_actions(graph, target), 0.1, 5, steps)
    for cost, preset in ((costs[0], first), (costs[-1], last)):
        alone = estimate(graph, target, 0.1, 5, preset).as_dict()
        assert {**cost.as_dict(), "preset": preset.name} == alone


def test_factors_multiply_to_the_whole_way():
    steps = steps_between(load_preset("paper"), load_preset("physical"))
    found = []
    for name in ("adcless-64", "hpadc-flash5-64"):
        target = load_target(name)
        found.append(costs_along(count_actions(graph_for(target), target), 0.1, 5, steps))
    rows = ratio_waterfall(steps, *found)
    for measure in ("energy", "latency"):
        product = np.prod([row.as_dict()[f"{measure}_factor"] for row in rows])
        whole = rows[-1].as_dict()[f"{measure}_ratio"] / rows[0].as_dict()[f"{measure}_ratio"]
        assert product == pytest.approx(whole, rel=1e-12)  # rounded at every step


def test_as_built_changes_nothing_of_a_target():
    target = load_target("hpadc-flash5-64")
    chip = chip_of(target, AS_BUILT)
    assert (chip.policy, chip.logic_ns, chip.hierarchy) == ("sensing-set", 1.0, None)
    assert (chip.overlap, chip.neurons, chip.corrections, chip.merged_sums) == (True,) * 4
    assert isinstance(only_layer().grid, Grid)
