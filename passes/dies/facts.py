"""What of a device's facts there is in a macro: digital cells are stuck or right.

Imperfections have names, so that a chip can be drawn without some of them.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from mapper.diagnostics import refuse
from mapper.ir.core import Graph
from mapper.ir.crossbar import CrossbarMvm
from targets import Target
from targets.devices import CellCounts, Imperfections, ReadoutCounts

Facts = Imperfections


def digital_facts(facts: Facts) -> Facts:
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


def without_amplifier(facts: Facts) -> ReadoutCounts:
    """Return a readout that takes each sum as it is."""
    return replace(facts.readout, offset=None, gain=None, noise=None)


def has_wires(facts: Facts) -> bool:
    """Say whether the resistance of wires is known and not 0."""
    return facts.wire is not None and facts.wire.share > 0


def has_spread(cell: CellCounts) -> bool:
    """Say whether cells are programmed with an error."""
    return bool(cell.log_sigma or cell.quantiles or any(cell.sigma or ()))


# --- imperfections by name ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Imperfection:
    """One thing that goes wrong, as far as the counts of a macro say it."""

    words: str
    there: Callable[[Facts], bool]
    without: Callable[[Facts], Facts]


def _stuck(facts: Facts) -> Facts:
    return replace(facts, cell=replace(facts.cell, stuck_on=None, stuck_off=None))


def _programmed(facts: Facts) -> Facts:
    return replace(facts, cell=replace(facts.cell, sigma=None, log_sigma=None, quantiles=None))


def _sealed(facts: Facts) -> Facts:
    """Take leakage off what cells of every level conduct."""
    off = facts.cell.off or 0.0
    found = facts.cell.quantiles
    cell = replace(
        facts.cell,
        off=None,
        level=tuple(max(0.0, g - off) for g in facts.cell.level),
        quantiles=found and tuple(tuple(max(0.0, g - off) for g in level) for level in found),
    )
    return replace(facts, cell=cell)


def _quiet(facts: Facts) -> Facts:
    cell = replace(facts.cell, read_noise=None)
    return replace(facts, cell=cell, readout=replace(facts.readout, noise=None))


IMPERFECTIONS = {
    "stuck": Imperfection(
        "cells that are always on or always off",
        lambda facts: bool(facts.cell.stuck_on or facts.cell.stuck_off),
        _stuck,
    ),
    "programming": Imperfection(
        "spread of programmed cells", lambda facts: has_spread(facts.cell), _programmed
    ),
    "leakage": Imperfection(
        "what cells conduct that are off", lambda facts: bool(facts.cell.off), _sealed
    ),
    "offset": Imperfection(
        "offset of amplifiers",
        lambda facts: bool(facts.readout.offset),
        lambda facts: replace(facts, readout=replace(facts.readout, offset=None)),
    ),
    "gain": Imperfection(
        "gain of converters",
        lambda facts: bool(facts.readout.gain),
        lambda facts: replace(facts, readout=replace(facts.readout, gain=None)),
    ),
    "read noise": Imperfection(
        "noise of each read, of cells and amplifiers",
        lambda facts: bool(facts.readout.noise or any(facts.cell.read_noise or ())),
        _quiet,
    ),
    "wires": Imperfection(
        "resistance of wires", has_wires, lambda facts: replace(facts, wire=None)
    ),
}
"""What a chip may be drawn without, beside its age: that is ``AGEING``."""

AGEING = "drift"
"""What age does, to every fact that follows from it: drift, relaxation, a spread that grows."""

NAMES = (*list(IMPERFECTIONS)[:3], AGEING, *list(IMPERFECTIONS)[3:])
"""Everything that a chip may be drawn without, cells first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Of one chip, or of all that come from one fab."""

    age: float | None = None
    """In seconds since it was programmed; None: just programmed."""
    temperature: float | None = None
    """In degrees Celsius; None: that at which the facts of the device hold."""
    without: Collection[str] = ()
    """Imperfections that it does not have: some of ``NAMES``."""


def facts_of(op: CrossbarMvm, target: Target, conditions: Conditions) -> Facts:
    """Return what goes wrong in the macro of a layer.

    Raises:
        MappingError: ``no-device``, ``device-levels``, ``device-age``.
    """
    facts = _of_macro(op, target, conditions)
    for name in conditions.without:
        if name != AGEING:
            facts = IMPERFECTIONS[name].without(facts)
    return facts


def _of_macro(op: CrossbarMvm, target: Target, conditions: Conditions) -> Facts:
    macro = target.macro(op.placement.macro)
    if macro.device is None:
        raise refuse(
            "no-device",
            f"macro '{macro.name}' of target '{target.name}' names no device",
            loc=op.loc,
            help="name one with --device, or device = in the target's file",
        )
    age = None if AGEING in conditions.without else conditions.age
    bits = max(plane.bits for plane in op.bit_planes)
    facts = macro.device.on(macro, age, conditions.temperature, plane_bits=bits)
    if macro.readout.form.adds:
        return digital_facts(facts)
    if macro.readout.is_exact:
        return replace(facts, readout=without_amplifier(facts))
    if macro.readout.is_sensed:  # compares, whatever it amplifies by
        return replace(facts, readout=replace(facts.readout, gain=None))
    return facts


def imperfections_of(graph: Graph, target: Target, conditions: Conditions) -> tuple[str, ...]:
    """Name the imperfections that chips of a target have, in the order of ``NAMES``.

    Raises:
        MappingError: As ``facts_of``.
    """
    layers = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
    found = {name for op in layers for name in _names(op, target, conditions)}
    return tuple(name for name in NAMES if name in found and name not in conditions.without)


def _names(op: CrossbarMvm, target: Target, conditions: Conditions) -> Iterator[str]:
    facts = facts_of(op, target, conditions)
    fresh = facts_of(op, target, replace(conditions, without=(*conditions.without, AGEING)))
    yield from (name for name, one in IMPERFECTIONS.items() if one.there(facts))
    if _moving(facts) != _moving(fresh):
        yield AGEING


def _moving(facts: Facts) -> tuple[object, ...]:
    """Return what age changes."""
    cell = facts.cell
    aged = cell.t0_s is not None and (cell.age_s or 0.0) > cell.t0_s
    drifts = aged and (any(cell.nu or ()) or any(cell.nu_sigma or ()))
    return (cell.level, cell.sigma, cell.read_noise, drifts)
