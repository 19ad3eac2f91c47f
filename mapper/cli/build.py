"""Commands on a build: demo, verify, cost, report."""

from pathlib import Path
from typing import Annotated

import typer

from mapper import api
from mapper.cli import comparing, tables
from mapper.cli.dies import OF_A_DIE, Temperature, lot_of
from mapper.cli.frame import command, out, report_progress, shown, warn
from mapper.cli.given import Folder, Json, Layout
from mapper.cli.options import (
    Age,
    Corner,
    Device,
    Every,
    Nir,
    Preset,
    Settings,
    Steps,
    with_functions,
    with_nir,
)
from mapper.cost import assumed, tornado_lines
from targets import DEFAULT_PRESET


@command("demo")
def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to put the builds.")] = Path(
        "spikeloom-demo"
    ),
    as_json: Json = False,
) -> api.Demo:
    """Map a bundled trained network, verify it on a bundled recording, compare targets."""
    answer = api.run_demo(output, progress=report_progress)
    if not as_json:
        out.print(comparing.demo(answer))
    return answer


@command("verify")
@with_functions("path", "model")
@with_nir
def verify(
    path: Annotated[Path, typer.Argument(help="A model (.onnx, .nir) or a build folder.")],
    recording: Annotated[Path, typer.Option("--input", help="Inputs (.npz); may hold 'labels'.")],
    model: Annotated[
        Path | None, typer.Option(help="For a build folder: its model, for ring 3.")
    ] = None,
    layout: Layout = None,
    die: Annotated[
        int | None, typer.Option(min=0, help="For a build folder: verify the die of this seed.")
    ] = None,
    device: Device = None,
    corner: Corner = None,
    settings: Settings = None,
    age: Age = None,
    temperature: Temperature = None,
    rings: Annotated[
        str | None, typer.Option(help="For a build folder: rings to run, such as 2,4.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="For a build folder: time steps, from the first.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="For a build folder: samples, from the first.")
    ] = None,
    nir: Nir = None,
    as_json: Json = False,
) -> api.Verification:
    """Check a model against ONNX Runtime, or the rings of a build."""
    if die is None and any((device, corner, settings, age, temperature is not None)):
        names = "--device, --corner, --set, --age and --temperature"
        raise typer.BadParameter(f"{names} need --die SEED")
    if path.is_dir():
        report_progress("checking the folder")
        build = api.load(path)
        if die is not None:
            lot = lot_of(device, settings, age, temperature, corner)
            build = build.die(die, **lot, inputs=recording, layout=layout, progress=report_progress)
            rings = rings or OF_A_DIE
        answer = build.verify(
            recording,
            layout=layout,
            model=model,
            nir=nir,
            rings=rings,
            steps=steps,
            samples=samples,
            progress=report_progress,
        )
    elif (rings, steps, samples, die) != (None,) * 4:
        raise typer.BadParameter("--rings, --steps, --samples and --die are for build folders")
    else:
        answer = api.verify_model(path, recording, layout=layout, nir=nir, progress=report_progress)
    warn(answer.warnings)
    if not as_json:
        out.print(tables.verification(answer))
    return answer


@command("cost")
def cost(
    folder: Folder,
    activity: Annotated[
        str | None, typer.Option(help="Trace (.npz) of 'run --trace', or a density 0..1.")
    ] = None,
    steps: Steps = 1,
    preset: Preset = DEFAULT_PRESET,
    every: Every = None,
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Name the constants that move the totals most.")
    ] = False,
    details: Annotated[
        bool, typer.Option("--details", help="List every part of every total, and all counts.")
    ] = False,
    macro: Annotated[
        bool, typer.Option("--macro", help="What macros take, by part, as chips are measured.")
    ] = False,
    as_json: Json = False,
) -> api.Estimate:
    """Estimate energy, latency and area of a build."""
    assumed(preset, every)
    build = api.load(folder)
    answer = build.cost(
        activity, steps=steps, preset=preset, every_ms=every, sensitivity=sensitivity
    )
    warn(answer.warnings)
    if not as_json:
        out.print(tables.headline(answer.headline, answer.notes))
        moved = "\n".join(tornado_lines(answer.sensitivity or ()))
        inside = tables.macros(answer.cost) if macro else ""
        for text in (inside, moved, tables.details(answer.cost) if details else ""):
            print(f"\n{shown(text)}" if text else "", end="\n" if text else "")
    return answer


@command("report")
@with_functions("model")
@with_nir
def report(
    folder: Folder,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Page to write.")] = None,
    recording: Annotated[
        Path | None,
        typer.Option("--input", help="Inputs (.npz) to verify and to count spikes on."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="With --input: the model, for rings 3 and 7.")
    ] = None,
    activity: Annotated[
        str | None, typer.Option(help="Trace (.npz) of 'run --trace', or a density 0..1.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Time steps of an inference, with a density.")
    ] = None,
    every: Every = None,
    layout: Layout = None,
    nir: Nir = None,
    as_json: Json = False,
) -> api.ReportAnswer:
    """Write the report of a build as one offline HTML page."""
    report_progress("checking the folder")
    answer = api.load(folder).report(
        output,
        inputs=recording,
        layout=layout,
        activity=activity,
        steps=steps,
        every_ms=every,
        model=model,
        nir=nir,
        progress=report_progress,
    )
    warn(answer.headline.warnings)
    if not as_json:
        out.print(tables.reported(answer))
    return answer
