"""Copy early layers so that they keep pace with the rest of the pipeline."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, prod
from typing import Annotated, ClassVar

from mapper.ir.core import Graph, Op
from mapper.ir.crossbar import CrossbarMvm
from passes.base import Pass
from passes.facts import FITS_BITLINES, FITS_WORDLINES, Fact
from passes.shared.copies import copies_decided
from targets import Target
from targets.fields import Bounds, Count


@dataclass(frozen=True, kw_only=True)
class Replicate(Pass):
    """Copy layers with many output positions, while the chips of a round have room.

    A layer of ``P`` positions reads its crossbars ``P`` times a step. The layer with the most
    positions gets as many copies as bring it down to the fewest of any windowed layer, at most
    ``max_copies``; the others get what keeps pace with it, as more would wait for it. When that
    does not fit, the bound is halved until it does. Copies hold the same weights: no number
    changes.

    ``positions`` sets that pace by hand: no copy reads more positions in a step, if ``max_copies``
    and the chips let it. Fewer than the fewest of any windowed layer copy all of them.

    A layer whose copies are decided in the graph's assignment has these, whatever its pace.
    """

    name: ClassVar[str] = "replicate"
    exact: ClassVar[bool] = True
    needs: ClassVar[tuple[Fact, ...]] = (FITS_WORDLINES, FITS_BITLINES)

    max_copies: Count = 64
    positions: Annotated[int, Bounds(0, 1_000_000)] = 0
    """Of one copy in one step; 0 for the fewest of any windowed layer."""

    def run(self, graph: Graph, target: Target) -> Graph:
        layers = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
        bound = self.max_copies
        while bound > 1 and not fits(graph, target, self._pace(layers, bound)):
            bound //= 2
        copies = _copies(graph, self._pace(layers, bound))
        return replace(graph, ops=tuple(_copied(op, copies) for op in graph.ops))

    def _pace(self, layers: list[CrossbarMvm], bound: int) -> int:
        """Return the positions that one copy reads in a step, at most."""
        positions = [prod(layer.positions) for layer in layers if layer.positions]
        fewest = self.positions or min(positions, default=1)
        return max(fewest, ceil(max(positions, default=1) / bound))


def fits(graph: Graph, target: Target, pace: int) -> bool:
    """Say whether every round has room for the copies of its layers at a pace."""
    layers = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
    copies = _copies(graph, pace)
    capacity = target.chip.crossbars * target.chip.max_chips
    for round in {op.placement.round for op in layers}:
        inside = [op for op in layers if op.placement.round == round]
        if sum(op.crossbars * copies[op.partial_sum.name] for op in inside) > capacity:
            return False
    return True


def _copies(graph: Graph, pace: int) -> dict[str, int]:
    """Return the copies of each layer by its partial sum: as decided, else what keeps pace."""
    layers = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
    keeping = {op.partial_sum.name: ceil(prod(op.positions) / pace) for op in layers}
    return {**keeping, **copies_decided(graph)}


def _copied(op: Op, copies: Mapping[str, int]) -> Op:
    if not isinstance(op, CrossbarMvm):
        return op
    return replace(op, placement=replace(op.placement, copies=copies[op.partial_sum.name]))
