"""Verify a build: run every ring that can be run, cheapest first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mapper.build.model import Build
from mapper.executor.engine import ENGINES
from mapper.ir.core import Array, Graph, IntType
from mapper.ir.noise import recorded_inputs
from mapper.ir.verify import graph_problems
from mapper.pipeline import make_passes, run_passes
from mapper.progress import Progress, Ticks
from mapper.recordings import Recording, to_codes
from mapper.verify.asked import Rings
from mapper.verify.measured import Measured, inexact_passes
from mapper.verify.result import (
    INEXACT,
    PASSES,
    REFERENCE,
    RULES,
    TRAINED,
    InexactPass,
    Ring,
    Verification,
)
from mapper.verify.rings import (
    ENGINE_RINGS,
    UNTRAINED,
    engine_rings,
    few,
    is_integer,
    passes_ring,
)
from passes import InputCode, Pass

Later = Ring | Callable[[], Ring] | None
"""A ring that was run already, what runs it, or None where it cannot be."""


def verify_build(
    build: Build,
    codes: Mapping[str, Array],
    reals: Mapping[str, Array],
    labels: Array | None = None,
    reference: Later = None,
    trained: Later = None,
    progress: Progress = lambda text: None,
    rings: Rings | None = None,
) -> Verification:
    """Run the rings on input codes ``[T, B, *shape]`` and the reals they stand for.

    Memory does not grow with time steps: a few of them, and of samples, are compared at a time.

    Args:
        build: A build that ``read_build`` accepted.
        codes: Input codes by name.
        reals: The same inputs as the source network takes them.
        labels: Class of each sample, ``[B]``.
        reference: Ring 3, where the caller has the model; skipped otherwise.
        trained: Ring 7, likewise.
        progress: Called with a line about what comes next, and how long it may take.
        rings: Which were asked for, and whom to tell of each that ends; all where None.
    """
    rings = rings or Rings()
    stages = rerun_passes(build)
    rings.run(RULES, lambda: _rules(build))
    rings.run(PASSES, lambda: _passes(build, stages, codes, progress))
    no_model = Ring(name=REFERENCE, status="skipped", reason="no model given")
    rings.run(REFERENCE, lambda: _now(reference) or no_model)
    engines = {r: ENGINES[n] for n, r in ENGINE_RINGS.items() if rings.asked.wants(r)}
    measured = None
    if engines or rings.asked.wants(INEXACT):
        measured = Measured(build, codes, reals)
        groups = len(list(few(codes, build.hardware)))
        ticks = Ticks(progress, ", ".join(engines) or INEXACT, groups * _steps_of(codes))
        note, tick = measured.note, ticks.tick
        ran, _ = engine_rings(build.hardware, codes, engines, (), build, note, tick)
        if ran:
            rings.add(*ran)
    rings.run(TRAINED, lambda: _now(trained) or _without_model(build))
    inexact: tuple[InexactPass, ...] = ()
    if rings.asked.wants(INEXACT):
        inexact = inexact_passes(build, stages, codes, reals, progress)
        rings.add(Ring(name=INEXACT, status="measured", reason=_costliest(inexact)))
    found = Verification(rings=rings.all, inexact=inexact, extent=rings.extent)
    found = found if build.die is None else replace(found, die=build.die.named)
    return found if measured is None else measured.told(found, labels)


def _now(ring: Later) -> Ring | None:
    return ring if isinstance(ring, Ring) or ring is None else ring()


def _steps_of(codes: Mapping[str, Array]) -> int:
    return len(next(iter(codes.values())))


def _passes(
    build: Build,
    stages: Sequence[tuple[str, bool, Graph]],
    codes: Mapping[str, Array],
    progress: Progress,
) -> Ring:
    runs = sum(is_integer(graph) for _, _, graph in stages)
    ticks = Ticks(progress, PASSES, runs * _steps_of(codes))
    return passes_ring(PASSES, stages, codes, build.hardware, ticks.tick)


def verify_recorded(
    build: Build,
    recording: Recording,
    reference: Later,
    progress: Progress,
    trained: Later = None,
    codes: Mapping[str, Array] | None = None,
    rings: Rings | None = None,
) -> Verification:
    """Run the rings on a user's recording, with its labels or reference outputs.

    ``codes`` are the recording's, where they are known.
    """
    where = recording.where
    found = verify_build(
        build,
        to_codes(build.hardware, recording.inputs, where) if codes is None else codes,
        recording.inputs,
        labels=build.deciding.wanted(recording.arrays, recording),
        reference=reference,
        trained=trained,
        progress=progress,
        rings=rings,
    )
    return replace(found, taken=recording.taken)


def _without_model(build: Build) -> Ring:
    reason = "no model given" if is_integer(build.network) else UNTRAINED
    return Ring(name=TRAINED, status="skipped", reason=reason)


def _rules(build: Build) -> Ring:
    problems = [p for g in (build.network, build.hardware) for p in graph_problems(g)]
    if problems:
        return Ring(name=RULES, status="mismatch", reason=problems[0])
    ops = len(build.network.ops) + len(build.hardware.ops)
    return Ring(name=RULES, status="equal", reason=f"{ops} ops", max_abs_diff=0.0)


def rerun_passes(build: Build) -> list[tuple[str, bool, Graph]]:
    """Run the passes of a build again and return each pass's name, exactness and graph.

    The last one of a die draws it.
    """
    codes = {
        v.name: InputCode(type=v.type, step=_step(build.hardware, v.name))
        for v in recorded_inputs(build.hardware)
        if isinstance(v.type, IntType)
    }
    stages: list[tuple[str, bool, Graph]] = []

    def after(step: Pass, graph: Graph) -> None:
        stages.append((step.name, step.exact, graph))

    run_passes(
        build.network,
        build.target,
        make_passes(codes=codes, samples=build.samples, options=build.options),
        after=after,
    )
    if build.die is not None:
        replace(build.die, ideal=stages[-1][2]).draw(build.target, after)
    return stages


def _step(graph: Graph, name: str) -> float:
    coding = graph.codings.get(name)
    return 1.0 if coding is None else float(coding.scale)  # type: ignore[arg-type]  # never Const


def _costliest(inexact: Sequence[InexactPass]) -> str:
    """Name the pass after which agreement falls most."""
    before, worst, fall = 1.0, "no inexact pass changes a spike", 0.0
    for item in inexact:
        drop = before - item.spike_agreement
        if drop > fall:
            fall, worst = drop, f"'{item.name}' costs most: {drop:.2%} of all spikes"
        before = item.spike_agreement
    return worst
