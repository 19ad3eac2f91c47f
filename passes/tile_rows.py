"""Split tall layers over several crossbars."""

from dataclasses import dataclass, replace
from typing import ClassVar

from mapper.ir.core import Graph, Op
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.infer import infer_types
from passes.base import Pass
from passes.facts import ON_MACROS, Fact
from targets import Target


@dataclass(frozen=True, kw_only=True)
class TileRows(Pass):
    """Give each crossbar at most as many inputs as its macro has wordlines.

    A layer of 300 wordlines on a 128-wordline macro becomes three row blocks, whose partial sums
    the shift-and-add adds up. Where only some rows of a crossbar are active at once it holds
    several row blocks, which are read in turns. Integer addition makes this exact.
    """

    name: ClassVar[str] = "tile-rows"
    exact: ClassVar[bool] = True
    needs: ClassVar[tuple[Fact, ...]] = (ON_MACROS,)

    def run(self, graph: Graph, target: Target) -> Graph:
        return infer_types(replace(graph, ops=tuple(_tile(op, target) for op in graph.ops)))


def _tile(op: Op, target: Target) -> Op:
    if not isinstance(op, CrossbarMvm):
        return op
    macro = target.macro(op.placement.macro)
    rows = tuple(part for span in op.rows for part in span.split(macro.block_rows))
    return replace(op, rows=rows, turns=min(macro.turns, len(rows)))
