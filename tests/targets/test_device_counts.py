"""Devices turned into the counts that hand calculations give."""

from dataclasses import replace
from math import log, sqrt

import pytest

from mapper.diagnostics import MappingError
from targets.devices import (
    load_device,
)
from tests.targets.small_devices import (
    DAY,
    ROWS_64,
    ROWS_128,
    a_device,
    fact,
    problems,
    with_cell_bits,
)

# --- counts ----------------------------------------------------------------------------------


def test_a_latch_of_3_44_mv_by_the_rows_that_share_a_volt():
    device = load_device("sram-charge")
    assert device.on(ROWS_64).readout.mv_per_count == 15.625  # 1 V / 64
    assert device.on(ROWS_64).readout.offset == pytest.approx(0.22016)
    assert device.on(ROWS_128).readout.offset == pytest.approx(0.44032)
    half = replace(ROWS_64, rows_per_read=32)
    assert device.on(half).readout.offset == pytest.approx(0.11008)


def test_parasitic_capacitance_takes_a_share_of_the_swing():
    made = a_device(amplifier={"offset_mv": fact(3), "swing_v": fact(0.8), "parasitic": fact(16)})
    readout = made.on(ROWS_64).readout
    assert readout.mv_per_count == 10  # 800 mV / (64 + 16)
    assert readout.offset == pytest.approx(0.3)


@pytest.mark.parametrize(("bits", "plane_bits", "steps"), [(2, 1, 3), (1, 2, 3), (2, 2, 9)])
def test_levels_of_cells_and_inputs_share_the_swing(bits, plane_bits, steps):
    readout = load_device("rram-wan").on(with_cell_bits(bits), plane_bits=plane_bits).readout
    assert readout.mv_per_count == pytest.approx(15.625 / steps)


def test_a_current_through_a_load_or_onto_a_bitline():
    cell = {"on_us": fact(50), "off_us": fact(10)}
    load = {"read_v": fact(0.2), "load_ohm": fact(1000), "read_noise_mv": fact(4)}
    readout = a_device(cell=cell, amplifier=load).on(ROWS_64).readout
    assert readout.mv_per_count == pytest.approx(8)  # 40 uS x 0.2 V = 8 uA, x 1 kOhm
    assert readout.noise == pytest.approx(0.5)
    bitline = {"read_v": fact(0.2), "read_ns": fact(5), "bitline_ff": fact(100)}
    readout = a_device(cell=cell, amplifier=bitline).on(ROWS_64).readout
    assert readout.mv_per_count == pytest.approx(400)  # 8 uA x 5 ns / 100 fF


@pytest.mark.parametrize(("macro", "um2"), [(ROWS_64, 1.5), (ROWS_128, 5.9)])
def test_the_area_of_an_input_pair_gives_its_offset(macro, um2):
    amplifier = {
        "mismatch_mv_um": fact(4.75),
        "input_um2": fact(um2),
        "swing_v": fact(1),
        "parasitic": fact(0),
    }
    assert a_device(amplifier=amplifier).on(macro).readout.offset == pytest.approx(0.25, abs=0.002)


def test_without_mv_per_count_an_offset_in_mv_is_not_known_and_said_to_be():
    found = a_device(amplifier={"offset_mv": fact(3), "read_noise_mv": fact(0)}).on(ROWS_64)
    assert found.readout.offset is None
    assert found.readout.noise == 0
    assert "offset of amplifiers: what a count is in mV is not known" in found.not_covered


def test_the_cubic_fit_of_rram_wan():
    device = load_device("rram-wan")
    cell = device.on(ROWS_64).cell
    assert cell.sigma == pytest.approx((1.053 / 39, 0.0429), abs=1e-4)  # 4.3 % at 39 uS
    assert cell.off is None
    assert cell.stuck_on is None
    third = device.on(with_cell_bits(2)).cell.sigma[1]  # at 13 uS, a step of 13 uS
    by_hand = 1.053 + 0.2374 * 13 - 0.01167 * 169 + 0.0001536 * 2197
    assert third == pytest.approx(by_hand / 13)


def test_spread_between_two_ages():
    device = load_device("rram-wan-aged")
    young, day, two = (device.on(ROWS_64, age=t).cell.sigma for t in (1.0, DAY, 2 * DAY))
    assert [40 * s for s in young] == pytest.approx([0.348, 1.103])
    assert [40 * s for s in day] == pytest.approx([0.701, 2.651], abs=2e-3)
    assert [40 * s for s in two] == pytest.approx([0.782, 2.677], abs=2e-3)
    between = device.on(ROWS_64, age=sqrt(DAY)).cell.sigma  # half way in the logarithm
    assert between == pytest.approx([(a + b) / 2 for a, b in zip(young, day, strict=True)])
    assert device.on(ROWS_64).cell.sigma == young
    assert device.on(ROWS_64, age=0.1).cell.sigma == young
    assert device.on(ROWS_64, age=1e9).cell.sigma == two


def test_rram_milo_leaks_and_spreads():
    cell = load_device("rram-milo").on(with_cell_bits(2)).cell
    assert cell.off == pytest.approx(3 / 3.5)  # on/off 4.5
    step = 175 / 3
    assert cell.level == pytest.approx([g / step for g in (50, 50 + step, 225 - step, 225)])
    assert cell.sigma[3] == pytest.approx((4.782321 - 0.009107 * 225) / step)


def test_cmo_hfox_relaxes():
    device = load_device("rram-cmo-hfox")
    new, old = device.on(ROWS_64).cell, device.on(ROWS_64, age=DAY).cell
    assert new.sigma[1] == pytest.approx((0.0112185 + 0.0112903 * 90) / 82, rel=1e-5)
    assert new.sigma[1] * 82 / 90 == pytest.approx(0.0113, abs=2e-4)  # 1.13 % of the target
    fallen = 0.089002 * log(DAY) / 82
    assert old.level == pytest.approx([g - fallen for g in new.level], rel=1e-5)
    grown = (0.411833 + 0.0420114 * log(DAY)) / 82
    assert old.sigma[0] == pytest.approx(sqrt(new.sigma[0] ** 2 + grown**2), rel=1e-5)


def test_phase_change_memory():
    cell = load_device("pcm").on(ROWS_64, age=DAY).cell
    assert cell.sigma[1] * (25 - 0.25) / 25 == pytest.approx(0.0422, abs=1e-4)  # 4.2 % at full
    assert cell.off == pytest.approx(1 / 99)
    assert cell.nu == pytest.approx((0.0244 + 0.0155 * log(100), 0.049))
    assert cell.nu_sigma == (0.045, 0.008)
    assert cell.t0_s == 20
    grown = sqrt(log((DAY + 2.5e-7) / 5e-7))
    assert cell.read_noise[1] == pytest.approx(0.0088 * grown * 100 / 99)
    assert cell.read_noise[0] == pytest.approx(0.0088 * grown / 99 * 100**0.65)


def test_drift_of_a_cell_that_conducts_nothing_is_at_the_end_of_its_range():
    drift = {
        "source": "x",
        "t0_s": 1,
        "nu": 0.05,
        "nu_per_log": -0.01,
        "nu_range": [0.02, 0.2],
        "sigma": 0.01,
        "sigma_per_log": 0.01,
        "sigma_range": [0.001, 0.02],
    }
    cell = a_device(cell={"drift": drift}).on(ROWS_64).cell
    assert cell.nu == (0.2, 0.05)
    assert cell.nu_sigma == (0.001, 0.01)


@pytest.mark.parametrize(
    ("spread", "expected"),
    [
        ({"share": 0.1}, (0.1 / 9, 1 / 9)),  # on/off 10: 1/9 and 10/9 counts
        ({"range_share": 0.1}, (0.1, 0.1)),
        ({"share": 0.3, "range_share": 0.4}, (sqrt(0.4**2 + (0.3 / 9) ** 2), sqrt(0.16 + 1 / 9))),
        ({"step_share": 0.2}, (0.2, 0.2)),
        ({"threshold_mv": 50, "overdrive_v": 0.5}, (0.1 / 9, 1 / 9)),
        ({"at_us": [10, 50, 100], "sigma_us": [1, 3, 5]}, (1 / 90, 5 / 90)),
        ({"at_us": [0, 20, 90], "sigma_us": [0, 2, 5]}, (1 / 90, 5 / 90)),
    ],
)
def test_every_form_of_spread(spread, expected):
    cell = {"on_us": fact(100), "on_off": fact(10), "spread": [{"source": "x", **spread}]}
    assert a_device(cell=cell).on(ROWS_64).cell.sigma == pytest.approx(expected)


def test_measured_and_lognormal_distributions():
    cell = {"on_us": fact(100), "off_us": fact(0)}
    levels = [{"at_us": 0, "found_us": [0, 1]}, {"at_us": 100, "found_us": [90, 101]}]
    found = a_device(cell={**cell, "spread": [{"source": "x", "level": levels}]})
    made = found.on(with_cell_bits(2)).cell
    step = 100 / 3
    assert made.sigma is None
    assert made.quantiles[0] == pytest.approx((0, 1 / step))
    assert made.quantiles[3] == pytest.approx((90 / step, 101 / step))
    assert made.quantiles[1] == pytest.approx((30 / step, (1 + 100 / 3) / step))
    made = a_device(cell={**cell, "spread": [{"source": "x", "log_sigma": 0.3}]}).on(ROWS_64).cell
    assert (made.sigma, made.quantiles, made.log_sigma) == (None, None, 0.3)


def test_temperature_scales_conductance():
    temperature = {"source": "x", "share_per_k": -0.001, "at_c": 25}
    device = a_device(cell={"off_share": fact(0), "temperature": temperature})
    assert device.on(ROWS_64, temperature=85).cell.level == pytest.approx((0, 0.94))
    assert device.on(ROWS_64).cell.level == (0, 1)


def test_wires():
    device = load_device("rram-wan")
    assert device.on(ROWS_64).wire.share == pytest.approx(0.35 * 39e-6)
    bare = a_device(wire={"ohm_per_cell": fact(1), "supply": "rows"}).on(ROWS_64)
    assert bare.wire is None
    assert bare.not_covered[-1].startswith("wires: the conductance")


def test_the_ideal_device_covers_everything_and_does_nothing():
    device = load_device("ideal")
    found = device.on(ROWS_64, age=DAY, temperature=85)
    assert device.not_covered == found.not_covered == ()
    assert device.verified
    assert found.cell.level == (0, 1)
    assert (
        found.cell.sigma == found.cell.nu == found.cell.nu_sigma == found.cell.read_noise == (0, 0)
    )
    assert (found.cell.off, found.cell.stuck_on, found.cell.stuck_off) == (0, 0, 0)
    assert (found.readout.offset, found.readout.gain, found.readout.noise) == (0, 0, 0)
    assert found.wire.share == 0


def test_what_nobody_verified_is_named():
    for name in ("fefet", "mram"):
        assert "cell.spread.1" in load_device(name).unverified
    assert load_device("rram-wan").unverified == ("amplifier.swing_v", "amplifier.parasitic")
    assert load_device("pcm").verified


def test_a_device_without_facts_knows_nothing():
    found = a_device().on(ROWS_64)
    assert found.cell.sigma is found.cell.off is found.cell.nu is found.cell.stuck_on is None
    assert found.readout.offset is found.wire is None
    assert len(found.not_covered) == 12


def test_a_cell_does_not_hold_more_levels_than_it_has():
    with pytest.raises(MappingError) as error:
        load_device("mram").on(with_cell_bits(2))
    assert problems(error) == [
        (
            "device-levels",
            "a cell of device 'mram' holds 2 levels, one of macro 'sense-amp-64' has 4",
        )
    ]


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"age": 0}, "an age of a chip is 1e-06..1e+10 s, got 0"),
        ({"age": float("nan")}, "an age of a chip is 1e-06..1e+10 s, got nan"),
        ({"temperature": -300}, "a temperature of a chip is -273..1000 degrees Celsius, got -300"),
    ],
)
def test_conditions_that_no_chip_has(conditions, message):
    with pytest.raises(MappingError) as error:
        load_device("pcm").on(ROWS_64, **conditions)
    assert problems(error) == [("device-age", message)]
