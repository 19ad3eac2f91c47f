"""Commands for a paper: compare targets, draw figures."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mapper import api, tables
from mapper.cli.app import command, out, report_progress, warn
from mapper.cli.options import (
    Dt,
    Folder,
    Integration,
    Json,
    Library,
    Model,
    Preset,
    ResetTo,
    Steps,
    WeightBits,
)
from mapper.frontend import NirOptions
from targets import DEFAULT_PRESET


@command("compare")
def compare(
    model: Model,
    targets: Annotated[str, typer.Option(help="Targets, separated by commas.")],
    recording: Annotated[
        Path | None, typer.Option("--input", help="Recordings: calibrate, run and measure.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for builds, page and tables."),
    ] = None,
    weight_bits: WeightBits = None,
    dt: Dt = None,
    reset: ResetTo = None,
    integration: Integration = None,
    library: Library = None,
    steps: Steps = 1,
    preset: Preset = DEFAULT_PRESET,
    as_json: Json = False,
) -> dict[str, Any]:
    """Map a network onto several targets and put their costs side by side."""
    names = tuple(name for name in targets.split(",") if name)
    answer = api.compare_model(
        model,
        names,
        recording=recording,
        output=output,
        weight_bits=weight_bits,
        nir=NirOptions(dt=dt, reset=reset, integration=integration, library=library),
        steps=steps,
        preset=preset,
        progress=report_progress,
    )
    warn(answer)
    if not as_json:
        out.print(tables.comparison(answer))
    return answer


@command("figures")
def figures(
    folder: Folder,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the figures.")],
    activity: Annotated[
        str | None, typer.Option(help="Trace (.npz) of 'run --trace', or a density 0..1.")
    ] = None,
    steps: Steps = 1,
    preset: Preset = DEFAULT_PRESET,
    columns: Annotated[
        int, typer.Option(min=1, max=2, help="Columns of a paper that a figure is wide.")
    ] = 1,
    as_json: Json = False,
) -> dict[str, Any]:
    """Draw the charts of the report for a paper: SVG, PNG, PDF and captions."""
    answer = api.figures_of_build(
        folder,
        output,
        activity=activity,
        steps=steps,
        preset=preset,
        columns=columns,
        progress=report_progress,
    )
    if not as_json:
        out.print(tables.figures(answer))
    return answer
