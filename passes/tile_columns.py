"""Split wide layers over several crossbars."""

from dataclasses import dataclass, replace
from typing import ClassVar

from mapper.ir.core import Graph, Op
from mapper.ir.crossbar import CrossbarMvm
from passes.base import Pass
from passes.facts import ON_MACROS, Fact
from passes.shared.grid import column_blocks
from targets import Target


@dataclass(frozen=True, kw_only=True)
class TileColumns(Pass):
    """Give each crossbar as many outputs as their bit-slices leave room for on its bitlines.

    All bit-slices of a weight lie side by side on one wordline: 64 bitlines hold 16 outputs of
    4-bit weights in 1-bit cells. Small groups lie on the block diagonal of one crossbar, as many as
    have room: 7 of a 3x3 depthwise layer on 64 wordlines. Which crossbar a column is on changes no
    number.
    """

    name: ClassVar[str] = "tile-columns"
    exact: ClassVar[bool] = True
    needs: ClassVar[tuple[Fact, ...]] = (ON_MACROS,)

    def run(self, graph: Graph, target: Target) -> Graph:
        return replace(graph, ops=tuple(_tile(op, graph, target) for op in graph.ops))


def _tile(op: Op, graph: Graph, target: Target) -> Op:
    if not isinstance(op, CrossbarMvm):
        return op
    return replace(op, columns=column_blocks(op, graph, target))
