"""Commands on dies: chips as they come from the fab."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mapper import api
from mapper.cli import tables
from mapper.cli.frame import command, out, report_progress, warn
from mapper.cli.given import Folder, Json, Layout
from mapper.cli.options import Age, Corner, Settings
from mapper.cli.options import Device as DeviceName
from targets.devices import Device, load_device, parse_age, parse_set

Temperature = Annotated[
    float | None, typer.Option(metavar="DEGC", help="Temperature; that of the device's facts.")
]


OF_A_DIE = "4,5,6"
"""The rings of ``verify --die``: engines against the definition."""


def device_at(device: str | None, corner: str | None) -> Device | str | None:
    """Return the device that a user named, at a corner of its facts where one is asked for."""
    if corner is None:
        return device
    if device is None:
        raise typer.BadParameter("--corner goes with --device")
    return load_device(device).at(corner)


def lot_of(
    device: str | None,
    settings: list[str] | None,
    age: str | None,
    temperature: float | None,
    corner: str | None,
) -> dict[str, Any]:
    """Return what a user said of a chip as ``Build.die`` takes it."""
    return {
        "device": device_at(device, corner),
        "settings": dict(map(parse_set, settings or [])),
        "age": None if age is None else parse_age(age),
        "temperature": temperature,
    }


@command("die")
def die(
    folder: Folder,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write the die to.")],
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Which die; of what was not measured.")
    ] = None,
    measured: Annotated[
        list[Path] | None,
        typer.Option("--measured", help="What was measured (.npz, .csv). May be repeated."),
    ] = None,
    device: DeviceName = None,
    corner: Corner = None,
    settings: Settings = None,
    age: Age = None,
    temperature: Temperature = None,
    recording: Annotated[
        Path | None,
        typer.Option("--input", help="Inputs (.npz): how often wordlines are driven."),
    ] = None,
    layout: Layout = None,
    as_json: Json = False,
) -> api.DieSummary:
    """Draw one chip as it comes from the fab: a build of its own, for run, verify and report."""
    if seed is None and not measured:
        raise typer.BadParameter("a die has a --seed, or was --measured")
    lot = lot_of(device, settings, age, temperature, corner)
    report_progress("checking the folder")
    answer = (
        api.load(folder)
        .die(
            seed,
            measured=measured or None,
            **lot,
            inputs=recording,
            layout=layout,
            progress=report_progress,
        )
        .save(output)
        .die_summary
    )
    if not as_json:
        out.print(tables.drawn(answer))
    return answer


@command("calibrate")
def calibrate(
    folder: Annotated[Path, typer.Argument(help="Folder that 'die' wrote.")],
    samples: Annotated[Path, typer.Option("--samples", help="Recordings (.npz) to calibrate on.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder to write the die to.")],
    trim: Annotated[
        bool, typer.Option("--trim", help="Trim references by what was measured of them.")
    ] = False,
    trim_step: Annotated[
        float | None,
        typer.Option(metavar="COUNTS", help="Step of a trim; what the target says if not given."),
    ] = None,
    trim_range: Annotated[
        float | None,
        typer.Option(
            metavar="COUNTS", help="Most that it moves, up or down; what the device says."
        ),
    ] = None,
    biases: Annotated[
        bool, typer.Option("--biases", help="Move biases, by channel and copy.")
    ] = False,
    place: Annotated[
        bool, typer.Option("--place", help="Put rows and columns round faults.")
    ] = False,
    recording: Annotated[
        Path | None,
        typer.Option("--input", help="Recordings (.npz) that take no part, to judge it by."),
    ] = None,
    layout: Layout = None,
    as_json: Json = False,
) -> api.CalibratedDie:
    """Calibrate a known die; without --trim, --biases or --place all that its target can."""
    report_progress("checking the folder")
    answer = (
        api.load(folder)
        .calibrate(
            samples,
            trim=trim or None,
            trim_step=trim_step,
            trim_range=trim_range,
            biases=biases or None,
            place=place or None,
            inputs=recording,
            layout=layout,
            progress=report_progress,
        )
        .saved(output)
    )
    warn(answer.warnings)
    if not as_json:
        out.print(tables.calibrated(answer))
    return answer
