"""Give every crossbar a physical slot."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import ClassVar

from mapper.ir.core import Graph, Op, Span
from mapper.ir.crossbar import CrossbarMvm
from passes.base import Pass
from passes.facts import FITS_BITLINES, FITS_WORDLINES, Fact
from targets import Target


@dataclass(frozen=True, kw_only=True)
class Place(Pass):
    """Give every crossbar a physical slot: layers side by side in execution order.

    Slot ``s`` of a round is on chip ``s // crossbars`` and there on tile ``s % crossbars //
    crossbars_per_tile``. Within a layer copies come first, then column blocks, then row blocks:
    the partial sums of an output are added along neighbouring crossbars.
    """

    name: ClassVar[str] = "place"
    exact: ClassVar[bool] = True
    needs: ClassVar[tuple[Fact, ...]] = (FITS_WORDLINES, FITS_BITLINES)

    def run(self, graph: Graph, target: Target) -> Graph:
        filled: Counter[int] = Counter()
        return replace(graph, ops=tuple(_place(op, filled) for op in graph.ops))


def _place(op: Op, filled: Counter[int]) -> Op:
    if not isinstance(op, CrossbarMvm):
        return op
    start = filled[op.placement.round]
    stop = start + op.crossbars * op.placement.copies
    filled[op.placement.round] = stop
    return replace(op, placement=replace(op.placement, slots=Span(start, stop)))
