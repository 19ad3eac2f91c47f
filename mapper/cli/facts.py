"""Commands that list what there is: targets, passes."""

from typing import Annotated, Any

import typer

from mapper import api
from mapper.cli import tables
from mapper.cli.app import command, out
from mapper.cli.options import Json


@command("targets")
def targets(
    name: Annotated[str | None, typer.Argument(help="Show one target, or list of parts.")] = None,
    components: Annotated[
        bool, typer.Option("--components", help="Lists of published parts instead of targets.")
    ] = False,
    node: Annotated[float | None, typer.Option(help="Bring the parts to this node, nm.")] = None,
    voltage: Annotated[float | None, typer.Option(help="And to this supply, V.")] = None,
    as_json: Json = False,
) -> dict[str, Any]:
    """List the targets, or show one; or the published parts that costs are taken from."""
    if components:
        answer = api.show_components(name, node_nm=node, voltage_v=voltage)
    else:
        answer = api.show_targets(name)
    if not as_json:
        out.print(tables.components(answer) if components else tables.targets(answer))
    return answer


@command("passes")
def passes(
    name: Annotated[str | None, typer.Argument(help="Show one pass.")] = None,
    as_json: Json = False,
) -> dict[str, Any]:
    """List the passes in the order they run, or show one."""
    answer = api.show_passes(name)
    if not as_json:
        out.print(tables.passes(answer))
    return answer
