"""``spikeloom explore``: the command, and what it prints."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from mapper import api
from mapper.cli.frame import command, out, report_progress
from mapper.cli.given import Json, Layout
from mapper.cli.options import Model, Nir, Scheduler, Workers, with_functions, with_nir
from mapper.cli.told import table
from mapper.diagnostics import printable
from mapper.report.exploration.told import answer_lines, tables
from mapper.study.schedulers import SERIAL


@command("explore")
@with_functions("model")
@with_nir
def explore(
    model: Model,
    space: Annotated[Path, typer.Option(help="Space of designs (.toml): axes, objectives.")],
    target: Annotated[
        str | None,
        typer.Option(
            help="Target name, or path of a .toml file; none where the space describes it."
        ),
    ] = None,
    recording: Annotated[
        Path | None,
        typer.Option("--input", help="Inputs (.npz) that set codes and that points are run on."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for records and designs; goes on there."),
    ] = None,
    sampler: Annotated[
        str | None, typer.Option(metavar="grid|random|tpe|nsga2", help="How points are chosen.")
    ] = None,
    points: Annotated[int | None, typer.Option(min=1, help="How many points.")] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Points that are chosen at once.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the sampler.")] = None,
    build: Annotated[
        list[int] | None,
        typer.Option(metavar="POINT", help="Write the design of this point. May be repeated."),
    ] = None,
    scheduler: Scheduler = SERIAL,
    workers: Workers = None,
    layout: Layout = None,
    nir: Nir = None,
    as_json: Json = False,
) -> api.Exploration:
    """Look at many designs: what each costs, and which of them no other beats."""
    if build and output is None:
        raise typer.BadParameter("it needs a folder, -o", param_hint="--build")
    answer = api.explore(
        model,
        space,
        target,
        inputs=recording,
        layout=layout,
        nir=nir,
        sampler=sampler,
        points=points,
        batch=batch,
        seed=seed,
        folder=output,
        build=build or (),
        scheduler=scheduler,
        workers=workers,
        progress=report_progress,
    )
    if not as_json:
        out.print(explored(answer, output, build or ()))
    return answer


_MOST_ROWS = 40
"""Rows of a table that a terminal shows."""


def explored(answer: api.Exploration, folder: Path | None, build: list[int] | tuple[()]) -> Group:
    """Write an answer for a terminal."""
    found = answer.found
    parts: list[RenderableType] = [Text(printable(line)) for line in answer_lines(found)]
    for title, held in tables(found):
        parts += [Text(""), table(title, held.columns, held.rows[:_MOST_ROWS])]
        more = len(held.rows) - _MOST_ROWS
        if more > 0:
            parts.append(Text(f"and {more:,} more, in --json"))
    if folder is not None:
        told = f"what builds each point of the front: {folder}/designs; --json has the commands"
        parts += [Text(""), Text(printable(told))]
    if build:
        parts.append(Text(printable(f"in {folder}:")))
    parts += [Text(printable(found.commands[number])) for number in build]
    return Group(*parts)
