"""Figures for a paper: the charts of a report, a comparison or a study of dies, as files."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapper.build.folder import check_outside
from mapper.diagnostics import printable
from mapper.notebook import html_table
from mapper.report import import_vl_convert, write_figures
from mapper.report.charts.base import Chart
from mapper.report.data import Report
from mapper.report.dies.data import DiesReport
from mapper.report.dies.page import dies_caption, dies_charts
from mapper.report.exploration.charts import exploration_charts
from mapper.report.exploration.data import ExplorationReport
from mapper.report.exploration.page import exploration_caption
from mapper.report.figures import CAPTIONS, draw, figure_charts, report_caption, report_works
from mapper.report.references import FILE as BIBLIOGRAPHY
from targets import Work

SCHEMA = "spikeloom/figures/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFigure:
    """One chart, and the files that show it."""

    name: str
    caption: str
    files: tuple[str, ...]
    """File names in the folder: SVG, PNG, PDF."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Figures:
    """The figures that were written into a folder."""

    folder: str
    preset: str | None
    """What is assumed of the chip; None of dies, which cost nothing."""
    figures: tuple[DrawnFigure, ...]
    captions: str = CAPTIONS
    """File of all captions, in the folder."""
    references: str = BIBLIOGRAPHY
    """File of the works that the numbers come from, in the folder."""
    warnings: tuple[str, ...] = ()
    """What has to be known before a figure is used; the captions say it, too."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom figures``."""
        return {
            "schema": SCHEMA,
            "folder": self.folder,
            "preset": self.preset,
            "figures": [
                {"name": f.name, "caption": f.caption, "files": list(f.files)} for f in self.figures
            ],
            "captions": self.captions,
            "references": self.references,
            "warnings": list(self.warnings),
        }

    def __repr__(self) -> str:
        return printable(
            f"Figures({len(self.figures)} in {self.folder}, captions in {self.captions})"
        )

    def _repr_html_(self) -> str:
        rows = ((figure.name, ", ".join(figure.files)) for figure in self.figures)
        captions = f"captions: {self.folder}/{self.captions}"
        return html_table("figures", ("figure", "files"), rows, (*self.warnings, captions))


def check_drawing(folder: Path) -> None:
    """Refuse where nothing can be drawn, or not there: before anything is read.

    Raises:
        MappingError: ``missing-extra`` without vl-convert, ``report-output`` where figures would
            change a build.
    """
    import_vl_convert()
    check_outside(folder, "figures")


def draw_report(folder: Path, page: Report, preset: str, columns: int) -> Figures:
    """Draw the charts of a report and write them, with the works that its numbers come from."""
    charts, said = figure_charts(page, columns), report_caption(page)
    return draw_into(folder, charts, said, preset, columns, page.warnings, report_works(page))


def draw_dies(folder: Path, told: DiesReport, columns: int) -> Figures:
    """Draw the charts of a study of dies and write them, with the works its devices come from."""
    charts, said = dies_charts(told), dies_caption(told)
    return draw_into(folder, charts, said, None, columns, told.warnings, told.works)


def draw_exploration(folder: Path, told: ExplorationReport, columns: int) -> Figures:
    """Draw the charts of an exploration and write them."""
    preset = told.found.space.evaluation.preset
    charts, said = exploration_charts(told), exploration_caption(told)
    return draw_into(folder, charts, said, preset, columns)


def draw_into(
    folder: Path,
    charts: Iterable[Chart],
    said: str,
    preset: str | None,
    columns: int,
    warnings: tuple[str, ...] = (),
    works: tuple[Work, ...] = (),
) -> Figures:
    """Draw charts and write them; ``said`` and warnings end the caption of each.

    ``works`` are those that the numbers come from.
    """
    drawn = draw(charts, " ".join([said, *(f"Warning: {text}." for text in warnings)]), columns)
    write_figures(drawn, folder, works)
    return Figures(
        folder=str(folder),
        preset=preset,
        warnings=warnings,
        figures=tuple(
            DrawnFigure(name=f.name, caption=f.caption, files=tuple(f.files)) for f in drawn
        ),
    )
