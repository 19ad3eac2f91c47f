"""What the layers of a network occupy. Standard library only."""

from math import ceil

from mapper.cost.arith import largest, total
from mapper.cost.model import Chip, Facts, Layer, extra_bits, slots_of


def layer_area(layer: Layer, chip: Chip, facts: Facts, steps: int = 1) -> dict[str, float]:
    """Return um2 by block: whole crossbars, whether their cells are used or not.

    One shift-adder a readout where bit-slices are added; an adder tree over row blocks, an adder
    that puts the bits of input codes together, a scale multiplier and a neuron unit for each
    output that is ready at the same time. ``steps`` of an inference matter where they are bits.
    """
    grid, macro = layer.grid, chip.macros[layer.macro]
    crossbars = slots_of(layer, chip)
    readouts = crossbars * macro.readouts
    lanes = max(grid.copies, 1) * ceil(layer.outputs / macro.columns_per_readout)
    added = 1 if layer.digital_rows else max(grid.row_blocks - 1, 0) + (grid.planes > 1)
    adders = lanes * added
    multipliers = lanes if layer.work.scale_multiplies else 0
    neurons = lanes if layer.work.membrane_updates and chip.neurons else 0
    wider = extra_bits(chip, steps)
    slices_add = bool(layer.work.shift_adds and layer.shift_add_width) and not macro.tree
    shift_add_bits = (layer.shift_add_width + wider) * slices_add
    return {
        **crossbar_area(crossbars, layer.macro, chip, facts),
        "shift_adders": readouts * shift_add_bits * facts.shift_add.um2,
        "adders": adders * (layer.accumulate_width + wider) * facts.accumulate.um2,
        "multipliers": multipliers * layer.multiply_width * facts.scale_multiply.um2,
        "neurons": neurons * facts.membrane_update.um2,
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


def stored_bits(layer: Layer, chip: Chip, steps: int) -> int:
    """Count the bits in memory: where time steps are bits, all of an input and not two of them."""
    stored = layer.stored_bits
    if chip.steps_as_bits:
        stored += (steps - 2) * layer.input_bits
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
    crossbars = sum(slots_of(layer, chip) for layer in present)
    area["routers"] = ceil(crossbars / chip.crossbars_per_tile) * facts.hop.um2
    return area
