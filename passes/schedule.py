"""Number the stages of the layer pipeline."""

from dataclasses import dataclass, replace
from typing import ClassVar

from mapper.ir.core import Graph
from mapper.ir.crossbar import CrossbarMvm
from passes.base import Pass
from passes.facts import ON_MACROS, Fact
from passes.shared.rewrite import dataflow
from targets import Target


@dataclass(frozen=True, kw_only=True)
class Schedule(Pass):
    """Number the stages of the layer pipeline: a layer runs one stage after its latest source.

    While a stage works on time step ``t``, the one before works on ``t + 1``. Layers on parallel
    branches share a stage. Only the order is set; no number changes.
    """

    name: ClassVar[str] = "schedule"
    exact: ClassVar[bool] = True
    needs: ClassVar[tuple[Fact, ...]] = (ON_MACROS,)

    def run(self, graph: Graph, target: Target) -> Graph:
        flow = dataflow(graph)
        stages: dict[int, int] = {}
        for i, op in enumerate(graph.ops):
            sources = [s for s, _, delayed in flow.in_edges(i, data="delayed") if not delayed]
            reached = max((stages[s] for s in sources), default=-1)
            stages[i] = reached + isinstance(op, CrossbarMvm)
        placed = (
            replace(op, placement=replace(op.placement, stage=stages[i]))
            if isinstance(op, CrossbarMvm)
            else op
            for i, op in enumerate(graph.ops)
        )
        return replace(graph, ops=tuple(placed))
