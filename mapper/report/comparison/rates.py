"""At which rate of inferences which side takes less energy: sentences, a table and a plot."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, log10

from mapper.cost.frames import EQUAL, Lines, Meeting, meet
from mapper.cost.frames import rates as pieces_of
from mapper.diagnostics import printable
from mapper.report.charts.base import Chart, Spec, Table
from mapper.report.charts.themes import shaded
from mapper.report.comparison.scatter import scale_of
from mapper.report.names import labels
from mapper.report.numbers import number, scaled, three_digits

ENDS = ("low", "nominal", "high")
"""Of the facts; two designs are compared at the same end."""

Rows = tuple[tuple[str, ...], list[tuple[str, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """One side, and its energy as a function of the time between inferences."""

    side: str
    lines: Lines

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""

        def ends(name: str) -> dict[str, float]:
            pairs = zip(ENDS, self.lines, strict=True)
            return {end: getattr(line, name) for end, line in pairs}

        names = ("dynamic_pj", "leakage_uw", "interval_ns", "latency_ns")
        nominal = self.lines[1]
        return {
            "target": self.side,
            **{name: ends(name) for name in names},
            "idle_leakage": nominal.idle_leakage,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RatePair:
    """Two sides, and where one of them begins to take less energy than the other."""

    target: str
    over: str
    meetings: tuple[Meeting, Meeting, Meeting]
    """At the low, the nominal and the high end; 0 stands for ``over``, 1 for ``target``."""

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        pairs = zip(ENDS, self.meetings, strict=True)
        return {
            "target": self.target,
            "over": self.over,
            "ends": {end: self._meeting(meeting) for end, meeting in pairs},
            "told": pair_told(self),
        }

    def _meeting(self, meeting: Meeting) -> dict[str, object]:
        names = {0: self.over, 1: self.target, EQUAL: None}
        return {
            "from_ns": meeting.from_ns,
            "break_even_ns": list(meeting.crossings_ns),
            "less_energy": [names[one] for one in meeting.lower],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRates:
    """Energy of an inference against how many there are a second."""

    sides: tuple[Rated, ...]
    pairs: tuple[RatePair, ...]

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "sides": [side.as_dict() for side in self.sides],
            "pairs": [pair.as_dict() for pair in self.pairs],
        }


def rate_pair(one: Rated, over: Rated) -> RatePair:
    """Set one side against another at all ends of the facts."""
    low, nominal, high = (
        meet(base, mine) for base, mine in zip(over.lines, one.lines, strict=True)
    )
    return RatePair(target=one.side, over=over.side, meetings=(low, nominal, high))


RATES_TOLD = (
    "Energy of an inference where one comes every so often: whole chips leak in between, empty "
    "crossbars too, less what their targets gate while idle."
)


# --- in words --------------------------------------------------------------------------------


def pair_told(pair: RatePair) -> str:
    """Say at which rates which of two sides takes less energy, at nominal facts, and at the ends.

    ``a takes less energy than b below 13.3 inferences a second (one every 75.2 ms)``.
    """
    names = {0: printable(pair.over), 1: printable(pair.target)}
    meeting = pair.meetings[1]
    most = f"{_per_second(meeting.from_ns)}, the most that both make"
    found = list(pieces_of(meeting))
    if len(found) == 1:
        lower = found[0][0]
        if lower == EQUAL:
            said = f"{names[1]} and {names[0]} take the same energy at every rate up to {most}"
        else:
            said = (
                f"{names[lower]} takes less energy than {names[1 - lower]} at every rate up to "
                f"{most}: there is no break-even"
            )
    else:
        parts = (_piece_told(*piece, names) for piece in reversed(found))
        said = "; ".join(parts)
    return f"{said}. {_ends_told(pair)}"


def _piece_told(lower: int, start: float, stop: float, names: dict[int, str]) -> str:
    who = "both take the same" if lower == EQUAL else f"{names[lower]} takes less energy"
    if stop == inf:
        return f"{who} below {_rate(start)}"
    if lower == EQUAL:
        return f"{who} between {_rate(stop)} and {_rate(start)}"
    return f"{who} above {_rate(stop)}, up to {_per_second(start)}"


def _rate(period_ns: float) -> str:
    factor, unit = scaled(period_ns, "ns")
    return f"{_per_second(period_ns)} (one every {three_digits(period_ns * factor)} {unit})"


def _per_second(period_ns: float) -> str:
    return f"{three_digits(1e9 / period_ns)} inferences a second"


def _ends_told(pair: RatePair) -> str:
    """Say where the break-even is with all facts at the low end, and at the high end."""
    told = []
    for end, meeting in zip(ENDS, pair.meetings, strict=True):
        if end == "nominal":
            continue
        rates = " and ".join(_per_second(ns) for ns in meeting.crossings_ns)
        lower = {0: pair.over, 1: pair.target}.get(meeting.lower[0], "neither")
        none = f"none ({printable(lower)} takes less at every rate)"
        told.append(f"{end} ends: {rates or none}")
    return f"Break-even with all facts at their {', at their '.join(told)}"


# --- as a table and a plot -------------------------------------------------------------------


def rates_table(found: FrameRates) -> Rows:
    """Return the energy of each side at round rates and at every break-even, nominal."""
    periods = sorted({*_round_periods(found), *_break_evens(found)}, reverse=True)
    energies = {
        (side.side, period): side.lines[1].energy_pj(period)
        for side in found.sides
        for period in periods
        if period >= side.lines[1].interval_ns
    }
    factor, unit = scaled(min(energies.values(), default=0.0), "pJ")
    heads = tuple(f"{printable(side.side)} ({unit})" for side in found.sides)
    rows = [
        (
            number(1e9 / period, 4),
            *(
                three_digits(energies[side.side, period] * factor)
                if (side.side, period) in energies
                else "too fast"
                for side in found.sides
            ),
        )
        for period in periods
    ]
    return ("inferences a second", *heads), rows


def _break_evens(found: FrameRates) -> Iterator[float]:
    for pair in found.pairs:
        yield from pair.meetings[1].crossings_ns


def _round_periods(found: FrameRates) -> Iterator[float]:
    """Yield the times between inferences at 1, 10, 30, 100 .. a second, as far as one side goes."""
    fastest = min(side.lines[1].interval_ns for side in found.sides)
    for rate in (1.0, 10.0, 30.0, *(10.0**power for power in range(2, 10))):
        if 1e9 / rate >= fastest:
            yield 1e9 / rate


_HEIGHT, _POINTS, _LONGEST_NAME = 280, 48, 36


def rate_charts(found: FrameRates | None) -> tuple[Chart, ...]:
    """Return the plot of energy against inferences a second; none where nothing compares."""
    if found is None:
        return ()
    heads, rows = rates_table(found)
    chart = Chart(
        name="frame-rate",
        title="Energy of an inference against inferences a second",
        description=f"{RATES_TOLD} Nominal facts; dashed lines are break-evens. "
        + " ".join(f"{pair_told(pair)}." for pair in found.pairs),
        spec=_spec(found),
        table=Table(columns=heads, rows=tuple(rows)),
    )
    return (chart,)


def _spec(found: FrameRates) -> Spec:
    names = labels([side.side for side in found.sides], _LONGEST_NAME)
    longest = max([1e9, *(10 * ns for ns in _break_evens(found))])
    factor, unit = scaled(min(side.lines[1].dynamic_pj for side in found.sides), "pJ")
    curves = [
        (name, 1e9 / period, side.lines[1].energy_pj(period) * factor)
        for name, side in zip(names, found.sides, strict=True)
        for period in _periods(side, longest)
    ]
    x = scale_of([rate for _, rate, _ in curves], "Inferences a second", "x").encoded()
    y = scale_of([pj for _, _, pj in curves], f"Energy of an inference ({unit})", "y").encoded()
    group = {"field": "group", "type": "nominal", "sort": None}
    legend = {"title": None, "orient": "top"}
    marks: Spec = {
        "data": {
            "values": [
                {
                    "x": rate,
                    "y": pj,
                    "group": name,
                    "told": f"{name}: {three_digits(pj)} {unit} at {three_digits(rate)} a second",
                }
                for name, rate, pj in curves
            ]
        },
        "mark": {"type": "line"},
        "encoding": {
            "x": x,
            "y": y,
            "color": {**group, "scale": shaded(names), "legend": legend},
            "strokeDash": {
                **group,
                "scale": {"domain": names, "range": _dashes(len(names))},
                "legend": legend,
            },
        },
    }
    return {"height": _HEIGHT, "layer": [marks, *_rules(found)]}


def _dashes(count: int) -> list[list[int]]:
    """Return a dash for each side, so that no colour is needed."""
    known = [[1, 0], [8, 3], [2, 2], [10, 3, 2, 3], [5, 5], [1, 4]]
    return [known[place % len(known)] for place in range(count)]


def _rules(found: FrameRates) -> list[Spec]:
    places = [1e9 / ns for ns in _break_evens(found)]
    if not places:
        return []
    return [
        {
            "data": {"values": [{"x": place} for place in places]},
            "mark": {"type": "rule", "strokeDash": [3, 3], "strokeWidth": 1, "aria": False},
            "encoding": {"x": {"field": "x", "type": "quantitative"}},
        }
    ]


def _periods(side: Rated, longest: float) -> Sequence[float]:
    """Return times between inferences from the shortest on, at equal ratios."""
    first = side.lines[1].interval_ns
    last = max(longest, 10 * first)
    step = log10(last / first) / (_POINTS - 1)
    return [first * 10 ** (step * place) for place in range(_POINTS)]
