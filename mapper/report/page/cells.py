"""What some crossbars hold, packed for the page: the level of every cell, and the references.

A crossbar is kept as it is written: a row of cells for each used wordline, on it whole weights side
by side, of a weight its bit-slices from the lowest, of a differential slice the plus and then the
minus cell. Copies hold the same. Levels take ``cell_bits`` bits each, eight bits a byte, the first
cell in the highest bits.
"""

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np

from mapper.ir.core import INT64, Array, Const, Graph, Span, param
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.packing import on_diagonal
from mapper.ir.readout import BitlineRead, SenseAmpRead
from mapper.ir.readout_kinds import READOUTS
from mapper.report.grids import readouts

BUDGET = 700_000
"""Characters that all crossbars of a page take together; the whole page is to stay below 3 MB."""

_OVERHEAD = 120  # characters of a crossbar beside its cells and references


def inspector_data(graph: Graph, names: tuple[str, ...], budget: int = BUDGET) -> dict[str, Any]:
    """Return the crossbars a page can show; ``names`` are the labels of crossbar layers.

    Every layer gets the same room; what small layers leave goes to larger ones. Of a layer that
    does not fit, crossbars at equal distances are kept, the first and the last among them.
    """
    ops = [op for op in graph.ops if isinstance(op, CrossbarMvm) and op.encoding is not None]
    named = [
        name
        for op, name in zip(_crossbar_layers(graph), names, strict=True)
        if op.encoding is not None
    ]
    reads = readouts(graph)
    kept = _share([(_blocks(op), _size(op, reads[op.partial_sum.name])) for op in ops], budget)
    return {
        "total": sum(map(_blocks, ops)),
        "kept": sum(kept),
        "layers": [
            _layer(op, name, reads[op.partial_sum.name], graph, count)
            for op, name, count in zip(ops, named, kept, strict=True)
        ],
    }


def _crossbar_layers(graph: Graph) -> list[CrossbarMvm]:
    return [op for op in graph.ops if isinstance(op, CrossbarMvm)]


def _blocks(op: CrossbarMvm) -> int:
    """Count the row blocks of all crossbars of a layer: what one read of a crossbar adds up."""
    return len(op.rows) * len(op.columns)


def _size(op: CrossbarMvm, read: BitlineRead) -> int:
    """Return about how many characters the largest crossbar of a layer takes."""
    assert op.encoding is not None
    rows, columns = max(map(len, op.shared_rows)), max(map(len, op.columns))
    bits = rows * columns * op.encoding.bitlines_per_weight * op.encoding.cell_bits
    thresholds = len(read.levels) - 1 if isinstance(read, SenseAmpRead) else 3
    references = 6 * thresholds * columns * len(op.encoding.significances)
    return bits // 6 + references + _OVERHEAD


def _share(wanted: list[tuple[int, int]], budget: int) -> list[int]:
    """Divide the room among layers that want ``(crossbars, characters each)``."""
    kept = [0] * len(wanted)
    order = sorted(range(len(wanted)), key=lambda i: wanted[i][0] * wanted[i][1])
    for position, index in enumerate(order):
        count, size = wanted[index]
        kept[index] = min(count, budget // (len(order) - position) // size)
        budget -= kept[index] * size
    return kept


def _layer(
    op: CrossbarMvm, name: str, read: BitlineRead, graph: Graph, count: int
) -> dict[str, Any]:
    assert op.encoding is not None
    encoding = op.encoding
    chosen = _spread(_blocks(op), count)
    return {
        "name": name,
        "encoding": encoding.kind,
        "weightBits": encoding.weight_bits,
        "cellBits": encoding.cell_bits,
        "significances": list(encoding.significances),
        "offset": encoding.offset,
        "cells": encoding.cells,
        "top": encoding.base - 1,
        "pairs": encoding.pairs,
        "rows": [[span.start, span.stop] for span in op.shared_rows],
        "turns": op.turns,
        "columns": [[span.start, span.stop] for span in op.columns],
        "group": _group(op),
        "readout": read.words,
        "halfActive": read.follows_activity,
        "crossbars": [_crossbar(op, index, read, graph) for index in chosen],
    }


def _group(op: CrossbarMvm) -> dict[str, int] | None:
    """Return the wordlines and outputs of each group that shares a crossbar; None where none do."""
    if op.packed == 1:
        return None
    return {"rows": op.rows[-1].stop, "outputs": op.outputs // op.groups}


def _spread(total: int, count: int) -> list[int]:
    """Choose ``count`` of ``total`` indices at equal distances, both ends included."""
    if count >= total or count < 2:
        return list(range(min(total, count)))
    return [i * (total - 1) // (count - 1) for i in range(count)]


def _crossbar(op: CrossbarMvm, index: int, read: BitlineRead, graph: Graph) -> dict[str, Any]:
    """Return one crossbar; ``index`` counts column blocks, and row blocks within them."""
    column_block, row_block = divmod(index, len(op.rows))
    rows, columns = op.shared_rows[row_block], op.columns[column_block]
    return {
        "row": row_block,
        "column": column_block,
        "cells": pack_levels(stored_levels(op, graph, rows, columns), _cell_bits(op)),
        "references": dict(_references(read, graph, row_block, columns)),
    }


def _cell_bits(op: CrossbarMvm) -> int:
    assert op.encoding is not None
    return op.encoding.cell_bits


def stored_levels(op: CrossbarMvm, graph: Graph, rows: Span, columns: Span) -> Array:
    """Return the conductance level of every used cell, ``[wordlines, bitlines]``."""
    assert op.encoding is not None
    own = rows if op.packed == 1 else op.rows[0]
    weight = graph.constants[op.weight.name][own.slice, columns.slice]
    here = len(columns) * op.groups // op.outputs  # groups, where they are packed
    written = on_diagonal(op.encoding.digits(weight), max(1, here), op.packed)
    digits = np.moveaxis(written, 0, -1)  # [rows, outputs, slices]
    if op.encoding.pairs:
        digits = np.stack([np.maximum(digits, 0), np.maximum(-digits, 0)], axis=-1)
    return digits.reshape(len(rows), -1).astype(np.uint8)


def pack_levels(levels: Array, cell_bits: int) -> str:
    """Write levels row after row as bits, each row from a new byte, in base 64."""
    bits = (levels[:, :, None] >> np.arange(cell_bits - 1, -1, -1, dtype=np.uint8)) & 1
    packed = np.packbits(bits.reshape(len(levels), -1).astype(np.uint8), axis=1)
    return base64.b64encode(packed.tobytes()).decode()


def _references(
    read: BitlineRead, graph: Graph, row_block: int, columns: Span
) -> Iterator[tuple[str, list[Any]]]:
    """Yield what the readout compares with: by name, ``[slice | 1][output | 1]``."""
    if isinstance(read, SenseAmpRead):
        tables = param(graph.constants, read.thresholds, INT64)
        for number, table in enumerate(tables, 1):
            name = "threshold" if len(tables) == 1 else f"threshold {number}"
            yield name, _of_block(table, row_block, columns)
        return
    if READOUTS[read.kind].exact:
        return
    held: tuple[tuple[str, int | Const], ...] = (
        ("first threshold", read.first),
        ("step", read.step),
        ("lowest value", read.base),
    )
    for name, value in held:
        table = param(graph.constants, value, INT64)
        yield (
            name,
            _of_block(
                table.reshape((1, 1, 1) if not table.ndim else table.shape), row_block, columns
            ),
        )


def _of_block(table: Array, row_block: int, columns: Span) -> list[Any]:
    """Take one crossbar's part of ``[G | 1, S | 1, N | 1]``."""
    block = table[row_block if len(table) > 1 else 0]
    part = block[:, columns.slice] if block.shape[1] > 1 else block
    return [[int(value) for value in row] for row in part]
