"""What is active in a run, counted by definition: spikes, driven wordlines, reads.

Every engine that traces a run gives these counts under these names; ``mapper.cost`` weighs them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mapper.ir.core import Array, Graph
from mapper.ir.crossbar import CountActive, CrossbarMvm, driven_wordlines
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

WORDLINES = ".wordlines"
"""Ends the name of ``[groups, K]``: how often each wordline was driven, over the whole run."""

READS = ".reads"
"""Ends the name of ``[packs, row blocks]``: reads in which any of them was, over the whole run.

A pack is a group, or several that share crossbars and so are read together."""


def counted_shapes(graph: Graph) -> Iterator[tuple[str, tuple[int, int] | None]]:
    """Yield the name of each count of a run; ``None`` for ``[T, B]``, else its shape.

    Inputs and spikes of neurons are counted under their names, driven wordlines of crossbars under
    that of their partial sum.
    """
    for value in graph.inputs:
        yield value.name, None
    for op in graph.ops:
        counted = COUNTED.entry(type(op))
        if counted is not None:
            yield from counted.shapes(op)


def watched_values(graph: Graph) -> tuple[str, ...]:
    """Name the values that ``count_activity`` counts in: ``evaluate`` returns them on request."""
    names = [value.name for value in graph.inputs]
    for op in graph.ops:
        counted = COUNTED.entry(type(op))
        if counted is not None:
            names += counted.watched(op)
    return tuple(dict.fromkeys(names))


def count_activity(graph: Graph, values: Mapping[str, Array]) -> dict[str, Array]:
    """Count what was active in a run.

    Args:
        graph: A hardware graph.
        values: ``[T, B, *shape]`` of every one of ``watched_values``.

    Returns:
        Counts by the names of ``counted_shapes``.
    """
    counts = {value.name: _not_zero(values[value.name]) for value in graph.inputs}
    for op in graph.ops:
        counted = COUNTED.entry(type(op))
        if counted is not None:
            arrays = counted.count(op, values)
            names = (name for name, _ in counted.shapes(op))
            counts.update(zip(names, arrays, strict=True))
    return counts


def _not_zero(array: Array) -> Array:
    """Return how many elements of ``[T, B, *shape]`` are not zero: ``[T, B]``."""
    counts: Array = np.count_nonzero(array.reshape(*array.shape[:2], -1), axis=2)
    return counts.astype(np.int64)


def count_driven(op: CrossbarMvm, x: Array) -> tuple[Array, Array, Array]:
    """Count what codes ``x[T, B, *shape]`` drive in crossbars.

    A wordline is driven once for each plane of the code that is not 0, whatever it carries, at
    every output position.

    Returns:
        Driven wordlines by step and sample ``[T, B]``, by wordline ``[groups, K]``, and the reads
        of each row block in which one was driven, ``[packs, row blocks]``.
    """
    totals = np.zeros(x.shape[:2], np.int64)
    wordlines = np.zeros((op.groups, op.rows[-1].stop), np.int64)
    reads = np.zeros((op.packs, len(op.rows)), np.int64)
    packs = np.arange(0, op.groups, op.packed)
    for t, codes in enumerate(x):
        driven = driven_wordlines(codes, op) > 0  # [B, planes, groups, K, positions]
        totals[t] = driven.sum(axis=(1, 2, 3, 4))
        wordlines += driven.sum(axis=(0, 1, 4))
        for g, rows in enumerate(op.rows):
            heard = driven[:, :, :, rows.slice].any(axis=3)
            together = np.logical_or.reduceat(heard, packs, axis=2)
            reads[:, g] += together.sum(axis=(0, 1, 3))
    return totals, wordlines, reads


@dataclass(frozen=True, slots=True)
class Counted:
    """What is counted of an op."""

    shapes: Callable[[Any], Sequence[tuple[str, tuple[int, int] | None]]]
    """The name of each count; ``None`` for ``[T, B]``, else its shape."""
    watched: Callable[[Any], Sequence[str]]
    """The values it is counted in."""
    count: Callable[[Any, Mapping[str, Array]], Sequence[Array]]
    """The counts in their order, from those values."""


def _crossbar_shapes(op: CrossbarMvm) -> list[tuple[str, tuple[int, int] | None]]:
    name = op.partial_sum.name
    wordlines, reads = (op.groups, op.rows[-1].stop), (op.packs, len(op.rows))
    return [(name, None), (name + WORDLINES, wordlines), (name + READS, reads)]


def _crossbar_input(op: CrossbarMvm) -> list[str]:
    return [op.x.name]


def _crossbar_counts(op: CrossbarMvm, values: Mapping[str, Array]) -> Sequence[Array]:
    return count_driven(op, values[op.x.name])


def _spike_shapes(op: IntegerNeuron) -> list[tuple[str, tuple[int, int] | None]]:
    return [(name, None) for name in _spikes(op)]


def _spikes(op: IntegerNeuron) -> list[str]:
    return [] if op.spike is None else [op.spike.name]


def _spike_counts(op: IntegerNeuron, values: Mapping[str, Array]) -> Sequence[Array]:
    return [_not_zero(values[name]) for name in _spikes(op)]


_ALIKE = "it does the same, whatever is active"
_REALS = "hardware has no real numbers"

COUNTED: OpTable[Counted] = OpTable(
    what="counts of a run",
    entries={
        CrossbarMvm: Counted(_crossbar_shapes, _crossbar_input, _crossbar_counts),
        IntegerNeuron: Counted(_spike_shapes, _spikes, _spike_counts),
    },
    without={
        CountActive: "its wordlines are those of the crossbars beside it",
        Add: _ALIKE,
        AdcRead: _ALIKE,
        Concat: _ALIKE,
        MatMul: _ALIKE,
        MaxPool2d: _ALIKE,
        Merge: _ALIKE,
        Move: _ALIKE,
        Multiply: _ALIKE,
        ScaledAdd: _ALIKE,
        SenseAmpRead: _ALIKE,
        ShiftAndAdd: _ALIKE,
        SumPool2d: _ALIKE,
        Synapse: _ALIKE,
        AvgPool2d: _REALS,
        FakeQuantize: _REALS,
        Neuron: _REALS,
        Scale: _REALS,
    },
)
"""What is counted of each op of a hardware graph."""
