"""Corners of a device: each fact at the end of its interval where more, or less, goes wrong."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from mapper import cli
from mapper.diagnostics import MappingError
from targets import load_target
from targets.devices import device_from_data, device_names, load_device
from targets.devices.cell import CELL_FACTS
from targets.devices.circuit import AMPLIFIER_FACTS, WIRE_FACTS

MACRO = load_target("adcless-64").macros[0]


def between(low: float, nominal: float, high: float) -> dict[str, object]:
    return {"low": low, "nominal": nominal, "high": high, "source": "x"}


def made(**tables: object):
    top = {"name": "d", "kind": "rram", "summary": "s", "provenance": "p"}
    return device_from_data({**top, **tables}, loc="d.toml")


def test_each_fact_is_at_its_own_end():
    """Worst: most offset over the least swing; 4 mV of 0.5 V / 64 rows are 0.512 counts."""
    device = made(
        cell={"on_off": between(10, 20, 40), "stuck_on": between(0.1, 0.2, 0.3)},
        amplifier={
            "offset_mv": between(1, 2, 4),
            "swing_v": between(0.5, 1, 2),
            "parasitic": {"value": 0, "source": "x"},
        },
        wire={"share": between(0.001, 0.01, 0.1), "supply": "rows"},
    )
    worst, nominal, best = (device.at(corner).on(MACRO) for corner in ("worst", "nominal", "best"))
    assert [f.readout.offset for f in (worst, nominal, best)] == [
        4 / (500 / 64),
        2 / (1000 / 64),
        1 / (2000 / 64),
    ]
    assert [f.cell.stuck_on for f in (worst, nominal, best)] == [0.3, 0.2, 0.1]
    assert [f.cell.off for f in (worst, best)] == pytest.approx([1 / 9, 1 / 39])
    assert [f.wire.share for f in (worst, nominal, best)] == [0.1, 0.01, 0.001]
    assert device.at("nominal") is device
    assert [device.at(corner).name for corner in ("worst", "best")] == ["d-worst", "d-best"]


def test_a_fact_that_goes_both_ways_stays_nominal():
    device = made(cell={"on_us": between(10, 20, 30), "off_us": between(1, 2, 3)})
    worst = device.at("worst")
    assert worst.cell.on_us == device.cell.on_us
    assert worst.cell.off_us.number == 3.0
    both_ways = {"levels", "on_us"}
    facts = {**CELL_FACTS, **AMPLIFIER_FACTS, **WIRE_FACTS}
    assert {key for key, known in facts.items() if known.worst is None} == both_ways


@pytest.mark.parametrize("name", device_names())
@pytest.mark.parametrize("corner", ["best", "worst"])
def test_every_shipped_device_has_its_corners(name, corner):
    device = load_device(name).at(corner)
    assert device_from_data(device.to_data(), loc="d.toml") == device
    nominal, found = load_device(name).on(MACRO), device.on(MACRO)
    sign = 1 if corner == "worst" else -1
    for key in ("offset", "noise", "gain"):
        ends = getattr(nominal.readout, key), getattr(found.readout, key)
        assert ends == (None, None) or sign * (ends[1] - ends[0]) >= 0


def test_a_long_name_still_fits_a_file():
    device = made(cell={"stuck_on": between(0, 0, 0.1)})
    data = {**device.to_data(), "name": "n" * 64, "summary": "s" * 2000}
    corner = device_from_data(data, loc="d.toml").at("worst")
    assert device_from_data(corner.to_data(), loc="d.toml") == corner


def test_what_is_no_corner_and_facts_that_do_not_go_together_are_refused():
    device = made(cell={"stuck_on": between(0, 0.1, 0.6), "stuck_off": between(0, 0.1, 0.6)})
    with pytest.raises(MappingError, match=r"device-corner.*got 'low'"):
        device.at("low")
    with pytest.raises(MappingError, match=r"device-corner.*'d' has no worst corner") as refused:
        device.at("worst")
    assert "stuck_on and stuck_off are 1.2 together, at most 1" in str(refused.value)


def test_the_command_shows_a_corner(tmp_path: Path):
    args = ["devices", "rram-wan", "--target", "adcless-64", "--corner", "worst"]
    run = CliRunner().invoke(cli.app, args)
    assert run.exit_code == 0, run.output
    assert "rram-wan-worst" in run.stdout
    run = CliRunner().invoke(cli.app, [*args[:-1], "middle"])
    assert run.exit_code == 1
    assert "device-corner" in run.output
    run = CliRunner().invoke(
        cli.app, ["die", str(tmp_path), "--seed", "1", "--corner", "best", "-o", "x"]
    )
    assert run.exit_code != 0
    assert "--corner goes with --device" in run.output
