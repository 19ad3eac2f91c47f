"""What groups that share a crossbar cost, counted by hand: 16 channels of 3x3 on 4x4 pixels."""

from dataclasses import replace

import pytest

from mapper.cost import Layer, count_layers
from mapper.cost.area import layer_area
from mapper.cost.facts import chip_of, corners_of
from mapper.cost.macro import resistive_energy
from mapper.ir.assignment import Choice
from mapper.pipeline import make_passes, run_passes
from targets import load_preset, load_target
from tests.networks import NetworkBuilder, assigned

PHYSICAL, TARGET = load_preset("physical"), load_target("adcless-64")


def counted(packing: bool) -> Layer:
    net = NetworkBuilder()
    y = net.conv(net.entry(16, 4, 4), 16, groups=16, padding=(1,) * 4)
    graph = assigned(net.graph(net.neuron(y)), conv0=Choice(packing=packing))
    (layer,) = count_layers(run_passes(graph, TARGET, make_passes())[0], TARGET)
    return replace(layer, grid=replace(layer.grid, copies=1))


@pytest.fixture(scope="module")
def both() -> tuple[Layer, Layer]:
    return counted(True), counted(False)


def test_reads_fall_with_crossbars_and_conversions_stay(both):
    """16 positions: 3 crossbars of 64 rows are read, or 16; 16 outputs of 4 slices either way."""
    packed, apart = both
    assert (packed.grid.column_blocks, packed.grid.packed) == (3, 7)
    assert (packed.work.crossbar_reads, apart.work.crossbar_reads) == (48, 256)
    assert packed.work.conversions == apart.work.conversions == 16 * 16 * 4
    assert packed.grid.block_wordlines == 63
    assert packed.grid.block_conversions == 7 * 4


def test_events_of_a_step_in_which_every_input_is_1(both):
    """A window of 3x3 on 4x4 padded pixels has (2 + 3 + 3 + 2)^2 = 100 inputs a channel.

    A wordline passes the other 6 groups of its crossbar, on the last the other one.
    """
    packed, apart = both
    assert packed.full.wordlines == apart.full.wordlines == 1600
    assert packed.full.cells == apart.full.cells == 1600 * 4
    assert packed.full.levels == apart.full.levels
    assert (packed.full.reads, apart.full.reads) == (48, 256)
    assert packed.full.conversions == apart.full.conversions == 1024
    assert (packed.full.crossed, apart.full.crossed) == (14 * 100 * 6 + 2 * 100 * 1, 0)


def test_area_falls_and_cells_that_are_off_take_their_current(both):
    packed, apart = both
    chip, facts = chip_of(TARGET, PHYSICAL, both), corners_of(TARGET, PHYSICAL)[1]
    ratio = layer_area(packed, chip, facts)["cells"] / layer_area(apart, chip, facts)["cells"]
    assert ratio == pytest.approx(3 / 16)
    more = resistive_energy(packed, packed.full, chip, facts)
    more /= resistive_energy(apart, apart.full, chip, facts)
    on = packed.full.levels + packed.full.wordlines / 2  # of weights, and of replica cells
    off = packed.full.cells - packed.full.levels
    leak = facts.off_conductance_us / facts.on_conductance_us
    crossed = packed.full.crossed * 5  # four cells a weight, and one of a replica column
    assert more == pytest.approx((on + (off + crossed) * leak) / (on + off * leak))
