"""Steps of every comparison: of a network on several targets, compiled here, or of builds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mapper.build.folder import check_outside, check_replaceable
from mapper.build.model import Build
from mapper.compare.compared import Compared
from mapper.compare.dies import DiesWanted, dies_beside
from mapper.compare.folder import changed_comparison, check_names, other_builds, write_comparison
from mapper.compare.groups import averaged
from mapper.compare.iso import iso_kind
from mapper.compare.measure import build_on, measured, side_by_side, write_compared
from mapper.compare.result import Comparison
from mapper.cost.estimate import assumed, checked_steps
from mapper.diagnostics import refuse
from mapper.frontend import Imported
from mapper.ir.assignment import Assignment
from mapper.ir.core import Value
from mapper.ir.firing import firing_of
from mapper.ir.noise import recorded_inputs
from mapper.layout import Presentation
from mapper.recordings import Recording
from mapper.report.comparison.designs import Kind
from mapper.report.references import works_cited
from mapper.verify.evidence import Given, read_activity
from mapper.verify.record import Verified
from targets import Preset, Target

Progress = Callable[[str], None]
Recorded = Callable[[tuple[Value, ...], Presentation], Recording | None]
"""Reads the recording as a network with these inputs takes it; None where none is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of a comparison, whatever is compared."""

    recorded: Recorded
    """Run on every build; a network is calibrated with it."""
    steps: int
    """Time steps of an inference, where nothing is counted."""
    preset: Preset
    same: Kind | None
    """What is made equal, besides."""
    output: Path | None
    """Folder for the page, the tables and the builds of a network."""
    progress: Progress
    """Called with what comes next."""
    dies: DiesWanted | None = None
    """Chips as they come from the fab, of every build."""


def asked(
    *,
    recorded: Recorded,
    steps: int,
    preset: str,
    every_ms: float | None,
    iso: str | None,
    output: str | Path | None,
    progress: Progress,
    dies: DiesWanted | None = None,
) -> Asked:
    """Check what is asked, before anything is read.

    Raises:
        MappingError: ``compare-iso``, ``unknown-preset``, ``cost-every``, and for a folder inside
            of a build.
    """
    same, chosen = iso_kind(iso), assumed(preset, every_ms)
    folder = None if output is None else Path(output)
    if folder is not None:
        check_outside(folder, "the comparison")
    return Asked(
        recorded=recorded,
        steps=steps,
        preset=chosen,
        same=same,
        output=folder,
        progress=progress,
        dies=dies,
    )


def check_targets(targets: Sequence[Target]) -> None:
    """Refuse no targets, and two of one name."""
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


def _check_builds(output: Path, names: Sequence[str]) -> None:
    for name in names:
        check_replaceable(output / name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """A network that is mapped onto several targets."""

    imported: Imported
    source: Mapping[str, str]
    """What builds say of its file."""
    targets: Sequence[Target]
    """One at least, that ``check_targets`` accepted; ratios are to the first."""
    weight_bits: int | None
    """Width of a weight; that of each target where None."""
    assignment: Assignment | None
    """What is decided for layers; what the network came with where None."""
    density: float | None
    """Share of input bits that are 1, in place of counted spikes."""
    spread_steps: tuple[bool | None, ...] = (None,)
    """Ways in which layers read counts, as ``make_build`` takes them: a build for each."""

    @property
    def wanted(self) -> tuple[tuple[str, Target, bool | None], ...]:
        """A build each: its name, its target and how it reads counts."""
        several = len(self.spread_steps) > 1
        return tuple(
            (f"{target.name}-steps" if several and spread else target.name, target, spread)
            for target in self.targets
            for spread in self.spread_steps
        )

    def builds(self, recorded: Recorded, steps: int, progress: Progress) -> Iterator[Compared]:
        """Yield the builds, their spikes counted or assumed."""
        recording = recorded(self.imported.graph.inputs, self.imported.presented)
        for name, target, spread in self.wanted:
            progress(name)
            found = build_on(
                target,
                self.imported,
                self.weight_bits,
                recording,
                source=self.source,
                assignment=self.assignment,
                steps=steps,
                spread_steps=spread,
            )
            found = found if name == target.name else replace(found, name=name)
            yield found if self.density is None else replace(found, activity=self.density)


def compare_network(mapped: Mapped, asked: Asked) -> Comparison:
    """Map a network onto targets that ``check_targets`` accepted, and compare the builds.

    The answer also leads from the preset ``paper`` to ``physical``, one assumption at a time.

    Raises:
        MappingError: ``compare-iso`` where nothing can be held equal, ``cost-every`` where a chip
            infers too seldom, and for anything wrong with a mapping or the recording.
    """
    names = [name for name, _, _ in mapped.wanted]
    if asked.output is not None:
        check_names(names)
        _check_builds(asked.output, names)
    found = list(mapped.builds(asked.recorded, asked.steps, asked.progress))
    answer = _side_by_side(found, asked, mapped.imported.warnings)
    if asked.output is None:
        return answer
    with changed_comparison(asked.output) as new:
        for compared in found:
            write_compared(compared, new / compared.title)
        write_comparison(answer, new)
        _check_builds(asked.output, names)  # minutes later, it may hold the user's files
    others = other_builds(asked.output, names)
    return replace(answer, warnings=(*answer.warnings, *others))


def _side_by_side(
    found: Sequence[Compared], asked: Asked, warnings: Sequence[str] = ()
) -> Comparison:
    if asked.same is not None:
        asked.progress("columns and copies")
    answer = side_by_side(found, asked.preset, warnings, asked.same)
    if asked.dies is None:
        return answer
    energies = [row.cost.total_pj for row in answer.builds]
    dies = dies_beside(found, energies, _recorded(asked), asked.dies, asked.output, asked.progress)
    works = {work.key: work for work in (*works_cited(dies.cites), *answer.works)}
    return replace(
        answer,
        dies=dies,
        warnings=(*answer.warnings, *dies.warnings),
        works=tuple(works[key] for key in sorted(works)),
    )


def _recorded(asked: Asked) -> Callable[[Compared], Recording | None]:
    """Return what reads the recording as a build takes it."""
    return lambda one: asked.recorded(recorded_inputs(one.build.hardware), one.build.presented)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A build that is there, to be compared with others."""

    build: Build
    name: str
    """What the comparison calls it."""
    verified: Verified
    """What is known of its rings."""
    activity: Given
    """A trace or its path, or a density; what the recording gives where None."""


def compare_ready(
    builds: Sequence[Ready], groups: Mapping[str, Sequence[int]], asked: Asked
) -> Comparison:
    """Put builds that are there side by side: of one model or several, on any targets.

    A recording is run on each of them and its spikes are counted. Builds of groups stand among
    the others, at these places, and are averaged besides.

    Raises:
        MappingError: ``compare-group`` for builds that cannot be averaged, ``compare-iso`` where
            nothing can be held equal, and for anything wrong with the recording or an activity.
    """
    found = []
    for one in builds:
        asked.progress(one.name)
        found.append(_counted(one, asked))
    answer = averaged(_side_by_side(found, asked), found, groups)
    if asked.output is not None:
        with changed_comparison(asked.output) as new:
            write_comparison(answer, new)
    return answer


def _counted(one: Ready, asked: Asked) -> Compared:
    """Return a build with its spikes counted or assumed."""
    build = one.build
    recording = asked.recorded(recorded_inputs(build.hardware), build.presented)
    told, trace = read_activity(build, one.activity)
    known = one.verified.found
    kept = None if known is None else known.firing
    compared = Compared(
        build=build,
        activity=told,
        steps=checked_steps(asked.steps),
        name=one.name,
        verified=one.verified,
        firing=firing_of(build.hardware, trace) if trace else kept,
        source_firing=None if known is None else known.source_firing,
    )
    if recording is None:
        return compared
    ran = measured(compared, recording)
    return ran if one.activity is None else replace(ran, activity=told)
