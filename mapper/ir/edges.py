"""What travels between the ops of a network: spikes, counts, codes or reals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from mapper.ir.core import SPIKE, FloatType, Graph, IntType, Op, Type, Value
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.hardware import ScaledAdd
from mapper.ir.network import (
    Add,
    AvgPool2d,
    Concat,
    FakeQuantize,
    MaxPool2d,
    Merge,
    Move,
    Scale,
    SumPool2d,
)
from mapper.ir.neurons import IntegerNeuron, Neuron
from mapper.ir.products import MatMul, Multiply
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Synapse
from mapper.ir.tables import OpTable


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
    rule = REALS.entry(type(op))
    if rule is None:
        raise TypeError(f"{op.mnemonic} gives no real numbers: {REALS.reason(type(op))}")
    return rule(op, [known[value.name] for value in op.operands])


_Rule = Callable[[Any, Sequence[Edge]], Edge]


def _grid(op: FakeQuantize, read: Sequence[Edge]) -> Edge:
    return Edge("codes", IntType.spanning(op.low, op.high).bits)


def _mean(op: AvgPool2d, read: Sequence[Edge]) -> Edge:
    """The mean of integers is their sum, which is what the hardware passes on."""
    if read[0].kind not in ("spikes", "counts") or read[0].bits is None:
        return ANALOGUE
    most = op.x.type.max if isinstance(op.x.type, IntType) else (1 << read[0].bits) - 1
    return Edge("counts", IntType.spanning(0, prod(op.window.kernel) * most).bits)


def _scaled(op: Scale, read: Sequence[Edge]) -> Edge:
    """A factor of spikes or codes goes to the weights or the threshold behind them."""
    return read[0] if isinstance(op.x.type, IntType) and op.offset == 0 else ANALOGUE


def _same(op: Op, read: Sequence[Edge]) -> Edge:
    """What is passed on is what was read, where all operands hold the same."""
    return read[0] if len(set(read)) == 1 else ANALOGUE


def _computed(op: Op, read: Sequence[Edge]) -> Edge:
    return ANALOGUE


_INTEGERS = "its results are integers, whose type says what they hold"

REALS: OpTable[_Rule] = OpTable(
    what="edges of real numbers",
    entries={
        FakeQuantize: _grid,
        AvgPool2d: _mean,
        Concat: _same,
        MaxPool2d: _same,
        Scale: _scaled,
        Move: _same,
        Add: _computed,
        MatMul: _computed,
        Multiply: _computed,
        Neuron: _computed,
        SumPool2d: _computed,
        Synapse: _computed,
    },
    without={
        AdcRead: _INTEGERS,
        CountActive: _INTEGERS,
        CrossbarMvm: _INTEGERS,
        IntegerNeuron: _INTEGERS,
        Merge: _INTEGERS,
        ScaledAdd: _INTEGERS,
        SenseAmpRead: _INTEGERS,
        ShiftAndAdd: _INTEGERS,
    },
)
"""What the real numbers that an op writes hold, from what its operands hold."""
