"""A device and a component library both speak of the conductance of cells: there is one truth."""

from collections.abc import Iterator
from dataclasses import replace

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
    if cell.kind != "resistive":
        return
    on, off = conductances(device)
    for name, held, priced in (
        ("on", on, cell.on_conductance_us),
        ("off", off, cell.off_conductance_us),
    ):
        if held is None or priced.high == 0:
            continue
        if not priced.low <= held.nominal <= priced.high:
            yield (
                f"macro {macro!r} has cells of {held.nominal:.4g} uS when {name} by device "
                f"{device.name!r}, of {priced.low:g}..{priced.high:g} by its library"
            )


def priced_by(device: Device, library: Library) -> Library:
    """Return a library whose cells conduct what the levels of a device do, where it has them."""
    on, off = conductances(device)
    if library.cell.kind != "resistive" or on is None:
        return library
    fact = device.cell.on_us
    assert fact is not None
    cell = replace(
        library.cell,
        on_conductance_us=on,
        off_conductance_us=off or library.cell.off_conductance_us,
        source=f"Conductances: device {device.name}, {fact.source}. Else: {library.cell.source}",
    )
    return replace(library, cell=cell) if cell != library.cell else library


def conductances(device: Device) -> tuple[Interval | None, Interval | None]:
    """Return the uS of its highest and of its lowest level, as far as it says."""
    fact = device.cell.on_us
    if fact is None:
        return None, None
    low, high = fact.ends
    on = Interval(low=low, nominal=fact.number, high=high)
    if device.cell.off_us is not None:
        low, high = device.cell.off_us.ends
        return on, Interval(low=low, nominal=device.cell.off_us.number, high=high)
    leak = device.cell.leak
    if leak is None:
        return on, None
    return on, Interval(low=low * leak, nominal=fact.number * leak, high=high * leak)
