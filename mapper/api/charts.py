"""Figures of a folder: a build's report, or a comparison."""

from collections.abc import Sequence
from pathlib import Path

from mapper.api.figures import Figures, check_drawing, draw_into
from mapper.api.inputs import Progress
from mapper.api.make import load
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
        folder: Of a build, or of a comparison, whose numbers are fixed.
        output: Where to write the figures; not in a build folder.
        activity: Of a build: the path of a trace, or a density.
        steps: Of a build: time steps of an inference, with a density.
        preset: Of a build: what to assume of the chip beyond its target.
        columns: Columns of a paper that a figure is wide, 1 or 2.
        progress: Called with what comes next.

    Raises:
        MappingError: ``missing-extra`` without vl-convert, ``report-output`` where figures would
            change a build, ``compare-inputs`` for an option that a comparison cannot follow, and
            for anything wrong with the files. Nothing is written then.
    """
    check_drawing(output)
    progress("checking the folder")
    if is_comparison(folder):
        given = {"--activity": activity, "--steps": steps, "--preset": preset}
        _refuse_options([name for name, value in given.items() if value is not None])
        sides = read_comparison(folder)
        progress("drawing")
        charts, said = comparison_charts(sides), caption_of(sides)
        return draw_into(output, charts, said, sides.preset, columns, sides.warnings, sides.works)
    return load(folder).figures(
        output,
        activity=activity,
        steps=steps,
        preset=preset or DEFAULT_PRESET,
        columns=columns,
        progress=progress,
    )


def _refuse_options(options: Sequence[str]) -> None:
    if options:
        raise refuse(
            "compare-inputs",
            f"the numbers of a comparison are fixed: {', '.join(options)} would change nothing",
            help="give it to 'spikeloom compare' and draw what that writes",
        )
