"""The page of ``compare``: targets side by side, what differs between them, and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mapper.diagnostics import printable
from mapper.report.charts.base import Bar, Chart, Table, bar_table, in_unit, interval_bars
from mapper.report.charts.breakdown import words
from mapper.report.comparison.pareto import accuracy_told, pareto_charts
from mapper.report.comparison.tables import (
    MEASURES,
    RATIO,
    Measure,
    cards,
    ratio,
    row_name,
    subject,
    verified,
)
from mapper.report.page.frame import render_page

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Charts:
    """The charts of a comparison, by the sections of its page."""

    costs: tuple[Chart, ...]
    ratios: Chart
    pareto: tuple[Chart, ...]
    ways: tuple[Chart, ...]

    def all(self) -> tuple[Chart, ...]:
        return (*self.costs, self.ratios, *self.pareto, *self.ways)


def comparison_charts(answer: Data) -> tuple[Chart, ...]:
    """Return every chart of a comparison, in the order of its page."""
    return _charts(answer).all()


def _charts(answer: Data) -> Charts:
    ways = [_own_way(answer, "energy", "energy_pj", "pJ")]
    ways += [_own_way(answer, "initiation interval", "interval_ns", "ns")]
    ways += [_way_of(index, way) for index, way in enumerate(answer["waterfalls"])]
    return Charts(
        costs=tuple(_cost(answer, measure) for measure in MEASURES),
        ratios=_ratios(answer),
        pareto=pareto_charts(answer),
        ways=tuple(ways),
    )


def render_comparison(answer: Data) -> str:
    """Lay the answer of ``compare`` out as one self-contained page."""
    charts, rows = _charts(answer), answer["targets"]
    return render_page(
        "comparison.html.j2",
        charts=charts.all(),
        answer=answer,
        table=cards(answer),
        ratio_told=RATIO,
        subject=subject(answer),
        verdicts=[(row_name(row), verified(row)) for row in rows]
        if subject(answer) == "build"
        else [],
        ways=[chart.name for chart in charts.ways],
        pareto=[chart.name for chart in charts.pareto],
        accuracy_told=accuracy_told(answer),
        differences=Table(
            columns=tuple(map(printable, answer["differences"]["columns"])),
            rows=tuple(map(tuple, answer["differences"]["rows"])),
        ),
    )


def caption_of(answer: Data) -> str:
    """Say in a caption what is compared, and under which assumptions."""
    names = ", ".join(printable(row_name(row)) for row in answer["targets"])
    return (
        f"Network {printable(answer['network'])}; {subject(answer)}s {names}. Preset "
        f"{printable(answer['preset'])}; activity {printable(answer['activity'])}. Intervals are "
        "low .. high of published facts; no chip was measured."
    )


def _bar(label: str, value: Mapping[str, float], group: str = "") -> Bar:
    ends = (value["low"], value["nominal"], value["high"])
    return Bar(label=label, low=ends[0], nominal=ends[1], high=ends[2], group=group)


def _cost(answer: Data, measure: Measure) -> Chart:
    found = [_bar(row_name(row), measure.of(row)) for row in answer["targets"]]
    bars, unit = in_unit(found, measure.unit)
    return Chart(
        name=measure.name,
        title=f"{measure.name.capitalize()} of each {subject(answer)}",
        description="Bars are nominal, lines the interval from low to high component facts.",
        spec=interval_bars(bars, unit=unit, what=measure.name),
        table=bar_table(bars, unit=unit, label=subject(answer)),
    )


def _ratios(answer: Data) -> Chart:
    first = answer["targets"][0]
    bars = [
        _bar(row_name(row), compared, measure.name)
        for row in answer["targets"]
        for measure in MEASURES
        if (compared := ratio(measure.of(row), measure.of(first))) is not None
    ]
    return Chart(
        name="ratios",
        title=f"Ratios to {row_name(first)}",
        description=RATIO,
        spec=interval_bars(bars, unit="times", what="ratio"),
        table=bar_table(bars, unit="times", label=subject(answer), group="cost"),
    )


def _own_way(answer: Data, name: str, key: str, unit: str) -> Chart:
    """Chart one cost of every target from ``paper`` to ``physical``."""
    found = [
        _exactly(_step(step), step[key], row_name(row))
        for row in answer["targets"]
        for step in row["waterfall"]
    ]
    bars, shown = in_unit(found, unit)
    return Chart(
        name=f"waterfall-{name.replace(' ', '-')}",
        title=f"{name.capitalize()} from the preset paper to physical",
        description="After each assumption changed, one at a time; nominal values.",
        spec=interval_bars(bars, unit=shown, what=name),
        table=bar_table(bars, unit=shown, label="after", group=subject(answer)),
    )


def _exactly(label: str, value: float, group: str = "") -> Bar:
    return Bar(label=label, low=value, nominal=value, high=value, group=group)


def _step(step: Data) -> str:
    if not step["assumption"]:
        return "preset paper"
    return f"{words(step['assumption'])}: {step['from']} to {step['to']}"


def _way_of(index: int, way: Data) -> Chart:
    """Chart the ratios of two targets from ``paper`` to ``physical``."""
    bars = [
        _exactly(_step(step), step[f"{name}_ratio"], name)
        for step in way["steps"]
        for name in ("energy", "latency")
    ]
    return Chart(
        name=f"waterfall-{index + 1}",
        title=f"{way['target']} over {way['over']}",
        description="Ratios of energy and latency after each assumption changed, one at a time, "
        "from the preset paper to physical; nominal values.",
        spec=interval_bars(bars, unit="times", what="ratio"),
        table=bar_table(bars, unit="times", label="after", group="cost"),
    )


_PROSE = ("summary", "provenance")
"""Entries of a target file that are sentences: after the facts."""


def differences(names: Sequence[str], facts: Sequence[Data]) -> dict[str, Any]:
    """Return the columns and rows of a table: every entry that is not the same in all ``facts``.

    ``names`` are what the facts are of, in their order.
    """
    flat = [dict(_flat(held)) for held in facts]
    keys = dict.fromkeys(key for held in flat for key in held)
    found = [[key, *(held.get(key, "not there") for held in flat)] for key in keys]
    differing = [row for row in found if len(set(row[1:])) > 1]
    differing.sort(key=lambda row: row[0].rpartition(".")[2] in _PROSE)
    return {"columns": ["entry", *names], "rows": differing}


def _flat(value: object, path: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _flat(inner, f"{path}[{place}]")
    else:
        yield path, str(value)
