"""The component library repeats published numbers; here is the arithmetic between the two."""

import pytest

from mapper.cost.sensitivity import intervals
from mapper.diagnostics import MappingError
from targets import (
    Interval,
    list_libraries,
    list_parts,
    load_parts,
    load_target,
    target_from_data,
    target_to_data,
)
from targets.cells import ZERO
from targets.load import load_library

LIBRARY = load_target("adcless-64").components

# Stillmaker and Baas 2017: energy = a V^2 + b V + c, by node in nm.
ENERGY = {
    65: (3.755, -4.398, 1.975),
    45: (1.103, -0.362, 0.2767),
    32: (0.9559, -0.7823, 0.471),
}
AREA_45, AREA_32 = 0.66, 0.31  # area of a block that has 1 at 65 nm

# The library is written with four digits.
ROUNDING = 6e-4


def factor(node: int, voltage: float) -> float:
    a, b, c = ENERGY[node]
    return a * voltage**2 + b * voltage + c


FROM_32 = factor(65, 1.1) / factor(32, 0.9)  # ISAAC and PUMA
FROM_40 = factor(65, 1.1) / factor(45, 1.0)  # Aladdin: the table has 45 nm
FROM_45 = factor(65, 1.1) / factor(45, 1.1)  # the two network chips
CAPACITANCE = 65 / 28 * 1.1**2  # fF at 28 nm to fJ at 65 nm
SHRUNK = (65 / 28) ** 2  # um2 at 28 nm to um2 at 65 nm
CARRY_NS = 0.0956 * 65 / 28

ADDER_BIT, REGISTER_BIT = 0.21 / 32 * FROM_40, 0.009 * FROM_40


def same(interval: Interval, *expected: float) -> bool:
    return (interval.low, interval.nominal, interval.high) == pytest.approx(expected, rel=ROUNDING)


def test_sense_amplifier_has_the_three_published_comparators():
    assert same(LIBRARY.sense_amp.energy_pj, 8.41e-3 * 1, 0.0417, 0.067)


def test_cells_draw_what_the_reference_simulator_charges():
    cell = LIBRARY.cell
    assert same(cell.read_voltage_v, 0.0972**0.5, 0.1213**0.5, 0.5)  # NeuroSim's two readouts
    assert same(cell.on_conductance_us, 1e6 / 250e3, 1e6 / 6e3, 750)
    assert same(cell.off_conductance_us, 1e6 / 3e6, 1e6 / 900e3, 1e6 / 20e3)
    assert same(cell.area_um2, 26.2 / 64**2, (2 * 0.105) ** 2, 125.73964497 * 0.065**2)


@pytest.mark.parametrize("adc", LIBRARY.flash_adc, ids=lambda adc: f"{adc.bits} bits")
def test_flash_adc_is_a_comparator_a_level(adc):
    comparators = 2**adc.bits - 1
    surveyed = (6.75 * comparators / 31, 64 * comparators / 31)  # at 5 bits, 65 nm
    assert same(adc.energy_pj, comparators * 8.41e-3, *surveyed)
    assert same(adc.latency_ns, 0.06, 1, 10)
    assert same(adc.area_um2, comparators * 40, comparators * 54.3, 1851 * comparators / 31)


@pytest.mark.parametrize("adc", LIBRARY.sar_adc, ids=lambda adc: f"{adc.bits} bits")
def test_sar_adc_follows_the_published_laws(adc):
    n = adc.bits
    neurosim = (3.7506 * n + 25.844) * 1e-3 * (n + 1)
    zigzag = (100 * n + 0.001 * 4**n) * 1e-3 * CAPACITANCE
    isaac = {2: 0.79, 3: 0.79, 4: 0.79, 7: 1.42}
    high = {5: 3.54, 6: 4.03, 8: 6.49}.get(n) or isaac[n] * FROM_32
    assert same(adc.energy_pj, neurosim, zigzag, high)
    law = n * (0.00653 * 64 + 0.640)  # at 64 rows; a target has it at its own
    assert adc.latency_law == "sar"
    assert same(adc.latency_ns, 0.24 * law, law, 1.3 * law)


@pytest.mark.parametrize("adc", LIBRARY.sar_adc, ids=lambda adc: f"{adc.bits} bits")
def test_sar_adc_area_follows_transistor_counts(adc):
    def transistors(bits: int) -> int:
        return (269 + 109 * (bits - 1)) + (209 + 73 * (bits - 1))

    nominal = 1051 * transistors(adc.bits) / transistors(5)
    zigzag = 10 ** (1.206 - 0.0369 * adc.bits) * 2**adc.bits * SHRUNK
    others = (284.0, zigzag) if adc.bits == 4 else (zigzag, 950.0)
    assert same(adc.area_um2, min(others), nominal, max(others))


def test_digital_logic_is_scaled_from_its_node():
    isaac, puma = 0.021 / 16 * FROM_32, 0.373 * 32 / 45 / 16 * FROM_32
    for adder in (LIBRARY.shift_add, LIBRARY.accumulate):
        assert same(adder.energy_pj, isaac, ADDER_BIT + REGISTER_BIT, puma)
        aladdin = (278 / 32 + 5.98) / AREA_45
        assert same(adder.area_um2, 60 / 16 / AREA_32, aladdin, (4.8 + 3.68) * SHRUNK)
        assert same(adder.latency_ns, CARRY_NS, 1, 16 * CARRY_NS)
    scale = LIBRARY.scale_multiply
    assert same(scale.energy_pj, isaac, ADDER_BIT, 12.68 / 32**2 * FROM_40)
    areas = (6350 / 32**2 / AREA_45, 278 / 32 / AREA_45, 4.8 * SHRUNK)
    assert same(scale.area_um2, *areas)


def test_a_neuron_is_two_adders_and_a_comparator_one_operation_of_a_chip_or_the_reference():
    update = LIBRARY.membrane_update
    assert same(update.energy_pj, (2 * 0.21 + 0.0295) * FROM_40, 1 / 0.99, 1.2026 * 5)
    areas = ((2 * 278 + 71) / AREA_45, (32 * 4.8 + 16 * 3.68) * SHRUNK, 1448)
    assert same(update.area_um2, *areas)
    assert same(update.latency_ns, 1, 1e3 / 200, 2 * 16 * CARRY_NS)  # 200 MHz
    assert same(update.leak_uw, 10.6 * 1448e-6, 57.6e-3, 353 * 1448e-6)


def test_buffers_and_links_are_scaled_from_their_node():
    edram, small = 17.2 / 256 * FROM_32, 0.57 / 16 * FROM_32
    for port in (LIBRARY.buffer_read, LIBRARY.buffer_write):
        assert same(port.energy_pj, REGISTER_BIT, small, edram)
    edram_area = 0.086e6 / (64 * 1024 * 8) / AREA_32
    assert same(LIBRARY.buffer_read.area_um2, edram_area, 0.739, 5.98 / AREA_45)
    hop = LIBRARY.hop
    assert same(hop.energy_pj, 0.0404 * FROM_45, 20.74 / 256 * FROM_32, 0.60 * FROM_45)
    assert same(hop.latency_ns, 1 / 11, 1, 2)
    routers = (0.047e6 / 4, 0.15e6 / 4, 0.047e6)
    assert same(hop.area_um2, *(um2 / AREA_32 for um2 in routers))


def test_a_driven_wordline_charges_its_wire():
    wire = 0.35e-3  # pF a cell at 28 nm
    drive = LIBRARY.wordline_drive
    assert same(drive.energy_pj, wire * 0.9**2, wire * CAPACITANCE, 0.417 / 128 * FROM_32)
    assert same(drive.latency_ns, 0.0478 * 65 / 28, 1, 10)
    areas = (0.166 / AREA_32, 0.614 * SHRUNK, (0.614 + 3.68) * SHRUNK)
    assert same(drive.area_um2, *areas)


def test_a_cell_is_written_with_the_voltages_and_pulses_of_published_cells():
    write = LIBRARY.write
    assert write is not None
    neurosim, neurram = 2**2 / 6e3 * 50, 1.75**2 / 250e3 * 8520  # V^2 G t, nJ
    assert same(write.energy_pj, 0.6, neurosim * 1e3, neurram * 1e3)
    assert same(write.latency_ns, 10, 50, 8.52e3)
    assert write.endurance is not None
    assert same(write.endurance, 1e5, 1e6, 1e12)


def test_links_between_chips_have_the_energy_and_the_bandwidth_of_measured_ones():
    link = LIBRARY.chip_link
    assert link is not None
    assert same(link.energy_pj, 0.47, 2.25, 20)
    words = (256 / (16 * 12), 256 / (6.4 * 8), 256 / 6.25)  # bits over Gb/s
    assert same(link.latency_ns, *words)


def test_chips_that_were_measured_leak_what_the_library_says():
    leakage = LIBRARY.leakage.power_uw_per_mm2
    assert same(leakage, 2, 100, 350)
    retention = 2e-12 * 0.5 / 0.667e-12  # W/m2 = uW/mm2, of 2 pA a bit at 0.5 V
    truenorth, odin = 63e3 / 430, 27.3 / 0.0864
    assert retention < leakage.low < leakage.nominal < truenorth < odin < leakage.high


ONE_SIMULATOR = ("reference-fit-65nm",)
"""Libraries that describe one simulated chip: their facts have no interval."""


def facts_of_library(name: str) -> dict[str, Interval]:
    """List the facts of a library that play a part, by place."""
    held = dict(intervals(load_library(name)))
    return {place: interval for place, interval in held.items() if interval != ZERO}


@pytest.mark.parametrize("name", list_libraries())
def test_every_fact_has_a_kind_and_its_nominal_lies_inside(name):
    facts = facts_of_library(name)
    assert len(facts) > 30
    for place, fact in facts.items():
        assert fact.kind in ("measured", "simulated", "law"), place
        if name not in ONE_SIMULATOR:
            assert fact.low < fact.nominal < fact.high, place


@pytest.mark.parametrize("name", list_parts())
def test_every_published_part_has_a_kind(name):
    for part in load_parts(name).parts:
        assert len(part.source) > 10, part.name
        for key, fact in part.facts().items():
            assert fact.kind in ("measured", "simulated", "law"), (part.name, key)


def test_a_kind_that_is_none_is_refused():
    data = target_to_data(load_target("adcless-64"))
    data["components"]["hop"]["energy_pj"]["kind"] = "guessed"
    wanted = r"kind must be 'measured' or 'simulated' or 'law', got 'guessed'"
    with pytest.raises(MappingError, match=wanted):
        target_from_data(data, loc="t.toml")
    del data["components"]["hop"]["energy_pj"]["kind"]  # not stated in a library of one's own
    assert target_from_data(data, loc="t.toml").components.hop.energy_pj.kind is None


def test_every_entry_says_where_it_comes_from():
    for name, component in LIBRARY.entries():
        assert len(component.source) > 20, name
        assert component.node_nm == 65, name


def test_an_adc_is_found_by_its_bits():
    adc = LIBRARY.converter("sar", 5)
    assert adc is not None
    assert adc.bits == 5
    assert LIBRARY.converter("sar", 9) is None
    assert LIBRARY.converter("sense-amp", 1) is None


def test_entries_are_named():
    names = [name for name, _ in LIBRARY.entries()]
    assert names[:4] == ["wordline_drive", "sense_amp", "flash_adc.2", "flash_adc.3"]
    assert {"hop", "write", "chip_link", "inputs"} <= set(names)
