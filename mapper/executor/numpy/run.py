"""Run a generated executor in this process: NumPy as an engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mapper.diagnostics import refuse
from mapper.executor.base import Arrays, Generated, Progress, Traced, programs_of
from mapper.ir.core import Array, Graph
from mapper.ir.weights import keyed


@dataclass(frozen=True, slots=True)
class Executor:
    """A generated program with its weights."""

    module: Mapping[str, Any]
    """Namespace of the program."""
    network: Any
    variant: str = ""
    notes: tuple[str, ...] = ()

    def run(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None = None,
        progress: Progress | None = None,
    ) -> Arrays:
        """Run as every engine does."""
        outputs: Arrays = self._run(inputs, initial, False, progress)
        return outputs

    def trace(
        self,
        inputs: Mapping[str, Array],
        initial: Mapping[str, Array] | None = None,
        progress: Progress | None = None,
    ) -> Traced:
        """Run and count what is active."""
        outputs, counts = self._run(inputs, initial, True, progress)
        return Traced(outputs=outputs, counts=counts)

    def _run(self, *args: Any) -> Any:
        try:
            # As every engine: what images are is known above, where recordings are read.
            return self.module["run"](*args, self.network, "steps")
        except self.module["Refusal"] as refusal:
            raise refuse(refusal.code, refusal.message) from refusal


def executor_of(graph: Graph, watch: Sequence[str] = ()) -> Executor:
    """Generate the program of a graph, and load it; see ``generate_executor``."""
    from mapper.executor.numpy.generate import generate_executor  # the kernels need none, mostly

    return load_executor(generate_executor(graph, watch=watch), graph.constants)


def load_executor(source: str, weights: Mapping[str, Array]) -> Executor:
    """Compile a program that ``generate_executor`` made in this process.

    Never pass the text of a file from a folder: it would be executed.

    Args:
        source: The program.
        weights: The graph's constants, by name.

    Raises:
        MappingError: ``bad-weights`` where these are not the constants it was generated for.
    """
    module: dict[str, Any] = {"__name__": "executor"}
    exec(compile(source, "<generated executor>", "exec"), module)
    stored = keyed(weights)
    used = {key: stored[key] for key in module["WEIGHTS"] if key in stored}
    try:
        module["check_weights"](used)
    except module["Refusal"] as refusal:
        raise refuse(refusal.code, refusal.message) from refusal
    return Executor(module=module, network=module["Network"](used))


@dataclass(frozen=True, slots=True)
class NumpyEngine:
    """The program that a build folder has as ``executor.py``."""

    name: str = "numpy"

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
    ) -> Executor:
        """Generate the program of a graph, where it is not there yet; it has one thread."""
        there = programs_of(graph, watch, generated)
        if there is None:
            return executor_of(graph, watch)
        return load_executor(there.executor, graph.constants)
