"""What the command ``compare`` takes: a model or build folders, with options as they are typed.

The steps are those of ``compare_targets`` and ``compare_mappings``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mapper.api.comparing import compare_targets, dies_wanted, with_groups
from mapper.api.inputs import Progress, recorded_by, silent
from mapper.build.folder import read_build
from mapper.compare.result import Comparison
from mapper.compare.run import Ready, asked, compare_ready
from mapper.cost.estimate import checked_density
from mapper.diagnostics import many, refuse
from mapper.frontend import NirOptions
from mapper.renames import resolved
from mapper.study.schedulers import SERIAL
from mapper.threads import one_blas_thread
from mapper.verify.record import recall
from targets import DEFAULT_PRESET
from targets.devices import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """What is compared under; the first four are of a model, whose builds are made here."""

    targets: tuple[str, ...] | None = None
    """Names, or paths of target files."""
    weight_bits: int | None = None
    assignment: Path | None = None
    spread_steps: bool | None = None
    """Whether every target stands twice, with counts in bit planes and in binary steps."""
    nir: NirOptions | None = None
    recording: Path | None = None
    """Run on every build; a model is calibrated with it."""
    layout: str | None = None
    """What the first axis of an input counts in it, ``steps`` or ``samples``."""
    activity: str | None = None
    """A density; of builds also a trace for each, separated by commas."""
    steps: int = 1
    """Time steps of an inference, where nothing is recorded."""
    preset: str = DEFAULT_PRESET
    every_ms: float | None = None
    """Milliseconds from one inference to the next; None is back to back."""
    iso: str | None = None
    """What is made equal, besides: ``area``, ``throughput`` or ``mux``."""
    groups: tuple[tuple[str, tuple[Path, ...]], ...] = ()
    """Builds of one network that are averaged, by the group's name; they need not be among the
    paths."""
    output: Path | None = None
    """Folder for the page, the tables and the builds of a model."""
    device: str | Device | None = None
    """What chips are made of; a model is compiled for it."""
    settings: Mapping[str, float] | None = None
    """Facts of the device that dies have replaced."""
    age: float | None = None
    """Of the dies, in seconds."""
    dies: int | None = None
    """Chips as they come from the fab, of each build; None: none."""
    require: float | None = None
    """Share of samples, 0..1, that a good die answers right."""
    scheduler: str = SERIAL
    """Who runs dies."""
    workers: int | None = None
    """Of the scheduler; as many as there are processors where None."""


DEFAULTS = CompareOptions()


def compare_paths(
    paths: tuple[Path, ...],
    options: CompareOptions = DEFAULTS,
    progress: Progress = silent,
) -> Comparison:
    """Compare one model on several targets, or build folders where all paths are folders.

    Raises:
        MappingError: ``compare-inputs`` where it is neither, or where an option of compiling is
            given for builds; and what ``compare_model`` and ``compare_builds`` raise.
    """
    if not paths and not options.groups:
        raise refuse("compare-inputs", "nothing to compare", help="give a model or build folders")
    if all(path.is_dir() for path in paths):
        _refuse_compiling(options)
        return compare_builds(paths, options, progress)
    _check_one_model(paths)
    if options.groups:
        raise refuse(
            "compare-inputs",
            f"a group is of build folders, '{paths[0]}' is a model",
            loc="--group",
            help="compile it first, once for each seed",
        )
    return compare_model(paths[0], options, progress)


def _refuse_compiling(options: CompareOptions) -> None:
    compiling = {
        "--targets": options.targets is not None,
        "--weight-bits": options.weight_bits is not None,
        "--assign": options.assignment is not None,
        "--spread-steps": bool(options.spread_steps),
        "an option for NIR": options.nir is not None and options.nir != NirOptions(),
    }
    if given := [name for name, there in compiling.items() if there]:
        raise refuse(
            "compare-inputs",
            f"build folders are compiled already: {', '.join(given)} would change nothing",
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
            f"{many(len(paths) - folders, 'file')} and {many(folders, 'folder')}",
            help="compile each model first, then give all build folders",
        )


def compare_model(model: Path, options: CompareOptions, progress: Progress = silent) -> Comparison:
    """Map a model onto several targets: ``compare_targets`` with options as they are typed."""
    return compare_targets(
        model,
        options.targets or (),
        inputs=options.recording,
        layout=options.layout,
        weight_bits=options.weight_bits,
        assignment=options.assignment,
        spread_steps=options.spread_steps,
        density=_density(options.activity),
        steps=options.steps,
        preset=options.preset,
        every_ms=options.every_ms,
        iso=options.iso,
        output=options.output,
        nir=options.nir,
        device=options.device,
        settings=options.settings,
        age=options.age,
        dies=options.dies,
        require=options.require,
        scheduler=options.scheduler,
        workers=options.workers,
        progress=progress,
    )


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
    options: CompareOptions = DEFAULTS,
    progress: Progress = silent,
) -> Comparison:
    """Put build folders side by side, named by their paths: else as ``compare_mappings`` does."""
    wanted = asked(
        recorded=recorded_by(options.recording, options.layout),
        steps=options.steps,
        preset=options.preset,
        every_ms=options.every_ms,
        iso=options.iso,
        output=options.output,
        progress=progress,
        dies=dies_wanted(
            options.device,
            options.settings,
            options.age,
            options.dies,
            options.require,
            options.scheduler,
            options.workers,
        ),
    )
    given, groups = with_groups(list(folders), _by_name(options.groups))
    named = zip(given, _names_of(given), _activities(options.activity, len(given)), strict=True)
    found = [
        Ready(build=read_build(folder), name=name, verified=recall(folder), activity=active)
        for folder, name, active in named
    ]
    return compare_ready(found, groups, wanted)


def _by_name(groups: Sequence[tuple[str, tuple[Path, ...]]]) -> dict[str, tuple[Path, ...]]:
    found: dict[str, tuple[Path, ...]] = {}
    for name, members in groups:
        if name in found:
            raise refuse("compare-group", f"two groups are named {name!r:.80}", loc="--group")
        found[name] = members
    return found


def _names_of(folders: Sequence[Path]) -> tuple[str, ...]:
    """Name each folder by as many of its last parts as tell it from the others."""
    parts = [resolved(folder).parts for folder in folders]
    for place, own in enumerate(parts):
        if own in parts[:place]:
            raise refuse(
                "compare-inputs",
                f"the same folder is given twice, as '{folders[parts.index(own)]}' "
                f"and '{folders[place]}'",
                help="name each build once",
            )
    longest = max(map(len, parts))
    for count in range(1, longest + 1):
        names = tuple("/".join(own[-count:]) for own in parts)
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
            f"--activity names {many(len(given), 'trace')}, {many(builds, 'build')} are compared",
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
