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
    the shift-and-add adds up. Integer addition makes this exact.
    """

    name: ClassVar[str] = "tile-rows"
    exact: ClassVar[bool] = True
    needs: ClassVar[tuple[Fact, ...]] = (ON_MACROS,)

    def run(self, graph: Graph, target: Target) -> Graph:
        return infer_types(replace(graph, ops=tuple(_tile(op, target) for op in graph.ops)))


def _tile(op: Op, target: Target) -> Op:
    if not isinstance(op, CrossbarMvm):
        return op
    wordlines = target.macro(op.placement.macro).wordlines
    return replace(op, rows=tuple(part for span in op.rows for part in span.split(wordlines)))
