"""Area of published macros, part by part."""

from dataclasses import replace

import pytest

from benchmarks.macro_area import MODELLED_SHARES, area_parts, area_um2, dac_bit_um2
from benchmarks.macro_model import (
    tree_bits,
)
from benchmarks.macro_parts import logic_list
from mapper.cost.scaling import digital_area_factor
from targets import load_parts
from tests.benchmarks.macros import CHIPS, DIGITAL, JIA


def test_area_of_a_charge_domain_macro_by_hand():
    parts = area_parts(JIA)
    cells = 2304 * 256
    assert logic_list(65) == "nangate-45nm"  # 65 / 45 is less than 65 / 28
    assert parts["cells"] == pytest.approx(cells * 0.32 * digital_area_factor(28, 65))
    assert parts["multipliers"] == pytest.approx(cells * 0.57 * 1.4 / 0.66)
    assert parts["capacitors"] == pytest.approx(cells * 2.0 / 1.7)  # one of 2 fF a cell
    converter = 10 ** (1.206 - 0.0369 * 8) * 2**8 * 65 / 28
    assert parts["converters"] == pytest.approx(256 * converter)
    assert parts["inputs"] == pytest.approx(2304 * 3.23 * 1.4 / 0.66)  # a register a row
    assert area_um2(JIA) == pytest.approx(sum(parts.values()))


def test_area_of_adders_in_cells_by_hand():
    colonnade = CHIPS["COLONNADE"].informed
    parts = area_parts(colonnade)
    cell = 0.5493 + (3.04 + 2 * 1.33 + 1.14) * 1.4 / 0.66  # adder, two multiplexers, an XNOR
    assert parts["cells"] == pytest.approx(128 * 128 * cell)
    assert parts["multipliers"] == 0  # the XNOR is one
    summed = 16 * (1 + 1 + 7)  # accumulators of 1 + 1 + log2(128) bits
    assert parts["adders"] == pytest.approx(summed * 3.04 * 1.4 / 0.66)
    assert parts["registers"] == pytest.approx((2048 + summed) * 3.23 * 1.4 / 0.66)
    assert area_um2(colonnade) == pytest.approx(sum(parts.values()) / 0.964)


def test_area_of_a_flash_converter_by_hand():
    parts = area_parts(CHIPS["SINANGIL"].informed)
    assert parts["converters"] == pytest.approx(16 * 15 * 40 * 7 / 65)
    assert parts["inputs"] == pytest.approx(64 * 4 * 496 / 32 * digital_area_factor(40, 7))
    assert parts["capacitors"] == pytest.approx(16 * 16 / 1.7)
    assert parts["cells"] == 800


def test_area_of_adder_trees_by_hand():
    full, exclusive, gate = 4.7892, 1.4736, 0.614
    tree = (tree_bits(32, 10) - 31) * full + 31 * (exclusive + gate)
    assert area_parts(DIGITAL)["adders"] == pytest.approx(6 * (tree + 21 * full))
    # At 65 nm a half adder is a cell of its own, 1.9 um x 1.4 um at 45 nm.
    tree = (tree_bits(32, 10) - 31) * 3.04 * 1.4 + 31 * 1.9 * 1.4
    wide = area_parts(replace(DIGITAL, node_nm=65))["adders"]
    assert wide == pytest.approx(6 * (tree + 21 * 3.04 * 1.4) / 0.66)


def test_control_and_drivers_have_the_share_that_two_papers_give_them():
    parts = sum(area_parts(DIGITAL).values())
    assert area_um2(DIGITAL) == pytest.approx(parts / ((0.89 + 0.964) / 2))
    assert area_um2(replace(DIGITAL, modelled_share=1.0)) == pytest.approx(parts)
    published = {name: CHIPS[name].informed.modelled_share for name in ("WANG", "COLONNADE")}
    assert tuple(published.values()) == MODELLED_SHARES
    for chip in CHIPS.values():  # a published share is of that chip; else it is a sum of parts
        assert chip.blind.modelled_share == (1.0 if chip.id in ("JIA", "SINANGIL") else None)
        assert chip.informed.modelled_share == published.get(chip.id, chip.blind.modelled_share)


def test_area_of_input_converters_by_hand():
    assert dac_bit_um2() == pytest.approx(50 / 1.7)
    registers = 1024 * 7 * 3.684 * digital_area_factor(28, 22)
    parts = area_parts(CHIPS["AIMC1"].informed)
    assert parts["inputs"] == pytest.approx(registers + 1024 * 7 * 50 / 1.7)
    wang = CHIPS["WANG"]
    more = area_parts(wang.informed)["inputs"] - area_parts(wang.blind)["inputs"]
    assert more == pytest.approx(64 * 8 * 50 / 1.7)  # a second converter a row


def test_input_converters_beside_published_ones():
    """Of two other designs, neither of which gave the 50 fF or the density of capacitors."""
    to_time = load_parts("timely-65nm").part("dtc-8b").area_um2.nominal / 8
    wang = 0.30 * 124_000 / (128 * 8)  # its share of the area, by two converters a row
    assert dac_bit_um2() == pytest.approx(to_time, rel=0.03)
    assert dac_bit_um2() == pytest.approx(wang, rel=0.20)


def test_area_grows_with_cells_and_converters():
    assert area_um2(JIA) < area_um2(replace(JIA, rows=4608))
    assert area_um2(JIA) < area_um2(replace(JIA, converter_bits=9))
