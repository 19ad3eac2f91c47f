"""What reaches a layer beside its input: moved, written, read and stored, counted by hand."""

from dataclasses import replace

import numpy as np
import pytest

from mapper.cost import count_layers
from mapper.cost.actions import activity_of_density
from mapper.cost.area import layer_area
from mapper.cost.energy import layer_energy
from mapper.cost.facts import chip_of, corners_of
from mapper.cost.timing import clock_of, layer_stages
from mapper.cost.units import words_of
from mapper.ir.core import Graph, Span, Value
from mapper.ir.crossbar import CrossbarMvm, Placement
from mapper.ir.windows import Window
from targets import load_preset, load_target
from tests.builders import Builder, sense_amp

CHANNELS, SIDE = 4, 3
SPIKES = CHANNELS * SIDE * SIDE
"""Of every layer here, and of the input."""
TARGET = load_target("adcless-64")
PHYSICAL = load_preset("physical")


class Net(Builder):
    """Layers of 4 channels of 3x3 pixels, each a crossbar on a tile of its own."""

    def sums(self, x: Value) -> Value:
        weight = np.ones((x.shape[0], CHANNELS), np.int64)
        return self.crossbars(x, weight, sense_amp(1), window=Window(kernel=(1, 1)))

    def fire(self, x: Value) -> Value:
        return self.integer_neurons(x, threshold=2)

    def layer(self, x: Value) -> Value:
        return self.fire(self.sums(x))

    def placed(self, *outputs: Value) -> Graph:
        """Give the layers the tiles of the first row, one after the other."""
        graph, ops, tile = self.graph(*outputs), [], 0
        for op in graph.ops:
            if isinstance(op, CrossbarMvm):
                slot = Span(16 * tile, 16 * tile + 1)
                placement = Placement(macro="sense-amp-64", slots=slot, stage=tile)
                op, tile = replace(op, placement=placement), tile + 1
            ops.append(op)
        return replace(graph, ops=tuple(ops))


def counted(graph: Graph):
    layers = count_layers(graph, TARGET)
    return [
        (
            layer.work.skip_write_bits,
            layer.work.skip_read_bits,
            layer.work.skip_hop_bits,
            layer.skip_stored_bits,
        )
        for layer in layers
    ]


NONE = (0, 0, 0, 0)


def residual() -> Graph:
    net = Net()
    a = net.layer(net.input("x", (CHANNELS, SIDE, SIDE)))
    b = net.layer(a)
    return net.placed(net.fire(net.scaled_add([net.sums(b), a], [1, 1])))


def test_a_residual_operand_is_moved_written_read_and_kept():
    # From the first tile to the third, two hops. While the third layer works on a time step, the
    # first works on the step after the next: three are there.
    assert counted(residual()) == [NONE, NONE, (SPIKES, SPIKES, 2 * SPIKES, 3 * SPIKES)]


def test_a_chain_has_nothing_beside_its_inputs():
    net = Net()
    x = net.input("x", (CHANNELS, SIDE, SIDE))
    assert counted(net.placed(net.layer(net.layer(net.layer(x))))) == [NONE] * 3


def test_the_input_of_a_layer_that_it_also_adds_is_read_once_more():
    net = Net()
    a = net.layer(net.input("x", (CHANNELS, SIDE, SIDE)))
    out = net.fire(net.scaled_add([net.sums(a), a], [1, 1]))
    assert counted(net.placed(out)) == [NONE, (0, SPIKES, 0, 0)]


def test_an_input_of_several_depths_waits_for_the_deepest():
    net = Net()
    a = net.layer(net.input("x", (CHANNELS, SIDE, SIDE)))
    b = net.layer(net.layer(a))
    # Every input has two time steps of room. The first layer is three stages ahead: two more.
    found = counted(net.placed(net.layer(net.concat(b, a))))
    assert found == [NONE, NONE, NONE, (0, 0, 0, 2 * SPIKES)]


def test_a_network_input_that_is_added_later_waits_from_before_the_first_layer():
    net = Net()
    x = net.input("x", (CHANNELS, SIDE, SIDE))
    b = net.sums(net.layer(x))
    # Into the second tile: 1 hop to the corner of the chip, 1 more. Two layers ahead: three steps.
    found = counted(net.placed(net.fire(net.scaled_add([b, x], [1, 1]))))
    assert found == [NONE, (SPIKES, SPIKES, 2 * SPIKES, 3 * SPIKES)]


def test_merged_spikes_meet_at_the_later_layer():
    net = Net()
    a = net.layer(net.input("x", (CHANNELS, SIDE, SIDE)))
    found = counted(net.placed(net.layer(net.merge("or", a, net.layer(a)))))
    # The second layer has them as its input already.
    assert found == [NONE, (0, SPIKES, 0, 0), NONE]


def test_a_pool_of_spikes_passes_on_what_is_left_of_them():
    net = Net()
    x = net.input("x", (CHANNELS, SIDE + 1, SIDE + 1))
    a = net.layer(x)
    pooled = net.max_pool2d(a, Window(kernel=(2, 2), stride=(2, 2)))
    b = net.layer(net.layer(pooled))
    left = CHANNELS * 2 * 2
    found = counted(net.placed(net.fire(net.scaled_add([net.sums(b), pooled], [1, 1]))))
    assert found == [NONE, NONE, NONE, (left, left, 3 * left, 4 * left)]


def test_what_is_kept_and_moved_is_paid_for():
    layers = count_layers(residual(), TARGET)
    last = layers[2]
    bare = replace(
        last,
        skip_stored_bits=0,
        work=replace(last.work, skip_write_bits=0, skip_read_bits=0, skip_hop_bits=0),
    )
    chip, facts = chip_of(TARGET, PHYSICAL, layers), corners_of(TARGET, PHYSICAL)[1]
    # One word of 256 bits is written; each of nine positions reads one of its own.
    assert (words_of(last, chip).written, words_of(bare, chip).written) == (2, 1)
    assert (words_of(last, chip).read, words_of(bare, chip).read) == (18, 9)
    activity = activity_of_density((last,), 0.5, 1)

    def energy(layer):
        return layer_energy(layer, activity.events[0], activity, chip, facts, 1.0)

    moved = {name: value - energy(bare)[name] for name, value in energy(last).items()}
    assert {name for name, value in moved.items() if value} == {
        "buffer_read",
        "buffer_write",
        "hop",
    }
    assert moved["buffer_read"] == pytest.approx(9 * 256 * facts.buffer_read.pj)
    assert moved["buffer_write"] == pytest.approx(256 * facts.buffer_write.pj)
    assert moved["hop"] == pytest.approx(2 * SPIKES * facts.hop.pj)
    memory = [layer_area(layer, chip, facts)["memory"] for layer in (last, bare)]
    assert memory[0] - memory[1] == pytest.approx(3 * SPIKES * facts.buffer_read.um2)
    clock = clock_of(layers, chip, facts)
    loads = [layer_stages(layer, chip, facts, clock)["load"] for layer in (last, bare)]
    assert loads == [9 * 2 * clock.load, 9 * clock.load]
    # The reference has no such buffer.
    paper = replace(chip, shared_units=False)
    assert layer_area(last, paper, facts) == layer_area(bare, paper, facts)
    both = [layer_energy(x, activity.events[0], activity, paper, facts, 1.0) for x in (last, bare)]
    assert both[0] == both[1]
