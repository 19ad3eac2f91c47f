"""The door to every engine: run a hardware graph, the same integers on each.

``run`` is all that most callers need; ``prepare`` is for a graph that runs more than once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mapper.diagnostics import refuse
from mapper.executor.base import Arrays, Engine, Generated, Progress, Traced
from mapper.executor.definition import DefinitionEngine
from mapper.executor.names import check_distinct
from mapper.executor.native.run import NativeEngine
from mapper.executor.numpy.run import NumpyEngine
from mapper.executor.onnx.engine import OnnxEngine
from mapper.ir.core import Array, Graph

ENGINES: dict[str, Engine] = {
    "definition": DefinitionEngine(),
    "numpy": NumpyEngine(),
    "native": NativeEngine(),
    "onnx": OnnxEngine(),
}
"""All there are, by name. The definition comes first: the others are compared with it."""

BACKENDS = ("native", "numpy")
"""What ``run --backend`` takes. Fastest first; the first that is there is the default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a run gave, and what ran it."""

    outputs: Arrays
    """``[T, B, *shape]`` by name."""
    counts: Arrays
    """What was active, by the names of ``mapper.ir.activity``; empty where nobody asked."""
    spikes: Arrays
    """Packed spikes of a traced run, from engines that have them; see ``Traced``."""
    engine: str
    variant: str
    """The instructions that kernels used; empty where an engine has one way only."""
    notes: tuple[str, ...]
    """For people: why a faster engine did not run, and what ran on NumPy."""

    @property
    def trace(self) -> Arrays | None:
        """The arrays of a trace file: counts, and packed spikes as ``NAME.spikes``; None untraced.

        Raises:
            MappingError: ``unusable-name`` where two of them would have the same name.
        """
        packed = {f"{name}.spikes": array for name, array in self.spikes.items()}
        check_distinct((*self.counts, *packed))
        return {**self.counts, **packed} or None


def run(
    graph: Graph,
    codes: Mapping[str, Array],
    engine: str | None = None,
    *,
    initial: Mapping[str, Array] | None = None,
    watch: Sequence[str] = (),
    trace: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
    generated: Generated | None = None,
) -> Ran:
    """Run a graph over ``T`` time steps and ``B`` samples.

    Args:
        graph: The network, in integers; it has passed ``check_graph``.
        codes: Input codes ``[T, B, *shape]`` by name.
        engine: One of ``ENGINES``; the fastest of ``BACKENDS`` that is there if None.
        initial: States ``[B, *shape]`` to start from, by the name of the state's ``read`` value,
            where they differ from the graph's own.
        watch: Names of further values to return, such as the spikes of a hidden layer.
        trace: Count what is active, too.
        threads: How many share the work, where the engine has threads; all processors if None.
        progress: Called with the number of finished time steps.
        generated: Programs of this very graph that are there already: its ``Build`` has them.

    Raises:
        MappingError: ``unknown-backend``, ``backend-unavailable`` or ``not-hardware``; what is
            wrong with the arrays (``input-name``, ``input-shape``, ``input-type``,
            ``input-range``) or with ``watch`` (``unknown-value``).

    Example:
        A layer of 32 maps of 16 x 16, over 20 time steps of 8 samples::

            ran = run(graph, {"x": codes}, watch=["lif1"])
            ran.outputs["lif1"].shape  # (20, 8, 32, 16, 16)
    """
    chosen = engine_for(engine)
    prepared = chosen.prepare(graph, watch=watch, threads=threads, generated=generated)
    if trace:
        found = prepared.trace(codes, initial, progress)
    else:
        found = Traced(outputs=prepared.run(codes, initial, progress))
    skipped = [] if engine is not None else [ENGINES[name].unavailable() for name in BACKENDS]
    return Ran(
        outputs=found.outputs,
        counts=found.counts,
        spikes=found.spikes,
        engine=chosen.name,
        variant=prepared.variant,
        notes=(*filter(None, skipped), *prepared.notes),
    )


def engine_for(name: str | None) -> Engine:
    """Return the engine of a name, or the fastest there is.

    Raises:
        MappingError: ``unknown-backend``, or ``backend-unavailable`` for one not installed.
    """
    return ENGINES[_chosen(name, tuple(ENGINES))]


def chosen_backend(name: str | None) -> str:
    """Return the backend that a user asked for, or the fastest there is.

    Raises:
        MappingError: as ``engine_for``; a backend is one of ``BACKENDS``.
    """
    return _chosen(name, BACKENDS)


def _chosen(name: str | None, known: Sequence[str]) -> str:
    if name is None:
        return next(backend for backend in BACKENDS if not ENGINES[backend].unavailable())
    if name not in known:
        raise refuse(
            "unknown-backend",
            f"no backend is named '{name}'",
            loc="--backend",
            help=f"use {' or '.join(known)}",
        )
    if reason := ENGINES[name].unavailable():
        raise refuse(
            "backend-unavailable",
            reason,
            loc="--backend",
            help="use numpy, or install again where there is a C compiler",
        )
    return name
