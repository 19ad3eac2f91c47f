"""One die: what the ideal chip's is, and each imperfection of cells by hand on two of them."""

import os
from dataclasses import replace
from statistics import NormalDist
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.diagnostics import MappingError
from mapper.ir.core import IntType, Span, Value
from mapper.ir.counter import hashed
from mapper.ir.crossbar import Placement
from mapper.ir.evaluate import evaluate
from mapper.ir.readout import SenseAmpRead
from mapper.ir.verify import broken_rules
from mapper.kernels import core
from mapper.pipeline import run_passes
from mapper.verify.rings import spike_values
from passes.dies.compiled import drawn_by_kernels
from passes.dies.draws import normal_quantiles
from passes.dies.net import fraction_bits
from passes.dies.sites import sites_of
from passes.draw_die import DrawDie
from targets import list_targets, load_target
from targets.devices import SETTINGS, load_device
from targets.devices.cell import Spread
from targets.devices.circuit import Amplifier
from targets.devices.counts import WireCounts
from targets.devices.fact import Fact
from tests.campaigns import examples
from tests.drawn_dies import EVERYTHING, compiled, device, drawn, with_keys
from tests.networks import float_networks, small_conv_net, spikes
from tests.passes.die_layers import ONE_BIT, PAIR, REPLICA, drawing, facts, layer, reading, z

# --- the ideal device ------------------------------------------------------------------------


@pytest.mark.campaign(10)
@pytest.mark.parametrize("target", list_targets())
def test_the_die_of_an_ideal_device_is_the_compiled_network(target):
    chip, network = load_target(target), small_conv_net()
    graph = compiled(network, chip)
    die = drawn(graph, chip, load_device("ideal"))
    inputs, watch = spikes(network), spike_values(graph)
    expected, found = (evaluate(g, inputs, watch=watch) for g in (graph, die))
    assert all(np.array_equal(found[name], bits) for name, bits in expected.items())


@settings(max_examples=examples(24), deadline=None)
@given(graph=float_networks(), target=st.sampled_from(list_targets()), fraction=st.booleans())
def test_so_it_is_for_random_networks_and_with_fractions_of_a_count(graph, target, fraction):
    """A resistance of wires that changes nothing makes cells of 6 to 8 bits below a count."""
    chip, inputs = load_target(target), spikes(graph)
    nominal = compiled(graph, chip)
    die = drawn(nominal, chip, device(wire__share=1e-12) if fraction else device())
    watch = spike_values(nominal)
    expected, found = (evaluate(g, inputs, watch=watch) for g in (nominal, die))
    assert all(np.array_equal(found[name], bits) for name, bits in expected.items())


@pytest.mark.parametrize("target", ["adcless-64", "adcless-diff-64", "hpadc-sar5-64"])
def test_a_die_differs_and_is_the_same_for_the_same_seed(target):
    chip = load_target(target)
    graph = compiled(small_conv_net(), chip)
    a, again, b = (drawn(graph, chip, device(**_named(EVERYTHING)), seed) for seed in (1, 1, 2))
    assert a == again
    assert a != b
    assert a != graph


def _named(values):
    return {name.replace(".", "__"): number for name, number in values.items()}


def test_an_offset_that_is_smaller_than_half_a_gap_changes_no_bit():
    """Quantiles reach 4.33 sigma: 0.1 counts are 0.43 at most, where half a gap is 0.5."""
    chip, network = load_target("adcless-diff-64"), small_conv_net()
    graph = compiled(network, chip)
    die = drawn(graph, chip, device(amplifier__offset=0.115))
    expected, found = (evaluate(g, spikes(network)) for g in (graph, die))
    assert all(np.array_equal(found[name], bits) for name, bits in expected.items())


# --- two cells, by hand ----------------------------------------------------------------------


def test_a_cell_of_one_bit_is_programmed_with_an_error_of_its_own():
    op = layer(ONE_BIT)
    net = drawing(op, facts(cell__sigma=0.1)).net(np.array([[1], [-1]]))
    expected = [1 + 0.1 * z(1, 5, 0, 0), max(0, 0.1 * z(1, 5, 1, 0))]
    assert net.cells.ravel() == pytest.approx(expected, rel=1e-12)  # of two ways to add


def test_a_pair_is_two_cells_on_neighbouring_bitlines():
    op = layer(PAIR)
    net = drawing(op, facts(cell__sigma=0.1)).net(np.array([[1], [-1]]))
    error = [[0.1 * z(1, 5, row, line) for line in (0, 1)] for row in (0, 1)]
    expected = [1 + error[0][0] - max(0, error[0][1]), max(0, error[1][0]) - 1 - error[1][1]]
    assert net.cells.ravel() == pytest.approx(expected, rel=1e-12)


def test_leakage_is_taken_off_a_constant_reference():
    """On over off of 5 is 0.25 counts of a cell that is off: spread follows what it conducts."""
    op = layer(ONE_BIT)
    plain = drawing(op, facts(cell__on_off=5)).net(np.array([[1], [-1]]))
    assert plain.cells.ravel().tolist() == [1, 0]
    of = facts(cell__on_off=5)
    stays = replace(of, readout=replace(of.readout, leakage="stays"))
    assert drawing(op, stays).net(np.array([[1], [-1]])).cells.ravel().tolist() == [1.25, 0.25]


def test_cells_are_stuck_by_their_site():
    op = layer(ONE_BIT, rows=200)
    net = drawing(op, facts(cell__stuck_on=0.2, cell__stuck_off=0.1)).net(np.full((200, 1), -1))
    key = hashed(hashed(hashed(0, 3), 0), 0)
    drawn_ = [int(hashed(key, 5 << 40 | row << 20)) >> 11 for row in range(200)]
    assert net.cells.ravel().tolist() == [float(word * 2.0**-53 < 0.2) for word in drawn_]
    on = drawing(op, facts(cell__stuck_on=0.2, cell__stuck_off=0.1)).net(np.full((200, 1), 1))
    assert on.cells.ravel().tolist() == [float(word * 2.0**-53 < 0.9) for word in drawn_]


def test_a_cell_drifts_with_an_exponent_of_its_own():
    op = layer(ONE_BIT)
    of = facts(age=1000.0, cell__nu=0.1, cell__nu_sigma=0.02)
    net = drawing(op, of).net(np.array([[1], [1]]))
    expected = [1000 ** -(0.1 + 0.02 * z(4, 5, row, 0)) for row in (0, 1)]
    assert net.cells.ravel() == pytest.approx(expected, abs=2**-20)  # the unit of the table


def test_half_of_a_replica_pair_is_taken_from_a_cell_with_a_half_active_reference():
    op = layer(ONE_BIT)
    active = Value("n", IntType(2, signed=False), (1, 1, 1))
    of = facts(cell__sigma=0.1)
    of = replace(of, readout=replace(of.readout, replica="cells"))
    net = drawing(op, of, reading(op, active=active)).net(np.array([[1], [-1]]))
    for row, level in ((0, 1), (1, 0)):
        cell = max(0, level + 0.1 * z(1, 5, row, 0))
        half = (1 + 0.1 * z(2, 5, row, REPLICA) + max(0, 0.1 * z(2, 5, row, REPLICA + 1))) / 2
        assert net.cells[0, 0, row, 0] == pytest.approx(cell - half, rel=1e-12)


def test_a_cell_behind_one_segment_of_wire_divides_the_voltage():
    """One row: current g / (1 + g r) for a conductance of 1 count and segments of 0.05."""
    op = layer(ONE_BIT, rows=1)
    of = replace(facts(), wire=WireCounts(share=0.05, supply="gates"))
    net = drawing(op, of, activity=np.array([[0.5]])).net(np.array([[1]]))
    assert net.cells.item() == pytest.approx(1 / 1.05, abs=2e-4)  # of halving 12 times
    assert net.constant.item() == 0


def test_two_rows_lose_what_their_common_segment_drops():
    """Tangent of both rows at half activity, from the two node equations solved by hand.

    Rows 0 and 1 (at the sense end), segments r = 0.02. With row i driven and the other at half:
    the common segment carries both, so the constant gives back what each was charged for twice.
    """
    r, op = 0.02, layer(ONE_BIT, rows=2)
    of = replace(facts(), wire=WireCounts(share=r, supply="gates"))
    net = drawing(op, of, activity=np.full((1, 2), 0.5)).net(np.array([[1], [1]]))
    exact = {}
    for driven in ((0, 0), (1, 0), (0, 1), (1, 1)):
        a = np.array([[1 / r + driven[0], -1 / r], [-1 / r, 2 / r + driven[1]]])
        exact[driven] = np.linalg.solve(a, np.array(driven, float))[1] / r
    for driven, current in exact.items():
        found = np.dot(driven, net.cells.ravel()) + net.constant.item()
        assert found == pytest.approx(current, abs=0.011)  # second order: r / 2
    assert exact[1, 1] == pytest.approx(
        1.9, abs=0.02
    )  # and ignoring wires is off by ten times that


def test_rows_that_lie_elsewhere_lose_what_their_wordlines_lose():
    """Three rows turned round are three other rows in order, each on the wordline that it has."""
    op = layer(PAIR, rows=3, outputs=2)
    of = replace(facts(), wire=WireCounts(share=0.05, supply="rows"))
    weight, activity = np.array([[1, -1], [0, 1], [1, 1]]), np.array([[0.9, 0.1, 0.4]])
    lines = np.array([[[2, 0, 1]]])  # row 0 at the sense end
    held = [1, 2, 0]  # which row each wordline has
    placed = replace(drawing(op, of, activity=activity), sites=sites_of(op, lines=lines))
    found = placed.net(weight)
    there = drawing(op, of, activity=activity[:, held]).net(weight[held])
    assert np.array_equal(found.cells[..., held, :], there.cells)
    assert np.array_equal(found.constant, there.constant)
    assert not np.array_equal(found.cells, drawing(op, of, activity=activity).net(weight).cells)


def test_the_fraction_keeps_sums_of_a_tall_block_within_16_bits():
    for rows, bits in ((64, 8), (65, 7), (128, 7), (256, 6), (4096, 6)):
        assert fraction_bits(layer(ONE_BIT, rows=rows)) == bits


def test_quantiles_are_those_of_the_normal_distribution():
    exact = NormalDist()
    table = normal_quantiles()
    assert len(table) == 65536
    assert (table == -table[::-1]).all()
    for j in (0, 1, 20000, 32768, 50000, 65535):
        assert table[j] == pytest.approx(exact.inv_cdf((j + 0.5) / 65536), rel=1e-14)


# --- where faults are, and refusals -------------------------------------------------------------


def test_faults_stay_with_the_slot_and_programming_is_drawn_by_round():
    first, second = (
        drawing(layer(ONE_BIT, placement=Placement(macro="m", round=r, slots=Span(5, 6))), of)
        for r, of in ((0, facts(cell__sigma=0.1)), (1, facts(cell__sigma=0.1)))
    )
    weight = np.array([[1], [1]])
    assert (first.net(weight).cells != second.net(weight).cells).all()
    rows = {"rows": 500}
    stuck = [
        drawing(
            layer(ONE_BIT, **rows, placement=Placement(macro="m", round=r, slots=Span(5, 6))),
            facts(cell__stuck_on=0.1),
        )
        for r in (0, 1)
    ]
    weight = np.full((500, 1), -1)
    assert np.array_equal(stuck[0].net(weight).cells, stuck[1].net(weight).cells)


def test_row_blocks_that_take_turns_are_below_each_other_in_one_crossbar():
    op = layer(ONE_BIT, rows=4)
    op = replace(op, rows=(Span(0, 2), Span(2, 4)), turns=2)
    found = sites_of(op)
    assert found.wordline.tolist() == [0, 1, 2, 3]
    assert set(found.slot.ravel().tolist()) == {5}
    alone = sites_of(replace(op, turns=1, placement=replace(op.placement, slots=Span(5, 7))))
    assert alone.wordline.tolist() == [0, 1, 0, 1]
    assert alone.slot.ravel().tolist() == [5, 6]


def test_wires_need_to_know_what_is_driven():
    chip = load_target("adcless-64")
    graph = compiled(small_conv_net(), chip)
    with pytest.raises(MappingError, match="die-activity") as refused:
        run_passes(graph, chip.with_device(device(wire__share=1e-4)), [DrawDie()])
    assert "--set wire.share=0" in str(refused.value)


def test_a_target_without_a_device_has_no_dies():
    chip = load_target("adcless-64")
    bare = replace(chip, macros=tuple(replace(macro, device=None) for macro in chip.macros))
    with pytest.raises(MappingError, match=r"no-device.*macro 'sense-amp-64'"):
        run_passes(compiled(small_conv_net(), chip), bare, [DrawDie()])


def test_what_sites_cannot_tell_apart_is_refused():
    op = layer(ONE_BIT, placement=Placement(macro="m", slots=Span(1 << 24, (1 << 24) + 1)))
    with pytest.raises(MappingError, match=r"die-too-large.*\n?.*16777217 crossbars"):
        sites_of(op)


def test_read_noise_asks_for_a_key():
    chip, network = load_target("adcless-diff-64"), small_conv_net()
    die = drawn(compiled(network, chip), chip, device(amplifier__noise=0.5))
    assert [str(value) for value in die.inputs][-1] == "%read_key: u62[]"
    inputs = spikes(network)
    one, other = (evaluate(die, with_keys(die, inputs, seed)) for seed in (0, 1))
    assert any((one[name] != other[name]).any() for name in one)


def test_noise_of_sigma_0_changes_nothing():
    chip, network = load_target("adcless-diff-64"), small_conv_net()
    graph = compiled(network, chip)
    die = drawn(graph, chip, device(amplifier__noise=1e-9))
    inputs = spikes(network)
    expected, found = evaluate(graph, inputs), evaluate(die, with_keys(die, inputs))
    assert all(np.array_equal(found[name], bits) for name, bits in expected.items())


# --- the kernels -------------------------------------------------------------------------------


@pytest.mark.skipif(bool(core.unavailable()), reason=core.unavailable())
@settings(max_examples=examples(24), deadline=None)
@given(
    network=float_networks(),
    target=st.sampled_from(list_targets()),
    of=st.fixed_dictionaries(
        {},
        optional={
            name: st.just(value)
            for name, value in {**EVERYTHING, "cell.nu": 0.05, "cell.nu_sigma": 0.02}.items()
            if name != "wire.share"
        },
    ),
    replica=st.sampled_from(["cells", "dac"]),
    variant=st.sampled_from([core.VARIANTS[level] for level in core.supported_levels()] or [""]),
)
def test_kernels_draw_the_cells_that_numpy_does(network, target, of, replica, variant):
    chip = load_target(target)
    graph = compiled(network, chip)
    made = device(**_named(of))
    made = replace(made, replica=replace(made.replica, kind=replica))
    with patch.dict(os.environ, {core.VARIANT_VARIABLE: variant}):
        fast = drawn(graph, chip, made, seed=5, age=1e4)
    with patch("passes.dies.net.drawn_by_kernels", lambda *args: None):
        slow = drawn(graph, chip, made, seed=5, age=1e4)
    assert fast == slow


@pytest.mark.skipif(bool(core.unavailable()), reason=core.unavailable())
def test_kernels_refuse_digits_that_are_no_levels():
    op, of = layer(ONE_BIT), facts()
    wrong = np.full((1, 2, 1), 2, np.int16)
    found = drawn_by_kernels(op, of.cell, sites_of(op), 0, wrong, np.zeros(1), 8)
    assert found is None


@pytest.mark.parametrize(
    ("spread", "amplifier", "said"),
    [
        ({"log_sigma": 10.0}, {}, "cells of device 'ideal' reach"),
        ({"step_share": 1.0}, {"offset_counts": 1e4, "mv_per_count": 1.0}, ""),
        ({}, {"offset_mv": 1e4, "mv_per_count": 1e-3}, "offsets of device 'ideal' reach 4.325e+07"),
        (
            {},
            {"read_noise_mv": 1e4, "mv_per_count": 1e-3},
            "reads of device 'ideal' reach 4.325e+07",
        ),
    ],
)
def test_counts_past_what_a_die_holds_are_refused(spread, amplifier, said):
    """The widest draw is 4.325 sigmas: 1e4 mV of 1e-3 mV a count are 4.3e7 counts."""
    chip, made = load_target("adcless-diff-64"), load_device("ideal")
    held = Amplifier(**{k: Fact(value=v, source="x") for k, v in amplifier.items()})
    cell = replace(made.cell, spread=(Spread(source="x", **spread),) if spread else ())
    made = replace(made, cell=cell, amplifier=held)
    graph = compiled(small_conv_net(), chip)
    if not said:
        assert drawn(graph, chip, made).constants
        return
    with pytest.raises(MappingError, match="die-range") as refused:
        drawn(graph, chip, made)
    assert said in str(refused.value)
    assert "counts in macro 'sense-amp-64', a die holds " in str(refused.value)


def test_references_of_other_copies_than_the_crossbars_have_are_an_invalid_graph():
    chip = load_target("adcless-diff-64")
    die = drawn(compiled(small_conv_net(), chip), chip, device(amplifier__offset=0.5))
    first = next(op for op in die.ops if isinstance(op, SenseAmpRead))
    name, copies = first.thresholds.name, first.copies(die.constants)
    assert copies > 1
    table = np.repeat(die.constants[name], 2, axis=1)
    wrong = replace(die, constants={**die.constants, name: table})
    problem = f"%{first.result.name} has references of {2 * copies} copies, its crossbars {copies}"
    assert problem in broken_rules(wrong)


@pytest.mark.parametrize(("name", "what"), [("wire.share", "wires"), ("cell.read_noise", "noise")])
def test_what_asks_for_recordings_can_be_left_out_as_its_refusal_says(name, what):
    chip = load_target("adcless-64").with_device(device(**_named({name: 1e-3})))
    graph = compiled(small_conv_net(), chip)
    with pytest.raises(MappingError, match=rf"die-activity.*{what}") as refused:
        run_passes(graph, chip, [DrawDie()])
    assert f"--set {name}=0" in str(refused.value)
    assert name in SETTINGS
    without = chip.macros[0].device.with_set({name: 0.0})
    assert run_passes(graph, chip.with_device(without), [DrawDie()])
