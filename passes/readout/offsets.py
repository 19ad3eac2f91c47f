"""Carry a constant error of a layer's sum to where it can be taken back: a neuron's bias."""

from dataclasses import replace
from math import prod

import numpy as np

from mapper.ir.core import INT64, Array, Coding, Const, Constants, Graph, Op, param
from mapper.ir.hardware import ScaledAdd
from mapper.ir.network import Add, MaxPool2d, Reshape, SumPool2d, Take, Transpose
from mapper.ir.neurons import IntegerNeuron
from passes.integers.meaning import spread
from passes.shared.rewrite import number, simplest

Offsets = dict[str, Array]
"""By value name: what the true value is above the integer, in steps of the integer."""


def carry(op: Op, offsets: Offsets, constants: Constants) -> None:
    """Work out the offset of an op's result; where it cannot be told, there is none."""
    known = [offsets.get(v.name, np.asarray(0.0)) for v in op.operands]
    if not any(offset.any() for offset in known):
        return
    moved = _carried(op, known, constants)
    if moved is not None:
        offsets[op.results[0].name] = simplest(moved)


def _carried(op: Op, known: list[Array], constants: Constants) -> Array | None:
    if isinstance(op, MaxPool2d):
        return known[0]
    if isinstance(op, SumPool2d):
        padded = any(op.window.padding)
        return None if padded else known[0] * prod(op.window.kernel)
    if isinstance(op, Reshape | Take | Transpose):
        return spread(known[0], op.x, op)
    if isinstance(op, Add):
        return np.asarray(sum(known))
    if isinstance(op, ScaledAdd):
        scales = [param(constants, scale, INT64) for scale in op.scales]
        total = sum(s * offset for s, offset in zip(scales, known, strict=True))
        return np.asarray(total) / (1 << op.shift)
    return None


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
