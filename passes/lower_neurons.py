"""Put integer neurons on the digital unit."""

from dataclasses import dataclass, fields, replace
from typing import ClassVar

import numpy as np

from mapper.ir.core import Array, Const, Graph, Op
from mapper.ir.hardware import UpdateMembrane
from mapper.ir.neurons import IntegerNeuron
from passes.base import Pass
from passes.facts import INTEGERS, READ, Fact
from passes.shared.rewrite import pruned
from targets import Target


@dataclass(frozen=True, kw_only=True)
class LowerNeurons(Pass):
    """Put integer neurons on the digital unit, which compares with ``>=`` only.

    A neuron that fires above its threshold gets a threshold one higher: for integers the same.
    """

    name: ClassVar[str] = "lower-neurons"
    exact: ClassVar[bool] = True
    needs: ClassVar[tuple[Fact, ...]] = (INTEGERS, READ)

    def run(self, graph: Graph, target: Target) -> Graph:
        constants = dict(graph.constants)
        ops = tuple(_lower(op, constants) for op in graph.ops)
        lowered = replace(graph, ops=ops, constants=constants)
        # Another threshold is in place of one that nothing may refer to any more.
        return lowered if len(constants) == len(graph.constants) else pruned(lowered)


def _lower(op: Op, constants: dict[str, Array]) -> Op:
    if not isinstance(op, IntegerNeuron) or isinstance(op, UpdateMembrane):
        return op
    held = {spec.name: getattr(op, spec.name) for spec in fields(op)}
    if op.strict:
        held |= {"strict": False, "threshold": _raised(op, constants)}
    return UpdateMembrane(**held)


def _raised(op: IntegerNeuron, constants: dict[str, Array]) -> int | Const:
    if not isinstance(op.threshold, Const):
        return op.threshold + 1
    name = f"{op.threshold.name}.reached"
    constants[name] = np.asarray(constants[op.threshold.name] + 1)
    return Const(name)
