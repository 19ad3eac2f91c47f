"""Every constant and assumption behind the numbers of a page, each with its source."""

from collections.abc import Iterator

from mapper.cost.resolved import resolved
from mapper.diagnostics import many
from mapper.report.charts.base import Table
from mapper.report.charts.breakdown import words
from mapper.report.numbers import number, percent
from mapper.report.references import entry_in_words, usable, works_behind
from targets import Cell, CellKind, Component, Interval, Preset, Target

_PRESET = (
    ("activity", "which spikes are counted: random ones, or those of the trace or density given"),
    ("adc", "how ADCs are made"),
    ("clock", "what sets the clock of the logic"),
    ("steps_as_bits", "time steps treated as the bits of one input"),
    ("overlap", "stages of a layer overlap"),
    ("neurons", "membrane updates and their memory are charged"),
    ("corrections", "offset corrections and replica columns are charged"),
    ("merged_sums", "bit-slices that make a code are wires, a shared scale is multiplied once"),
    ("shared_units", "what is shared is waited for: circuits, ports, whole words of a memory"),
)


def preset_table(preset: Preset) -> Table:
    """Write what the preset assumes beyond the target."""
    return Table(
        columns=("assumption", "value", "meaning"),
        rows=tuple((words(name), _word(getattr(preset, name)), told) for name, told in _PRESET),
    )


def _word(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def target_table(target: Target) -> Table:
    """Write the facts of the chip that are no costs."""
    return Table(columns=("fact", "value"), rows=tuple(_target_rows(target)))


def _target_rows(target: Target) -> Iterator[tuple[str, str]]:
    chip, clock, neuron = target.chip, target.clock, target.neuron
    for macro in target.macros:
        readout = macro.readout
        cells = macro.written(macro.weight_bits).cells
        shared = many(readout.columns_per_readout, "column")
        yield (
            f"macro {macro.name}",
            f"{many(macro.wordlines, 'wordline')} x {many(macro.bitlines, 'bitline')} of "
            f"{cells}, {macro.encoding} weights; {readout.kind} readout, "
            f"{readout.reference} reference, {shared} a readout",
        )
    yield (
        "chip",
        f"{many(chip.tiles, 'tile')} of {many(chip.crossbars_per_tile, 'crossbar')}; up to "
        f"{many(chip.max_chips, 'chip')}, {many(chip.max_rounds, 'round')}; "
        f"{percent(chip.idle_leakage)} of the leakage stays while it waits",
    )
    skips = "skipped" if target.events.skip_silent_reads else "made like the others"
    reached = "those that an event reaches" if target.events.update_on_event else "all"
    yield (
        "events",
        f"crossbar reads without a driven wordline are {skips}; membranes updated: {reached}",
    )
    lasts = "" if clock.step_ns is None else f", a time step lasts {clock.step_ns:g} ns or more"
    yield "clock", f"{clock.policy}, logic {clock.logic_ns:g} ns{lasts}"
    yield "neuron unit", f"{neuron.membrane_bits}-bit membranes, leaks: {', '.join(neuron.leaks)}"


def constants_table(target: Target) -> Table:
    """Write every constant of the component library that this target can use."""
    return Table(
        columns=("component", "per", "energy (pJ)", "latency (ns)", "area (µm²)", "at", "source"),
        rows=tuple(_constant_rows(target)),
    )


def references_table(target: Target, preset: Preset) -> Table:
    """List the works that the numbers rest on, by their keys in ``references.bib``."""
    works = works_behind(target, preset)
    rows = tuple((work.key, entry_in_words(work)) for work in works)
    return Table(columns=("key", "work"), rows=rows)


def _constant_rows(target: Target) -> Iterator[tuple[str, ...]]:
    library = resolved(target).components
    cell = library.cell
    yield (
        "cell",
        "; ".join(_cell_facts(cell)),
        *(CELL_ENERGY[cell.kind], ""),
        _interval(cell.area_um2),
        f"{cell.node_nm:g} nm",
        _line(cell.source),
    )
    for name, part in library.entries():
        if usable(name, target):
            yield _component_row(name, part)
    leakage = library.leakage
    yield (
        "leakage",
        f"{_interval(leakage.power_uw_per_mm2)} µW/mm²",
        *("", "", ""),
        f"{leakage.node_nm:g} nm",
        _line(leakage.source),
    )


CELL_ENERGY: dict[CellKind, str] = {
    "resistive": "V² G t",
    "charge": "C V² a read",
    "discharge": "C V² a product",
    "static": "I V t",
    "digital": "a gate a product",
}
"""What a cell of each kind takes."""


def _cell_facts(cell: Cell) -> Iterator[str]:
    """Write the facts that the kind of cell has."""
    for value, words_before, unit in (
        (cell.read_voltage_v, "read voltage", "V"),
        (cell.on_conductance_us, "on", "µS"),
        (cell.off_conductance_us, "off", "µS"),
        (cell.switched_ff, "switches", "fF"),
        (cell.product_ff, "a product switches", "fF"),
        (cell.current_ua, "draws", "µA"),
        (cell.product_pj, "product", "pJ"),
        (cell.supply_v, "supply", "V"),
    ):
        if value.high > 0:
            yield f"{words_before} {_interval(value)} {unit}"


def _component_row(name: str, part: Component) -> tuple[str, ...]:
    return (
        words(name),
        part.per,
        _interval(part.energy_pj),
        _interval(part.latency_ns),
        _interval(part.area_um2),
        f"{part.node_nm:g} nm, {part.voltage_v:g} V",
        _line(part.source),
    )


def _interval(value: Interval) -> str:
    known = "" if value.kind is None else f", {value.kind}"
    if value.low == value.high:
        return f"{number(value.nominal, 4)}{known}"
    low, nominal, high = (number(end, 4) for end in (value.low, value.nominal, value.high))
    return f"{nominal} ({low} .. {high}){known}"


def _line(text: str) -> str:
    return " ".join(text.split())
