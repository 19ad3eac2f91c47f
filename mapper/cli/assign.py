"""``spikeloom assign``: the command, and what it prints."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from mapper import api
from mapper.assigning import Assigned, Tried
from mapper.assigning.trials import Trains
from mapper.cli.app import command, out, report_progress, warn
from mapper.cli.options import (
    Assign,
    Json,
    Layout,
    Model,
    Nir,
    Preset,
    Scheduler,
    Target,
    Workers,
    with_functions,
    with_nir,
)
from mapper.cli.tables import table
from mapper.diagnostics import many, printable, refuse
from mapper.proportions import Score
from mapper.report.numbers import nominal as with_unit
from mapper.study.schedulers import SERIAL
from mapper.study.statistics import Difference
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
        Path | None, typer.Option("-o", "--output", help="File (.toml) for the assignment.")
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
    held = len(answer.chosen.right)
    parts: list[RenderableType] = [
        Text(
            printable(
                f"{answer.network} on {answer.target}: {answer.tried} assignments were measured on "
                f"{many(answer.searched, 'recording')}, what follows is of {held} others"
            )
        ),
        Text(""),
        table("accuracy and cost", _HEADS, _rows(answer)),
        Text(""),
        table("what each step bought", _STEPS, _steps(answer)),
        Text(""),
        table(
            f"each layer alone, all others on the finest, on the {answer.searched} recordings",
            _SINGLES,
            _singles(answer),
        ),
        Text(""),
        Text(printable(f"{_changed(answer)}")),
    ]
    if output is not None:
        parts.append(Text(printable(f"written: {output}")))
    return Group(*parts)


_HEADS = ("assignment", "accuracy", "points to the best", "95 %", "energy", "latency", "area")
_STEPS = ("layer", "from", "to", "energy saved", "latency saved", "points", "95 %")
_SINGLES = ("layer", "macro", "energy saved", "points", "95 %")


def _rows(answer: Assigned) -> Iterator[tuple[str, ...]]:
    yield _row("chosen", answer.chosen, answer)
    yield _row("best", answer.best, answer)
    for name, tried in answer.uniform.items():
        yield _row(f"all {name}", tried, answer)


def _row(name: str, tried: Tried, answer: Assigned) -> tuple[str, ...]:
    score: Score = tried.score
    return (
        name,
        f"{100 * score.share:.1f} %",
        *_points(tried.lost_to(answer.best)),
        with_unit(tried.energy_pj.nominal, "pJ"),
        with_unit(tried.latency_ns.nominal, "ns"),
        with_unit(tried.area_um2.nominal, "um2"),
    )


def _steps(answer: Assigned) -> Iterator[tuple[str, ...]]:
    for step in answer.steps:
        one, other = step.before, step.after
        yield (
            answer.layers[step.place],
            *step.change,
            _share(one.energy_pj.nominal, other.energy_pj.nominal, answer.finest.energy_pj.nominal),
            _share(
                one.latency_ns.nominal, other.latency_ns.nominal, answer.finest.latency_ns.nominal
            ),
            *_points(step.lost),
        )


def _singles(answer: Assigned) -> Iterator[tuple[str, ...]]:
    for single in answer.singles:
        if single.lost is None:
            yield single.layer, single.macro, single.tried.refused, "", ""
            continue
        best = single.finest.energy_pj.nominal
        yield (
            single.layer,
            single.macro,
            _share(best, single.tried.energy_pj.nominal, best),
            *_points(single.lost),
        )


def _share(before: float, after: float, whole: float) -> str:
    """Say what is saved as a share of what the best readout takes."""
    return f"{100 * (before - after) / whole:.1f} %"


def _points(found: Difference) -> tuple[str, str]:
    ends = found.interval
    shown = "" if ends is None else f"{100 * ends[0]:+.1f} .. {100 * ends[1]:+.1f}"
    return f"{100 * found.mean:+.2f}", shown


def _changed(answer: Assigned) -> str:
    picks = zip(answer.layers, answer.chosen.picks, strict=True)
    return "assigned: " + ", ".join(f"{layer} {macro}" for layer, macro in picks)
