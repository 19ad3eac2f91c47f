"""Circuits that the outputs of a layer take in turn: how many there are, and in how many turns.

Standard library only: a generated ``cost.py`` carries this text. Area counts the circuits, time the
turns, and of every kind turns x circuits covers the work of a time step.
"""

from math import ceil, log2
from typing import NamedTuple

from mapper.cost.actions import collected_results, extra_bits, slots_of
from mapper.cost.model import Chip, Layer


class Units(NamedTuple):
    """Circuits of one kind."""

    number: int
    """Of all copies of a layer."""
    turns: int
    """That each takes in a time step, one after the other; 0 where there is none."""
    bits: int = 1
    """Width of one."""


class Words(NamedTuple):
    """Whole words of the memories of a layer, in a time step."""

    read: int
    """Of the buffers of its input and of residual operands."""
    written: int
    states: int
    """Of the membranes: each is read and written."""


class Sharing(NamedTuple):
    """How the output positions and the outputs of a layer share its circuits."""

    slots: int
    """Crossbars that the layer keeps others from using."""
    share: int
    """Positions of one copy, which follow each other."""
    read_turns: int
    """Columns that one readout converts, one after the other, for each read of the crossbars."""
    units: dict[str, Units]
    levels: int
    """Of the tree that the adders of a lane are."""
    port_turns: int
    """Words that one port of a tile's buffer gives in a time step."""
    words: Words
    arrival_words: int
    """Words in which the input of a time step arrives through a link."""
    collected: float
    """Results of a time step that go to the accumulator of a hierarchy, in turns of a readout."""


_KNOWN: dict[tuple[int, int], tuple[Layer, Chip, Sharing]] = {}
_MOST_KNOWN = 4096


def sharing_of(layer: Layer, chip: Chip, steps: int = 1) -> Sharing:
    """Return how a layer shares its circuits; ``steps`` of an inference matter where they are bits.

    It depends on no fact, so what was found for a layer is kept: sweeps ask for it at every point.
    """
    key = (id(layer), steps)
    held = _KNOWN.get(key)
    if held is not None and held[0] is layer and (held[1] is chip or held[1] == chip):
        return held[2]
    if len(_KNOWN) >= _MOST_KNOWN:
        _KNOWN.clear()
    found = _sharing(layer, chip, steps)
    _KNOWN[key] = layer, chip, found
    return found


def _sharing(layer: Layer, chip: Chip, steps: int) -> Sharing:
    turns = min(chip.macros[layer.macro].columns_per_readout, layer.grid.block_conversions)
    share = ceil(layer.positions / max(layer.grid.copies, 1))
    reads = layer.grid.planes * layer.grid.turns
    lanes = ceil(layer.outputs / chip.macros[layer.macro].columns_per_readout)
    make = _shared_units if chip.shared_units else _reference_units
    units = _readouts(layer, chip, share * reads * turns, extra_bits(chip, steps))
    units |= make(layer, chip, share, max(lanes, 1), extra_bits(chip, steps))
    arriving = layer.input_bits + chip.shared_units * layer.work.skip_write_bits
    adders = units["adders"].number + units["plane_adders"].number
    return Sharing(
        slots=slots_of(layer, chip),
        share=share,
        read_turns=turns,
        units=units,
        levels=ceil(log2(adders // (max(layer.grid.copies, 1) * max(lanes, 1)) + 1)),
        port_turns=share * _port_words(layer, chip),
        words=words_of(layer, chip),
        arrival_words=ceil(arriving / chip.hop_word_bits),
        collected=collected_results(layer, chip, steps) * turns if chip.hierarchy else 0.0,
    )


def _readouts(layer: Layer, chip: Chip, turns: int, wider: int) -> dict[str, Units]:
    """Return the readouts of all crossbars, each with what shifts and adds a code in one turn."""
    grid, work, macro = layer.grid, layer.work, chip.macros[layer.macro]
    number = slots_of(layer, chip) * macro.readouts
    width = layer.work.shift_add_width + wider
    each = int(work.shift_adds > 0 and layer.work.shift_add_width > 0 and not macro.tree)
    if chip.shared_units and each:
        of_planes = max(grid.planes - 1, 0) * layer.positions * layer.outputs
        each = ceil((work.shift_adds - of_planes) / max(work.conversions, 1))
    return {
        "readouts": Units(number, turns),
        "shift_adders": Units(number * each, turns * bool(each), width),
    }


def _shared_units(layer: Layer, chip: Chip, share: int, lanes: int, wider: int) -> dict[str, Units]:
    """Return the circuits of the lanes: each makes one output of a position after the other.

    A lane has a neuron unit and as many adders and multipliers as take what belongs to one result
    in one turn. A result is an output of a position, for each bit plane, on the digital unit for
    each product; of multipliers, only as often as there is something to multiply.
    """
    grid, work = layer.grid, layer.work
    passes = max(grid.planes * grid.turns, 1) * max(layer.digital_rows, 1)
    outputs = max(layer.outputs, 1)  # 0 where a graph has neither weights nor neurons
    each, ready = ceil(outputs / lanes), layer.positions * outputs
    added, added_bits = work.accumulations, work.accumulate_bits
    if not chip.corrections:
        added, added_bits = added - work.corrections, added_bits - work.correction_bits
    scaled = max(min(passes, ceil(work.scale_multiplies / ready)), 1)
    updates = ceil(ceil(work.membrane_updates / outputs) / max(grid.copies, 1))

    def units(of_a_lane: int, turns: int, bits: int = 1) -> Units:
        number = max(grid.copies, 1) * lanes * of_a_lane
        return Units(number, turns * each * bool(of_a_lane), bits)

    return {
        "adders": units(
            ceil(added / (ready * passes)), share * passes, _width(added_bits, added) + wider
        ),
        "plane_adders": units(
            int(grid.planes > 1), share * passes, layer.work.accumulate_width + wider
        ),
        "multipliers": units(
            ceil(work.scale_multiplies / (ready * scaled)),
            share * scaled,
            _width(work.scale_multiply_bits, work.scale_multiplies),
        ),
        "neurons": units(int(chip.neurons and work.membrane_updates > 0), updates),
    }


def _width(bits: int, count: int) -> int:
    """Return how wide circuits are that work on so many bits in all."""
    return ceil(bits / count) if count else 0


def _reference_units(
    layer: Layer, chip: Chip, share: int, lanes: int, wider: int
) -> dict[str, Units]:
    """Return the circuits that the reference's simulator charges; it lets no output wait."""
    grid, width = layer.grid, layer.work.accumulate_width
    lanes = max(grid.copies, 1) * ceil(layer.outputs / chip.macros[layer.macro].columns_per_readout)
    added = 1 if layer.digital_rows else max(grid.row_blocks - 1, 0) + (grid.planes > 1)
    neurons = chip.neurons and bool(layer.work.membrane_updates)
    return {
        "adders": Units(lanes * added, share, width + wider),
        "plane_adders": Units(0, share),
        "multipliers": Units(
            lanes * bool(layer.work.scale_multiplies), share, layer.work.multiply_width
        ),
        "neurons": Units(lanes * neurons, share),
    }


def _port_words(layer: Layer, chip: Chip) -> int:
    """Return the words that a port of a tile's buffer gives for one position of each copy there.

    Every copy reads words of its own. In a tile are as many copies as have crossbars in it; the
    reference lets each have a port to itself.
    """
    grid, tile = layer.grid, chip.crossbars_per_tile
    if not chip.shared_units:
        bits = grid.planes * grid.plane_bits
        loaded = bits * grid.turns * grid.block_wordlines * min(grid.row_blocks, tile)
        return ceil(loaded / chip.buffer_word_bits)
    crossbars = grid.row_blocks * grid.column_blocks
    here = min(grid.copies, ceil(tile / crossbars)) if crossbars else 1
    words = tile_words(layer, chip) + _words(layer.work.skip_read_bits, layer.positions, chip)
    return ceil(here * words / chip.buffer_ports)


def tile_words(layer: Layer, chip: Chip) -> int:
    """Return the words that one output position reads from the buffer of one tile.

    Wordlines lie side by side in them. A layer of more row blocks than a tile has crossbars has
    buffers in several tiles; one on the digital unit reads its weights, too.
    """
    grid = layer.grid
    bits = ceil(layer.work.buffer_read_bits / layer.positions)
    if grid.row_blocks:
        packs = ceil(grid.groups / grid.packed)
        inputs = min(packs * grid.row_blocks, chip.crossbars_per_tile)
        once = grid.planes * grid.plane_bits * grid.turns * grid.block_wordlines
        bits = min(bits, once * inputs)
    return ceil(bits / chip.buffer_word_bits)


def words_of(layer: Layer, chip: Chip) -> Words:
    """Return the words that a layer reads and writes: whole ones, however few bits are wanted.

    What belongs to one output position lies side by side, and nothing of another position is read
    along with it: neither copies nor neighbouring windows share a word. A word of membranes is
    held until all of its neurons are done. What is written comes one after the other, in full ones.
    """
    work, positions = layer.work, layer.positions
    each_way = work.membrane_bits // 2
    neurons = ceil(work.membrane_updates / max(layer.outputs, 1))
    return Words(
        read=positions * _words(work.buffer_read_bits, positions, chip)
        + positions * _words(work.skip_read_bits, positions, chip),
        written=_words(work.buffer_write_bits, 1, chip) + _words(work.skip_write_bits, 1, chip),
        states=neurons * _words(each_way, neurons, chip),
    )


def _words(bits: int, places: int, chip: Chip) -> int:
    """Return the words at one of the places that share bits evenly."""
    return ceil(ceil(bits / max(places, 1)) / chip.buffer_word_bits)
