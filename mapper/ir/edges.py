"""What travels between the ops of a network: spikes, counts, codes or reals."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from mapper.ir.core import SPIKE, FloatType, Graph, IntType, Op, Type, Value
from mapper.ir.network import AvgPool2d, Concat, FakeQuantize, MaxPool2d, Reshape, Transpose


def carries(type: Type) -> str:
    """Say in a word what a value holds."""
    if type == SPIKE:
        return "spikes"
    return "analogue values" if isinstance(type, FloatType) else f"integers ({type})"


@dataclass(frozen=True, slots=True)
class Edge:
    """What a value holds, as the hardware sees it."""

    kind: str
    """``spikes``, ``counts``, ``codes`` (a grid of the model), ``input`` or ``analogue``."""
    bits: int | None = None
    """Bit planes; None where the network does not say."""

    def as_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "bits": self.bits}


ANALOGUE = Edge("analogue")
SPIKES = Edge("spikes", 1)
INPUT = Edge("input")
"""Of the network: spikes, or codes whose width recordings tell."""


def edges(graph: Graph) -> Mapping[str, Edge]:
    """Return what every value holds, by name."""
    known = {v.name: INPUT for v in graph.inputs if isinstance(v.type, FloatType)}
    for value in (*graph.inputs, *(state.read for state in graph.states)):
        known.setdefault(value.name, _of_type(value.type))
    for op in graph.ops:
        for value in op.results:
            known[value.name] = _written(op, value, known)
    return known


def _of_type(type: Type) -> Edge:
    if type == SPIKE:
        return SPIKES
    return ANALOGUE if isinstance(type, FloatType) else Edge("counts", type.bits)


def _written(op: Op, result: Value, known: Mapping[str, Edge]) -> Edge:
    if isinstance(result.type, IntType):
        return _of_type(result.type)
    if isinstance(op, FakeQuantize):
        return Edge("codes", IntType.spanning(op.low, op.high).bits)
    read = [known[value.name] for value in op.operands]
    if isinstance(op, AvgPool2d) and isinstance(op.x.type, IntType):
        # The mean of integers is their sum, which is what the hardware passes on.
        return Edge("counts", IntType.spanning(0, prod(op.window.kernel) * op.x.type.max).bits)
    if isinstance(op, Reshape | Transpose | Concat | MaxPool2d) and len(set(read)) == 1:
        return read[0]
    return ANALOGUE
