"""Devices: read strictly, and changed by settings."""

import pytest

from mapper.diagnostics import MappingError
from targets.devices import (
    SETTINGS,
    Device,
    device_from_data,
    device_names,
    load_device,
    parse_set,
    shipped_device_text,
)
from tests.targets.small_devices import DAY, ROWS_64, ROWS_128, fact, problems, refused

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
            "[cell.spread.level] found_us must rise, got 2 and then 1",
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
            "[wire] needs one of ohm_per_cell and share, got neither",
        ),
        (
            {"wire": {"supply": "rows", "share": fact(0), "ohm_per_cell": fact(1)}},
            "[wire] needs one of ohm_per_cell and share, got both",
        ),
        ({"cell": {"levels": fact(2.5)}}, "[cell] levels must be a whole number, got 2.5"),
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
