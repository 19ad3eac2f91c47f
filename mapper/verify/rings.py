"""The parts of ``verify``: one ring of trust each, and where a mismatch is.

A ring compares two ways to compute the same network on the same inputs. Exactness rings compare
with ``==``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import prod
from typing import Any

import numpy as np

from mapper.diagnostics import many
from mapper.executor.base import Engine, Generated, Prepared
from mapper.executor.definition import DefinitionEngine
from mapper.executor.engine import ENGINES
from mapper.ir.core import Array, Graph, IntType, Op, Value
from mapper.ir.identity import digest
from mapper.ir.readout import BitlineRead
from mapper.verify.result import EXECUTOR, LOWERED, NATIVE, Place, Ring
from mapper.verify.stepped import Record, of_samples

ENGINE_RINGS = {"numpy": EXECUTOR, "native": NATIVE, "onnx": LOWERED}
"""The ring in which each engine is compared with the definition."""

UNTRAINED = "not exported by hardware-aware training"
"""Why ring 7 is skipped for a network in real numbers."""

_ELEMENTS = 1 << 24
"""Of the largest value evaluated together, 128 MiB: the definition keeps all partial sums of a
layer in memory. One sample at least, whatever it takes."""

_PASS_SAMPLES = 2
"""Samples every exact pass is checked on: each needs the definition run once more."""

_CHUNK = 1 << 22
"""Of all layer results, how many numbers are compared together: 32 MiB. Two time steps at least,
whatever they take: an engine has to hand its states on."""

Note = Callable[[slice, int, Mapping[str, Array]], None]
"""Called with samples, a first time step and the values ``[T, B, *shape]`` from there on."""


def few(codes: Mapping[str, Array], *graphs: Graph) -> Iterator[slice]:
    """Yield the samples of recordings a few at a time, as many as memory allows."""
    largest = max(prod(v.shape) for graph in graphs for op in graph.ops for v in op.results)
    count = max(1, _ELEMENTS // max(1, largest))
    for start in range(0, next(iter(codes.values())).shape[1], count):
        yield slice(start, start + count)


def define(
    graph: Graph,
    codes: Mapping[str, Array],
    watch: Sequence[str] = (),
    initial: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """Evaluate the definition, a few samples at a time."""
    prepared = ENGINES["definition"].prepare(graph, watch=watch)
    if initial:
        return prepared.run(codes, initial)
    parts = [prepared.run(of_samples(codes, some)) for some in few(codes, graph)]
    return {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}


def outputs_of(
    graph: Graph, codes: Mapping[str, Array], tick: Callable[[], None] = lambda: None
) -> dict[str, Array]:
    """Evaluate the definition and return the outputs alone, ``[T, B, *shape]`` by name."""
    record = Record(graph)
    for some in few(codes, graph):
        for _ in record.steps(of_samples(codes, some)):
            tick()
    return record.outputs


def engine_rings(
    graph: Graph,
    codes: Mapping[str, Array],
    engines: Mapping[str, Engine],
    keep: Sequence[str],
    generated: Generated | None = None,
    note: Note = lambda samples, start, values: None,
    tick: Callable[[], None] = lambda: None,
) -> tuple[list[Ring], dict[str, Array]]:
    """Compare engines with the definition, bit for bit, on the result of every layer.

    Engines run the graph as it is, and once more with all layer results as outputs. A few samples
    and time steps are in memory; the next ones go on from the states that were found equal.

    Args:
        graph: A hardware graph.
        codes: Input codes ``[T, B, *shape]``.
        engines: By the name of their ring.
        keep: Values that are returned.
        generated: Programs of the graph that are there already.
        note: Called with what the definition gives: outputs, layer results.
        tick: Called after each time step of some samples.

    Returns:
        A ring for each engine, and the defined values of ``keep``.
    """
    unnamed = tuple(replace(state, output="") for state in graph.states)
    wide = replace(graph, outputs=layer_results(graph), states=unnamed, codings={})
    ends = (*(v.name for v in graph.outputs), *(state.next for state in graph.states))
    watch = tuple(dict.fromkeys((*keep, *ends)))
    definition = DefinitionEngine().prepare(wide, watch=watch)
    rings = {name: _ring_of(name, engine, len(wide.outputs)) for name, engine in engines.items()}
    runs = {
        name: (engines[name].prepare(wide), engines[name].prepare(graph, generated=generated))
        for name, ring in rings.items()
        if ring.status == "equal"
    }
    kept: dict[str, list[list[Array]]] = {name: [] for name in keep}
    for samples in few(codes, graph):
        some, start, initial = of_samples(codes, samples), 0, dict[str, Array]()
        for parts in kept.values():
            parts.append([])
        for expected in _chunks(definition.steps(some), _steps_together(wide, some), tick):
            length = len(expected[wide.outputs[0].name])
            part = {name: array[start : start + length] for name, array in some.items()}
            note(samples, start, expected)
            for name in keep:
                kept[name][-1].append(expected[name])
            for name, run in runs.items():
                if rings[name].status != "equal":
                    continue
                worst = _worst(graph, run, part, initial, expected)
                if worst:
                    place = locate(graph, part, engines[name], initial)
                    rings[name] = replace(
                        rings[name],
                        status="mismatch",
                        max_abs_diff=worst,
                        first_mismatch=_moved(place, start, samples.start),
                    )
            initial = {state.read.name: expected[state.next][-1] for state in graph.states}
            start += length
    joined = {
        name: np.concatenate([np.concatenate(parts) for parts in held], axis=1)
        for name, held in kept.items()
    }
    return list(rings.values()), joined


def _steps_together(wide: Graph, some: Mapping[str, Array]) -> int:
    batch = int(next(iter(some.values())).shape[1])
    return max(2, _CHUNK // max(1, batch * sum(prod(v.shape) for v in wide.outputs)))


def _chunks(
    steps: Iterator[dict[str, Array]], length: int, tick: Callable[[], None]
) -> Iterator[dict[str, Array]]:
    """Yield what some steps gave together, ``[T, B, *shape]`` by name."""
    while chunk := list(islice(steps, length)):
        count = len(chunk)
        together = {name: np.stack([step.pop(name) for step in chunk]) for name in list(chunk[0])}
        del chunk
        yield together
        for _ in range(count):
            tick()


def _moved(place: Place | None, steps: int, samples: int) -> Place | None:
    """Return a place in some steps of some samples as one of all."""
    if place is None:
        return None
    return replace(place, step=place.step + steps, sample=place.sample + samples)


def _ring_of(name: str, engine: Engine, results: int) -> Ring:
    """Return the ring of an engine that agrees so far."""
    if reason := engine.unavailable():
        return Ring(name=name, status="skipped", reason=reason)
    return Ring(name=name, status="equal", reason=many(results, "layer result"), max_abs_diff=0.0)


def layer_results(graph: Graph) -> tuple[Value, ...]:
    """Return every value but those inside a crossbar layer."""
    return tuple(v for op in graph.ops if not op.inside_layer for v in op.results)


def _worst(
    graph: Graph,
    run: tuple[Prepared, Prepared],
    codes: Mapping[str, Array],
    initial: Mapping[str, Array],
    expected: Mapping[str, Array],
) -> float:
    """Return how far an engine is from the definition, in layer results and in outputs."""
    from_states = (initial,) if initial else ()
    found, outputs = (each.run(codes, *from_states) for each in run)
    differences = [difference(found[v.name], expected[v.name]) for v in layer_results(graph)]
    differences += [difference(outputs[v.name], expected[v.name]) for v in graph.outputs]
    return max(differences)


def difference(found: Array, expected: Array) -> float:
    """Return the greatest absolute difference; infinite where shapes or overflows differ."""
    if found.shape != expected.shape:
        return float("inf")
    mine, theirs = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    alike = (mine == theirs) | (np.isnan(mine) & np.isnan(theirs))
    with np.errstate(invalid="ignore", over="ignore"):  # trained numbers may have overflowed
        wide = np.where(alike, 0.0, np.abs(mine - theirs))
    return float(np.where(np.isnan(wide), np.inf, wide).max(initial=0.0))


def locate(
    graph: Graph,
    codes: Mapping[str, Array],
    engine: Engine,
    initial: Mapping[str, Array] | None = None,
) -> Place | None:
    """Return the first time step, layer, position and column at which an engine differs.

    Layer results are compared first, as the engine computes them; then, in the layer found, what
    each bitline's readout gave.
    """
    layers = [op for op in graph.ops if not op.inside_layer]
    place = _first_difference(graph, layers, codes, engine, initial)
    if place is None:
        return None
    before = next(op for op in graph.ops if place.layer in {v.name for v in op.results})
    reads = [
        op
        for op in graph.ops
        if isinstance(op, BitlineRead) and op.result.name in {v.name for v in before.operands}
    ]
    return _first_difference(graph, reads, codes, engine, initial) or place


def _first_difference(
    graph: Graph,
    ops: Sequence[Op],
    codes: Mapping[str, Array],
    engine: Engine,
    initial: Mapping[str, Array] | None,
) -> Place | None:
    shown = tuple(value for op in ops for value in op.results)
    if not shown:
        return None
    wide = replace(graph, outputs=shown, codings={})
    from_states = (initial,) if initial else ()
    found = engine.prepare(wide).run(codes, *from_states)
    return first_place(ops, found, define(wide, codes, initial=initial))


def first_place(
    ops: Sequence[Op], found: Mapping[str, Array], expected: Mapping[str, Array]
) -> Place | None:
    """Return where two runs first differ in what ``ops`` gave, by time step and then by layer.

    Results ``[T, B, *shape]`` are compared by name; those that ``expected`` lacks are left out.
    """
    places = [
        place
        for op in ops
        for v in op.results
        if v.name in expected and (place := _place(op, v, found[v.name], expected[v.name]))
    ]
    return min(places, key=lambda place: place.step, default=None)


def _place(op: Op, value: Value, found: Array, expected: Array) -> Place | None:
    if found.shape != expected.shape:
        return Place(
            step=0,
            sample=0,
            layer=value.name,
            source=op.loc,
            found=f"shape {list(found.shape)}",
            expected=f"shape {list(expected.shape)}",
        )
    differs = np.argwhere(found != expected)
    if not len(differs):
        return None
    step, sample, *index = (int(i) for i in differs[0])
    place = Place(
        step=step,
        sample=sample,
        layer=value.name,
        source=op.loc,
        found=_plain(found[tuple(differs[0])]),
        expected=_plain(expected[tuple(differs[0])]),
    )
    if isinstance(op, BitlineRead):
        plane, block, slice, column, *position = index
        return replace(
            place,
            plane=plane,
            row_block=block,
            slice=slice,
            column=column,
            position=tuple(position),
        )
    return replace(place, column=index[0] if index else 0, position=tuple(index[1:]))


def _plain(number: Any) -> int | float:
    return int(number) if isinstance(number, np.integer) else float(number)


def passes_ring(
    name: str,
    stages: Sequence[tuple[str, bool, Graph]],
    codes: Mapping[str, Array],
    stored: Graph,
    tick: Callable[[], None] = lambda: None,
) -> Ring:
    """Compare the outputs before and after every exact pass, and the last graph with the stored.

    ``stages`` holds each pass's name, whether it is exact, and the graph after it. The first
    two samples of ``codes`` are used.
    """
    if digest(stages[-1][2]) != digest(stored):
        return Ring(name=name, status="mismatch", reason="the passes give another mapping")
    codes = {name: array[:, :_PASS_SAMPLES] for name, array in codes.items()}
    samples = next(iter(codes.values())).shape[1]
    before: Mapping[str, Array] | None = None
    checked = 0
    for step, exact, graph in stages:
        own = inputs_of(graph, codes)
        if exact and before is not None:
            after = outputs_of(graph, own, tick)
            worst = max(difference(after[v.name], before[v.name]) for v in graph.outputs)
            if worst:
                return Ring(
                    name=name,
                    status="mismatch",
                    reason=f"pass '{step}' changed bits",
                    max_abs_diff=worst,
                )
            checked += 1
        before = outputs_of(graph, own, tick) if not exact and is_integer(graph) else before
    return Ring(
        name=name,
        status="equal",
        reason=f"{many(checked, 'exact pass', 'exact passes')}, {many(samples, 'sample')}",
        max_abs_diff=0.0,
    )


def inputs_of(graph: Graph, codes: Mapping[str, Array]) -> dict[str, Array]:
    """Return what a graph takes of these: the ideal chip takes no keys of noise, a die may."""
    return {value.name: codes[value.name] for value in graph.inputs}


def is_integer(graph: Graph) -> bool:
    """Say whether a graph holds integers only: a lowered one, or one that was trained so."""
    return all(isinstance(v.type, IntType) for op in graph.ops for v in op.results)


def spike_values(graph: Graph) -> list[str]:
    """Return the names of all spike values that a neuron makes."""
    return [v.name for op in graph.ops for v in op.results if _is_spike(op, v)]


def _is_spike(op: Op, value: Value) -> bool:
    return "spike" in op.RESULTS and getattr(op, "spike", None) == value
