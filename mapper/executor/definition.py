"""The definition as an engine: slow and plain, and what all others agree with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import prod
from typing import Any

import numpy as np

from mapper.executor.base import (
    Arrays,
    Generated,
    Progress,
    Traced,
    check_watched,
    ports_of,
    traced_by_values,
)
from mapper.ir.core import Array, Graph, IntType, Op, Value, dtype_of, holds_values
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.evaluate import recorded_names, steps_of
from mapper.ir.units import CrossbarLayer, units
from mapper.ir.windows import Window


@dataclass(frozen=True, slots=True)
class Defined:
    """A graph at any stage of lowering. All time steps of what it returns are in memory."""

    graph: Graph
    watch: tuple[str, ...] = ()
    variant: str = ""
    notes: tuple[str, ...] = ()

    def run(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None = None,
        progress: Progress | None = None,
    ) -> Arrays:
        """Run as every engine does; inputs of a trained network are reals, and not checked."""
        return self._run(inputs, initial, progress, self.watch)

    def trace(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None = None,
        progress: Progress | None = None,
    ) -> Traced:
        """Run and count, by the definition of every count."""
        return traced_by_values(
            self.graph, self.watch, lambda watch: self._run(inputs, initial, progress, watch)
        )

    def _run(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None,
        progress: Progress | None,
        watch: Sequence[str],
    ) -> Arrays:
        record: dict[str, list[Array]] = {name: [] for name in recorded_names(self.graph, watch)}
        for t, step in enumerate(self._steps(inputs, initial, watch)):
            for name, array in step.items():
                record[name].append(array)
            if progress is not None:
                progress(t + 1)
        return {name: np.stack(arrays) for name, arrays in record.items()}

    def steps(
        self, inputs: Mapping[str, Array], initial: Mapping[str, Array] | None = None
    ) -> Iterator[Arrays]:
        """Yield what ``run`` returns step by step, ``[B, *shape]`` by name, and keep none of it."""
        return self._steps(inputs, initial, self.watch)

    def _steps(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None,
        watch: Sequence[str],
    ) -> Iterator[Arrays]:
        work = _Work(self.graph, watch)
        return steps_of(self.graph, *self._checked(inputs, initial), watch, work.run_step)

    def _checked(
        self, inputs: Mapping[str, Array], initial: Mapping[str, Array] | None
    ) -> tuple[Mapping[str, Array], Mapping[str, Array] | None]:
        ports = (*self.graph.inputs, *(state.read for state in self.graph.states))
        if all(isinstance(value.type, IntType) for value in ports):
            return ports_of(self.graph).checked(inputs, initial)
        return inputs, initial


@dataclass(frozen=True, slots=True)
class DefinitionEngine:
    """``evaluate`` of every op, one after the other."""

    name: str = "definition"

    def unavailable(self) -> str:
        """Say nothing: it runs everywhere."""
        return ""

    def prepare(
        self,
        graph: Graph,
        *,
        watch: Sequence[str] = (),
        threads: int | None = None,
        generated: Generated | None = None,
    ) -> Defined:
        """Make ready any graph, of integers or of reals; it has one thread."""
        check_watched(graph, watch)
        return Defined(graph, tuple(watch))


# --- crossbar layers in strips -----------------------------------------------------------------

STRIP = 1 << 19
"""Partial sums in memory at once, 4 MiB. One array of all those of a large layer is new memory from
the system each time, which has to clear its pages: that took as long as the sums themselves."""


class _Work:
    """The ops of a graph in order; crossbar layers are computed some output rows at a time.

    Ops are evaluated as they are defined, on a window that slides over fewer rows.
    """

    def __init__(self, graph: Graph, watch: Sequence[str]) -> None:
        self._graph = graph
        self._units = units(graph, watch)
        self._makers = {v.name: op for op in graph.ops for v in op.results}

    @np.errstate(all="ignore")  # trained numbers may overflow, as they do in every engine
    def run_step(self, inputs: Mapping[str, Array], states: Mapping[str, Array]) -> Arrays:
        """Run one time step; return every value that is not inside a layer."""
        constants = self._graph.constants
        env = {v.name: inputs[v.name].astype(dtype_of(v.type)) for v in self._graph.inputs}
        env.update(states)
        for unit in self._units:
            if isinstance(unit, CrossbarLayer):
                env[unit.add.result.name] = self._layer(unit, env)
                continue
            results = unit.evaluate(constants, *(env[v.name] for v in unit.operands))
            env.update(zip((v.name for v in unit.results), results, strict=True))
        return env

    def _layer(self, layer: CrossbarLayer, env: Arrays) -> Array:
        ops, mvm = self._ops(layer), layer.mvm
        if mvm.window is None:
            return self._evaluated(ops, env)
        if layer.read.noise is not None or layer.copies(self._graph.constants) > 1:
            return self._by_sample(layer, ops, env)
        rows = mvm.positions[0]
        held = len(env[mvm.x.name]) * max(1, prod(mvm.partial_sum.shape) // rows)
        cuts = strips(mvm.window, mvm.x.shape[1], rows, max(1, STRIP // held))
        parts = [self._evaluated([_cut(op, *cut) for op in ops], env) for cut in cuts]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=2)

    def _by_sample(self, layer: CrossbarLayer, ops: list[Op], env: Arrays) -> Array:
        """Evaluate a layer whose positions are counted from the first on, a sample at a time."""
        samples = range(len(env[layer.mvm.x.name]))
        read = {v.name: env[v.name] for v in layer.operands}
        one = ({name: array[b : b + 1] for name, array in read.items()} for b in samples)
        return np.concatenate([self._evaluated(ops, part) for part in one])

    def _ops(self, layer: CrossbarLayer) -> list[Op]:
        """Return the ops of a layer in order, counts of active wordlines included."""
        made = (self._makers.get(v.name) for op in (layer.read, layer.add) for v in op.operands)
        counts = dict.fromkeys(op for op in made if isinstance(op, CountActive))
        return [layer.mvm, *counts, layer.read, layer.add]

    def _evaluated(self, ops: Sequence[Op], env: Arrays) -> Array:
        """Evaluate a layer and return what it leaves."""
        inner: Arrays = {}
        for op in ops:
            operands = (inner[v.name] if v.name in inner else env[v.name] for v in op.operands)
            results = op.evaluate(self._graph.constants, *operands)
            inner.update(zip((v.name for v in op.results), results, strict=True))
        return inner[ops[-1].results[0].name]


def strips(window: Window, height: int, rows: int, each: int) -> list[tuple[Window, int]]:
    """Cut a window that slides over ``height`` and gives ``rows`` rows of positions.

    Returns:
        For each strip a window that gives its rows alone, ``each`` at most, and how many they are.
        The whole one where a strip would see nothing but padding.
    """
    stuffed = (height - 1) * window.stuffing[0] + 1
    reach = (window.kernel[0] - 1) * window.dilation[0] + 1
    found = []
    for start in range(0, rows, each):
        count = min(each, rows - start)
        top = window.padding[0] - start * window.stride[0]
        bottom = (count - 1) * window.stride[0] + reach - stuffed - top
        if max(0, -top) + max(0, -bottom) >= stuffed:
            return [(window, rows)]
        padding = (top, window.padding[1], bottom, window.padding[3])
        found.append((replace(window, padding=padding), count))
    return found


def _cut(op: Op, window: Window, rows: int) -> Op:
    """Return an op of a layer on fewer output rows."""

    def fewer(value: Value) -> Value:
        return replace(value, shape=(*value.shape[:-2], rows, value.shape[-1]))

    if isinstance(op, CrossbarMvm):
        return replace(op, window=window, partial_sum=fewer(op.partial_sum))
    if isinstance(op, CountActive):
        return replace(op, window=window, active=fewer(op.active))
    values: dict[str, Any] = {
        spec.name: fewer(getattr(op, spec.name))
        for spec in fields(op)
        if holds_values(spec) and getattr(op, spec.name) is not None
    }
    return replace(op, **values)
