"""What a report can say beyond the mapping: gathered from recordings, traces and the model."""

from collections.abc import Callable, Mapping
from pathlib import Path

from mapper.build.model import Build
from mapper.cost import DENSITY, Activity, measure
from mapper.cost.estimate import checked_density, checked_steps
from mapper.executor import engine
from mapper.frontend import NirOptions
from mapper.ir.core import Array
from mapper.ir.firing import firing_of
from mapper.recordings import IN_MEMORY, Recording, read_arrays, to_codes
from mapper.report import Evidence
from mapper.verify.activity import Recorded, recorded_on
from mapper.verify.asked import Rings
from mapper.verify.every import every_ring
from mapper.verify.known import known
from mapper.verify.record import Verified, described_file, recall
from mapper.verify.result import Verification

Progress = Callable[[str], None]

Given = str | float | Mapping[str, Array] | None
"""How active a network is: the path of a trace, the trace, or a density 0..1, in text or not."""


def gather_evidence(
    build: Build,
    *,
    activity: Given = None,
    steps: int | None = None,
    recording: Recording | None = None,
    model: Path | None = None,
    nir: NirOptions | None = None,
    folder: Path | None = None,
    recorded: bool = False,
    progress: Progress = lambda text: None,
) -> Evidence:
    """Verify a build and count its spikes, as far as there is something to do it with.

    Args:
        build: A build that ``read_build`` accepted.
        activity: A trace of this build or its path, or a density 0..1; ``DENSITY`` where None.
        steps: Time steps of an inference, with a density; one where None.
        recording: Inputs to verify and, without ``activity``, to count spikes on.
        model: The model file, which ring 3 or ring 7 compares with.
        nir: What a NIR model leaves open.
        folder: Folder of the build: without ``recording``, the verification that is stored there.
        recorded: Without ``recording``, ``activity`` and ``steps``, take the activity that is
            stored there, too.
        progress: Called with a line about what comes next.

    Raises:
        MappingError: for anything wrong with these files.
    """
    asked = any(given is not None for given in (activity, steps, recording))
    if folder is not None and recorded and not asked:
        return known(build, folder)
    told, trace = read_activity(build, activity)
    kept = Verified(found=None) if folder is None or recording is not None else recall(folder)
    found, run = kept.found, None
    if recording is not None:
        found, got = verified(build, recording, model, nir, progress)
        if activity is None:
            told, trace, run = _counted(build, got.trace), got.trace, got.counted
    if isinstance(told, Activity):
        steps, file = told.steps, activity if isinstance(activity, str) else None
    else:
        steps, file = checked_steps(1 if steps is None else steps), None
    return Evidence(
        activity=told,
        steps=steps,
        trace=trace,
        ran=run,
        verification=found,
        kept=kept.files,
        unverified=kept.reason,
        files=_files(file, recording, model),
        counted=firing_of(build.hardware, trace) if isinstance(told, Activity) else None,
    )


def read_activity(build: Build, activity: Given) -> tuple[Activity | float, Mapping[str, Array]]:
    """Return what ``--activity`` names, and the trace where it is one; ``DENSITY`` for None.

    Raises:
        MappingError: The density is outside 0..1, or the trace is not one of this network.
    """
    if activity is None:
        return DENSITY, {}
    if isinstance(activity, Mapping):
        return _counted(build, activity), activity
    try:
        density = float(activity)
    except ValueError:
        trace = read_arrays(str(activity))
        return _counted(build, trace), trace
    return checked_density(density), {}


def _counted(build: Build, trace: Mapping[str, Array]) -> Activity:
    return measure(build.hardware, trace, build.counts.levels)


def verified(
    build: Build,
    recording: Recording,
    model: Path | None,
    nir: NirOptions | None,
    progress: Progress,
    rings: Rings | None = None,
) -> tuple[Verification, Recorded]:
    """Return what the rings say, and what was active on the same recording.

    ``rings`` are those that were asked for; all where None.
    """
    codes = to_codes(build.hardware, recording.inputs, recording.where)
    answer = every_ring(build, recording, model, nir, progress, codes, rings)
    progress("counting spikes")
    ran = engine.run(build.hardware, codes, trace=True, generated=build)
    return answer, recorded_on(build, ran, recording)


def _files(activity: str | None, recording: Recording | None, model: Path | None) -> dict[str, str]:
    """Name what was given, files with their hash."""
    where = None if recording is None else recording.where
    given = {"activity": activity, "input": where, "model": model}
    return {
        what: IN_MEMORY if path == IN_MEMORY else described_file(Path(path))
        for what, path in given.items()
        if path is not None
    }
