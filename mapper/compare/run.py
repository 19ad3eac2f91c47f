"""Builds side by side: of a network on several targets, compiled here, or existing ones."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mapper.build.folder import check_outside, check_replaceable, read_build
from mapper.build.make import source_of
from mapper.build.model import Build
from mapper.compare.compared import Compared
from mapper.compare.folder import changed_comparison, check_names, other_builds, write_comparison
from mapper.compare.groups import averaged
from mapper.compare.iso import iso_kind
from mapper.compare.measure import build_on, measured, side_by_side, write_compared
from mapper.compare.result import Comparison
from mapper.cost.estimate import assumed, checked_density, checked_steps
from mapper.diagnostics import many, refuse
from mapper.frontend import Imported, NirOptions, import_model
from mapper.inputs import check_unused
from mapper.ir.core import Value
from mapper.ir.firing import firing_of
from mapper.layout import Presentation
from mapper.recordings import Recording
from mapper.renames import resolved
from mapper.report.comparison.designs import Kind
from mapper.threads import one_blas_thread
from mapper.verify.evidence import Given, read_activity
from mapper.verify.record import Verified, recall
from targets import DEFAULT_PRESET, Preset, Target, load_target

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """What is compared under; the first three are of a model, whose builds are made here."""

    targets: tuple[str, ...] | None = None
    """Names, or paths of target files."""
    weight_bits: int | None = None
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


DEFAULTS = CompareOptions()


def compare_paths(
    paths: tuple[Path, ...],
    options: CompareOptions = DEFAULTS,
    progress: Progress = lambda text: None,
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


@one_blas_thread
def compare_model(
    model: Path,
    options: CompareOptions,
    progress: Progress = lambda text: None,
) -> Comparison:
    """Map a model onto several targets; with recordings, calibrate, run and count real spikes.

    The answer also leads from the preset ``paper`` to ``physical``, one assumption at a time.
    """
    same = iso_kind(options.iso)
    chosen = assumed(options.preset, options.every_ms)
    targets = [load_target(name) for name in options.targets or ()]
    check_targets(targets, options.output)
    density, source = _density(options.activity), source_of(model)
    imported = import_model(model, options.nir)
    return compare_network(
        imported,
        source,
        targets,
        weight_bits=options.weight_bits,
        recording=_recorded(options, imported.graph.inputs, imported.presented),
        density=density,
        steps=options.steps,
        preset=chosen,
        same=same,
        output=options.output,
        progress=progress,
    )


def check_targets(targets: Sequence[Target], output: Path | None) -> None:
    """Refuse no targets, and an output that a comparison of them cannot be written to."""
    if not targets:
        raise refuse("unknown-target", "no targets to compare", loc="--targets")
    names = [target.name for target in targets]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise refuse(
            "target-value",
            f"two targets are named {twice[:80]!r}: nobody could tell which row is whose",
            loc="--targets",
            help="change 'name' in its file",
        )
    if output is not None:
        check_outside(output, "the comparison")
        check_names(names)
        _check_builds(output, targets)


def _check_builds(output: Path, targets: Sequence[Target]) -> None:
    for target in targets:
        check_replaceable(output / target.name)


def compare_network(
    imported: Imported,
    source: Mapping[str, str],
    targets: Sequence[Target],
    *,
    weight_bits: int | None,
    recording: Recording | None,
    density: float | None,
    steps: int,
    preset: Preset,
    output: Path | None,
    progress: Progress,
    same: Kind | None = None,
) -> Comparison:
    """Map a network onto targets that ``check_targets`` accepted, and compare the builds.

    Args:
        imported: The network.
        source: What builds say of its file.
        targets: One at least; ratios are to the first.
        weight_bits: Width of a weight; that of each target where None.
        recording: Calibrates, is run on every build, and its spikes are counted.
        density: Share of input bits that are 1, in place of counted spikes.
        steps: Time steps of an inference, where nothing is counted.
        preset: What to assume of the chips.
        output: Folder for the builds, the page and the tables.
        progress: Called with what comes next.
        same: What is made equal, besides.

    Raises:
        MappingError: ``compare-iso`` where nothing can be held equal, ``cost-every`` where a chip
            infers too seldom, and for anything wrong with a mapping or the recording.
    """
    found = []
    for target in targets:
        progress(target.name)
        compared = build_on(target, imported, weight_bits, recording, source=source, steps=steps)
        found.append(compared if density is None else replace(compared, activity=density))
    if same is not None:
        progress("columns and copies")
    answer = side_by_side(found, preset, imported.warnings, same)
    if output is None:
        return answer
    with changed_comparison(output) as new:
        for compared in found:
            write_compared(compared, new / compared.build.target.name)
        write_comparison(answer, new)
        _check_builds(output, targets)  # minutes later, one may hold something of the user's
    others = other_builds(output, [target.name for target in targets])
    return replace(answer, warnings=(*answer.warnings, *others))


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
    progress: Progress = lambda text: None,
) -> Comparison:
    """Put builds side by side: of one model or several, with any options, on any targets.

    A recording is run on each of them and its spikes are counted. The stored verification of
    a build is shown. Builds of groups stand among the others, and are averaged besides.
    """
    same = iso_kind(options.iso)
    chosen = assumed(options.preset, options.every_ms)
    given, groups = _with_groups(folders, options.groups)
    folders = tuple(given)
    names = _names_of(folders)
    if options.output is not None:
        check_outside(options.output, "the comparison")
    activities = _activities(options.activity, len(folders))
    found = []
    for folder, name, active in zip(folders, names, activities, strict=True):
        progress(name)
        build = read_build(folder)
        recorded = _recorded(options, build.hardware.inputs, build.presented)
        found.append(
            ready(
                build,
                name,
                recall(folder),
                activity=active,
                recording=recorded,
                steps=options.steps,
            )
        )
    if same is not None:
        progress("columns and copies")
    answer = averaged(side_by_side(found, chosen, same=same), found, groups)
    if options.output is not None:
        with changed_comparison(options.output) as new:
            write_comparison(answer, new)
    return answer


def _with_groups(
    folders: Sequence[Path], groups: Sequence[tuple[str, tuple[Path, ...]]]
) -> tuple[list[Path], dict[str, list[int]]]:
    """Add the builds of groups to the others, each once; return where those of each group are."""
    found, places = list(folders), dict[str, list[int]]()
    known = {resolved(folder): place for place, folder in enumerate(folders)}
    for name, members in groups:
        if name in places:
            raise refuse("compare-group", f"two groups are named {name!r:.80}", loc="--group")
        for folder in members:
            if resolved(folder) not in known:
                known[resolved(folder)] = len(found)
                found.append(folder)
        places[name] = [known[resolved(folder)] for folder in members]
    return found, places


def _recorded(
    options: CompareOptions, values: tuple[Value, ...], presented: Presentation
) -> Recording | None:
    """Return the recording as a network with these inputs takes it; None where none is given."""
    if options.recording is None:
        check_unused(options.layout)
        return None
    return Recording.read(options.recording, values, presented, options.layout)


def ready(
    build: Build,
    name: str,
    verified: Verified,
    *,
    activity: Given,
    recording: Recording | None,
    steps: int,
) -> Compared:
    """Return a build that is there as one of a comparison: its spikes counted or assumed.

    Args:
        build: The build.
        name: What the comparison calls it.
        verified: What is known of its rings.
        activity: A trace or its path, or a density; what the recording gives where None.
        recording: Run on it, for accuracy and spikes.
        steps: Time steps of an inference, with a density.
    """
    told, trace = read_activity(build, activity)
    known = verified.found
    kept = None if known is None else known.firing
    compared = Compared(
        build=build,
        activity=told,
        steps=checked_steps(steps),
        name=name,
        verified=verified,
        firing=firing_of(build.hardware, trace) if trace else kept,
        source_firing=None if known is None else known.source_firing,
    )
    if recording is None:
        return compared
    ran = measured(compared, recording)
    return ran if activity is None else replace(ran, activity=told)


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
