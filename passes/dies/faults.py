"""Where the faults of a die are: by crossbar, from the same draws as its cells and references."""

from dataclasses import dataclass

import numpy as np

from mapper.ir.core import Array, Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.readout import BitlineRead
from passes.dies.conductance import stuck_levels
from passes.dies.facts import Conditions, facts_of
from passes.dies.net import Drawing
from passes.dies.references import offsets
from passes.dies.sites import sites_of
from targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossbarFaults:
    """Of one layer, by crossbar in the order of its slots: copies, column blocks, row blocks."""

    name: str
    """Of the layer's partial sum."""
    cells: Array
    """Cells in use, of all bit-slices and both cells of a pair."""
    reads: Array
    """Columns in use, times the row blocks that they are read for."""
    stuck: Array
    """Cells that are stuck on another level than theirs."""
    cell_error: Array
    """Root mean square of what cells conduct too much or too little, in counts."""
    offset: Array
    """Root mean square of the offsets of its readouts, in counts."""


def faults_of(
    graph: Graph, target: Target, seed: int, conditions: Conditions
) -> tuple[CrossbarFaults, ...]:
    """Return the faults of every layer on crossbars of one die.

    Wires are left out: they lose the same on every die.

    Args:
        graph: Of the ideal chip, placed.
        target: Whose macros have devices.
        seed: Of the die.
        conditions: Of the die.

    Raises:
        MappingError: As ``passes.dies.facts.facts_of``.
    """
    reads = {op.partial_sum.name: op for op in graph.ops if isinstance(op, BitlineRead)}
    layers = (op for op in graph.ops if isinstance(op, CrossbarMvm))
    return tuple(
        _faults(op, reads[op.partial_sum.name], graph, target, seed, conditions) for op in layers
    )


def _faults(
    op: CrossbarMvm,
    read: BitlineRead,
    graph: Graph,
    target: Target,
    seed: int,
    conditions: Conditions,
) -> CrossbarFaults:
    facts, weight = facts_of(op, target, conditions), graph.constants[op.weight.name]
    drawing = Drawing(op=op, read=read, facts=facts, sites=sites_of(op), seed=seed)
    cells, levels = drawing.cells(weight), drawing.levels(weight)
    there = op.there.astype(np.int64)
    meant = np.stack(levels)  # [pair, 1, S, K, N]
    stuck = np.zeros(cells.shape, bool)
    for member, level in enumerate(levels):
        at = drawing.sites.cells(second=bool(member))
        stuck[member] = stuck_levels(facts.cell, level, at, seed) != level
    error = cells - (meant + (facts.cell.off or 0.0))
    first, firsts = _first_rows(op), list(range(0, len(op.rows), op.turns))
    shared = target.macro(op.placement.macro).readout.columns_per_readout
    grid = (cells.shape[1], len(op.rows), cells.shape[2], op.outputs)
    return CrossbarFaults(
        name=op.partial_sum.name,
        cells=_by_crossbar(op, (np.ones(cells.shape, np.int64) * there).sum(axis=(0, 2)), first),
        reads=_by_crossbar(op, np.ones(grid, np.int64).sum(axis=2), firsts),
        stuck=_by_crossbar(op, (stuck * there).sum(axis=(0, 2)), first),
        cell_error=_rms(op, np.square(error).mean(axis=(0, 2)), first, there),
        offset=_rms(
            op,
            np.square(np.broadcast_to(offsets(drawing, shared), grid)).mean(axis=2),
            firsts,
        ),
    )


def _first_rows(op: CrossbarMvm) -> list[int]:
    """Return the first row of each crossbar down a column of them."""
    return [op.shared_rows[g].start for g in range(0, len(op.rows), op.turns)]


def _by_crossbar(op: CrossbarMvm, found: Array, first: list[int]) -> Array:
    """Add ``[C, rows, N]`` up by crossbar, in the order of slots; ``first`` row of each."""
    columns = [span.start for span in op.columns]
    added = np.add.reduceat(np.add.reduceat(found, first, axis=1), columns, axis=2)
    return np.asarray(added.swapaxes(1, 2).reshape(-1))


def _rms(op: CrossbarMvm, squares: Array, first: list[int], there: Array | int = 1) -> Array:
    """Return the root of the mean of ``[C, rows, N]`` by crossbar, of what is there."""
    count = _by_crossbar(op, np.ones_like(squares) * there, first)
    return np.asarray(np.sqrt(_by_crossbar(op, squares * there, first) / count))
