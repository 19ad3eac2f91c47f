"""How many runs had which value: bars, with the mean, the 5th percentile and what is required."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

from mapper.report.charts.base import Chart, Spec, Table, axis_title
from mapper.report.numbers import number
from mapper.report.study.quantity import Quantity
from mapper.study.statistics import LOW, Distribution

_HEIGHT = 200
_MOST_BARS = 40
_DASHES = ([1, 0], [6, 3], [2, 2])
"""Lines of the mean, the percentile and the bound, which no colour has to tell apart."""


@dataclass(frozen=True, slots=True)
class Bins:
    """Values counted in intervals of one width."""

    start: float
    width: float
    counts: tuple[int, ...]

    def ends(self, place: int) -> tuple[float, float]:
        """Return where a bar begins and ends."""
        return self.start + place * self.width, self.start + (place + 1) * self.width


def bins_of(values: Sequence[float], grain: float = 0.0) -> Bins:
    """Count ascending values in intervals whose width follows from their spread.

    The width is that of D. Freedman and P. Diaconis, On the histogram as a density estimator, Z.
    Wahrscheinlichkeitstheorie 57 (1981) 453-476: twice the interquartile range over the cube root
    of the number; rounded to 1, 2 or 5 times a power of ten, or to whole grains, between which lie
    the ends: else some bars had more grains than others.
    """
    low, high = values[0], values[-1]
    found = Distribution(tuple(values))
    middle = found.quantile(0.75) - found.quantile(0.25)
    wanted = max(2 * middle / len(values) ** (1 / 3), (high - low) / _MOST_BARS)
    if grain:
        width = grain * max(1, round(wanted / grain))
        start = floor(low / width + _TINY) * width - grain / 2
    else:
        width = _round_step(wanted or abs(low) / 100 or 1.0)
        start = floor(low / width + _TINY) * width
    places = [floor((value - start) / width + _TINY) for value in values]
    counts = [0] * (places[-1] + 1)
    for place in places:
        counts[place] += 1
    return Bins(start, width, tuple(counts))


_TINY = 1e-9
"""Of a width: what rounding does to a value at an end."""


def _round_step(wanted: float) -> float:
    power = 10.0 ** floor(log10(wanted))
    return next((digit * power for digit in (1, 2, 5) if digit * power >= wanted), 10 * power)


def histogram_chart(
    found: Distribution,
    quantity: Quantity,
    *,
    name: str = "distribution",
    title: str = "",
    bound: float | None = None,
) -> Chart:
    """Draw how runs are distributed.

    Args:
        found: The values, as they are kept.
        quantity: What they are.
        name: Of the chart.
        title: Of the chart; its own where empty.
        bound: What is required of a run; None where nothing is.
    """
    shown = [quantity.shown(value) for value in found.values]
    bins = bins_of(shown, quantity.shown(quantity.grain))
    lines = [("mean", found.mean), ("5th percentile", found.quantile(LOW))]
    lines += [] if bound is None else [("required", bound)]
    told = [
        (f"{what}: {quantity.digits(value)} {quantity.unit}".rstrip(), quantity.shown(value))
        for what, value in lines
    ]
    return Chart(
        name=name,
        title=title or f"{quantity.name.capitalize()} of {quantity.many(len(shown))}",
        description=f"A bar is the number of {quantity.runs} whose {quantity.name} lies between "
        f"its ends, {number(bins.width)} {quantity.step_unit} apart."
        + _reaching(found, quantity, bound),
        spec=_spec(bins, told, quantity),
        table=Table(
            columns=(f"from ({quantity.unit})", "to", quantity.runs),
            rows=tuple(
                (*(number(end, 4) for end in bins.ends(place)), f"{count:,}")
                for place, count in enumerate(bins.counts)
                if count
            ),
        ),
    )


def _reaching(found: Distribution, quantity: Quantity, bound: float | None) -> str:
    if bound is None:
        return ""
    return f" At {quantity.text(bound)} or more: {found.reaching(bound)}."


def _spec(bins: Bins, lines: Sequence[tuple[str, float]], quantity: Quantity) -> Spec:
    rows = []
    for place, count in enumerate(bins.counts):
        start, stop = bins.ends(place)
        shown = f"{number(start, 4)} to {number(stop, 4)} {quantity.unit}"
        told = f"{shown}: {quantity.many(count)}"
        rows.append({"start": start, "stop": stop, "count": count, "told": told})
    places = [at for _, at in lines]
    domain = [min(bins.start, *places), max(bins.ends(len(bins.counts) - 1)[1], *places)]
    return {
        "height": _HEIGHT,
        "layer": [
            {
                "data": {"values": rows},
                "mark": {"type": "bar", "style": "part"},
                "encoding": {
                    "x": {
                        "field": "start",
                        "type": "quantitative",
                        "bin": "binned",
                        "scale": {"domain": domain, "nice": False, "zero": False},
                        "axis": {
                            "title": axis_title(quantity.name, quantity.unit),
                            "format": ",~r",
                            "tickCount": 6,
                        },
                    },
                    "x2": {"field": "stop"},
                    "y": {
                        "field": "count",
                        "type": "quantitative",
                        "axis": {
                            "title": quantity.runs.capitalize(),
                            "format": ",d",
                            "tickCount": min(6, max(bins.counts)),
                        },
                    },
                    "tooltip": [{"field": "told", "title": quantity.runs}],
                    "description": {"field": "told", "type": "nominal"},
                },
            },
            _lines(lines),
        ],
    }


def _lines(lines: Sequence[tuple[str, float]]) -> Spec:
    names = [name for name, _ in lines]
    return {
        "data": {"values": [{"line": name, "at": at} for name, at in lines]},
        "mark": {"type": "rule", "strokeWidth": 2},
        "encoding": {
            "x": {"field": "at", "type": "quantitative"},
            "strokeDash": {
                "field": "line",
                "type": "nominal",
                "sort": None,
                "scale": {"domain": names, "range": list(_DASHES[: len(names)])},
                "legend": {"title": None, "orient": "top", "symbolStrokeWidth": 2, "columns": 1},
            },
            "tooltip": [{"field": "line", "title": "line"}],
            "description": {"field": "line", "type": "nominal"},
        },
    }
