"""The page of ``yield -o``: one file, nothing to fetch."""

from mapper.report.charts.base import Chart, Table
from mapper.report.dies.charts import (
    cost_charts,
    distribution,
    fault_charts,
    spike_chart,
    sweep_charts,
)
from mapper.report.dies.data import DiesReport
from mapper.report.dies.tables import answer_lines, die_table
from mapper.report.page.frame import render_page
from mapper.report.study.tables import SURE, tolerance_table
from mapper.study.statistics import QUANTILES


def dies_charts(told: DiesReport) -> tuple[Chart, ...]:
    """Return every chart of a study of dies, in the order of its page."""
    spikes = (spike_chart(told),) if told.found.spikes else ()
    return (
        distribution(told),
        *sweep_charts(told),
        *cost_charts(told),
        *spikes,
        *fault_charts(told),
    )


def render_dies(told: DiesReport) -> str:
    """Lay a study of dies out as one self-contained page."""
    charts = dies_charts(told)

    def named(*begin: str) -> list[str]:
        return [chart.name for chart in charts if chart.name.startswith(begin)]

    return render_page(
        "dies.html.j2",
        charts=charts,
        told=told,
        lines=tuple(answer_lines(told)),
        sweeps=named("sweep-", "yield-"),
        costs=named("costs-"),
        faults=named("floorplan-"),
        tolerances=tolerance_table(told.tolerances, told.quantity) if told.tolerances else None,
        sure=SURE,
        quantiles=QUANTILES,
        devices=Table(
            columns=("device", "what it is", "does not cover", "nobody verified"),
            rows=tuple(
                (
                    device.name,
                    device.summary,
                    ", ".join(device.not_covered) or "nothing is missing",
                    ", ".join(device.unverified) or "nothing",
                )
                for device in told.devices
            ),
        ),
        dies=die_table(told),
    )
