"""Lay the report out as one self-contained HTML page."""

from dataclasses import replace
from typing import Any

from mapper.cost import filling
from mapper.diagnostics import many
from mapper.ir.text import print_op
from mapper.report.charts.breakdown import pace_of, stage_table, words
from mapper.report.charts.die import BY, difference_table
from mapper.report.charts.floorplan import floorplan_data, floorplan_table
from mapper.report.charts.network import Edge, Node, edges_in_lanes, network_nodes
from mapper.report.charts.timeline import mean_rate
from mapper.report.data import Report
from mapper.report.figures import report_charts
from mapper.report.headline import Headline, headline, short_file, verdict
from mapper.report.names import labels
from mapper.report.numbers import amount, nominal, percent
from mapper.report.page.assumptions import (
    constants_table,
    preset_table,
    references_table,
    target_table,
)
from mapper.report.page.cells import inspector_data
from mapper.report.page.frame import render_page
from mapper.report.page.table import COLUMNS, layer_table
from targets import assignment_toml

SCRIPTS = ("table.js", "floorplan.js", "inspector.js")
ROW = 44
"""Height of a row of the network, in pixels; lines are drawn beside the rows."""

LANE = 14

MAX_OPS = 400
"""Lines of the hardware graph that the page shows."""


def render_report(report: Report, first: Headline | None = None) -> str:
    """Return the page: offline, with scripts of its own only, every name text.

    ``first`` is the report's headline, where it is known.
    """
    names = labels(row.name for row in report.layers)
    nodes = network_nodes(report.graph, report.evidence.trace)
    plan = floorplan_data(report.graph, report.target, report.evidence.trace, names)
    cells = inspector_data(report.graph, names)
    charts = report_charts(report, nodes)
    return render_page(
        "report.html.j2",
        charts=charts,
        data={"floorplan": plan, "inspector": cells},
        scripts=SCRIPTS,
        report=report,
        headline=first or headline(report),
        verdict=verdict(report.evidence),
        model=report.source.get("file", "MODEL"),
        short=short_file,
        network=_network(nodes),
        columns=COLUMNS,
        rows=layer_table(report),
        plan=floorplan_table(plan),
        cells=cells,
        rate=mean_rate(nodes),
        differences=None if report.die is None else difference_table(report.die.layers),
        by=BY,
        stages=stage_table(report.cost),
        swings=[name for name in (chart.name for chart in charts) if name.endswith("-hangs-on")],
        preset=report.preset,
        assumed=preset_table(report.preset),
        facts=target_table(report.target),
        constants=constants_table(report.target),
        references=references_table(report.target, report.preset),
        options=_options(report),
        assigned=_assigned(report),
        text=[print_op(op) for op in report.graph.ops[:MAX_OPS]],
        amount=amount,
        many=many,
        nominal=nominal,
        percent=percent,
        pace_of=pace_of,
        slower=filling(report.cost),
        words=words,
    )


def _options(report: Report) -> str:
    """Return the options of the command that compiles the same, but for recordings."""
    decided = report.graph.assignment
    bits = decided.weight_bits if decided.layers else report.weight_bits
    given = [] if bits is None else [f"--weight-bits {bits}"]
    given += ["--assign assigned.toml"] if decided.layers else []
    given += [f"--pass '{name}'" for name, _, _ in report.passes if "{" in name]
    return "".join(f" {option}" for option in given)


def _assigned(report: Report) -> list[str]:
    """Return the lines of the file of what is decided for single layers."""
    return assignment_toml(replace(report.graph.assignment, weight_bits=None)).splitlines()


# --- network -------------------------------------------------------------------------------


def _network(nodes: tuple[Node, ...]) -> dict[str, Any]:
    """Return the rows of the network and the lines beside them."""
    names = labels(node.name for node in nodes)
    edges = edges_in_lanes(nodes)
    lanes = 1 + max((edge.lane for edge in edges), default=0)
    rates = [node.rate for node in nodes if node.rate is not None]
    return {
        "row": ROW,
        "width": LANE * (lanes + 1),
        "height": ROW * len(nodes),
        "rows": [
            {
                "name": name,
                "node": node,
                "sources": [names[source] for source in node.sources],
                "late": [names[source] for source in node.late],
                "bar": 0.0
                if node.rate is None
                else round(100 * node.rate / max(max(rates), 1e-12), 1),
            }
            for name, node in zip(names, nodes, strict=True)
        ],
        "dots": [ROW * index + ROW // 2 for index in range(len(nodes))],
        "x": LANE * lanes,
        "lines": [{"path": _path(edge, lanes), "late": edge.late} for edge in edges],
    }


def _path(edge: Edge, lanes: int) -> str:
    """Draw a line from row to row: straight in lane 0, else out to its lane and back."""
    x, top, bottom = LANE * lanes, *(ROW * row + ROW // 2 for row in (edge.source, edge.sink))
    if not edge.lane:
        return f"M{x} {top}V{bottom}"
    out, bend = x - LANE * edge.lane, ROW // 2 if bottom > top else -(ROW // 2)
    return f"M{x} {top}Q{out} {top} {out} {top + bend}V{bottom - bend}Q{out} {bottom} {x} {bottom}"
