"""How many copies of layers were decided, and whether there can be so many."""

from collections.abc import Iterator
from math import prod

from mapper.diagnostics import Diagnostic, MappingError, many
from mapper.ir.assignment import layer_name
from mapper.ir.core import Graph
from mapper.ir.crossbar import CrossbarMvm


def copies_decided(graph: Graph) -> dict[str, int]:
    """Return the copies of layers on crossbars that the graph's assignment has, by partial sum.

    Raises:
        MappingError: ``copies`` where a layer has fewer output positions than copies, or runs on
            the digital unit.
    """
    layers = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
    if wrong := list(_problems(graph, layers)):
        raise MappingError(wrong)
    wanted = {op.partial_sum.name: graph.assignment.of(op.loc).copies for op in layers}
    return {name: copies for name, copies in wanted.items() if copies is not None}


def _problems(graph: Graph, layers: list[CrossbarMvm]) -> Iterator[Diagnostic]:
    on_crossbars = {layer_name(op.loc): op for op in layers}
    for name, choice in graph.assignment.layers.items():
        if choice.copies is None:
            continue
        op = on_crossbars.get(name)
        asked = many(choice.copies, "copy", "copies")
        if op is None:
            yield Diagnostic(
                code="copies",
                message=f"layer '{name}' runs on the digital unit, {asked} on crossbars are "
                "assigned",
                loc=name,
                help="leave its copies out, or assign it to a macro",
            )
        elif choice.copies > prod(op.positions):
            there = many(prod(op.positions), "output position")
            yield Diagnostic(
                code="copies",
                message=f"layer '{name}' has {there} in a step, {asked} are assigned",
                loc=op.loc,
                help="copies share positions: no more than there are",
            )
