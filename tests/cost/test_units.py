"""Shared circuits and ports: turns x circuits covers the work, and a datum passes all stages."""

from dataclasses import replace
from math import ceil

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mapper.cost import count_actions, count_layers, price
from mapper.cost.area import layer_area
from mapper.cost.facts import chip_of, corners_of
from mapper.cost.model import Chip, Layer
from mapper.cost.timing import clock_of, latencies, layer_stages, layer_times
from mapper.cost.units import sharing_of, tile_words, words_of
from mapper.ir.core import Graph
from mapper.ir.crossbar import CrossbarMvm
from targets import load_preset, load_target
from tests.campaigns import examples
from tests.cost.networks import graph_for, small_target
from tests.cost.test_monotonic import lowered
from tests.strategies import hardware_graphs

PHYSICAL = load_preset("physical")
DRAWN = settings(
    max_examples=examples(40),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@st.composite
def designs(draw) -> tuple[tuple[Layer, ...], Chip]:
    """Draw the layers of a random graph, with copies, and a chip whose columns share readouts."""
    target = small_target()
    graph = draw(hardware_graphs())
    grids = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
    assume(all(op.encoding is not None for op in grids))
    layers = count_layers(graph, target)
    copied = tuple(
        replace(layer, grid=replace(layer.grid, copies=draw(st.integers(1, 9))))
        if layer.grid.copies
        else layer
        for layer in layers
    )
    chip = chip_of(target, PHYSICAL, layers)
    columns = draw(st.integers(1, 12))
    macros = {
        name: replace(macro, columns_per_readout=columns, readouts=ceil(macro.bitlines / columns))
        for name, macro in chip.macros.items()
    }
    # The graphs are tiled at random: crossbars of any size hold what they were given.
    widest = max(layer.grid.block_conversions for layer in layers)
    macros = {
        name: replace(macro, readouts=max(macro.readouts, ceil(widest / columns)))
        for name, macro in macros.items()
    }
    return copied, replace(
        chip,
        macros=macros,
        crossbars_per_tile=draw(st.integers(1, 8)),
        buffer_word_bits=draw(st.sampled_from([1, 3, 16, 256])),
        buffer_ports=draw(st.integers(1, 3)),
        corrections=draw(st.booleans()),
    )


@DRAWN
@given(design=designs())
def test_turns_times_circuits_cover_the_work(design):
    layers, chip = design
    for layer in layers:
        work, units = layer.work, sharing_of(layer, chip).units
        added = work.accumulations - (0 if chip.corrections else work.corrections)
        planes = max(layer.grid.planes - 1, 0) * layer.positions * layer.outputs
        most = {
            "readouts": work.conversions,
            "shift_adders": work.shift_adds - planes,
            "adders": added,
            "plane_adders": planes,
            "multipliers": work.scale_multiplies,
            "neurons": work.membrane_updates,
        }
        assert most.keys() == units.keys()
        for name, needed in most.items():
            held = units[name]
            assert held.number * held.turns >= needed, (layer.name, name)
            assert (held.number * held.turns == 0) <= (needed == 0), (layer.name, name)
        bits = work.accumulate_bits - (0 if chip.corrections else work.correction_bits)
        assert units["adders"].number * units["adders"].turns * units["adders"].bits >= bits


@DRAWN
@given(design=designs())
def test_ports_give_as_many_words_as_the_copies_of_a_tile_read(design):
    layers, chip = design
    for layer in layers:
        crossbars = layer.grid.row_blocks * layer.grid.column_blocks
        here = min(layer.grid.copies, ceil(chip.crossbars_per_tile / max(crossbars, 1)))
        share = ceil(layer.positions / max(layer.grid.copies, 1))
        words = share * max(here, 1) * tile_words(layer, chip)
        assert sharing_of(layer, chip).port_turns * chip.buffer_ports >= words
        # A word holds the bits that it is read for.
        least = min(
            layer.work.buffer_read_bits / layer.positions,
            layer.grid.planes * layer.grid.block_wordlines or layer.work.buffer_read_bits,
        )
        assert tile_words(layer, chip) * chip.buffer_word_bits >= least


@DRAWN
@given(design=designs(), steps=st.integers(1, 5))
def test_a_datum_takes_at_least_the_sum_of_its_stages(design, steps):
    layers, chip = design
    facts = corners_of(small_target(), PHYSICAL)[1]
    clock = clock_of(layers, chip, facts)
    found = latencies(layers, chip, facts, steps)
    slots: dict[int, float] = {}
    for layer in layers:
        stages = layer_stages(layer, chip, facts, clock, steps)
        share = ceil(layer.positions / max(layer.grid.copies, 1))
        one = layer.distance * clock.hop + sum(ns / share for ns in stages.values())
        times = layer_times(layer, chip, stages, clock)
        assert times.latency >= one * (1 - 1e-12)  # added up in another order
        assert times.pace <= times.latency <= times.sequential * (1 + 1e-12)
        slots[layer.stage] = max(slots.get(layer.stage, 0.0), times.latency)
    if len({layer.round for layer in layers}) == 1:
        step = found["step_pipelined"]
        assert step == max(
            layer_times(layer, chip, layer_stages(layer, chip, facts, clock), clock).pace
            for layer in layers
        )
        assert found["inference_interval"] == steps * step
        depth = 1 + max(layer.stage for layer in layers)
        assert found["inference_pipelined"] >= (steps + depth - 1) * step
        assert found["inference_pipelined"] >= sum(slots.values()) * (1 - 1e-12)


def mux(graph: Graph, name: str, columns: int, preset=PHYSICAL, ports: int = 1):
    """Price a graph on a target whose readouts serve so many columns."""
    target = load_target(name)
    readout = replace(target.macros[0].readout, columns_per_readout=columns)
    changed = replace(
        target,
        macros=(replace(target.macros[0], readout=readout),),
        chip=replace(target.chip, buffer_ports=ports),
    )
    return price(count_actions(graph, changed), 0.1, 1, preset)


def test_eight_outputs_that_share_a_neuron_unit_update_in_eight_turns():
    # 20 outputs: 20 units update at once, in 5 ns; 3 units take 7 turns (7 + 7 + 6).
    graph = lowered(outputs=20, side=3)
    one, eight = (mux(graph, "adcless-64", columns) for columns in (1, 8))
    facts = corners_of(load_target("adcless-64"), PHYSICAL)[1].membrane_update
    update = facts.um2
    assert facts.ns == 5
    assert one.area_um2["neurons"].nominal == 20 * update
    assert eight.area_um2["neurons"].nominal == 3 * update
    assert one.layers[0].stages_ns["membrane"].nominal == 9 * 5
    assert eight.layers[0].stages_ns["membrane"].nominal == 9 * 7 * 5
    # The reference's simulator lets a unit take its outputs at once.
    paper = replace(PHYSICAL, shared_units=False)
    assert mux(graph, "adcless-64", 8, paper).layers[0].stages_ns["membrane"].nominal == 9 * 5


def test_what_is_corrected_and_scaled_has_adders_and_multipliers():
    target = load_target("hpadc-sar5-64")
    (layer,) = count_layers(graph_for(target), target)
    chip, facts = chip_of(target, PHYSICAL), corners_of(target, PHYSICAL)[1]
    # 20 inputs in 2 row blocks and 6 outputs. To each output: 1 addition of the row blocks, 2 of
    # the offset; and 2 x 9 to count what is driven, 3 for each output. One lane, six turns.
    assert layer.work.accumulations == 6 * (1 + 2 + 3)
    held = sharing_of(layer, chip).units["adders"]
    assert (held.number, held.turns) == (6, 6)
    bits = ceil(layer.work.accumulate_bits / 36)
    assert layer_area(layer, chip, facts)["adders"] == 6 * bits * 22.22
    scaled = replace(
        layer, work=replace(layer.work, scale_multiplies=12, scale_multiply_bits=12 * 9 * 4)
    )
    held = sharing_of(scaled, chip).units["multipliers"]
    assert held == (2, 6, 36)  # of each row block one, 9 x 4 bits
    assert layer_area(scaled, chip, facts)["multipliers"] == pytest.approx(2 * 36 * 13.16)


@pytest.mark.parametrize(("ports", "turns"), [(1, 8), (2, 4), (8, 1), (20, 1)])
def test_copies_in_a_tile_share_the_ports_of_its_buffer(ports, turns):
    target = load_target("adcless-64")
    (layer,) = count_layers(lowered(rows=64, outputs=30, side=8), target)
    # 2 crossbars a copy, 8 copies in the 16 of a tile; 64 positions, 8 for each copy.
    copied = replace(layer, grid=replace(layer.grid, copies=8))
    chip = replace(chip_of(target, PHYSICAL), buffer_ports=ports)
    facts = corners_of(target, PHYSICAL)[1]
    stages = layer_stages(copied, chip, facts, clock_of((copied,), chip, facts))
    assert stages["load"] == 8 * turns * 2  # one word of 256 bits a position, 2 ns a word
    three = replace(layer, grid=replace(layer.grid, copies=3))
    alone = layer_stages(three, chip, facts, clock_of((three,), chip, facts))
    assert alone["load"] == ceil(64 / 3) * ceil(3 / ports) * 2


def test_the_ports_of_a_target_reach_the_price():
    graph = lowered(rows=300, outputs=4, side=4)
    one, two = (mux(graph, "adcless-64", 1, ports=ports) for ports in (1, 2))
    # One copy, 5 row blocks of 64 wordlines: 300 bits are two words.
    assert [cost.layers[0].stages_ns["load"].nominal for cost in (one, two)] == [64, 32]


def test_groups_load_wordlines_of_their_own():
    target = load_target("adcless-64")
    (layer,) = count_layers(lowered(rows=30, outputs=4), target)
    chip = chip_of(target, PHYSICAL)
    grid = replace(layer.grid, groups=40, column_blocks=40)
    work = replace(layer.work, buffer_read_bits=40 * 30)
    # A tile has 16 of the 40 crossbars: 480 bits, two words of 256.
    assert tile_words(replace(layer, grid=grid, work=work), chip) == 2
    assert tile_words(layer, chip) == 1


@DRAWN
@given(design=designs())
def test_memories_are_read_and_written_in_whole_words(design):
    layers, chip = design
    for layer in layers:
        work, found, width = layer.work, words_of(layer, chip), chip.buffer_word_bits
        read = work.buffer_read_bits + work.skip_read_bits
        written = work.buffer_write_bits + work.skip_write_bits
        neurons = ceil(work.membrane_updates / max(layer.outputs, 1))
        # A word at the end of what lies side by side is the only one that is not full.
        for words, bits, ends in (
            (found.read, read, 2 * layer.positions),
            (found.written, written, 2),
            (found.states, work.membrane_bits // 2, neurons),
        ):
            assert bits <= words * width <= bits + ends * (width + 1)
