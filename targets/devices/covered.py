"""Which imperfections a device speaks of: a report names the others."""

from collections.abc import Callable

from targets.devices.cell import Cell
from targets.devices.circuit import Amplifier, Replica, Wire
from targets.devices.counts import ReadoutCounts, WireCounts
from targets.devices.resolve import offset_mv

COVERED: dict[str, Callable[[Cell, Amplifier, Wire | None, Replica | None], bool]] = {
    "spread of programmed cells": lambda cell, *_: bool(cell.spread),
    "leakage of cells that are off": lambda cell, *_: cell.leak is not None,
    "cells stuck on": lambda cell, *_: cell.stuck_on is not None,
    "cells stuck off": lambda cell, *_: cell.stuck_off is not None,
    "age": lambda cell, *_: bool(cell.drift or cell.relaxation or cell.spread[1:]),
    "read noise of cells": lambda cell, *_: cell.read_noise is not None,
    "temperature": lambda cell, *_: cell.temperature is not None,
    "offset of amplifiers": lambda cell, amplifier, *_: (
        offset_mv(amplifier) is not None or amplifier.offset_counts is not None
    ),
    "gain of amplifiers": lambda cell, amplifier, *_: amplifier.gain is not None,
    "read noise of amplifiers": lambda cell, amplifier, *_: (
        amplifier.read_noise_mv is not None or amplifier.read_noise_counts is not None
    ),
    "wires": lambda cell, amplifier, wire, _: wire is not None,
    "reference": lambda cell, amplifier, wire, replica: replica is not None,
}
"""What a device may speak of, and whether its facts do."""


def not_covered(
    cell: Cell, amplifier: Amplifier | None, wire: Wire | None, replica: Replica | None
) -> tuple[str, ...]:
    """Name the imperfections that facts do not speak of."""
    held = amplifier or Amplifier()
    return tuple(name for name, rule in COVERED.items() if not rule(cell, held, wire, replica))


def too_little(
    amplifier: Amplifier | None,
    wire: Wire | None,
    readout: ReadoutCounts,
    wires: WireCounts | None,
) -> tuple[str, ...]:
    """Name what is known in its units, but not in counts, and what is missing for that."""
    found = []
    if amplifier is not None and readout.mv_per_count is None:
        for name, known, counts in (
            ("offset of amplifiers", offset_mv(amplifier), readout.offset),
            ("read noise of amplifiers", amplifier.read_noise_mv, readout.noise),
        ):
            if known is not None and counts is None:
                found.append(f"{name}: what a count is in mV is not known")
    if wire is not None and wires is None:
        found.append("wires: the conductance of a cell that is on is not known")
    return tuple(found)
