"""Run a hardware graph on one of the executors: the same integers on each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mapper.diagnostics import refuse
from mapper.executor.native import NativeExecutor
from mapper.executor.numpy.generate import generate_executor
from mapper.executor.numpy.run import load_executor
from mapper.ir.core import Array, Graph
from mapper.kernels.core import VARIANTS, unavailable

BACKENDS = ("native", "numpy")
"""Fastest first; the first that is there is the default."""

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a run gave, and what ran it."""

    outputs: Mapping[str, Array]
    trace: Mapping[str, Array] | None
    backend: str
    details: Mapping[str, Any]
    """For people and ``run --json``: the variant of the kernels, and what ran on NumPy."""


def chosen(backend: str | None) -> str:
    """Return the backend a user asked for, or the fastest there is.

    Raises:
        MappingError: ``unknown-backend``, or ``backend-unavailable`` for one not installed.
    """
    if backend is None:
        return "numpy" if unavailable() else "native"
    if backend not in BACKENDS:
        raise refuse(
            "unknown-backend",
            f"no backend is named '{backend}'",
            loc="--backend",
            help=f"use {' or '.join(BACKENDS)}",
        )
    if backend == "native" and unavailable():
        raise refuse(
            "backend-unavailable",
            unavailable(),
            loc="--backend",
            help="use numpy, or install again where there is a C compiler",
        )
    return backend


def run(
    graph: Graph,
    codes: Mapping[str, Array],
    backend: str | None,
    *,
    trace: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Ran:
    """Run input codes ``[T, B, *shape]``; ``progress`` is told finished time steps."""
    if chosen(backend) == "native":
        return _native(graph, codes, trace, threads, progress)
    executor = load_executor(generate_executor(graph), graph.constants)
    counts = None
    if trace:
        outputs, counts = executor.run(codes, progress=progress, trace=True)
    else:
        outputs = executor.run(codes, progress=progress)
    details = {"notes": [unavailable()] if backend is None and unavailable() else []}
    return Ran(outputs=outputs, trace=counts, backend="numpy", details=details)


def _native(
    graph: Graph,
    codes: Mapping[str, Array],
    trace: bool,
    threads: int | None,
    progress: Progress | None,
) -> Ran:
    executor = NativeExecutor(graph, threads=threads)
    counts = None
    if trace:
        outputs, counts = executor.trace(codes, progress=progress)
    else:
        outputs = executor.run(codes, progress=progress)
    details = {
        "variant": VARIANTS[executor.level],
        "notes": [
            f"{note.op} at {note.loc} runs on NumPy: {note.reason}" for note in executor.notes
        ],
    }
    return Ran(outputs=outputs, trace=counts, backend="native", details=details)
