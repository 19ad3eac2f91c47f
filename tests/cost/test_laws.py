"""Laws of converters and read channels: by hand, at the sizes of the macro, inside their range."""

from dataclasses import replace
from math import log

import pytest

from mapper.cost.array_laws import channel_by_law, tree_by_law, write_by_law
from mapper.cost.description import Description
from mapper.cost.description_to_target import described
from mapper.cost.facts import corners_of
from mapper.cost.gates import DELAY_FITS, delay_factor, tree_bits
from mapper.cost.laws import converter_by_law
from mapper.cost.readouts import dearest_write, tree_of
from mapper.cost.scaling import digital_area_factor, digital_energy_factor
from mapper.diagnostics import MappingError
from targets import (
    AdderTreeLaw,
    ChannelLaw,
    ConverterLaw,
    WriteLaw,
    load_target,
    target_from_data,
    target_to_data,
)

SAR = ConverterLaw(law="sar", bits=4, node_nm=28.0, voltage_v=0.9)


def test_a_sar_converter_by_hand():
    adc = converter_by_law(SAR, 64)
    charge = (400 + 0.001 * 256) * 0.81 * 1e-3  # 100 fF a bit, 0.001 fF a level squared
    assert adc.energy_pj.nominal == pytest.approx(charge)
    assert adc.energy_pj.low == pytest.approx(0.57 * charge)
    assert adc.energy_pj.high == pytest.approx(3.9 * charge)
    assert adc.latency_ns.nominal == pytest.approx(4 * (0.00653 * 64 + 0.640))
    assert adc.area_um2.nominal == pytest.approx(10 ** (1.206 - 0.0369 * 4) * 16)


def test_a_sar_converter_of_decisions_by_hand():
    adc = converter_by_law(replace(SAR, law="sar-decisions"), 64)
    comparator = 113 / 1.2**2 * 28 / 90  # fF at 28 nm: 113 fJ at 90 nm and 1.2 V
    charge = (4 * 2 * comparator + 2 * 2**4) * 0.81 * 1e-3
    assert adc.energy_pj.nominal == pytest.approx(charge, rel=1e-3)  # 48.8 fF has three digits
    assert adc.energy_pj.low == pytest.approx(0.65 * adc.energy_pj.nominal)
    old = converter_by_law(SAR, 64)
    assert (adc.latency_ns, adc.area_um2) == (old.latency_ns, old.area_um2)


@pytest.mark.parametrize(
    ("bits", "node", "volts", "measured"),
    [
        (3, 130, 1.8, 1.6),  # NeuRRAM: the low end of the scatter
        (4, 32, 1.0, 0.57 * 0.4003 * 32 / 28),  # FORMS, as SAR_SCATTER has it
        (8, 90, 1.0, 26.3e-6 / 10.24e6 * 1e12),  # Harpe et al., JSSC 2011
        (8, 65, 0.85, 1.79),  # JIA
    ],
)
def test_converters_that_were_measured_are_inside_of_the_scatter(bits, node, volts, measured):
    law = ConverterLaw(law="sar-decisions", bits=bits, node_nm=float(node), voltage_v=volts)
    energy = converter_by_law(law, 64).energy_pj
    assert 0.99 * energy.low <= measured <= energy.high
    assert measured == pytest.approx(energy.nominal, rel=0.36)


def test_a_flash_converter_has_a_comparator_a_level():
    adc = converter_by_law(replace(SAR, law="flash", bits=3, node_nm=65.0, voltage_v=1.0), 64)
    comparator = converter_by_law(replace(SAR, law="flash", bits=2, node_nm=65.0, voltage_v=1.0), 8)
    assert adc.energy_pj.nominal == pytest.approx(7 / 3 * comparator.energy_pj.nominal)
    assert adc.latency_ns.nominal == 1


def test_a_serial_converter_compares_once_a_bit():
    adc = converter_by_law(replace(SAR, law="sar-serial"), 64)
    comparator = 0.0417 * 28 / 65 * (0.9 / 1.1) ** 2  # TIMELY's, C V^2
    register = 0.009 * digital_energy_factor(40, 1.0, 28, 0.9)
    assert adc.energy_pj.nominal == pytest.approx(4 * (comparator + register))
    assert adc.latency_ns.nominal == 4  # a decision a ns
    assert adc.area_um2.nominal == pytest.approx(
        40 * 28 / 65 + 4 * 5.98 * digital_area_factor(40, 28)
    )


def test_a_word_times_one_bit_is_as_wide_as_the_word():
    trees = {
        bits: tree_of(made.components, made.macros[0]).energy_pj.nominal
        for bits in (1, 2, 3)
        for made in [
            described(
                Description(
                    name="mine", node_nm=28.0, voltage_v=0.9, wordlines=32, bitlines=32,
                    cell="digital", readout="word-tree", weight_bits=4, input_bits=6,
                    input_bits_per_read=bits,
                )
            )
        ]
    }  # fmt: skip
    law = AdderTreeLaw(law="adder-tree", order="words", node_nm=28.0, voltage_v=0.9)
    expected = {
        bits: tree_by_law(law, 32, width, multiplied=(4, bits)).energy_pj.nominal
        for bits, width in WIDTHS
    }
    assert trees == pytest.approx(expected)


WIDTHS = ((1, 4), (2, 6), (3, 7))
"""Bits of an input that enter together, and of their product with a word of 4."""


def test_a_product_of_several_bits_has_a_row_of_adders_for_each_but_the_first():
    law = AdderTreeLaw(law="adder-tree", order="words", node_nm=28.0, voltage_v=0.9)
    plain, made = (tree_by_law(law, 32, 8, multiplied=(4, taken)) for taken in (1, 4))
    assert tree_by_law(law, 32, 8, multiplied=(4, 2)) == plain  # a digit of Booth's selects
    adder = 0.03 / 8 * digital_energy_factor(45, 0.9, 28, 0.9)
    # Three rows of 4 bits, whose operands are parities of 1, 2 and 3 products.
    random = 32 * 4 * (1 / 2 + 3 / 4 + 7 / 8)
    more = made.energy_pj.nominal - plain.energy_pj.nominal
    assert more == pytest.approx(random / (1 / 4) * adder)
    assert made.area_um2.nominal - plain.area_um2.nominal == pytest.approx(32 * 3 * 4 * 4.7892)
    assert made.latency_ns.nominal - plain.latency_ns.nominal == pytest.approx(3 * 2 * 0.0478 * 2.4)


def test_a_simulated_converter_has_the_nodes_of_its_table():
    adc = converter_by_law(replace(SAR, law="sar-simulated", node_nm=22.0), 64)
    assert adc.energy_pj.nominal == pytest.approx((0.538 * 4 + 4.375) * 1e-3 * 5)
    with pytest.raises(MappingError, match=r"\[law-range\].*32, 22, .* nm, got 28"):
        converter_by_law(replace(SAR, law="sar-simulated"), 64)


@pytest.mark.parametrize(
    ("law", "rows", "words"),
    [
        (SAR, 4096, r"holds for 1\.\.2304 wordlines, got 4096"),
        (replace(SAR, node_nm=180.0), 64, r"holds for 7\.\.130 nm, got 180"),
    ],
)
def test_a_law_is_refused_outside_of_its_range(law, rows, words):
    with pytest.raises(MappingError, match=words) as error:
        converter_by_law(law, rows)
    assert error.value.diagnostics[0].code == "law-range"


def test_the_amplifier_of_a_read_channel_by_hand():
    law = ChannelLaw(law="regulated", settling_ns=10.0, node_nm=56.0, voltage_v=1.2)
    channel = channel_by_law(law, 128, 5)
    siemens = 0.35e-15 * 2 * 128 * 6 * log(2) / 10e-9  # C (n + 1) ln 2 / t
    assert channel.static_uw.nominal == pytest.approx(2 * siemens * 0.1 * 1.2 * 1e6)
    assert channel.latency_ns.nominal == 10
    assert channel.copies == 1
    both = channel_by_law(replace(law, law="tia"), 128, 5).static_uw.nominal
    alone = channel_by_law(replace(law, law="buffer"), 128, 5)
    assert both == pytest.approx(channel.static_uw.nominal + alone.static_uw.nominal)
    assert alone.copies == 0
    capacitors = 2 * 2**5 * 1e-15 * 2  # of a converter of 5 bits, 2 fF each at 28 nm
    siemens = capacitors * 6 * log(2) / 10e-9
    assert alone.static_uw.nominal == pytest.approx(2 * siemens * 0.1 * 1.2 * 1e6)


def test_a_clamp_works_with_the_current_that_it_mirrors():
    law = ChannelLaw(law="clamp", settling_ns=5.0, node_nm=56.0, voltage_v=1.2)
    channel = channel_by_law(law, 128, 5)
    assert channel.static_uw.high == 0
    assert (channel.copies, channel.samples, channel.latency_ns.nominal) == (1, False, 5)


def test_a_law_follows_the_wordlines_of_the_target():
    """A target of 128 wordlines has slower conversions than one of 64 with the same library."""
    target = load_target("hpadc-sar5-64")
    law = ConverterLaw(law="sar", bits=5, node_nm=65.0, voltage_v=1.1)
    library = replace(target.components, sar_adc=(law,))
    times = []
    for rows in (64, 128):
        macro = replace(target.macros[0], wordlines=rows)
        sized = replace(target, macros=(macro,), components=library)
        times.append(corners_of(sized)[1].readouts[macro.name].ns)
    assert times == pytest.approx([5.2896, 7.3792])


def test_an_oscillator_is_counted_by_hand():
    adc = converter_by_law(replace(SAR, law="cco", bits=6), 64)
    stage, register = 0.7e-3 * 0.81, 0.009 * digital_energy_factor(40, 1.0, 28, 0.9)
    assert adc.energy_pj.nominal == pytest.approx(32 * (5 * stage + 2 * register))
    assert adc.latency_ns.nominal == 64  # 1 ns a count, at full scale


def test_an_adder_tree_by_hand():
    law = AdderTreeLaw(law="adder-tree", order="words", node_nm=28.0, voltage_v=0.9)
    tree = tree_by_law(law, 32, 10)
    assert tree_bits(4, 9) == 2 * 9 + 10
    assert tree_bits(32, 9) == 16 * 9 + 8 * 10 + 4 * 11 + 2 * 12 + 13
    adder = 0.03 / 8 * digital_energy_factor(45, 0.9, 28, 0.9)
    # One bit of each of the 31 adders is a half adder, 2.5 of 6 gates. Operands change as often as
    # parities of 1, 2, 4, 8, 16 products of two random bits; the energy is that of all products 1.
    half = 2.5 / 6
    random = 16 * (9 + half) / 2 + 8 * (10 + half) * 3 / 4 + 4 * (11 + half) * 15 / 16
    random += 2 * (12 + half) * 255 / 256 + (13 + half) * 65535 / 65536
    assert tree.energy_pj.nominal == pytest.approx(random / (1 / 4) * adder)
    full, exclusive, gate = 4.7892, 1.4736, 0.614
    assert tree.area_um2.nominal == pytest.approx(
        (tree_bits(32, 10) - 31) * full + 31 * (exclusive + gate)
    )
    gate, exclusive = 0.0478, 0.0478 * 2.4
    path = gate + 4 * 2 * exclusive + (exclusive + 2 * gate) + (10 + 5 - 1) * 2 * gate
    assert tree.latency_ns.nominal == pytest.approx(path)


def test_a_chain_has_an_adder_in_every_cell():
    law = AdderTreeLaw(law="adder-tree", order="chain", node_nm=65.0, voltage_v=0.8)
    chain = tree_by_law(law, 128, 1)
    adder = 0.03 / 8 * digital_energy_factor(45, 0.9, 65, 0.8)
    # Sums of 8 bits, all inputs 1 as for twice the random ones.
    assert chain.energy_pj.nominal == pytest.approx(128 * 8 / (1 / 2) * adder)
    factor = delay_factor(45, 1.1, 65, 0.8)
    path = 0.096292 + 0.04597 + 128 * 0.127146 + 7 * 0.071099
    assert chain.latency_ns.nominal == pytest.approx(path * factor)


def test_delays_of_gates_by_node_and_supply():
    at_65 = -53.3 * 0.8**3 + 230.4 * 0.8**2 - 333.9 * 0.8 + 178.6
    # The fit at 45 nm rises again beyond 0.949 V: 1.1 V takes what it has there.
    at_45 = -501.6 * 0.949**3 + 1567 * 0.949**2 - 1619 * 0.949 + 566.1
    assert delay_factor(45, 1.1, 65, 0.8) == pytest.approx(at_65 / at_45, rel=1e-4)
    assert delay_factor(45, 1.1, 45, 1.0) == 1
    with pytest.raises(ValueError, match="from 7 to 130 nm, got 180"):
        delay_factor(28, 0.9, 180, 0.9)


@pytest.mark.parametrize("node", sorted(DELAY_FITS))
def test_a_higher_supply_never_slows_a_gate(node):
    supplies = [0.5 + step / 20 for step in range(15)]
    delays = [delay_factor(28, 0.9, node, volts) for volts in supplies]
    assert delays == sorted(delays, reverse=True)
    assert min(delays) > 0


def test_a_shipped_target_of_128_wordlines_has_the_converter_of_128():
    """Beside the same converter of 64 and 32: the library gives its latency by the rows."""
    for rows in (32, 64, 128):
        target = load_target(
            {32: "hpadc-sar5-64", 64: "hpadc-sar5-64", 128: "hpadc-sar5-128"}[rows]
        )
        macro = replace(target.macros[0], wordlines=rows)
        facts = corners_of(replace(target, macros=(macro,)))[1]
        assert facts.readouts[macro.name].ns == pytest.approx(5 * (0.00653 * rows + 0.640))


WRITE = WriteLaw(law="sram", node_nm=56.0, voltage_v=1.2)


def test_writing_a_cell_of_sram_by_hand():
    """At 56 nm a cell adds 2 x 0.7 fF to its bitline, and 1.4 fF of it are on its wordline."""
    made = write_by_law(WRITE, 100, 1)
    charge = (100 + 1) * 1.4e-3 * 1.44  # pF V^2
    assert made.energy_pj.nominal == pytest.approx(charge)
    assert made.energy_pj.low == pytest.approx(0.5 * charge)
    assert made.energy_pj.high == pytest.approx(2 * charge)
    assert made.energy_pj.kind == "law"
    assert made.latency_ns.nominal == 2  # of a word of a buffer
    assert made.endurance is None
    two_bits = write_by_law(WRITE, 100, 2)
    assert two_bits.energy_pj.nominal == pytest.approx(2 * charge)
    deep = write_by_law(replace(WRITE, deep=3), 100, 1)
    assert deep.energy_pj.nominal == pytest.approx(charge * 301 / 101)


def test_writing_is_refused_outside_of_its_range():
    with pytest.raises(MappingError, match=r"\[law-range\].*1\.\.4608 wordlines, got 8192"):
        write_by_law(WRITE, 8192, 1)


def test_a_target_pays_for_writing_at_its_tallest_macro():
    target = load_target("digital-cim-64")
    (macro,) = target.macros
    tall = replace(macro, name="tall", wordlines=128)
    found = dearest_write(target.components, (macro, tall, macro))
    assert found is not None
    assert found.energy_pj.nominal == pytest.approx(129 * 0.7e-3 * 0.81)
    both = replace(target, macros=(macro, tall))
    assert corners_of(both)[1].write.pj == found.energy_pj.nominal
    assert corners_of(both)[1].endurance is None


def test_resistive_cells_are_not_written_as_sram():
    facts = target_to_data(load_target("adcless-64"))
    facts["components"]["write"] = {"law": "sram", "node_nm": 65.0, "voltage_v": 1.1}
    with pytest.raises(MappingError, match="law 'sram' is of SRAM cells, cell is 'resistive'"):
        target_from_data(facts, loc="test")
