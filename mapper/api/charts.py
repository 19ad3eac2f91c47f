"""Figures of a folder: a build's report, a comparison, a study of dies, or an exploration."""

from collections.abc import Sequence
from pathlib import Path

from mapper.api.exploration import is_exploration, read_explored
from mapper.api.figures import (
    Figures,
    check_drawing,
    draw_dies,
    draw_exploration,
    draw_into,
)
from mapper.api.inputs import Progress
from mapper.api.make import load
from mapper.api.yields import is_yield, read_yield
from mapper.compare.folder import is_comparison, read_comparison
from mapper.diagnostics import refuse
from mapper.report.comparison.page import caption_of, comparison_charts
from targets import DEFAULT_PRESET


def figures_of(
    folder: Path,
    output: Path,
    *,
    activity: str | None = None,
    steps: int | None = None,
    preset: str | None = None,
    columns: int = 1,
    progress: Progress = lambda text: None,
) -> Figures:
    """Write the charts of a folder as SVG, PNG and PDF, with captions.

    Args:
        folder: Of a build; or of a comparison, a study of dies or an exploration, whose
            numbers are fixed.
        output: Where to write the figures; not in a build folder.
        activity: Of a build: the path of a trace, or a density.
        steps: Of a build: time steps of an inference, with a density.
        preset: Of a build: what to assume of the chip beyond its target.
        columns: Columns of a paper that a figure is wide, 1 or 2.
        progress: Called with what comes next.

    Raises:
        MappingError: ``missing-extra`` without vl-convert, ``report-output`` where figures would
            change a build, ``compare-inputs``, ``yield-inputs`` and ``explore-inputs`` for an
            option that a comparison, a study of dies or an exploration cannot follow, and for
            anything wrong with the files.
            Nothing is written then.
    """
    check_drawing(output)
    progress("checking the folder")
    options = {"--activity": activity, "--steps": steps, "--preset": preset}
    given = [name for name, value in options.items() if value is not None]
    if is_comparison(folder):
        _refuse(given, "compare-inputs", "a comparison", "compare")
        sides = read_comparison(folder)
        progress("drawing")
        charts, said = comparison_charts(sides), caption_of(sides)
        return draw_into(output, charts, said, sides.preset, columns, sides.warnings, sides.works)
    if is_yield(folder):
        _refuse(given, "yield-inputs", "a study of dies", "yield")
        told = read_yield(folder)
        progress("drawing")
        return draw_dies(output, told, columns)
    if is_exploration(folder):
        _refuse(given, "explore-inputs", "an exploration", "explore")
        explored = read_explored(folder)
        progress("drawing")
        return draw_exploration(output, explored, columns)
    return load(folder).figures(
        output,
        activity=activity,
        steps=steps,
        preset=preset or DEFAULT_PRESET,
        columns=columns,
        progress=progress,
    )


def _refuse(options: Sequence[str], code: str, what: str, command: str) -> None:
    if options:
        raise refuse(
            code,
            f"the numbers of {what} are fixed: {', '.join(options)} would change nothing",
            help=f"draw what 'spikeloom {command} -o' writes with other options",
        )
