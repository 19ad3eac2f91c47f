"""Where the cells and the readouts of a layer are on the chip."""

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np

from mapper.diagnostics import refuse
from mapper.ir.core import Array, Span
from mapper.ir.crossbar import CrossbarMvm
from passes.dies.draws import MOST_LINES, MOST_SLOTS, REPLICAS, site


@dataclass(frozen=True, slots=True, kw_only=True)
class Sites:
    """Places of a layer: of its wordlines and columns, and from these of every cell."""

    slot: Array
    """``[C, G, N]``, the crossbar of an output in a row block."""
    bitline: Array
    """``[C, G, S, N]``, that of a digit's first cell."""
    block: Array
    """``[K]``, the row block of a wordline: of packed groups all wordlines of their crossbar."""
    wordline: Array
    """``[K]``, where it is in its crossbar, in order."""
    lines: Array | None = None
    """``[C, 1, K, N]``, the same where wordlines do not lie in order."""
    pair: int
    """Bitlines of a digit."""
    reference: Array
    """``[N]``: which reference an output has: that of its crossbar, of those side by side, or of
    its group where several are packed in a crossbar."""
    first_output: Array
    """``[references]``: the first output that each is for."""
    within: Array
    """``[references]``: which of its crossbar each is."""

    def cells(self, second: bool = False) -> Array:
        """Return the sites of a digit's cells, ``[C, S, K, N]``; ``second`` of those of pairs."""
        bitline = self.bitline[:, self.block].swapaxes(1, 2)
        return site(self._cell_slot(), self._wordlines(), bitline + second)

    def replicas(self, column: int) -> Array:
        """Return the sites of columns of replica cells, ``[C, 1, K, references]``.

        They lie behind all bitlines that a crossbar may have: a fault of theirs is their own.
        """
        line = MOST_LINES - REPLICAS * (self.within + 1) + column
        slot = self._cell_slot()[..., self.first_output]
        line_of = self._wordlines()
        own = line_of if line_of.shape[-1] == 1 else line_of[..., self.first_output]
        return site(slot, own, line)

    def readouts(self, shared: int) -> Array:
        """Return the sites of readouts, ``[C, G, S, N]``, each of ``shared`` columns or pairs."""
        return site(self.slot[:, :, None], 0, self.bitline // (self.pair * shared))

    def held(self, rows: Span, block: Span) -> Array | None:
        """Return which row of a crossbar each wordline has, ``[C, R]``; None: in order."""
        if self.lines is None:
            return None
        return np.argsort(self.lines[:, 0, rows.slice, block.start], axis=-1)

    def _wordlines(self) -> Array:
        return self.wordline[:, None] if self.lines is None else self.lines

    def _cell_slot(self) -> Array:
        return self.slot[:, self.block][:, None]


def sites_of(op: CrossbarMvm, where: Array | None = None, lines: Array | None = None) -> Sites:
    """Return where a placed layer's cells and readouts are.

    Those of layers in order are kept for the next die, and read-only.

    Copies come first, then column blocks, then row blocks, as the pass ``place`` counts slots. Row
    blocks that take turns are below each other in one crossbar.

    Args:
        op: The layer, placed and written on cells.
        where: ``[C, G, N]``, the place of each output within its crossbar, where outputs do not
            lie in order.
        lines: ``[C, column blocks, K]``, the wordline of each input within its crossbar, likewise.
    """
    return _in_order(op) if where is None and lines is None else _sites(op, where, lines)


@lru_cache(maxsize=64)
def _in_order(op: CrossbarMvm) -> Sites:
    found = _sites(op, None, None)
    for field in fields(found):
        held = getattr(found, field.name)
        if isinstance(held, np.ndarray):
            held.flags.writeable = False
    return found


def _sites(op: CrossbarMvm, where: Array | None, lines: Array | None) -> Sites:
    assert op.encoding is not None
    _check_size(op)
    block, wordline = _rows(op)
    column_block, place = _columns(op)
    down = op.crossbars_down
    copy = np.arange(op.placement.copies)[:, None, None]
    crossbar = (np.arange(len(op.rows)) // op.turns)[:, None]
    slot = op.placement.slots.start + (copy * len(op.columns) + column_block) * down + crossbar
    places = np.broadcast_to(place, slot.shape) if where is None else where  # [C, G, N]
    pair = op.encoding.bitlines_per_slice
    slices = np.arange(len(op.encoding.significances))[:, None] * pair
    reference, first_output, within = _references(op, column_block)
    bitline = places[:, :, None] * op.encoding.bitlines_per_weight + slices  # [C, G, S, N]
    return Sites(
        slot=slot,
        bitline=bitline,
        block=block,
        wordline=wordline,
        lines=None if lines is None else lines[:, column_block].swapaxes(1, 2)[:, None],
        pair=pair,
        reference=reference,
        first_output=first_output,
        within=within,
    )


def _references(op: CrossbarMvm, column_block: Array) -> tuple[Array, Array, Array]:
    """Return which reference outputs have, the first of each, and which of its crossbar it is."""
    if op.packed == 1:
        first = np.array([span.start for span in op.columns])
        return column_block, first, np.zeros_like(first)
    width, groups = op.outputs // op.groups, np.arange(op.groups)
    return groups.repeat(width), groups * width, groups % op.packed


def _rows(op: CrossbarMvm) -> tuple[Array, Array]:
    """Return the row block of each wordline of a group, and where it is in its crossbar."""
    block = np.empty(op.shared_rows[-1].stop, np.int64)
    wordline = np.empty_like(block)
    for g, rows in enumerate(op.shared_rows):
        top = op.shared_rows[g - g % op.turns].start
        block[rows.slice] = g
        wordline[rows.slice] = np.arange(rows.start, rows.stop) - top
    return block, wordline


def _columns(op: CrossbarMvm) -> tuple[Array, Array]:
    """Return the column block of each output, and its place there."""
    block = np.empty(op.outputs, np.int64)
    place = np.empty_like(block)
    for k, span in enumerate(op.columns):
        block[span.slice], place[span.slice] = k, np.arange(len(span))
    return block, place


def _check_size(op: CrossbarMvm) -> None:
    """Refuse what sites cannot tell apart: two places would draw the same."""
    assert op.encoding is not None
    lines = max(
        max(map(len, op.shared_rows)) * op.turns,
        max(map(len, op.columns)) * op.encoding.bitlines_per_weight,
    )
    for found, most, what in (
        (op.placement.slots.stop, MOST_SLOTS, "crossbars"),
        (lines, MOST_LINES - REPLICAS * op.packed, "lines of a crossbar"),
    ):
        if found > most:
            raise refuse(
                "die-too-large",
                f"{found} {what}, a die tells {most} apart",
                loc=op.loc,
                help="map the network onto smaller crossbars, or onto fewer of them",
            )
