"""The parts of ``verify``: one ring of trust each, and where a mismatch is.

A ring compares two ways to compute the same network on the same inputs. Exactness rings compare
with ``==``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from mapper.diagnostics import many
from mapper.executor.base import Engine, Generated, Prepared
from mapper.executor.engine import ENGINES
from mapper.ir.core import Array, Graph, IntType, Op, Value
from mapper.ir.identity import digest
from mapper.ir.readout import BitlineRead
from mapper.verify.result import EXECUTOR, LOWERED, NATIVE, Place, Ring

ENGINE_RINGS = {"numpy": EXECUTOR, "native": NATIVE, "onnx": LOWERED}
"""The ring in which each engine is compared with the definition."""

UNTRAINED = "not exported by hardware-aware training"
"""Why ring 7 is skipped for a network in real numbers."""

_ELEMENTS = 1 << 24
"""Of the largest value evaluated together, 128 MiB: the definition keeps all partial sums of a
layer in memory. One sample at least, whatever it takes."""

_PASS_SAMPLES = 2
"""Samples every exact pass is checked on: each needs the definition run once more."""


def define(graph: Graph, codes: Mapping[str, Array], watch: Sequence[str] = ()) -> dict[str, Array]:
    """Evaluate the definition, a few samples at a time."""
    prepared = ENGINES["definition"].prepare(graph, watch=watch)
    parts = [prepared.run(some) for some in _few(graph, codes)]
    return {name: np.concatenate([part[name] for part in parts], axis=1) for name in parts[0]}


def _few(graph: Graph, codes: Mapping[str, Array]) -> Iterator[dict[str, Array]]:
    """Yield the recordings a few samples at a time, as many as memory allows."""
    largest = max(prod(v.shape) for op in graph.ops for v in op.results)
    few = max(1, _ELEMENTS // max(1, largest))
    for start in range(0, next(iter(codes.values())).shape[1], few):
        yield {name: array[:, start : start + few] for name, array in codes.items()}


def engine_rings(
    graph: Graph,
    codes: Mapping[str, Array],
    engines: Mapping[str, Engine],
    keep: Sequence[str],
    generated: Generated | None = None,
) -> tuple[list[Ring], dict[str, Array]]:
    """Compare engines with the definition, bit for bit, on the result of every layer.

    Engines run the graph as it is, and once more with all layer results as outputs.

    Args:
        graph: A hardware graph.
        codes: Input codes ``[T, B, *shape]``.
        engines: By the name of their ring.
        keep: Values that are returned.
        generated: Programs of the graph that are there already.

    Returns:
        A ring for each engine, and the defined values of ``keep``.
    """
    wide = replace(graph, outputs=layer_results(graph), codings={})
    definition = ENGINES["definition"].prepare(wide, watch=keep)
    rings = {name: _ring_of(name, engine, len(wide.outputs)) for name, engine in engines.items()}
    runs = {
        name: (engines[name].prepare(wide), engines[name].prepare(graph, generated=generated))
        for name, ring in rings.items()
        if ring.status == "equal"
    }
    kept: dict[str, list[Array]] = {name: [] for name in keep}
    for some in _few(graph, codes):
        expected = definition.run(some)
        for name in keep:
            kept[name].append(expected[name])
        for name, (in_full, plain) in runs.items():
            if rings[name].status == "equal":
                worst = _worst(graph, in_full, plain, some, expected)
                if worst:
                    place = locate(graph, some, engines[name])
                    rings[name] = replace(
                        rings[name], status="mismatch", max_abs_diff=worst, first_mismatch=place
                    )
    return list(rings.values()), {n: np.concatenate(parts, axis=1) for n, parts in kept.items()}


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
    in_full: Prepared,
    plain: Prepared,
    codes: Mapping[str, Array],
    expected: Mapping[str, Array],
) -> float:
    """Return how far an engine is from the definition, in layer results and in outputs."""
    found, outputs = in_full.run(codes), plain.run(codes)
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


def locate(graph: Graph, codes: Mapping[str, Array], engine: Engine) -> Place | None:
    """Return the first time step, layer, position and column at which an engine differs.

    Layer results are compared first, as the engine computes them; then, in the layer found, what
    each bitline's readout gave.
    """
    layers = [op for op in graph.ops if not op.inside_layer]
    place = _first_difference(graph, layers, codes, engine)
    if place is None:
        return None
    before = next(op for op in graph.ops if place.layer in {v.name for v in op.results})
    reads = [
        op
        for op in graph.ops
        if isinstance(op, BitlineRead) and op.result.name in {v.name for v in before.operands}
    ]
    return _first_difference(graph, reads, codes, engine) or place


def _first_difference(
    graph: Graph, ops: Sequence[Op], codes: Mapping[str, Array], engine: Engine
) -> Place | None:
    shown = tuple(value for op in ops for value in op.results)
    if not shown:
        return None
    wide = replace(graph, outputs=shown, codings={})
    return first_place(ops, engine.prepare(wide).run(codes), define(wide, codes))


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
        if exact and before is not None:
            after = define(graph, codes)
            worst = max(difference(after[v.name], before[v.name]) for v in graph.outputs)
            if worst:
                return Ring(
                    name=name,
                    status="mismatch",
                    reason=f"pass '{step}' changed bits",
                    max_abs_diff=worst,
                )
            checked += 1
        before = define(graph, codes) if not exact and is_integer(graph) else before
    return Ring(
        name=name,
        status="equal",
        reason=f"{many(checked, 'exact pass', 'exact passes')}, {many(samples, 'sample')}",
        max_abs_diff=0.0,
    )


def is_integer(graph: Graph) -> bool:
    """Say whether a graph holds integers only: a lowered one, or one that was trained so."""
    return all(isinstance(v.type, IntType) for op in graph.ops for v in op.results)


def spike_values(graph: Graph) -> list[str]:
    """Return the names of all spike values that a neuron makes."""
    return [v.name for op in graph.ops for v in op.results if _is_spike(op, v)]


def _is_spike(op: Op, value: Value) -> bool:
    return "spike" in op.RESULTS and getattr(op, "spike", None) == value
