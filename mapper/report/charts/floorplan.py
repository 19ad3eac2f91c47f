"""The floorplan as data: where every crossbar is, how full it is and how much it is driven.

Values are kept by layer and block, not by crossbar: the page works out which block a slot holds, as
``place`` filled it (copies, then column blocks, then row blocks). So the data grow with the layers'
grids and not with their copies.
"""

from collections.abc import Mapping
from dataclasses import asdict
from math import isqrt
from typing import Any

import numpy as np

from mapper.cost.events import full_drive
from mapper.ir.activity import WORDLINES
from mapper.ir.core import Array, Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.report.charts.base import Table
from mapper.report.charts.name_places import GAP, NamePlace, Tiling, name_place
from mapper.report.grids import bitlines_per_weight
from targets import Target

MAX_BLOCKS = 60_000
"""Of all layers together: what a page of a few megabytes holds."""


def floorplan_data(
    graph: Graph, target: Target, trace: Mapping[str, Array], names: tuple[str, ...]
) -> dict[str, Any]:
    """Return the chip's sizes and its layers; ``names`` are the labels of crossbar layers."""
    ops = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
    runs = _runs(graph, trace)
    room = MAX_BLOCKS
    tiling = tiling_of(target.chip.tiles, target.chip.crossbars_per_tile)
    layers = []
    for op, name in zip(ops, names, strict=True):
        if not len(op.placement.slots):
            continue
        room -= op.crossbars
        shown = _layer(op, name, graph, target, trace, runs if room >= 0 else 0)
        layers.append({**shown, "nameAt": asdict(_place(op, tiling))})
    return {
        "tiles": tiling.tiles,
        "perTile": tiling.per_tile,
        "tileColumns": tiling.across,
        "crossbarColumns": tiling.inner,
        "gap": GAP,
        "rounds": 1 + max((op.placement.round for op in ops), default=0),
        "measured": runs > 0,
        "layers": layers,
    }


def tiling_of(tiles: int, per_tile: int) -> Tiling:
    """Return how a chip of so many tiles, of so many crossbars each, is drawn."""
    return Tiling(tiles=tiles, across=_columns(tiles), per_tile=per_tile, inner=_columns(per_tile))


def _place(op: CrossbarMvm, tiling: Tiling) -> NamePlace:
    slots = op.placement.slots
    return name_place(slots.start, slots.start + len(slots) - 1, tiling)


def _columns(count: int) -> int:
    """Return how many stand side by side: as many as below each other, or one more."""
    return isqrt(max(count - 1, 0)) + 1


def _runs(graph: Graph, trace: Mapping[str, Array]) -> int:
    """Count the time steps of all samples that a trace holds."""
    return int(next((trace[v.name].size for v in graph.inputs if v.name in trace), 0))


def _layer(
    op: CrossbarMvm,
    name: str,
    graph: Graph,
    target: Target,
    trace: Mapping[str, Array],
    runs: int,
) -> dict[str, Any]:
    macro, place = target.macro(op.placement.macro), op.placement
    rows = [len(span) for span in op.shared_rows]
    columns = [len(span) * bitlines_per_weight(op) for span in op.columns]
    return {
        "name": name,
        "round": place.round,
        "start": place.slots.start,
        "copies": place.copies,
        "macro": macro.name,
        "weightBits": 0 if op.encoding is None else op.encoding.weight_bits,
        "rows": rows,
        "columns": columns,
        "wordlines": macro.wordlines,
        "bitlines": macro.bitlines,
        "packed": op.packed,
        "group": _packs(op),
        "activity": block_activity(op, trace, runs) if runs else None,
        "stage": place.stage,
    }


def _packs(op: CrossbarMvm) -> list[int]:
    """Return, for each column block, which of the sets of groups that are read together it has."""
    if op.packed > 1:
        return list(range(len(op.columns)))
    return [span.start * op.groups // max(1, op.outputs) for span in op.columns]


def block_activity(op: CrossbarMvm, trace: Mapping[str, Array], runs: int) -> list[list[float]]:
    """Return ``[packs][row blocks]``: driven wordlines over those that reads could drive, 0..1."""
    driven = trace[op.partial_sum.name + WORDLINES].astype(np.float64)
    starts = [span.start for span in op.rows]
    found = np.add.reduceat(driven, starts, axis=1)
    most = np.add.reduceat(full_drive(op).astype(np.float64), starts) * runs
    packs = np.arange(0, op.groups, op.packed)
    found = np.add.reduceat(found, packs, axis=0)
    most = np.diff([*packs, op.groups])[:, None] * most
    shares = np.divide(found, most, out=np.zeros_like(found), where=most > 0)
    return [[round(float(share), 4) for share in row] for row in shares]


def floorplan_table(data: Mapping[str, Any]) -> Table:
    """Write the same by layer: the alternative to the drawing."""
    heads = (
        *("layer", "macro", "weight bits", "round", "slots", "chips", "tiles", "crossbars"),
        *("copies", "cells used"),
    )
    tail = ("active wordlines",) if data["measured"] else ()
    return Table(
        columns=(*heads, *tail),
        rows=tuple(_table_row(layer, data) for layer in data["layers"]),
    )


def _table_row(layer: Mapping[str, Any], data: Mapping[str, Any]) -> tuple[str, ...]:
    grid = len(layer["rows"]) * len(layer["columns"])
    first, count = layer["start"], grid * layer["copies"]
    last = first + count - 1
    per_tile, per_chip = data["perTile"], data["perTile"] * data["tiles"]
    cells = layer["wordlines"] * layer["bitlines"] * grid
    used = sum(layer["rows"]) * sum(layer["columns"]) / (layer["packed"] * cells)
    active = layer["activity"]
    shares = [share for row in active or () for share in row]
    tail = (f"{100 * sum(shares) / max(1, len(shares)):.3g} %",) if data["measured"] else ()
    return (
        layer["name"],
        layer["macro"],
        str(layer["weightBits"]),
        str(layer["round"]),
        _range(first, last),
        _range(first // per_chip, last // per_chip),
        _range(first // per_tile, last // per_tile),
        f"{count:,}" + (f", {layer['packed']} groups on each" if layer["packed"] > 1 else ""),
        str(layer["copies"]),
        f"{100 * used:.0f} %",
        *(tail if active is not None else ("",) * len(tail)),
    )


def _range(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"
