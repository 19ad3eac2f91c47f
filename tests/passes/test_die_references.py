"""References, converters and noise of a die, by hand on two cells."""

from dataclasses import replace

import numpy as np
import pytest

from mapper.ir.core import IntType, Value
from mapper.ir.counter import hashed
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.readout import AdcRead, ShiftAndAdd, exact_read
from passes.dies.references import converted_on_die, exact_on_die, noise_sigma, sensed_on_die
from targets import load_target
from targets.devices.counts import WireCounts
from tests.drawn_dies import compiled, device, drawn
from tests.networks import NetworkBuilder, small_conv_net
from tests.passes.die_layers import ONE_BIT, PAIR, REPLICA, drawing, facts, layer, reading, z


def test_a_reference_lies_half_a_count_below_the_sum_that_it_tells_and_has_an_offset():
    op = layer(PAIR)
    one = drawing(op, facts(amplifier__offset=0.5))
    net = one.net(np.array([[1], [1]]))
    table = {"t": np.array([2]).reshape(1, 1, 1, 1)}
    die = sensed_on_die(reading(op), one, net.constant, 1, table, 8)
    expected = np.ceil(256 * (2 - 0.5 + 0.5 * z(3, 5, 0, 0)))
    assert die.constants["codes.references"].ravel().tolist() == [expected]
    assert die.op.active is None


def test_a_half_active_reference_lies_a_quarter_below():
    op = layer(ONE_BIT)
    active = Value("n", IntType(2, signed=False), (1, 1, 1))
    read = reading(op, active=active)
    one = drawing(op, facts(), read)
    net = one.net(np.array([[1], [1]]))
    die = sensed_on_die(read, one, net.constant, 1, {"t": np.array([2]).reshape(1, 1, 1, 1)}, 2)
    assert die.constants["codes.references"].item() == 4 * 2 - 1
    assert net.cells.ravel().tolist() == [0.5, 0.5]


def test_columns_that_share_a_readout_share_its_offset():
    op = layer(PAIR, outputs=4)
    one = drawing(op, facts(amplifier__offset=0.5))
    net = one.net(np.ones((2, 4), int))
    table = {"t": np.zeros((1, 1, 1, 1), int)}
    each, shared = (
        sensed_on_die(reading(op), one, net.constant, columns, table, 8).constants[
            "codes.references"
        ]
        for columns in (1, 2)
    )
    assert len(set(each.ravel().tolist())) == 4
    assert shared[0, 0, 0, 0] == shared[0, 0, 0, 1] != shared[0, 0, 0, 2] == shared[0, 0, 0, 3]


def test_an_adc_has_offset_and_gain_and_decodes_as_if_it_had_not():
    op = layer(PAIR)
    codes = replace(op.partial_sum, name="codes")
    read = AdcRead(
        kind="sar", bits=3, partial_sum=op.partial_sum, first=-2, step=2, base=-3, result=codes
    )
    one = drawing(op, facts(amplifier__offset=0.5, amplifier__gain=0.05), read)
    die = converted_on_die(read, one, one.net(np.ones((2, 1), int)).constant, 1, {}, 8)
    first, width = (die.constants[f"codes.{name}"].item() for name in ("first", "width"))
    assert first == np.ceil(256 * (-2.5 + 0.5 * z(3, 5, 0, 0)))
    assert width == np.rint(256 * 2 * (1 + 0.05 * z(5, 5, 0, 0)))
    assert (die.op.step, die.op.base) == (2, -3)


@pytest.mark.parametrize("f", [1, 8])
def test_an_ideal_converter_gives_the_nearest_whole_count(f):
    op = layer(PAIR)
    read = exact_read("ideal", op.partial_sum, -2, 2, replace(op.partial_sum, name="codes"))
    one = drawing(op, facts(), read)
    cells = np.array([300 << f, -7 << f]).reshape(1, 1, 2, 1)
    net = one.net(np.ones((2, 1), int))
    die = exact_on_die(read, one, net.constant, cells, 0.0, f).op
    sums = np.array([-7, 0, 123, 300]) << f
    sums = np.concatenate([sums, sums + (1 << (f - 1)) - 1])  # and almost half a count above
    (found,) = die.evaluate({}, sums.reshape(1, 1, 1, 1, -1))
    assert (found.ravel() == np.tile([-7, 0, 123, 300], 2)).all()


def test_sums_of_one_row_are_a_code_no_more_once_their_cells_are_not_whole():
    """On ideal-128 bit-slices of one row make a code: 1 bit each, 1, 2, 4 and -8."""
    net = NetworkBuilder()
    net.output(net.neuron(net.dense(net.entry(1), 3)))
    network, chip = net.graph(), load_target("ideal-128")
    nominal = compiled(network, chip)
    die = drawn(nominal, chip, device(cell__sigma=0.1))
    merged = [[op.merged for op in g.ops if isinstance(op, ShiftAndAdd)] for g in (nominal, die)]
    assert merged == [[True], [False]]


def test_an_ideal_converter_counts_what_a_column_has_whatever_is_driven():
    """A cell of 1.25 counts and a constant of 0.3 are 1.55: 2; nothing driven is 0.3: 0."""
    op = layer(PAIR, rows=1)
    read = exact_read("ideal", op.partial_sum, -1, 1, replace(op.partial_sum, name="codes"))
    cells, constant = np.full((1, 1, 1, 1), 320), np.full((1, 1, 1, 1), 0.3)
    die = exact_on_die(read, drawing(op, facts(), read), constant, cells, 0.0, 8).op
    (found,) = die.evaluate({}, np.array([0, 320]).reshape(1, 1, 1, 1, 2))
    assert found.ravel().tolist() == [0, 2]


def test_an_ideal_converter_is_wide_enough_for_noise():
    """One cell of a count and noise of half a count: quantiles reach 4.33 sigma, 2.16 counts."""
    op = layer(PAIR, rows=1)
    read = exact_read("ideal", op.partial_sum, -1, 1, replace(op.partial_sum, name="codes"))
    cells, constant = np.full((1, 1, 1, 1), 256), np.zeros((1, 1, 1, 1))
    one = drawing(op, facts(), read)
    die = exact_on_die(read, one, constant, cells, 0.5, 8).op
    (found,) = die.evaluate({}, np.array([-554, 810]).reshape(1, 1, 1, 1, 2))  # -2.16, 1 + 2.16
    assert found.ravel().tolist() == [-2, 3]


def test_the_gain_of_an_adc_is_kept_where_cells_are_whole_counts():
    """A step of one count that is a few hundredths wider is no whole number of counts."""
    chip = load_target("hpadc-sar5-64")
    die = drawn(compiled(small_conv_net(), chip), chip, device(amplifier__gain=0.05))
    reads = [op for op in die.ops if isinstance(op, AdcRead)]
    layers = [op for op in die.ops if isinstance(op, CrossbarMvm)]
    widths = [
        die.constants[r.width.name] / (1 << m.fraction) for r, m in zip(reads, layers, strict=True)
    ]
    share = np.concatenate([w.ravel() for w in widths])
    assert (share % 1 != 0).mean() > 0.9
    assert share.std() / share.mean() == pytest.approx(0.05, rel=0.3)


def test_noise_of_cells_adds_up_over_those_that_are_driven():
    """Of 64 rows, half of them driven, cells with a noise of 0.1 counts: sqrt(32) tenths."""
    op = layer(ONE_BIT, rows=64)
    of = facts(amplifier__noise=0.3)
    of = replace(of, cell=replace(of.cell, read_noise=(0.0, 0.1)))
    one = drawing(op, of, activity=np.full((1, 64), 0.5))
    sigma = noise_sigma(one, np.ones((64, 1), int))
    assert sigma == pytest.approx(np.sqrt(0.3**2 + 32 * 0.01), rel=1e-12)


def test_replica_cells_are_read_with_noise_too():
    """32 of 64 rows driven, 0.1 counts of cells that are on: a quarter more for half a replica."""
    op = layer(ONE_BIT, rows=64)
    of = facts()
    of = replace(of, readout=replace(of.readout, replica="cells"))
    of = replace(of, cell=replace(of.cell, read_noise=(0.0, 0.1)))
    read = reading(op, active=Value("n", IntType(7, signed=False), (1, 1, 1)))
    one = drawing(op, of, read, activity=np.full((1, 64), 0.5))
    assert noise_sigma(one, np.ones((64, 1), int)) == pytest.approx(np.sqrt(32 * 0.0125), rel=1e-12)


def test_a_wordline_that_carries_more_has_more_noise_of_its_cell():
    """Digits 1, 2, 3 equally likely: mean 2, mean square 14 / 3."""
    op = layer(ONE_BIT, rows=1, x=Value("x", IntType(2, signed=False), (1,)), plane_bits=2)
    of = facts()
    of = replace(of, cell=replace(of.cell, read_noise=(0.0, 0.1)))
    one = drawing(op, of, activity=np.full((1, 1), 2.0))
    assert noise_sigma(one, np.ones((1, 1), int)) == pytest.approx(0.1 * np.sqrt(14 / 3), rel=1e-12)


def test_a_replica_cell_has_faults_of_its_own():
    """Stuck on with the site of its own bitline, not with that of the weight on bitline 0."""
    op = layer(ONE_BIT, rows=200)
    of = facts(cell__stuck_on=0.3)
    of = replace(of, readout=replace(of.readout, replica="cells"))
    read = reading(op, active=Value("n", IntType(8, signed=False), (1, 1, 1)))
    net = drawing(op, of, read).net(np.full((200, 1), -1))
    key = hashed(hashed(hashed(0, 3), 0), 0)
    stuck = {
        line: np.array([int(hashed(key, 5 << 40 | k << 20 | line)) >> 11 for k in range(200)])
        * 2.0**-53
        < 0.3
        for line in (0, REPLICA + 1)
    }
    off_replica = np.where(stuck[REPLICA + 1], 1, 0)
    expected = np.where(stuck[0], 1, 0) - (1 + off_replica) / 2
    assert net.cells.ravel().tolist() == expected.tolist()


def test_age_takes_nothing_from_the_resistance_of_wires():
    """A cell that fell to 0.8 counts: 0.8 / (1 + 0.8 r), with r of a count as programmed."""
    op = layer(ONE_BIT, rows=1)
    of = replace(facts(), wire=WireCounts(share=0.05, supply="gates"))
    of = replace(of, cell=replace(of.cell, level=(0.0, 0.8)))
    net = drawing(op, of, activity=np.array([[0.5]])).net(np.array([[1]]))
    assert net.cells.item() == pytest.approx(0.8 / 1.04, abs=2e-4)  # of halving 12 times
