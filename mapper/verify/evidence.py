"""What a report can say beyond the mapping: gathered from recordings, traces and the model."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mapper.build.model import Build
from mapper.cost import DENSITY, Activity, measure
from mapper.cost.estimate import checked_density, checked_steps
from mapper.frontend import NirOptions
from mapper.ir.core import Array, Graph
from mapper.recordings import Recording, read_arrays, to_codes
from mapper.report import Evidence
from mapper.verify import reference_ring, trace_executor, trained_ring, verify_recorded
from mapper.verify.record import Verified, described_file, recall

Progress = Callable[[str], None]


def gather_evidence(
    build: Build,
    *,
    activity: str | None = None,
    steps: int = 1,
    recording: Path | None = None,
    model: Path | None = None,
    nir: NirOptions | None = None,
    folder: Path | None = None,
    progress: Progress = lambda text: None,
) -> Evidence:
    """Verify a build and count its spikes, as far as there is something to do it with.

    Args:
        build: A build that ``read_build`` accepted.
        activity: Path of a trace of this build, or a density 0..1 in text.
        steps: Time steps of an inference, with a density.
        recording: Inputs to verify and, without ``activity``, to count spikes on.
        model: The model file, which ring 3 or ring 7 compares with.
        nir: What a NIR model leaves open.
        folder: Where the build was read from: without ``recording``, what ``verify`` kept there.
        progress: Told what comes next.

    Raises:
        MappingError: for anything wrong with these files.
    """
    told, trace = read_activity(build.hardware, activity)
    kept = Verified(found=None) if folder is None or recording is not None else recall(folder)
    found = kept.found
    if recording is not None:
        found, ran = _verified(build, recording, model, nir, progress)
        if activity is None:
            told, trace = measure(build.hardware, ran), ran
    if isinstance(told, Activity):
        steps, file = told.steps, activity
    else:
        steps, file = checked_steps(steps), None
    return Evidence(
        activity=told,
        steps=steps,
        trace=trace,
        verification=found,
        kept=kept.files,
        unverified=kept.reason,
        files=_files(file, recording, model),
    )


def read_activity(
    graph: Graph, activity: str | None
) -> tuple[Activity | float, Mapping[str, Array]]:
    """Return what ``--activity`` names, and the trace where it is one.

    ``activity`` is the path of a trace of ``run --trace``, or a density 0..1 in text; ``DENSITY``
    where None.

    Raises:
        MappingError: The density is outside 0..1, or the file is not a trace of this network.
    """
    if activity is None:
        return DENSITY, {}
    try:
        density = float(activity)
    except ValueError:
        trace = read_arrays(activity)
        return measure(graph, trace), trace
    return checked_density(density), {}


def _verified(
    build: Build,
    recording: Path,
    model: Path | None,
    nir: NirOptions | None,
    progress: Progress,
) -> tuple[dict[str, Any], Mapping[str, Array]]:
    """Return what every ring says, and the trace of the same recording."""
    graph = build.hardware
    recorded = Recording.read(recording, graph.inputs)
    codes = to_codes(graph, recorded.inputs, recorded.where)
    reference = trained = None
    if model is not None:
        reference = reference_ring(model, build, recorded.inputs, progress, nir)
        trained = trained_ring(model, build, codes)
    answer = verify_recorded(build, recorded, reference, progress, trained).as_dict()
    progress("counting spikes")
    return answer, trace_executor(graph, codes)[1]


def _files(activity: str | None, recording: Path | None, model: Path | None) -> dict[str, str]:
    given = {"activity": activity, "input": recording, "model": model}
    paths = {what: Path(path) for what, path in given.items() if path is not None}
    return {what: described_file(path) for what, path in paths.items()}
