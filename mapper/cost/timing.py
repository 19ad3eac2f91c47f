"""How long a layer, a time step and an inference take. Standard library only."""

from math import ceil, log2
from typing import NamedTuple

from mapper.cost.actions import moved_bits
from mapper.cost.arith import larger, largest, smaller, total, up
from mapper.cost.macro import channel_ns, driving_ns, overlapping_ns
from mapper.cost.model import Chip, Facts, Hierarchy, Layer
from mapper.cost.units import Sharing, sharing_of
from mapper.cost.writing import loading_ns, rounds_of


class Clock(NamedTuple):
    """The clock period of the logic, and what its actions take in whole cycles; ns."""

    cycle: float
    hop: float
    load: float
    shift_add: float
    multiply: float
    add: float
    update: float
    link: float
    """A word from a chip to the next."""


def clock_of(layers: tuple[Layer, ...], chip: Chip, facts: Facts) -> Clock:
    """Return how long the actions of the logic take: a whole number of cycles each."""
    cycle = cycle_ns(layers, chip, facts)
    return Clock(
        cycle=cycle,
        hop=up(facts.hop.ns / cycle) * cycle,
        # A hierarchy has a buffer of its own.
        load=0.0 if chip.hierarchy else up(facts.buffer_read.ns / cycle) * cycle,
        shift_add=up(facts.shift_add.ns / cycle) * cycle,
        multiply=up(facts.scale_multiply.ns / cycle) * cycle,
        add=up(facts.accumulate.ns / cycle) * cycle,
        update=up(facts.membrane_update.ns / cycle) * cycle,
        link=up(facts.chip_link.ns / cycle) * cycle,
    )


def cycle_ns(layers: tuple[Layer, ...], chip: Chip, facts: Facts) -> float:
    """Return the clock period of the logic: under ``sensing-set``, that of the slowest readout."""
    if chip.policy == "decoupled":
        return chip.logic_ns
    return largest([chip.logic_ns, *(facts.readouts[layer.macro].ns for layer in layers)])


def layer_stages(
    layer: Layer, chip: Chip, facts: Facts, clock: Clock, steps: int = 1
) -> dict[str, float]:
    """Return ns by stage that one time step of a layer takes, all its output positions.

    ``steps`` of an inference matter where time steps are treated as bits. Under ``sensing-set``
    the wordlines settle within the cycle that reads them.
    """
    sharing = sharing_of(layer, chip, steps)
    settled = sharing.read_turns * (facts.readouts[layer.macro].ns + channel_ns(layer, facts))
    read = settled + driving_ns(layer, chip, facts) - overlapping_ns(layer, chip, facts)
    if chip.policy == "sensing-set":
        read = sharing.read_turns * clock.cycle
    if chip.hierarchy is None:
        stages = {
            "arrival": sharing.arrival_words * clock.hop,
            "load": sharing.port_turns * clock.load,
        }
        if chip.link_word_bits and layer.links:
            stages["chip_link"] = ceil(max(layer.links) / chip.link_word_bits) * clock.link
    else:
        stages = _from_one_buffer(layer, chip, chip.hierarchy, clock.cycle, sharing, steps)
    stages["read"] = sharing.share * layer.grid.planes * layer.grid.turns * read
    logic = _logic if chip.shared_units else _reference_logic
    return stages | logic(layer, chip, sharing, clock)


def _logic(layer: Layer, chip: Chip, sharing: Sharing, clock: Clock) -> dict[str, float]:
    """Return the stages behind the readouts: turns x time of one turn, of circuits that wait.

    The adders of a lane are a tree, which takes new operands every turn: ``adder_tree`` is what
    each position waits for its levels behind the first. The digital unit adds and multiplies at
    once.
    """
    units = sharing.units
    added = max(units["adders"].turns, units["plane_adders"].turns)
    stages = {"shift_add": units["shift_adders"].turns * clock.shift_add}
    if layer.digital_rows:
        stages |= {
            "scale": 0.0,
            "accumulate": 0.0,
            "adder_tree": 0.0,
            "digital": added * clock.cycle,
        }
    else:
        stages |= {
            "scale": units["multipliers"].turns * clock.multiply,
            "accumulate": added * clock.add,
            "adder_tree": sharing.share * max(sharing.levels - 1, 0) * clock.add,
            "digital": 0.0,
        }
    stages["membrane"] = units["neurons"].turns * clock.update
    return stages


def _reference_logic(layer: Layer, chip: Chip, sharing: Sharing, clock: Clock) -> dict[str, float]:
    """Return the same as the reference's simulator has it: a turn takes all outputs at once."""
    grid, share, cycle = layer.grid, sharing.share, clock.cycle
    neurons = chip.neurons and bool(layer.work.membrane_updates)
    adds = layer.work.shift_adds > 0
    return {
        "shift_add": share * grid.planes * sharing.read_turns * cycle * adds,
        "accumulate": share * ceil(log2(max(grid.row_blocks, 1))) * cycle,
        "digital": share * layer.digital_rows * cycle,
        "membrane": share * neurons * clock.update,
    }


def _from_one_buffer(
    layer: Layer, chip: Chip, hierarchy: Hierarchy, cycle: float, sharing: Sharing, steps: int
) -> dict[str, float]:
    """Return the stages that copies share, whose work grows with the positions of all, and load.

    Where time steps count as bits, every read loads those of all steps.
    """
    macro = chip.macros[layer.macro]
    moved = moved_bits(layer)
    loaded = layer.work.buffer_read_bits / layer.positions
    if chip.steps_as_bits:
        loaded = loaded * steps
    return {
        "buffer": up(moved / hierarchy.buffer_bits) * cycle,
        "arrival": up(moved / (hierarchy.bus_bits_per_wordline * macro.wordlines)) * cycle,
        "load": sharing.share * up(loaded / hierarchy.local_bits) * cycle,
        "collect": up(sharing.collected / chip.widest * hierarchy.collect_cycles) * cycle,
    }


def layer_time(layer: Layer, stages: dict[str, float], clock: Clock) -> float:
    """Return ns of one time step of a layer that is not pipelined.

    Its input arrives, its positions follow, and every stage waits for the one before.
    """
    return layer.distance * clock.hop + total(stages.values())


def pace(layer: Layer, chip: Chip, stages: dict[str, float], cycle: float) -> float:
    """Return ns after which a layer takes the next time step.

    Everything overlaps and the slowest stage sets the pace; an adder tree takes new operands
    every turn, however deep it is.
    """
    paced = paced_stages(layer, stages, cycle).values()
    return largest(paced) if chip.overlap else total(paced)


def paced_stages(layer: Layer, stages: dict[str, float], cycle: float) -> dict[str, float]:
    """Return the ns by which each stage holds up the next time step.

    All of it, but for the adder tree: it takes new operands every turn, and one level counts.
    """
    if "adder_tree" in stages:
        return {name: ns for name, ns in stages.items() if name != "adder_tree"}
    share = ceil(layer.positions / max(layer.grid.copies, 1))
    return {**stages, "accumulate": smaller(stages["accumulate"], share * cycle)}


class LayerTimes(NamedTuple):
    """How long one time step of a layer takes, by what is asked; ns."""

    pace: float
    """Until it takes the next one."""
    latency: float
    """From its input on the way to the last result: all stages for one datum."""
    sequential: float
    """The same where every stage waits for the one before."""


def layer_times(layer: Layer, chip: Chip, stages: dict[str, float], clock: Clock) -> LayerTimes:
    """Combine the stages of a layer.

    Positions follow each other at the pace of the slowest stage, and one of them passes all other
    stages, too, as a datum does not overlap with itself.
    """
    hops = layer.distance * clock.hop
    sequential = layer_time(layer, stages, clock)
    slowest = pace(layer, chip, stages, clock.cycle)
    if not chip.overlap:
        return LayerTimes(slowest, sequential, sequential)
    share = ceil(layer.positions / max(layer.grid.copies, 1))
    others = (sequential - hops - slowest) / share
    return LayerTimes(slowest, hops + slowest + others, sequential)


def shared_link_ns(layers: tuple[Layer, ...], chip: Chip, clock: Clock) -> float:
    """Return ns that the busiest link between chips needs for the words of one time step."""
    links = [layer.links for layer in layers if layer.links]
    if not chip.link_word_bits or not links:
        return 0.0
    busiest: int = max(
        sum(ceil(bits / chip.link_word_bits) for bits in each) for each in zip(*links, strict=True)
    )
    return busiest * clock.link


def latencies(layers: tuple[Layer, ...], chip: Chip, facts: Facts, steps: int) -> dict[str, float]:
    """Return ns of one time step and of all of them, pipelined over layers and not.

    Pipelined, a result appears each time the slowest layer takes the next time step, and the first
    one after all pipeline stages: each takes that long, or as long as its layers need for one
    datum. ``inference_interval`` is the time between two inferences. In several rounds layers
    work one after the other, and an inference waits for its loads (``mapper.cost.writing``). No
    step is faster than the words of all layers pass the busiest link between chips, nor than the
    physical time that the target gives it.
    """
    clock = clock_of(layers, chip, facts)
    times = [
        layer_times(layer, chip, layer_stages(layer, chip, facts, clock, steps), clock)
        for layer in layers
    ]
    rounds = len(rounds_of(layers))
    sequential = larger(total(found.sequential for found in times), rounds * chip.step_ns)
    busiest = shared_link_ns(layers, chip, clock)
    step = largest([*(found.pace for found in times), busiest, chip.step_ns])
    depth = 1 + max(layer.stage for layer in layers)
    inference = (steps + depth - 1) * step
    if chip.shared_units:
        inference = inference + _filling(layers, times, depth, step)
    alone, interval = steps * sequential, steps * step
    if rounds > 1:
        alone = alone + loading_ns(layers, chip, facts, steps)
        step, interval, inference = alone / steps, alone, alone
    return {
        "cycle": clock.cycle,
        "step_pipelined": step,
        "step_sequential": sequential,
        "inference_interval": interval,
        "inference_pipelined": inference,
        "inference_sequential": alone,
    }


def _filling(layers: tuple[Layer, ...], times: list[LayerTimes], depth: int, step: float) -> float:
    """Return ns by which pipeline stages take longer than ``step`` for one datum."""
    at: list[list[float]] = [[step] for _ in range(depth)]
    for layer, found in zip(layers, times, strict=True):
        at[layer.stage].append(found.latency)
    return total(largest(slot) - step for slot in at)
