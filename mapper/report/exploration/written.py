"""An exploration as files: a page, data for programs, tables for papers."""

import os
from collections.abc import Iterator
from pathlib import Path

from mapper.diagnostics import refuse
from mapper.exploration.designs import DESIGNS
from mapper.report.charts.base import Table
from mapper.report.exploration.data import DATA, ExplorationReport
from mapper.report.exploration.page import exploration_caption, render_exploration
from mapper.report.exploration.told import tables
from mapper.report.markup import csv_name, csv_table
from mapper.report.study.tables import as_latex, as_markdown
from mapper.study import RECORDS
from mapper.writing import json_text

FILES = ("index.html", DATA, "explore.csv", "explore.md", "explore.tex")
"""What is written beside the records and the designs."""


def check_ours(folder: Path) -> None:
    """Refuse a folder in which files of someone else would be replaced.

    One that has records of a study, or the data of an exploration, is of one.

    Raises:
        MappingError: ``output-exists``.
    """
    if folder.exists() and not folder.is_dir():
        raise refuse(
            "output-exists", "this is no folder", loc=str(folder), help="choose another -o"
        )
    if any((folder / name).exists() for name in (RECORDS, DATA)):
        return
    others = [name for name in (*FILES, DESIGNS) if os.path.lexists(folder / name)]
    if others:
        raise refuse(
            "output-exists",
            f"{', '.join(others)} would be replaced, and no exploration wrote this folder",
            loc=str(folder),
            help="move that elsewhere, or choose another -o",
        )


def exploration_files(report: ExplorationReport) -> dict[str, str]:
    """Return the text of every file, by its name."""
    return {
        "index.html": render_exploration(report),
        DATA: json_text(report.found.as_dict()) + "\n",
        "explore.csv": _csv(report),
        "explore.md": as_markdown(_tables(report), exploration_caption(report)),
        "explore.tex": as_latex(_tables(report), exploration_caption(report)),
    }


def _csv(report: ExplorationReport) -> str:
    """Write a row a point, numbers in full; what was not measured is empty."""
    columns = report.found.table
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return csv_table(
        [csv_name(name) for name in columns], ([_cell(v) for v in row] for row in rows)
    )


def _cell(value: object) -> object:
    if isinstance(value, str):
        return csv_name(value)
    return "" if value != value else value  # a number that is none was not measured


def _tables(report: ExplorationReport) -> Iterator[Table]:
    yield from (held for _, held in tables(report.found))
