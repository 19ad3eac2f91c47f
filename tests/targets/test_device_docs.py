"""The page on devices: its tables are complete, its file loads and gives what a hand finds."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from targets import load_target
from targets.devices import SETTINGS, device_names, load_device
from targets.devices.cell import Cell, CellNoise, Drift, Quantiles, Relaxation, Spread, Temperature
from targets.devices.circuit import Amplifier, Replica, Wire
from targets.devices.device import Device

PAGE = (Path(__file__).parents[2] / "docs" / "devices.md").read_text(encoding="utf-8")
TABLES = {
    "top": Device,
    "`[cell]`": Cell,
    "`[[cell.spread]]`": Spread,
    "`[[cell.spread.level]]`": Quantiles,
    "`[cell.relaxation]`": Relaxation,
    "`[cell.drift]`": Drift,
    "`[cell.read_noise]`": CellNoise,
    "`[cell.temperature]`": Temperature,
    "`[amplifier]`": Amplifier,
    "`[wire]`": Wire,
    "`[replica]`": Replica,
}
EVERYWHERE = {"source", "condition", "verified", "cites"}
"""Keys that every table may have beside its numbers."""


def documented() -> dict[str, set[str]]:
    """Return the keys that the page lists, by table."""
    section = PAGE.partition("## Keys")[2].partition("\n## ")[0]
    found: dict[str, set[str]] = {}
    table = ""
    for first, keys in re.findall(r"^\|([^|\n]*)\|([^|\n]*)\|[^|\n]*\|$", section, re.MULTILINE):
        table = first.strip().partition(",")[0] or table
        found.setdefault(table, set()).update(re.findall(r"`(\w+)`", keys))
    return found


@pytest.mark.parametrize("table", TABLES)
def test_the_page_lists_every_key_and_no_other(table):
    keys = {field.name for field in fields(TABLES[table])} - EVERYWHERE
    assert documented()[table] == keys


def test_the_page_has_no_other_tables():
    assert set(documented()) - {"table", "---"} == set(TABLES)


def test_the_page_lists_every_setting_and_every_device():
    settings = PAGE.partition("## Settings")[2].partition("\n## ")[0]
    named = re.findall(r"`((?:cell|amplifier|wire)\.\w+)`", settings)
    assert set(named) == set(SETTINGS)
    shipped = PAGE.partition("| device | what")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z0-9-]+)`", shipped)) == set(device_names())


def test_the_file_of_the_page_loads_and_is_what_a_hand_finds(tmp_path):
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    file = tmp_path / "my-rram.toml"
    file.write_text(text, encoding="utf-8")
    device = load_device(file)
    found = device.on(load_target("adcless-64").macros[0])
    assert found.cell.sigma == pytest.approx((0.4 / 47.5, 1.5 / 47.5))
    assert found.cell.off == pytest.approx(1 / 19)
    assert found.readout.offset == pytest.approx(4 / 9.5)  # 47.5 uS x 0.1 V x 2 kOhm = 9.5 mV
    assert (found.cell.stuck_on, found.cell.stuck_off) == (0.002, 0.005)
    assert device.unverified == ("amplifier.load_ohm",)
