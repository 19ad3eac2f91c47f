"""What the layers of a network occupy. Standard library only."""

from math import ceil

from mapper.cost.arith import largest, total
from mapper.cost.model import Chip, Facts, Layer
from mapper.cost.units import Units, sharing_of


def layer_area(layer: Layer, chip: Chip, facts: Facts, steps: int = 1) -> dict[str, float]:
    """Return um2 by block: whole crossbars, whether their cells are used or not.

    ``steps`` of an inference matter where they are bits.
    """
    sharing = sharing_of(layer, chip, steps)
    crossbars, units = sharing.slots, sharing.units
    added = _bits(units["adders"]) + _bits(units["plane_adders"])
    return {
        **crossbar_area(crossbars, layer.macro, chip, facts),
        "shift_adders": _bits(units["shift_adders"]) * facts.shift_add.um2,
        "adders": added * facts.accumulate.um2,
        "multipliers": _bits(units["multipliers"]) * facts.scale_multiply.um2,
        "neurons": units["neurons"].number * facts.membrane_update.um2,
        "memory": stored_bits(layer, chip, steps) * facts.buffer_read.um2,
    }


def crossbar_area(crossbars: int, name: str, chip: Chip, facts: Facts) -> dict[str, float]:
    """Return um2 by block of what every crossbar of a macro kind has, used or not."""
    macro = chip.macros[name]
    readouts = crossbars * macro.readouts
    input_bits = crossbars * (macro.active_rows or macro.wordlines) * macro.input_bits
    blocks = {
        "cells": crossbars * macro.wordlines * macro.bitlines * facts.cell_um2,
        "wordline_drivers": crossbars * macro.wordlines * facts.wordline_drive.um2,
        "inputs": input_bits * (facts.inputs.um2 + facts.input_converter.um2),
        "read_channels": readouts * channel_um2(name, facts),
        "readouts": readouts * macro.comparators * facts.readouts[name].um2,
    }
    share = facts.control_area
    return {**blocks, "control": total(blocks.values()) * share / (1 - share)}


def channel_um2(name: str, facts: Facts) -> float:
    """Return um2 of the read channel of one readout of a macro kind."""
    return facts.channels[name].um2 if facts.channels else 0.0


def _bits(units: Units) -> int:
    return units.number * units.bits


def stored_bits(layer: Layer, chip: Chip, steps: int) -> int:
    """Count the bits in memory: of an input two steps, or all where they wait or count as bits."""
    stored = layer.stored_bits + chip.shared_units * layer.skip_stored_bits
    if chip.steps_as_bits:
        stored += (steps - 2) * layer.input_bits
    elif layer.later:  # another round's results, of a whole inference
        stored += max(steps - 2, 0) * layer.input_bits
    return stored if chip.neurons else stored - layer.work.membrane_bits // 2


def areas(layers: tuple[Layer, ...], chip: Chip, facts: Facts, steps: int = 1) -> dict[str, float]:
    """Return um2 by block of what the layers occupy; of several rounds, the larger one counts."""
    rounds = sorted({layer.round for layer in layers})
    totals = [_round_area(layers, which, chip, facts, steps) for which in rounds]
    return {block: largest(area[block] for area in totals) for block in totals[0]}


def _round_area(
    layers: tuple[Layer, ...], which: int, chip: Chip, facts: Facts, steps: int
) -> dict[str, float]:
    present = [layer for layer in layers if layer.round == which]
    blocks = [layer_area(layer, chip, facts, steps) for layer in present]
    area = {name: total(block[name] for block in blocks) for name in blocks[0]}
    crossbars = sum(sharing_of(layer, chip, steps).slots for layer in present)
    area["routers"] = ceil(crossbars / chip.crossbars_per_tile) * facts.hop.um2
    return area
