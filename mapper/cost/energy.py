"""What a layer's actions cost in energy. Standard library only, as ``mapper.cost.model``.

No formula falls when a fact rises, so the facts at their low ends give a lower bound and at their
high ends an upper bound.
"""

from mapper.cost.actions import Activity, collected_results, extra_bits, moved_bits
from mapper.cost.arith import larger, total
from mapper.cost.macro import control_energy, conversions, macro_energy
from mapper.cost.model import Chip, Events, Facts, Hierarchy, Layer
from mapper.cost.units import Words, sharing_of


def layer_energy(
    layer: Layer, events: Events, activity: Activity, chip: Chip, facts: Facts, side_mm: float
) -> dict[str, float]:
    """Return pJ by action, of all time steps of one sample, on a chip ``side_mm`` wide."""
    macro, work, steps = chip.macros[layer.macro], layer.work, activity.steps
    possible = work.columns_read * steps * activity.samples
    share = conversions(layer, events, activity, chip) / possible if possible else 1.0
    memory = facts.buffer_read.pj + facts.buffer_write.pj
    accessed = accessed_bits(layer, chip, steps)
    wider = extra_bits(chip, steps)
    shift_add_bits = (work.shift_add_bits + work.shift_adds * wider) * share
    if macro.tree:  # the adders put the bits of a weight together; bits of inputs are left
        results = layer.positions * layer.outputs
        shift_add_bits = max(layer.grid.planes - 1, 0) * results * layer.work.accumulate_width
    shift_add_pj = facts.shift_add.pj + macro.code_bits * facts.code_bit_pj
    accumulate_bits = work.accumulate_bits - work.correction_bits
    accumulate_bits += (work.accumulations - work.corrections) * wider
    accumulate_bits += chip.corrections * work.correction_bits
    updates = chip.neurons * work.membrane_updates * steps
    touched = touched_share(layer, events, activity, chip)
    parts = macro_energy(layer, events, activity, chip, facts)
    parts["shift_add"] = shift_add_bits * steps * shift_add_pj
    return {
        **parts,
        "control": control_energy(parts, facts),
        "accumulate": accumulate_bits * steps * facts.accumulate.pj,
        "scale_multiply": work.scale_multiply_bits * steps * facts.scale_multiply.pj,
        "membrane_update": updates * touched * facts.membrane_update.pj,
        # Half of the bits are read, half are written.
        "membrane_memory": chip.neurons * accessed.states * steps * touched * memory / 2,
        **_traffic(layer, chip, facts, accessed, steps, side_mm),
    }


def touched_share(layer: Layer, events: Events, activity: Activity, chip: Chip) -> float:
    """Return which share of its membranes a layer updates; words of states follow it."""
    if not chip.update_on_event or not layer.event_neurons:
        return 1
    return events.updates / (layer.work.membrane_updates * activity.steps * activity.samples)


def accessed_bits(layer: Layer, chip: Chip, steps: int = 1) -> Words:
    """Return the bits of memories that a time step pays for: whole words, or as many as it needs.

    States are read and written: both ways together.
    """
    work = layer.work
    if not chip.shared_units:
        return Words(work.buffer_read_bits, work.buffer_write_bits, work.membrane_bits)
    words, width = sharing_of(layer, chip, steps).words, chip.buffer_word_bits
    return Words(words.read * width, words.written * width, 2 * words.states * width)


def _traffic(
    layer: Layer, chip: Chip, facts: Facts, accessed: Words, steps: int, side_mm: float
) -> dict[str, float]:
    work = layer.work
    if chip.hierarchy is None:
        links = {"chip_link": sum(layer.links) * steps * facts.chip_link.pj}
        hop_bits = work.hop_bits + chip.shared_units * work.skip_hop_bits
        return {
            "buffer_read": accessed.read * steps * facts.buffer_read.pj,
            "buffer_write": accessed.written * steps * facts.buffer_write.pj,
            "hop": hop_bits * steps * facts.hop.pj,
            "collect": 0.0,
            **(links if chip.link_word_bits and layer.links else {}),
        }
    results = layer.positions * layer.outputs
    return {
        "buffer_read": work.buffer_read_bits * steps * facts.buffer_read.pj,
        "buffer_write": results * steps * facts.buffer_write.pj,
        "hop": moved_bits(layer) * steps * chip.hierarchy.wire_pj_per_bit_mm * side_mm,
        "collect": _collect(layer, chip, chip.hierarchy, steps),
    }


def _collect(layer: Layer, chip: Chip, hierarchy: Hierarchy, steps: int) -> float:
    """Return pJ of moving the tiles' results, not yet spikes, to the chip's accumulator."""
    width = layer.work.accumulate_width + extra_bits(chip, steps)
    bits = collected_results(layer, chip, steps) * width
    return bits * steps * layer.grid.copies * hierarchy.collect_pj_per_bit


def leakage_energy(area: dict[str, float], duration_ns: float, facts: Facts) -> float:
    """Return pJ that an area, um2 by block, draws in a time; see ``leakage_uw``."""
    return leakage_uw(area, facts) * duration_ns * 1e-3  # uW ns = 0.001 pJ


def leakage_uw(area: dict[str, float], facts: Facts) -> float:
    """Return what leaks: the area by its density, neuron units by their own leakage if known."""
    um2, neurons = total(area.values()), area["neurons"]
    if facts.neuron_leak_uw is None:
        return facts.leakage_uw_per_mm2 * um2 * 1e-6
    units = neurons / larger(facts.membrane_update.um2, 1e-9)
    rest = facts.leakage_uw_per_mm2 * (um2 - neurons) * 1e-6
    return rest + units * facts.neuron_leak_uw
