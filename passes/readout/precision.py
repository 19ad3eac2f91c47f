"""Give rescaled sums fraction bits that the membrane behind them has anyway."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from mapper.ir.core import Graph, Op
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
from passes.shared.rewrite import dataflow

if TYPE_CHECKING:
    import networkx as nx

_MOST = 4
"""Fraction bits of a sum; a sixteenth of a weight step is far below what one bit can tell."""


def finer_sums(graph: Graph, rescaled: set[str]) -> dict[str, int]:
    """Return by how many bits each sum may be finer, and the neuron behind it coarser.

    A sum of one bit a column is multiplied by its scale and shifted right; the bits shifted out
    would be zeros in the membrane. They are kept where the neuron has fraction bits, all its
    inputs are sums named in ``rescaled``, and those go nowhere else.

    Returns:
        By name of a sum, and by name of a neuron's membrane: the number of bits, above 0.
    """
    if not rescaled:
        return {}
    flow = dataflow(graph)
    finer: dict[str, int] = {}
    for i, op in enumerate(graph.ops):
        if not isinstance(op, IntegerNeuron) or not op.fraction_bits:
            continue
        members = set(_behind(graph, flow, i))
        names = {graph.ops[k].results[0].name for k in members}
        sums = {graph.ops[k].results[0].name for k in members if _is_source(graph.ops[k])}
        finer_all = sums <= rescaled and all(_from(names, graph.ops[k]) for k in members)
        if finer_all and _leads_only_to(graph, flow, members, i, names):
            bits = min(op.fraction_bits, _MOST)
            finer |= dict.fromkeys([*sums, op.membrane.name], bits)
    return finer


def _is_source(op: Op) -> bool:
    return CARRIERS.entry(type(op)) is None


def _from(sums: set[str], op: Op) -> bool:
    """Say whether all that an op carries comes from sums: inputs and numbers are not finer."""
    if isinstance(op, ScaledAdd) and op.offset != 0:
        return False
    return _is_source(op) or all(value.name in sums for value in op.operands)


def _behind(graph: Graph, flow: "nx.DiGraph[int]", neuron: int) -> Iterator[int]:
    """Yield the ops that carry a neuron's input, back to what computes it."""
    waiting = [i for i in flow.predecessors(neuron) if _makes_input(graph, i, neuron)]
    while waiting:
        i = waiting.pop()
        yield i
        if not _is_source(graph.ops[i]):
            waiting.extend(flow.predecessors(i))


def _makes_input(graph: Graph, i: int, neuron: int) -> bool:
    op = graph.ops[neuron]
    assert isinstance(op, IntegerNeuron)
    return op.x in graph.ops[i].results


def _leads_only_to(
    graph: Graph, flow: "nx.DiGraph[int]", members: set[int], neuron: int, names: set[str]
) -> bool:
    ends = all(set(flow.successors(i)) <= members | {neuron} for i in members)
    shown = {v.name for v in graph.outputs} | {state.next for state in graph.states}
    return bool(members) and ends and not names & shown


def refined(op: ShiftAndAdd, bits: int) -> ShiftAndAdd:
    """Return the sum with ``bits`` fewer shifted out, or shifted in where there are not as many."""
    assert isinstance(op.scale, int)
    missing = max(0, bits - op.shift)
    return replace(op, scale=op.scale << missing, shift=op.shift + missing - bits)


_COMPUTES = "it computes a sum of its own"
_PRODUCT = "the product of finer factors is finer by more"
_REALS = "real numbers are gone by then"

CARRIERS: OpTable[str] = OpTable(
    what="ops that carry finer sums",
    entries={
        Add: "the sum of finer terms is finer",
        MaxPool2d: "the greatest of finer values is finer",
        Move: "finer values elsewhere",
        ScaledAdd: "the sum of finer terms is finer, but for the floor of its shift",
        SumPool2d: "the sum of finer terms is finer",
    },
    without={
        Concat: "its parts would all have to be finer, and by the same",
        Merge: "spikes are not finer",
        IntegerNeuron: "its spikes are not finer, nor is its membrane",
        MatMul: _PRODUCT,
        Multiply: _PRODUCT,
        CrossbarMvm: _COMPUTES,
        CountActive: _COMPUTES,
        SenseAmpRead: _COMPUTES,
        AdcRead: _COMPUTES,
        ShiftAndAdd: _COMPUTES,
        Synapse: _COMPUTES,
        AvgPool2d: _REALS,
        FakeQuantize: _REALS,
        Neuron: _REALS,
        Scale: _REALS,
    },
)
"""Why the result of an op has the fraction bits that all its operands have."""
