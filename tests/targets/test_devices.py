"""Devices: read strictly, and turned into the counts that hand calculations give."""

import re
from dataclasses import replace
from math import log, sqrt
from pathlib import Path

import pytest

from mapper.cost.facts import corners_of
from mapper.diagnostics import MappingError
from targets import (
    chosen_device,
    list_targets,
    load_target,
    target_from_data,
    target_to_data,
    to_toml,
)
from targets.devices import (
    SETTINGS,
    Device,
    device_from_data,
    device_names,
    load_device,
    parse_set,
    shipped_device_text,
)

SMALL = Path(__file__).with_name("small.toml")
ROWS_64 = load_target("adcless-64").macros[0]
ROWS_128 = load_target("adcless-128").macros[0]
DAY = 86400.0


def with_cell_bits(bits):
    return replace(ROWS_64, cell_bits=bits)


def a_device(**tables):
    data = {"name": "d", "kind": "rram", "summary": "s", "provenance": "p", **tables}
    return device_from_data(data, loc="d.toml")


def fact(value, **more):
    return {"value": value, "source": "a test", **more}


def problems(error):
    return [(diagnostic.code, diagnostic.message) for diagnostic in error.value.diagnostics]


def refused(**tables):
    with pytest.raises(MappingError) as error:
        a_device(**tables)
    return problems(error)


# --- files -----------------------------------------------------------------------------------


def test_kinds_that_ship():
    kinds = [load_device(name).kind for name in device_names()]
    assert kinds.count("rram") >= 3
    assert {"pcm", "sram", "fefet", "mram", "ideal"} < set(kinds)


@pytest.mark.parametrize("name", device_names())
def test_a_device_is_its_canonical_text(name, tmp_path):
    device = load_device(name)
    file = tmp_path / "again.toml"
    file.write_text(device.text, encoding="utf-8")
    again = load_device(str(file))
    assert again == device
    assert again.digest == device.digest
    assert device_from_data(device.to_data(), loc="d.json") == device
    assert device.name == name
    assert f'name = "{name}"' in shipped_device_text(name)


@pytest.mark.parametrize("name", device_names())
def test_everything_that_a_device_says_has_a_source(name):
    found = dict(load_device(name).facts())
    assert found
    assert all(held.source for held in found.values())


def test_digests_differ_where_facts_do():
    device = load_device("rram-wan")
    other = device.with_set({"cell.sigma": 0.1})
    assert device.digest != other.digest
    assert other.digest == device.with_set({"cell.sigma": 0.1}).digest
    assert other.name == device.name


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(MappingError) as error:
        load_device("rram-wam")
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "unknown-device"
    assert diagnostic.message == "no device is named 'rram-wam'; did you mean 'rram-wan'?"
    assert "fefet, ideal" in diagnostic.help


def test_a_path_that_is_no_file(tmp_path):
    with pytest.raises(MappingError) as error:
        load_device(tmp_path / "none.toml")
    assert problems(error) == [("unknown-device", "none.toml is not a file")]


def test_an_unknown_key_suggests_the_nearest():
    found = refused(cell={"stuck_no": fact(0.1)}, amplifer={})
    assert found == [
        ("target-key", "d.toml: the top level has no key 'amplifer'; did you mean 'amplifier'?"),
        ("target-key", "d.toml: [cell] has no key 'stuck_no'; did you mean 'stuck_on'?"),
    ]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"cell": {"on_us": 39}}, "[cell.on_us] must be a table, got 39"),
        ({"cell": {"on_us": {"value": 39}}}, "[cell.on_us] misses key 'source'"),
        (
            {"cell": {"on_us": {"source": "x"}}},
            "[cell.on_us] needs a value, or low, nominal and high",
        ),
        (
            {"cell": {"on_us": fact(1, low=1, nominal=1, high=1)}},
            "[cell.on_us] has a value, or low, nominal and high: not both",
        ),
        (
            {"cell": {"on_us": {"low": 2, "nominal": 1, "high": 3, "source": "x"}}},
            "[cell.on_us] low, nominal and high must rise, got 2, 1 and 3",
        ),
        ({"cell": {"stuck_on": fact(1.5)}}, "[cell] stuck_on must be 0..1, got 1.5"),
        (
            {"cell": {"stuck_on": fact(0.6), "stuck_off": fact(0.6)}},
            "[cell] stuck_on and stuck_off are 1.2 together, at most 1",
        ),
        (
            {"cell": {"on_off": fact(20), "off_share": fact(0.05)}},
            "[cell] off_us, on_off and off_share say the same thing: got on_off and off_share",
        ),
        ({"cell": {"off_us": fact(2)}}, "[cell] off_us above 0 goes with on_us"),
        (
            {"cell": {"off_us": fact(2), "on_us": fact(2)}},
            "[cell] off_us must stay below on_us, got 2 and 2",
        ),
        (
            {"cell": {"spread": [{"source": "x", "share": 0.1, "step_share": 0.1}]}},
            "needs one of polynomial_us, sigma_us, share, range_share, step_share, log_sigma, "
            "threshold_mv, level (or share and range_share), got share, step_share",
        ),
        (
            {"cell": {"spread": [{"source": "x", "polynomial_us": [1]}]}},
            "[cell] a spread in uS, or a relaxation, goes with on_us",
        ),
        (
            {"cell": {"on_us": fact(4), "spread": [{"source": "x", "polynomial_us": [1, -0.5]}]}},
            "[cell] polynomial_us is -0.03125 uS at 2.062 uS: a spread is 0 or more",
        ),
        (
            {"cell": {"spread": [{"source": "x", "at_us": [1, 2], "sigma_us": [1]}]}},
            "[cell.spread] at_us and sigma_us go together, got 2 and 1 values",
        ),
        (
            {"cell": {"spread": [{"source": "x", "at_us": [2, 1], "sigma_us": [1, 1]}]}},
            "[cell.spread] at_us must rise, got [2.0, 1.0]",
        ),
        (
            {"cell": {"spread": [{"source": "x", "share": 0.1, "unit_us": 4}]}},
            "[cell.spread] unit_us goes with polynomial_us",
        ),
        (
            {"cell": {"spread": [{"source": "x", "threshold_mv": 4}]}},
            "[cell.spread] threshold_mv goes with overdrive_v",
        ),
        (
            {"cell": {"spread": [{"source": "x", "share": 1, "age_s": a} for a in (9, 9)]}},
            "[cell] spread is listed by age, each once, got [9.0, 9.0] s",
        ),
        (
            {"cell": {"spread": [{"source": "x", "log_sigma": 1, "age_s": a} for a in (1, 9)]}},
            "[cell] a spread with log_sigma or level stands alone",
        ),
        (
            {"cell": {"spread": [{"source": "x", "level": [{"at_us": 1, "found_us": [2, 1]}]}]}},
            "[cell.spread.level] found_us must rise",
        ),
        (
            {"cell": {"spread": [{"source": "x", "level": [{"at_us": 1, "found_us": [2]}]}]}},
            "[cell.spread.level] found_us needs two quantiles or more, got 1",
        ),
        (
            {"cell": {"on_us": fact(1), "spread": [{"source": "x", "polynomial_us": [1] * 9}]}},
            "[cell.spread] polynomial_us has at most 8 coefficients, got 9",
        ),
        (
            {
                "cell": {
                    "spread": [
                        {
                            "source": "x",
                            "level": [
                                {"at_us": 1, "found_us": [1, 2]},
                                {"at_us": 2, "found_us": [1, 2, 3]},
                            ],
                        }
                    ]
                }
            },
            "[cell.spread] every level has as many quantiles, got 2 and 3",
        ),
        (
            {"cell": {"drift": {"source": "x", "t0_s": 1, "nu": 0.1, "nu_per_log": 0.1}}},
            "[cell.drift] nu_per_log and nu_range go together",
        ),
        (
            {
                "cell": {
                    "drift": {
                        "source": "x",
                        "t0_s": 1,
                        "nu": 0,
                        "nu_per_log": 1,
                        "nu_range": [0.2, 0.1],
                    }
                }
            },
            "[cell.drift] nu_range must be two numbers that rise, from 0 on, got [0.2, 0.1]",
        ),
        (
            {"cell": {"drift": {"source": "x", "t0_s": 1, "nu": 0, "sigma": -0.1}}},
            "[cell.drift] sigma must be 0 or more, got -0.1",
        ),
        (
            {"amplifier": {"offset_mv": fact(1), "offset_counts": fact(1)}},
            "[amplifier] the offset is said twice: by offset_mv and offset_counts",
        ),
        (
            {"amplifier": {"mv_per_count": fact(1), "swing_v": fact(1), "parasitic": fact(1)}},
            "[amplifier] a count in mV is said twice: by mv_per_count and parasitic+swing_v",
        ),
        ({"amplifier": {"swing_v": fact(1)}}, "[amplifier] swing_v goes with parasitic"),
        (
            {"amplifier": {"read_v": fact(1)}},
            "[amplifier] read_v goes with load_ohm or read_ns+bitline_ff",
        ),
        (
            {"wire": {"supply": "rows"}},
            "[wire] needs one of ohm_per_cell and share",
        ),
        ({"wire": {"share": fact(0)}}, "[wire] misses key 'supply'"),
        ({"replica": {"source": "x"}}, "[replica] needs one of kind and leakage"),
        (
            {"cites": ["wan2022neuram"]},
            "cites no work that is there: 'wan2022neuram'; did you mean",
        ),
    ],
)
def test_what_stops_the_load(tables, message):
    found = refused(**tables)
    assert any(message in text for _, text in found), found


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


# --- settings --------------------------------------------------------------------------------


def test_settings_replace_facts_with_units():
    device = load_device("rram-wan").with_set(
        {"cell.sigma": 0.1, "amplifier.offset": 0.5, "amplifier.noise": 0.2, "cell.on_off": 21}
    )
    found = device.on(ROWS_64)
    assert found.cell.sigma == (0.1, 0.1)
    assert found.cell.off == pytest.approx(0.05)
    assert (found.readout.offset, found.readout.noise) == (0.5, 0.2)
    assert found.wire.share == pytest.approx(0.35 * 39e-6)
    assert "read noise of amplifiers" not in found.not_covered
    assert device.on(ROWS_128).readout.offset == 0.5


@pytest.mark.parametrize("name", device_names())
@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_on_every_device(name, setting):
    low = SETTINGS[setting].low
    for value in (low, low + 0.9):
        made = load_device(name).with_set({setting: value})
        assert isinstance(made, Device)
        made.on(ROWS_64, age=DAY)
        assert device_from_data(made.to_data(), loc="d.json") == made


def test_drift_that_is_set():
    cell = load_device("pcm").with_set({"cell.nu": 0.06, "cell.nu_sigma": 0.02}).on(ROWS_64).cell
    assert (cell.nu, cell.nu_sigma, cell.t0_s) == ((0.06, 0.06), (0.02, 0.02), 20)
    cell = load_device("pcm").with_set({"cell.nu": 0.06}).on(ROWS_64).cell
    assert (cell.nu, cell.nu_sigma) == ((0.06, 0.06), (0.045, 0.008))
    cell = load_device("mram").with_set({"cell.nu": 0.06}).on(ROWS_64).cell
    assert (cell.nu, cell.nu_sigma, cell.t0_s) == ((0.06, 0.06), (0, 0), 1)


def test_spread_that_is_set_leaves_what_levels_fall_by():
    device = load_device("rram-cmo-hfox")
    old = device.with_set({"cell.sigma": 0.1}).on(ROWS_64, age=DAY).cell
    assert old.sigma == (0.1, 0.1)
    assert old.level == device.on(ROWS_64, age=DAY).cell.level


def test_wires_that_are_set():
    device = load_device("sram-charge").with_set({"wire.share": 1e-4})
    assert device.on(ROWS_64).wire.share == 1e-4
    assert device.on(ROWS_64).wire.supply == "gates"
    bare = load_device("pcm").with_set({"wire.ohm_per_cell": 2})
    assert bare.on(ROWS_64).wire.share == pytest.approx(5e-5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cell.sgma": 1}, "no setting is named 'cell.sgma'; did you mean 'cell.sigma'?"),
        ({"cell.stuck_on": 1.5}, "cell.stuck_on is 0..1, got 1.5"),
        ({"amplifier.offset": -1}, "amplifier.offset is 0..10000 counts, got -1"),
        ({"cell.sigma": float("nan")}, "cell.sigma is 0..10 of a level step, got nan"),
        ({"cell.sigma": "0.1"}, "cell.sigma is a number, got '0.1'"),
    ],
)
def test_settings_that_are_refused(values, message):
    with pytest.raises(MappingError) as error:
        load_device("ideal").with_set(values)
    assert problems(error) == [("device-setting", message)]


def test_stuck_cells_that_are_set_stay_a_share():
    with pytest.raises(MappingError) as error:
        load_device("ideal").with_set({"cell.stuck_on": 0.7, "cell.stuck_off": 0.7})
    assert problems(error) == [
        ("device-setting", "stuck_on and stuck_off are 1.4 together, at most 1")
    ]


def test_a_setting_on_the_command_line():
    assert parse_set("cell.sigma=0.1") == ("cell.sigma", 0.1)
    for text in ("cell.sigma", "cell.sigma=", "cell.sigma=high", "cell.sigma=inf"):
        with pytest.raises(MappingError) as error:
            parse_set(text)
        assert problems(error)[0][0] == "device-setting"


# --- targets ---------------------------------------------------------------------------------


def a_target(tmp_path, device, **changes):
    text = SMALL.read_text(encoding="utf-8")
    text = text.replace("accepts =", f'device = "{device}"\naccepts =')
    for key, value in changes.items():
        text = re.sub(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
    file = tmp_path / "chip.toml"
    file.write_text(text, encoding="utf-8")
    return load_target(file)


def test_every_shipped_target_names_a_device_that_does_something_on_it():
    for name in list_targets():
        for macro in load_target(name).macros:
            assert macro.device in map(load_device, device_names())
            macro.device.on(macro)


def test_a_target_names_a_device_by_name_or_by_a_file_beside_it(tmp_path):
    named = a_target(tmp_path, "rram-wan")
    assert named.macros[0].device == load_device("rram-wan")
    own = load_device("rram-wan").with_set({"cell.stuck_on": 0.01})
    (tmp_path / "own.toml").write_text(own.text, encoding="utf-8")
    target = a_target(tmp_path, "own.toml")
    assert target.macros[0].device == own
    assert target_from_data(target_to_data(target), loc="mapping.json") == target
    for held, device in ((target, None), (named, "rram-wan")):
        written = to_toml(held)
        (tmp_path / "again.toml").write_text(written, encoding="utf-8")
        assert load_target(tmp_path / "again.toml") == held
        assert (f'device = "{device}"' in written) == (device is not None)


@pytest.mark.parametrize(
    ("device", "changes", "code", "message"),
    [
        ("rram-wam", {}, "unknown-device", "no device is named 'rram-wam'; did you mean"),
        ("none.toml", {}, "unknown-device", "none.toml is not a file"),
        (
            "sram-charge",
            {},
            "target-value",
            "chip.toml: macro 'sense-amp-8' has resistive cells by its library, "
            "device 'sram-charge' is sram",
        ),
        (
            "pcm",
            {},
            "target-value",
            "chip.toml: macro 'sense-amp-8' has cells of off_conductance_us 0.25 by device 'pcm', "
            "0.3333..50 by its library",
        ),
        (
            "mram",
            {},
            "target-value",
            "chip.toml: macro 'sense-amp-8' has cells of off_conductance_us 66.68 by device "
            "'mram', 0.3333..50 by its library",
        ),
        (
            "mram",
            {"cell_bits": 2},
            "target-value",
            "chip.toml: macro 'sense-amp-8' has cells of 4 levels, device 'mram' holds 2",
        ),
    ],
)
def test_what_a_target_and_its_device_may_not_disagree_on(tmp_path, device, changes, code, message):
    with pytest.raises(MappingError) as error:
        a_target(tmp_path, device, **changes)
    found = problems(error)
    assert {kind for kind, _ in found} == {code}
    assert any(message in text for _, text in found)


def test_a_device_that_is_chosen_prices_the_cells():
    target = load_target("adcless-64")
    chosen = target.with_device(load_device("pcm"))
    cell = chosen.components.cell
    on, off = cell.on_conductance_us, cell.off_conductance_us
    assert (on.low, on.nominal, on.high) == (25, 25, 25)
    assert (off.low, off.nominal, off.high) == (0.25, 0.25, 0.25)
    assert cell.read_voltage_v == target.components.cell.read_voltage_v
    assert chosen.macros[0].device == load_device("pcm")
    assert cell.source.startswith("on_conductance_us and off_conductance_us: device pcm. Else: ")
    known_on = target.with_device(load_device("rram-wan")).components.cell
    assert known_on.on_conductance_us.nominal == 39
    assert known_on.off_conductance_us == target.components.cell.off_conductance_us
    ratio = target.with_device(load_device("mram")).components.cell  # on/off 2.5
    assert ratio.on_conductance_us == target.components.cell.on_conductance_us
    assert ratio.off_conductance_us.nominal == pytest.approx(166.7 / 2.5)
    without = target.with_device(load_device("sram-charge"))
    assert without.components == target.components
    digital = load_target("digital-cim-64")
    assert digital.with_device(load_device("pcm")).components == digital.components


def test_cells_that_conduct_less_cost_less(tmp_path):
    facts = corners_of(load_target("adcless-64"))
    (low, nominal, high) = corners_of(load_target("adcless-64").with_device(load_device("pcm")))
    assert nominal.on_conductance_us == low.on_conductance_us == high.on_conductance_us == 25
    assert nominal.on_conductance_us < facts[1].on_conductance_us
    assert nominal.off_conductance_us == 0.25


def test_a_device_that_is_chosen_must_hold_the_levels():
    target = load_target("adcless-64")
    wide = replace(target, macros=(with_cell_bits(2),))
    with pytest.raises(MappingError) as error:
        wide.with_device(load_device("mram"))
    assert problems(error)[0][0] == "device-levels"


def test_the_device_of_dies_is_the_users_or_the_targets():
    target = load_target("adcless-64")
    own, pcm = load_device("rram-wan"), load_device("pcm")
    assert chosen_device(target) == own
    assert chosen_device(target, "pcm") == chosen_device(target, pcm) == pcm
    settings = {"cell.sigma": 0.1}
    assert chosen_device(target, settings=settings) == own.with_set(settings)
    assert chosen_device(load_target("mixed-64")) == own


def test_a_target_that_names_no_device_or_several_needs_one():
    mixed = load_target("mixed-64")
    first, second = mixed.macros
    for macros, said in (
        ((replace(first, device=None), replace(second, device=None)), "none of its macros does"),
        ((first, replace(second, device=None)), "its macros name rram-wan, and not all the same"),
        (
            (first, replace(second, device=load_device("ideal"))),
            "its macros name rram-wan, ideal, and not all the same",
        ),
    ):
        with pytest.raises(MappingError) as error:
            chosen_device(replace(mixed, macros=macros))
        ((code, text),) = problems(error)
        assert code == "no-device"
        assert text.endswith(said)
        assert chosen_device(replace(mixed, macros=macros), "pcm").name == "pcm"
    with pytest.raises(MappingError) as error:
        chosen_device(replace(mixed, macros=(with_cell_bits(2),)), "mram")
    assert problems(error)[0][0] == "device-levels"
