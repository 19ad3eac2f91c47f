"""Energy, latency and area: small cases by hand, totals, and how they react to facts."""

from dataclasses import replace
from math import fsum

import numpy as np
import pytest

from mapper.cost import Cost, Range, count_layers, estimate
from mapper.cost.area import layer_area
from mapper.cost.facts import chip_of, corners_of
from mapper.cost.model import Chip, Facts, Macro, Part
from mapper.cost.summary import cost_of
from mapper.cost.timing import clock_of, cycle_ns, latencies, layer_stages, pace
from mapper.diagnostics import MappingError
from mapper.ir.core import SPIKE, Span, Value
from mapper.ir.crossbar import Placement
from mapper.ir.encoding import Encoding
from targets import list_targets, load_target
from tests.cost.networks import (
    activity_of,
    crossbar,
    graph_for,
    layer,
    network,
    small_target,
    two_by_two_grid,
)

# Facts with which sums can be done in the head.
FACTS = Facts(
    read_voltage_v=1.0,
    on_conductance_us=10.0,
    off_conductance_us=1.0,
    cell_um2=0.5,
    wordline_drive=Part(pj=0.25, ns=1.0, um2=2.0),
    readouts={"m": Part(pj=3.0, ns=4.0, um2=10.0)},
    shift_add=Part(pj=0.5, ns=1.0, um2=7.0),
    accumulate=Part(pj=2.0, ns=1.0, um2=5.0),
    scale_multiply=Part(pj=1.0, ns=1.0, um2=1.0),
    membrane_update=Part(pj=8.0, ns=5.0, um2=100.0),
    buffer_read=Part(pj=1.0, ns=2.0, um2=0.25),
    buffer_write=Part(pj=3.0, ns=2.0, um2=0.0),
    hop=Part(pj=16.0, ns=1.0, um2=1000.0),
    leakage_uw_per_mm2=50.0,
)
CHIP = Chip(
    policy="decoupled",
    logic_ns=2.0,
    crossbars_per_tile=4,
    buffer_word_bits=2,
    hop_word_bits=4,
    macros={
        "m": Macro(
            readout="adc",
            code_bits=5,
            wordlines=8,
            bitlines=12,
            readouts=3,
            columns_per_readout=2,
            comparators=1,
            top_level=1,
        )
    },
)


def by_hand() -> Cost:
    """Cost one sample of two time steps with rows 0 and 2, then row 4, driven."""
    graph = two_by_two_grid(Placement(macro="m", slots=Span(0, 4)))
    spikes = np.array([[[1, 0, 1, 0, 0]], [[0, 0, 0, 0, 1]]])
    layers = count_layers(graph, small_target())
    return cost_of(layers, CHIP, (FACTS, FACTS, FACTS), activity_of(graph, spikes))


def test_energy_of_every_action_by_hand():
    energy = {action: value.nominal for action, value in by_hand().energy_pj.items()}
    assert energy == pytest.approx(
        {
            # 11 cells at 10 uS and 25 at 1 uS, 1 V, 1 ns settling and 4 ns reading.
            "cells": (11 * 10 + 25 * 1) * 5 * 1e-3,
            "wordline_drive": 6 * 12 * 0.25,  # 6 driven lines of 12 cells
            "inputs": 0.0,
            "read_channel": 0.0,
            "control": 0.0,
            "readout": 2 * 12 * 3.0,
            "shift_add": 2 * 24 * 0.5,
            "accumulate": 2 * 9 * 2.0,  # 3 sums of 0..6: 3 bits
            "scale_multiply": 0.0,
            "membrane_update": 2 * 3 * 8.0,
            "membrane_memory": 2 * 36 * (1.0 + 3.0),  # 36 bits read, 36 written
            "buffer_read": 2 * 6 * 1.0,  # 5 bits are 3 words of 2
            "buffer_write": 2 * 6 * 3.0,
            "hop": 2 * 5 * 16.0,
            "collect": 0.0,
            "leakage": 50.0 * by_hand().total_um2.nominal * 1e-6 * 24 * 1e-3,
        },
        rel=1e-12,  # only the order of additions differs
    )


def test_latency_by_hand():
    # 5 bits are loaded in words of 2: 3 words of 2 ns. Two turns a readout: 1 + 2 x 4 ns to read,
    # 2 cycles of 2 ns to shift and add. 3 outputs have 2 adders and 2 neuron units, so each takes
    # two: 2 x 2 ns to add, and 2 updates of 5 ns, which are 3 cycles. The slowest are the updates.
    # The input: 5 bits in words of 4 are 2 hop cycles, and 1 hop of distance.
    latency = {name: value.nominal for name, value in by_hand().latency_ns.items()}
    sequential = 1 * 2 + 2 * 2 + (6 + 9 + 4 + 4 + 12)
    assert latency == {
        "cycle": 2.0,
        "step_pipelined": 12.0,
        "step_sequential": sequential,
        "inference_interval": 24.0,
        # The first step passes every stage, the second follows it.
        "inference_pipelined": sequential + 12.0,
        "inference_sequential": 2 * sequential,
    }


def test_area_by_hand():
    # 4 crossbars; 3 outputs over readouts that 2 columns share: 2 adders and 2 neuron units.
    area = {block: value.nominal for block, value in by_hand().area_um2.items()}
    assert area == {
        "cells": 4 * 8 * 12 * 0.5,
        "wordline_drivers": 4 * 8 * 2.0,
        "inputs": 0.0,
        "read_channels": 0.0,
        "control": 0.0,
        "readouts": 4 * 3 * 10.0,
        "shift_adders": 4 * 3 * 2 * 7.0,
        "adders": 2 * 3 * 5.0,
        "multipliers": 0.0,
        "neurons": 2 * 100.0,
        "memory": (36 + 2 * 5) * 0.25,
        "routers": 1000.0,
    }


def test_leakage_lasts_from_one_inference_to_the_next():
    cost = by_hand()
    assert cost.latency_ns["inference_interval"].nominal == 24.0
    expected = 50.0 * cost.total_um2.nominal * 1e-6 * 24.0 * 1e-3
    assert cost.energy_pj["leakage"].nominal == expected


def test_one_clock_follows_the_slowest_readout():
    (only,) = count_layers(two_by_two_grid(Placement(macro="m", slots=Span(0, 4))), small_target())
    chip = replace(CHIP, policy="sensing-set")
    assert cycle_ns((only,), chip, FACTS) == 4.0
    # Two turns of a cycle, which the line settles in: 8 ns; loading 3 words, one a cycle: 12 ns;
    # two updates of 2 cycles each: 16 ns.
    stages = layer_stages(only, chip, FACTS, clock_of((only,), chip, FACTS))
    assert (stages["read"], stages["load"], stages["membrane"]) == (8.0, 12.0, 16.0)
    assert pace(only, chip, stages, 4.0) == 16.0
    faster = replace(FACTS, readouts={"m": Part(pj=3.0, ns=0.1, um2=10.0)})
    assert cycle_ns((only,), chip, faster) == 2.0


def ten_positions(only, **grid):
    """Return the layer with ten output positions, each with the work of one."""
    counts = ("accumulations", "accumulate_bits", "membrane_updates", "buffer_read_bits")
    work = replace(only.work, **{name: 10 * getattr(only.work, name) for name in counts})
    return replace(only, positions=10, work=work, grid=replace(only.grid, **grid), stage=1)


def test_stages_overlap_over_time_steps():
    (only,) = count_layers(two_by_two_grid(Placement(macro="m", slots=Span(0, 4))), small_target())
    # Ten positions update for 12 ns each. Of 5 time steps the last result comes after 5 + 1 of
    # these; and a hop, and a tenth of what the other stages take: arrival 4, load 60, read 90,
    # shift 40, add 40.
    found = latencies((only, ten_positions(only)), CHIP, FACTS, steps=5)
    assert found["step_pipelined"] == 120.0
    assert found["inference_pipelined"] == pytest.approx(6 * 120.0 + 2 + 234 / 10)
    two_copies = ten_positions(only, copies=2)
    assert latencies((only, two_copies), CHIP, FACTS, steps=5)["step_pipelined"] == 60.0


def test_reloaded_weights_leave_nothing_to_overlap():
    (only,) = count_layers(two_by_two_grid(Placement(macro="m", slots=Span(0, 4))), small_target())
    latency = latencies((only, replace(only, round=1, stage=1)), CHIP, FACTS, steps=3)
    assert latency["inference_pipelined"] == latency["inference_sequential"] == 3 * 2 * 41.0


def test_of_several_rounds_the_larger_area_counts():
    graph = two_by_two_grid(Placement(macro="m", slots=Span(0, 4)))
    layers = count_layers(graph, small_target())
    activity = activity_of(graph, np.zeros((1, 1, 5), np.int64))
    twice = (*layers, replace(layers[0], round=1))
    both = replace(activity, events=activity.events * 2)
    corners = (FACTS, FACTS, FACTS)
    assert cost_of(twice, CHIP, corners, both).area_um2 == (
        cost_of(layers, CHIP, corners, activity).area_um2
    )


def test_a_replica_column_draws_half_of_a_cell_that_is_on():
    def cells(half_active: bool) -> float:
        x = Value("x", SPIKE, (4,))
        weight = np.full((4, 1), -8)  # no cell on
        encoding = Encoding(kind="offset-binary", weight_bits=4, cell_bits=1)
        mvm = crossbar(
            x, weight, encoding, [Span(0, 4)], [Span(0, 1)], placement=Placement(macro="m")
        )
        graph = network(layer(mvm, half_active)[0], {"fc.weight": weight}, x)
        activity = activity_of(graph, np.ones((1, 1, 4), np.int64))
        layers = count_layers(graph, small_target())
        cost = cost_of(layers, CHIP, (FACTS, FACTS, FACTS), activity)
        return cost.energy_pj["cells"].nominal

    off = 4 * 4 * 1.0  # 4 lines, 4 cells each at 1 uS
    assert cells(half_active=False) == pytest.approx(off * 5e-3)
    assert cells(half_active=True) == pytest.approx((off + 4 * 10 / 2) * 5e-3)


def test_multi_bit_cells_draw_by_their_level():
    (only,) = count_layers(two_by_two_grid(Placement(macro="m", slots=Span(0, 4))), small_target())
    graph = two_by_two_grid(Placement(macro="m", slots=Span(0, 4)))
    activity = activity_of(graph, np.ones((1, 1, 5), np.int64))  # 60 cells, levels 15
    macros = {"m": replace(CHIP.macros["m"], top_level=3)}
    cost = cost_of((only,), replace(CHIP, macros=macros), (FACTS, FACTS, FACTS), activity)
    assert cost.energy_pj["cells"].nominal == pytest.approx((5 * 10 + 55 * 1) * 5e-3)


# Whole estimates on the targets that come with the compiler


@pytest.mark.parametrize("name", list_targets())
def test_estimates_are_intervals_and_totals_are_sums(name):
    target = load_target(name)
    cost = estimate(graph_for(target), target, 0.3, steps=4)
    everything = [
        *cost.energy_pj.values(),
        *cost.area_um2.values(),
        *cost.latency_ns.values(),
        cost.total_pj,
        cost.total_um2,
        cost.edp_pj_ns,
    ]
    for value in everything:
        assert 0 <= value.low <= value.nominal <= value.high
    assert cost.total_pj.nominal == fsum(value.nominal for value in cost.energy_pj.values())
    assert cost.total_um2.high == fsum(value.high for value in cost.area_um2.values())
    assert cost.edp_pj_ns.low == cost.total_pj.low * cost.latency_ns["inference_pipelined"].low
    for one in cost.layers:
        assert one.total_pj.low == fsum(value.low for value in one.energy_pj.values())
    for action, total in cost.energy_pj.items():
        if action != "leakage":
            assert total.nominal == fsum(one.energy_pj[action].nominal for one in cost.layers)
    for action, count in cost.counts.items():
        assert count == sum(one.counts[action] for one in cost.layers)


def test_an_ideal_readout_is_free():
    target = load_target("ideal-128")
    cost = estimate(graph_for(target), target)
    assert cost.energy_pj["readout"] == Range(0, 0, 0)
    assert cost.counts["conversions"] == 2 * 8 * 6


def test_density_and_recorded_spikes_meet_where_every_bit_is_set():
    target = small_target()
    graph = two_by_two_grid()
    recorded = activity_of(graph, np.ones((3, 1, 5), np.int64))
    mean = estimate(graph, target, 1.0, steps=3)
    assert mean.density == 1.0
    assert estimate(graph, target, recorded) == replace(mean, density=None)


def test_energy_is_of_one_sample_and_counts_are_of_all():
    graph, target = two_by_two_grid(), small_target()
    spikes = np.array([[[1, 0, 1, 0, 0]], [[0, 0, 0, 0, 1]]])
    one = estimate(graph, target, activity_of(graph, spikes))
    two = estimate(graph, target, activity_of(graph, np.repeat(spikes, 2, axis=1)))
    assert two.total_pj == one.total_pj
    assert two.counts == {name: 2 * count for name, count in one.counts.items()}


def test_silence_still_reads_converts_and_updates():
    graph, target = two_by_two_grid(), small_target()
    cost = estimate(graph, target, 0.0)
    assert cost.counts["wordline_events"] == 0
    assert cost.energy_pj["cells"] == Range(0, 0, 0)
    assert cost.energy_pj["readout"].low > 0


def test_energy_grows_with_activity_and_nothing_else_does():
    graph, target = two_by_two_grid(), small_target()
    quiet, busy = estimate(graph, target, 0.2), estimate(graph, target, 0.8)
    assert quiet.total_pj.nominal < busy.total_pj.nominal
    assert (quiet.area_um2, quiet.latency_ns) == (busy.area_um2, busy.latency_ns)


@pytest.mark.parametrize("rival", ["hpadc-flash5-64", "hpadc-sar5-64"])
def test_sense_amplifiers_take_less_energy_and_time_than_adcs(rival):
    ours, theirs = load_target("adcless-64"), load_target(rival)
    one, other = estimate(graph_for(ours), ours), estimate(graph_for(theirs), theirs)
    assert one.energy_pj["readout"].high < other.energy_pj["readout"].nominal
    first, second = (c.latency_ns["step_pipelined"].nominal for c in (one, other))
    assert first < second


def test_a_ternary_readout_has_two_sense_amplifiers():
    assert chip_of(load_target("ternary-diff-64")).macros["ternary-64"].comparators == 2
    assert chip_of(load_target("hpadc-sar5-64")).macros["sar5-64"].comparators == 1


def test_differential_pairs_share_a_readout():
    assert chip_of(load_target("adcless-diff-64")).macros["sense-amp-64"].readouts == 32
    assert chip_of(load_target("hpadc-flash5-64")).macros["flash5-64"].readouts == 8


def test_the_ends_of_the_facts_come_in_order():
    low, nominal, high = corners_of(load_target("adcless-64"))
    readouts = [facts.readouts["sense-amp-64"].pj for facts in (low, nominal, high)]
    assert readouts == [0.00841, 0.0417, 0.067]


def test_a_layer_on_the_digital_unit_takes_a_cycle_a_row():
    (only,) = count_layers(two_by_two_grid(Placement(macro="m", slots=Span(0, 4))), small_target())
    empty = replace(only.grid, copies=0, row_blocks=0, column_blocks=0, block_conversions=0)
    digital = replace(only, digital_rows=50, grid=replace(empty, block_wordlines=0))
    # 50 products of 3 outputs on 2 lanes, a cycle of 2 ns each.
    stages = layer_stages(digital, CHIP, FACTS, clock_of((digital,), CHIP, FACTS))
    assert pace(digital, CHIP, stages, 2.0) == 50 * 2 * 2.0
    assert layer_area(digital, CHIP, FACTS)["cells"] == 0
    assert layer_area(digital, CHIP, FACTS)["adders"] == 2 * 3 * 5.0


@pytest.mark.parametrize("density", [-0.1, 1.1, float("nan"), float("inf")])
def test_an_impossible_density_is_refused(density):
    with pytest.raises(MappingError) as error:
        estimate(two_by_two_grid(), small_target(), density)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "activity-density"
    assert diagnostic.message == f"density must be 0..1, got {density:g}"


def test_an_inference_of_no_steps_is_refused():
    with pytest.raises(MappingError) as error:
        estimate(two_by_two_grid(), small_target(), 0.1, steps=0)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "activity-steps"
    assert diagnostic.message == "an inference has 1 time step or more, got 0"
