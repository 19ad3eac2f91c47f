"""Add what has to be added, once: no adder for bit-slices that make a code, one scale a layer."""

from dataclasses import replace
from operator import is_

from mapper.ir.core import INT64, Array, Const, Graph, Op, param
from mapper.ir.merging import makes_code, readouts
from mapper.ir.readout import ShiftAndAdd
from passes.shared.rewrite import pruned, simplest


def with_merged_sums(graph: Graph) -> Graph:
    """Return the graph with every sum as its readout allows it, whatever was merged before."""
    constants = dict(graph.constants)
    reads = readouts(graph)

    def simpler(op: Op) -> Op:
        if not isinstance(op, ShiftAndAdd):
            return op
        read = reads.get(op.codes.name)
        merged = read is not None and makes_code(read, op.significances)
        scale = _shared(op, constants)
        if op.merged is merged and op.scale is scale:
            return op
        return replace(op, merged=merged, scale=scale)

    ops = tuple(simpler(op) for op in graph.ops)
    if all(map(is_, ops, graph.ops)):
        return graph
    return pruned(replace(graph, ops=ops, constants=constants))


def _shared(op: ShiftAndAdd, constants: dict[str, Array]) -> int | Const:
    """Return the scale without what row blocks or outputs repeat; a new table is added.

    A table of ones stays a table: it says that there is a multiplier.
    """
    table = param(constants, op.scale, INT64)
    if not isinstance(op.scale, Const) or (table != table[:1]).any():
        return op.scale
    table = simplest(table[:1]).reshape(1, -1)
    if table.size == 1 and table[0, 0] != 1:
        return int(table[0, 0])
    if table.shape == constants[op.scale.name].shape:
        return op.scale
    name = f"{op.result.name}.scale"
    while name in constants:
        name = f"{name}.shared"
    constants[name] = table
    return Const(name)
