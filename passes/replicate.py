"""Copy early layers so that they keep pace with the rest of the pipeline."""

from dataclasses import dataclass, replace
from math import ceil, prod
from typing import ClassVar

from mapper.ir.core import Graph, Op
from mapper.ir.crossbar import CrossbarMvm
from passes.base import Pass
from passes.facts import FITS_BITLINES, FITS_WORDLINES, Fact
from targets import Target
from targets.fields import Count


@dataclass(frozen=True, kw_only=True)
class Replicate(Pass):
    """Copy layers with many output positions, while the chips of a round have room.

    A layer of ``P`` positions reads its crossbars ``P`` times a step. The layer with the most
    positions gets as many copies as bring it down to the fewest of any windowed layer, at most
    ``max_copies``; the others get what keeps pace with it, as more would wait for it. When that
    does not fit, the bound is halved until it does. Copies hold the same weights: no number
    changes.
    """

    name: ClassVar[str] = "replicate"
    exact: ClassVar[bool] = True
    needs: ClassVar[tuple[Fact, ...]] = (FITS_WORDLINES, FITS_BITLINES)

    max_copies: Count = 64

    def run(self, graph: Graph, target: Target) -> Graph:
        layers = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
        bound = self.max_copies
        while bound > 1 and not _fits(layers, target, bound):
            bound //= 2
        return replace(graph, ops=tuple(_copied(op, layers, bound) for op in graph.ops))


def _fits(layers: list[CrossbarMvm], target: Target, bound: int) -> bool:
    capacity = target.chip.crossbars * target.chip.max_chips
    for round in {op.placement.round for op in layers}:
        inside = [op for op in layers if op.placement.round == round]
        if sum(op.crossbars * _copies(op, layers, bound) for op in inside) > capacity:
            return False
    return True


def _copies(op: CrossbarMvm, layers: list[CrossbarMvm], bound: int) -> int:
    positions = [prod(layer.positions) for layer in layers if layer.positions]
    pace = max(min(positions, default=1), ceil(max(positions, default=1) / bound))
    return ceil(prod(op.positions) / pace)


def _copied(op: Op, layers: list[CrossbarMvm], bound: int) -> Op:
    if not isinstance(op, CrossbarMvm):
        return op
    copies = _copies(op, layers, bound)
    return replace(op, placement=replace(op.placement, copies=copies))
