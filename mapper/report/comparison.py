"""The page of ``compare``: targets side by side, what differs between them, and why."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mapper.report.breakdown import words
from mapper.report.charts import (
    Bar,
    Chart,
    Table,
    bar_table,
    in_unit,
    interval_bars,
)
from mapper.report.comparison_tables import MEASURES, RATIO, Measure, cards, ratio
from mapper.report.page import render_page
from mapper.report.pareto import accuracy_told, pareto_charts
from targets import Target, target_to_data

Data = Mapping[str, Any]


def render_comparison(answer: Data, targets: Sequence[Target]) -> str:
    """Lay the answer of ``compare`` out as one self-contained page; ``targets`` in its order."""
    charts = [_cost(answer, measure) for measure in MEASURES]
    ways = [_own_way(answer, "energy", "energy_pj", "pJ")]
    ways += [_own_way(answer, "initiation interval", "interval_ns", "ns")]
    ways += [_way_of(index, way) for index, way in enumerate(answer["waterfalls"])]
    pareto = pareto_charts(answer)
    charts += [_ratios(answer), *pareto, *ways]
    return render_page(
        "comparison.html.j2",
        charts=charts,
        answer=answer,
        table=cards(answer),
        ratio_told=RATIO,
        ways=[chart.name for chart in ways],
        pareto=[chart.name for chart in pareto],
        accuracy_told=accuracy_told(answer),
        differences=differences(targets),
    )


def _bar(label: str, value: Mapping[str, float], group: str = "") -> Bar:
    ends = (value["low"], value["nominal"], value["high"])
    return Bar(label=label, low=ends[0], nominal=ends[1], high=ends[2], group=group)


def _cost(answer: Data, measure: Measure) -> Chart:
    found = [_bar(row["target"], measure.of(row)) for row in answer["targets"]]
    bars, unit = in_unit(found, measure.unit)
    return Chart(
        name=measure.name,
        title=f"{measure.name.capitalize()} of each target",
        description="Bars are nominal, lines the interval from low to high component facts.",
        spec=interval_bars(bars, unit=unit, what=measure.name),
        table=bar_table(bars, unit=unit, label="target"),
    )


def _ratios(answer: Data) -> Chart:
    first = answer["targets"][0]
    bars = [
        _bar(row["target"], compared, measure.name)
        for row in answer["targets"]
        for measure in MEASURES
        if (compared := ratio(measure.of(row), measure.of(first))) is not None
    ]
    return Chart(
        name="ratios",
        title=f"Ratios to {first['target']}",
        description=RATIO,
        spec=interval_bars(bars, unit="times", what="ratio"),
        table=bar_table(bars, unit="times", label="target", group="cost"),
    )


def _own_way(answer: Data, name: str, key: str, unit: str) -> Chart:
    """Chart one cost of every target from ``paper`` to ``physical``."""
    found = [
        _exactly(_step(step), step[key], row["target"])
        for row in answer["targets"]
        for step in row["waterfall"]
    ]
    bars, shown = in_unit(found, unit)
    return Chart(
        name=f"waterfall-{name.replace(' ', '-')}",
        title=f"{name.capitalize()} from the preset paper to physical",
        description="After each assumption changed, one at a time; nominal values.",
        spec=interval_bars(bars, unit=shown, what=name),
        table=bar_table(bars, unit=shown, label="after", group="target"),
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


def differences(targets: Sequence[Target]) -> Table:
    """Return every entry of the target files that is not the same in all of them."""
    flat = [dict(_flat(target_to_data(target))) for target in targets]
    keys = dict.fromkeys(key for held in flat for key in held if key != "name")
    found = ((key, *(held.get(key, "not there") for held in flat)) for key in keys)
    differing = [row for row in found if len(set(row[1:])) > 1]
    differing.sort(key=lambda row: row[0] in _PROSE)
    return Table(
        columns=("entry", *(target.name for target in targets)),
        rows=tuple(tuple(" ".join(cell.split()) for cell in row) for row in differing),
    )


def _flat(value: object, path: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _flat(inner, f"{path}[{place}]")
    else:
        yield path, str(value)
