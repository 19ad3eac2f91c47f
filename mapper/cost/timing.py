"""How long a layer, a time step and an inference take. Standard library only."""

from math import ceil, log2

from mapper.cost.arith import largest, smaller, total, up
from mapper.cost.macro import channel_ns, driving_ns
from mapper.cost.model import (
    Chip,
    Facts,
    Hierarchy,
    Layer,
    collected_results,
    moved_bits,
)


def cycle_ns(layers: tuple[Layer, ...], chip: Chip, facts: Facts) -> float:
    """Return the clock period of the logic: under ``sensing-set``, that of the slowest readout."""
    if chip.policy == "decoupled":
        return chip.logic_ns
    return largest([chip.logic_ns, *(facts.readouts[layer.macro].ns for layer in layers)])


def layer_stages(
    layer: Layer, chip: Chip, facts: Facts, cycle: float, steps: int = 1
) -> dict[str, float]:
    """Return ns by stage that one time step of a layer takes, all its output positions.

    ``steps`` of an inference matter where time steps are treated as bits. Under ``sensing-set``
    the wordlines settle within the cycle that reads them.
    """
    grid, macro = layer.grid, chip.macros[layer.macro]
    turns = min(macro.columns_per_readout, grid.block_conversions)
    settled = turns * (facts.readouts[layer.macro].ns + channel_ns(layer, facts))
    read = settled + driving_ns(layer, chip, facts)
    if chip.policy == "sensing-set":
        read = turns * cycle
    share = ceil(layer.positions / max(grid.copies, 1))
    neurons = chip.neurons and bool(layer.work.membrane_updates)
    adds = bool(layer.work.shift_adds)
    stages = {
        "read": share * grid.planes * read,
        "shift_add": share * grid.planes * turns * cycle * adds,
        "accumulate": share * ceil(log2(max(grid.row_blocks, 1))) * cycle,
        "digital": share * layer.digital_rows * cycle,
        "membrane": share * neurons * _cycles(facts.membrane_update.ns, cycle),
    }
    if chip.hierarchy is None:
        return _from_tile_buffers(layer, chip, facts, cycle, share) | stages
    return _from_one_buffer(layer, chip, chip.hierarchy, cycle, steps) | stages


def _from_tile_buffers(
    layer: Layer, chip: Chip, facts: Facts, cycle: float, share: int
) -> dict[str, float]:
    grid = layer.grid
    loaded = (
        grid.planes
        * grid.plane_bits
        * grid.block_wordlines
        * min(grid.row_blocks, chip.crossbars_per_tile)
    )
    words = ceil(loaded / chip.buffer_word_bits)
    hop = _cycles(facts.hop.ns, cycle)
    return {
        "arrival": ceil(layer.input_bits / chip.hop_word_bits) * hop,
        "load": share * words * _cycles(facts.buffer_read.ns, cycle),
    }


def _from_one_buffer(
    layer: Layer, chip: Chip, hierarchy: Hierarchy, cycle: float, steps: int
) -> dict[str, float]:
    """Return the stages that copies share, whose work grows with the positions of all, and load.

    Where time steps count as bits, every read loads those of all steps.
    """
    macro = chip.macros[layer.macro]
    moved = moved_bits(layer)
    loaded = layer.work.buffer_read_bits / layer.positions
    if chip.steps_as_bits:
        loaded = loaded * steps
    share = ceil(layer.positions / max(layer.grid.copies, 1))
    turns = min(macro.columns_per_readout, layer.grid.block_conversions)
    results = collected_results(layer, chip, steps) * turns
    return {
        "buffer": up(moved / hierarchy.buffer_bits) * cycle,
        "arrival": up(moved / (hierarchy.bus_bits_per_wordline * macro.wordlines)) * cycle,
        "load": share * up(loaded / hierarchy.local_bits) * cycle,
        "collect": up(results / chip.widest * hierarchy.collect_cycles) * cycle,
    }


def _cycles(duration_ns: float, cycle: float) -> float:
    return up(duration_ns / cycle) * cycle


def layer_time(layer: Layer, facts: Facts, stages: dict[str, float], cycle: float) -> float:
    """Return ns of one time step of a layer that is not pipelined.

    Its input arrives, its positions follow, and every stage waits for the one before.
    """
    return layer.distance * _cycles(facts.hop.ns, cycle) + total(stages.values())


def pace(layer: Layer, chip: Chip, stages: dict[str, float], cycle: float) -> float:
    """Return ns after which a layer takes the next time step.

    Everything overlaps and the slowest stage sets the pace; an adder tree takes new operands
    every cycle, however deep it is.
    """
    paced = paced_stages(layer, stages, cycle).values()
    return largest(paced) if chip.overlap else total(paced)


def paced_stages(layer: Layer, stages: dict[str, float], cycle: float) -> dict[str, float]:
    """Return the ns by which each stage holds up the next time step.

    All of it, but for the adder tree: it takes new operands every cycle, and one level counts.
    """
    share = ceil(layer.positions / max(layer.grid.copies, 1))
    return {**stages, "accumulate": smaller(stages["accumulate"], share * cycle)}


def latencies(layers: tuple[Layer, ...], chip: Chip, facts: Facts, steps: int) -> dict[str, float]:
    """Return ns of one time step and of all of them, pipelined over layers and not.

    Pipelined, a result appears each time the slowest pipeline stage is done, and the first one
    after all stages; ``inference_interval`` is the time between two inferences. Weights that are
    loaded again every step leave nothing to overlap with; the loading itself is not counted.
    """
    cycle = cycle_ns(layers, chip, facts)
    each = [(layer, layer_stages(layer, chip, facts, cycle, steps)) for layer in layers]
    sequential = total(layer_time(layer, facts, stages, cycle) for layer, stages in each)
    step = largest(pace(layer, chip, stages, cycle) for layer, stages in each)
    depth = 1 + max(layer.stage for layer in layers)
    inference = (steps + depth - 1) * step
    if len({layer.round for layer in layers}) > 1:
        step, inference = sequential, steps * sequential
    return {
        "cycle": cycle,
        "step_pipelined": step,
        "step_sequential": sequential,
        "inference_interval": steps * step,
        "inference_pipelined": inference,
        "inference_sequential": steps * sequential,
    }
