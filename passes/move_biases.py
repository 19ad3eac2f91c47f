"""Move the biases of neurons by what is known of the chip that they are on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import ClassVar

import numpy as np

from mapper.ir.copies import over_positions
from mapper.ir.core import INT64, Array, Const, Graph, Op, param
from mapper.ir.infer import infer_types
from mapper.ir.neurons import IntegerNeuron
from passes.base import Pass
from targets import Target


@dataclass(frozen=True, kw_only=True)
class MoveBiases(Pass):
    """Add to the bias of each neuron, by channel and by copy of the layer in front of it.

    Digital: a bias is a number in memory. A layer of one copy keeps one bias for each channel.
    """

    name: ClassVar[str] = "move-biases"
    exact: ClassVar[bool] = False

    biases: Mapping[str, Array] = field(default_factory=dict, compare=False)
    """``[C, N]`` integers in units of membranes, by the name of a layer's membrane."""

    def run(self, graph: Graph, target: Target) -> Graph:
        constants = dict(graph.constants)
        ops = tuple(self._moved(op, constants) for op in graph.ops)
        return infer_types(replace(graph, ops=ops, constants=constants))

    def _moved(self, op: Op, constants: dict[str, Array]) -> Op:
        if not isinstance(op, IntegerNeuron) or op.membrane_next.name not in self.biases:
            return op
        table = self.biases[op.membrane_next.name].astype(np.int64)
        shape = op.x.shape
        alike = len(table) == 1 or prod(shape[1:]) == 1 or bool((table == table[:1]).all())
        moved = over_positions(table[0] if alike else table, shape[1:], axes=1)
        held = param(constants, op.bias, INT64)
        name = f"{op.membrane_next.name}.moved_bias"
        constants[name] = np.ascontiguousarray(np.asarray(held) + moved)
        return replace(op, bias=Const(name))
