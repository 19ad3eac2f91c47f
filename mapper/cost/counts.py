"""Exact action counts: what the cost formulas need to know of each layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from mapper.cost.events import events_of, full_drive, full_reads, row_levels
from mapper.cost.flow import Flow, follow, input_distance, partial_sum_hops
from mapper.cost.model import Events, Grid, Layer, Work
from mapper.cost.work import (
    Tally,
    accumulator_bits,
    bits_of,
    op_work,
    slice_sum_bits,
    weight_bits,
)
from mapper.ir.core import Array, Graph, Op
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.readout import SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Synapse
from mapper.ir.units import LayerOp
from targets import Target

NO_GRID = Grid(
    planes=0,
    copies=0,
    row_blocks=0,
    column_blocks=0,
    block_wordlines=0,
    block_conversions=0,
    half_active=False,
    cells_per_weight=0,
)


Levels = tuple[Array | None, ...]
"""By layer, the conductance levels on its wordlines; None for layers without crossbars."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counts:
    """A mapping whose actions are counted: what every estimate of it starts from."""

    graph: Graph
    """Fully lowered."""
    target: Target
    layers: tuple[Layer, ...]
    levels: Levels


def count_actions(graph: Graph, target: Target, levels: Levels | None = None) -> Counts:
    """Count the actions of every layer of a fully lowered graph.

    A layer is a grid of crossbars, or a layer of weights on the digital unit, with all ops up to
    the next one. A graph without weights counts as one layer.

    Args:
        graph: What the last pass made.
        target: The target it was made for.
        levels: Those of a graph with the same crossbars, where they are known.
    """
    flow = follow(graph)
    known = levels_of(flow.starts, graph) if levels is None else levels
    return Counts(
        graph=graph, target=target, layers=_layers(graph, flow, known, target), levels=known
    )


def count_layers(graph: Graph, target: Target) -> tuple[Layer, ...]:
    """Return the counts of every layer alone; see ``count_actions``."""
    return count_actions(graph, target).layers


def levels_of(starts: Sequence[LayerOp], graph: Graph) -> Levels:
    """Add up the conductance levels on every wordline of every layer: the slow part of counting."""
    return tuple(
        row_levels(op, graph.constants) if isinstance(op, CrossbarMvm) else None for op in starts
    )


def _layers(graph: Graph, flow: Flow, levels: Levels, target: Target) -> tuple[Layer, ...]:
    makers = {value.name: op for op in graph.ops for value in op.results}
    layers = max(1, len(flow.starts))
    members: list[list[Op]] = [[] for _ in range(layers)]
    tallies = [Tally() for _ in range(layers)]
    for op, home in zip(graph.ops, flow.homes, strict=True):
        members[home].append(op)
        tallies[home] += op_work(op, makers, graph.constants)
    if not flow.starts:
        return (_neurons_only(graph, tallies[0], target),)
    return tuple(
        _layer(graph, flow, index, members[index], tallies[index], levels[index], target)
        for index in range(layers)
    )


def _layer(
    graph: Graph,
    flow: Flow,
    index: int,
    members: list[Op],
    tally: Tally,
    levels: Array | None,
    target: Target,
) -> Layer:
    op = flow.starts[index]
    distance = input_distance(flow, index, target.chip)
    input_bits = bits_of(op.x) * prod(op.x.shape)
    combines = [other for other in members if isinstance(other, ShiftAndAdd)]
    tally["hop_bits"] += input_bits * distance
    if isinstance(op, CrossbarMvm):
        hops = partial_sum_hops(op, target.chip) * op.planes * prod(op.positions)
        tally["hop_bits"] += hops * max(map(accumulator_bits, combines), default=0)
    return Layer(
        name=op.loc or op.results[0].name,
        macro=_macro_name(op, target),
        round=op.placement.round if isinstance(op, CrossbarMvm) else 0,
        stage=flow.stages[index],
        distance=distance,
        positions=_positions(op),
        outputs=_outputs(op),
        digital_rows=_digital_rows(op, graph),
        input_bits=input_bits,
        stored_bits=tally["membrane_bits"] // 2 + 2 * input_bits + _weight_store(op, graph),
        shift_add_width=max(map(slice_sum_bits, combines), default=0),
        accumulate_width=max(map(accumulator_bits, combines), default=bits_of(op.results[0])),
        grid=_grid(op, members),
        work=_work(tally),
        full=_full_events(op, levels),
    )


def _neurons_only(graph: Graph, tally: Tally, target: Target) -> Layer:
    return Layer(
        name=graph.name,
        macro=target.macros[0].name,
        round=0,
        stage=0,
        distance=0,
        positions=1,
        outputs=tally["membrane_updates"],
        digital_rows=0,
        input_bits=0,
        stored_bits=tally["membrane_bits"] // 2,
        shift_add_width=0,
        accumulate_width=0,
        grid=NO_GRID,
        work=_work(tally),
        full=Events(0, 0, 0, 0, 0),
    )


def _macro_name(op: LayerOp, target: Target) -> str:
    named = op.placement.macro if isinstance(op, CrossbarMvm) else ""
    return named or target.macros[0].name


def _positions(op: LayerOp) -> int:
    return prod(op.positions if isinstance(op, CrossbarMvm) else op.result.shape[1:])


def _outputs(op: LayerOp) -> int:
    return op.outputs if isinstance(op, CrossbarMvm) else op.result.shape[0]


def _digital_rows(op: LayerOp, graph: Graph) -> int:
    if isinstance(op, CrossbarMvm):
        return 0
    return graph.constants[op.weight.name].size // op.result.shape[0]


def _weight_store(op: LayerOp, graph: Graph) -> int:
    if isinstance(op, CrossbarMvm):
        return 0
    return graph.constants[op.weight.name].size * weight_bits(op, graph.constants)


def _full_events(op: LayerOp, levels: Array | None) -> Events:
    if levels is None or isinstance(op, Synapse):
        return Events(0, 0, 0, 0, 0)
    return events_of(op, full_drive(op), full_reads(op), levels)


def _grid(op: LayerOp, members: list[Op]) -> Grid:
    if isinstance(op, Synapse):
        return NO_GRID
    follows = any(isinstance(read, SenseAmpRead) and read.active is not None for read in members)
    slices = op.partial_sum.shape[2]
    return Grid(
        planes=op.planes,
        copies=op.placement.copies,
        row_blocks=len(op.rows),
        column_blocks=len(op.columns),
        block_wordlines=max(map(len, op.rows)),
        block_conversions=max(map(len, op.columns)) * slices,
        half_active=follows,
        cells_per_weight=1 if op.encoding is None else op.encoding.bitlines_per_weight,
    )


def _work(tally: Tally) -> Work:
    return Work(
        macs=tally["macs"],
        crossbar_reads=tally["crossbar_reads"],
        conversions=tally["conversions"],
        shift_adds=tally["shift_adds"],
        shift_add_bits=tally["shift_add_bits"],
        accumulations=tally["accumulations"],
        accumulate_bits=tally["accumulate_bits"],
        corrections=tally["corrections"],
        correction_bits=tally["correction_bits"],
        scale_multiplies=tally["scale_multiplies"],
        scale_multiply_bits=tally["scale_multiply_bits"],
        membrane_updates=tally["membrane_updates"],
        membrane_bits=tally["membrane_bits"],
        buffer_read_bits=tally["buffer_read_bits"],
        fresh_bits=tally["fresh_bits"],
        buffer_write_bits=tally["buffer_write_bits"],
        hop_bits=tally["hop_bits"],
    )
