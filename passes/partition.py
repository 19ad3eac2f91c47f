"""Decide where each layer runs: on which macro kind or the digital unit, and in which round."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import networkx as nx
import numpy as np

from mapper.diagnostics import refuse
from mapper.ir.core import Array, Const, Graph, IntType, Op, Span, Value
from mapper.ir.crossbar import CrossbarMvm, Placement
from mapper.ir.infer import infer_types
from mapper.ir.readout import ShiftAndAdd
from mapper.ir.synapses import Synapse
from mapper.ir.units import LayerOp
from passes.base import Pass
from passes.facts import INTEGERS, Fact
from passes.shared.grid import grid_size, layer_spans
from passes.shared.rewrite import dataflow, pruned
from targets import Target, choose_macro


@dataclass(frozen=True, kw_only=True)
class Partition(Pass):
    """Decide where each layer runs: on which macro kind or the digital unit, and in which round.

    A layer goes where the graph's assignment says. One that is left to the compiler goes to the
    first macro kind that accepts its inputs, spikes or codes of so many bits, and to the digital
    unit where there is none. A network
    that comes with its crossbars was divided in training: its other layers stay on the digital
    unit. Layers that feed each other back stay in one round; rounds are filled in execution order.
    """

    name: ClassVar[str] = "partition"
    exact: ClassVar[bool] = True
    needs: ClassVar[tuple[Fact, ...]] = (INTEGERS,)
    refuses: ClassVar[bool] = True

    def run(self, graph: Graph, target: Target) -> Graph:
        constants = dict(graph.constants)
        ops = graph.ops
        if not any(isinstance(op, CrossbarMvm) for op in ops):
            ops = tuple(new for op in ops for new in _assign(op, graph, target, constants))
        if not any(isinstance(op, LayerOp) for op in ops):
            raise refuse(
                "unsupported-on-hardware",
                "the network has no layer with weights",
                loc=graph.name,
                help="crossbars compute sums of weighted inputs; there is nothing for them to do",
            )
        graph = infer_types(pruned(replace(graph, ops=ops, constants=constants)))
        return self._fill_rounds(graph, target)

    def _fill_rounds(self, graph: Graph, target: Target) -> Graph:
        capacity = target.chip.crossbars * target.chip.max_chips
        used, current, rounds = 0, 0, {}
        for group in _loops(graph):
            layers = {i: op for i in group if isinstance(op := graph.ops[i], CrossbarMvm)}
            needed = sum(grid_size(op, graph, target) for op in layers.values())
            if used + needed > capacity and used:
                used, current = 0, current + 1
            if needed > capacity or current >= target.chip.max_rounds:
                raise self._too_many(graph, target, next(iter(layers.values())))
            used += needed
            rounds.update({i: current for i in layers})
        return replace(
            graph, ops=tuple(_in_round(op, rounds.get(i)) for i, op in enumerate(graph.ops))
        )

    def _too_many(self, graph: Graph, target: Target, first: CrossbarMvm) -> Exception:
        layers = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
        needed = sum(grid_size(op, graph, target) for op in layers)
        chip = target.chip
        return refuse(
            "too-many-crossbars",
            f"network needs {needed} crossbars, '{target.name}' has {chip.crossbars} on each of "
            f"{chip.max_chips} chips, in {chip.max_rounds} rounds",
            loc=first.loc,
            help="use a larger target, or fewer weight bits",
        )


def _in_round(op: Op, round: int | None) -> Op:
    if not isinstance(op, CrossbarMvm) or round is None:
        return op
    return replace(op, placement=replace(op.placement, round=round))


def _loops(graph: Graph) -> list[list[int]]:
    """Return the ops grouped by the loops they are in, in execution order."""
    groups = nx.strongly_connected_components(dataflow(graph))
    return sorted((sorted(group) for group in groups), key=lambda group: group[0])


def _assign(op: Op, graph: Graph, target: Target, constants: dict[str, Array]) -> Iterator[Op]:
    if not isinstance(op, Synapse):
        yield op
        return
    assert isinstance(op.x.type, IntType)
    macro = choose_macro(target, graph.assignment, op.loc, op.x.type.bits)
    if macro is None:
        yield op
        return
    name = op.result.name
    matrix = np.ascontiguousarray(op.matrix(constants[op.weight.name]))
    constants[f"{name}.matrix"] = matrix
    groups, outputs = op.group_count, matrix.shape[1]
    partial_sum = Value(f"{name}.partial_sum", op.result.type, (1, 1, 1, *op.result.shape))
    yield CrossbarMvm(
        x=op.x,
        weight=Const(f"{name}.matrix"),
        window=op.window,
        groups=groups,
        rows=(Span(0, matrix.shape[0]),),
        columns=layer_spans(outputs, groups, outputs // groups),
        placement=Placement(macro=macro.name),
        partial_sum=partial_sum,
        loc=op.loc,
    )
    yield ShiftAndAdd(codes=partial_sum, significances=(1,), result=op.result, loc=op.loc)
