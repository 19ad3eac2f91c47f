"""Add what has to be added, once: no adder for bit-slices that make a code, one scale a layer."""

from dataclasses import dataclass, replace
from typing import ClassVar

from mapper.ir.core import INT64, Array, Const, Graph, Op, param
from mapper.ir.merging import makes_code, readouts
from mapper.ir.readout import ShiftAndAdd
from passes.base import Pass
from passes.facts import READ, Fact
from passes.shared.rewrite import pruned
from targets import Target


@dataclass(frozen=True, kw_only=True)
class MergeSums(Pass):
    """Merge bit-slices whose codes make one code, and scale the sum of row blocks once.

    One-bit codes of slices that count 1, 2, 4 and 8 are the bits of a number: wires put it
    together, where adders would add. So are codes of more bits whose slices count as far apart. A
    scale that is the same in every row block is multiplied after their sum, in exact integers:
    what is shifted right and what neurons saturate is the same number. Exact.
    """

    name: ClassVar[str] = "merge-sums"
    exact: ClassVar[bool] = True
    needs: ClassVar[tuple[Fact, ...]] = (READ,)

    def run(self, graph: Graph, target: Target) -> Graph:
        constants = dict(graph.constants)
        reads = readouts(graph)

        def simpler(op: Op) -> Op:
            if not isinstance(op, ShiftAndAdd):
                return op
            read = reads.get(op.codes.name)
            merged = read is not None and makes_code(read, op.significances)
            return replace(op, merged=merged, scale=_shared(op, constants))

        ops = tuple(simpler(op) for op in graph.ops)
        return pruned(replace(graph, ops=ops, constants=constants))


def _shared(op: ShiftAndAdd, constants: dict[str, Array]) -> int | Const:
    """Return the scale without what row blocks or outputs repeat; a new table is added."""
    table = param(constants, op.scale, INT64)
    if not isinstance(op.scale, Const) or (table != table[:1]).any():
        return op.scale
    if (table == table.flat[0]).all():
        return int(table.flat[0])
    if len(table) == 1:
        return op.scale
    name = f"{op.result.name}.scale"
    while name in constants:
        name = f"{name}.shared"
    constants[name] = table[:1]
    return Const(name)
