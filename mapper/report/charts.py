"""Charts as data: Vega-Lite specifications, built here, drawn by the page and for papers alike.

A ``Chart`` names no colour, size of paper or font: these are a ``Theme``. Fields have fixed names
and names of a model are values, so no name is read as an expression or a path. What is charted is
in ``table`` too: for a screen reader, and for whoever wants the digits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
"""A name, not an address anything is fetched from."""

Spec = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a chart shows, as text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One chart: what it shows, in three forms."""

    name: str
    """Words joined by dashes: the id on the page and the file name of a figure."""
    title: str
    description: str
    """One or two sentences: what a screen reader says, and the caption."""
    spec: Spec
    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar with its interval."""

    label: str
    low: float
    nominal: float
    high: float
    group: str = ""
    """Bars of one label that stand beside each other or, without intervals, on each other."""


# --- themes --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Theme:
    """Colours and fonts of charts."""

    ink: str
    muted: str
    grid: str
    accent: str
    categories: tuple[str, ...]
    font: str
    size: int
    label: int
    """The longest label, in pixels."""
    columns: int
    """Entries of a legend beside each other."""
    background: str | None = None

    def config(self) -> Spec:
        """Return the Vega-Lite configuration that goes with any chart."""
        axis = {
            "domainColor": self.grid,
            "gridColor": self.grid,
            "tickColor": self.grid,
            "labelColor": self.ink,
            "titleColor": self.muted,
            "titleFontWeight": "normal",
            "labelLimit": self.label,
        }
        return {
            "background": self.background,
            "font": self.font,
            "axis": {**axis, "labelFontSize": self.size, "titleFontSize": self.size},
            "axisBand": {"domain": False, "ticks": False, "grid": False},
            "legend": {
                "labelColor": self.ink,
                "titleColor": self.muted,
                "titleFontWeight": "normal",
                "labelFontSize": self.size,
                "titleFontSize": self.size,
                "labelLimit": self.label,
                "columns": self.columns,
                "symbolStrokeWidth": 0,
            },
            "view": {"stroke": None},
            "range": {"category": list(self.categories)},
            "mark": {"color": self.accent},
            "bar": {"color": self.accent},
            "line": {"strokeWidth": 2},
            "rule": {"color": self.ink, "strokeWidth": 1.5},
            "tick": {"color": self.ink},
            "text": {"color": self.ink, "fontSize": self.size},
            "style": {"limit": {"fill": self.ink}},
        }


_CATEGORIES = 8  # colours that are told apart; a further category shares one

PAGE = Theme(
    ink="var(--ink)",
    muted="var(--muted)",
    grid="var(--line)",
    accent="var(--c1)",
    categories=tuple(f"var(--c{i})" for i in range(1, _CATEGORIES + 1)),
    font="system-ui, sans-serif",
    size=12,
    label=220,
    columns=4,
)
"""Colours are variables of the page's style sheet, so that one drawing is light, dark and print."""

PAPER = Theme(
    ink="#111111",
    muted="#444444",
    grid="#cccccc",
    accent="#1f5fa8",
    categories=(
        *("#1f5fa8", "#c2571a", "#2a7f62", "#9a3d7b"),
        *("#8a6d00", "#4a7fb5", "#7a4a2b", "#5d5d5d"),
    ),
    font="sans-serif",
    size=10,
    label=140,
    columns=2,
    background="#ffffff",
)
"""Dark on white, told apart in print; the order is that of the page."""


def for_page(chart: Chart) -> Spec:
    """Return a complete specification that fills the width it is given."""
    return _complete(chart, PAGE, {"width": "container"})


COLUMN = 336
"""Width of a one-column figure, 3.5 inches of 96 pixels."""


def for_paper(chart: Chart, width: int = COLUMN) -> Spec:
    """Return a complete specification of a fixed width in pixels, 96 to the inch."""
    return _complete(chart, PAPER, {"width": width})


def _complete(chart: Chart, theme: Theme, size: Spec) -> Spec:
    return {
        "$schema": SCHEMA,
        "description": f"{chart.title}. {chart.description}",
        "autosize": {"type": "fit-x", "contains": "padding"},
        **size,
        **chart.spec,
        "config": theme.config(),
    }


# --- marks ---------------------------------------------------------------------------------

_BAND = 24  # height of one bar with its gap, in pixels
_TICKS = 6
_STEPS = {"pJ": ("fJ", "pJ", "nJ", "µJ", "mJ", "J"), "ns": ("ps", "ns", "µs", "ms", "s")}


def in_unit(bars: Sequence[Bar], unit: str) -> tuple[tuple[Bar, ...], str]:
    """Return bars in the unit that suits the end of the longest interval, and that unit.

    ``unit`` is what the values are in: ``pJ`` or ``ns``, or ``um2``.
    """
    largest = max((bar.high for bar in bars), default=0.0)
    factor, name = scaled(largest, unit)
    shown = (
        replace(bar, low=bar.low * factor, nominal=bar.nominal * factor, high=bar.high * factor)
        for bar in bars
    )
    return tuple(shown), name


def scaled(value: float, unit: str) -> tuple[float, str]:
    """Return the factor and the unit that bring a value of ``unit`` to 1 .. 1000, if one does."""
    if unit == "um2":
        return (1e-6, "mm²") if value >= 1e4 else (1.0, "µm²")
    names = _STEPS[unit]
    own = names.index(unit)
    best = own
    while best + 1 < len(names) and value >= 1000 ** (best + 1 - own):
        best += 1
    while best > 0 and 0 < value < 1000.0 ** (best - own):
        best -= 1
    return 1000.0 ** (own - best), names[best]


def axis_title(what: str, unit: str) -> str:
    """Write what an axis shows as a paper does: ``Energy (nJ)``."""
    return f"{what[:1].upper()}{what[1:]} ({unit})"


def interval_bars(
    bars: Sequence[Bar], *, unit: str, what: str, log: bool = False, limit: int = 40
) -> Spec:
    """Draw horizontal bars at the nominal value with a whisker from low to high.

    Bars of one label are drawn beside each other by ``group``. ``unit`` and ``what`` name the axis.
    At most ``limit`` labels are drawn; the caller's table has them all.
    """
    labels = tuple(dict.fromkeys(bar.label for bar in bars))[:limit]
    shown = [bar for bar in bars if bar.label in labels]
    groups = tuple(dict.fromkeys(bar.group for bar in shown))
    scale = {"type": "log"} if log else {"zero": True}
    axis = {"title": axis_title(what, unit), "format": ",~r", "tickCount": _TICKS}
    encoding: Spec = {
        "y": {"field": "label", "type": "nominal", "sort": None, "axis": {"title": None}},
        "tooltip": _tooltip("label", "group" if len(groups) > 1 else "", "shown"),
        "description": {"field": "told", "type": "nominal"},
    }
    x = {"field": "nominal", "type": "quantitative", "scale": scale, "axis": axis}
    colour: Spec = {}
    thick = 0.7
    if len(groups) > 1:
        thick = 1.0  # in a group, a thinner bar is not centred on its whisker
        encoding["yOffset"] = {"field": "group", "type": "nominal", "sort": None}
        legend = {"title": None, "orient": "top"}
        colour = {"color": {"field": "group", "type": "nominal", "sort": None, "legend": legend}}
    return {
        "data": {"values": [_bar_row(bar, unit) for bar in shown]},
        "height": _BAND * max(1, len(labels) * max(1, len(groups) * 3 // 4)),
        "encoding": encoding,
        "layer": [
            {"mark": {"type": "bar", "height": {"band": thick}}, "encoding": {"x": x, **colour}},
            {
                "mark": {"type": "rule", "aria": False},
                "encoding": {
                    "x": {"field": "low", "type": "quantitative", "scale": scale},
                    "x2": {"field": "high"},
                },
            },
        ],
    }


def stacked_bars(bars: Sequence[Bar], *, unit: str, what: str, limit: int = 40) -> Spec:
    """Draw one bar a label, made of its groups at their nominal values."""
    labels = tuple(dict.fromkeys(bar.label for bar in bars))[:limit]
    shown = [bar for bar in bars if bar.label in labels]
    return {
        "data": {"values": [_bar_row(bar, unit) for bar in shown]},
        "height": _BAND * max(1, len(labels)),
        "mark": {"type": "bar", "height": {"band": 0.75}},
        "encoding": {
            "y": {"field": "label", "type": "nominal", "sort": None, "axis": {"title": None}},
            "x": {
                "field": "nominal",
                "type": "quantitative",
                "stack": "zero",
                "axis": {"title": axis_title(what, unit), "format": ",~r", "tickCount": _TICKS},
            },
            "color": {
                "field": "group",
                "type": "nominal",
                "sort": None,
                "legend": {"title": None, "orient": "top"},
            },
            "order": {"field": "place", "type": "quantitative"},
            "tooltip": _tooltip("label", "group", "shown"),
            "description": {"field": "told", "type": "nominal"},
        },
    }


def _bar_row(bar: Bar, unit: str) -> Spec:
    shown = interval_text(bar.low, bar.nominal, bar.high, unit)
    row: Spec = {
        "label": bar.label,
        "low": bar.low,
        "nominal": bar.nominal,
        "high": bar.high,
        "shown": shown,
        "told": f"{bar.label}{', ' * bool(bar.group)}{bar.group}: {shown}",
    }
    return {**row, "group": bar.group} if bar.group else row


def interval_text(low: float, nominal: float, high: float, unit: str) -> str:
    """Write ``nominal unit (low .. high)`` with three digits; the interval where there is one."""
    told = f"{number(nominal)} {unit}".rstrip()
    return told if low == nominal == high else f"{told} ({number(low)} .. {number(high)})"


def number(value: float) -> str:
    """Write a number with three digits, a large one with all before the point."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"


def bar_table(bars: Sequence[Bar], *, unit: str, label: str, group: str = "") -> Table:
    """Write the numbers behind bars."""
    heads = (label, *((group,) if group else ()), f"nominal ({unit})", "low", "high")
    return Table(
        columns=heads,
        rows=tuple(
            (
                bar.label,
                *((bar.group,) if group else ()),
                *(f"{value:.4g}" for value in (bar.nominal, bar.low, bar.high)),
            )
            for bar in bars
        ),
    )


def _tooltip(*fields: str) -> list[Mapping[str, str]]:
    names = {"shown": "value", "label": "name", "group": "part"}
    return [{"field": name, "title": names.get(name, name)} for name in fields if name]
