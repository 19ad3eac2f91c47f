"""Cells as they lie in crossbars, side by side on wordlines and below each other on bitlines."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mapper.ir.core import Array, Span
from mapper.ir.crossbar import CrossbarMvm
from passes.dies.sites import Sites
from passes.dies.wires import Wired, behind_wires
from targets.devices import Imperfections
from targets.devices.circuit import WireSupply


@dataclass(slots=True)
class Bitlines:
    """What the bitlines of a layer add for each driven wordline, in counts."""

    cells: Array
    """``[pair, C, S, K, N]``: one bitline of each digit, or two."""
    replicas: Array | None
    """``[2, C, 1, K, column blocks]``: a column of cells that are on, one of cells that are off."""
    constant: Array
    """``[pair, C, G, S, N]``: what bitlines have whatever is driven."""
    replica_constant: Array
    """``[2, C, G, 1, column blocks]``."""


def put_behind_wires(
    lines: Bitlines, op: CrossbarMvm, facts: Imperfections, sites: Sites, activity: Array
) -> None:
    """Change the bitlines of a layer to what is left of them behind the wires of their crossbars.

    Args:
        lines: As they would be without; changed in place.
        op: The layer.
        facts: Of its device, which has wires.
        sites: Where the layer's cells are.
        activity: ``[groups, K]``, what each wordline carries on average.
    """
    assert facts.wire is not None
    on = facts.cell.levels - 1 + (facts.cell.off or 0.0)  # as programmed, whatever age made of it
    segment = facts.wire.share / on
    for k, block, blocks in _crossbars(op):
        rows = Span(op.rows[blocks[0]].start, op.rows[blocks[-1]].stop)
        carried = activity[block.start // (op.outputs // op.groups), rows.slice]
        crossbar = _gathered(lines, sites, k, block, blocks[0], rows)
        held = sites.held(rows, block)
        for g in blocks:
            driven = np.zeros_like(carried)
            own = Span(op.rows[g].start - rows.start, op.rows[g].stop - rows.start)
            driven[own.slice] = carried[own.slice]  # those of other blocks have turns of their own
            wired = _wired(crossbar, driven, held, segment, facts.wire.supply)
            _scatter(
                lines, sites, (k, block, g), op.rows[g], wired.cells[:, own.slice], wired.constant
            )


def _wired(
    cells: Array, driven: Array, held: Array | None, segment: float, supply: WireSupply
) -> Wired:
    """Return what is left of rows, in their order, that lie on wordlines as ``held`` says."""
    if held is None:
        return behind_wires(cells, driven, segment, supply)
    there = np.take_along_axis(cells, held[..., None], axis=1)
    wired = behind_wires(there, driven[held], segment, supply)
    line_of = np.argsort(held, axis=1)
    return Wired(np.take_along_axis(wired.cells, line_of[..., None], axis=1), wired.constant)


def _crossbars(op: CrossbarMvm) -> Iterator[tuple[int, Span, list[int]]]:
    """Yield column blocks and the row blocks that each of their crossbars has."""
    for k, block in enumerate(op.columns):
        for first in range(0, len(op.rows), op.turns):
            yield k, block, list(range(first, min(first + op.turns, len(op.rows))))


def _places(lines: Bitlines, sites: Sites, block: Span, g: int) -> tuple[Array, Array]:
    """Return where bitlines of a crossbar lie, ``[pair, C, S, n]``, and the copy of each."""
    first = sites.bitline[:, g, :, block.slice]
    member = np.arange(len(lines.cells))[:, None, None, None]
    return first + member, np.arange(len(first))[:, None, None]


def _gathered(lines: Bitlines, sites: Sites, k: int, block: Span, g: int, rows: Span) -> Array:
    """Return the cells of one crossbar of each copy, ``[C, R, B]``; replicas are the last two."""
    place, copy = _places(lines, sites, block, g)
    width = int(place.max()) + 1
    out = np.zeros((place.shape[1], len(rows), width + 2))
    out.swapaxes(1, 2)[np.broadcast_to(copy, place.shape), place] = lines.cells[
        :, :, :, rows.slice, block.slice
    ].swapaxes(3, 4)
    if lines.replicas is None:
        return out[..., :width]
    out[..., width:] = np.moveaxis(lines.replicas[:, :, 0, rows.slice, k], 0, -1)
    return out


def _scatter(
    lines: Bitlines,
    sites: Sites,
    where: tuple[int, Span, int],
    rows: Span,
    cells: Array,
    constant: Array,
) -> None:
    """Put one row block of a crossbar back where ``_gathered`` took it from."""
    k, block, g = where
    place, copy = _places(lines, sites, block, g)
    copies = np.broadcast_to(copy, place.shape)
    lines.cells[:, :, :, rows.slice, block.slice] = cells.swapaxes(1, 2)[copies, place].swapaxes(
        3, 4
    )
    lines.constant[:, :, g, :, block.slice] = constant[copies, place]
    if lines.replicas is not None:
        lines.replicas[:, :, 0, rows.slice, k] = np.moveaxis(cells[..., -2:], -1, 0)
        lines.replica_constant[:, :, g, 0, k] = np.moveaxis(constant[..., -2:], -1, 0)
