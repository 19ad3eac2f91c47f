"""Charts as data: Vega-Lite specifications, built here, drawn by the page and for papers alike.

A ``Chart`` names no colour, size of paper or font: these are a ``Theme``. Fields have fixed names
and names of a model are values, so no name is read as an expression or a path. What is charted is
in ``table`` too: for a screen reader, and for whoever wants the digits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mapper.report.charts.scales import far_apart, log_axis
from mapper.report.charts.themes import MOST_PARTS, PAGE, PAPER, Theme, shaded
from mapper.report.charts.wrapping import with_lines, with_wrapped_names
from mapper.report.numbers import interval_text, number, scaled

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


# --- complete specifications ------------------------------------------------------------------


def for_page(chart: Chart) -> Spec:
    """Return a complete specification that fills the width it is given."""
    return _complete(chart, PAGE, {"width": "container"})


COLUMN = 336
"""Width of a one-column figure, 3.5 inches of 96 pixels."""

PAGE_WIDE = 687
"""Width of a figure over both columns, 7.16 inches of 96 pixels."""


def for_paper(chart: Chart, width: int = COLUMN) -> Spec:
    """Return a complete specification of a fixed width in pixels, 96 to the inch."""
    wrapped = with_wrapped_names(_at_rest(chart.spec), round(PAPER.label / _LETTER))
    rows = wrapped.get("data", {}).get("values", [])
    names = (row.get("label", row.get("layer", "")) for row in rows)
    longest = max((len(line) for name in names for line in name.split("\n")), default=0)
    spec = _with_legends(wrapped, width - min(PAPER.label, round(_LETTER * longest)) - _SYMBOL)
    made = _complete(replace(chart, spec=spec), PAPER, {"width": width})
    made["config"]["axis"]["labelLimit"] = 0  # names are on lines of their own
    return made


_LETTER, _SYMBOL = 5.5, 24  # pixels of a letter in print, and of the symbol beside a legend's entry


def _at_rest(spec: Spec) -> Spec:
    """Leave out what readers of a page select with: on paper it would be an empty frame."""
    made = dict(spec)
    if "params" in spec:
        made["params"] = [held for held in spec["params"] if "select" not in held]
    if "layer" in spec:
        made["layer"] = [_at_rest(layer) for layer in spec["layer"]]
    return made


def _with_legends(spec: Spec, room: int) -> Spec:
    """Give legends the columns that fit into ``room`` pixels: they do not wrap by themselves."""
    made = dict(spec)
    if "layer" in spec:
        made["layer"] = [_with_legends(layer, room) for layer in spec["layer"]]
    colour = spec.get("encoding", {}).get("color", {})
    if (colour.get("legend") or {}).get("orient") == "top" and "domain" in colour["scale"]:
        longest = max(map(len, colour["scale"]["domain"]))
        columns = room // (_SYMBOL + _LETTER * longest)
        legend = {**colour["legend"], "columns": max(1, int(columns))}
        made["encoding"] = {**spec["encoding"], "color": {**colour, "legend": legend}}
    return made


def _complete(chart: Chart, theme: Theme, size: Spec) -> Spec:
    return {
        "$schema": SCHEMA,
        "description": f"{chart.title}. {chart.description}",
        "autosize": {"type": "fit-x", "contains": "padding"},
        **size,
        **with_lines(chart.spec),
        "config": theme.config(),
    }


# --- marks ---------------------------------------------------------------------------------

_BAND = 24  # height of one bar with its gap, in pixels
_TICKS = 6


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


def axis_title(what: str, unit: str) -> str:
    """Write what an axis shows as a paper does: ``Energy (nJ)``."""
    return f"{what[:1].upper()}{what[1:]} ({unit})"


def interval_bars(
    bars: Sequence[Bar],
    *,
    unit: str,
    what: str,
    limit: int = 40,
    notes: Mapping[str, str] | None = None,
    end: float | None = None,
    linear: bool = False,
) -> Spec:
    """Draw horizontal bars at the nominal value with a whisker from low to high.

    Where the ends of a whisker lie far apart, the axis is logarithmic: such an axis has no zero for
    a bar to begin at, so the nominal value is a dot. ``marks_in_words`` says which it is.

    Bars of one label are drawn beside each other by ``group``. ``unit`` and ``what`` name the axis.
    At most ``limit`` labels are drawn; the caller's table has them all. ``notes`` are short texts
    by label, right of the bars. The axis reaches ``end`` where one is given. Differences, which may
    have either sign, take a ``linear`` axis however far apart they are.
    """
    labels = tuple(dict.fromkeys(bar.label for bar in bars))[:limit]
    shown = [bar for bar in bars if bar.label in labels]
    shown, numbers = _numbered(shown)
    groups = tuple(dict.fromkeys(bar.group for bar in shown))
    scale: Spec = {"zero": True} if end is None else {"domain": [0, end]}
    axis: Spec = {"title": axis_title(what, unit), "format": ",~r", "tickCount": _TICKS}
    dots = end is None and not linear and has_dots(shown)
    if dots:
        scale, axis["values"] = log_axis([value for bar in shown for value in (bar.low, bar.high)])
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
        colour = {
            "color": {
                "field": "group",
                "type": "nominal",
                "sort": None,
                "scale": shaded(groups),
                "legend": legend,
            }
        }
    mark: Spec = {"type": "bar", "height": {"band": thick}}
    if dots:
        mark = {"type": "point", "filled": True, "size": 60, "opacity": 1}
    rows = [_bar_row(bar, unit) for bar in shown]
    if dots:
        rows = [_on_log(row, scale["domain"][0]) for row in rows]
    whisker: Spec = {
        "mark": {"type": "rule", "aria": False},
        "encoding": {
            "x": {"field": "low", "type": "quantitative", "scale": scale},
            "x2": {"field": "high"},
        },
    }
    value: Spec = {"mark": mark, "encoding": {"x": x, **colour}}
    spec: Spec = {
        "data": {"values": rows},
        "height": _BAND * max(1, len(labels) * max(1, len(groups) * 3 // 4)),
        "encoding": encoding,
        "layer": [whisker, value] if dots else [value, whisker],  # what is nominal is seen
    }
    if numbers:
        spec["layer"].append(_by_number({"field": "nominal", "type": "quantitative"}))
    if notes:
        spec["layer"].append(_noted({label: notes.get(label, "") for label in labels}))
    return spec


def has_dots(bars: Sequence[Bar]) -> bool:
    """Say whether nominal values are drawn as dots on a logarithmic axis."""
    return far_apart((bar.low, bar.high) for bar in bars)


def marks_in_words(bars: Sequence[Bar]) -> str:
    """Say what the marks of ``interval_bars`` are."""
    if has_dots(bars):
        return (
            "Dots are nominal; a line goes from the low to the high end of the published facts. "
            "The axis is logarithmic."
        )
    return "Bars are nominal; a line goes from the low to the high end of the published facts."


def _on_log(row: Spec, least: float) -> Spec:
    """Return a row as a logarithmic axis can show it, which has no place for 0."""
    low, nominal = max(row["low"], least), row["nominal"]
    return {**row, "low": low, "nominal": nominal if nominal >= least else None}


def _numbered(bars: list[Bar]) -> tuple[list[Bar], bool]:
    """Give groups numbers where they are more than the theme has shades; say whether they are."""
    groups = tuple(dict.fromkeys(bar.group for bar in bars))
    if len(groups) <= MOST_PARTS:
        return bars, False
    names = {group: f"{index} {group}" for index, group in enumerate(groups, 1)}
    return [replace(bar, group=names[bar.group]) for bar in bars], True


def _by_number(x: Spec) -> Spec:
    """Write the number of its group at the end of each bar."""
    return {
        "transform": [{"calculate": "split(datum.group, ' ')[0]", "as": "number"}],
        "mark": {"type": "text", "align": "left", "baseline": "middle", "dx": 3, "aria": False},
        "encoding": {
            "x": x,
            "text": {"field": "number", "type": "nominal"},
            "tooltip": {"value": None},
            "description": {"value": ""},
        },
    }


def _noted(notes: Mapping[str, str]) -> Spec:
    return {
        "data": {"values": [{"label": label, "note": note} for label, note in notes.items()]},
        "mark": {"type": "text", "align": "left", "baseline": "middle", "dx": 6, "aria": False},
        "encoding": {
            "x": {"value": "width"},
            "text": {"field": "note", "type": "nominal"},
            "tooltip": {"value": None},
            "description": {"value": ""},
        },
    }


_WRITTEN_FROM = 0.05  # share of the longest bar from which a part has room for a digit


def stacked_bars(
    bars: Sequence[Bar], *, unit: str, what: str, limit: int = 40, rest: str = ""
) -> Spec:
    """Draw one bar a label, made of its groups at their nominal values.

    Groups are numbered in the legend and in the parts that have room, for who sees no colours.
    ``rest`` is the group of what is left over.
    """
    labels = tuple(dict.fromkeys(bar.label for bar in bars))[:limit]
    shown = [bar for bar in bars if bar.label in labels]
    order = sorted(dict.fromkeys(bar.group for bar in shown), key=lambda group: group == rest)
    numbers = {group: index for index, group in enumerate(order, 1)}
    groups = [f"{index} {group}" for group, index in numbers.items()]
    rows, longest = _parts(shown, numbers, unit)
    y = {"field": "label", "type": "nominal", "sort": None, "axis": {"title": None}}
    axis = {"title": axis_title(what, unit), "format": ",~r", "tickCount": _TICKS}
    colour = {
        "field": "group",
        "type": "nominal",
        "sort": None,
        "scale": shaded(groups, rest=rest in numbers),
        "legend": {"title": None, "orient": "top"},
    }
    return {
        "data": {"values": rows},
        "height": _BAND * max(1, len(labels)),
        "layer": [
            {
                "mark": {"type": "bar", "height": {"band": 0.75}, "style": "part"},
                "encoding": {
                    "y": y,
                    "x": {"field": "start", "type": "quantitative", "axis": axis},
                    "x2": {"field": "stop"},
                    "color": colour,
                    "tooltip": _tooltip("label", "part", "shown"),
                    "description": {"field": "told", "type": "nominal"},
                },
            },
            {
                "transform": [{"filter": {"field": "nominal", "gte": _WRITTEN_FROM * longest}}],
                "mark": {"type": "text", "baseline": "middle", "aria": False},
                "encoding": {
                    "y": y,
                    "x": {"field": "middle", "type": "quantitative"},
                    "text": {"field": "number", "type": "nominal"},
                    "fill": {
                        "field": "group",
                        "type": "nominal",
                        "sort": None,
                        "scale": shaded(groups, rest=rest in numbers, written=True),
                        "legend": None,
                    },
                },
            },
        ],
        "resolve": {"scale": {"color": "independent", "fill": "independent"}},
    }


def _parts(bars: Sequence[Bar], numbers: Mapping[str, int], unit: str) -> tuple[list[Spec], float]:
    """Return a row for every part, from where the one before stops; and the longest bar."""
    ends: dict[str, float] = {}
    rows = []
    for bar in sorted(bars, key=lambda bar: numbers[bar.group]):
        start = ends.get(bar.label, 0.0)
        ends[bar.label] = stop = start + bar.nominal
        number = numbers[bar.group]
        told = {"group": f"{number} {bar.group}", "part": bar.group, "number": str(number)}
        places = {"start": start, "stop": stop, "middle": (start + stop) / 2}
        rows.append({**_bar_row(bar, unit), **told, **places})
    order = {label: index for index, label in enumerate(dict.fromkeys(bar.label for bar in bars))}
    rows.sort(key=lambda row: order[row["label"]])  # stable: parts stay in their order
    return rows, max(ends.values(), default=0.0)


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


def bar_table(bars: Sequence[Bar], *, unit: str, label: str, group: str = "") -> Table:
    """Write the numbers behind bars."""
    heads = (label, *((group,) if group else ()), f"nominal ({unit})", "low", "high")
    return Table(
        columns=heads,
        rows=tuple(
            (
                bar.label,
                *((bar.group,) if group else ()),
                *(number(value, 4) for value in (bar.nominal, bar.low, bar.high)),
            )
            for bar in bars
        ),
    )


def _tooltip(*fields: str) -> list[Mapping[str, str]]:
    names = {"shown": "value", "label": "name", "group": "part"}
    return [{"field": name, "title": names.get(name, name)} for name in fields if name]
