"""Decide where each layer runs: on which macro kind or the digital unit, and in which round."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mapper.diagnostics import MappingError, refuse
from mapper.ir.assignment import layer_name
from mapper.ir.core import SPIKE, Array, Const, Graph, IntType, Op, Span, Value
from mapper.ir.crossbar import CrossbarMvm, Placement
from mapper.ir.infer import infer_types
from mapper.ir.levels import Levels
from mapper.ir.limits import MOST_BITS
from mapper.ir.readout import ShiftAndAdd
from mapper.ir.spike_counts import spike_counts
from mapper.ir.synapses import Synapse
from mapper.ir.units import LayerOp
from passes.base import Pass
from passes.facts import INTEGERS, Fact
from passes.shared.chips import capacity_of, enough, held, rounds_of, without_room
from passes.shared.copies import copies_decided
from passes.shared.grid import grid_size, layer_spans
from passes.shared.rewrite import dataflow, pruned
from targets import Target, choose_macro


@dataclass(frozen=True, kw_only=True)
class Partition(Pass):
    """Decide where each layer runs: on which macro kind or the digital unit, and in which round.

    A layer goes where the graph's assignment says. One that is left to the compiler goes to the
    first macro kind that accepts its inputs, spikes or codes of so many bits, and to the digital
    unit where there is none. Where the assignment has ``spread_steps``, counts of spikes are read
    in binary steps, which are spikes to a macro. A network
    that comes with its crossbars was divided in training: its other layers stay on the digital
    unit. Layers that feed each other back stay in one round; rounds are filled in execution order,
    with the copies of layers that were decided.
    """

    name: ClassVar[str] = "partition"
    exact: ClassVar[bool] = True
    needs: ClassVar[tuple[Fact, ...]] = (INTEGERS,)
    refuses: ClassVar[bool] = True

    def run(self, graph: Graph, target: Target) -> Graph:
        return self.in_rounds(self.on_macros(graph, target), target)

    def on_macros(self, graph: Graph, target: Target) -> Graph:
        """Put layers on macros; what does not depend on how many crossbars there are."""
        constants = dict(graph.constants)
        ops = graph.ops
        if not any(isinstance(op, CrossbarMvm) for op in ops):
            counts = spike_counts(graph)
            ops = tuple(new for op in ops for new in _assign(op, graph, target, counts, constants))
        if not any(isinstance(op, LayerOp) for op in ops):
            raise refuse(
                "unsupported-on-hardware",
                "the network has no layer with weights",
                loc=graph.name,
                help="crossbars compute sums of weighted inputs; there is nothing for them to do",
            )
        return infer_types(pruned(replace(graph, ops=ops, constants=constants)))

    def warnings(self, graph: Graph, target: Target) -> tuple[str, ...]:
        """Say which layers are to read counts in steps and do not, and why."""
        layers = [op for op in graph.ops if isinstance(op, Synapse) and op.x.type != SPIKE]
        asked = [op for op in layers if graph.assignment.spreads(op.loc)]
        counts = spike_counts(graph) if asked else {}
        reasons = {layer_name(op.loc): _kept_in_planes(op, graph, counts) for op in asked}
        kept = [f"{name}: {reason}" for name, reason in reasons.items() if reason]
        if graph.assignment.spread_steps and not asked:
            return ("no layer reads counts of spikes, so none is read in binary steps",)
        return (f"read in bit planes, not in steps: {'; '.join(kept)}",) if kept else ()

    def in_rounds(self, graph: Graph, target: Target, cut: bool = False) -> Graph:
        """Fill rounds with layers that are on macros; ``cut`` where their rows and columns are."""
        layers = {i: op for i, op in enumerate(graph.ops) if isinstance(op, CrossbarMvm)}
        copies = copies_decided(graph)
        each = {
            i: copies.get(op.partial_sum.name, 1)
            * (op.crossbars if cut else grid_size(op, graph, target))
            for i, op in layers.items()
        }
        if sum(each.values()) <= capacity_of(target.chip):  # there is room for all at once
            return replace(graph, ops=tuple(_in_round(op, 0) for op in graph.ops))
        loops = ([i for i in group if i in layers] for group in _loops(graph))
        groups = [group for group in loops if group]
        needed = [sum(each[i] for i in group) for group in groups]
        rounds = rounds_of(needed, capacity_of(target.chip))
        if (place := without_room(needed, target)) is not None:
            raise _too_many(needed, target, place, [layers[i] for i in groups[place]])
        round_of = {i: round for group, round in zip(groups, rounds, strict=True) for i in group}
        return replace(
            graph, ops=tuple(_in_round(op, round_of.get(i)) for i, op in enumerate(graph.ops))
        )


def _too_many(
    needed: Sequence[int], target: Target, place: int, layers: Sequence[CrossbarMvm]
) -> MappingError:
    """Return the refusal of a network for one group of layers that has no room."""
    names = " and ".join(f"'{layer_name(op.loc)}'" for op in layers)
    one = f"layer {names}" if len(layers) == 1 else f"layers {names}, which feed each other back,"
    if needed[place] > capacity_of(target.chip):
        decides = f"{one} alone need{'s' if len(layers) == 1 else ''} {needed[place]} at once"
    else:
        decides = f"there is no room for {one.rstrip(',')}, of {needed[place]}"
    trained = all(op.encoding is not None for op in layers)
    return refuse(
        "too-many-crossbars",
        f"network needs {sum(needed)} crossbars, '{target.name}' has {held(target)}; {decides}",
        loc=layers[0].loc,
        help=enough(needed, target) + ("" if trained else "; fewer weight bits need fewer"),
    )


def _kept_in_planes(op: Synapse, graph: Graph, counts: Mapping[str, Levels]) -> str:
    """Return why a layer does not read its input in binary steps; empty where it does."""
    if not graph.assignment.spreads(op.loc) or op.x.type == SPIKE:
        return "nobody asked for it"
    if op.x.name not in counts:
        return f"its inputs ({op.x.type}) are codes, and no counts of spikes"
    if (steps := counts[op.x.name].thresholds) > MOST_BITS:
        return f"its inputs count {steps} steps, at most {MOST_BITS} are read"
    return ""


def _in_round(op: Op, round: int | None) -> Op:
    if not isinstance(op, CrossbarMvm) or round in (None, op.placement.round):
        return op
    return replace(op, placement=replace(op.placement, round=round))


def _loops(graph: Graph) -> list[list[int]]:
    """Return the ops grouped by the loops they are in, in execution order."""
    import networkx as nx  # as in passes/shared/rewrite.py

    groups = nx.strongly_connected_components(dataflow(graph))
    return sorted((sorted(group) for group in groups), key=lambda group: group[0])


def _assign(
    op: Op, graph: Graph, target: Target, counts: Mapping[str, Levels], constants: dict[str, Array]
) -> Iterator[Op]:
    if not isinstance(op, Synapse):
        yield op
        return
    assert isinstance(op.x.type, IntType)
    steps = None if _kept_in_planes(op, graph, counts) else counts[op.x.name]
    macro = choose_macro(target, graph.assignment, op.loc, 1 if steps else op.x.type.bits)
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
        plane_bits=1 if steps else macro.plane_bits(op.x),
        steps=steps,
        rows=(Span(0, matrix.shape[0]),),
        columns=layer_spans(outputs, groups, outputs // groups),
        placement=Placement(macro=macro.name),
        partial_sum=partial_sum,
        loc=op.loc,
    )
    yield ShiftAndAdd(codes=partial_sum, significances=(1,), result=op.result, loc=op.loc)
