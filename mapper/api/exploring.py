"""Explore: which design to build, asked of many points of a space."""

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mapper.api.arguments import check_given
from mapper.api.inputs import (
    Inputs,
    Model,
    Progress,
    read_inputs_if,
    read_model,
    read_target,
    silent,
)
from mapper.cost.description import Description
from mapper.diagnostics import MappingError, refuse
from mapper.exploration.closer import closer_look
from mapper.exploration.designs import DESIGNS, Asked, command_of, files_of
from mapper.exploration.found import Evaluated, Explored
from mapper.exploration.run import explore_space, sampled_points
from mapper.exploration.sampling import Sampling
from mapper.exploration.space import Space, load_space
from mapper.exploration.work import ExploreWork, explore_work
from mapper.frontend import Imported, NirOptions
from mapper.notebook import html_table
from mapper.report.exploration.data import DATA, ExplorationReport
from mapper.report.exploration.told import answer_lines, front_table
from mapper.report.exploration.written import exploration_files
from mapper.study.schedulers import SERIAL
from mapper.writing import changed_folder
from targets import Target

MOST_CLOSER = 32
"""Points that are looked at more closely for a page, the first of those that have a command."""


class Exploration:
    """An exploration: while it runs, and when it is done.

    Example:
        >>> going = mapper.explore("net.onnx", "space.toml", "adcless-64", wait=False)
        >>> going.running, len(going.points)  # as often as you like
        (True, 40)
        >>> going.wait().front[0].point
        {'array': 64, 'weight_bits': 2}
    """

    def __init__(
        self, work: ExploreWork, asked: Callable[[Path], Asked], sampling: Sampling
    ) -> None:
        self._work, self._asked, self._sampling = work, asked, sampling
        self._known: list[Evaluated] = []
        self._done: Explored | None = None
        self._error: BaseException | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    # --- how it goes ---------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether points are still being looked at."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> "Exploration":
        """Let it end with the points that are known; what a folder has stays, and may go on.

        Returns when it has ended: after the point that is being looked at.
        """
        self._stopping.set()
        return self.wait()

    def wait(self) -> "Exploration":
        """Return when it has ended.

        Raises:
            MappingError, CaseError: What ended it, as ``explore`` raises it.
        """
        if self._thread is not None:
            self._thread.join()
        if self._error is not None:
            raise self._error
        return self

    # --- what is known -------------------------------------------------------------------------

    @property
    def found(self) -> Explored:
        """What was found so far, in a value that stays as it is."""
        if self._done is not None:
            return self._done
        known = sorted(list(self._known), key=lambda point: point.number)
        return sampled_points(self._work, self._work.space, self._sampling, known)

    @property
    def points(self) -> tuple[Evaluated, ...]:
        """Points that are known, by their number."""
        return self.found.points

    @property
    def front(self) -> tuple[Evaluated, ...]:
        """As ``Explored.front``."""
        return self.found.front

    @property
    def table(self) -> Mapping[str, NDArray[Any]]:
        """As ``Explored.table``."""
        return self.found.table

    @property
    def importance(self) -> Mapping[str, Mapping[str, float | None]]:
        """As ``Explored.importance``."""
        return self.found.importance

    def best(self, objective: str) -> Evaluated | None:
        """As ``Explored.best``."""
        return self.found.best(objective)

    def to_pandas(self) -> Any:
        """As ``Explored.to_pandas``."""
        return self.found.to_pandas()

    def to_json(self) -> str:
        """As ``Explored.to_json``."""
        return self.found.to_json()

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom explore``."""
        return self.found.as_dict()

    # --- designs -------------------------------------------------------------------------------

    def design(self, number: int) -> Mapping[str, str]:
        """Return the files that a point is compiled from, by name: ``target.toml``.

        Raises:
            MappingError: ``unknown-point``.
        """
        return self._work.design(_point(self.found, number).point)

    def save(self, folder: str | Path, build: Iterable[int] = ()) -> Explored:
        """Write what was found, and what builds the points of the front, beside the records.

        Args:
            folder: Where ``explore.json`` and ``designs`` are written.
            build: Numbers of other points whose designs are written, too.

        Returns:
            What was found, with the command that builds each of them.

        Raises:
            MappingError: ``unknown-point``.
        """
        found, folder = self.found, Path(folder)
        chosen = {point.number: point for point in found.front}
        chosen |= {number: _point(found, number) for number in build}
        points = [chosen[number] for number in sorted(chosen)]
        told = replace(
            found,
            commands={
                point.number: command_of(self._work, point, self._asked(folder)) for point in points
            },
        )
        with changed_folder(folder, alone=False, last=DATA) as new:
            (new / DESIGNS).mkdir()
            for name, text in files_of(self._work, points).items():
                (new / name).parent.mkdir(exist_ok=True)
                (new / name).write_text(text, encoding="utf-8")
            for name, text in exploration_files(self._report(told, folder)).items():
                (new / name).write_text(text, encoding="utf-8")
        self._done = told if self._done is not None else None
        return told

    def _report(self, found: Explored, folder: Path) -> ExplorationReport:
        """Look closer at the points that have a command, and return what a page is made from."""
        points = self._work.prepare()
        return ExplorationReport(
            found=found,
            network=Path(self._asked(folder).model).name,
            target=self._work.base.target.name,
            built={
                number: closer_look(points, _point(found, number).point)
                for number in islice(found.commands, MOST_CLOSER)
                if not _point(found, number).refused
            },
        )

    def __repr__(self) -> str:
        state = "running" if self.running else "done" if self._done is not None else "ended early"
        return f"Exploration({state}; {self.found!r})"

    def _repr_html_(self) -> str:
        found = self.found
        table = front_table(found)
        notes = [*answer_lines(found), *([str(self._error)] if self._error else [])]
        title = "exploration, running" if self.running else "exploration"
        return html_table(title, table.columns, table.rows, notes)

    # --- running -------------------------------------------------------------------------------

    def _run(self, **given: Any) -> None:
        self._done = explore_space(
            self._work, self._work.space, self._sampling, watch=self._watch, **given
        )

    def _watch(self, point: Evaluated) -> None:
        self._known.append(point)
        if self._stopping.is_set():
            raise _StoppedError

    def _run_aside(self, run: Any) -> None:
        try:
            run()
        except _StoppedError:
            pass
        except BaseException as error:
            self._error = error

    def _start(self, run: Any) -> None:
        self._thread = threading.Thread(target=self._run_aside, args=(run,), daemon=True)
        self._thread.start()


class _StoppedError(Exception):
    """Someone called ``stop``."""


def explore(
    model: Model | Imported,
    space: str | Path | Mapping[str, Any] | Space,
    target: str | Path | Target | None = None,
    *,
    inputs: Inputs | None = None,
    layout: str | None = None,
    nir: NirOptions | None = None,
    sampler: str | None = None,
    points: int | None = None,
    batch: int | None = None,
    seed: int | None = None,
    folder: str | Path | None = None,
    build: Sequence[int] = (),
    scheduler: str = SERIAL,
    workers: int | None = None,
    wait: bool = True,
    progress: Progress = silent,
) -> Exploration:
    """Look at many points of a space of designs: what each costs, and which of them nothing beats.

    The same call gives the same points and the same numbers by every scheduler, and goes on in the
    same folder where it was stopped or killed.

    Args:
        model: As in ``compile``.
        space: What may vary, what is wanted, what is not allowed: the path of a ``.toml`` file, its
            tables, or a ``Space``.
        target: What points are made from: a name, the path of a ``.toml`` file, or a ``Target``;
            None where the space describes it.
        inputs: Recordings that set input codes and readout, and that points are run on where an
            objective asks for it; may have ``labels``.
        layout: Of these recordings, as ``Build.run`` takes it.
        nir: What a NIR file leaves open.
        sampler: ``grid``, ``random``, ``tpe`` or ``nsga2``, in place of what the space says.
        points: How many, in place of what the space says; more may be asked for later.
        batch: Points that are chosen at once, in place of what the space says.
        seed: Of the sampler, in place of what the space says.
        folder: Where records are kept, so that a run that was stopped goes on; what was found and
            the designs of the front are written there.
        build: Numbers of other points whose designs are written, too.
        scheduler: ``serial``, ``threads``, ``processes``, ``dask`` or ``dask:ADDRESS``.
        workers: Of the scheduler; as many as there are processors where None.
        wait: Return when it is done; else at once, and it goes on in a thread of its own.
        progress: Called with what is done, and how long the rest may take.

    Raises:
        MappingError: ``bad-space``, ``not-credible``, ``missing-extra``, ``unknown-point`` and what
            ``compile`` and ``mapper.study.run_study`` raise. What a point is refused for is in its
            record.
    """
    check_given(
        {
            "space": space,
            "scheduler": scheduler,
            "wait": wait,
            "build": build,
            "progress": progress,
        },
        layout=layout,
        sampler=sampler,
        points=points,
        batch=batch,
        seed=seed,
        folder=folder,
        workers=workers,
    )
    read = _read_space(space)
    sampling = read.sampling.but(kind=sampler, points=points, batch=batch, seed=seed)
    progress("importing the model")
    imported, _ = read_model(model, nir)
    recorded = read_inputs_if(inputs, imported.graph.inputs, imported.presented, layout)
    work = explore_work(imported, _start(target, read), read, recording=recorded)
    going = Exploration(work, partial(_asked, model, inputs, layout, nir), sampling)
    run = partial(
        going._run,
        folder=None if folder is None else Path(folder),
        scheduler=scheduler,
        workers=workers,
        progress=progress,
    )

    def run_and_write() -> None:
        run()
        if folder is not None:
            progress("writing what builds the front")
            going.save(folder, build)

    if wait:
        run_and_write()
    else:
        going._start(run_and_write)
    return going


def _start(target: str | Path | Target | None, space: Space) -> Target | Description:
    """Return what points are made from: the target that is named, or described by the space."""
    if (target is None) == (space.described is None):
        said = "neither is there" if target is None else "both are there"
        raise refuse(
            "bad-space",
            f"points are made from a target that is named or from [describe] of the space: {said}",
            loc="--target",
        )
    if space.described is not None:
        return space.described
    assert target is not None
    return read_target(target)


def _read_space(space: str | Path | Mapping[str, Any] | Space) -> Space:
    if isinstance(space, Space):
        return space
    return load_space(space) if isinstance(space, str | Path) else Space.of_data(dict(space))


def _asked(
    model: Model | Imported,
    inputs: Inputs | None,
    layout: str | None,
    nir: NirOptions | None,
    folder: Path,
) -> Asked:
    """Return what was asked in words of the command line; capitals for what has no file.

    Paths are from a folder, as commands in it take them.
    """
    named = {
        "--layout": layout,
        **({} if nir is None else {f"--{name}": held for name, held in _nir(nir)}),
    }
    recording = _seen(inputs, folder) if isinstance(inputs, str | Path) else "RECORDING.npz"
    return Asked(
        model=_seen(model, folder) if isinstance(model, str | Path) else "MODEL.onnx",
        calibrate="" if inputs is None else recording,
        options=tuple(
            word for name, held in named.items() if held is not None for word in (name, str(held))
        ),
    )


def _seen(path: str | Path, folder: Path) -> str:
    return str(path) if Path(path).is_absolute() else os.path.relpath(path, folder)


def _nir(nir: NirOptions) -> Iterable[tuple[str, object]]:
    return ((name, getattr(nir, name)) for name in ("dt", "reset", "integration", "library"))


def _point(found: Explored, number: int) -> Evaluated:
    for point in found.points:
        if point.number == number:
            return point
    raise _unknown(found, number)


def _unknown(found: Explored, number: int) -> MappingError:
    return refuse(
        "unknown-point",
        f"there is no point {number}: the exploration has {len(found.points):,}, from 0 on",
        loc="--build",
        help="numbers of points are in the table, and in --json",
    )
