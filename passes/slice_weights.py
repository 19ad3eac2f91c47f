"""Write each weight on several cells."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from mapper.ir.core import Graph, Op
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.encoding import Encoding
from mapper.ir.infer import infer_types
from mapper.ir.readout import ShiftAndAdd
from passes.base import Pass
from passes.facts import ON_MACROS, Fact
from passes.shared.grid import count_active, encoding_of
from targets import Target


@dataclass(frozen=True, kw_only=True)
class SliceWeights(Pass):
    """Write each weight on several cells: bit-slices in the macro's encoding.

    The shift-and-add weighs the slices by their significance. Offset binary stores
    ``w + 2**(bits-1)``, so the number of active rows times the offset is added back. Exact.
    """

    name: ClassVar[str] = "slice-weights"
    exact: ClassVar[bool] = True
    needs: ClassVar[tuple[Fact, ...]] = (ON_MACROS,)

    def run(self, graph: Graph, target: Target) -> Graph:
        ops: list[Op] = []
        sliced: dict[str, tuple[CrossbarMvm, Encoding]] = {}
        for op in graph.ops:
            if isinstance(op, CrossbarMvm) and op.encoding is None:
                encoding = encoding_of(op, graph, target)
                op = replace(op, encoding=encoding)
                sliced[op.partial_sum.name] = (op, encoding)
            if isinstance(op, ShiftAndAdd) and op.codes.name in sliced:
                ops.extend(_combine(op, *sliced[op.codes.name]))
                continue
            ops.append(op)
        return infer_types(replace(graph, ops=tuple(ops)))


def _combine(op: ShiftAndAdd, layer: CrossbarMvm, encoding: Encoding) -> Iterator[Op]:
    op = replace(op, significances=encoding.significances)
    if not encoding.offset:
        yield op
        return
    counter = count_active(layer)
    yield counter
    yield replace(op, active=counter.active, offset=encoding.offset)
