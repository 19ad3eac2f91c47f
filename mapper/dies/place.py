"""Place the rows and columns of crossbars round what is wrong with them for good.

Each crossbar is an assignment problem: which wordline an input lies on, which bitlines an output
has. Stuck cells, offsets and gains stay where they are; what programming does is not known before
it is done, so it does not count.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mapper.dies.assign import cheapest
from mapper.dies.drawn import Drawn
from mapper.dies.trims import Trim, known_offsets
from mapper.executor import engine
from mapper.ir.comparators import converted, sensed
from mapper.ir.core import INT64, Array, Const, param
from mapper.ir.crossbar import CrossbarMvm, driven_wordlines
from mapper.ir.packing import on_diagonal, shared_wordlines
from mapper.ir.readout import AdcRead, BitlineRead, SenseAmpRead
from passes.dies.conductance import stuck_cells
from passes.dies.draws import site
from passes.dies.facts import facts_of, has_wires
from passes.dies.sites import sites_of
from passes.draw_die import DrawDie, layer_on_die
from targets import Macro, Target
from targets.devices import CellCounts, Imperfections, load_device

READS = 256
"""Reads of a layer that the cost of a place is counted in."""
_TIE = 1e-9
"""What it costs to lie elsewhere than in order."""
_LATER = ("programming", "drift", "read noise", "wires")
"""What is not known before weights are programmed, or does not follow from a place alone."""


def placed(
    die: Drawn, target: Target, codes: Mapping[str, Array], trim: Trim | None = None
) -> Drawn:
    """Return a die whose rows and columns lie where its faults hurt least.

    Args:
        die: What is known.
        target: Of the ideal chip.
        codes: Recordings, input codes ``[T, B, *shape]`` of the ideal chip.
        trim: References will be trimmed: of offsets counts what is beyond its range, and none
            where that is not known.
    """
    layers = [op for op in die.ideal.ops if isinstance(op, CrossbarMvm)]
    seen = _seen(die, codes, layers)
    chip, lines, places = die.chip(target), dict[str, Array](), dict[str, Array]()
    everything = die.step.conditions
    for op in layers:
        name = op.partial_sum.name
        step = _before_programming(die.step, trim, facts_of(op, chip, everything))
        held, facts = step.measured, facts_of(op, chip, step.conditions)
        stuck = bool(facts.cell.stuck_on or facts.cell.stuck_off or (held and held.has_cells))
        if not (stuck or held or facts.readout.offset or facts.readout.gain):
            continue  # all places are alike
        rows = _reads(seen[op.x.name], op)
        here = step
        if stuck:
            room = _wordlines(op, chip.macro(op.placement.macro), facts_of(op, chip, everything))
            lines[name] = _lines(room, step, op, facts.cell, _layer(die, op, rows))
            here = replace(step, lines={name: lines[name]})
        places[name] = _places(die, target, here, op, rows, trim)
    return replace(die, step=replace(die.step, lines=lines, places=places, trims={}))


def _before_programming(step: DrawDie, trim: Trim | None, facts: Imperfections) -> DrawDie:
    """Return what is known of a layer before its weights are programmed, and stays."""
    held, without = step.measured, {*step.without, *_LATER}
    if trim is not None and trim.reach_of(facts) is None:
        without.add("offset")
        if held is not None:
            held = replace(held, offset_sites=held.offset_sites[:0], offsets=held.offsets[:0])
    known = replace(step, measured=held, without=tuple(sorted(without)))
    return replace(known, trims={}, places={}, lines={})


@dataclass(frozen=True, slots=True)
class _Layer:
    levels: tuple[Array, ...]
    """``[S, K, N]`` of reals: the nominal level of each cell, of both of a pair."""
    worth: Array
    """``[S, K, N]``: how often a cell is driven, times the square of what its slice counts."""


def _layer(die: Drawn, op: CrossbarMvm, rows: Array) -> _Layer:
    assert op.encoding is not None
    digits = _digits(op, die.ideal.constants[op.weight.name]).astype(np.float64)
    pair = (np.maximum(digits, 0), np.maximum(-digits, 0))
    share = np.repeat(np.square(rows.astype(np.float64)).mean(axis=0), op.outputs // op.groups, 0)
    weight = np.square(np.asarray(op.encoding.significances, np.float64))
    return _Layer(pair if op.encoding.pairs else (digits,), weight[:, None, None] * share.T)


def _digits(op: CrossbarMvm, weight: Array) -> Array:
    """Return the digits that wordlines add, ``[S, K, N]``, with those of other packed groups: 0."""
    assert op.encoding is not None
    return on_diagonal(op.encoding.digits(weight), op.groups, op.packed)


def _seen(die: Drawn, codes: Mapping[str, Array], layers: list[CrossbarMvm]) -> dict[str, Array]:
    inputs = {value.name for value in die.ideal.inputs}
    names = tuple(dict.fromkeys(op.x.name for op in layers if op.x.name not in inputs))
    ran = engine.run(die.ideal, codes, watch=names).outputs if names else {}
    return {**codes, **ran}


def _reads(x: Array, op: CrossbarMvm) -> Array:
    """Return what wordlines carry in some reads, ``[M, groups, K]``, evenly from all there are.

    Of packed groups they are all of their crossbar.
    """
    steps = x.reshape(-1, *op.x.shape)
    few = steps[np.linspace(0, len(steps) - 1, min(len(steps), 32)).astype(int)].astype(np.int64)
    every = shared_wordlines(driven_wordlines(few, op), op.packed)
    driven = np.moveaxis(every, -1, 1)  # [B, P, planes, groups, K]
    flat = driven.reshape(-1, *driven.shape[3:])
    busy = flat[flat.any(axis=(1, 2))]
    if not len(busy):
        return np.asarray(flat[:1])
    return np.asarray(busy[np.linspace(0, len(busy) - 1, min(len(busy), READS)).astype(int)])


# --- rows -------------------------------------------------------------------------------------


def _wordlines(op: CrossbarMvm, macro: Macro, facts: Imperfections) -> int | None:
    """Return the wordlines that rows of a block may lie on: all of a crossbar, or None: their own.

    Row blocks that take turns have wordlines of their own; and behind wires those that nobody
    uses would make bitlines longer.
    """
    return None if op.turns > 1 or has_wires(facts) else macro.wordlines


def _lines(room: int | None, step: DrawDie, op: CrossbarMvm, cell: CellCounts, it: _Layer) -> Array:
    """Return the wordline of each input, ``[C, column blocks, K]``.

    A cell that is stuck at another level costs the square of the difference as often as its
    wordline is driven, and as much as its slice counts.
    """
    copies, plain = op.placement.copies, sites_of(op)
    found = np.empty((copies, len(op.columns), op.shared_rows[-1].stop), np.int64)
    for k, columns in enumerate(op.columns):
        for g, rows in enumerate(op.shared_rows):
            own = plain.wordline[rows.slice]
            free = own if room is None else np.arange(room)
            scale = it.worth[:, rows.slice, columns.slice]  # [S, R, N]
            for c in range(copies):
                cost = (free != own[:, None]) * _TIE  # in their order, where it is all the same
                slot = plain.slot[c, g, columns.start]
                for second, level in enumerate(it.levels):
                    u = level[:, rows.slice, columns.slice]
                    bitline = plain.bitline[c, g, :, columns.slice] + second  # [S, N]
                    at = site(slot, free[:, None, None], bitline)  # [lines, S, N]
                    on, off = stuck_cells(cell, at, step.seed, step.measured)
                    cost += np.einsum("wsn,srn->rw", on, scale * np.square(cell.levels - 1 - u))
                    cost += np.einsum("wsn,srn->rw", off, scale * np.square(u))
                found[c, k, rows.slice] = free[cheapest(cost)]
    return found


# --- columns ----------------------------------------------------------------------------------


def _places(
    die: Drawn, target: Target, step: DrawDie, op: CrossbarMvm, rows: Array, trim: Trim | None
) -> Array:
    """Return the place of each output in its crossbar, ``[C, G, N]``.

    A place costs the squared error of the weighted codes that are read there. Row blocks that take
    turns in a crossbar share their bitlines.
    """
    assert op.encoding is not None
    chip, name = die.chip(target), op.partial_sum.name
    wide = op.encoding.bitlines_per_weight
    room = chip.macro(op.placement.macro).bitlines // wide
    grid = (op.placement.copies, len(op.rows), op.outputs)
    perfect = target.with_device(load_device("ideal"))
    wanted = _codes(*layer_on_die(DrawDie(), die.ideal, perfect, op), rows)
    cost = np.empty((*grid, room))
    for place in range(room):
        there = replace(step, places={name: np.full(grid, place)})
        offsets = None if trim is None else known_offsets(op, there, chip)
        if trim is not None and offsets is not None:
            reach = trim.reach_of(facts_of(op, chip, step.conditions))
            there = replace(there, trims={name: trim.of(offsets.counts, reach)[0]})
        got = _codes(*layer_on_die(there, die.ideal, chip, op), rows)
        error = np.square(got - wanted).mean(axis=-1)  # [C, G, S, N]
        weight = np.square(np.asarray(op.encoding.significances, np.float64))
        cost[..., place] = np.einsum("s,cgsn->cgn", weight, error)
    order = sites_of(op).bitline[:, :, 0] // wide
    cost += (np.arange(room) != order[..., None]) * _TIE
    found = np.empty(grid, np.int64)
    for columns in op.columns:
        for g in range(0, len(op.rows), op.turns):
            together = cost[:, g : g + op.turns, columns.slice].sum(axis=1)
            for c, one in enumerate(together):
                found[c, g : g + op.turns, columns.slice] = cheapest(one)
    return found


def _codes(
    op: CrossbarMvm, read: BitlineRead, constants: Mapping[str, Array], rows: Array
) -> Array:
    """Return what the codes of a die's layer stand for in some reads, ``[C | 1, G, S, N, M]``."""
    assert op.encoding is not None
    if op.cells is None:
        cells = _digits(op, constants[op.weight.name])[None] * (1 << op.fraction)
    else:
        cells = constants[op.cells.name]  # [C | 1, S, K, N]
    width = op.outputs // op.groups
    sums = np.empty((len(cells), len(op.rows), *cells.shape[1:2], op.outputs, len(rows)))
    for group in range(op.groups):
        own = slice(group * width, (group + 1) * width)
        for g, span in enumerate(op.shared_rows):
            carried = rows[:, group, span.slice].astype(np.float64)
            held = cells[:, :, span.slice, own].astype(np.float64)
            sums[:, g, :, own] = np.einsum("csrn,mr->csnm", held, carried, optimize=True)
    if isinstance(read, SenseAmpRead):
        table = constants[read.thresholds.name]
        table = (table if table.ndim == 5 else table[:, None])[..., None]
        whole = np.broadcast_shapes(sums.shape, table.shape[1:])
        return sensed(np.broadcast_to(sums, whole), table, read.levels)
    assert isinstance(read, AdcRead)
    fields = (read.first, read.step, read.base, read.spacing)
    first, step, base, wide = (_by_copy(constants, held) for held in fields)
    return converted(sums, first, step, base, read.bits, wide)


def _by_copy(constants: Mapping[str, Array], held: int | Const) -> Array:
    """Return a table of a converter as ``[C | 1, G | 1, S | 1, N | 1, 1]``."""
    table = np.atleast_3d(param(constants, held, INT64))
    return (table if table.ndim == 4 else table[None])[..., None]
