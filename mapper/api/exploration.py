"""What ``explore`` returns: an exploration, while it runs and when it is done."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mapper.api.arguments import check_given
from mapper.api.figures import Figures, check_drawing, draw_exploration
from mapper.api.inputs import (
    Progress,
    silent,
)
from mapper.build.files import read_charted
from mapper.diagnostics import MappingError, refuse
from mapper.exploration.closer import closer_look
from mapper.exploration.designs import DESIGNS, Asked, command_of, files_of
from mapper.exploration.found import Evaluated, Explored
from mapper.exploration.run import explore_space, sampled_points
from mapper.exploration.sampling import Sampling
from mapper.exploration.work import ExploreWork
from mapper.notebook import html_table
from mapper.report.exploration.charts import exploration_charts
from mapper.report.exploration.data import DATA, MOST_CLOSER, ExplorationReport
from mapper.report.exploration.read import read_exploration
from mapper.report.exploration.told import answer_lines, front_table
from mapper.report.exploration.written import check_ours, exploration_files
from mapper.writing import changed_folder


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
        self,
        work: ExploreWork,
        asked: Callable[[Path], Asked],
        sampling: Sampling,
        network: str,
    ) -> None:
        self._network = network
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
        return self._named(sampled_points(self._work, self._work.space, self._sampling, known))

    def _named(self, found: Explored) -> Explored:
        given = self._work.recording
        return replace(
            found,
            network=self._network,
            target=self._work.base.target.name,
            samples=0 if given is None else given.samples,
        )

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
            MappingError: ``unknown-point``, ``output-exists``.
        """
        found, folder = self.found, Path(folder)
        check_ours(folder)
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
            for name, text in exploration_files(self._report(told)).items():
                (new / name).write_text(text, encoding="utf-8")
        self._done = told if self._done is not None else None
        return told

    def _report(self, found: Explored) -> ExplorationReport:
        """Look closer at the points that have a command, and return what a page is made from."""
        points = self._work.prepare()
        return ExplorationReport(
            found=found,
            built={
                number: closer_look(points, _point(found, number).point)
                for number in islice(found.commands, MOST_CLOSER)
                if not _point(found, number).refused
            },
        )

    def figures(
        self, folder: str | Path, *, columns: int = 1, progress: Progress = silent
    ) -> Figures:
        """Write the charts of the page as SVG, PNG and PDF, with captions; see ``Build.figures``.

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
        return draw_exploration(Path(folder), ExplorationReport(found=self.found), columns)

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
        self._done = self._named(
            explore_space(self._work, self._work.space, self._sampling, watch=self._watch, **given)
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


def is_exploration(folder: Path) -> bool:
    """Say whether a folder looks like one that ``explore -o`` wrote, and is no build."""
    return (folder / DATA).is_file() and not (folder / "manifest.json").exists()


def read_explored(folder: Path) -> ExplorationReport:
    """Read the answer that ``explore -o`` wrote; it may come from someone else.

    Raises:
        MappingError: ``bad-exploration`` where it cannot be charted, ``bad-space``.
    """
    return read_charted(
        folder / DATA,
        read_exploration,
        exploration_charts,
        code="bad-exploration",
        command="explore",
    )


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
