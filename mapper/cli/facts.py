"""Commands that list what there is: targets, devices, passes."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mapper import api
from mapper.cli import tables
from mapper.cli.frame import app, command, out
from mapper.cli.given import Json
from mapper.cli.options import Age, Corner, Settings
from targets.devices import parse_age, parse_set


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


@command("devices")
def devices(
    name: Annotated[
        str | None, typer.Argument(help="Show one device: a name, or the path of a .toml file.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Say what it does on this target, in counts.")
    ] = None,
    corner: Corner = None,
    age: Age = None,
    settings: Settings = None,
    toml: Annotated[
        bool, typer.Option("--toml", help="Print the device as a file to start another one from.")
    ] = False,
    as_json: Json = False,
) -> api.DeviceList | api.DeviceFacts:
    """List the devices, or show all facts of one with their sources."""
    if name is None:
        if target or corner or age or settings or toml:
            raise typer.BadParameter("name a device to say more of", param_hint="NAME")
        listed = api.devices_there_are()
        if not as_json:
            out.print(tables.devices(listed))
        return listed
    answer = api.facts_of_device(
        name,
        target=target,
        corner="nominal" if corner is None else corner,
        age=None if age is None else parse_age(age),
        settings=dict(map(parse_set, settings or [])),
        toml=toml,
    )
    if toml and not as_json:
        print(answer.toml, end="")
    elif not as_json:
        out.print(tables.device(answer))
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
