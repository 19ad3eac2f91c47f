"""Events of a run, from what the generated executor traced in it."""

from collections.abc import Iterable, Iterator, Mapping
from math import prod

import numpy as np

from mapper.cost.counts import Levels, levels_of
from mapper.cost.events import NOTHING, events_of, full_drive, full_reads
from mapper.cost.model import Activity, Events
from mapper.diagnostics import Diagnostic, MappingError
from mapper.ir.activity import READS, WORDLINES
from mapper.ir.core import Array, Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.neurons import IntegerNeuron
from mapper.ir.units import LayerOp

Trace = Mapping[str, Array]


def measure(graph: Graph, trace: Trace, levels: Levels | None = None) -> Activity:
    """Count the events of a run from its trace, as an engine returns it.

    Args:
        graph: The hardware graph that ran.
        trace: Counts by name.
        levels: Those of the graph's ``Counts``, where they are known.

    Raises:
        MappingError: ``activity-array`` where the trace cannot be one of this graph.
    """
    crossbars = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
    drives = {op.partial_sum.name: full_drive(op) for op in crossbars}
    reads = {op.partial_sum.name: full_reads(op) for op in crossbars}
    most = _most_spikes(graph) | {name: int(full.sum()) for name, full in drives.items()}
    _refuse_any(_array_problems(most, drives, reads, trace))
    lengths = {trace[name].shape: name for name in most}
    _refuse_any(_length_problems(lengths))
    ((steps, samples),) = lengths
    _refuse_any(_drive_problems(drives, steps, samples, trace))
    _refuse_any(_read_problems(crossbars, reads, steps * samples, trace))
    layers = [op for op in graph.ops if isinstance(op, LayerOp)]
    pairs = zip(layers, levels_of(layers, graph) if levels is None else levels, strict=True)
    return Activity(
        steps=steps,
        samples=samples,
        # A graph without weights counts as one layer.
        events=tuple(_measured(op, trace, levels) for op, levels in pairs) or (NOTHING,),
    )


def _measured(op: LayerOp, trace: Trace, levels: Array | None) -> Events:
    if levels is None or not isinstance(op, CrossbarMvm):
        return NOTHING
    driven = trace[op.partial_sum.name + WORDLINES].astype(np.int64)
    heard = trace[op.partial_sum.name + READS].astype(np.int64)
    return events_of(op, driven, heard, levels)


def _most_spikes(graph: Graph) -> dict[str, int]:
    """Return how many spikes each input and each layer of neurons has at most in a time step."""
    neurons = [op.spike for op in graph.ops if isinstance(op, IntegerNeuron)]
    values = [*graph.inputs, *(spike for spike in neurons if spike is not None)]
    return {value.name: prod(value.shape) for value in values}


def _array_problems(
    most: Mapping[str, int],
    drives: Mapping[str, Array],
    reads: Mapping[str, Array],
    trace: Trace,
) -> Iterator[str]:
    """Look at each array by itself."""
    for name, count in most.items():
        if problem := _misfit(name, trace.get(name), ("T", "B")):
            yield problem
        elif (high := int(trace[name].max())) > count:
            yield f"array {name!r} counts {high} in one time step, at most {count} are possible"
    for name in drives:
        for ending, full in ((WORDLINES, drives[name]), (READS, reads[name])):
            if problem := _misfit(name + ending, trace.get(name + ending), full.shape):
                yield problem


def _misfit(name: str, array: Array | None, shape: tuple[int | str, ...]) -> str:
    """Say why an array holds no counts of this shape; a letter stands for one or more."""
    if array is None:
        return f"the trace has no array {name!r}"
    fits = array.ndim == len(shape) and all(
        found >= 1 if isinstance(size, str) else found == size
        for found, size in zip(array.shape, shape, strict=True)
    )
    if not fits:
        expected = ", ".join(map(str, shape))
        return f"array {name!r} is {list(array.shape)}, expected [{expected}]"
    if array.dtype.kind not in "iu":
        return f"array {name!r} holds {array.dtype}, expected integers"
    if (low := int(array.min())) < 0:
        return f"array {name!r} counts {low}, expected 0 or more"
    return ""


def _length_problems(lengths: Mapping[tuple[int, ...], str]) -> Iterator[str]:
    if len(lengths) > 1:
        shown = " and ".join(
            f"{steps}x{samples} ({name!r})" for (steps, samples), name in sorted(lengths.items())
        )
        yield f"the arrays have {shown} time steps and samples"


def _drive_problems(
    drives: Mapping[str, Array], steps: int, samples: int, trace: Trace
) -> Iterator[str]:
    """Compare the two arrays of each crossbar layer, and them with what the grid can do."""
    for name, full in drives.items():
        total, driven = int(trace[name].sum()), trace[name + WORDLINES]
        most = steps * samples * full
        if (driven > most).any():
            group, wordline = np.argwhere(driven > most)[0].tolist()
            yield (
                f"array {name + WORDLINES!r} counts {driven[group, wordline]} at "
                f"[{group}, {wordline}], at most {most[group, wordline]} are possible in "
                f"{steps}x{samples} time steps and samples"
            )
        elif (summed := int(driven.sum())) != total:
            yield (
                f"array {name!r} sums to {total} driven wordlines, {name + WORDLINES!r} to {summed}"
            )


def _read_problems(
    crossbars: Iterable[CrossbarMvm], reads: Mapping[str, Array], runs: int, trace: Trace
) -> Iterator[str]:
    """Compare the reads of each row block with its driven wordlines, and with what can be."""
    for op in crossbars:
        name = op.partial_sum.name
        driven, heard = trace[name + WORDLINES], trace[name + READS]
        starts = [rows.start for rows in op.rows]
        most = np.minimum(runs * reads[name], np.add.reduceat(driven, starts, axis=1))
        least = np.maximum.reduceat(driven, starts, axis=1)
        for group, block in np.argwhere((heard > most) | (heard < least)).tolist():
            yield (
                f"array {name + READS!r} counts {heard[group, block]} at [{group}, {block}], "
                f"its wordlines allow {least[group, block]}..{most[group, block]}"
            )
            break


def _refuse_any(messages: Iterable[str]) -> None:
    help = "record it with run --trace from the same build folder"
    problems = [
        Diagnostic(code="activity-array", message=message, help=help) for message in messages
    ]
    if problems:
        raise MappingError(problems)
