"""Targets as points: energy against latency and, where it is known, against accuracy.

Marks have their names beside them, so no legend takes room from the plot.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log, log10
from typing import Any

from mapper.diagnostics import printable
from mapper.report.charts.base import Chart, Spec, Table, axis_title
from mapper.report.charts.beside import HEIGHT, NEAR, place_names
from mapper.report.comparison.tables import MEASURES, Measure, row_name, subject, units
from mapper.report.names import labels
from mapper.report.numbers import interval_text, number

Data = Mapping[str, Any]

LONGEST_NAME = 22
"""Characters of a name in the drawing; the table has all of it."""

_LOG_FROM = 4.0  # largest over smallest value from which an axis is logarithmic


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """One axis."""

    title: str
    field: str
    low: float
    high: float
    log: bool

    def at(self, value: float) -> float:
        """Return where a value is between the ends, 0..1."""
        if self.log:
            return log(value / self.low) / log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def encoded(self) -> Spec:
        kind = {"type": "log"} if self.log else {"zero": False}
        axis: Spec = {"title": self.title, "format": ",~r", "tickCount": 5, "labelOverlap": True}
        if self.log:
            axis |= {"values": _ticks(self.low, self.high)}
        scale = {**kind, "domain": [self.low, self.high], "nice": False}
        return {"field": self.field, "type": "quantitative", "scale": scale, "axis": axis}


def scale_of(values: Sequence[float], title: str, name: str, *, log: bool = True) -> Scale:
    """Return an axis that all values are well inside of.

    It is logarithmic where they lie far apart, if ``log`` allows that.
    """
    low, high = min(values), max(values)
    if log and low > 0 and high / low >= _LOG_FROM:
        room = max((high / low) ** 0.1, 1.25)
        return Scale(title=title, field=name, low=low / room, high=high * room, log=True)
    room = 0.12 * (high - low) or 0.1 * abs(high) or 1.0
    return Scale(title=title, field=name, low=low - room, high=high + room, log=False)


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers of a logarithmic axis: 1, 2, 5 of every decade, or 1 of many decades."""
    decades = range(int(log10(low)) - 1, int(log10(high)) + 2)
    digits = (1, 2, 5) if log10(high / low) < 3 else (1,)
    found = (digit * 10.0**decade for decade in decades for digit in digits)
    return [float(f"{tick:.3g}") for tick in found if low <= tick <= high]


# --- charts --------------------------------------------------------------------------------


def pareto_charts(answer: Data) -> tuple[Chart, ...]:
    """Return energy against latency, and against accuracy where it is known of any target."""
    energy, latency, _ = MEASURES
    rows = answer["targets"]
    first = _chart(
        rows,
        x=_scale(latency, answer),
        y=_scale(energy, answer),
        points=[(_value(latency, row, answer), _value(energy, row, answer)) for row in rows],
        answer=answer,
        told=("pareto", "Energy against latency", "down and left is better"),
    )
    kind, rights = rightness(answer)
    known = [row for row, right in zip(rows, rights, strict=True) if right is not None]
    if not known:
        return (first,)
    shares = [100 * right for right in rights if right is not None]
    second = _chart(
        known,
        x=scale_of(shares, axis_title(kind, "%"), "x", log=False),
        y=_scale(energy, answer),
        points=[
            (share, _value(energy, row, answer)) for row, share in zip(known, shares, strict=True)
        ],
        answer=answer,
        told=("pareto-accuracy", f"Energy against {kind}", "down and right is better"),
    )
    return (first, second)


def rightness(answer: Data) -> tuple[str, list[float | None]]:
    """Return what is known of how right each target is: accuracy, or else equal spikes, 0..1."""
    for key, kind in (("accuracy", "accuracy"), ("spike_agreement", "equal spikes")):
        found = [_known(row, key) for row in answer["targets"]]
        if any(value is not None for value in found):
            return kind, found
    return "accuracy", [None for _ in answer["targets"]]


def _known(row: Data, key: str) -> float | None:
    """Return a share that the row has, measured or from its verification."""
    held = row.get(key)
    if held is None:
        held = (row.get("verification") or {}).get(key)
    return None if held is None else float(held)


def accuracy_told(answer: Data) -> str:
    """Say in words of which targets no accuracy is known, and what to do; empty where of all."""
    kind, found = rightness(answer)
    missing = [
        printable(row_name(r)) for r, v in zip(answer["targets"], found, strict=True) if v is None
    ]
    if len(missing) == len(found):
        return (
            "Accuracy is not known here: nothing was recorded with labels. Compare with "
            "--input recordings.npz, a file with an array 'labels', to see energy against accuracy."
        )
    if missing:
        return f"Not drawn, because their {kind} is not known: {', '.join(missing)}."
    return ""


def _value(measure: Measure, row: Data, answer: Data) -> float:
    return float(measure.of(row)["nominal"] * units(answer)[measure.name][0])


def _scale(measure: Measure, answer: Data) -> Scale:
    values = [_value(measure, row, answer) for row in answer["targets"]]
    axis = {"energy": "y", "latency": "x"}[measure.name]
    return scale_of(values, axis_title(measure.name, units(answer)[measure.name][1]), axis)


def _chart(
    rows: Sequence[Data],
    *,
    x: Scale,
    y: Scale,
    points: Sequence[tuple[float, float]],
    answer: Data,
    told: tuple[str, str, str],
) -> Chart:
    name, title, better = told
    names = labels((row_name(row) for row in rows), LONGEST_NAME)
    at = [(x.at(across), y.at(up)) for across, up in points]
    sign = 1 if better.endswith("left is better") else -1
    best = undominated([(sign * across, up) for across, up in points])
    area, (factor, unit) = MEASURES[2], units(answer)["area"]
    areas = [area.of(row)["nominal"] * factor for row in rows]
    values = [
        {
            "x": across,
            "y": up,
            "name": label,
            "dx": place.dx,
            "dy": place.dy,
            "align": place.align,
            "far": abs(place.dx) > NEAR,
            "area": size,
            "best": "yes" if good else "no",
            "told": f"{printable(row_name(row))}: {x.title} {number(across, 4)}, "
            f"{y.title} {number(up, 4)}, area {interval_text(size, size, size, unit)}",
        }
        for row, (across, up), label, place, size, good in zip(
            rows, points, names, place_names(at, names), areas, best, strict=True
        )
    ]
    return Chart(
        name=name,
        title=title,
        description=f"Nominal values; {better}. Filled marks, joined by a line: no other "
        f"{subject(answer)} is better in both. The area of a mark is that of the chip, "
        f"{_span(areas)} {unit}. {_axes(x, y)}",
        spec=_spec(values, x, y),
        table=Table(
            columns=(
                subject(answer),
                x.title,
                y.title,
                f"area ({unit})",
                "no other is better in both",
            ),
            rows=tuple(
                (
                    printable(row_name(row)),
                    number(v["x"], 4),
                    number(v["y"], 4),
                    number(v["area"], 4),
                    v["best"],
                )
                for row, v in zip(rows, values, strict=True)
            ),
        ),
    )


def _span(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return number(low) if low == high else f"{number(low)} to {number(high)}"


def _axes(x: Scale, y: Scale) -> str:
    if x.log and y.log:
        return "Both axes are logarithmic."
    linear = "Linear axes do not begin at zero."
    if x.log or y.log:
        return f"The axis {'across' if x.log else 'upwards'} is logarithmic, the other one linear."
    return linear


def undominated(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Say of each point that no other one is smaller in one value and no larger in the other."""
    return [not any(o[0] <= p[0] and o[1] <= p[1] and o != p for o in points) for p in points]


_AT = {"x": "datum.dx", "y": "datum.dy"}  # fixed names of fields: no name of others is evaluated


def _spec(values: list[dict[str, Any]], x: Scale, y: Scale) -> Spec:
    place = {"x": x.encoded(), "y": y.encoded()}
    plain = {axis: {"field": axis, "type": "quantitative"} for axis in "xy"}
    size = {
        "field": "area",
        "type": "quantitative",
        "scale": {"range": [0, 260], "zero": True},
        "legend": None,
    }
    front = sorted((v for v in values if v["best"] == "yes"), key=lambda v: (v["x"], -v["y"]))
    return {
        "height": HEIGHT,
        "data": {"values": values},
        "layer": [
            {
                "data": {"values": front},
                "mark": {"type": "line", "strokeWidth": 1, "strokeDash": [4, 3], "aria": False},
                "encoding": {**plain, "order": {"field": "x", "type": "quantitative"}},
            },
            {
                "transform": [{"filter": "datum.far"}],
                "mark": {
                    "type": "rule",
                    "strokeWidth": 0.75,
                    "x2Offset": {"expr": _AT["x"]},
                    "y2Offset": {"expr": _AT["y"]},
                    "aria": False,
                },
                "encoding": {**plain, "x2": {"field": "x"}, "y2": {"field": "y"}},
            },
            {
                "data": {"values": front},
                "mark": {"type": "point", "filled": True, "opacity": 0.75, "aria": False},
                "encoding": {**plain, "size": size},
            },
            {
                "mark": {
                    "type": "point",
                    "strokeWidth": 1.5,
                    "filled": False,
                    "fill": "transparent",
                },
                "encoding": {
                    **place,
                    "size": size,
                    "tooltip": [{"field": "told", "title": "target"}],
                    "description": {"field": "told", "type": "nominal"},
                },
            },
            {
                "mark": {
                    "type": "text",
                    "baseline": "middle",
                    "dx": {"expr": _AT["x"]},
                    "dy": {"expr": _AT["y"]},
                    "align": {"expr": "datum.align"},
                    "aria": False,
                },
                "encoding": {**plain, "text": {"field": "name", "type": "nominal"}},
            },
        ],
    }
