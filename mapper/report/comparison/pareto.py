"""Targets as points: energy against latency and, where it is known, against accuracy.

Marks have their names beside them, so no legend takes room from the plot.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mapper.diagnostics import printable
from mapper.report.charts.base import Chart, Table, axis_title
from mapper.report.charts.beside import Place, place_names
from mapper.report.comparison.data import MEASURES, Measure, Side, SideBySide
from mapper.report.comparison.scatter import Point, Scale, scale_of, scatter_spec
from mapper.report.comparison.tables import units
from mapper.report.names import labels
from mapper.report.numbers import interval_text, number, three_digits
from mapper.study.statistics import HIGH, LOW

LONGEST_NAME = 36
"""Characters of a name in the drawing; the table has all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """What a chart of points is of: energy upwards, something else across."""

    name: str
    title: str
    better: str
    x: Scale
    y: Scale
    across: tuple[float, ...]
    """Where each side is, in the unit of ``x``."""
    more_is_better: bool = False
    """Of what is across."""
    reaches: tuple[tuple[float, float] | None, ...] = ()
    """Intervals of what is across, where there are some."""


def pareto_charts(compared: SideBySide) -> tuple[Chart, ...]:
    """Return energy against latency, and against accuracy where it is known of any side."""
    energy, latency, _ = MEASURES
    sides = compared.comparable
    if not sides:
        return ()
    y = _scale(energy, compared, "y")
    first = Plot(
        name="pareto",
        title="Energy against latency",
        better="down and left is better",
        x=_scale(latency, compared, "x"),
        y=y,
        across=tuple(_value(latency, side, compared) for side in sides),
    )
    charts = [_chart(compared, sides, first)]
    kind, rights = rightness(compared)
    known = [side for side, right in zip(sides, rights, strict=True) if right is not None]
    if known:
        shares = tuple(100 * right for right in rights if right is not None)
        reaches = tuple(_reach(side) if kind == "accuracy" else None for side in known)
        ends = [end for reach in reaches if reach is not None for end in reach]
        lines = "; lines are 95 % intervals of accuracy (Wilson)" if ends else ""
        second = Plot(
            name="pareto-accuracy",
            title=f"Energy against {kind}",
            better=f"down and right is better{lines}",
            x=scale_of((*shares, *ends), axis_title(kind, "%"), "x", log=False),
            y=y,
            across=shares,
            more_is_better=True,
            reaches=reaches,
        )
        charts.append(_chart(compared, known, second))
    return (*charts, *_of_dies(compared, y))


def _of_dies(compared: SideBySide, y: Scale) -> Iterator[Chart]:
    """Yield energy against what is measured of dies, where these were run."""
    held = compared.dies
    if held is None:
        return
    pairs = zip(compared.sides, held.sides, strict=True)
    found = [(side, dies.found) for side, dies in pairs if not side.incomparable]
    means = tuple(100 * dies.mean for _, dies in found)
    reaches = tuple((100 * dies.quantile(LOW), 100 * dies.quantile(HIGH)) for _, dies in found)
    measured = held.sides[0].measured
    ends = [end for reach in reaches for end in reach]
    plot = Plot(
        name="pareto-dies",
        title=f"Energy against {measured} of dies",
        better="down and right is better; means over dies, lines from their 5th to their 95th "
        "percentile",
        x=scale_of((*means, *ends), axis_title(f"{measured} of dies", "%"), "x", log=False),
        y=y,
        across=means,
        more_is_better=True,
        reaches=reaches,
    )
    yield _chart(compared, [side for side, _ in found], plot)


def _reach(side: Side) -> tuple[float, float] | None:
    if side.score is None:
        return None
    low, high = side.score.interval
    return 100 * low, 100 * high


def rightness(compared: SideBySide) -> tuple[str, list[float | None]]:
    """Return how right each comparable side is: accuracy, or else equal spikes, 0..1."""
    accuracies = [side.accuracy for side in compared.comparable]
    spikes = [side.spike_agreement for side in compared.comparable]
    if all(value is None for value in accuracies) and any(value is not None for value in spikes):
        return "equal spikes", spikes
    return "accuracy", accuracies


def accuracy_told(compared: SideBySide) -> str:
    """Say in words of which sides no accuracy is known, and what to do; empty where of all."""
    kind, found = rightness(compared)
    if not found:
        return ""
    pairs = zip(compared.comparable, found, strict=True)
    missing = [printable(side.name) for side, value in pairs if value is None]
    if len(missing) == len(found):
        return (
            "Accuracy is not known here: nothing was recorded with labels. Compare with "
            "--input recordings.npz, a file with an array 'labels', to see energy against accuracy."
        )
    if missing:
        return f"Not drawn, because their {kind} is not known: {', '.join(missing)}."
    return ""


def _value(measure: Measure, side: Side, compared: SideBySide) -> float:
    return measure.of(side).nominal * units(compared)[measure.name][0]


def _scale(measure: Measure, compared: SideBySide, axis: str) -> Scale:
    values = [_value(measure, side, compared) for side in compared.comparable]
    return scale_of(values, axis_title(measure.name, units(compared)[measure.name][1]), axis)


def _chart(compared: SideBySide, sides: Sequence[Side], plot: Plot) -> Chart:
    points = _points(compared, sides, plot)
    unit = units(compared)["area"][1]
    heads = (compared.subject, plot.x.title, plot.y.title, f"area ({unit})")
    return Chart(
        name=plot.name,
        title=plot.title,
        description=f"Nominal values; {plot.better}. Filled marks, joined by a line: no other "
        f"{compared.subject} is better in both. The area of a mark is that of the chip, "
        f"{_span([point.area for point in points])} {unit}. {_axes(plot.x, plot.y)}",
        spec=scatter_spec(points, plot.x, plot.y),
        table=Table(
            columns=(*heads, "no other is better in both"),
            rows=tuple(
                (
                    printable(side.name),
                    *(number(value, 4) for value in (point.x, point.y, point.area)),
                    point.verdict,
                )
                for side, point in zip(sides, points, strict=True)
            ),
        ),
    )


def _points(compared: SideBySide, sides: Sequence[Side], plot: Plot) -> list[Point]:
    energy, _, area = MEASURES
    up = [_value(energy, side, compared) for side in sides]
    at = list(zip(plot.across, up, strict=True))
    names = labels((side.name for side in sides), LONGEST_NAME)
    places = place_names([(plot.x.at(x), plot.y.at(y)) for x, y in at], names)
    best = undominated([(-x if plot.more_is_better else x, y) for x, y in at])
    return [
        Point(
            x=at[index][0],
            y=at[index][1],
            name=names[index],
            place=_clear_of(places[index], plot),
            area=_value(area, side, compared),
            best=best[index],
            told=_told(compared, side, plot, at[index]),
            reach=plot.reaches[index] if plot.reaches else None,
        )
        for index, side in enumerate(sides)
    ]


def _clear_of(place: Place, plot: Plot) -> Place:
    """Lift a name above the line of an interval that runs through its mark."""
    return replace(place, dy=place.dy - _LIFT) if any(plot.reaches) else place


_LIFT = 11
"""Pixels: a line of text, as names that are in each other's way stand apart."""


def _told(compared: SideBySide, side: Side, plot: Plot, at: tuple[float, float]) -> str:
    """Say in words where a side is."""
    size, unit = _value(MEASURES[2], side, compared), units(compared)["area"][1]
    return (
        f"{printable(side.name)}: {plot.x.title} {number(at[0], 4)}, "
        f"{plot.y.title} {number(at[1], 4)}, area {interval_text(size, size, size, unit)}"
    )


def _span(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return three_digits(low) if low == high else f"{three_digits(low)} to {three_digits(high)}"


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
