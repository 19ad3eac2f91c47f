"""What is active in a run, counted by definition: spikes, driven wordlines, reads.

Every engine that traces a run gives these counts under these names; ``mapper.cost`` weighs them.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from mapper.ir.core import Array, Graph
from mapper.ir.crossbar import CrossbarMvm, driven_wordlines
from mapper.ir.neurons import IntegerNeuron

WORDLINES = ".wordlines"
"""Ends the name of ``[groups, K]``: how often each wordline was driven, over the whole run."""

READS = ".reads"
"""Ends the name of ``[groups, row blocks]``: reads in which any of them was, over the whole run."""


def counted_shapes(graph: Graph) -> Iterator[tuple[str, tuple[int, int] | None]]:
    """Yield the name of each count of a run; ``None`` for ``[T, B]``, else its shape.

    Inputs and spikes of neurons are counted under their names, driven wordlines of crossbars under
    that of their partial sum.
    """
    for value in graph.inputs:
        yield value.name, None
    for op in graph.ops:
        if isinstance(op, CrossbarMvm):
            yield op.partial_sum.name, None
            yield op.partial_sum.name + WORDLINES, (op.groups, op.rows[-1].stop)
            yield op.partial_sum.name + READS, (op.groups, len(op.rows))
        elif isinstance(op, IntegerNeuron) and op.spike is not None:
            yield op.spike.name, None


def watched_values(graph: Graph) -> tuple[str, ...]:
    """Name the values that ``count_activity`` counts in: ``evaluate`` returns them on request."""
    names = [value.name for value in graph.inputs]
    for op in graph.ops:
        if isinstance(op, CrossbarMvm):
            names.append(op.x.name)
        elif isinstance(op, IntegerNeuron) and op.spike is not None:
            names.append(op.spike.name)
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
        if isinstance(op, CrossbarMvm):
            name = op.partial_sum.name
            counts[name], counts[name + WORDLINES], counts[name + READS] = count_driven(
                op, values[op.x.name]
            )
        elif isinstance(op, IntegerNeuron) and op.spike is not None:
            counts[op.spike.name] = _not_zero(values[op.spike.name])
    return counts


def _not_zero(array: Array) -> Array:
    """Return how many elements of ``[T, B, *shape]`` are not zero: ``[T, B]``."""
    counts: Array = np.count_nonzero(array.reshape(*array.shape[:2], -1), axis=2)
    return counts.astype(np.int64)


def count_driven(op: CrossbarMvm, x: Array) -> tuple[Array, Array, Array]:
    """Count what codes ``x[T, B, *shape]`` drive in crossbars.

    A wordline is driven once for each bit plane of the code that is 1, at every output position.

    Returns:
        Driven wordlines by step and sample ``[T, B]``, by wordline ``[groups, K]``, and the reads
        of each row block in which one was driven, ``[groups, row blocks]``.
    """
    totals = np.zeros(x.shape[:2], np.int64)
    wordlines = np.zeros((op.groups, op.rows[-1].stop), np.int64)
    reads = np.zeros((op.groups, len(op.rows)), np.int64)
    for t, codes in enumerate(x):
        driven = driven_wordlines(codes, op)  # [B, planes, groups, K, positions]
        totals[t] = driven.sum(axis=(1, 2, 3, 4))
        wordlines += driven.sum(axis=(0, 1, 4))
        for g, rows in enumerate(op.rows):
            reads[:, g] += driven[:, :, :, rows.slice].any(axis=3).sum(axis=(0, 1, 3))
    return totals, wordlines, reads
