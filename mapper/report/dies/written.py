"""A study of dies as files: a page, data for programs, tables for papers."""

from collections.abc import Iterator

from mapper.report.charts.base import Table
from mapper.report.dies.data import DATA, DiesReport, FirstDie
from mapper.report.dies.page import render_dies
from mapper.report.dies.tables import (
    answer_lines,
    cost_tables,
    effects_of,
    spike_table,
    sweep_tables,
)
from mapper.report.markup import csv_name, csv_table
from mapper.report.study.tables import (
    as_latex,
    as_markdown,
    distribution_table,
    distributions_as_csv,
    effects_as_csv,
    tolerance_table,
    tolerances_as_csv,
)
from mapper.study.statistics import Distribution
from mapper.writing import json_text


def dies_files(told: DiesReport, die: FirstDie) -> dict[str, str]:
    """Return the text of every file, by its name."""
    return {
        "index.html": render_dies(told, die),
        DATA: json_text(told.as_dict()) + "\n",
        "yield.csv": _distributions(told),
        "yield-dies.csv": _dies(told),
        "yield-costs.csv": _costs(told),
        "yield-tolerances.csv": tolerances_as_csv(told.tolerances),
        "yield.md": as_markdown(_tables(told), _note(told)),
        "yield.tex": as_latex(_tables(told), _note(told)),
    }


def _distributions(told: DiesReport) -> str:
    found: dict[tuple[str, ...], Distribution] = {("", ""): told.distribution}
    for swept in told.found.sweeps:
        found |= {(swept.name, repr(value)): held for value, held in swept.points}
    return distributions_as_csv(found, ("setting", "value"), bound=told.require)


def _dies(told: DiesReport) -> str:
    seeds = told.found.plan.seeds
    lines = zip(seeds, told.found.values, strict=True)
    return csv_table(["seed", csv_name(told.found.measured.replace(" ", "_"))], lines)


def _costs(told: DiesReport) -> str:
    costs = told.found.costs
    held = [] if costs is None else [*costs.imperfections, *costs.layers]
    return effects_as_csv(effects_of(held), "what")


def _tables(told: DiesReport) -> Iterator[Table]:
    yield distribution_table(
        {told.chips: told.distribution}, told.quantity, label="chips", bound=told.require
    )
    yield from (held for _, held in sweep_tables(told))
    if told.tolerances:
        yield tolerance_table(told.tolerances, told.quantity)
    yield from (held for _, held in cost_tables(told))
    if told.found.spikes:
        yield spike_table(told)


def _note(told: DiesReport) -> str:
    return " ".join(f"{line}." for line in (*answer_lines(told), *told.warnings))
