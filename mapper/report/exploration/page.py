"""The page of ``explore -o``: one file, nothing to fetch."""

from typing import Any

from mapper.diagnostics import printable
from mapper.report.charts.base import Table
from mapper.report.exploration.charts import FRONT, exploration_charts
from mapper.report.exploration.chips import HOW_NEAR
from mapper.report.exploration.data import (
    MOST_CLOSER,
    MOST_MOVES,
    ExplorationReport,
    chip_lines,
    fact_lines,
    measured,
    moves,
    state,
)
from mapper.report.exploration.told import (
    answer_lines,
    front_table,
    importance_table,
    point_table,
    refusal_table,
    setting,
)
from mapper.report.page.frame import render_page


def exploration_caption(report: ExplorationReport) -> str:
    """Say in a caption what was explored, and how points were priced."""
    about = f"{report.network} on designs made from {report.target}"
    return " ".join(f"{printable(line)}." for line in (about, *answer_lines(report.found)))


def render_exploration(report: ExplorationReport) -> str:
    """Lay an exploration out as one self-contained page."""
    found, charts = report.found, exploration_charts(report)
    refused = refusal_table(found)
    return render_page(
        "exploration.html.j2",
        charts=charts,
        data={"points": _points(report)},
        scripts=("exploration.js",),
        report=report,
        lines=tuple(answer_lines(found)),
        fronts=[chart.name for chart in charts if chart.name.startswith(FRONT)],
        front=front_table(found),
        refused=refused if refused.rows else None,
        importance=importance_table(found),
        every=point_table(found, report.shown),
        commands=Table(
            columns=("point", "command"),
            rows=tuple((str(number), text) for number, text in found.commands.items()),
        ),
        left_out=len(found.points) - len(report.shown),
        how_near=HOW_NEAR,
        most_moves=MOST_MOVES,
        most_closer=MOST_CLOSER,
    )


def _points(report: ExplorationReport) -> list[dict[str, Any]]:
    """Return what the page says of each point that it shows, as text; the front comes first."""
    known = moves(report)
    front = [point.number for point in report.found.front]
    order = {number: place for place, number in enumerate(front)}
    shown = sorted(report.shown, key=lambda point: order.get(point.number, len(order)))
    return [
        {
            "number": point.number,
            "front": point.number in order,
            "state": printable(state(point, report)),
            "point": [
                [printable(name), printable(setting(at))] for name, at in point.point.items()
            ],
            "measured": [
                [measure.name, measured(measure, point)]
                for measure in report.drawn
                if point.value(measure.key) is not None
            ],
            "command": printable(report.found.commands.get(point.number, "")),
            "chip": [printable(line) for line in _chip(report, point.number)],
            "facts": [printable(line) for line in _facts(report, point.number)],
            "moves": [
                [printable(move.axis), printable(setting(move.to)), move.number, move.told]
                for move in known[point.number]
            ],
        }
        for point in shown
    ]


def _chip(report: ExplorationReport, number: int) -> list[str]:
    held = report.built.get(number)
    return [] if held is None else chip_lines(held)


def _facts(report: ExplorationReport, number: int) -> list[str]:
    held = report.built.get(number)
    return [] if held is None else fact_lines(held)
