"""The definition as an engine: slow and plain, and what all others agree with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mapper.executor.base import (
    Arrays,
    Generated,
    Progress,
    Traced,
    check_watched,
    ports_of,
    traced_by_values,
)
from mapper.ir.core import Array, Graph, IntType
from mapper.ir.evaluate import evaluate, steps_of


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
        inputs, initial = self._checked(inputs, initial)
        return evaluate(self.graph, inputs, initial, watch, progress)

    def steps(
        self, inputs: Mapping[str, Array], initial: Mapping[str, Array] | None = None
    ) -> Iterator[Arrays]:
        """Yield what ``run`` returns step by step, ``[B, *shape]`` by name, and keep none of it."""
        return steps_of(self.graph, *self._checked(inputs, initial), self.watch)

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
