"""``spikeloom assign``: the command, and what it prints."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from mapper import api
from mapper.assigning import Assigned
from mapper.assigning.trials import Trains
from mapper.cli.frame import command, out, report_progress, warn
from mapper.cli.given import Json, Layout
from mapper.cli.options import (
    Assign,
    Model,
    Nir,
    Preset,
    Scheduler,
    Target,
    Workers,
    with_functions,
    with_nir,
)
from mapper.cli.told import table
from mapper.diagnostics import printable, refuse
from mapper.report.assigning.told import answer_lines, tables
from mapper.study.schedulers import SERIAL
from mapper.study.sweep import parse_share
from targets import DEFAULT_PRESET, load_target


@command("assign")
@with_functions("model")
@with_nir
def assign(
    model: Model,
    target: Target,
    recording: Annotated[
        Path, typer.Option("--input", help="Recordings (.npz), 16 or more; may hold 'labels'.")
    ],
    keep: Annotated[
        str,
        typer.Option(metavar="SHARE", help="Accuracy that may be lost to the best assignment."),
    ] = "1%",
    by: Annotated[str, typer.Option(metavar="energy|latency|area", help="What is made least.")] = (
        "energy"
    ),
    assign: Assign = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="File (.toml) for the assignment, or folder for it and a page."
        ),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--records", help="Folder for records; goes on there.")
    ] = None,
    train: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:NAME",
            help="Train for each assignment: a function of model and target in a Python module.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of which recordings are for choosing.")] = 0,
    preset: Preset = DEFAULT_PRESET,
    scheduler: Scheduler = SERIAL,
    workers: Workers = None,
    layout: Layout = None,
    nir: Nir = None,
    as_json: Json = False,
) -> api.Assigned:
    """Find the cheapest readout for each layer that keeps the accuracy, and say what each costs."""
    answer = api.assign(
        model,
        target,
        inputs=recording,
        keep=parse_share(keep, "--keep"),
        by=by,
        assignment=assign,
        layout=layout,
        preset=preset,
        output=output,
        folder=folder,
        seed=seed,
        scheduler=scheduler,
        workers=workers,
        train=None if train is None else trainer(train, model, target),
        nir=nir,
        progress=report_progress,
    )
    warn(answer.warnings)
    if not as_json:
        out.print(assigned(answer, output))
    return answer


def trainer(named: str, model: Path, target: str) -> Trains:
    """Return what trains for each assignment, from a function ``MODULE:NAME`` of the user's.

    Raises:
        MappingError: ``bad-option`` where there is no such module, or no such name in it.
    """
    module, colon, name = named.partition(":")
    try:
        function = getattr(import_module(module), name) if colon else None
    except (ImportError, AttributeError, ValueError) as error:
        raise refuse("bad-option", str(error), loc="--train", help=_TRAIN) from error
    if not callable(function):
        raise refuse("bad-option", f"'{named}' is no function", loc="--train", help=_TRAIN)
    made: Trains = function(model, load_target(target))
    return made


_TRAIN = "MODULE:NAME of a function of the model's path and the target, as in docs/how-to/assign.md"


def assigned(answer: Assigned, output: Path | None) -> Group:
    """Write an answer for a terminal."""
    said, picks = answer_lines(answer)
    parts: list[RenderableType] = [Text(printable(said))]
    for title, held in tables(answer):
        parts += [Text(""), table(title, held.columns, held.rows)]
    parts += [Text(""), Text(printable(picks))]
    if output is not None:
        parts.append(Text(printable(f"written: {output}")))
    return Group(*parts)
