"""Sums that are merged, and what the reference would add: numbers that can be checked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from mapper.cost import count_layers, estimate
from mapper.cost.adders import as_added
from mapper.cost.facts import chip_of
from mapper.cost.model import Layer
from mapper.cost.shift_add_counts import separate_widths, sum_widths
from mapper.ir.core import INT64, SPIKE, Const, Graph, IntType, Op, Span, Value
from mapper.ir.infer import infer_types
from mapper.ir.readout import ShiftAndAdd
from passes import MergeSums
from targets import AS_BUILT, load_preset, load_target
from tests.builders import Builder, adc, encoding, sense_amp, ternary
from tests.small_graphs import random_weights

TARGET = load_target("adcless-64")
PAPER, PHYSICAL = load_preset("paper"), load_preset("physical")


def graph(scale: object = 137, *, bits: int = 1, merged: bool = True) -> Graph:
    """Nine row blocks of four wordlines, two outputs, levels -1 and 1 on slices 1, 2, 4 and 8."""
    net = Builder("sums")
    x = net.input("x", (36,), IntType(bits, signed=False))
    y = net.crossbars(
        x,
        random_weights(36, 2),
        sense_amp(1),
        encoding=encoding("offset-binary"),
        wordlines=4,
        scale=scale,
        shift=3,
    )
    net.output(net.integer_neurons(y, threshold=5))
    made = infer_types(net.graph())
    macro = TARGET.macros[0].name
    ops: list[Op] = []
    for op in made.ops:
        if hasattr(op, "placement"):
            held = replace(op.placement, macro=macro, slots=Span(0, 9))
            op = replace(op, placement=held)  # type: ignore[call-arg]
        ops.append(op)
    made = replace(made, ops=tuple(ops))
    return MergeSums().run(made, TARGET) if merged else made


def layer_of(made: Graph) -> Layer:
    (layer,) = count_layers(made, TARGET)
    return layer


def adder_of(made: Graph) -> tuple[ShiftAndAdd, dict[str, Op]]:
    (op,) = [op for op in made.ops if isinstance(op, ShiftAndAdd)]
    return op, {value.name: maker for maker in made.ops for value in maker.results}


def test_widths_follow_the_levels_and_not_the_type_that_holds_them():
    made = graph(1)
    op, makers = adder_of(made)
    # Levels -1 and 1 are held as i2, which goes from -2: -30..15 is 6 bits, where -15..15 is 5.
    assert separate_widths(op).slices == 6
    width = sum_widths(op, makers, made.constants)
    assert (width.slices, width.adder) == (5, 0)
    # Nine row blocks of -15..15 are -135..135: 9 bits; a scale of 137 makes them -18495..18495.
    assert (width.total, width.product) == (9, 9)
    scaled = graph(137)
    op, makers = adder_of(scaled)
    width = sum_widths(op, makers, scaled.constants)
    assert (width.total, width.product) == (9, 16)


@pytest.mark.parametrize(
    ("read", "code", "bits"),
    [
        (sense_amp(1, levels=(0, 1)), "offset-binary", 4),  # 0..15
        (sense_amp(1), "offset-binary", 5),  # -15..15
        (sense_amp(1), "twos-complement", 5),  # -1 - 2 - 4 - 8 .. 15
        (sense_amp(1, levels=(0, 1)), "twos-complement", 4),  # -8..7
        (ternary(-1, 1), "differential", 4),  # slices 1, 2, 4 of -1..1: -7..7
        (adc("sar", 3, 1, step=3), "differential", 8),  # 0..21 of 5 bits, times 7: 0..147
    ],
)
def test_every_readout_is_as_wide_as_what_it_decodes_to(read, code, bits):
    net = Builder("widths")
    x = net.input("x", (8,), SPIKE)
    y = net.crossbars(x, random_weights(8, 2), read, encoding=encoding(code), correct=False)
    net.output(y)
    made = net.graph()
    op, makers = adder_of(made)
    assert sum_widths(op, makers, made.constants).slices == bits


def test_merged_slices_add_nothing_and_a_shared_scale_is_multiplied_once():
    layer = layer_of(graph())
    work = layer.work
    assert (work.conversions, work.shift_adds, work.shift_add_bits) == (9 * 4 * 2, 0, 0)
    assert (work.accumulations, work.accumulate_bits) == (8 * 2, 8 * 2 * 9)
    # Two sums of -135..135, 9 bits, times 137, which takes 8 bits.
    assert (work.scale_multiplies, work.scale_multiply_bits) == (2, 2 * 9 * 8)
    assert (work.shift_add_width, work.accumulate_width, work.multiply_width) == (0, 9, 16)


def test_the_graph_still_states_what_the_reference_adds():
    merged, plain = layer_of(graph()), layer_of(graph(merged=False))
    assert merged.separate == plain.separate
    sums = merged.separate
    assert (sums.shift_adds, sums.shift_add_bits) == (72, 72 * 6)
    assert (sums.scale_multiplies, sums.scale_multiply_bits) == (9 * 2, 9 * 2 * 6 * 8)
    # Nine row blocks of -30..15, scaled: -36990..18495, 17 bits, of which 3 are shifted out.
    assert (sums.accumulations, sums.accumulate_bits) == (16, 16 * 17)
    assert (sums.shift_add_width, sums.accumulate_width, sums.multiply_width) == (6, 17, 17)


def test_unmerged_slices_are_added_in_their_own_width():
    work = layer_of(graph(merged=False)).work
    assert (work.shift_adds, work.shift_add_bits) == (72, 72 * 5)
    assert (work.scale_multiplies, work.scale_multiply_bits) == (2, 2 * 9 * 8)


def test_a_scale_of_each_row_block_is_multiplied_in_each():
    own = np.arange(1, 10)[:, None]
    work = layer_of(graph(own)).work
    assert (work.shift_adds, work.scale_multiplies) == (0, 9 * 2)
    assert work.scale_multiply_bits == 9 * 2 * 5 * 4  # -15..15, scales up to 9
    assert work.accumulate_bits == 16 * 11  # 45 times -15..15: -675..675


def test_bit_planes_are_still_added_and_scaled_at_the_end():
    work = layer_of(graph(bits=3)).work
    # Planes count 1, 2 and 4: -945..945, 11 bits; two outputs each add two more planes.
    assert (work.shift_adds, work.shift_add_bits) == (2 * 2, 4 * 11)
    assert (work.scale_multiplies, work.scale_multiply_bits) == (2, 2 * 11 * 8)
    assert (work.accumulations, work.accumulate_bits) == (3 * 8 * 2, 48 * 11)


def test_a_table_of_ones_is_a_multiplier_of_the_reference_alone():
    layer = layer_of(graph(np.ones((9, 1), int)))
    assert layer.work.scale_multiplies == 0
    assert layer.separate.scale_multiplies == 18


def test_presets_say_whose_adders_are_priced():
    layers = (layer_of(graph()),)
    assert as_added(layers, chip_of(TARGET, PHYSICAL)) == layers
    assert as_added(layers, chip_of(TARGET, AS_BUILT)) == layers
    (alone,) = as_added(layers, chip_of(TARGET, PAPER))
    assert alone.work.shift_adds == 72
    work = alone.work
    assert (work.shift_add_width, work.accumulate_width, work.multiply_width) == (6, 17, 17)
    assert as_added((alone,), chip_of(TARGET, PAPER)) == (alone,)


def test_the_reference_costs_the_same_of_merged_and_of_plain_graphs():
    found = [estimate(graph(merged=merged), TARGET, 0.1, 5, PAPER) for merged in (True, False)]
    assert found[0] == found[1]
    assert found[0].energy_pj["shift_add"].nominal > 0


def test_merged_slices_have_no_adder_in_energy_area_and_time():
    merged, plain = (
        estimate(graph(merged=merged), TARGET, 0.1, 5, PHYSICAL) for merged in (True, False)
    )
    assert merged.energy_pj["shift_add"].nominal == 0
    assert merged.area_um2["shift_adders"].nominal == 0
    assert merged.layers[0].stages_ns["shift_add"].nominal == 0
    # 72 of 5 bits, five steps, 0.0257 pJ a bit; 64 amplifiers in each of nine crossbars, 22.22 um2.
    assert plain.energy_pj["shift_add"].nominal == pytest.approx(72 * 5 * 5 * 0.0257, rel=1e-12)
    assert plain.area_um2["shift_adders"].nominal == pytest.approx(9 * 64 * 5 * 22.22, rel=1e-12)
    assert plain.layers[0].stages_ns["shift_add"].nominal == 1
    for name in ("readout", "cells", "accumulate", "scale_multiply", "membrane_update"):
        assert merged.energy_pj[name] == plain.energy_pj[name]


def test_codes_from_nowhere_are_as_wide_as_their_type():
    codes = Value("codes", IntType(2, signed=True), (1, 1, 2, 1))
    op = ShiftAndAdd(codes=codes, significances=(1, 2), result=Value("y", INT64, (1,)))
    assert sum_widths(op, {}, {}).slices == 4  # -6..3
    table = replace(op, scale=Const("m"))
    assert sum_widths(table, {}, {"m": np.array([[3]])}).product == 6  # -18..9
