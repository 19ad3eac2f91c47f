"""Yield: what dies of a build are like, as chips come from the fab."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mapper.api.arguments import check_given
from mapper.api.figures import Figures, check_drawing, draw_dies
from mapper.api.inputs import Inputs, Progress, read_inputs, silent
from mapper.build.die import ideal_chip
from mapper.build.files import read_charted
from mapper.build.model import Build
from mapper.dies.covered import devices_used
from mapper.dies.draw import Lot
from mapper.dies.found import Costs, study_dies
from mapper.dies.plan import FEW_DIES, USUAL_DIES, Plan, check_plan
from mapper.dies.trials import trials_on
from mapper.ir.core import Array
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.noise import recorded_inputs
from mapper.proportions import Score
from mapper.report.dies.data import DATA, DiesReport, FirstDie
from mapper.report.dies.page import dies_charts
from mapper.report.dies.read import read_dies
from mapper.report.dies.written import dies_files
from mapper.report.references import works_cited
from mapper.study import run_study
from mapper.study.schedulers import SERIAL
from mapper.study.statistics import Distribution, Swept, Tolerance
from mapper.study.sweep import Sweep, check_share
from mapper.threads import one_blas_thread
from mapper.writing import changed_folder
from targets.devices import Device, load_device


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Dies:
    """Dies of a build on a recording.

    Example:
        >>> dies = build.dies(events, settings={"amplifier.offset": 0.5}, dies=100, require=0.9)
        >>> round(dies.distribution.mean, 3), str(dies.score)
        (0.887, '36.0 % (36 of 100, 95 %: 27.3 .. 45.8)')
        >>> dies.values.shape  # by seed
        (100,)
    """

    told: DiesReport
    """All that was found, and of which chips."""

    @property
    def values(self) -> Array:
        """What was measured of each die, 0..1, by seed: ``[dies]``."""
        return np.asarray(self.told.found.values)

    @property
    def seeds(self) -> Array:
        """Seeds of the dies, ``[dies]``."""
        return np.asarray(self.told.found.plan.seeds)

    @property
    def measured(self) -> str:
        """What ``values`` are: ``accuracy``; without labels ``same class`` or ``same outputs``."""
        return self.told.found.measured

    @property
    def distribution(self) -> Distribution:
        """Mean, spread and quantiles of ``values``."""
        return self.told.distribution

    @property
    def ideal(self) -> Score:
        """Of the ideal chip."""
        return self.told.found.ideal

    @property
    def score(self) -> Score | None:
        """The yield: how many dies are good; None where nothing is required."""
        return self.told.score

    @property
    def spikes(self) -> Mapping[str, Distribution]:
        """Share of spike positions, 0..1, that differ from the ideal chip's, by layer.

        A layer is named by its spikes in the graph.
        """
        return {name: held.differing for name, held in self.told.found.spikes.items()}

    @property
    def sweeps(self) -> Mapping[str, Swept]:
        """What was found along each sweep, by its setting."""
        return {swept.name: swept for swept in self.told.found.sweeps}

    @property
    def tolerances(self) -> tuple[Tolerance, ...]:
        """How far each swept setting may go; none where nothing is required."""
        return self.told.tolerances

    @property
    def costs(self) -> Costs | None:
        """Which imperfection and which layer costs what; None where nobody asked."""
        return self.told.found.costs

    @property
    def warnings(self) -> tuple[str, ...]:
        """What has to be known of the numbers: what devices do not say."""
        return self.told.warnings

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom yield``."""
        return self.told.as_dict()

    def figures(
        self, folder: str | Path, *, columns: int = 1, progress: Progress = silent
    ) -> Figures:
        """Write the charts of the page as SVG, PNG and PDF, with captions; see ``Build.figures``.

        The faults of the first die are on the page alone.

        Args:
            folder: Where to write them; not in a build folder.
            columns: Columns of a paper that a figure is wide, 1 or 2.
            progress: Called with what comes next.

        Raises:
            MappingError: ``missing-extra`` without vl-convert, ``report-output`` where figures
                would change a build. Nothing is written then.
        """
        check_given({"folder": folder, "columns": columns, "progress": progress})
        check_drawing(Path(folder))
        progress("drawing")
        return draw_dies(Path(folder), self.told, columns)

    def __repr__(self) -> str:
        found = self.distribution
        told = f"{self.measured} {100 * found.mean:.3g} % over {len(found.values)}"
        return f"Dies({told}; yield {self.score})" if self.score else f"Dies({told})"


class MakesDies:
    """What a build does with dies: a part of ``mapper.api.Build``."""

    mapped: Build

    @one_blas_thread
    def dies(
        self,
        inputs: Inputs,
        *,
        device: str | Path | Device | None = None,
        settings: Mapping[str, float] | None = None,
        age: float | None = None,
        dies: int | None = None,
        require: float | None = None,
        sweeps: Sequence[Sweep] = (),
        attribute: bool = False,
        seed: int = 0,
        run_seed: int = 0,
        labels: ArrayLike | None = None,
        layout: str | None = None,
        folder: str | Path | None = None,
        scheduler: str = SERIAL,
        workers: int | None = None,
        progress: Progress = silent,
    ) -> Dies:
        """Draw chips as they come from the fab, run each, and say how many are good.

        Dies have the seeds ``seed``, ``seed + 1`` and so on; noise of reads of die ``n`` follows
        from ``run_seed + n``. The same call gives the same numbers by every scheduler.

        Args:
            inputs: As in ``run``; a file or a mapping may also have ``labels``.
            device: What chips are made of: a name, a file, or a ``Device``; what the target names
                where None.
            settings: Facts of it to replace, ``{"amplifier.offset": 0.5}``.
            age: Of the chips, in seconds since they were programmed; just programmed where None.
            dies: How many, at every point of a sweep; 200 where None, and 20 of them where it is
                told what costs what.
            require: Share of samples, 0..1, that a good die answers right; without labels, as the
                ideal chip does.
            sweeps: Settings, or ``age`` in seconds, each with its values, one after the other:
                ``mapper.study.sweep.parse_sweep`` reads them.
            attribute: Say which imperfection, and which layer, costs what.
            seed: Of the first die.
            run_seed: Of noise of reads.
            labels: As in ``verify``.
            layout: As in ``run``.
            folder: Where records are kept, so that a run that was stopped goes on; page and tables
                are written there.
            scheduler: ``serial``, ``threads``, ``processes``, ``dask``, or ``tcp://HOST:PORT``
                of a Dask scheduler.
            workers: Of the scheduler; as many as there are processors where None.
            progress: Called with what is done, and how long the rest may take.

        Raises:
            MappingError: ``bad-dies``, ``of-a-die``, ``no-device``, ``device-setting``,
                ``device-age`` and what ``run`` and ``mapper.study.run_study`` raise.
        """
        check_given(
            {
                "attribute": attribute,
                "seed": seed,
                "run_seed": run_seed,
                "scheduler": scheduler,
                "sweeps": sweeps,
                "progress": progress,
            },
            device=device,
            settings=settings,
            age=age,
            dies=dies,
            require=require,
            folder=folder,
            workers=workers,
        )
        check_share(require)
        build = ideal_chip(self.mapped)
        lot = Lot(
            device=device if device is None or isinstance(device, Device) else load_device(device),
            settings=settings or {},
            age=age,
        )
        recorded = recorded_inputs(build.hardware)
        recording = read_inputs(inputs, recorded, build.presented, layout, labels)
        graph, target = build.hardware, build.target
        devices = devices_used(graph, lot.of(target), lot.conditions)
        plan = Plan(
            first=seed,
            dies=USUAL_DIES if dies is None else dies,
            sweeps=tuple(sweeps),
            few=(FEW_DIES if dies is None else dies) if attribute else 0,
            imperfections=lot.imperfections(graph, target),
            layers=tuple(op.partial_sum.name for op in graph.ops if isinstance(op, CrossbarMvm)),
        )
        check_plan(plan)
        run = partial(
            run_study,
            folder=None if folder is None else Path(folder),
            scheduler=scheduler,
            workers=workers,
        )
        trials = trials_on(graph, target, recording, lot, run_seed, build.epilogue)
        found = study_dies(trials, plan, run, progress)
        told = DiesReport(
            network=build.network.name,
            target=target.name,
            settings=lot.settings,
            age=lot.age,
            found=found,
            require=require,
            run_seed=run_seed,
            recording=recording.taken,
            devices=devices,
            warnings=(
                *trials.prepare().firing.warnings("the ideal chip"),
                *(text for device in devices for text in device.told),
            ),
            works=works_cited(key for device in devices for key in device.cites),
        )
        if folder is not None:
            progress("laying the page out")
            write_dies(told, FirstDie(graph=graph, chip=target, lot=lot, seed=seed), Path(folder))
        return Dies(told=told)


def write_dies(told: DiesReport, die: FirstDie, folder: Path) -> None:
    """Write page, data and tables beside the records; other files in the folder stay."""
    with changed_folder(folder, alone=False, last=DATA) as new:
        for name, text in dies_files(told, die).items():
            (new / name).write_text(text, encoding="utf-8")


def is_yield(folder: Path) -> bool:
    """Say whether a folder looks like one that ``yield -o`` wrote, and is no build."""
    return (folder / DATA).is_file() and not (folder / "manifest.json").exists()


def read_yield(folder: Path) -> DiesReport:
    """Read the answer that ``yield -o`` wrote; it may come from someone else.

    Raises:
        MappingError: ``bad-yield`` where it cannot be charted.
    """
    return read_charted(folder / DATA, read_dies, dies_charts, code="bad-yield", command="yield")
