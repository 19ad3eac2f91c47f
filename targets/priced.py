"""A device and a component library both speak of the conductance of cells: there is one truth."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from targets.cells import Cell, CellKind, Interval
from targets.devices.device import Device, DeviceKind
from targets.library import Library

RESISTIVE: tuple[CellKind, ...] = ("resistive",)
SWITCHED: tuple[CellKind, ...] = ("charge", "discharge", "static", "digital")
CELL_KINDS: dict[DeviceKind, tuple[CellKind, ...]] = {
    "ideal": (*RESISTIVE, *SWITCHED),
    "rram": RESISTIVE,
    "pcm": RESISTIVE,
    "fefet": (*RESISTIVE, "static"),
    "mram": RESISTIVE,
    "sram": SWITCHED,
    "other": (*RESISTIVE, *SWITCHED),
}
"""Kinds of cells that a device may be, by its kind."""


def device_disagrees(device: Device, cell: Cell, macro: str) -> Iterator[str]:
    """Yield where a target's device and its component library contradict each other."""
    if cell.kind not in CELL_KINDS[device.kind]:
        yield (
            f"macro {macro!r} has {cell.kind} cells by its library, "
            f"device {device.name!r} is {device.kind}"
        )
        return
    for name, held in conductances(device, cell).items():
        priced: Interval = getattr(cell, name)
        if not priced.low <= held.nominal <= priced.high:
            yield (
                f"macro {macro!r} has cells of {name} {held.nominal:.4g} by device "
                f"{device.name!r}, {priced.low:.4g}..{priced.high:.4g} by its library"
            )


def priced_by(device: Device, library: Library) -> Library:
    """Return a library whose cells conduct what the levels of a device do, where it has them."""
    found = conductances(device, library.cell)
    if not found:
        return library
    names = " and ".join(found)
    source = f"{names}: device {device.name}. Else: {library.cell.source}"
    return replace(library, cell=replace(library.cell, source=source, **found))


def conductances(device: Device, cell: Cell) -> dict[str, Any]:
    """Return the facts of a resistive cell that a device has, intervals in uS by their names.

    Where it has the ratio of its levels alone, that of the lowest follows from the library's
    highest.
    """
    if cell.kind != "resistive":
        return {}
    found: dict[str, Any] = {}
    on = cell.on_conductance_us
    if device.cell.on_us is not None:
        low, high = device.cell.on_us.ends
        on = Interval(low=low, nominal=device.cell.on_us.number, high=high)
        found["on_conductance_us"] = on
    leak = device.cell.leak
    if device.cell.off_us is not None:
        low, high = device.cell.off_us.ends
        off = Interval(low=low, nominal=device.cell.off_us.number, high=high)
        found["off_conductance_us"] = off
    elif leak:
        off = Interval(low=on.low * leak, nominal=on.nominal * leak, high=on.high * leak)
        found["off_conductance_us"] = off
    return found
