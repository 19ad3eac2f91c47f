"""Exact action counts: what the cost formulas need to know of each layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from mapper.cost.count_arithmetic import Makers, Tally, bits_of
from mapper.cost.events import row_levels, wiring_of
from mapper.cost.flow import (
    Flow,
    follow,
    from_later_round,
    input_distance,
    link_bits,
    partial_sum_hops,
    waits_for_a_round,
)
from mapper.cost.model import Events, Grid, Layer, Work
from mapper.cost.op_counts import op_work, separate_op_work, weight_bits
from mapper.cost.shift_add_counts import Widths, separate_widths, sum_widths, sums_work
from mapper.cost.skips import Skips, Taken, taken_of
from mapper.cost.sums import Sums
from mapper.cost.trace import NOTHING, most_events
from mapper.cost.updates import Reached, check_update_on_event, reached
from mapper.ir.core import INT64, Array, Const, Constants, Graph, Op
from mapper.ir.crossbar import CrossbarMvm, Placement
from mapper.ir.readout import BitlineRead, ShiftAndAdd
from mapper.ir.synapses import Synapse
from mapper.ir.tables import OpTable
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerOps:
    """What the ops of a layer count, wherever its crossbars stand."""

    merged: Tally
    separate: Tally
    """Where every bit-slice is added by itself."""
    widths: tuple[Widths, ...]
    separate_widths: tuple[Widths, ...]
    reached: Reached | None
    full: Events
    """Of a time step in which every input bit is 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unplaced:
    """What counting finds in a graph before its crossbars have places."""

    flow: Flow
    levels: Levels
    layers: tuple[LayerOps, ...]
    taken: tuple[Taken, ...]


def count_actions(
    graph: Graph, target: Target, levels: Levels | None = None, unplaced: Unplaced | None = None
) -> Counts:
    """Count the actions of every layer of a fully lowered graph.

    A layer is a grid of crossbars, or a layer of weights on the digital unit, with all ops up to
    the next one. A graph without weights counts as one layer.

    Args:
        graph: The hardware graph, after the last pass.
        target: The target it was mapped onto.
        levels: Those of a graph with the same crossbars, where they are known.
        unplaced: That of a graph that differs in the places of its crossbars alone, if known.
    """
    known = count_unplaced(graph, levels) if unplaced is None else unplaced
    if target.events.update_on_event:
        check_update_on_event(graph, target.name)
    return Counts(
        graph=graph, target=target, layers=_layers(graph, known, target), levels=known.levels
    )


def count_layers(graph: Graph, target: Target) -> tuple[Layer, ...]:
    """Return the counts of every layer alone; see ``count_actions``."""
    return count_actions(graph, target).layers


def levels_of(starts: Sequence[LayerOp], graph: Graph) -> Levels:
    """Add up the conductance levels on every wordline of every layer: the slow part of counting."""
    return tuple(
        row_levels(op, graph.constants) if isinstance(op, CrossbarMvm) else None for op in starts
    )


def count_unplaced(graph: Graph, levels: Levels | None = None) -> Unplaced:
    """Count what does not depend on where crossbars stand; see ``count_actions``."""
    flow = follow(graph)
    makers = {value.name: op for op in graph.ops for value in op.results}
    known = levels_of(flow.starts, graph) if levels is None else levels
    touched = reached(flow, graph) if flow.starts else (None,)
    starts = zip(flow.starts or (None,), known or (None,), strict=True)
    return Unplaced(
        flow=flow,
        levels=known,
        layers=tuple(
            _ops(members, makers, graph.constants, events, _full_events(start, own, events))
            for members, events, (start, own) in zip(
                _members(graph, flow), touched, starts, strict=True
            )
        ),
        taken=taken_of(graph, flow),
    )


def _members(graph: Graph, flow: Flow) -> list[list[Op]]:
    """Return the ops of each layer; of a graph without weights, all in one."""
    members: list[list[Op]] = [[] for _ in flow.starts or (None,)]
    for op, home in zip(graph.ops, flow.homes, strict=True):
        members[home].append(op)
    return members


def _ops(
    ops: Sequence[Op], makers: Makers, constants: Constants, events: Reached | None, full: Events
) -> LayerOps:
    """Count the actions of the ops of a layer."""
    merged, separate = Tally(), Tally()
    widths: list[Widths] = []
    for op in ops:
        if isinstance(op, ShiftAndAdd):
            widths.append(sum_widths(op, makers, constants))
            work = sums_work(op, makers, constants, widths[-1])
        else:
            work = op_work(op, makers, constants)
        merged.update(work)
        separate.update(separate_op_work(op, makers, constants, work))
    return LayerOps(
        merged=merged,
        separate=separate,
        widths=tuple(widths),
        separate_widths=tuple(separate_widths(op) for op in ops if isinstance(op, ShiftAndAdd)),
        reached=events,
        full=full,
    )


def _layers(graph: Graph, known: Unplaced, target: Target) -> tuple[Layer, ...]:
    flow = known.flow.placed(graph)
    if not flow.starts:
        return (_neurons_only(graph, known.layers[0].merged, target),)
    skips = [taken.skips_at(i, flow, target.chip) for i, taken in enumerate(known.taken)]
    members = _members(graph, flow)
    return tuple(
        _layer(graph, flow, index, members[index], known.layers[index], skips[index], target)
        for index in range(len(members))
    )


def _layer(
    graph: Graph,
    flow: Flow,
    index: int,
    members: list[Op],
    known: LayerOps,
    skips: Skips,
    target: Target,
) -> Layer:
    op = flow.starts[index]
    begins = STARTS.entry(type(op))
    assert begins is not None, STARTS.reason(type(op))
    start = begins(op, members, graph, target)
    distance = input_distance(flow, index, target.chip)
    input_bits = bits_of(op.x) * prod(op.x.shape)
    plain = bits_of(op.results[0])

    def sums(counted: Tally, widths: Sequence[Widths]) -> Sums:
        width = max((width.total for width in widths), default=0)
        tally = counted.copy()
        tally["hop_bits"] += input_bits * distance + start.partial_sum_hops * width
        return _sums(tally, widths, plain)

    tally, events = known.merged, known.reached
    merged = sums(tally, known.widths)
    return Layer(
        name=op.loc or op.results[0].name,
        macro=start.macro or target.macros[0].name,
        round=start.round,
        stage=flow.stages[index],
        distance=distance,
        positions=start.positions,
        outputs=start.outputs,
        digital_rows=start.digital_rows,
        input_bits=input_bits,
        stored_bits=tally["membrane_bits"] // 2 + 2 * input_bits + start.stored_bits,
        grid=start.grid,
        work=_work(tally, merged, skips),
        skip_stored_bits=skips.stored_bits,
        separate=sums(known.separate, known.separate_widths),
        full=known.full,
        event_neurons=0 if events is None else events.neurons,
        repeats=events is not None and events.repeats,
        updates_exact=events is None or events.exact,
        weights=start.weights,
        links=tuple(
            link_bits(flow, index, target.chip, input_bits, merged.accumulate_width).tolist()
        ),
        later=waits_for_a_round(flow, index),
        fed_back=from_later_round(flow, index),
    )


def _sums(tally: Tally, widths: Sequence[Widths], plain: int) -> Sums:
    """Take what is added from a tally; ``plain`` is the width of a layer without shift-and-add."""
    return Sums(
        shift_adds=tally["shift_adds"],
        shift_add_bits=tally["shift_add_bits"],
        accumulations=tally["accumulations"],
        accumulate_bits=tally["accumulate_bits"],
        corrections=tally["corrections"],
        correction_bits=tally["correction_bits"],
        scale_multiplies=tally["scale_multiplies"],
        scale_multiply_bits=tally["scale_multiply_bits"],
        hop_bits=tally["hop_bits"],
        shift_add_width=max((width.adder for width in widths), default=0),
        accumulate_width=max((width.total for width in widths), default=plain),
        multiply_width=max((width.product for width in widths), default=plain),
    )


def _neurons_only(graph: Graph, tally: Tally, target: Target) -> Layer:
    sums = _sums(tally, (), 0)
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
        grid=NO_GRID,
        work=_work(tally, sums, Skips()),
        separate=sums,
        full=NOTHING,
    )


def _full_events(op: LayerOp | None, levels: Array | None, events: Reached | None) -> Events:
    neurons = 0 if events is None else events.neurons
    if levels is None or not isinstance(op, CrossbarMvm):
        return NOTHING
    wired = replace(
        op,
        x=replace(op.x, name=""),
        partial_sum=replace(op.partial_sum, name="", type=INT64),
        weight=Const(""),
        placement=Placement(),
        loc="",
    )
    return _most(wired, levels.shape, levels.tobytes())._replace(updates=neurons)


@lru_cache(maxsize=128)
def _most(op: CrossbarMvm, shape: tuple[int, ...], levels: bytes) -> Events:
    """Return the events of one time step in which every input bit is 1, whatever op it is of."""
    return most_events(wiring_of(op, np.frombuffer(levels, np.int64).reshape(shape)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What the op that a layer begins with says of the whole layer."""

    positions: int
    outputs: int
    macro: str = ""
    """Empty for the target's first."""
    round: int = 0
    digital_rows: int = 0
    stored_bits: int = 0
    """Of weights in buffers."""
    partial_sum_hops: int = 0
    """From tile to tile, of all partial sums of a time step."""
    weights: int = 0
    """On crossbars, of one copy."""
    grid: Grid = NO_GRID


def _crossbars(op: CrossbarMvm, members: list[Op], graph: Graph, target: Target) -> Start:
    return Start(
        positions=prod(op.positions),
        outputs=op.outputs,
        macro=op.placement.macro,
        round=op.placement.round,
        partial_sum_hops=partial_sum_hops(op, target.chip) * op.planes * prod(op.positions),
        weights=op.rows[-1].stop * op.outputs,
        grid=Grid(
            planes=op.planes,
            plane_bits=max(plane.bits for plane in op.bit_planes),
            copies=op.placement.copies,
            row_blocks=op.crossbars_down,
            turns=op.turns,
            column_blocks=len(op.columns),
            block_wordlines=max(map(len, op.shared_rows)),
            block_conversions=max(map(len, op.columns)) * op.partial_sum.shape[2],
            half_active=any(isinstance(m, BitlineRead) and m.follows_activity for m in members),
            cells_per_weight=1 if op.encoding is None else op.encoding.bitlines_per_weight,
            groups=op.groups,
            packed=op.packed,
        ),
    )


def _digital(op: Synapse, members: list[Op], graph: Graph, target: Target) -> Start:
    outputs, *positions = op.result.shape
    weights = graph.constants[op.weight.name].size
    return Start(
        positions=prod(positions),
        outputs=outputs,
        digital_rows=weights // outputs,
        stored_bits=weights * weight_bits(op, graph.constants),
    )


STARTS: OpTable[Callable[[Any, list[Op], Graph, Target], Start]] = OpTable(
    what="ops that layers begin with",
    entries={CrossbarMvm: _crossbars, Synapse: _digital},
    without={},
    of=LayerOp,
)
"""What is known of a layer from the op that it begins with."""


_OF_SUMS = tuple(held.name for held in fields(Sums))


def _work(tally: Tally, sums: Sums, skips: Skips) -> Work:
    return Work(
        **{name: getattr(sums, name) for name in _OF_SUMS},
        macs=tally["macs"],
        crossbar_reads=tally["crossbar_reads"],
        conversions=tally["conversions"],
        tree_sums=tally["tree_sums"],
        tree_additions=tally["tree_additions"],
        membrane_updates=tally["membrane_updates"],
        membrane_bits=tally["membrane_bits"],
        buffer_read_bits=tally["buffer_read_bits"],
        fresh_bits=tally["fresh_bits"],
        buffer_write_bits=tally["buffer_write_bits"],
        skip_write_bits=skips.write_bits,
        skip_read_bits=skips.read_bits,
        skip_hop_bits=skips.hop_bits,
    )
