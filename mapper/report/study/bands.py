"""A quantity along a sweep: a line with a band around it, for one or several designs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mapper.report.charts.base import Chart, Spec, Table, axis_title
from mapper.report.charts.themes import shaded, shaped
from mapper.report.names import labels
from mapper.report.numbers import interval_text, number
from mapper.report.study.quantity import Quantity
from mapper.study.statistics import HIGH, LOW, Swept

_HEIGHT = 240
_LONGEST_NAME = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class _At:
    """One point of a line."""

    group: str
    x: float
    low: float
    middle: float
    high: float


def sweep_chart(
    swept: Mapping[str, Swept],
    quantity: Quantity,
    *,
    name: str,
    unit: str = "",
    bound: float | None = None,
) -> Chart:
    """Draw the mean of runs along a sweep, in a band from their 5th to their 95th percentile.

    Args:
        swept: Sweeps of one setting by the name of the design; ``""`` where there is one alone.
        quantity: What was found.
        name: Of the chart.
        unit: Of the setting.
        bound: What is required of a run; None where nothing is.
    """
    points = [
        _At(
            group=group,
            x=value,
            low=quantity.shown(found.quantile(LOW)),
            middle=quantity.shown(found.mean),
            high=quantity.shown(found.quantile(HIGH)),
        )
        for group, held in _named(swept).items()
        for value, found in held.points
    ]
    setting = _setting(swept)
    return Chart(
        name=name,
        title=f"{quantity.name.capitalize()} against {setting}",
        description=f"Lines are means over {_runs(swept, quantity)}, bands go from the 5th to the "
        "95th percentile." + ("" if bound is None else f" Required: {quantity.text(bound)}."),
        spec=_spec(
            points,
            x=f"{setting} ({unit})" if unit else setting,
            y=axis_title(quantity.name, quantity.unit),
            unit=quantity.unit,
            bound=None if bound is None else (quantity.shown(bound), "required"),
        ),
        table=_table(points, setting, quantity.unit, ("mean", "5th percentile", "95th percentile")),
    )


def yield_chart(
    swept: Mapping[str, Swept],
    quantity: Quantity,
    bound: float,
    *,
    name: str,
    unit: str = "",
    share: float = HIGH,
) -> Chart:
    """Draw the share of good runs along a sweep, in the band of its 95 % interval.

    Args:
        swept: Sweeps of one setting by the name of the design; ``""`` where there is one alone.
        quantity: What was found.
        bound: From which value on a run is good.
        name: Of the chart.
        unit: Of the setting.
        share: Of runs that have to be good, 0..1.
    """
    points = []
    for group, held in _named(swept).items():
        for value, found in held.points:
            score = found.reaching(bound)
            low, high = score.interval
            points.append(
                _At(group=group, x=value, low=100 * low, middle=100 * score.share, high=100 * high)
            )
    setting, good = _setting(swept), f"at {quantity.text(bound)} or more"
    return Chart(
        name=name,
        title=f"Yield against {setting}",
        description=f"Share of {_runs(swept, quantity)} {good}; bands are 95 % intervals "
        f"(Wilson). Asked for: {number(100 * share)} %.",
        spec=_spec(
            points,
            x=f"{setting} ({unit})" if unit else setting,
            y=axis_title(f"{quantity.runs} {good}", "%"),
            unit="%",
            bound=(100 * share, "asked for"),
        ),
        table=_table(points, setting, "%", ("share", "low (95 %)", "high (95 %)")),
    )


def _named(swept: Mapping[str, Swept]) -> dict[str, Swept]:
    names = labels(swept, _LONGEST_NAME) if len(swept) > 1 else ("",)
    return dict(zip(names, swept.values(), strict=True))


def _setting(swept: Mapping[str, Swept]) -> str:
    (name,) = {held.name for held in swept.values()}
    return name


def _runs(swept: Mapping[str, Swept], quantity: Quantity) -> str:
    """Write how many runs there are at each value: ``100 dies``, ``20 to 100 dies``."""
    counts = {len(found.values) for held in swept.values() for _, found in held.points}
    told = " to ".join(f"{count:,}" for count in sorted({min(counts), max(counts)}))
    return f"{told} {quantity.runs}"


def _table(points: Sequence[_At], setting: str, unit: str, heads: tuple[str, str, str]) -> Table:
    several = len({point.group for point in points}) > 1
    middle, *ends = heads
    return Table(
        columns=(setting, *(("design",) if several else ()), f"{middle} ({unit})", *ends),
        rows=tuple(
            (
                number(point.x, 4),
                *((point.group,) if several else ()),
                *(number(value, 4) for value in (point.middle, point.low, point.high)),
            )
            for point in points
        ),
    )


def _spec(
    points: Sequence[_At], *, x: str, y: str, unit: str, bound: tuple[float, str] | None
) -> Spec:
    names = list(dict.fromkeys(point.group for point in points))
    rows = [
        {
            "group": point.group,
            "x": point.x,
            "low": point.low,
            "middle": point.middle,
            "high": point.high,
            "told": f"{point.group}{', ' * bool(point.group)}{number(point.x)}: "
            f"{interval_text(point.low, point.middle, point.high, unit)}",
        }
        for point in points
    ]
    across = {
        "field": "x",
        "type": "quantitative",
        "scale": {"zero": False, "nice": False},
        "axis": {"title": x, "format": ",~r", "tickCount": 6},
    }
    up = {"type": "quantitative", "scale": {"zero": False}}
    axis = {"title": y, "format": ",~r", "tickCount": 6}
    several = {"title": None, "orient": "top", "symbolOpacity": 1}
    legend = several if len(names) > 1 else None
    by_group = {"field": "group", "type": "nominal", "sort": None}
    colour = {**by_group, "scale": shaded(names), "legend": legend}
    shape = {**by_group, "scale": shaped(names), "legend": legend}
    layers: list[Spec] = [
        {
            "mark": {"type": "area", "opacity": 0.22, "aria": False},
            "encoding": {
                "x": across,
                "y": {**up, "field": "low", "axis": axis},
                "y2": {"field": "high"},
                "color": colour,
            },
        },
        {
            "mark": {"type": "line", "aria": False},
            "encoding": {"x": across, "y": {**up, "field": "middle"}, "color": colour},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1},
            "encoding": {
                "x": across,
                "y": {**up, "field": "middle"},
                "color": colour,
                "shape": shape,
                "tooltip": [{"field": "told", "title": "at"}],
                "description": {"field": "told", "type": "nominal"},
            },
        },
    ]
    return {
        "height": _HEIGHT,
        "data": {"values": rows},
        "layer": layers if bound is None else [*layers, *_bound(*bound)],
    }


def _bound(at: float, name: str) -> tuple[Spec, Spec]:
    """Draw a line at what is required, with its name at the right end."""
    data = {"values": [{"at": at, "name": name}]}
    place = {"field": "at", "type": "quantitative"}
    return (
        {
            "data": data,
            "mark": {"type": "rule", "strokeDash": [2, 2], "aria": False},
            "encoding": {"y": place},
        },
        {
            "data": data,
            "mark": {"type": "text", "align": "right", "dy": -7, "dx": -3, "aria": False},
            "encoding": {
                "x": {"value": "width"},
                "y": place,
                "text": {"field": "name", "type": "nominal"},
            },
        },
    )
