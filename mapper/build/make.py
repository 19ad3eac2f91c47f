"""Make a build: a network through all passes, with what was measured on recordings."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from mapper.build.files import sha256
from mapper.build.model import Build
from mapper.diagnostics import refuse
from mapper.executor import engine
from mapper.frontend import Imported
from mapper.ir.assignment import Assignment
from mapper.ir.core import Array, Graph
from mapper.ir.firing import (
    MAPPING,
    NETWORK,
    Firing,
    firing_along,
    firing_of,
)
from mapper.pipeline import After, make_passes, run_passes
from mapper.recordings import measure_codes
from passes import InputCode
from passes.ran import NONE, PassOptions
from passes.readout.trained import fitted, widest
from targets import Target

CALIBRATION_SAMPLES = 8
"""Recordings that calibration looks at, and that a build folder keeps."""


def make_build(
    imported: Imported,
    target: Target,
    weight_bits: int | None,
    recordings: Mapping[str, Array] | None,
    *,
    source: Mapping[str, str],
    assignment: Assignment | None = None,
    spread_steps: bool | None = None,
    options: PassOptions = NONE,
    after: After | None = None,
    stop_after: str | None = None,
) -> Build | None:
    """Run the passes over an imported network; None where they were stopped.

    Args:
        imported: The network, with the assignment that it came with.
        target: What it is mapped onto.
        weight_bits: Of layers that have no width of their own in the assignment, 1..8; takes the
            place of the assignment's ``weight_bits``, which counts where None.
        recordings: Inputs ``[T, B, *shape]`` that set input codes and readouts.
        source: What the build says of the model's file.
        assignment: What is decided for layers, in place of what the network came with.
        spread_steps: Whether layers for which ``assignment`` does not say it read counts of spikes
            in binary steps; as it has it for all layers where None.
        options: Options of passes, as ``passes.options`` read or checked them.
        after: Called with each pass and its result.
        stop_after: Name of the last pass to run.

    Raises:
        MappingError: The network cannot be mapped so.
    """
    decided = assignment or imported.graph.assignment
    if weight_bits is not None and type(weight_bits) is not int:
        raise refuse("weight-bits", f"weights have 1 to 8 bits, got {weight_bits!r}")
    if weight_bits is not None:
        decided = replace(decided, weight_bits=weight_bits)
    if spread_steps is not None:
        decided = replace(decided, spread_steps=spread_steps)
    network = replace(imported.graph, assignment=decided)
    if imported.trained_for:
        source = {**source, "trained for": imported.trained_for}
        network = fitted(network, target)
    codes, samples = measured(recordings)
    steps = make_passes(codes=codes, samples=samples, options=options)
    graph, runs = run_passes(network, target, steps, after=after, stop_after=stop_after)
    if stop_after is not None and stop_after != steps[-1].name:
        return None
    return Build(
        hardware=graph,
        network=network,
        target=target,
        weight_bits=widest(graph) or decided.weight_bits or target.macros[0].weight_bits,
        passes=runs,
        samples=samples,
        source=source,
        presented=imported.presented,
        epilogue=imported.epilogue,
    )


def measured(
    recordings: Mapping[str, Array] | None,
) -> tuple[dict[str, InputCode], dict[str, Array]]:
    """Return how inputs are coded, and the codes that readouts are set from; none without any."""
    if recordings is None:
        return {}, {}
    codes = measure_codes(recordings)
    few = {name: array[:, :CALIBRATION_SAMPLES] for name, array in recordings.items()}
    return codes, {
        name: np.rint(array / codes[name].step).astype(np.int64) for name, array in few.items()
    }


_FIRST_LOOK = 2
"""Samples the trained network is run on: on all of them only where it looks dead on these."""


def looked_at(build: Build, recordings: Mapping[str, Array] | None) -> Build:
    """Return a build that says which layers never or always fire on what it was calibrated with."""
    if recordings is None:
        return build
    ran = engine.run(build.hardware, build.samples, trace=True, generated=build)
    mapped = firing_of(build.hardware, ran.counts, build.samples, ran.outputs)
    trained = trained_firing(build.network, recordings)
    told = (*trained.warnings(NETWORK), *mapped.warnings(MAPPING))
    return build.telling(told, mapped.reason) if told else build


def trained_firing(network: Graph, recordings: Mapping[str, Array]) -> Firing:
    """Run the trained network on a few samples, and on more where it looks dead on these."""
    reals = {name: array[:, :CALIBRATION_SAMPLES] for name, array in recordings.items()}
    few = {name: array[:, :_FIRST_LOOK] for name, array in reals.items()}
    found = firing_along(network, few)
    if found.findings and any(few[name].shape != reals[name].shape for name in few):
        return firing_along(network, reals)
    return found


def source_of(model: Path) -> dict[str, str]:
    return {"file": model.name, "sha256": sha256(model)}
