"""Carry a constant error of a layer's sum to where it can be taken back: a neuron's bias."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mapper.ir.core import FLOAT, INT64, Array, Coding, Const, Constants, Graph, Op, param
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
from passes.integers.meaning import is_of_channels, spread
from passes.shared.rewrite import number, simplest

Offsets = dict[str, Array]
"""By value name: what the true value is above the integer, in steps of the integer."""


def carry(op: Op, offsets: Offsets, constants: Constants) -> None:
    """Add the offset of an op's result to ``offsets``, where it can be worked out."""
    known = [offsets.get(v.name, np.asarray(0.0)) for v in op.operands]
    if not any(offset.any() for offset in known):
        return
    rule = CARRIED.entry(type(op))
    carried = None if rule is None else rule(op, known, constants)
    if carried is not None:
        offsets[op.results[0].name] = simplest(carried)


def _max_pool(op: MaxPool2d, known: list[Array], constants: Constants) -> Array | None:
    return known[0] if is_of_channels(known[0]) else None


def _sum_pool(op: SumPool2d, known: list[Array], constants: Constants) -> Array | None:
    reals = replace(op, result=replace(op.result, type=FLOAT))
    return np.asarray(reals.evaluate({}, np.broadcast_to(known[0], (1, *op.x.shape)))[0][0])


def _moved(op: Move, known: list[Array], constants: Constants) -> Array | None:
    return spread(known[0], op.operands[0], op)


def _add(op: Add, known: list[Array], constants: Constants) -> Array | None:
    return np.asarray(sum(known))


def _scaled_add(op: ScaledAdd, known: list[Array], constants: Constants) -> Array | None:
    scales = [param(constants, scale, INT64) for scale in op.scales]
    total = sum(s * offset for s, offset in zip(scales, known, strict=True))
    return np.asarray(total) / (1 << op.shift)


_PRODUCT = "its part of a product depends on the other factor"
_LAYER = "an offset is not followed through weights"
_REALS = "real numbers are gone by then"

CARRIED: OpTable[Callable[[Any, list[Array], Constants], Array | None]] = OpTable(
    what="offsets that are carried",
    entries={
        MaxPool2d: _max_pool,
        SumPool2d: _sum_pool,
        Move: _moved,
        Add: _add,
        ScaledAdd: _scaled_add,
    },
    without={
        Concat: "an offset is not followed into one part of a value",
        IntegerNeuron: "it absorbs the offset into its bias",
        Merge: "spikes have no offset",
        MatMul: _PRODUCT,
        Multiply: _PRODUCT,
        Synapse: _LAYER,
        CrossbarMvm: _LAYER,
        CountActive: _LAYER,
        SenseAmpRead: _LAYER,
        AdcRead: _LAYER,
        ShiftAndAdd: _LAYER,
        AvgPool2d: _REALS,
        FakeQuantize: _REALS,
        Neuron: _REALS,
        Scale: _REALS,
    },
)
"""What the offset of an op's result is, given those of its operands; None where it is lost."""


def absorb(op: IntegerNeuron, offsets: Offsets, constants: dict[str, Array]) -> IntegerNeuron:
    """Return the neuron with its input's offset in its bias, rounded to a membrane step."""
    offset = offsets.get(op.x.name)
    if offset is None:
        return op
    bias = param(constants, op.bias, INT64) + np.rint(offset * (1 << op.fraction_bits))
    small = simplest(np.asarray(bias, np.int64))
    if small.ndim == 0:
        return replace(op, bias=int(small))
    name = f"{op.membrane_next.name}.calibrated_bias"
    constants[name] = small
    return replace(op, bias=Const(name))


def corrected_codings(
    graph: Graph, offsets: Offsets, constants: dict[str, Array]
) -> dict[str, Coding]:
    """Return the graph's codings with the offsets of its outputs added."""
    codings = dict(graph.codings)
    for value in graph.outputs:
        if value.name not in offsets:
            continue
        coding = codings.get(value.name, Coding())
        shift = number(graph, coding.scale) * offsets[value.name]
        total = simplest(np.asarray(number(graph, coding.offset) + shift))
        name = f"{value.name}.calibrated_offset"
        constants[name] = total
        codings[value.name] = replace(coding, offset=Const(name))
    return codings
