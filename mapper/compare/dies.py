"""Dies of the builds of a comparison, all of the same device, seeds and recording."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mapper.build.die import ideal_chip
from mapper.compare.compared import Compared
from mapper.compare.folder import records_of
from mapper.cost import Range
from mapper.diagnostics import printable, refuse
from mapper.dies.covered import DeviceUsed, devices_used
from mapper.dies.draw import Lot
from mapper.dies.found import measured, study_dies
from mapper.dies.plan import Plan, check_plan
from mapper.dies.trials import Trials, trials_on
from mapper.recordings import Recording
from mapper.report.comparison.dies import ComparedDies, SideDies
from mapper.study import run_study, study_of
from mapper.study.schedulers import SERIAL
from targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class DiesWanted:
    """Which dies of each build are run."""

    lot: Lot
    dies: int
    require: float | None = None
    """Share of samples, 0..1, from which on a die is good."""
    scheduler: str = SERIAL
    """Who runs them; the numbers are the same."""
    workers: int | None = None
    """Of the scheduler; as many as there are processors where None."""

    def devices(self, one: Compared) -> tuple[DeviceUsed, ...]:
        """Return the devices that layers of a build meet.

        Raises:
            MappingError: ``of-a-die``, and what ``devices_used`` raises.
        """
        build = ideal_chip(one.build)
        return devices_used(build.hardware, self.lot.of(build.target), self.lot.conditions)


def dies_beside(
    found: Sequence[Compared],
    energies: Sequence[Range],
    recorded: Callable[[Compared], Recording | None],
    wanted: DiesWanted,
    folder: Path | None,
    progress: Callable[[str], None],
) -> ComparedDies:
    """Draw and run dies of every build.

    Args:
        found: The builds.
        energies: Of an inference of each, in pJ.
        recorded: Reads the recording as a build takes it.
        wanted: Which dies.
        folder: Of the comparison, where records of dies are kept; None keeps none.
        progress: Called with what comes next.

    Raises:
        MappingError: ``compare-inputs`` without recordings, ``of-a-die``, and what
            ``study_dies`` raises.
    """
    run = partial(run_study, scheduler=wanted.scheduler, workers=wanted.workers)
    plan = Plan(dies=wanted.dies)
    check_plan(plan)
    used = [wanted.devices(one) for one in found]  # before the first die of any is drawn
    work = [_trials(one, recorded(one), wanted.lot) for one in found]
    _check_alike(found, work)
    sides, warnings, cites = [], dict[str, None](), dict[str, None]()
    for one, energy, devices, trials in zip(found, energies, used, work, strict=True):
        warnings |= {text: None for device in devices for text in device.told}
        cites |= {key: None for device in devices for key in device.cites}
        progress(f"{one.title}: dies")
        kept = partial(run, folder=records_of(study_of(trials), folder))
        held = study_dies(trials, plan, kept, progress)
        sides.append(
            SideDies(
                name=one.title,
                energy_pj=energy,
                adcs=_kind(one.build.target),
                device=", ".join(device.name for device in devices),
                measured=held.measured,
                ideal=held.ideal,
                values=held.values,
            )
        )
    return ComparedDies(
        require=wanted.require,
        first_seed=plan.first,
        sides=tuple(sides),
        warnings=tuple(warnings),
        cites=tuple(cites),
    )


def _trials(one: Compared, recording: Recording | None, lot: Lot) -> Trials:
    if recording is None:
        raise refuse("compare-inputs", "dies are run on recordings", help="give --input")
    return trials_on(one.build.hardware, one.build.target, recording, lot, 0, one.build.epilogue)


def _check_alike(found: Sequence[Compared], work: Sequence[Trials]) -> None:
    """Refuse to put side by side what is not measured by the same thing."""
    kinds = {measured(trials): one.title for one, trials in zip(found, work, strict=True)}
    if len(kinds) > 1:
        told = ", ".join(f"{kind} of {printable(title)}" for kind, title in kinds.items())
        raise refuse(
            "compare-inputs",
            f"dies are measured by different things: {told}",
            help="give recordings with labels, or compare builds whose outputs are of one kind",
        )


def _kind(target: Target) -> bool | None:
    """Say whether a target reads with ADCs alone; None where it reads with some of both."""
    kinds = {macro.readout.is_adc for macro in target.macros if not macro.readout.is_exact}
    return next(iter(kinds)) if len(kinds) == 1 else None
