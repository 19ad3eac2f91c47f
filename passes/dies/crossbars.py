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
    """``[2, C, 1, K, references]``: a column of cells that are on, one of cells that are off."""
    constant: Array
    """``[pair, C, G, S, N]``: what bitlines have whatever is driven."""
    replica_constant: Array
    """``[2, C, G, 1, references]``."""


def put_behind_wires(
    lines: Bitlines, op: CrossbarMvm, facts: Imperfections, sites: Sites, activity: Array
) -> None:
    """Change the bitlines of a layer to what is left of them behind the wires of their crossbars.

    Args:
        lines: As they would be without; changed in place.
        op: The layer.
        facts: Of its device, which has wires.
        sites: Where the layer's cells are.
        activity: ``[groups, K]``, what each wordline carries on average: of packed groups all of
            their crossbar.
    """
    assert facts.wire is not None
    on = facts.cell.levels - 1 + (facts.cell.off or 0.0)  # as programmed, whatever age made of it
    segment = facts.wire.share / on
    for block, blocks in _crossbars(op):
        rows = Span(op.shared_rows[blocks[0]].start, op.shared_rows[blocks[-1]].stop)
        carried = activity[block.start // (op.outputs // op.groups), rows.slice]
        crossbar = _gathered(lines, sites, block, blocks[0], rows)
        held = sites.held(rows, block)
        for g in blocks:
            driven = np.zeros_like(carried)
            block_rows = op.shared_rows[g]
            own = Span(block_rows.start - rows.start, block_rows.stop - rows.start)
            driven[own.slice] = carried[own.slice]  # those of other blocks have turns of their own
            wired = _wired(crossbar, driven, held, segment, facts.wire.supply)
            _scatter(
                lines, sites, (block, g), block_rows, wired.cells[:, own.slice], wired.constant
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


def _crossbars(op: CrossbarMvm) -> Iterator[tuple[Span, list[int]]]:
    """Yield column blocks and the row blocks that each of their crossbars has."""
    for block in op.columns:
        for first in range(0, len(op.rows), op.turns):
            yield block, list(range(first, min(first + op.turns, len(op.rows))))


def _places(lines: Bitlines, sites: Sites, block: Span, g: int) -> tuple[Array, Array]:
    """Return where bitlines of a crossbar lie, ``[pair, C, S, n]``, and the copy of each."""
    first = sites.bitline[:, g, :, block.slice]
    member = np.arange(len(lines.cells))[:, None, None, None]
    return first + member, np.arange(len(first))[:, None, None]


def _own_references(sites: Sites, block: Span) -> Span:
    """Return the references of one crossbar."""
    return Span(int(sites.reference[block.start]), int(sites.reference[block.stop - 1]) + 1)


def _gathered(lines: Bitlines, sites: Sites, block: Span, g: int, rows: Span) -> Array:
    """Return the cells of one crossbar of each copy, ``[C, R, B]``; replicas are the last."""
    place, copy = _places(lines, sites, block, g)
    width, own = int(place.max()) + 1, _own_references(sites, block)
    out = np.zeros((place.shape[1], len(rows), width + 2 * len(own)))
    out.swapaxes(1, 2)[np.broadcast_to(copy, place.shape), place] = lines.cells[
        :, :, :, rows.slice, block.slice
    ].swapaxes(3, 4)
    if lines.replicas is None:
        return out[..., :width]
    replicas = np.moveaxis(lines.replicas[:, :, 0, rows.slice, own.slice], 0, -2)  # [C, R, 2, own]
    out[..., width:] = replicas.reshape(*out.shape[:2], -1)
    return out


def _scatter(
    lines: Bitlines,
    sites: Sites,
    where: tuple[Span, int],
    rows: Span,
    cells: Array,
    constant: Array,
) -> None:
    """Put one row block of a crossbar back where ``_gathered`` took it from."""
    block, g = where
    place, copy = _places(lines, sites, block, g)
    copies = np.broadcast_to(copy, place.shape)
    lines.cells[:, :, :, rows.slice, block.slice] = cells.swapaxes(1, 2)[copies, place].swapaxes(
        3, 4
    )
    lines.constant[:, :, g, :, block.slice] = constant[copies, place]
    if lines.replicas is not None:
        own = _own_references(sites, block)
        last = cells[..., -2 * len(own) :].reshape(*cells.shape[:2], 2, -1)
        lines.replicas[:, :, 0, rows.slice, own.slice] = np.moveaxis(last, 2, 0)
        last = constant[..., -2 * len(own) :].reshape(len(constant), 2, -1)
        lines.replica_constant[:, :, g, 0, own.slice] = np.moveaxis(last, 1, 0)
