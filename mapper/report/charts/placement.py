"""Figures of where crossbars are and how full they are: utilisation by layer, and the floorplan.

The page draws the floorplan on a canvas, for moving and zooming; this is the drawing for a paper.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mapper.report.charts.base import Bar, Chart, Spec, Table, interval_bars
from mapper.report.charts.floorplan import floorplan_data, floorplan_table
from mapper.report.charts.name_places import GAP
from mapper.report.data import Report
from mapper.report.names import labels

MOST = 40
"""Layers that the chart of utilisation shows; its table has them all."""


def utilisation_chart(report: Report) -> Chart | None:
    """Draw which share of wordlines and bitlines a layer uses; None without crossbars."""
    if not report.layers:
        return None
    names = labels(row.name for row in report.layers)
    bars = [
        _exactly(name, 100 * share, what)
        for name, row in zip(names, report.layers, strict=True)
        for share, what in (
            (row.rows_used, "rows (wordlines)"),
            (row.columns_used, "columns (bitlines)"),
        )
    ]
    left_out = f" The first {MOST} of {len(names)} layers are drawn." if len(names) > MOST else ""
    return Chart(
        name="utilisation",
        title="Utilisation by layer",
        description="Share of the rows and columns of a layer's crossbars that hold weights; "
        "their product is the share of cells. Crossbars that no layer has do not count."
        f"{left_out}",
        spec=interval_bars(bars, unit="%", what="used", limit=MOST, end=100),
        table=Table(
            columns=("layer", "crossbars", "rows used", "columns used", "cells used"),
            rows=tuple(
                (
                    name,
                    f"{row.crossbars:,}",
                    *(
                        f"{100 * share:.4g} %"
                        for share in (row.rows_used, row.columns_used, row.utilisation)
                    ),
                )
                for name, row in zip(names, report.layers, strict=True)
            ),
        ),
    )


def _exactly(label: str, value: float, group: str) -> Bar:
    return Bar(label=label, low=value, nominal=value, high=value, group=group)


# --- floorplan -----------------------------------------------------------------------------

Data = Mapping[str, Any]

_FINEST = 3.0  # pixels of a crossbar below which tiles are drawn instead
_LETTER, _LINE = 6.0, 13.0  # of a name, in pixels
_NAME = 16  # characters of a name in the drawing


def floorplan_charts(report: Report, width: int) -> tuple[Chart, ...]:
    """Draw the placement as heat maps, ``width`` pixels wide, one round after the other.

    Coloured by used cells and, where spikes were counted, by driven wordlines.
    """
    names = labels(row.name for row in report.layers)
    data = floorplan_data(report.graph, report.target, report.evidence.trace, names)
    kinds = [OCCUPANCY, *([ACTIVITY] if data["measured"] else [])]
    return tuple(chart for kind in kinds for chart in floorplans(data, kind, width))


@dataclass(frozen=True, slots=True, kw_only=True)
class Coloured:
    """What the colour of a crossbar stands for."""

    name: str
    """Of the chart, after ``floorplan-``."""
    legend: str
    told: str
    """What it is, as a sentence goes on with it."""
    values: Callable[[Data], Sequence[float]]
    """Of every crossbar of a layer, or of one copy, in the order in which they fill it."""
    format: str = "~%"
    most: float | None = None
    """The end of the scale; the greatest value where None."""


def floorplans(data: Data, kind: Coloured, width: int) -> Iterator[Chart]:
    """Draw the placement, ``width`` pixels wide, one round after the other."""
    rounds = sorted({layer["round"] for layer in data["layers"]})
    return (_floorplan(data, kind, turn, width, many=len(rounds) > 1) for turn in rounds)


def _floorplan(data: Data, kind: Coloured, turn: int, width: int, *, many: bool) -> Chart:
    layers = [layer for layer in data["layers"] if layer["round"] == turn]
    sheet = _sheet(data, layers, width)
    cells = list(_squares(layers, kind, sheet))
    square = "crossbar" if sheet.fine else "tile (mean of its crossbars)"
    return Chart(
        name=f"floorplan-{kind.name.replace(' ', '-')}" + (f"-round-{turn + 1}" if many else ""),
        title=f"Floorplan by {kind.name}" + (f", round {turn + 1}" if many else ""),
        description=f"A square is a {square}, in the order in which layers are placed; its colour "
        f"is {kind.told}. A dark edge is where a layer begins, with its name if that fits; frames "
        f"are empty tiles. {_drawn_part(data, sheet)}",
        spec=_spec(
            cells, list(_frames(layers, sheet)), list(_edges(layers, sheet)), kind, sheet, width
        ),
        table=floorplan_table(data),
    )


def _drawn_part(data: Data, sheet: "_Sheet") -> str:
    of = f"{sheet.tiles:,} of {data['tiles'] * sheet.chips:,} tiles are drawn"
    return f"{of}, on {sheet.chips} chips." if sheet.chips > 1 else f"{of}."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sheet:
    """The part of the chips that is drawn, in units of a crossbar, tile by tile."""

    tiles: int
    """Drawn: of one chip those up to the last in use, of several all."""
    per_tile: int
    per_chip: int
    """Crossbars."""
    chips: int
    across: int
    """Tiles of a chip beside each other."""
    inner: int
    """Crossbars of a tile beside each other, and as many below each other or one less."""
    inner_down: int
    fine: bool
    """Crossbars are drawn, not tiles."""

    @property
    def pitch(self) -> tuple[float, float]:
        """Return the distance from tile to tile."""
        return self.inner + GAP, self.inner_down + GAP

    @property
    def size(self) -> tuple[float, float]:
        """Return width and height of what is drawn."""
        wide, high = self.pitch
        down = -(-self.tiles_of_chip // self.across)
        return self.chips * (self.across * wide + _CHIP_GAP) - _CHIP_GAP, down * high

    @property
    def tiles_of_chip(self) -> int:
        return self.tiles if self.chips == 1 else self.per_chip // self.per_tile

    def corner(self, slot: int) -> tuple[float, float]:
        """Return where the square of a slot begins."""
        x, y = self.tile(slot // self.per_tile)
        place = slot % self.per_tile if self.fine else 0
        return x + place % self.inner, y + place // self.inner

    def tile(self, number: int) -> tuple[float, float]:
        per_chip = self.per_chip // self.per_tile
        chip, tile = divmod(number, per_chip)
        wide, high = self.pitch
        return self.chip(chip) + tile % self.across * wide, tile // self.across * high

    def chip(self, number: int) -> float:
        """Return where a chip begins: they stand beside each other."""
        return number * (self.across * self.pitch[0] + _CHIP_GAP)


_CHIP_GAP = 3.0
"""Between chips, in crossbars."""


def _sheet(data: Data, layers: list[Data], width: int) -> _Sheet:
    end = max((_first_and_last(layer)[1] + 1 for layer in layers), default=1)
    per_tile, per_chip = data["perTile"], data["perTile"] * data["tiles"]
    chips = -(-end // per_chip)
    tiles = -(-end // per_tile) if chips == 1 else chips * data["tiles"]
    across = min(tiles, data["tileColumns"])
    inner = data["crossbarColumns"]
    wide = chips * (across * (inner + GAP) + _CHIP_GAP)
    return _Sheet(
        tiles=tiles,
        per_tile=per_tile,
        per_chip=per_chip,
        chips=chips,
        across=across,
        inner=inner,
        inner_down=-(-per_tile // inner),
        fine=width / wide >= _FINEST,
    )


def _first_and_last(layer: Data) -> tuple[int, int]:
    count = len(layer["rows"]) * len(layer["columns"]) * layer["copies"]
    return layer["start"], layer["start"] + count - 1


def _activity(layer: Data) -> list[float]:
    held = layer["activity"]
    return [
        0.0 if held is None else held[layer["group"][column]][row]
        for column in range(len(layer["columns"]))
        for row in range(len(layer["rows"]))
    ]


def _occupancy(layer: Data) -> list[float]:
    whole = layer["wordlines"] * layer["bitlines"]
    return [rows * columns / whole for columns in layer["columns"] for rows in layer["rows"]]


OCCUPANCY = Coloured(
    name="occupancy",
    legend="Cells used",
    told="the share of its cells that hold weights",
    values=_occupancy,
    most=1.0,
)
ACTIVITY = Coloured(
    name="activity",
    legend="Wordlines driven",
    told="the share of its wordlines that spikes drive in a read",
    values=_activity,
)


def _squares(layers: list[Data], kind: Coloured, sheet: _Sheet) -> Iterator[Spec]:
    """Yield what is drawn of every crossbar, or of every tile with the mean of its crossbars."""
    held: dict[int, list[float]] = {}
    wide = 1 if sheet.fine else sheet.inner
    high = 1 if sheet.fine else sheet.inner_down
    for layer in layers:
        first, last = _first_and_last(layer)
        values = kind.values(layer)
        for slot in range(first, last + 1):
            key = slot if sheet.fine else slot // sheet.per_tile * sheet.per_tile
            held.setdefault(key, []).append(values[(slot - first) % len(values)])
    for slot, found in held.items():
        x, y = sheet.corner(slot)
        mean = round(sum(found) / len(found), 4)
        yield {"x": x, "y": y, "x2": x + wide, "y2": y + high, "value": mean}


def _frames(layers: list[Data], sheet: _Sheet) -> Iterator[Spec]:
    """Yield every drawn tile without a crossbar in use."""
    spans = [_first_and_last(layer) for layer in layers]
    used = {t for a, b in spans for t in range(a // sheet.per_tile, b // sheet.per_tile + 1)}
    for number in sorted(set(range(sheet.tiles)) - used):
        x, y = sheet.tile(number)
        yield {"x": x, "y": y, "x2": x + sheet.inner, "y2": y + sheet.inner_down}


def _edges(layers: list[Data], sheet: _Sheet) -> Iterator[Spec]:
    """Yield where each layer begins, and its name on crossbars of its own."""
    for layer in layers:
        x, y = sheet.corner(layer["start"])
        name, at = labels([layer["name"]], _NAME)[0], layer["nameAt"]
        yield {
            "x": x,
            "y": y,
            "y2": y + (1 if sheet.fine else sheet.inner_down),
            "name": name,
            "middle": sheet.chip(at["chip"]) + at["middle"],
            "line": at["line"],
            "wide": at["length"],
            "letters": len(name),
        }


def _with_room(edges: list[Spec], pixels: float) -> list[Spec]:
    """Keep the names that fit into their layer's row and touch no other, the widest rows first."""
    kept: list[Spec] = []
    for edge in sorted(edges, key=lambda edge: -edge["wide"]):
        half = edge["letters"] * _LETTER / 2
        fits = edge["wide"] * pixels >= 2 * half
        free = all(
            abs(edge["line"] - other["line"]) * pixels >= _LINE
            or abs(edge["middle"] - other["middle"]) * pixels
            >= half + other["letters"] * _LETTER / 2 + _LETTER
            for other in kept
        )
        if fits and free:
            kept.append(edge)
    return kept


def _spec(
    cells: list[Spec],
    frames: list[Spec],
    edges: list[Spec],
    kind: Coloured,
    sheet: _Sheet,
    width: int,
) -> Spec:
    wide, high = sheet.size
    pixels = width / wide
    named = _with_room(edges, pixels)
    x = {
        "field": "x",
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [0, wide], "nice": False, "zero": False},
    }
    y = {
        "field": "y",
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [0, high], "nice": False, "zero": False, "reverse": True},
    }
    square = {"x": x, "x2": {"field": "x2"}, "y": y, "y2": {"field": "y2"}}
    name = {
        "x": {**x, "field": "middle"},
        "y": {**y, "field": "line"},
        "text": {"field": "name", "type": "nominal"},
    }
    text = {"type": "text", "baseline": "middle", "aria": False}
    most = {} if kind.most is None else {"domainMax": kind.most}
    colour = {
        "field": "value",
        "type": "quantitative",
        "scale": {"scheme": "viridis", "domainMin": 0, **most},
        "legend": {"title": kind.legend, "format": kind.format, "orient": "top", "tickCount": 4},
    }
    return {
        "height": max(40, round(high * pixels)),
        "layer": [
            {
                "data": {"values": frames},
                "mark": {"type": "rect", "filled": False, "style": "frame", "aria": False},
                "encoding": square,
            },
            {
                "data": {"values": cells},
                "mark": {"type": "rect", "style": "square"},
                "encoding": {**square, "color": colour},
            },
            {
                "data": {"values": edges},
                "mark": {"type": "rule", "aria": False},
                "encoding": {"x": x, "y": y, "y2": {"field": "y2"}},
            },
            {"data": {"values": named}, "mark": {**text, "style": "halo"}, "encoding": name},
            {"data": {"values": named}, "mark": text, "encoding": name},
        ],
    }
