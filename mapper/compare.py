"""Builds side by side: of a network on several targets, made here, or those that are there."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mapper.build import check_outside, read_build, write_build
from mapper.compare_folder import check_names, write_comparison
from mapper.compared import Compared, answer_of, build_on, measured
from mapper.cost.estimate import checked_density, checked_steps
from mapper.diagnostics import refuse
from mapper.evidence import read_activity
from mapper.frontend import NirOptions, import_model
from mapper.mapping import source_of
from mapper.recordings import Recording
from mapper.threads import one_blas_thread
from mapper.verified import recall
from targets import DEFAULT_PRESET, load_preset, load_target

Progress = Callable[[str], None]


def compare(
    paths: tuple[Path, ...],
    *,
    targets: tuple[str, ...] | None = None,
    recording: Path | None = None,
    activity: str | None = None,
    output: Path | None = None,
    weight_bits: int | None = None,
    nir: NirOptions | None = None,
    steps: int = 1,
    preset: str = DEFAULT_PRESET,
    progress: Progress = lambda text: None,
) -> dict[str, Any]:
    """Compare one model on several targets, or build folders where all paths are folders.

    Raises:
        MappingError: ``compare-inputs`` where it is neither, or where an option of compiling is
            given for builds; and what ``compare_model`` and ``compare_builds`` raise.
    """
    shared: dict[str, Any] = {
        "recording": recording,
        "activity": activity,
        "output": output,
        "steps": steps,
        "preset": preset,
        "progress": progress,
    }
    if all(path.is_dir() for path in paths):
        compiling = {
            "--targets": targets is not None,
            "--weight-bits": weight_bits is not None,
            "an option for NIR": nir is not None and nir != NirOptions(),
        }
        _refuse_compiling([name for name, there in compiling.items() if there])
        return compare_builds(paths, **shared)
    _check_one_model(paths)
    return compare_model(paths[0], targets or (), weight_bits=weight_bits, nir=nir, **shared)


def _refuse_compiling(options: Sequence[str]) -> None:
    if options:
        raise refuse(
            "compare-inputs",
            f"build folders are compiled already: {', '.join(options)} would change nothing",
            help="leave it out, or give the model in place of its builds",
        )


def _check_one_model(paths: Sequence[Path]) -> None:
    """Refuse more than one path where they are not all folders."""
    missing = [path for path in paths if not path.exists()]
    if len(paths) > 1 and missing:
        raise refuse(
            "no-such-file", "there is no folder and no file of this name", loc=str(missing[0])
        )
    if len(paths) > 1:
        folders = sum(path.is_dir() for path in paths)
        raise refuse(
            "compare-inputs",
            f"compare takes one model or any number of build folders, got "
            f"{_many(len(paths) - folders, 'file')} and {_many(folders, 'folder')}",
            help="compile each model first, then give all build folders",
        )


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


@one_blas_thread
def compare_model(
    model: Path,
    targets: tuple[str, ...],
    *,
    recording: Path | None = None,
    activity: str | None = None,
    output: Path | None = None,
    weight_bits: int | None = None,
    nir: NirOptions | None = None,
    steps: int = 1,
    preset: str = DEFAULT_PRESET,
    progress: Progress = lambda text: None,
) -> dict[str, Any]:
    """Map a model onto several targets; with recordings, calibrate, run and count real spikes.

    ``steps`` are the time steps of an inference where nothing is recorded, and ``activity`` its
    density. The answer also leads from the preset ``paper`` to ``physical``, one assumption at a
    time.
    """
    chosen = load_preset(preset)
    loaded = [load_target(name) for name in targets]
    if not loaded:
        raise refuse("unknown-target", "no targets to compare", loc="--targets")
    if output is not None:
        check_outside(output, "the comparison")
        check_names([target.name for target in loaded])
    density = _density(activity)
    imported = import_model(model, nir)
    recorded = None if recording is None else Recording.read(recording, imported.graph.inputs)
    found = []
    for target in loaded:
        progress(target.name)
        source = source_of(model)
        compared = build_on(target, imported, weight_bits, recorded, source=source, steps=steps)
        if density is not None:
            compared = replace(compared, activity=density)
        found.append(compared)
    answer = answer_of(found, chosen, imported.warnings)
    if output is not None:  # all of them are there: nothing is left of a comparison that failed
        for compared in found:
            write_build(compared.build, output / compared.build.target.name)
        write_comparison(answer, output)
    return answer


def _density(activity: str | None) -> float | None:
    """Return the density in an option that takes no trace."""
    if activity is None:
        return None
    try:
        return checked_density(float(activity))
    except ValueError as error:
        raise refuse(
            "compare-inputs",
            f"a trace is of one build, and a model has none yet: '{activity}' is no density",
            loc="--activity",
            help="give recordings with --input, or compare builds with a trace each",
        ) from error


@one_blas_thread
def compare_builds(
    folders: tuple[Path, ...],
    *,
    recording: Path | None = None,
    activity: str | None = None,
    output: Path | None = None,
    steps: int = 1,
    preset: str = DEFAULT_PRESET,
    progress: Progress = lambda text: None,
) -> dict[str, Any]:
    """Put builds side by side: of one model or several, with any options, on any targets.

    ``recording`` is run on each of them and its spikes are counted; ``activity`` is a density, or
    a trace for each build, separated by commas. What ``verify`` kept with a build is told.
    """
    chosen = load_preset(preset)
    names = _names_of(folders)
    if output is not None:
        check_outside(output, "the comparison")
    activities = _activities(activity, len(folders))
    found = []
    for folder, name, given in zip(folders, names, activities, strict=True):
        progress(name)
        build = read_build(folder, page=False)
        told, _ = read_activity(build.hardware, given)
        compared = Compared(
            build=build,
            activity=told,
            steps=checked_steps(steps),
            name=name,
            verified=recall(folder),
        )
        if recording is not None:
            ran = measured(compared, Recording.read(recording, build.hardware.inputs))
            compared = ran if given is None else replace(ran, activity=told)
        found.append(compared)
    answer = answer_of(found, chosen, ())
    if output is not None:
        write_comparison(answer, output)
    return answer


def _names_of(folders: Sequence[Path]) -> tuple[str, ...]:
    """Name each folder by as many of its last parts as tell it from the others."""
    parts = [folder.resolve().parts for folder in folders]
    for place, held in enumerate(parts):
        if held in parts[:place]:
            raise refuse(
                "compare-inputs",
                f"the same folder is given twice, as '{folders[parts.index(held)]}' "
                f"and '{folders[place]}'",
                help="name each build once",
            )
    longest = max(map(len, parts))
    for count in range(1, longest + 1):
        names = tuple("/".join(held[-count:]) for held in parts)
        if len(set(names)) == len(names):
            break
    return names


def _activities(activity: str | None, builds: int) -> list[str | None]:
    """Return what is given for each build: one density for all, or something for each."""
    given: list[str | None] = [None] if activity is None else [*activity.split(",")]
    if len(given) == 1 and (given[0] is None or builds == 1 or _is_number(given[0])):
        return given * builds
    if len(given) != builds:
        raise refuse(
            "compare-inputs",
            f"--activity names {_many(len(given), 'trace')}, {_many(builds, 'build')} are compared",
            loc="--activity",
            help="a trace is of one build: give one for each, by commas, or one density for all",
        )
    return given


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
