"""Commands on a model: inspect, compile, export."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from mapper import api
from mapper.build.folder import check_replaceable
from mapper.cli import tables
from mapper.cli.frame import command, out, report_progress, warn
from mapper.cli.given import Json, Layout
from mapper.cli.inspection import InspectionText
from mapper.cli.options import (
    Assign,
    Calibrate,
    Device,
    Model,
    Nir,
    PassSettings,
    SpreadSteps,
    Target,
    WeightBits,
    with_functions,
    with_nir,
)
from mapper.listing import check_pass
from passes import Pass
from passes.options import parse


@command("inspect")
@with_functions("model")
@with_nir
def inspect(
    model: Model,
    target: Annotated[
        str | None,
        typer.Option(help="Also show how many crossbars of this target it takes, or why none."),
    ] = None,
    weight_bits: WeightBits = None,
    assign: Assign = None,
    spread_steps: SpreadSteps = False,
    calibrate: Calibrate = None,
    layout: Layout = None,
    nir: Nir = None,
    as_json: Json = False,
) -> api.Inspection:
    """Show what was recognised in a model: layers, neurons, time form, parameters.

    With a target, what compile would refuse is refused, with every reason at once.
    """
    settings = (weight_bits, assign, spread_steps or None, calibrate, layout)
    if target is None and any(given is not None for given in settings):
        raise typer.BadParameter(
            "--weight-bits, --assign, --spread-steps, --calibrate and --layout need one",
            param_hint="--target",
        )
    answer = api.inspect(
        model,
        target,
        weight_bits=weight_bits,
        assignment=assign,
        spread_steps=spread_steps or None,
        calibrate=calibrate,
        layout=layout,
        nir=nir,
        after=lambda step, graph: report_progress(step.name),
    )
    if not as_json:
        out.print(InspectionText(answer))
    return answer


@command("compile")
@with_functions("model")
@with_nir
def compile_(
    model: Model,
    target: Target,
    output: Annotated[Path, typer.Option("-o", "--output", help="Build folder to write.")],
    device: Device = None,
    weight_bits: WeightBits = None,
    assign: Assign = None,
    spread_steps: SpreadSteps = False,
    calibrate: Calibrate = None,
    layout: Layout = None,
    settings: PassSettings = None,
    print_after: Annotated[
        list[str] | None, typer.Option(metavar="PASS", help="Print the graph after this pass.")
    ] = None,
    stop_after: Annotated[
        str | None, typer.Option(metavar="PASS", help="Print the graph here and write nothing.")
    ] = None,
    nir: Nir = None,
    as_json: Json = False,
) -> api.CompileSummary | None:
    """Map a trained network onto a target and write the build folder."""
    shown = (*(print_after or ()), *((stop_after,) if stop_after else ()))
    for name in shown:
        check_pass(name)
    options = parse(settings or ())
    check_replaceable(output)

    def after(step: Pass, graph: object) -> None:
        report_progress(step.name)
        if step.name in shown:
            print(graph, end="", file=sys.stderr if as_json else sys.stdout)

    build = api.passes_over(
        model,
        target,
        device=device,
        weight_bits=weight_bits,
        assignment=assign,
        spread_steps=spread_steps or None,
        calibrate=calibrate,
        layout=layout,
        options=options,
        nir=nir,
        after=after,
        stop_after=stop_after,
    )
    if build is None:
        return None
    answer = build.save(output).summary
    warn(answer.warnings)
    if not as_json:
        out.print(tables.compiled(answer))
    return answer


@command("export")
@with_functions("model")
@with_nir
def export(
    model: Model,
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write: .onnx or .nir.")],
    nir: Nir = None,
    as_json: Json = False,
) -> api.Export:
    """Write the imported network in canonical form, for other tools."""
    answer = api.export(model, output, nir=nir)
    if not as_json:
        out.print(tables.exported(answer))
    return answer
