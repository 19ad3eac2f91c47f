"""A quantised ANN on the crossbars of a spiking network: the same weights, read once, bit by bit.

Its activations are codes of as many bits as count the spikes of all time steps, driven one bit
plane a read, and the sums are read by an ADC that keeps them whole. It holds no membranes: a
rectifier with its rounding is charged as a neuron's update without the memory. Pools and sums of
activations between layers are not charged. Nothing is said of what accuracy it would have.
"""

from collections.abc import Iterator
from dataclasses import replace

from mapper.cost.actions import Activity, activity_of_density
from mapper.cost.flow import follow, link_bits
from mapper.cost.layer_counts import Counts, count_actions
from mapper.cost.model import Events, Layer
from mapper.ir.core import Graph, IntType, Op
from mapper.ir.crossbar import CrossbarMvm, partial_sum_range
from mapper.ir.infer import infer_types
from mapper.ir.units import LayerOp


def code_bits(steps: int) -> int:
    """Return the bits of a code that counts the spikes of so many steps: ``ceil(log2(T + 1))``.

    >>> [code_bits(steps) for steps in (1, 3, 4, 20)]
    [1, 2, 3, 5]
    """
    return steps.bit_length()


def code_density(rate: float, steps: int) -> float:
    """Return the share of bits that are 1 in codes that count spikes of a rate, 0..1.

    Spikes of different steps are taken to be independent, so the count is binomial.

    >>> code_density(0.5, 1), code_density(1.0, 4)  # 4 is 100
    (0.5, 0.3333333333333333)
    """
    if rate in (0.0, 1.0):
        return (int(steps * rate)).bit_count() / code_bits(steps)
    share = (1 - rate) ** steps
    ones = 0.0
    for count in range(1, steps + 1):
        share *= (steps - count + 1) / count * rate / (1 - rate)
        ones += share * count.bit_count()
    return ones / code_bits(steps)


def sum_levels(graph: Graph, steps: int) -> Iterator[tuple[str, int]]:
    """Yield the macro of every layer and how many sums a bitline may have, driven by codes."""
    inputs = {value.name for value in graph.inputs}
    for op in graph.ops:
        if isinstance(op, CrossbarMvm):
            weight = graph.constants[op.weight.name]
            x = replace(op.x, type=_wider(op, steps, op.x.name in inputs))
            driven = replace(op, x=x).most_driven
            low, high = partial_sum_range(weight, op.rows, op.encoding, driven)
            yield op.placement.macro, high - low + 1


def ann_layers(counts: Counts, steps: int) -> tuple[Layer, ...]:
    """Count what the layers of a mapping do once with codes in place of spikes.

    Args:
        counts: A spiking network on a target whose ADCs keep the sums.
        steps: Time steps whose spikes a code counts. Inputs that are codes already stay.
    """
    graph = counts.graph
    inputs = {value.name for value in graph.inputs}
    flow, chip = follow(graph), counts.target.chip
    found = []
    for place, (op, layer) in enumerate(zip(flow.starts, counts.layers, strict=True)):
        alone = layer
        if isinstance(op, CrossbarMvm):
            own = _alone(graph, op, _wider(op, steps, op.x.name in inputs))
            (alone,) = count_actions(own, counts.target, (counts.levels[place],)).layers
        sum_bits = alone.work.accumulate_width
        links = tuple(link_bits(flow, place, chip, alone.input_bits, sum_bits).tolist())
        found.append(_in_place(alone, layer, links))
    return tuple(found)


def _wider(op: CrossbarMvm, steps: int, from_outside: bool) -> IntType:
    """Return the type of an input that holds counts; sums of spikes are as much wider."""
    assert isinstance(op.x.type, IntType)
    if from_outside and op.x.type.bits > 1:
        return op.x.type
    return replace(op.x.type, bits=op.x.type.bits + code_bits(steps) - 1)


def _alone(graph: Graph, start: CrossbarMvm, type: IntType) -> Graph:
    """Return one layer as a graph: its crossbars, and what is done to its sums alone."""
    x = replace(start.x, type=type)
    known = {x.name}
    ops: list[Op] = []
    for op in graph.ops:
        mine = op is start or (not isinstance(op, LayerOp) and _of(op, known, x.name))
        if mine:
            ops.append(op)
            known |= {value.name for value in op.results}
    read = {value.name for op in ops for value in op.operands} | {ops[-1].results[0].name}
    ops = [op for op in ops if any(value.name in read for value in op.results)]
    return infer_types(
        replace(graph, inputs=(x,), states=(), ops=tuple(ops), outputs=ops[-1].results)
    )


def _of(op: Op, known: set[str], x: str) -> bool:
    """Say whether an op takes what the layer computes, or counts its input, and nothing else."""
    operands = {value.name for value in op.operands}
    counts_input = operands == {x} and op.inside_layer
    return bool(operands) and operands <= known and (counts_input or operands != {x})


def _in_place(alone: Layer, layer: Layer, links: tuple[int, ...]) -> Layer:
    """Put a layer where the spiking one is: its sources, its stage, its round, its rectifiers."""
    moved = alone.input_bits * (layer.distance - alone.distance)
    work = replace(
        alone.work,
        hop_bits=alone.work.hop_bits + moved,
        membrane_updates=layer.work.membrane_updates,
        membrane_bits=0,
    )
    separate = replace(alone.separate, hop_bits=alone.separate.hop_bits + moved)
    return replace(
        alone,
        stage=layer.stage,
        distance=layer.distance,
        work=work,
        separate=separate,
        links=links,
        later=layer.later,
        fed_back=layer.fed_back,
    )


def ann_activity(
    layers: tuple[Layer, ...], spiking: tuple[Layer, ...], rates: tuple[float, ...], steps: int
) -> Activity:
    """Return what codes drive, where the spikes that they count have these rates, a layer each."""
    events = []
    for layer, was, rate in zip(layers, spiking, rates, strict=True):
        counted = layer.grid.planes != was.grid.planes or was.grid.planes == 1
        density = code_density(rate, steps) if counted else rate
        events.append(activity_of_density((layer,), density, 1).events[0])
    return Activity(steps=1, samples=1, events=tuple(events))


def input_rates(layers: tuple[Layer, ...], activity: Activity) -> tuple[float, ...]:
    """Return the share of input bits of each layer that were 1, 0..1; 0 off the crossbars."""
    runs = activity.steps * activity.samples
    return tuple(
        _share(events, layer.full, runs)
        for layer, events in zip(layers, activity.events, strict=True)
    )


def _share(events: Events, full: Events, runs: int) -> float:
    return events.wordlines / (full.wordlines * runs) if full.wordlines else 0.0
