"""Number the stages of the layer pipeline."""

from dataclasses import dataclass, replace
from typing import ClassVar

from mapper.ir.core import Graph, Op
from mapper.ir.crossbar import CrossbarMvm
from passes.base import Pass
from passes.facts import ON_MACROS, Fact
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
        stages: dict[str, int] = {}  # by value; what comes from outside, or a state, has none
        placed: list[Op] = []
        for op in graph.ops:
            stage = max((stages.get(value.name, -1) for value in op.operands), default=-1)
            if isinstance(op, CrossbarMvm):
                stage += 1
                op = replace(op, placement=replace(op.placement, stage=stage))
            stages.update({value.name: stage for value in op.results})
            placed.append(op)
        return replace(graph, ops=tuple(placed))
