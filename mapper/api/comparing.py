"""Targets or builds side by side, in Python."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from mapper.api.arguments import check_given
from mapper.api.build import Build
from mapper.api.inputs import (
    Activity,
    Inputs,
    Model,
    Progress,
    read_activity,
    read_model,
    read_target,
    recorded_by,
    silent,
)
from mapper.api.make import load
from mapper.arguments import Takes, check_arguments
from mapper.compare.dies import DiesWanted
from mapper.compare.result import Comparison
from mapper.compare.run import Mapped, Ready, asked, check_targets, compare_network, compare_ready
from mapper.cost.estimate import checked_density
from mapper.diagnostics import refuse
from mapper.dies.draw import Lot
from mapper.frontend import Imported, NirOptions
from mapper.ir.assignment import Assignment
from mapper.renames import resolved
from mapper.study.schedulers import SERIAL, scheduler_of
from mapper.study.sweep import check_share
from mapper.threads import one_blas_thread
from mapper.verify.record import Verified, recall
from targets import DEFAULT_PRESET, Target, given_assignment
from targets.devices import Device, check_settings, load_device
from targets.devices.conditions import check_conditions


@one_blas_thread
def compare_targets(
    model: Model | Imported,
    targets: Iterable[str | Path | Target],
    *,
    inputs: Inputs | None = None,
    layout: str | None = None,
    weight_bits: int | None = None,
    assignment: Assignment | str | Path | None = None,
    spread_steps: bool | None = None,
    density: float | None = None,
    steps: int = 1,
    preset: str = DEFAULT_PRESET,
    every_ms: float | None = None,
    iso: str | None = None,
    output: str | Path | None = None,
    nir: NirOptions | None = None,
    device: str | Path | Device | None = None,
    settings: Mapping[str, float] | None = None,
    age: float | None = None,
    dies: int | None = None,
    require: float | None = None,
    scheduler: str = SERIAL,
    workers: int | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Map one network onto several targets and put what they cost side by side.

    Args:
        model: The path of an ONNX or NIR file, an ``onnx.ModelProto``, or what ``import_model``
            returns.
        targets: One at least; ratios are to the first.
        inputs: Recordings that calibrate, that are run on every build, and whose spikes are
            counted; ``labels`` among them give accuracy.
        layout: Of these recordings, as ``Build.run`` takes it.
        weight_bits: Width of a weight, 1..8; that of each target where None.
        assignment: What is decided for layers on every target, as ``compile`` takes it.
        spread_steps: True: every target stands twice, with counts of spikes read in bit planes and
            in binary steps.
        density: Share of input bits that are 1, 0..1, in place of counted spikes.
        steps: Time steps of an inference, where nothing is counted.
        preset: What to assume of the chips: ``paper``, ``physical``, ``as-built``.
        every_ms: Milliseconds from one inference to the next, as in ``Build.cost``.
        iso: What is made equal besides, by other copies of layers or other columns a readout:
            ``area`` of the chip, ``throughput`` (the time per step) or ``mux`` (the columns).
        output: Folder for the builds, a page and tables; nothing is written where None.
        nir: What a NIR file leaves open.
        device: What chips are made of, in place of what targets name: the levels of its cells
            price them, and dies are of it.
        settings: Facts of the device to replace in dies, ``{"cell.sigma": 0.1}``.
        age: Of the dies, in seconds since they were programmed.
        dies: How many chips as they come from the fab are run of each build; none where None.
            Where there is an ``output`` it keeps a record of each: what was run is not run again.
        require: Share of samples, 0..1, that a good die answers right.
        scheduler: Who runs dies, as in ``Build.dies``.
        workers: Of the scheduler.
        progress: Called with what comes next.

    Raises:
        MappingError: for anything wrong with the model, a target, the recordings or the folder.
    """
    check_given(
        {"targets": targets, "steps": steps, "preset": preset, "progress": progress},
        density=density,
        every_ms=every_ms,
        iso=iso,
        output=output,
        spread_steps=spread_steps,
    )
    wanted = asked(
        recorded=recorded_by(inputs, layout),
        steps=steps,
        preset=preset,
        every_ms=every_ms,
        iso=iso,
        output=output,
        progress=progress,
        dies=dies_wanted(device, settings, age, dies, require, scheduler, workers, compiled=True),
    )
    ways = (False, True) if spread_steps else (None,)
    mapped = read_mapped(
        model, targets, weight_bits, density, nir, ways, device=device, assignment=assignment
    )
    return compare_network(mapped, wanted)


def read_mapped(
    model: Model | Imported,
    targets: Iterable[str | Path | Target],
    weight_bits: int | None,
    density: float | None,
    nir: NirOptions | None,
    spread_steps: tuple[bool | None, ...],
    device: str | Path | Device | None = None,
    assignment: Assignment | str | Path | None = None,
) -> Mapped:
    """Read a network and the targets that it is mapped onto; see ``compare_targets``."""
    check_given({}, assignment=assignment)
    decided = given_assignment(assignment)
    facts = [read_target(target, device) for target in targets]
    check_targets(facts)
    share = None if density is None else checked_density(density)
    imported, source = read_model(model, nir)
    return Mapped(
        imported=imported,
        source=source,
        targets=facts,
        weight_bits=weight_bits,
        assignment=decided,
        density=share,
        spread_steps=spread_steps,
    )


@one_blas_thread
def compare_mappings(
    builds: Iterable[Build | str | Path],
    *,
    inputs: Inputs | None = None,
    layout: str | None = None,
    activity: Activity | Sequence[Activity] = None,
    steps: int = 1,
    preset: str = DEFAULT_PRESET,
    every_ms: float | None = None,
    iso: str | None = None,
    output: str | Path | None = None,
    groups: Mapping[str, Sequence[Build | str | Path]] | None = None,
    device: str | Path | Device | None = None,
    settings: Mapping[str, float] | None = None,
    age: float | None = None,
    dies: int | None = None,
    require: float | None = None,
    scheduler: str = SERIAL,
    workers: int | None = None,
    progress: Progress = silent,
) -> Comparison:
    """Put builds side by side: of one model or several, with any options, on any targets.

    Args:
        builds: What ``compile`` and ``load`` return, or build folders; ratios are to the first. A
            build is named by its folder, or else by its target; a number tells equal names apart.
        inputs: Recordings that are run on every build, and whose spikes are counted.
        layout: Of these recordings, as ``Build.run`` takes it.
        activity: As in ``Build.cost``; for all builds, or a list with one for each.
        steps: Time steps of an inference, with a density.
        preset: What to assume of the chips.
        every_ms: Milliseconds from one inference to the next, as in ``Build.cost``.
        iso: As for ``compare_targets``.
        output: Folder for a page and tables; nothing is written where None.
        groups: Builds of one network on one target, such as seeds, that are averaged, by the
            group's name; those that are not among ``builds`` are added to them.
        device: What dies are made of, in place of what targets name.
        settings: As for ``compare_targets``; so is all that follows.
        age: As ``settings``.
        dies: As ``settings``.
        require: As ``settings``.
        scheduler: As ``settings``.
        workers: As ``settings``.
        progress: Called with what comes next.

    Raises:
        MappingError: ``compare-inputs`` for no builds, or another number of activities;
            ``compare-group`` for builds that cannot be averaged; ``compare-iso`` for what cannot
            be made equal; and for anything wrong with the folders or the recordings.
    """
    check_given(
        {"steps": steps, "preset": preset, "progress": progress},
        every_ms=every_ms,
        iso=iso,
        output=output,
    )
    check_arguments(_TAKES, {"builds": builds}, {"groups": groups})
    wanted = asked(
        recorded=recorded_by(inputs, layout),
        steps=steps,
        preset=preset,
        every_ms=every_ms,
        iso=iso,
        output=output,
        progress=progress,
        dies=dies_wanted(device, settings, age, dies, require, scheduler, workers),
    )
    listed, places = with_groups(list(builds), groups or {})
    given = [build if isinstance(build, Build) else load(build) for build in listed]
    named = zip(given, _names(given), _one_each(activity, len(given)), strict=True)
    found = [
        Ready(
            build=build.mapped,
            name=name,
            verified=Verified(found=None) if build.folder is None else recall(build.folder),
            activity=read_activity(active),
        )
        for build, name, active in named
    ]
    return compare_ready(found, places, wanted)


def dies_wanted(
    device: str | Path | Device | None,
    settings: Mapping[str, float] | None,
    age: float | None,
    dies: int | None,
    require: float | None,
    scheduler: str,
    workers: int | None,
    *,
    compiled: bool = False,
) -> DiesWanted | None:
    """Return which dies are compared; None where none are.

    Args:
        device: As for ``compare_targets``, and so are the others.
        settings: Of the device.
        age: Of the dies.
        dies: How many of each build.
        require: Of a good die.
        scheduler: Who runs them.
        workers: Of the scheduler.
        compiled: Builds are made here, for the device.

    Raises:
        MappingError: ``compare-inputs`` for what is of dies where there are none; ``bad-share``,
            ``unknown-scheduler``, ``device-setting`` and ``device-age``; what is wrong with a
            device's file.
    """
    check_given(
        {"scheduler": scheduler},
        device=device,
        settings=settings,
        age=age,
        dies=dies,
        require=require,
        workers=workers,
    )
    check_share(require)
    scheduler_of(scheduler)
    if dies is None:
        of_dies = {
            "--device": device is not None and not compiled,
            "--set": bool(settings),
            "--age": age is not None,
            "--require": require is not None,
            "--scheduler": scheduler != SERIAL,
            "--workers": workers is not None,
        }
        if given := [name for name, there in of_dies.items() if there]:
            raise refuse(
                "compare-inputs",
                f"{', '.join(given)}: of dies, and none are asked for",
                help="give --dies, how many of each build",
            )
        return None
    check_settings(settings or {})
    check_conditions(age, None)
    held = device if device is None or isinstance(device, Device) else load_device(device)
    return DiesWanted(
        lot=Lot(device=held, settings=settings or {}, age=age),
        dies=dies,
        require=require,
        scheduler=scheduler,
        workers=workers,
    )


_B = TypeVar("_B", bound=Build | str | Path)
_BUILD = Takes(words="a build or its folder", types=(Build, str, os.PathLike))
_BUILDS = Takes(words="several builds or their folders", types=(Iterable,), each=_BUILD)
_TAKES = {
    "builds": _BUILDS,
    "groups": Takes(words="several builds by the group's name", types=(Mapping,), each=_BUILDS),
}


def with_groups(
    builds: list[_B], groups: Mapping[str, Sequence[_B]]
) -> tuple[list[_B], dict[str, list[int]]]:
    """Add the builds of groups to the others, each once; return where those of each group are."""
    places: dict[str, list[int]] = {}
    for name, members in groups.items():
        for build in members:
            if not any(_same(build, known) for known in builds):
                builds.append(build)
        places[name] = [
            next(place for place, known in enumerate(builds) if _same(build, known))
            for build in members
        ]
    return builds, places


def _same(one: Build | str | Path, other: Build | str | Path) -> bool:
    if isinstance(one, Build) or isinstance(other, Build):
        return one is other
    return resolved(Path(one)) == resolved(Path(other))


def _names(builds: Sequence[Build]) -> list[str]:
    """Name builds by folder or target; a number tells equal names apart."""
    names: list[str] = []
    for build in builds:
        plain = build.target.name if build.folder is None else resolved(build.folder).name
        known = sum(name == plain or name.startswith(f"{plain} (") for name in names)
        names.append(f"{plain} ({known + 1})" if known else plain)
    return names


def _one_each(activity: Activity | Sequence[Activity], builds: int) -> list[Activity]:
    if not builds:
        raise refuse("compare-inputs", "no builds to compare")
    if not isinstance(activity, list | tuple):
        return [activity] * builds  # type: ignore[list-item]  # a sequence is a list or a tuple
    if len(activity) != builds:
        raise refuse(
            "compare-inputs",
            f"{len(activity)} activities for {builds} builds",
            help="give one for each, or one for all",
        )
    return list(activity)
