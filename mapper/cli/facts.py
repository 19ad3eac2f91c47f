"""Commands that list what there is: targets, passes."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mapper import api
from mapper.cli import tables
from mapper.cli.app import app, command, out
from mapper.cli.options import Json


class _Targets(TyperGroup):
    """``targets new`` writes a file; whatever else follows ``targets`` is for listing."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args if args[:1] == ["new"] else ["list", *args])


targets_app = typer.Typer(
    cls=_Targets,
    help="List the targets, or show one; 'targets new' writes one.",
    add_completion=False,
)
app.add_typer(targets_app, name="targets")


@command("list", targets_app)
def targets(
    name: Annotated[str | None, typer.Argument(help="Show one target, or list of parts.")] = None,
    components: Annotated[
        bool, typer.Option("--components", help="Lists of published parts instead of targets.")
    ] = False,
    toml: Annotated[
        bool, typer.Option("--toml", help="Print the target as a file to start another one from.")
    ] = False,
    node: Annotated[float | None, typer.Option(help="Bring the parts to this node, nm.")] = None,
    voltage: Annotated[float | None, typer.Option(help="And to this supply, V.")] = None,
    as_json: Json = False,
) -> api.TargetList | api.TargetFacts | api.PartLists | api.Parts:
    """List the targets, or show one; or the published parts that costs are taken from.

    'targets new --help' says how a target is written from a few facts.
    """
    if toml and (name is None or components):
        raise typer.BadParameter("name a target to print as a file", param_hint="--toml")
    if components:
        parts = (
            api.parts_there_are()
            if name is None
            else api.parts_of(name, node_nm=node, voltage_v=voltage)
        )
        if not as_json:
            out.print(tables.components(parts))
        return parts
    if name is not None and toml:
        written = api.facts_of_target(name, toml=True)
        if not as_json:
            print(written.toml, end="")
        return written
    answer = api.targets_there_are() if name is None else api.facts_of_target(name)
    if not as_json:
        out.print(tables.targets(answer))
    return answer


@command("passes")
def passes(
    name: Annotated[str | None, typer.Argument(help="Show one pass.")] = None,
    as_json: Json = False,
) -> api.PassList:
    """List the passes in the order they run, or show one."""
    answer = api.passes_there_are(name)
    if not as_json:
        out.print(tables.passes(answer))
    return answer
