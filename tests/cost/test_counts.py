"""Action counts of small layers, counted by hand and counted event by event."""

from dataclasses import replace

import numpy as np

from mapper.cost import Activity, Events, count_layers, estimate
from mapper.cost.actions import action_counts, crossbars_of
from mapper.cost.facts import chip_of, corners_of
from mapper.cost.model import Work
from mapper.cost.timing import clock_of, layer_stages
from mapper.ir.core import SPIKE, Const, IntType, Op, Span, Value
from mapper.ir.crossbar import Placement
from mapper.ir.hardware import ScaledAdd
from mapper.ir.network import Add, MaxPool2d, SumPool2d, Transpose
from mapper.ir.products import MatMul, Multiply
from mapper.ir.synapses import Conv2d, Linear
from mapper.ir.windows import Window
from mapper.pipeline import make_passes, run_passes
from targets import load_target
from tests.cost.networks import (
    DIFFERENTIAL_3,
    FIVE_BY_THREE,
    OFFSET_4,
    activity_of,
    adc_layer,
    crossbar,
    layer,
    network,
    neurons,
    small_target,
    two_by_two_grid,
)
from tests.networks import NetworkBuilder


def test_every_action_of_a_two_by_two_grid():
    (counted,) = count_layers(two_by_two_grid(), small_target())
    assert counted.work == Work(
        macs=15,
        crossbar_reads=4,
        conversions=12,  # 2 row blocks, 2 slices, 3 outputs: a pair converts once
        shift_adds=12,
        shift_add_bits=24,  # levels 0 and 1 times 1 and 2: 0..3
        shift_add_width=2,
        accumulations=3,  # 3 outputs, 2 row blocks
        accumulate_bits=9,  # 0..3 of two row blocks: 0..6
        accumulate_width=3,
        multiply_width=3,  # the sum
        corrections=0,
        correction_bits=0,
        scale_multiplies=0,
        scale_multiply_bits=0,
        membrane_updates=3,
        membrane_bits=72,  # 12 bits read and written
        buffer_read_bits=5,
        fresh_bits=5,
        buffer_write_bits=5,
        hop_bits=5,  # from the corner into the first tile
    )
    # 5 wordlines in 2 column blocks; 5 x 3 weights of 4 cells; 15 of these cells are on.
    assert counted.full == Events(
        wordlines=10, cells=60, levels=15, reads=4, conversions=12, updates=3
    )
    assert (counted.grid.block_wordlines, counted.grid.block_conversions) == (3, 4)
    assert (counted.name, counted.macro) == ("model.onnx:/fc", "sense-amp-8")


def test_recorded_spikes_drive_their_wordlines():
    graph = two_by_two_grid()
    # Step 1 drives rows 0 and 2 (4 + 6 cells on), step 2 row 4 (1 on).
    spikes = np.array([[[1, 0, 1, 0, 0]], [[0, 0, 0, 0, 1]]])
    activity = activity_of(graph, spikes)
    assert activity == Activity(
        steps=2,
        samples=1,
        # Step 1 is silent in the second row block, step 2 in the first: 6 conversions each.
        events=(Events(6, 36, 11, reads=4, conversions=12, updates=6),),
    )
    (counted,) = count_layers(graph, small_target())
    counts = action_counts(counted, activity.events[0], activity)
    assert counts["wordline_events"] == 6
    assert counts["conversions"] == 24  # 12 a step


def test_padding_drives_no_wordline():
    x = Value("x", SPIKE, (1, 3, 3))
    window = Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    weight = np.ones((9, 2), np.int64)
    mvm = crossbar(x, weight, OFFSET_4, [Span(0, 8), Span(8, 9)], [Span(0, 2)], window)
    graph = network(layer(mvm)[0], {"fc.weight": weight}, x)
    (counted,) = count_layers(graph, small_target())
    # 9 positions: the centre sees 9 pixels, the 4 sides 6, the 4 corners 4.
    assert counted.full.wordlines == 9 + 4 * 6 + 4 * 4
    # 1 + 8 is 1001 in binary: two cells on in each of the two weights of a wordline.
    assert counted.full.levels == 4 * counted.full.wordlines
    assert counted.full.cells == 8 * counted.full.wordlines
    assert counted.work.crossbar_reads == 9 * 2
    assert counted.work.buffer_read_bits == 9 * 9
    assert counted.work.fresh_bits == 9  # a line buffer would read every pixel once
    assert counted.work.buffer_write_bits == 9


def test_bit_planes_are_read_and_added_one_after_the_other():
    x = Value("x", IntType(3, signed=False), (4,))
    weight = FIVE_BY_THREE[:4]
    mvm = crossbar(x, weight, DIFFERENTIAL_3, [Span(0, 2), Span(2, 4)], [Span(0, 3)])
    graph = network(layer(mvm)[0], {"fc.weight": weight}, x)
    work = count_layers(graph, small_target())[0].work
    assert work.crossbar_reads == 3 * 2
    assert work.conversions == 3 * 2 * 2 * 3
    # One shift-add a conversion; then 3 outputs, each adding 2 more planes: 0..6, doubled: 0..42.
    assert (work.shift_adds, work.shift_add_bits) == (36 + 6, 36 * 2 + 6 * 6)
    assert work.accumulations == 3 * 3 * (2 - 1)
    assert work.buffer_read_bits == 3 * 4


def test_an_offset_is_corrected_with_a_count_of_active_rows():
    x = Value("x", SPIKE, (6,))
    weight = np.zeros((6, 2), np.int64)
    mvm = crossbar(x, weight, OFFSET_4, [Span(0, 4), Span(4, 6)], [Span(0, 2)])
    graph = network(adc_layer(mvm), {"fc.weight": weight}, x)
    work = count_layers(graph, load_target("hpadc-sar5-64"))[0].work
    assert work.conversions == 2 * 4 * 2
    # Row blocks 2 x 1, offset 2 x 2, counting (4 - 1) + (2 - 1) wordlines.
    assert work.accumulations == 2 + 4 + 4
    assert (work.corrections, work.correction_bits) == (4 + 4, 4 * 9 + 4 * 4)
    # Codes of 5 bits on slices 1, 2, 4, 8 reach 465: 9 bits; a counter of 4 bits takes up to 120
    # from it; two row blocks are -240..930: 11 bits.
    assert work.accumulate_bits == 2 * 11 + 4 * 9 + 4 * 4
    assert work.shift_add_bits == 16 * 9


def test_column_scales_multiply_every_block_sum():
    graph = two_by_two_grid()
    scaled = tuple(
        replace(op, scale=Const("m")) if op.mnemonic == "imc.shift_and_add" else op
        for op in graph.ops
    )
    constants = {**graph.constants, "m": np.array([[1, 5, 6]])}
    work = count_layers(replace(graph, ops=scaled, constants=constants), small_target())[0].work
    assert work.scale_multiplies == 3  # after the sum of two row blocks, which share a scale
    assert work.scale_multiply_bits == 3 * 3 * 3  # sums of 0..6, scales of up to 3 bits
    constants["m"] = np.array([[1, 5, 6], [1, 5, 5]])
    work = count_layers(replace(graph, ops=scaled, constants=constants), small_target())[0].work
    assert work.scale_multiplies == 2 * 3  # before it
    assert work.scale_multiply_bits == 6 * 2 * 3  # sums of 0..3


def test_half_active_references_take_a_replica_column():
    x = Value("x", SPIKE, (4,))
    weight = np.zeros((4, 1), np.int64)
    mvm = crossbar(x, weight, OFFSET_4, [Span(0, 4)], [Span(0, 1)])
    graph = network(layer(mvm, half_active=True)[0], {"fc.weight": weight}, x)
    (counted,) = count_layers(graph, load_target("adcless-64"))
    assert counted.grid.half_active
    assert counted.work.accumulations == 0  # the replica is analogue


def hops(slots: Span) -> int:
    target = load_target("adcless-64")
    chip = replace(target.chip, tiles=9, crossbars_per_tile=1, max_chips=9)
    graph = two_by_two_grid(Placement(slots=slots))
    return count_layers(graph, replace(target, chip=chip))[0].work.hop_bits


def test_hops_follow_the_tiles():
    # One crossbar a tile, 3 x 3 tiles: 0 1 2 / 3 4 5 / 6 7 8. Column block 0 has its row blocks at
    # tiles 0 and 1, column block 1 at 2 and 3. From tile 0 to 1 is 1 hop (2 outputs), from 2 to 3
    # three (1 output), of 0..6: 3 bits. The middle, tile 2, is 1 + 2 hops from outside, for 5 bits.
    assert hops(Span(0, 4)) == (1 * 2 + 3 * 1) * 3 + 3 * 5
    # On the second chip all is three tiles further from outside.
    assert hops(Span(9, 13)) == (1 * 2 + 3 * 1) * 3 + 6 * 5


def test_copies_share_the_positions_and_change_no_count():
    one = count_layers(two_by_two_grid(Placement(slots=Span(0, 4))), small_target())[0]
    two = count_layers(two_by_two_grid(Placement(slots=Span(0, 4), copies=2)), small_target())[0]
    assert two.grid.copies == 2
    assert (two.work, two.full) == (one.work, one.full)


def test_two_layers_in_a_row():
    x = Value("x", SPIKE, (4,))
    first, second = np.ones((4, 3), np.int64), np.ones((3, 2), np.int64)
    one = crossbar(
        x, first, DIFFERENTIAL_3, [Span(0, 4)], [Span(0, 3)], placement=Placement(slots=Span(0, 1))
    )
    ops, _ = layer(one)
    spikes = neurons(Value("fc.y", IntType(12, signed=True), (3,))).spike
    assert spikes is not None
    two = crossbar(
        spikes,
        second,
        DIFFERENTIAL_3,
        [Span(0, 3)],
        [Span(0, 2)],
        placement=Placement(slots=Span(4, 5), stage=1),
        name="out",
    )
    more, _ = layer(two, name="out")
    graph = network([*ops, *more], {"fc.weight": first, "out.weight": second}, x)
    layers = count_layers(graph, small_target())
    assert [counted.stage for counted in layers] == [0, 1]
    assert [counted.work.membrane_updates for counted in layers] == [3, 2]
    # Slot 4 is on the second tile, one hop from the first.
    assert [counted.distance for counted in layers] == [1, 1]


def test_a_layer_on_the_digital_unit():
    x = Value("x", IntType(3, signed=False), (4,))
    y = Value("fc.y", IntType(12, signed=True), (2,))
    op = Linear(loc="model.onnx:/fc", x=x, weight=Const("w"), result=y)
    graph = network([op, neurons(y)], {"w": np.array([[1, 2, 3, -4], [0, 1, 0, 1]])}, x)
    (counted,) = count_layers(graph, small_target())
    work = counted.work
    assert (work.crossbar_reads, work.conversions, counted.full) == (0, 0, Events(0, 0, 0, 0, 0))
    assert (work.scale_multiplies, work.scale_multiply_bits) == (8, 8 * 3 * 3)
    assert (work.accumulations, work.accumulate_bits) == (8, 8 * 12)
    assert work.buffer_read_bits == 3 * 4 + 8 * 3  # inputs, and 8 weights of 3 bits
    assert counted.digital_rows == 4
    assert counted.stored_bits == 2 * 12 + 2 * 12 + 8 * 3
    assert work.membrane_updates == 2
    activity = activity_of(graph, np.ones((2, 3, 4), np.int64))
    assert activity == Activity(steps=2, samples=3, events=(Events(0, 0, 0, 0, 0),))


def test_a_digital_convolution_of_spikes_only_adds():
    x = Value("x", SPIKE, (2, 4, 4))
    y = Value("fc.y", IntType(12, signed=True), (3, 3, 3))
    op = Conv2d(x=x, weight=Const("w"), result=y, kernel=(2, 2))
    graph = network([op, neurons(y)], {"w": np.ones((3, 2, 2, 2), np.int64)}, x)
    work = count_layers(graph, small_target())[0].work
    assert (work.accumulations, work.scale_multiplies) == (24 * 9, 0)
    assert work.buffer_read_bits == 9 * 8 + 24 * 9 * 1  # inputs, and weights of one bit


def test_a_network_without_weights_is_one_layer():
    x = Value("x", IntType(4, signed=False), (6,))
    graph = network([neurons(x)], {}, x)
    (counted,) = count_layers(graph, small_target())
    assert counted.name == "tiny"
    assert (counted.work.membrane_updates, counted.work.membrane_bits) == (6, 144)
    activity = activity_of(graph, np.ones((2, 3, 6), np.int64))
    assert activity == Activity(steps=2, samples=3, events=(Events(0, 0, 0, 0, 0),))
    assert estimate(graph, small_target(), activity).counts["membrane_updates"] == 6 * 2 * 3


def test_digital_ops_between_layers():
    x = Value("x", IntType(2, signed=False), (1, 4, 4))
    window = Window(kernel=(2, 2), stride=(2, 2))
    summed = Value("summed", IntType(4, signed=False), (1, 2, 2))
    highest = Value("highest", IntType(2, signed=False), (1, 2, 2))
    added = Value("added", IntType(5, signed=False), (1, 2, 2))
    scaled = Value("scaled", IntType(9, signed=False), (1, 2, 2))
    ops: list[Op] = [
        SumPool2d(x=x, window=window, result=summed),
        MaxPool2d(x=x, window=window, result=highest),
        Add(terms=(summed, highest), result=added),
        ScaledAdd(terms=(added, highest), scales=(5, 1), shift=0, result=scaled),
        neurons(scaled),
    ]
    work = count_layers(network(ops, {}, x), small_target())[0].work
    # 4 outputs: 3 additions of 4 bits, 3 comparisons of 2, one addition of 5 and one of 9.
    assert work.accumulations == 4 * (3 + 3 + 1 + 1)
    assert work.accumulate_bits == 4 * (3 * 4 + 3 * 2 + 5 + 9)
    assert (work.scale_multiplies, work.scale_multiply_bits) == (4, 4 * 5 * 3)


def test_products_of_spikes_and_counts():
    """Two heads of 3 tokens of 4 numbers: ``k^T v``, then ``q`` times it, then behind a mask."""
    turned, spikes = Value("x", SPIKE, (2, 4, 3)), Value("q", SPIKE, (2, 3, 4))
    pairs = Value("pairs", IntType(2, signed=False), (2, 4, 4))
    sums = Value("sums", IntType(4, signed=False), (2, 3, 4))
    masked = replace(sums, name="masked")
    squares = Value("squares", IntType(8, signed=False), (2, 3, 4))
    ops: list[Op] = [
        Transpose(x=turned, order=(0, 2, 1), result=spikes),
        MatMul(a=turned, b=spikes, result=pairs),
        MatMul(a=spikes, b=pairs, result=sums),
        Multiply(a=spikes, b=sums, result=masked),
        Multiply(a=sums, b=masked, result=squares),
        neurons(squares),
    ]
    work = count_layers(network(ops, {}, turned), small_target())[0].work
    # 32 pairs of 2 additions of 2 bits, 24 sums of 3 of 4 bits; a mask is an AND of bits
    assert work.accumulations == 32 * 2 + 24 * 3
    assert work.accumulate_bits == 32 * 2 * 2 + 24 * 3 * 4
    assert (work.scale_multiplies, work.scale_multiply_bits) == (24, 24 * 4 * 4)
    # v is written once and read for each of the 4 rows of k^T, the pairs for each of 3 tokens
    assert work.buffer_write_bits == 24 + 32 * 2
    assert work.buffer_read_bits == work.fresh_bits == 24 * 4 + 32 * 2 * 3
    assert work.macs == 0


def test_row_blocks_in_turns_take_fewer_crossbars_and_the_same_reads():
    """The grid of two row blocks on one crossbar that is read twice, not on two: twice the time."""
    apart = two_by_two_grid()
    (mvm, *others) = apart.ops
    turned = replace(apart, ops=(replace(mvm, turns=2), *others))
    (two,), (one,) = (count_layers(graph, small_target()) for graph in (apart, turned))
    assert (one.work.crossbar_reads, one.work.conversions) == (4, 12)
    assert replace(one.work, hop_bits=0) == replace(two.work, hop_bits=0)
    assert (two.grid.row_blocks, two.grid.turns) == (2, 1)
    assert (one.grid.row_blocks, one.grid.turns) == (1, 2)
    assert one.grid.block_wordlines == two.grid.block_wordlines
    reads = [
        layer_stages(layer, chip, facts, clock_of((layer,), chip, facts))["read"]
        for layer in (two, one)
        for chip, facts in [(chip_of(small_target()), corners_of(small_target())[1])]
    ]
    assert reads[1] == 2 * reads[0] > 0
    assert (crossbars_of(two), crossbars_of(one)) == (4, 2)


def test_products_without_padding_are_those_that_neurobench_publishes():
    """Its DVS gesture network, 150 steps: dense operations 891,206,400.

    A kernel of 5 sees ``5 n - 6`` rows of a map of ``n`` padded by 2, not ``5 n``.
    """
    net = NetworkBuilder()
    s = net.entry(2, 32, 32)
    for channels in (16, 32, 64):
        s = net.neuron(net.pool(net.conv(s, channels, kernel=5, padding=(2,) * 4)))
    graph = net.graph(net.neuron(net.dense(net.flatten(s), 11)))
    by_hand = 154**2 * 2 * 16 + 74**2 * 16 * 32 + 34**2 * 32 * 64 + 1024 * 11
    padded = 160**2 * 2 * 16 + 80**2 * 16 * 32 + 40**2 * 32 * 64 + 1024 * 11
    target = load_target("ideal-128")
    made, _ = run_passes(graph, target, make_passes())
    cost = estimate(made, target, 1.0, steps=150)
    assert cost.counts["synaptic_operations"] == 150 * by_hand == 891_206_400
    assert cost.counts["macs"] == 150 * padded == 1_107_609_600
    few = estimate(made, target, 0.1, steps=150)
    assert few.counts["dense_operations"] == 891_206_400
    assert few.counts["synaptic_operations"] < 891_206_400
