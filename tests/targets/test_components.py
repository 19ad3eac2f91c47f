"""The component library repeats published numbers; here is the arithmetic between the two."""

import pytest

from targets import Interval, load_target

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
CAPACITANCE = 65 / 28 * 1.1**2  # fF at 28 nm to fJ at 65 nm

ADDER_BIT, REGISTER_BIT = 0.21 / 32 * FROM_40, 0.009 * FROM_40


def same(interval: Interval, *expected: float) -> bool:
    return (interval.low, interval.nominal, interval.high) == pytest.approx(expected, rel=ROUNDING)


def test_sense_amplifier_has_the_three_published_comparators():
    assert same(LIBRARY.sense_amp.energy_pj, 8.41e-3 * 1, 0.0417, 0.067)


def test_cells_draw_what_the_reference_simulator_charges():
    cell = LIBRARY.cell
    assert cell.read_voltage_v.nominal**2 == pytest.approx(0.0972, rel=1e-3)
    assert same(cell.on_conductance_us, 1e6 / 250e3, 1e6 / 6e3, 1e6 / 6e3)
    assert same(cell.off_conductance_us, 1e6 / 3e6, 1e6 / 900e3, 1e6 / 900e3)
    assert cell.area_um2.nominal == pytest.approx((2 * 0.105) ** 2)


@pytest.mark.parametrize("adc", LIBRARY.flash_adc, ids=lambda adc: f"{adc.bits} bits")
def test_flash_adc_is_a_comparator_a_level(adc):
    comparators = 2**adc.bits - 1
    nominal = comparators * 8.41e-3 * 10
    survey = {5: 3.54}.get(adc.bits, 0.0)
    assert same(adc.energy_pj, comparators * 8.41e-3, nominal, max(nominal, survey))
    assert same(adc.area_um2, comparators * 54.3, *[1851 * comparators / 31] * 2)


@pytest.mark.parametrize("adc", LIBRARY.sar_adc, ids=lambda adc: f"{adc.bits} bits")
def test_sar_adc_follows_the_published_laws(adc):
    n = adc.bits
    neurosim = (3.7506 * n + 25.844) * 1e-3 * (n + 1)
    zigzag = (100 * n + 0.001 * 4**n) * 1e-3 * CAPACITANCE
    isaac = 0.79 * FROM_32  # rescaled to 4 bits; of fewer bits nobody publishes one
    high = {2: isaac, 3: isaac, 4: isaac, 5: 3.54, 6: 4.03, 7: 1.42 * FROM_32, 8: 6.49}[n]
    assert same(adc.energy_pj, neurosim, zigzag, high)
    times = [n * (0.00653 * rows + 0.640) for rows in (32, 128)]
    assert same(adc.latency_ns, times[0], n + 1, max(n + 1, times[1]))


@pytest.mark.parametrize("adc", LIBRARY.sar_adc, ids=lambda adc: f"{adc.bits} bits")
def test_sar_adc_area_follows_transistor_counts(adc):
    def transistors(bits: int) -> int:
        return (269 + 109 * (bits - 1)) + (209 + 73 * (bits - 1))

    nominal = 1051 * transistors(adc.bits) / transistors(5)
    zigzag = 10 ** (1.206 - 0.0369 * adc.bits) * 2**adc.bits * (65 / 28) ** 2
    assert same(adc.area_um2, min(950, nominal, zigzag), nominal, max(nominal, zigzag))


def test_digital_logic_is_scaled_from_its_node():
    isaac, jia = 0.021 / 16 * FROM_32, 2.25 / 8
    for adder in (LIBRARY.shift_add, LIBRARY.accumulate):
        assert same(adder.energy_pj, isaac, ADDER_BIT + REGISTER_BIT, jia)
        aladdin = (278 / 32 + 5.98) / AREA_45
        assert same(adder.area_um2, 60 / 16 / AREA_32, aladdin, 5000 / 8)
    assert same(LIBRARY.scale_multiply.energy_pj, isaac, ADDER_BIT, 4.2e-3 * CAPACITANCE)


def test_a_neuron_is_two_adders_and_a_comparator_or_the_one_of_the_reference():
    update = LIBRARY.membrane_update
    assert same(update.energy_pj, (2 * 0.21 + 0.0295) * FROM_40, 1.2026 * 5, 1.2026 * 5)
    assert same(update.area_um2, (2 * 278 + 71) / AREA_45, 1448, 1448)


def test_buffers_and_links_are_scaled_from_their_node():
    edram = 17.2 / 256 * FROM_32
    assert same(LIBRARY.buffer_read.energy_pj, REGISTER_BIT, edram, 204 / 128)
    assert same(LIBRARY.buffer_write.energy_pj, REGISTER_BIT, edram, 497 / 128)
    edram_area = 0.086e6 / (64 * 1024 * 8) / AREA_32
    assert same(LIBRARY.buffer_read.area_um2, edram_area, 0.739, 5.98 / AREA_45)
    assert same(LIBRARY.hop.energy_pj, 0.0404, 20.74 / 256 * FROM_32, 0.60)
    assert same(LIBRARY.hop.area_um2, *[0.15e6 / 4 / AREA_32] * 2, 0.047e6 / AREA_32)


def test_a_driven_wordline_charges_its_wire():
    wire = 0.35e-3  # pF a cell at 28 nm
    drive = LIBRARY.wordline_drive
    assert same(drive.energy_pj, wire * 0.9**2, wire * CAPACITANCE, 0.417 / 128 * FROM_32)
    assert drive.area_um2.nominal == pytest.approx(0.166 / AREA_32, rel=ROUNDING)


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
    assert names[-1] == "hop"
