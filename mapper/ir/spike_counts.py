"""Which values of an integer graph count spikes, and how far: ``0 .. D``, or ``-1 .. 1``.

A type says how many bits a code has, and a count of 4 takes as many as one of 7. What neurons give,
what is moved, joined, added or multiplied of it, and what waits of it for the next step, are counts
of spikes; codes of inputs and sums of weights are not.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

from mapper.ir.core import INT64, Graph, Op, State, Value, param
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.hardware import ScaledAdd
from mapper.ir.levels import Levels
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

Counts = dict[str, Levels]


def spike_counts(graph: Graph) -> Counts:
    """Return the least and the greatest count, by the name of each value that counts spikes.

    >>> from mapper.ir.core import SPIKE, IntType
    >>> a, b = (Value(name, SPIKE, (2,)) for name in "ab")
    >>> both = Value("both", IntType(2, signed=False), (2,))
    >>> COUNTED.entry(Add)(Add(terms=(a, b), result=both), [Levels(), Levels(high=3)])
    {'both': Levels(low=0, high=4)}
    """
    waiting: Counts = {}
    while True:  # a state counts what it was given, which may be what another state held
        found = _along(graph, waiting)
        states = {s.read.name: _waited(s, found, graph) for s in graph.states if s.next in found}
        if states.keys() == waiting.keys():
            return found
        waiting = states


def _along(graph: Graph, waiting: Mapping[str, Levels]) -> Counts:
    found = dict(waiting)
    for op in graph.ops:
        rule = COUNTED.entry(type(op))
        if rule is None or not all(value.name in found for value in _counted_operands(op)):
            continue
        found.update(rule(op, [found[value.name] for value in _counted_operands(op)]))
    return found


def _counted_operands(op: Op) -> Sequence[Value]:
    """Return the operands that a count is made of: a neuron makes it of its membrane."""
    return () if isinstance(op, IntegerNeuron) else op.operands


def _waited(state: State, found: Counts, graph: Graph) -> Levels:
    start = param(graph.constants, state.initial, INT64)
    given = found[state.next]
    return _levels(min(given.low, int(start.min())), max(given.high, int(start.max())))


def _levels(low: int, high: int) -> Levels:
    return Levels(low=min(low, 0), high=max(high, 1))


def _fired(op: IntegerNeuron, read: Sequence[Levels]) -> Counts:
    return {} if op.spike is None else {op.spike.name: op.levels}


def _hull(op: Op, read: Sequence[Levels]) -> Counts:
    (result,) = op.results
    return {result.name: _levels(min(one.low for one in read), max(one.high for one in read))}


def _joined(op: Merge, read: Sequence[Levels]) -> Counts:
    return {op.result.name: Levels()}


def _added(op: Add, read: Sequence[Levels]) -> Counts:
    return {op.result.name: _levels(sum(one.low for one in read), sum(one.high for one in read))}


def _pooled(op: SumPool2d, read: Sequence[Levels]) -> Counts:
    (one,), size = read, prod(op.window.kernel)
    return {op.result.name: _levels(size * one.low, size * one.high)}


def _product(read: Sequence[Levels], terms: int) -> Levels:
    a, b = read
    ends = [terms * p * q for p in (a.low, a.high) for q in (b.low, b.high)]
    return _levels(min(ends), max(ends))


def _multiplied(op: Multiply, read: Sequence[Levels]) -> Counts:
    return {op.result.name: _product(read, 1)}


def _matrix(op: MatMul, read: Sequence[Levels]) -> Counts:
    return {op.result.name: _product(read, op.length)}


_SUMS = "its results are sums of weights"
_REALS = "its results are real numbers"

COUNTED: OpTable[Callable[[Any, Sequence[Levels]], Counts]] = OpTable(
    what="counts of spikes",
    entries={
        IntegerNeuron: _fired,
        Concat: _hull,
        MaxPool2d: _hull,
        Move: _hull,
        Merge: _joined,
        Add: _added,
        SumPool2d: _pooled,
        Multiply: _multiplied,
        MatMul: _matrix,
    },
    without={
        AdcRead: _SUMS,
        CountActive: _SUMS,
        CrossbarMvm: _SUMS,
        ScaledAdd: _SUMS,
        SenseAmpRead: _SUMS,
        ShiftAndAdd: _SUMS,
        Synapse: _SUMS,
        AvgPool2d: _REALS,
        FakeQuantize: _REALS,
        Neuron: _REALS,
        Scale: _REALS,
    },
)
"""The counts that an op's results hold, by name, from those of its operands."""
