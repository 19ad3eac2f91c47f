"""Turn means into sums, which integers can hold."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar

from mapper.ir.core import Graph, Op
from mapper.ir.infer import settled
from mapper.ir.network import AvgPool2d, Scale, SumPool2d
from passes.base import Pass
from targets import Target


@dataclass(frozen=True, kw_only=True)
class FoldPooling(Pass):
    """Replace each average by a sum and the factor ``1 / area``.

    The sum stays in integers on the digital unit; the factor reaches a threshold later. Inexact by
    rounding alone: a sum times a rounded factor is not always the rounded mean.
    """

    name: ClassVar[str] = "fold-pooling"
    exact: ClassVar[bool] = False
    gone: ClassVar[tuple[type[Op], ...]] = (AvgPool2d,)

    def run(self, graph: Graph, target: Target) -> Graph:
        return replace(graph, ops=tuple(new for op in graph.ops for new in _fold(op)))


def _fold(op: Op) -> Iterator[Op]:
    if not isinstance(op, AvgPool2d):
        yield op
        return
    total = replace(op.result, name=f"{op.result.name}.sum", type=op.x.type)
    pooled = settled(SumPool2d(x=op.x, window=op.window, result=total, loc=op.loc), {})
    yield pooled
    factor = 1.0 / prod(op.window.kernel)
    yield Scale(x=pooled.result, factor=factor, result=op.result, loc=op.loc)
