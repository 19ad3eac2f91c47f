"""Charts of an exploration: the front, all axes beside each other, what each axis is worth."""

from collections.abc import Iterator, Sequence
from math import log

from mapper.diagnostics import many, printable
from mapper.exploration.found import Evaluated
from mapper.exploration.grid import Value
from mapper.exploration.measures import Measure
from mapper.report.charts.base import Chart, Spec, axis_title
from mapper.report.charts.scales import far_apart
from mapper.report.charts.themes import shaded, shaped
from mapper.report.charts.wrapping import wrapped
from mapper.report.comparison.scatter import Scale, scale_of
from mapper.report.exploration.data import ExplorationReport, measured, settings
from mapper.report.exploration.told import importance_table, point_table, setting
from mapper.report.numbers import three_digits

ON_FRONT, FEASIBLE, NOT_ALLOWED = "on the front", "feasible", "beyond a constraint"

PARALLEL = "parallel"
FRONT = "front-"


def exploration_charts(report: ExplorationReport) -> tuple[Chart, ...]:
    """Return every chart, in the order of the page; none of what no point has."""
    return (*front_charts(report), *_parallel(report), *_importance(report))


# --- the front ----------------------------------------------------------------------------------

_HEIGHT = 340


def front_charts(report: ExplorationReport) -> Iterator[Chart]:
    """Draw the first objective against each other one."""
    first, *others = report.drawn
    for other in others:
        points = [p for p in report.shown if _both(p, first, other)]
        if points:
            yield _front_chart(report, points, first, other)


def _both(point: Evaluated, first: Measure, other: Measure) -> bool:
    return point.value(first.key) is not None and point.value(other.key) is not None


def _front_chart(
    report: ExplorationReport, points: Sequence[Evaluated], first: Measure, other: Measure
) -> Chart:
    kinds = _kinds(report)
    two = len(report.measures) == 2
    line = " A line joins the front." if two else ""
    more = len(report.found.points) - len(report.shown)
    left_out = f" {many(more, 'other point')} are in the files." if more else ""
    x, y = (_scale(measure, points, field) for measure, field in ((other, "x"), (first, "y")))
    rows = [_row(point, kinds[point.number], first, other) for point in points]
    drawn = [kind for kind in (ON_FRONT, FEASIBLE, NOT_ALLOWED) if kind in kinds.values()]
    return Chart(
        name=f"{FRONT}{other.name}",
        title=f"{first.name.capitalize()} against {other.name}",
        description=f"Nominal values; {_better(first, other)} is better.{line} Drag over points to "
        f"follow them through the axes below, choose one to see it.{left_out}",
        spec=_scatter(rows, x, y, drawn, joined=two),
        table=point_table(report.found, points),
    )


def _kinds(report: ExplorationReport) -> dict[int, str]:
    """Say of each point that is shown how it stands, by its number."""
    on_it = {point.number for point in report.found.front}
    allowed = {point.number for point in report.found.feasible}
    return {
        point.number: ON_FRONT
        if point.number in on_it
        else FEASIBLE
        if point.number in allowed
        else NOT_ALLOWED
        for point in report.shown
    }


def _better(first: Measure, other: Measure) -> str:
    up = "down" if first.best == "min" else "up"
    return f"{up} and {'left' if other.best == 'min' else 'right'}"


def _shown(measure: Measure, point: Evaluated) -> float:
    value = point.value(measure.key)
    assert value is not None
    return value if measure.ranged else 100 * value


def _scale(measure: Measure, points: Sequence[Evaluated], field: str) -> Scale:
    values = [_shown(measure, point) for point in points]
    title = axis_title(measure.name, measure.unit or "%")
    return scale_of(values, title, field, log=measure.ranged)


def _row(point: Evaluated, kind: str, first: Measure, other: Measure) -> Spec:
    told = f"point {point.number}: {printable(settings(point))}; " + ", ".join(
        f"{measure.name} {measured(measure, point)}" for measure in (first, other)
    )
    return {
        "number": point.number,
        "x": _shown(other, point),
        "y": _shown(first, point),
        "group": kind,
        "told": told,
    }


def _scatter(rows: list[Spec], x: Scale, y: Scale, kinds: list[str], *, joined: bool) -> Spec:
    legend = {"title": None, "orient": "top"}
    group = {"field": "group", "type": "nominal", "sort": None, "legend": legend}
    front: Spec = {
        "transform": [{"filter": {"field": "group", "equal": ON_FRONT}}],
        "mark": {"type": "line", "strokeWidth": 1, "strokeDash": [4, 3], "aria": False},
        "encoding": {
            "x": {"field": "x", "type": "quantitative"},
            "y": {"field": "y", "type": "quantitative"},
            "order": {"field": "x", "type": "quantitative"},
        },
    }
    marks: Spec = {
        "params": [{"name": "brush", "select": {"type": "interval", "encodings": ["x", "y"]}}],
        "mark": {"type": "point", "filled": True, "size": 55, "opacity": 0.85},
        "encoding": {
            "x": x.encoded(),
            "y": y.encoded(),
            "color": {**group, "scale": shaded(kinds)},
            "shape": {**group, "scale": shaped(kinds)},
            "tooltip": [{"field": "told", "title": "design"}],
            "description": {"field": "told", "type": "nominal"},
        },
    }
    return {
        "height": _HEIGHT,
        "data": {"values": rows},
        "layer": [*([front] if joined else []), marks],
    }


# --- all axes beside each other -----------------------------------------------------------------

_MOST_TICKS = 8
_LETTERS = 14
"""Letters of a line of an axis' name."""
_ROOM = 7 * _LETTERS
"""Pixels between two axes, at least: room for such a line. Less of a screen scrolls."""


class _Axis:
    """One upright line: where values are on it, 0..1, and what stands beside it."""

    def __init__(self, name: str, places: dict[int, float], ticks: list[tuple[float, str]]) -> None:
        self.name, self.places, self.ticks = wrapped(name, _LETTERS), places, ticks


def _axis_of_space(name: str, values: Sequence[Value], points: Sequence[Evaluated]) -> _Axis:
    """Put the values of an axis at equal distances, in the order of the space."""
    at = {repr(value): _share(place, len(values)) for place, value in enumerate(values)}
    step = -(-len(values) // _MOST_TICKS)
    return _Axis(
        printable(name),
        {point.number: at[repr(point.point[name])] for point in points},
        [(at[repr(value)], printable(setting(value))) for value in values[::step]],
    )


def _share(place: int, count: int) -> float:
    return place / (count - 1) if count > 1 else 0.5


def _axis_of_measure(measure: Measure, points: Sequence[Evaluated]) -> _Axis:
    """Put what was measured on a line, by its logarithm where it lies far apart."""
    found = {point.number: _shown(measure, point) for point in points}
    low, high = min(found.values()), max(found.values())
    by_factors = measure.ranged and far_apart([(low, high)])

    def at(value: float) -> float:
        if low == high:
            return 0.5
        if by_factors:
            return log(value / low) / log(high / low)
        return (value - low) / (high - low)

    ends = [low] if low == high else [low, high]
    return _Axis(
        axis_title(measure.name, measure.unit or "%"),
        {number: at(value) for number, value in found.items()},
        [(at(end), three_digits(end)) for end in ends],
    )


def _parallel(report: ExplorationReport) -> Iterator[Chart]:
    """Draw each point as a line over the axes of the space and its objectives."""
    space, measures = report.found.space, report.measures
    points = [
        point
        for point in report.shown
        if all(point.value(measure.key) is not None for measure in measures)
    ]
    if not points:
        return
    axes = [
        *(_axis_of_space(name, values, points) for name, values in space.axes.items()),
        *(_axis_of_measure(measure, points) for measure in measures),
    ]
    kinds = _kinds(report)
    yield Chart(
        name=PARALLEL,
        title="Every point over the axes of the space and its objectives",
        description="A line is a point. Values of an axis stand at equal distances in the order of "
        "the space; objectives go from their least to their greatest value, by logarithm where "
        "that is four times the least or more.",
        spec=_lines(axes, points, kinds),
        table=point_table(report.found, points),
    )


def _lines(axes: Sequence[_Axis], points: Sequence[Evaluated], kinds: dict[int, str]) -> Spec:
    names = [axis.name for axis in axes]
    drawn = [kind for kind in (ON_FRONT, FEASIBLE, NOT_ALLOWED) if kind in kinds.values()]
    rows = [
        {
            "number": point.number,
            "axis": axis.name,
            "at": axis.places[point.number],
            "group": kinds[point.number],
            "told": f"point {point.number}: {printable(settings(point))}",
        }
        for point in sorted(
            points, key=lambda point: drawn.index(kinds[point.number]), reverse=True
        )
        for axis in axes
    ]
    ticks = [
        {"axis": axis.name, "at": at, "text": text} for axis in axes for at, text in axis.ticks
    ]
    x: Spec = {
        "field": "axis",
        "type": "nominal",
        "sort": None,
        "scale": {"type": "point", "padding": 0.4, "domain": names},
        "axis": {
            "title": None,
            "orient": "top",
            "labelAngle": 0,
            "labelExpr": "split(datum.label, '\\n')",
            "grid": True,
            "domain": False,
            "ticks": False,
        },
    }
    y: Spec = {
        "field": "at",
        "type": "quantitative",
        "axis": None,
        "scale": {"domain": [-0.06, 1.06], "nice": False},
    }
    chosen = "length(brushed) == 0 || indexof(brushed, datum.number) >= 0"
    return {
        "height": 300,
        "usermeta": {"least": _ROOM * len(axes)},
        "params": [{"name": "brushed", "value": []}],
        "layer": [
            {
                "data": {"values": rows},
                "mark": {"type": "line", "strokeWidth": 1.4, "aria": False},
                "encoding": {
                    "x": x,
                    "y": y,
                    "detail": {"field": "number", "type": "nominal"},
                    "color": {
                        "field": "group",
                        "type": "nominal",
                        "sort": None,
                        "scale": shaded(drawn),
                        "legend": {"title": None, "orient": "top"},
                    },
                    "opacity": {"condition": {"test": chosen, "value": 0.75}, "value": 0.04},
                    "tooltip": [{"field": "told", "title": "design"}],
                },
            },
            {
                "data": {"values": ticks},
                "mark": {
                    "type": "text",
                    "align": "left",
                    "dx": 5,
                    "baseline": "middle",
                    "style": "halo",
                    "aria": False,
                },
                "encoding": {
                    "x": x,
                    "y": y,
                    "text": {"field": "text", "type": "nominal"},
                    "tooltip": {"value": None},
                },
            },
            {
                "data": {"values": ticks},
                "mark": {"type": "text", "align": "left", "dx": 5, "baseline": "middle"},
                "encoding": {
                    "x": x,
                    "y": y,
                    "text": {"field": "text", "type": "nominal"},
                    "tooltip": {"value": None},
                },
            },
        ],
    }


# --- what each axis is worth --------------------------------------------------------------------


def _importance(report: ExplorationReport) -> Iterator[Chart]:
    """Draw which share of the variance of each objective is between the values of each axis."""
    held = report.found.importance
    rows = [
        {
            "label": printable(axis),
            "group": measure.name,
            "nominal": 100 * share,
            "told": f"{printable(axis)}, {measure.name}: {100 * share:.0f} %",
        }
        for axis in report.found.space.axes
        for measure in report.measures
        if (share := held[measure.name][axis]) is not None
    ]
    if not rows:
        return
    groups = [measure.name for measure in report.measures]
    legend = {"title": None, "orient": "top"}
    yield Chart(
        name="importance",
        title="What each axis explains",
        description="Share of the variance of an objective that is between the values of an axis, "
        "corrected for chance (Kelley 1935), costs by their logarithm. What axes do only together "
        "belongs to none of them.",
        spec={
            "height": 24 * max(1, len(report.found.space.axes)) * max(1, len(groups) * 3 // 4),
            "data": {"values": rows},
            "mark": {"type": "bar"},
            "encoding": {
                "y": {"field": "label", "type": "nominal", "sort": None, "axis": {"title": None}},
                "yOffset": {"field": "group", "type": "nominal", "sort": None},
                "x": {
                    "field": "nominal",
                    "type": "quantitative",
                    "scale": {"domain": [0, 100]},
                    "axis": {"title": "Explained (%)", "tickCount": 5},
                },
                "color": {
                    "field": "group",
                    "type": "nominal",
                    "sort": None,
                    "scale": shaded(groups),
                    "legend": legend,
                },
                "tooltip": [{"field": "told", "title": "axis"}],
                "description": {"field": "told", "type": "nominal"},
            },
        },
        table=importance_table(report.found),
    )
