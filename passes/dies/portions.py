"""Big layers of a die, drawn a portion at a time: some of their copies, or of their column blocks.

Crossbars have nothing in common, so a portion is a layer of its own. Numbers on the way to cells
take about a hundred bytes each, the cells that are kept two.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from mapper.ir.core import Array, Span
from mapper.ir.crossbar import CrossbarMvm
from passes.dies.net import Drawing
from passes.dies.references import smallest
from passes.dies.sites import Sites

MOST_AT_ONCE = 1 << 22
"""Digits of weights that are drawn together."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Part of a layer."""

    copies: Span
    blocks: Span
    """Column blocks; all of them, unless one copy alone is too much."""


def whole_cells(
    drawing: Drawing, weight: Array, f: int, most: int = MOST_AT_ONCE
) -> tuple[Array, Array]:
    """Draw a layer as ``Drawing.whole`` does, in portions of no more than so many digits.

    Returns:
        Cells ``[C, S, K, N]`` and the constant of columns in counts, ``[C, G, S, N]``.
    """
    op = drawing.op
    cut = tuple(portions(op, most))
    if len(cut) == 1:
        return drawing.whole(weight, f)
    found = []
    for portion in cut:
        outputs = _outputs(op, portion)
        cells, constant = _part(drawing, portion).whole(weight[:, outputs.slice], f)
        found.append((portion.copies, outputs, smallest(cells), constant))
    return _joined(op, found)


def portions(op: CrossbarMvm, most: int) -> Iterator[Portion]:
    """Cut a layer: by copies, and where one is too large by column blocks.

    Column blocks of a layer with groups stay together: their wordlines are others.
    """
    slices, wordlines, outputs = op.partial_sum.shape[2], op.shared_rows[-1].stop, op.outputs
    blocks = len(op.columns)
    each = slices * wordlines * outputs
    if each > most and op.groups == 1:
        blocks = max(1, most // (slices * wordlines * max(map(len, op.columns))))
    for copies in Span(0, op.placement.copies).split(max(1, most // each)):
        for span in Span(0, len(op.columns)).split(blocks):
            yield Portion(copies, span)


def _outputs(op: CrossbarMvm, portion: Portion) -> Span:
    first, last = portion.blocks.start, portion.blocks.stop - 1
    return Span(op.columns[first].start, op.columns[last].stop)


def _part(drawing: Drawing, portion: Portion) -> Drawing:
    """Return the drawing of a portion, whose outputs and column blocks are counted from 0."""
    op, outputs = drawing.op, _outputs(drawing.op, portion)
    columns = tuple(
        Span(span.start - outputs.start, span.stop - outputs.start)
        for span in op.columns[portion.blocks.slice]
    )
    planes, blocks, slices, _, *positions = op.partial_sum.shape
    sums = replace(op.partial_sum, shape=(planes, blocks, slices, len(outputs), *positions))
    part = replace(op, columns=columns, partial_sum=sums)
    return replace(drawing, op=part, sites=_sites(drawing.sites, portion, outputs))


def _sites(sites: Sites, portion: Portion, outputs: Span) -> Sites:
    copies, own = portion.copies.slice, sites.reference[outputs.slice]
    references = Span(int(own[0]), int(own[-1]) + 1)
    return replace(
        sites,
        slot=sites.slot[copies, :, outputs.slice],
        bitline=sites.bitline[copies, :, :, outputs.slice],
        lines=None if sites.lines is None else sites.lines[copies, :, :, outputs.slice],
        reference=sites.reference[outputs.slice] - references.start,
        first_output=sites.first_output[references.slice] - outputs.start,
        within=sites.within[references.slice],
    )


def _joined(op: CrossbarMvm, found: list[tuple[Span, Span, Array, Array]]) -> tuple[Array, Array]:
    _, blocks, slices, outputs, *_ = op.partial_sum.shape
    copies, wordlines = op.placement.copies, op.shared_rows[-1].stop
    kind = np.result_type(*(cells for _, _, cells, _ in found))
    whole = np.empty((copies, slices, wordlines, outputs), kind)
    constants = np.empty((copies, blocks, slices, outputs))
    for at, columns, cells, constant in found:
        whole[at.slice, :, :, columns.slice] = cells
        constants[at.slice, :, :, columns.slice] = constant
    return whole, constants
