"""What of a device's facts there is in a macro: digital cells are stuck or right."""

from dataclasses import replace

from targets.devices import CellCounts, Imperfections, ReadoutCounts


def digital_facts(facts: Imperfections) -> Imperfections:
    """Return what goes wrong where adders sum the bits of cells: a stuck one, nothing analogue."""
    cell = CellCounts(
        levels=facts.cell.levels,
        stuck_on=facts.cell.stuck_on,
        stuck_off=facts.cell.stuck_off,
        off=None,
        level=tuple(map(float, range(facts.cell.levels))),
        sigma=None,
        nu=None,
        nu_sigma=None,
        t0_s=None,
        read_noise=None,
        age_s=facts.cell.age_s,
    )
    return replace(facts, cell=cell, readout=without_amplifier(facts), wire=None)


def without_amplifier(facts: Imperfections) -> ReadoutCounts:
    """Return a readout that takes each sum as it is."""
    return replace(facts.readout, offset=None, gain=None, noise=None)


def has_wires(facts: Imperfections) -> bool:
    """Say whether the resistance of wires is known and not 0."""
    return facts.wire is not None and facts.wire.share > 0
