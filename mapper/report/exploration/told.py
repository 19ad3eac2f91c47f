"""What an exploration found, in words and as tables: for a terminal, a notebook and a page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mapper.diagnostics import many
from mapper.exploration.found import Evaluated, Explored
from mapper.exploration.grid import Value
from mapper.exploration.measures import MEASURES, Measure
from mapper.report.charts.base import Table
from mapper.report.numbers import interval_text, number, percent


def answer_lines(found: Explored) -> list[str]:
    """Say how many points there are, how many may be chosen, and what was not evaluated."""
    looked, left = len(found.points), found.asked - len(found.points)
    lines = [
        f"{many(looked, 'point')} of {found.space.size:,} in the space, by {_sampler(found)}",
        _states(found),
        *_out_of_reach(found),
        f"{many(len(found.front), 'point')} on the front of {', '.join(found.space.objectives)}",
        _activity(found),
    ]
    if left:
        lines.append(f"{many(left, 'point')} not looked at yet: the same call goes on")
    return [
        *lines,
        *([f"not evaluated: {', '.join(found.unmeasured)}"] if found.unmeasured else []),
    ]


def _states(found: Explored) -> str:
    """Say how many points are feasible, and what is the matter with the others."""
    refused = sum(found.refusals.values())
    unknown = sum(not point.measured(found.space) for point in found.points) - refused
    beyond = len(found.points) - len(found.feasible) - unknown - refused
    parts = [
        f"{len(found.feasible):,} feasible",
        f"{beyond:,} beyond a constraint",
        *([f"{unknown:,} without a value of an objective"] if unknown else []),
        f"{refused:,} refused by the compiler",
    ]
    return ", ".join(parts)


def _out_of_reach(found: Explored) -> Iterator[str]:
    """Say of each bound that no point keeps how near the nearest one is."""
    for key, limit in found.space.constraints.items():
        values = [value for p in found.points if (value := p.value(key)) is not None]
        if not values:
            continue
        least, greatest = min(values), max(values)
        if limit.at_least is not None and greatest < limit.at_least:
            yield f"no point has {key} of {limit.at_least:g} or more: the most is {greatest:.4g}"
        if limit.at_most is not None and least > limit.at_most:
            yield f"no point has {key} of {limit.at_most:g} or less: the least is {least:.4g}"


def _activity(found: Explored) -> str:
    """Say at which activity points are priced."""
    if any("spikes" in point.record for point in found.points):
        return (
            f"priced at the activity of each point on {many(found.samples, 'sample')}{_step(found)}"
        )
    how = found.space.evaluation
    shown = f"{percent(how.density)} of input bits set, {many(how.steps, 'time step')}"
    return f"priced at an assumed activity: {shown} an inference"


def _step(found: Explored) -> str:
    """Say what one answer is worth: accuracies that lie nearer are the same."""
    if "accuracy" in found.unmeasured or not found.samples:
        return ""
    return f"; one right answer more is {100 / found.samples:.3g} points of accuracy"


def _sampler(found: Explored) -> str:
    how = found.sampling
    if how.kind == "grid":
        return "grid"
    return f"{how.kind} in batches of {how.batch:,}, seed {how.seed}"


def front_table(found: Explored) -> Table:
    """Write a row a point of the front, from the best of the first objective on."""
    return point_table(found, found.front)


def point_table(found: Explored, points: Sequence[Evaluated]) -> Table:
    """Write a row a point: its number, its place in the space, what was measured."""
    shown = [measure for name, measure in MEASURES.items() if name not in found.unmeasured]
    return Table(
        columns=("point", *found.space.axes, *map(_head, shown)),
        rows=tuple(
            (
                str(point.number),
                *map(setting, point.point.values()),
                *(_cell(measure, point.record) for measure in shown),
            )
            for point in points
        ),
    )


def refusal_table(found: Explored) -> Table:
    """Write a row for each code that the compiler refused points with, with the first reason."""
    first = {point.refused: point for point in reversed(found.points) if point.refused}
    return Table(
        columns=("refused", "points", "as", "why"),
        rows=tuple(
            (code, f"{count:,}", f"point {first[code].number}", str(first[code].record["why"]))
            for code, count in found.refusals.items()
        ),
    )


def importance_table(found: Explored) -> Table:
    """Write a row an axis: the share of the variance of each objective that it explains."""
    return Table(
        columns=("axis", *found.space.objectives),
        rows=tuple(
            (axis, *(_share(found.importance[name][axis]) for name in found.space.objectives))
            for axis in found.space.axes
        ),
    )


def tables(found: Explored) -> Iterator[tuple[str, Table]]:
    """Yield the tables of an answer that have rows, with their titles."""
    for title, table in (
        ("the front", front_table(found)),
        ("what each axis explains of the variance", importance_table(found)),
        ("refused points", refusal_table(found)),
    ):
        if table.rows:
            yield title, table


def _head(measure: Measure) -> str:
    return f"{measure.name} ({measure.unit})" if measure.unit else measure.name


def _cell(measure: Measure, record: Mapping[str, Any]) -> str:
    held = record.get(measure.key)
    if held is None:
        return "-"
    if not measure.ranged:
        return percent(held)
    low, nominal, high = held
    return interval_text(low, nominal, high, "")


def setting(value: Value) -> str:
    """Write the value of an axis: ``64``, ``0.35``, ``sar4``, and ``true`` as files have it."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else number(value, 6)


def _share(share: float | None) -> str:
    if share is None:
        return "too few points"
    return percent(share) if share else "0 %"
