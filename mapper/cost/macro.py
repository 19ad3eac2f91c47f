"""What the macros of a layer take: cells by their kind, lines, inputs, read channels, readouts.

Standard library only, as ``mapper.cost.model``. This is the part of the model that published
macros are compared with: ``benchmarks/silicon.py`` calls it as every estimate does.
"""

from mapper.cost.actions import Activity
from mapper.cost.arith import smaller, total
from mapper.cost.model import Chip, Events, Facts, Layer, Macro, Part

MACRO_PARTS = ("cells", "wordline_drive", "inputs", "read_channel", "readout", "shift_add")
"""Actions inside of a macro; ``control`` is a share of all of them."""


def macro_energy(
    layer: Layer, events: Events, activity: Activity, chip: Chip, facts: Facts
) -> dict[str, float]:
    """Return pJ by action of one inference, but for the digital sums."""
    macro, readout = chip.macros[layer.macro], facts.readouts[layer.macro]
    samples = activity.samples
    heard = conversions(layer, events, activity, chip)
    driven_cells = events.wordlines * macro.bitlines / samples * pulses(layer, activity, chip)
    cells = cell_energy(layer, events, activity, chip, facts) / samples
    return {
        "cells": cells,
        "wordline_drive": driven_cells * facts.wordline_drive.pj,
        "inputs": latched_bits(layer) * activity.steps * input_bit_pj(facts),
        "read_channel": heard / samples * channel_pj(layer, chip, facts)
        + channel_copies(layer, facts) * cells,
        "readout": summed_energy(layer, events, activity, chip, facts) / samples
        if macro.tree
        else heard / samples * macro.comparators * conversion_pj(readout, macro),
    }


def control_energy(parts: dict[str, float], facts: Facts) -> float:
    """Return pJ of the clocking and control of macros: a share of all else in them."""
    return facts.control_share * total(parts[name] for name in MACRO_PARTS)


def conversions(layer: Layer, events: Events, activity: Activity, chip: Chip) -> int:
    """Count the columns whose sums are taken, over all time steps and samples."""
    if chip.gated:
        return events.conversions
    return layer.work.columns_read * activity.steps * activity.samples


def latched_bits(layer: Layer) -> int:
    """Count the input bits that registers take in one time step: each column block has its own."""
    return layer.work.buffer_read_bits * layer.grid.column_blocks


def input_bit_pj(facts: Facts) -> float:
    """Return pJ of one input bit: its register and, where there is one, its converter."""
    return facts.inputs.pj + facts.input_converter.pj


def pulses(layer: Layer, activity: Activity, chip: Chip) -> float:
    """Return how often a driven wordline switches in a read; a voltage counts by its height."""
    if chip.inputs == "bits":
        return ones(layer, activity)
    share = digit_share(layer, activity)
    most: int = (1 << layer.grid.plane_bits) - 1
    return share * most if chip.inputs == "pulses" else share


def digit_share(layer: Layer, activity: Activity) -> float:
    """Return the mean digit on a driven wordline over the greatest; 1 where bits enter one by one.

    Bits of a given density are drawn one by one; recorded digits are taken to be evenly spread.
    """
    bits = layer.grid.plane_bits
    if bits == 1:
        return 1.0
    if activity.density is None:
        return (1 << (bits - 1)) / ((1 << bits) - 1)
    driven = 1 - (1 - activity.density) ** bits
    return activity.density / (driven + (driven == 0))


def ones(layer: Layer, activity: Activity) -> float:
    """Return the mean count of bits that are 1 on a driven wordline."""
    return digit_share(layer, activity) * layer.grid.plane_bits


def summed_energy(
    layer: Layer, events: Events, activity: Activity, chip: Chip, facts: Facts
) -> float:
    """Return pJ of adder trees, over all time steps and samples: products that are 1 move them.

    In a chain of adders in the cells no product gates a carry: there, inputs do.
    """
    macro, bits = chip.macros[layer.macro], layer.grid.plane_bits
    runs = activity.steps * activity.samples
    columns = macro.cells_per_weight if macro.tree == "words" else 1
    trees = layer.work.tree_sums * runs / columns
    full = layer.full
    if macro.tree == "chain":
        moved, most = events.wordlines, full.wordlines
    else:
        moved, most = events.levels, full.cells * macro.top_level
    share = moved / (most * runs) * ones(layer, activity) / bits if most else 0.0
    return trees * share * facts.readouts[layer.macro].pj


def conversion_pj(readout: Part, macro: Macro) -> float:
    """Return the energy of one conversion, without that of the cells."""
    if not readout.wordline_ns:
        return readout.pj
    return readout.pj * conducting_ns(readout, macro) / readout.ns


def conducting_ns(readout: Part, macro: Macro) -> float:
    """Return how long a conversion keeps its bitline conducting."""
    if not readout.wordline_ns:
        return readout.ns
    return smaller(readout.ns, readout.wordline_ns / macro.wordlines)


def read_ns(layer: Layer, chip: Chip, facts: Facts) -> float:
    """Return how long cells conduct in a read: lines settle, then they are read or sampled.

    As pulses an input is on its wordline for as long as they last, and no current flows behind.
    """
    if chip.inputs == "pulses":
        return driving_ns(layer, chip, facts)
    return channel_on_ns(layer, chip, facts)


def channel_on_ns(layer: Layer, chip: Chip, facts: Facts) -> float:
    """Return how long a read channel works in a read: it samples, or holds until all is read."""
    macro, readout = chip.macros[layer.macro], facts.readouts[layer.macro]
    settling = driving_ns(layer, chip, facts) + channel_ns(layer, facts)
    if facts.channels and facts.channels[layer.macro].samples:
        return settling
    return settling + conducting_ns(readout, macro) - overlapping_ns(layer, chip, facts)


def overlapping_ns(layer: Layer, chip: Chip, facts: Facts) -> float:
    """Return how long a readout works while pulses last: an oscillator counts what they bring."""
    if chip.inputs != "pulses" or chip.macros[layer.macro].circuit != "cco":
        return 0.0
    return smaller(facts.readouts[layer.macro].ns, pulsed_ns(layer, chip))


def driving_ns(layer: Layer, chip: Chip, facts: Facts) -> float:
    """Return how long wordlines take until all of an input is on them."""
    return facts.wordline_drive.ns + pulsed_ns(layer, chip)


def channel_ns(layer: Layer, facts: Facts) -> float:
    """Return how long a read channel settles before each conversion."""
    return facts.channels[layer.macro].ns if facts.channels else 0.0


def pulsed_ns(layer: Layer, chip: Chip) -> float:
    """Return how long the pulses of the largest input last, all but the settling of the line."""
    return ((1 << layer.grid.plane_bits) - 1) * chip.pulse_ns


def channel_pj(layer: Layer, chip: Chip, facts: Facts) -> float:
    """Return pJ of the read channel in one conversion: static power while it works."""
    if not facts.channels:
        return 0.0
    channel = facts.channels[layer.macro]
    lasting = channel_on_ns(layer, chip, facts)
    return channel.pj + channel.static_uw * lasting * 1e-3  # uW ns = 0.001 pJ


def channel_copies(layer: Layer, facts: Facts) -> float:
    """Return how often a read channel draws the current of the cells once more."""
    return facts.channels[layer.macro].copies if facts.channels else 0.0


def cell_energy(
    layer: Layer, events: Events, activity: Activity, chip: Chip, facts: Facts
) -> float:
    """Return pJ of all cells, over all time steps and samples, by the kind of cell.

    - resistive: ``V V G t`` of the cells on driven wordlines
    - charge: ``C V^2`` of every cell of every read, and of a capacitor where a product is 1
    - discharge: ``C V^2`` of the products that are 1; static: ``I V t``; digital: a gate
    """
    return CELL_ENERGY[chip.cell](layer, events, activity, chip, facts)


def _resistive_cells(
    layer: Layer, events: Events, activity: Activity, chip: Chip, facts: Facts
) -> float:
    return resistive_energy(layer, events, chip, facts) * digit_share(layer, activity)


def _charge_cells(
    layer: Layer, events: Events, activity: Activity, chip: Chip, facts: Facts
) -> float:
    each = charged_cells(layer, events, activity, chip) * _charge_pj(facts)
    products = _products(layer, events, chip) * digit_share(layer, activity)
    return each + products * facts.cell_product_ff * facts.cell_supply_v**2 * 1e-3


def _discharge_cells(
    layer: Layer, events: Events, activity: Activity, chip: Chip, facts: Facts
) -> float:
    return _products(layer, events, chip) * digit_share(layer, activity) * _charge_pj(facts)


def _static_cells(
    layer: Layer, events: Events, activity: Activity, chip: Chip, facts: Facts
) -> float:
    products = _products(layer, events, chip) * digit_share(layer, activity)
    return products * (facts.cell_ua * facts.cell_supply_v) * read_ns(layer, chip, facts) * 1e-3


def _digital_cells(
    layer: Layer, events: Events, activity: Activity, chip: Chip, facts: Facts
) -> float:
    return _products(layer, events, chip) * ones(layer, activity) * facts.cell_product_pj


CELL_ENERGY = {
    "resistive": _resistive_cells,
    "charge": _charge_cells,
    "discharge": _discharge_cells,
    "static": _static_cells,
    "digital": _digital_cells,
}
"""pJ of all cells, by their kind."""


def _charge_pj(facts: Facts) -> float:
    """Return what one cell takes that is charged."""
    return facts.cell_ff * facts.cell_supply_v**2 * 1e-3


def _products(layer: Layer, events: Events, chip: Chip) -> float:
    """Count the products that are 1, of bits that enter one by one."""
    return events.levels / chip.macros[layer.macro].top_level


def charged_cells(layer: Layer, events: Events, activity: Activity, chip: Chip) -> int:
    """Count the cells that reads charge, whatever they hold: of all that take part."""
    macro = chip.macros[layer.macro]
    runs = activity.steps * activity.samples
    reads = events.reads if chip.gated else layer.work.crossbar_reads * runs
    return reads * (macro.active_rows or macro.wordlines) * macro.bitlines


def resistive_energy(layer: Layer, events: Events, chip: Chip, facts: Facts) -> float:
    """Return V V G t of all cells on driven wordlines: while the line settles and is read.

    A cell at level ``u`` has the conductance between off and on at ``u / top_level``. A replica
    column has one cell a wordline, half as conductive as a cell that is on. On the wordlines of the
    other groups of its crossbar the cells of a group, and of its replica column, are off. The first
    V is that across the cell or, where a regulator holds it, the supply that the current is drawn
    from.
    """
    on = events.levels / chip.macros[layer.macro].top_level
    off = events.cells - on
    if layer.grid.packed > 1:
        off += events.crossed * layer.outputs // layer.grid.groups * layer.grid.cells_per_weight
    if layer.grid.half_active and chip.corrections:
        on += events.wordlines / 2
        off += events.crossed
    siemens = (on * facts.on_conductance_us + off * facts.off_conductance_us) * 1e-6
    if chip.regulated:
        watts = facts.cell_supply_v * facts.read_voltage_v * siemens
    else:
        watts = facts.read_voltage_v**2 * siemens
    return watts * read_ns(layer, chip, facts) * 1e3  # W ns = 1000 pJ
