"""Points of a scatter plot with names beside their marks: its axes and its drawing."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

from mapper.report.charts.base import Spec
from mapper.report.charts.beside import HEIGHT, NEAR, Place
from mapper.report.charts.scales import LOG_FROM, log_ticks


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
            axis |= {"values": log_ticks(self.low, self.high)}
        scale = {**kind, "domain": [self.low, self.high], "nice": False}
        return {"field": self.field, "type": "quantitative", "scale": scale, "axis": axis}


def scale_of(values: Sequence[float], title: str, name: str, *, log: bool = True) -> Scale:
    """Return an axis that all values are well inside of.

    It is logarithmic where they lie far apart, if ``log`` allows that.
    """
    low, high = min(values), max(values)
    if log and low > 0 and high / low >= LOG_FROM:
        room = max((high / low) ** 0.1, 1.25)
        return Scale(title=title, field=name, low=low / room, high=high * room, log=True)
    room = 0.12 * (high - low) or 0.1 * abs(high) or 1.0
    return Scale(title=title, field=name, low=low - room, high=high + room, log=False)


# --- points --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One mark with its name beside it."""

    x: float
    y: float
    name: str
    """As long as the drawing has room for."""
    place: Place
    area: float
    """Which the area of the mark stands for."""
    best: bool
    """No other point is better in both."""
    told: str
    """All of it in words."""
    reach: tuple[float, float] | None = None
    """Ends of the interval of ``x``; None where there is none."""

    @property
    def verdict(self) -> str:
        return "yes" if self.best else "no"

    def datum(self) -> Spec:
        """Return it as the drawing takes it."""
        return {
            "x": self.x,
            "y": self.y,
            "name": self.name,
            "dx": self.place.dx,
            "dy": self.place.dy,
            "align": self.place.align,
            "far": abs(self.place.dx) > NEAR,
            "area": self.area,
            "best": self.verdict,
            "told": self.told,
            **({} if self.reach is None else dict(zip(("low", "high"), self.reach, strict=True))),
        }


def scatter_spec(points: Sequence[Point], x: Scale, y: Scale) -> Spec:
    """Draw points; the best of them are filled and joined by a line."""
    front = sorted((p for p in points if p.best), key=lambda point: (point.x, -point.y))
    best: Spec = {"values": [point.datum() for point in front]}
    return {
        "height": HEIGHT,
        "data": {"values": [point.datum() for point in points]},
        "layer": [
            _front(best),
            *([_reaches()] if any(point.reach for point in points) else []),
            _lines_to_names(),
            _fillings(best),
            _marks(x, y),
            _names(),
        ],
    }


_XY: Spec = {axis: {"field": axis, "type": "quantitative"} for axis in "xy"}
_AT = {"x": "datum.dx", "y": "datum.dy"}  # fixed names of fields: no name of others is evaluated
_SIZE: Spec = {
    "field": "area",
    "type": "quantitative",
    "scale": {"range": [0, 260], "zero": True},
    "legend": None,
}


def _front(best: Spec) -> Spec:
    return {
        "data": best,
        "mark": {"type": "line", "strokeWidth": 1, "strokeDash": [4, 3], "aria": False},
        "encoding": {**_XY, "order": {"field": "x", "type": "quantitative"}},
    }


def _reaches() -> Spec:
    """Draw a line from end to end of each interval."""
    return {
        "transform": [{"filter": "isValid(datum.low)"}],
        "mark": {"type": "rule", "strokeWidth": 1, "aria": False},
        "encoding": {
            **_XY,
            "x": {"field": "low", "type": "quantitative"},
            "x2": {"field": "high"},
        },
    }


def _lines_to_names() -> Spec:
    """Draw a line to each name that stands away from its mark."""
    return {
        "transform": [{"filter": "datum.far"}],
        "mark": {
            "type": "rule",
            "strokeWidth": 0.75,
            "x2Offset": {"expr": _AT["x"]},
            "y2Offset": {"expr": _AT["y"]},
            "aria": False,
        },
        "encoding": {**_XY, "x2": {"field": "x"}, "y2": {"field": "y"}},
    }


def _fillings(best: Spec) -> Spec:
    return {
        "data": best,
        "mark": {"type": "point", "filled": True, "opacity": 0.75, "aria": False},
        "encoding": {**_XY, "size": _SIZE},
    }


def _marks(x: Scale, y: Scale) -> Spec:
    """Draw the marks that a pointer and a screen reader find, on the axes."""
    return {
        "mark": {"type": "point", "strokeWidth": 1.5, "filled": False, "fill": "transparent"},
        "encoding": {
            "x": x.encoded(),
            "y": y.encoded(),
            "size": _SIZE,
            "tooltip": [{"field": "told", "title": "target"}],
            "description": {"field": "told", "type": "nominal"},
        },
    }


def _names() -> Spec:
    return {
        "mark": {
            "type": "text",
            "baseline": "middle",
            "dx": {"expr": _AT["x"]},
            "dy": {"expr": _AT["y"]},
            "align": {"expr": "datum.align"},
            "aria": False,
        },
        "encoding": {**_XY, "text": {"field": "name", "type": "nominal"}},
    }
