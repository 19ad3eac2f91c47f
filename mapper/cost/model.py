"""How action counts and component facts become energy, latency and area.

Standard library only: a generated ``cost.py`` carries this text, so it computes the same floats in
the same order. Energies are pJ, times ns, areas um2. No formula falls when a fact rises, so the
facts at their low ends give a lower bound and at their high ends an upper bound.
"""

from dataclasses import dataclass
from math import ceil, fsum, log2
from typing import Literal, NamedTuple


class Events(NamedTuple):
    """What the spikes do to the crossbars of a layer."""

    wordlines: int
    """Driven wordlines: a spike counts once for each crossbar and output position it enters."""
    cells: int
    """Cells with a weight on driven wordlines."""
    levels: int
    """Their conductance levels above zero, summed: with 1-bit cells, those that are on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The crossbars of a layer; all zero for a layer on the digital unit."""

    planes: int
    """Input bit planes, one read of the grid each."""
    copies: int
    """Replicas of the grid, each with its share of the output positions."""
    row_blocks: int
    column_blocks: int
    block_wordlines: int
    """Wordlines of the tallest row block."""
    block_conversions: int
    """Conversions of one read of the widest crossbar."""
    half_active: bool
    """A replica column in each crossbar gives the reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How often a layer does what, in one time step of one sample, whatever the spikes."""

    crossbar_reads: int
    conversions: int
    shift_adds: int
    shift_add_bits: int
    accumulations: int
    accumulate_bits: int
    scale_multiplies: int
    scale_multiply_bits: int
    membrane_updates: int
    membrane_bits: int
    buffer_read_bits: int
    buffer_write_bits: int
    hop_bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer: its crossbars, its digital work, and what its spikes could do at most."""

    name: str
    macro: str
    round: int
    stage: int
    distance: int
    """Hops from where the input comes from."""
    positions: int
    """Output positions: 1 for linear layers."""
    outputs: int
    """Outputs of one position."""
    digital_rows: int
    """Products of one output on the digital unit, one a cycle; 0 on crossbars."""
    input_bits: int
    stored_bits: int
    """Bits in memory: states, digital weights, and two time steps of the input."""
    shift_add_width: int
    accumulate_width: int
    grid: Grid
    work: Work
    full: Events
    """In one time step in which every input bit is 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro:
    """What the formulas need of one macro kind."""

    wordlines: int
    bitlines: int
    readouts: int
    """Readouts of one crossbar."""
    columns_per_readout: int
    comparators: int
    """Sense amplifiers of one readout; 1 for an ADC, whose facts are of the whole; 0 ideal."""
    top_level: int
    """Highest conductance level of a cell: 1 for 1-bit cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """What the formulas need of the chip, and no interval is known for."""

    policy: Literal["sensing-set", "decoupled"]
    logic_ns: float
    crossbars_per_tile: int
    buffer_word_bits: int
    hop_word_bits: int
    macros: dict[str, Macro]


class Part(NamedTuple):
    """One component: energy of an action, time of an action, area of an instance."""

    pj: float
    ns: float
    um2: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Component facts at one end of their intervals."""

    read_voltage_v: float
    on_conductance_us: float
    off_conductance_us: float
    cell_um2: float
    wordline_drive: Part
    readouts: dict[str, Part]
    """By macro kind."""
    shift_add: Part
    accumulate: Part
    scale_multiply: Part
    membrane_update: Part
    buffer_read: Part
    buffer_write: Part
    hop: Part
    leakage_uw_per_mm2: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What the spikes did, by layer, summed over time steps and samples."""

    steps: int
    samples: int
    events: tuple[Events, ...]


def activity_of_density(layers: tuple[Layer, ...], density: float, steps: int) -> Activity:
    """Give the mean of one sample whose input bits are 1 with a probability, to whole events."""

    def expected(layer: Layer) -> Events:
        return Events(*(round(density * count * steps) for count in layer.full))

    return Activity(steps=steps, samples=1, events=tuple(expected(layer) for layer in layers))


def action_counts(layer: Layer, events: Events, activity: Activity) -> dict[str, int]:
    """Count every action of a layer over all time steps and samples."""
    runs = activity.steps * activity.samples
    work = layer.work
    return {
        "crossbar_reads": work.crossbar_reads * runs,
        "wordline_events": events.wordlines,
        "conversions": work.conversions * runs,
        "shift_adds": work.shift_adds * runs,
        "accumulations": work.accumulations * runs,
        "scale_multiplies": work.scale_multiplies * runs,
        "membrane_updates": work.membrane_updates * runs,
        "membrane_bits": work.membrane_bits * runs,
        "buffer_bits": (work.buffer_read_bits + work.buffer_write_bits) * runs,
        "hops": work.hop_bits * runs,
    }


def layer_energy(
    layer: Layer, events: Events, activity: Activity, chip: Chip, facts: Facts
) -> dict[str, float]:
    """Return pJ by action, of all time steps of one sample."""
    macro, readout = chip.macros[layer.macro], facts.readouts[layer.macro]
    work, steps = layer.work, activity.steps
    driven_cells = events.wordlines * macro.bitlines / activity.samples
    memory = facts.buffer_read.pj + facts.buffer_write.pj
    return {
        "cells": cell_energy(layer, events, chip, facts) / activity.samples,
        "wordline_drive": driven_cells * facts.wordline_drive.pj,
        "readout": work.conversions * steps * macro.comparators * readout.pj,
        "shift_add": work.shift_add_bits * steps * facts.shift_add.pj,
        "accumulate": work.accumulate_bits * steps * facts.accumulate.pj,
        "scale_multiply": work.scale_multiply_bits * steps * facts.scale_multiply.pj,
        "membrane_update": work.membrane_updates * steps * facts.membrane_update.pj,
        "membrane_memory": work.membrane_bits * steps * memory / 2,  # half read, half written
        "buffer_read": work.buffer_read_bits * steps * facts.buffer_read.pj,
        "buffer_write": work.buffer_write_bits * steps * facts.buffer_write.pj,
        "hop": work.hop_bits * steps * facts.hop.pj,
    }


def cell_energy(layer: Layer, events: Events, chip: Chip, facts: Facts) -> float:
    """Return V^2 G t of all cells on driven wordlines: while the line settles and is read.

    A cell at level ``u`` has the conductance between off and on at ``u / top_level``. A replica
    column has one cell a wordline, half as conductive as a cell that is on.
    """
    duration_ns = facts.wordline_drive.ns + facts.readouts[layer.macro].ns
    on = events.levels / chip.macros[layer.macro].top_level
    off = events.cells - on
    if layer.grid.half_active:
        on += events.wordlines / 2
    siemens = (on * facts.on_conductance_us + off * facts.off_conductance_us) * 1e-6
    watts = facts.read_voltage_v**2 * siemens
    return watts * duration_ns * 1e3  # W ns = 1000 pJ


def cycle_ns(layers: tuple[Layer, ...], chip: Chip, facts: Facts) -> float:
    """Return the clock period of the logic: under ``sensing-set``, that of the slowest readout."""
    if chip.policy == "decoupled":
        return chip.logic_ns
    return max(chip.logic_ns, *(facts.readouts[layer.macro].ns for layer in layers))


def position_stages(layer: Layer, chip: Chip, facts: Facts, cycle: float) -> dict[str, float]:
    """Return what one output position takes, ns by stage.

    Under ``sensing-set`` the wordlines settle within the cycle that reads them.
    """
    grid, macro = layer.grid, chip.macros[layer.macro]
    turns = min(macro.columns_per_readout, grid.block_conversions)
    read = turns * facts.readouts[layer.macro].ns + facts.wordline_drive.ns
    if chip.policy == "sensing-set":
        read = turns * cycle
    loaded = grid.planes * grid.block_wordlines * min(grid.row_blocks, chip.crossbars_per_tile)
    words = ceil(loaded / chip.buffer_word_bits)
    depth = ceil(log2(max(grid.row_blocks, 1)))
    return {
        "load": words * _cycles(facts.buffer_read.ns, cycle),
        "read": grid.planes * read,
        "shift_add": grid.planes * turns * cycle,
        "accumulate": depth * cycle,
        "digital": layer.digital_rows * cycle,
        "membrane": bool(layer.work.membrane_updates) * _cycles(facts.membrane_update.ns, cycle),
    }


def _cycles(duration_ns: float, cycle: float) -> float:
    return ceil(duration_ns / cycle) * cycle


def layer_time(layer: Layer, chip: Chip, facts: Facts, cycle: float, *, pipelined: bool) -> float:
    """Return ns of one time step of a layer: its input arrives, its positions follow.

    Pipelined, everything overlaps and the slowest stage sets the pace (an adder tree takes new
    operands every cycle, however deep it is); else every stage waits for the one before.
    """
    stages = position_stages(layer, chip, facts, cycle)
    turns = ceil(layer.positions / max(layer.grid.copies, 1))
    hop = _cycles(facts.hop.ns, cycle)
    arrival = ceil(layer.input_bits / chip.hop_word_bits) * hop
    if not pipelined:
        return layer.distance * hop + arrival + turns * fsum(stages.values())
    stages["accumulate"] = min(stages["accumulate"], cycle)
    return max(arrival, turns * max(stages.values()))


def latencies(layers: tuple[Layer, ...], chip: Chip, facts: Facts, steps: int) -> dict[str, float]:
    """Return ns of one time step and of all of them, pipelined over layers and not.

    Pipelined, a result appears each time the slowest pipeline stage is done, and the first one
    after all stages. Weights that are loaded again every step leave nothing to overlap with;
    the loading itself is not counted.
    """
    cycle = cycle_ns(layers, chip, facts)
    sequential = fsum(layer_time(layer, chip, facts, cycle, pipelined=False) for layer in layers)
    step = max(layer_time(layer, chip, facts, cycle, pipelined=True) for layer in layers)
    depth = 1 + max(layer.stage for layer in layers)
    inference = (steps + depth - 1) * step
    if len({layer.round for layer in layers}) > 1:
        step, inference = sequential, steps * sequential
    return {
        "cycle": cycle,
        "step_pipelined": step,
        "step_sequential": sequential,
        "inference_pipelined": inference,
        "inference_sequential": steps * sequential,
    }


def layer_area(layer: Layer, chip: Chip, facts: Facts) -> dict[str, float]:
    """Return um2 by block: whole crossbars, whether their cells are used or not.

    One shift-adder a readout; an adder tree, a scale multiplier and a neuron unit for each
    output that is ready at the same time.
    """
    grid, macro = layer.grid, chip.macros[layer.macro]
    crossbars = crossbars_of(layer)
    readouts = crossbars * macro.readouts
    lanes = max(grid.copies, 1) * ceil(layer.outputs / macro.columns_per_readout)
    adders = lanes * (1 if layer.digital_rows else max(grid.row_blocks - 1, 0))
    multipliers = lanes if layer.work.scale_multiplies else 0
    neurons = lanes if layer.work.membrane_updates else 0
    return {
        "cells": crossbars * macro.wordlines * macro.bitlines * facts.cell_um2,
        "wordline_drivers": crossbars * macro.wordlines * facts.wordline_drive.um2,
        "readouts": readouts * macro.comparators * facts.readouts[layer.macro].um2,
        "shift_adders": readouts * layer.shift_add_width * facts.shift_add.um2,
        "adders": adders * layer.accumulate_width * facts.accumulate.um2,
        "multipliers": multipliers * layer.accumulate_width * facts.scale_multiply.um2,
        "neurons": neurons * facts.membrane_update.um2,
        "memory": layer.stored_bits * facts.buffer_read.um2,
    }


def crossbars_of(layer: Layer) -> int:
    """Count the crossbars of all copies of a layer."""
    return layer.grid.copies * layer.grid.row_blocks * layer.grid.column_blocks


def areas(layers: tuple[Layer, ...], chip: Chip, facts: Facts) -> dict[str, float]:
    """Return um2 by block of what the layers occupy; of several rounds, the larger one counts."""
    rounds = sorted({layer.round for layer in layers})
    totals = [_round_area(layers, which, chip, facts) for which in rounds]
    return {block: max(total[block] for total in totals) for block in totals[0]}


def _round_area(
    layers: tuple[Layer, ...], which: int, chip: Chip, facts: Facts
) -> dict[str, float]:
    present = [layer for layer in layers if layer.round == which]
    blocks = [layer_area(layer, chip, facts) for layer in present]
    total = {name: fsum(block[name] for block in blocks) for name in blocks[0]}
    crossbars = sum(crossbars_of(layer) for layer in present)
    total["routers"] = ceil(crossbars / chip.crossbars_per_tile) * facts.hop.um2
    return total


def leakage_energy(area_um2: float, duration_ns: float, facts: Facts) -> float:
    """Return pJ that the occupied area draws while an inference lasts."""
    microwatts = facts.leakage_uw_per_mm2 * area_um2 * 1e-6
    return microwatts * duration_ns * 1e-3  # uW ns = 0.001 pJ
