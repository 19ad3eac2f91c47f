"""Factors of single channels of what a layer reads, taken over by its weights."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from mapper.ir.core import Array, Const, Graph, IntType, Op
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.hardware import ScaledAdd
from mapper.ir.infer import settled
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
from passes.integers.grids import on_grid
from passes.integers.meaning import is_of_channels, spread
from passes.shared.rewrite import number, simplest


def with_scaled_inputs(
    graph: Graph,
    synapse: Synapse,
    ops: Mapping[str, Op],
    uses: Counter[str],
    constants: dict[str, Array],
    bits: int,
) -> dict[str, Op]:
    """Return a layer and what is before it without factors of channels of the codes that it reads.

    Args:
        graph: Has the factors.
        synapse: The layer.
        ops: The ops so far, by result.
        uses: How often each value is read.
        constants: Takes the weights in.
        bits: Of a weight.

    Returns:
        What is another op now, by result; nothing where the weights cannot take the factors over:
        they are alike, differ from place to place, take weights off the grid that they are on, or
        somebody else reads what is scaled.
    """
    path: list[Op] = []
    before = ops.get(synapse.x.name)
    while before is not None and PASSED.entry(type(before)) and uses[before.results[0].name] == 1:
        path.insert(0, before)
        before = ops.get(before.operands[0].name)
    if not isinstance(before, Scale) or not isinstance(before.x.type, IntType):
        return {}
    factor = simplest(number(graph, before.factor))
    if uses[before.result.name] != 1 or not factor.ndim or number(graph, before.offset).any():
        return {}
    read, changed = before.x, dict[str, Op]()
    for op in path:
        rule = PASSED.entry(type(op))
        passed = None if rule is None else rule(op, factor)
        if passed is None:
            return {}
        factor = passed
        moved = settled(replace(op, x=read), {})  # type: ignore[call-arg]
        changed[op.results[0].name], read = moved, moved.results[0]
    if (rows := _by_wordline(np.broadcast_to(factor, read.shape), synapse)) is None:
        return {}
    given = synapse.matrix(constants[synapse.weight.name])
    matrix = (given.astype(np.float64) * rows).astype(np.float32)
    if (on_grid(given, bits) & ~on_grid(matrix, bits)).any():
        return {}
    name = f"{synapse.result.name}.scaled"
    constants[name] = synapse.from_matrix(matrix)
    changed[synapse.result.name] = replace(synapse, x=read, weight=Const(name))
    return changed


def _by_wordline(factor: Array, synapse: Synapse) -> Array | None:
    """Return what scales each weight ``[K, N]``; None where that differs from place to place."""
    channels = factor.reshape(len(factor), -1)
    if (channels != channels[:, :1]).any():
        return None
    window, groups = synapse.window, synapse.group_count
    outputs = synapse.result.shape[0] // groups
    by_output = np.repeat(channels[:, 0].reshape(groups, -1), outputs, axis=0)  # [N, C / groups]
    return np.tile(by_output.T, (1 if window is None else prod(window.kernel), 1))


def _pooled(op: AvgPool2d | SumPool2d, factor: Array) -> Array | None:
    return factor if is_of_channels(factor) else None


def _greatest(op: MaxPool2d, factor: Array) -> Array | None:
    return factor if is_of_channels(factor) and (factor > 0).all() else None


def _moved(op: Move, factor: Array) -> Array | None:
    return spread(factor, op.operands[0], op)


_SEVERAL = "others than the scaled one are in its result"
_STEP = "a scaled value is compared with numbers that stay"
_WEIGHTS = "it mixes channels"
_MAPPED = "nothing is scaled where layers are on crossbars"

PASSED: OpTable[Callable[[Any, Array], Array | None]] = OpTable(
    what="what passes factors of channels on",
    entries={AvgPool2d: _pooled, SumPool2d: _pooled, MaxPool2d: _greatest, Move: _moved},
    without={
        Add: _SEVERAL,
        Concat: _SEVERAL,
        MatMul: _SEVERAL,
        Merge: _SEVERAL,
        Multiply: _SEVERAL,
        FakeQuantize: _STEP,
        Neuron: _STEP,
        Scale: "two factors in a row are one before",
        Synapse: _WEIGHTS,
        AdcRead: _MAPPED,
        CountActive: _MAPPED,
        CrossbarMvm: _MAPPED,
        IntegerNeuron: _MAPPED,
        ScaledAdd: _MAPPED,
        SenseAmpRead: _MAPPED,
        ShiftAndAdd: _MAPPED,
    },
)
"""The factors of an op's result, given those of its operand; None where it has others."""
