"""Fold per-channel scaling into the weights around it."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from mapper.ir.core import FLOAT, Array, Const, Graph, Op
from mapper.ir.network import Scale
from mapper.ir.synapses import Synapse
from passes.base import Pass
from passes.folding.scaled_inputs import with_scaled_inputs
from passes.shared.rewrite import number, pruned, simplest, use_counts
from targets import Target, weight_bits


@dataclass(frozen=True, kw_only=True)
class FoldBatchNorm(Pass):
    """Fold batch norm and other per-channel scaling into the trained weights and bias before it.

    Spikes or codes that a network scales channel by channel (converted networks do) go to the
    weights behind: a crossbar then takes them as they are. Averages of them may come between.
    Weights on a grid of their own go on being on one, or the layer is left to the digital unit.

    Inexact by rounding: the products are rounded to single precision once more. Weights that are
    integers already stay as they are; their scale reaches the neuron's threshold later.
    """

    name: ClassVar[str] = "fold-batch-norm"
    exact: ClassVar[bool] = False

    def run(self, graph: Graph, target: Target) -> Graph:
        uses = use_counts(graph)
        ops: dict[str, Op] = {}
        constants = dict(graph.constants)
        for op in graph.ops:
            before = ops.get(op.x.name) if isinstance(op, Scale) else None
            if isinstance(op, Scale) and isinstance(before, Synapse) and uses[op.x.name] == 1:
                folded = _fold(graph, before, op, constants)
                if folded is not None:
                    del ops[op.x.name]
                    ops[op.result.name] = folded
                    continue
            ops[op.results[0].name] = op
        for op in list(ops.values()):
            if isinstance(op, Synapse):
                bits = weight_bits(target, graph.assignment, op.loc)
                ops |= with_scaled_inputs(graph, op, ops, uses, constants, bits)
        used = {value.name for op in ops.values() for value in op.operands}
        kept = [op for op in ops.values() if not _is_gone(op, used, graph)]
        return pruned(replace(graph, ops=tuple(kept), constants=constants))


def _fold(graph: Graph, synapse: Synapse, scale: Scale, constants: dict[str, Array]) -> Op | None:
    weight = constants[synapse.weight.name]
    factor = _per_channel(number(graph, scale.factor), synapse)
    offset = _per_channel(number(graph, scale.offset), synapse)
    if weight.dtype.kind != "f" or factor is None or offset is None:
        return None
    bias = 0.0 if synapse.bias is None else constants[synapse.bias.name].astype(np.float64)
    matrix = synapse.matrix(weight.astype(np.float64)) * factor
    weight_name, bias_name = f"{scale.result.name}.weight", f"{scale.result.name}.bias"
    constants[weight_name] = synapse.from_matrix(matrix).astype(np.float32)
    constants[bias_name] = (bias * factor + offset).astype(np.float32)
    return replace(
        synapse,
        weight=Const(weight_name),
        bias=Const(bias_name),
        result=replace(scale.result, type=FLOAT),
    )


def _is_gone(op: Op, used: set[str], graph: Graph) -> bool:
    """Say whether a scale of codes was folded into all that read it."""
    outputs = {value.name for value in graph.outputs} | {state.next for state in graph.states}
    return isinstance(op, Scale) and op.result.name not in used | outputs


def _per_channel(table: Array, synapse: Synapse) -> Array | None:
    """Return one number per output channel, or None where the table varies over positions."""
    small = simplest(np.broadcast_to(table, synapse.result.shape))
    channels = synapse.result.shape[0]
    if small.ndim == 0 or small.size == small.shape[0]:
        return np.broadcast_to(small.reshape(-1), (channels,))
    return None
