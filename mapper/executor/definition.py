"""The definition as an engine: slow and plain, and what all others agree with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

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
from mapper.ir.core import Array, Graph, IntType, Op, dtype_of
from mapper.ir.crossbar import CountActive
from mapper.ir.evaluate import recorded_names, steps_of
from mapper.ir.strips import evaluate_in_strips, evaluate_whole
from mapper.ir.units import CrossbarLayer, units


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
        ops, constants = self._ops(layer), self._graph.constants
        if layer.mvm.window is None:
            return evaluate_whole(ops, constants, env)
        if layer.read.noise is not None or layer.copies(constants) > 1:
            return self._by_sample(layer, ops, env)
        return evaluate_in_strips(ops, constants, env)

    def _by_sample(self, layer: CrossbarLayer, ops: list[Op], env: Arrays) -> Array:
        """Evaluate a layer whose positions are counted from the first on, a sample at a time."""
        samples = range(len(env[layer.mvm.x.name]))
        read = {v.name: env[v.name] for v in layer.operands}
        one = ({name: array[b : b + 1] for name, array in read.items()} for b in samples)
        constants = self._graph.constants
        return np.concatenate([evaluate_whole(ops, constants, part) for part in one])

    def _ops(self, layer: CrossbarLayer) -> list[Op]:
        """Return the ops of a layer in order, counts of active wordlines included."""
        made = (self._makers.get(v.name) for op in (layer.read, layer.add) for v in op.operands)
        counts = dict.fromkeys(op for op in made if isinstance(op, CountActive))
        return [layer.mvm, *counts, layer.read, layer.add]
