"""Facts of a device in words, for a terminal and for a page."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from targets.devices.cell import CELL_FACTS
from targets.devices.circuit import AMPLIFIER_FACTS, WIRE_FACTS
from targets.devices.counts import Imperfections
from targets.devices.device import Device
from targets.devices.fact import About, Fact

FACTS: dict[str, About] = {
    f"{table}.{key}": known
    for table, keys in (("cell", CELL_FACTS), ("amplifier", AMPLIFIER_FACTS), ("wire", WIRE_FACTS))
    for key, known in keys.items()
}
"""Every fact that is one number, by its path."""

ABOUT_IT = ("source", "condition", "verified", "cites")
"""Keys of a table that say where its numbers come from."""


def said_of(device: Device) -> Iterator[tuple[str, str, str, bool, str]]:
    """Yield path, value, condition, whether it is verified, and source of everything it says."""
    for path, held in device.facts():
        condition = getattr(held, "condition", None) or ""
        yield path, value_of(path, held), condition, held.verified, held.source


def value_of(path: str, held: Any) -> str:
    """Write a fact with its unit, or the numbers of a table."""
    if isinstance(held, Fact):
        unit = FACTS[path].unit
        low, high = held.ends
        ends = "" if low == high else f" ({low:g}..{high:g})"
        return " ".join(filter(None, (f"{held.number:g}", unit))) + ends
    given = {
        member.name: getattr(held, member.name)
        for member in fields(held)
        if member.name not in ABOUT_IT and getattr(held, member.name) != member.default
    }
    return ", ".join(f"{name} {_written(value)}" for name, value in given.items())


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, float):
        return f"{value:g}"
    return str(value) if not hasattr(value, "at_us") else f"at {value.at_us:g} uS"


def counts_of(found: Imperfections) -> dict[str, object]:
    """Give what a device does in a macro by name, as far as it is known."""
    parts: dict[str, Any] = {"cell": found.cell, "readout": found.readout, "wire": found.wire}
    return {
        f"{part}.{member.name}": value
        for part, held in parts.items()
        for member in (fields(held) if held is not None else ())
        if (value := getattr(held, member.name)) is not None
    }
