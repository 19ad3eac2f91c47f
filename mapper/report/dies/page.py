"""The page of ``yield -o``: one file, nothing to fetch."""

from mapper.diagnostics import printable
from mapper.report.charts.base import Chart, Table
from mapper.report.dies.charts import (
    cost_charts,
    distribution,
    fault_charts,
    spike_chart,
    sweep_charts,
)
from mapper.report.dies.data import MEASURED, DiesReport, FirstDie
from mapper.report.dies.tables import answer_lines, die_table, subject_lines
from mapper.report.page.frame import render_page
from mapper.report.references import sources_in_words
from mapper.report.study.tables import SURE, tolerance_table
from mapper.study.statistics import QUANTILES


def dies_charts(told: DiesReport) -> tuple[Chart, ...]:
    """Return the charts of a study of dies in the order of its page, whose faults come after."""
    spikes = (spike_chart(told),) if told.found.spikes else ()
    return (distribution(told), *sweep_charts(told), *cost_charts(told), *spikes)


def dies_caption(told: DiesReport) -> str:
    """Say in a caption which dies are drawn, on what they are run, and where facts are from."""
    dies, recording = map(printable, subject_lines(told))
    ideal = f"ideal chip: {told.found.ideal} {MEASURED[told.found.measured][1]}"
    devices = (f"device {device.name}: {device.provenance}" for device in told.devices)
    said = [f"network {dies}", recording, ideal, *map(printable, devices)]
    sources = sources_in_words(told.works, "Device facts")
    return " ".join((*(f"{text[0].upper()}{text[1:].rstrip('.')}." for text in said), sources))


def render_dies(told: DiesReport, die: FirstDie) -> str:
    """Lay a study of dies out as one self-contained page, with the faults of the first die."""
    charts = (*dies_charts(told), *fault_charts(die))

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
