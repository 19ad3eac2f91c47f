"""``spikeloom yield``: the command, and what it prints."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from mapper import api
from mapper.cli.dies import device_at
from mapper.cli.frame import command, out, report_progress, warn
from mapper.cli.given import Folder, Json, Layout
from mapper.cli.options import Age, Corner, Device, Scheduler, Settings, Workers
from mapper.cli.told import table
from mapper.diagnostics import printable
from mapper.report.dies.tables import answer_lines, cost_tables, spike_table, sweep_tables
from mapper.study.schedulers import SERIAL
from mapper.study.sweep import parse_share, parse_sweeps
from targets.devices import parse_age, parse_set


@command("yield")
def yield_(
    folder: Folder,
    recording: Annotated[Path, typer.Option("--input", help="Inputs (.npz); may hold 'labels'.")],
    device: Device = None,
    corner: Corner = None,
    settings: Settings = None,
    age: Age = None,
    dies: Annotated[
        int | None,
        typer.Option(min=1, help="Dies, at every point; 200, and 20 for --attribute."),
    ] = None,
    require: Annotated[
        str | None,
        typer.Option(
            metavar="SHARE", help="Accuracy of a good die, as 90%; yield is null without."
        ),
    ] = None,
    sweeps: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep",
            metavar="NAME=START:STOP:COUNT",
            help="Sweep a setting, as cell.sigma=0:0.3:7, or age. May be repeated.",
        ),
    ] = None,
    attribute: Annotated[
        bool, typer.Option("--attribute", help="Say which imperfection and which layer costs what.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for records, page and tables; goes on there."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first die.")] = 0,
    run_seed: Annotated[
        int, typer.Option("--run-seed", min=0, help="Seed of noise from read to read.")
    ] = 0,
    scheduler: Scheduler = SERIAL,
    workers: Workers = None,
    layout: Layout = None,
    as_json: Json = False,
) -> api.Dies:
    """Draw chips as they come from the fab, run each, and say how many are good."""
    bound = None if require is None else parse_share(require, "--require")
    swept = parse_sweeps(sweeps or [])
    replaced = dict(map(parse_set, settings or []))
    seconds = None if age is None else parse_age(age)
    made_of = device_at(device, corner)
    report_progress("checking the folder")
    answer = api.load(folder).dies(
        recording,
        device=made_of,
        settings=replaced,
        age=seconds,
        dies=dies,
        require=bound,
        sweeps=swept,
        attribute=attribute,
        seed=seed,
        run_seed=run_seed,
        layout=layout,
        folder=output,
        scheduler=scheduler,
        workers=workers,
        progress=report_progress,
    )
    warn(answer.warnings)
    if not as_json:
        out.print(yielded(answer))
    return answer


def yielded(answer: api.Dies) -> Group:
    """Write an answer for a terminal."""
    told = answer.told
    parts: list[RenderableType] = [Text(printable(line)) for line in answer_lines(told)]
    for title, held in (
        *sweep_tables(told),
        *cost_tables(told),
        ("spikes that differ from the ideal chip's", spike_table(told)),
    ):
        parts += [Text(""), table(title, held.columns, held.rows)]
    return Group(*parts)
