"""Turn means into sums, which integers can hold."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar

from mapper.ir.core import Graph, IntType, Op
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
    area = prod(op.window.kernel)
    type = op.x.type
    if isinstance(type, IntType):
        type = IntType.spanning(min(0, area * type.min), area * type.max)
    total = replace(op.result, name=f"{op.result.name}.sum", type=type)
    yield SumPool2d(x=op.x, window=op.window, result=total, loc=op.loc)
    yield Scale(x=total, factor=1.0 / area, result=op.result, loc=op.loc)
