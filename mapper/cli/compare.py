"""Commands for a paper: compare targets or builds, draw figures."""

from pathlib import Path
from typing import Annotated

import typer

from mapper import api
from mapper.cli import comparing, tables
from mapper.cli.dies import device_at
from mapper.cli.frame import command, out, report_progress, warn
from mapper.cli.given import Json, Layout
from mapper.cli.options import (
    Age,
    Assign,
    Corner,
    Device,
    Every,
    Model,
    Nir,
    Preset,
    Scheduler,
    Settings,
    SpreadSteps,
    Steps,
    WeightBits,
    Workers,
    with_functions,
    with_nir,
)
from mapper.compare.groups import parse_group
from mapper.report.comparison.energy import AC_PJ, MAC_PJ
from mapper.study.schedulers import SERIAL
from mapper.study.sweep import parse_share
from targets import DEFAULT_PRESET
from targets.devices import parse_age, parse_set


@command("compare")
@with_functions("paths")
@with_nir
def compare(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="MODEL | BUILD...", help="One trained network, or build folders."),
    ] = None,
    targets: Annotated[
        str | None, typer.Option(help="With a model: targets, separated by commas.")
    ] = None,
    recording: Annotated[
        Path | None, typer.Option("--input", help="Recordings: calibrate a model, run and measure.")
    ] = None,
    activity: Annotated[
        str | None,
        typer.Option(help="A density 0..1; of builds also traces (.npz), one each, by commas."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for page and tables, and builds of a model."),
    ] = None,
    iso: Annotated[
        str | None,
        typer.Option(
            metavar="area|throughput|mux",
            help="Also with the same area, time per step or columns a readout as the first.",
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=B1,B2,...",
            help="Average builds of one network on one target, such as seeds; may be given often.",
        ),
    ] = None,
    dies: Annotated[
        int | None,
        typer.Option(min=1, help="Chips as they come from the fab, of each build, on --input."),
    ] = None,
    require: Annotated[
        str | None, typer.Option(metavar="SHARE", help="With --dies: accuracy of a good one.")
    ] = None,
    device: Device = None,
    corner: Corner = None,
    settings: Settings = None,
    age: Age = None,
    scheduler: Scheduler = SERIAL,
    workers: Workers = None,
    weight_bits: WeightBits = None,
    assign: Assign = None,
    spread_steps: SpreadSteps = False,
    steps: Steps = 1,
    preset: Preset = DEFAULT_PRESET,
    every: Every = None,
    layout: Layout = None,
    nir: Nir = None,
    as_json: Json = False,
) -> api.Comparison:
    """Put costs side by side: a network on several targets, or builds that are there."""
    paths = paths or []
    if not paths and not group:
        raise typer.BadParameter("give a model or build folders", param_hint="MODEL | BUILD...")
    if targets is None and len(paths) == 1 and not paths[0].is_dir():
        raise typer.BadParameter("a model needs --targets A,B", param_hint="--targets")
    answer = api.compare_paths(
        tuple(paths),
        api.CompareOptions(
            targets=None if targets is None else tuple(name for name in targets.split(",") if name),
            weight_bits=weight_bits,
            assignment=assign,
            spread_steps=spread_steps or None,
            nir=nir,
            recording=recording,
            layout=layout,
            activity=activity,
            steps=steps,
            preset=preset,
            every_ms=every,
            iso=iso,
            output=output,
            groups=tuple(map(parse_group, group or ())),
            device=device_at(device, corner),
            settings=dict(map(parse_set, settings or [])),
            age=None if age is None else parse_age(age),
            dies=dies,
            require=None if require is None else parse_share(require, "--require"),
            scheduler=scheduler,
            workers=workers,
        ),
        report_progress,
    )
    warn(answer.warnings)
    if not as_json:
        out.print(comparing.comparison(answer))
    return answer


@command("energy-table")
@with_functions("model")
@with_nir
def energy_table(
    model: Model,
    targets: Annotated[str, typer.Option(help="Targets, separated by commas.")],
    recording: Annotated[
        Path | None, typer.Option("--input", help="Recordings: calibrate, run and count spikes.")
    ] = None,
    activity: Annotated[
        float | None, typer.Option(help="A density 0..1, in place of counted spikes.")
    ] = None,
    ac: Annotated[float, typer.Option(metavar="PJ", help="Energy of an accumulation.")] = AC_PJ,
    mac: Annotated[
        float, typer.Option(metavar="PJ", help="Energy of a multiply-accumulate.")
    ] = MAC_PJ,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for Markdown, LaTeX, JSON and references."),
    ] = None,
    weight_bits: WeightBits = None,
    assign: Assign = None,
    spread_steps: SpreadSteps = False,
    steps: Steps = 1,
    preset: Preset = DEFAULT_PRESET,
    layout: Layout = None,
    nir: Nir = None,
    as_json: Json = False,
) -> api.EnergyTable:
    """Energy of operations, of crossbars, and of an ANN on them: the table of SNN papers."""
    answer = api.energy_table(
        model,
        [name for name in targets.split(",") if name],
        inputs=recording,
        layout=layout,
        weight_bits=weight_bits,
        assignment=assign,
        spread_steps=spread_steps or None,
        density=activity,
        steps=steps,
        preset=preset,
        ac_pj=ac,
        mac_pj=mac,
        output=output,
        nir=nir,
        progress=report_progress,
    )
    warn(answer.warnings)
    if not as_json:
        out.print(comparing.energy(answer))
    return answer


@command("figures")
def figures(
    folder: Annotated[Path, typer.Argument(help="Of 'compile', 'compare -o' or 'yield -o'.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the figures.")],
    activity: Annotated[
        str | None, typer.Option(help="Of a build: trace (.npz) of 'run --trace', or a density.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Of a build: time steps of an inference, with a density.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Of a build: paper, physical (the default) or as-built.")
    ] = None,
    columns: Annotated[
        int, typer.Option(min=1, max=2, help="Columns of a paper that a figure is wide.")
    ] = 1,
    as_json: Json = False,
) -> api.Figures:
    """Draw the charts of a report, a comparison or dies for a paper: SVG, PNG, PDF, captions."""
    answer = api.figures_of(
        folder,
        output,
        activity=activity,
        steps=steps,
        preset=preset,
        columns=columns,
        progress=report_progress,
    )
    warn(answer.warnings)
    if not as_json:
        out.print(tables.figures(answer))
    return answer
