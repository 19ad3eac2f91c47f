"""Verify a build: run every ring that can be run, cheapest first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import isfinite, prod

import numpy as np

from mapper.build.model import Build
from mapper.executor.engine import ENGINES
from mapper.ir.core import Array, Graph, IntType
from mapper.ir.firing import MAPPING, NETWORK, firing_of_values
from mapper.ir.verify import graph_problems
from mapper.pipeline import make_passes, run_passes
from mapper.recordings import Recording, to_codes, to_reals
from mapper.verify.answers import agreement, score, wanted_classes
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
    define,
    engine_rings,
    is_integer,
    passes_ring,
    spike_values,
)
from passes import InputCode

Progress = Callable[[str], None]


def verify_build(
    build: Build,
    codes: Mapping[str, Array],
    reals: Mapping[str, Array],
    labels: Array | None = None,
    reference: Ring | None = None,
    trained: Ring | None = None,
    progress: Progress = lambda text: None,
) -> Verification:
    """Run all rings on input codes ``[T, B, *shape]`` and the reals they stand for.

    Args:
        build: A build that ``read_build`` accepted.
        codes: Input codes by name.
        reals: The same inputs as the source network takes them.
        labels: Class of each sample, ``[B]``.
        reference: Ring 3, where the caller has the model; skipped otherwise.
        trained: Ring 7, likewise.
        progress: Called with a line about what comes next.
    """
    progress(RULES)
    rings = [_rules(build)]
    progress(PASSES)
    stages = rerun_passes(build)
    rings.append(passes_ring(PASSES, stages, codes, build.hardware))
    rings.append(reference or Ring(name=REFERENCE, status="skipped", reason="no model given"))

    progress(", ".join(ENGINE_RINGS.values()))
    spikes = spike_values(build.hardware)
    names = dict.fromkeys([*spikes, *(v.name for v in build.hardware.outputs)])
    engines = {ring: ENGINES[name] for name, ring in ENGINE_RINGS.items()}
    ran, defined = engine_rings(build.hardware, codes, engines, tuple(names), build)
    rings += [*ran, trained or _without_model(build)]
    progress(INEXACT)
    return _measured(build, rings, stages, codes, reals, defined, labels)


def verify_recorded(
    build: Build,
    recording: Recording,
    reference: Ring | None,
    progress: Progress,
    trained: Ring | None = None,
    codes: Mapping[str, Array] | None = None,
) -> Verification:
    """Run all rings on a user's recording, with its labels or reference outputs.

    ``codes`` are the recording's, where they are known.
    """
    output, where = build.hardware.outputs[0], recording.where
    number = prod(output.shape)
    found = verify_build(
        build,
        to_codes(build.hardware, recording.inputs, where) if codes is None else codes,
        recording.inputs,
        labels=wanted_classes(recording.arrays, output.name, recording.samples, number, where),
        reference=reference,
        trained=trained,
        progress=progress,
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
    """Run the passes of a build again and return each pass's name, exactness and graph."""
    codes = {
        v.name: InputCode(type=v.type, step=_step(build.hardware, v.name))
        for v in build.hardware.inputs
        if isinstance(v.type, IntType)
    }
    stages: list[tuple[str, bool, Graph]] = []
    run_passes(
        build.network,
        build.target,
        make_passes(codes=codes, samples=build.samples, options=build.options),
        after=lambda step, graph: stages.append((step.name, step.exact, graph)),
    )
    return stages


def _step(graph: Graph, name: str) -> float:
    coding = graph.codings.get(name)
    return 1.0 if coding is None else float(coding.scale)  # type: ignore[arg-type]  # never Const


def _measured(
    build: Build,
    rings: list[Ring],
    stages: list[tuple[str, bool, Graph]],
    codes: Mapping[str, Array],
    reals: Mapping[str, Array],
    defined: Mapping[str, Array],
    labels: Array | None,
) -> Verification:
    """Add ring 8: what the inexact passes cost, against the source network."""
    spikes = spike_values(build.network)
    source = define(build.network, reals, watch=spikes)
    firing = firing_of_values(build.hardware, {**codes, **defined})
    source_firing = firing_of_values(build.network, {**reals, **source})
    source |= to_reals(build.network, {v.name: source[v.name] for v in build.network.outputs})
    inexact = []
    for name, exact, graph in stages:
        if exact:
            continue
        inputs = codes if graph.inputs != build.network.inputs else reals
        ran = define(graph, inputs, watch=spikes)
        inexact.append(_changes(name, graph, ran, source, spikes))
    worst = _costliest(inexact)
    ring = Ring(name=INEXACT, status="measured", reason=worst)
    outputs = to_reals(build.hardware, {v.name: defined[v.name] for v in build.hardware.outputs})
    first = build.network.outputs[0].name
    return Verification(
        rings=(*rings, ring),
        accuracy=None if labels is None else score(outputs[first], labels).share,
        source_accuracy=None if labels is None else score(source[first], labels).share,
        accuracy_of=None if labels is None else labels.size,
        spike_agreement=agreement(defined, source, spikes),
        layer_agreement={name: agreement(defined, source, [name]) for name in spikes},
        inexact=tuple(inexact),
        firing=firing,
        source_firing=source_firing,
        warnings=(*source_firing.warnings(NETWORK), *firing.warnings(MAPPING)),
    )


def _changes(
    name: str,
    graph: Graph,
    ran: Mapping[str, Array],
    source: Mapping[str, Array],
    spikes: list[str],
) -> InexactPass:
    outputs = to_reals(graph, {v.name: ran[v.name] for v in graph.outputs})
    worst = float(max(np.abs(outputs[name] - source[name]).max(initial=0) for name in outputs))
    return InexactPass(
        name=name,
        spike_agreement=agreement(ran, source, spikes),
        output_error=worst if isfinite(worst) else None,
    )


def _costliest(inexact: Sequence[InexactPass]) -> str:
    """Name the pass after which agreement falls most."""
    before, worst, fall = 1.0, "no inexact pass changes a spike", 0.0
    for item in inexact:
        drop = before - item.spike_agreement
        if drop > fall:
            fall, worst = drop, f"'{item.name}' costs most: {drop:.2%} of all spikes"
        before = item.spike_agreement
    return worst
