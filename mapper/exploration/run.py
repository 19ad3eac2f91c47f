"""Explore a space: batch after batch, each from what the ones before it gave."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mapper.diagnostics import MappingError, many, refuse
from mapper.exploration import by_optuna
from mapper.exploration.batch import Batch, Told
from mapper.exploration.found import Evaluated, Explored, wanted
from mapper.exploration.grid import Point, on_axes
from mapper.exploration.sampler import ask
from mapper.exploration.sampling import ADAPTIVE, Sampling
from mapper.exploration.space import Space
from mapper.progress import Progress, Ticks, silent
from mapper.study import Case, Record, Run, Running, Work, open_study, study_of
from mapper.study.case import canonical
from mapper.study.schedulers import SERIAL
from mapper.study.store import RECORDS
from mapper.threads import one_blas_thread

Watch = Callable[[Evaluated], None]


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """Work of an exploration, with what determines the points that it is given."""

    work: Work
    space: Space
    sampling: Sampling

    def identity(self) -> Mapping[str, Any]:
        """Return what determines points and records.

        How many points there are does not: more may be asked for later.
        """
        space, sampler = self.space.as_dict(), asdict(self.sampling)
        del space["sampler"], sampler["points"]
        if self.sampling.kind in ADAPTIVE:
            sampler["optuna"] = by_optuna.optuna_version()
        return {**self.work.identity(), "space": space, "sampler": sampler}

    def prepare(self) -> Run:
        """Make the work ready."""
        return self.work.prepare()


def unwatched(point: Evaluated) -> None:
    """Do nothing with a point."""


@one_blas_thread
def explore_space(
    work: Work,
    space: Space,
    sampling: Sampling,
    *,
    folder: Path | None = None,
    scheduler: str = SERIAL,
    workers: int | None = None,
    progress: Progress = silent,
    watch: Watch = unwatched,
) -> Explored:
    """Ask points, look at each, and tell the sampler, until there are as many as were asked for.

    A sampler that looks at what was found is told by the batch; others ask all points at once.

    A run that is stopped or killed keeps every point that had finished; the same call goes on from
    there with the same points. More points may be asked for later.

    Args:
        work: Evaluates a case ``{"number": 17, "batch": 1, "point": {...}}``.
        space: What may vary, what is wanted, what is not allowed.
        sampling: How points are chosen.
        folder: Where records are kept; in memory alone where None.
        scheduler: As in ``run_study``.
        workers: As in ``run_study``.
        progress: Called with what is done and how long the rest may take.
        watch: Called with each point as soon as it is known; what it raises ends the exploration.

    Raises:
        MappingError: What ``run_study`` raises; ``bad-space`` for a grid of too many points,
            ``missing-extra`` without Optuna, ``bad-study`` for a folder whose points are not those
            that the sampler asks.
    """
    count = sampling.count(space.size)
    sampled = Sampled(work=work, space=space, sampling=sampling)
    with open_study(
        sampled,
        folder=folder,
        scheduler=scheduler,
        workers=workers,
        what="points",
        progress=progress,
    ) as running:
        held = _Held(running, sampled, str(RECORDS if folder is None else folder / RECORDS))
        missing = count - sum(number < count for number in held.cases)
        reused = f", {count - missing:,} more from an earlier run" if count > missing else ""
        title = f"{many(missing, 'point')}{reused}"
        ticks = Ticks(progress if missing else silent, title, missing, prepared=False)
        found: list[Evaluated] = []

        def done(case: Case, record: Record) -> None:
            watch(Evaluated.of(case, record, space))
            ticks.tick()

        while len(found) < count:
            cases = held.next(found, count)
            new = [case for case in cases if case["number"] not in held.cases]
            for case in cases:
                if case["number"] in held.cases:
                    watch(held.evaluated(case))
            running.run(new, done)
            found += map(held.evaluated, cases)
    return sampled_points(work, space, sampling, found)


def sampled_points(
    work: Work, space: Space, sampling: Sampling, found: Sequence[Evaluated]
) -> Explored:
    """Return what these points of an exploration say; there may be more of them later."""
    study = study_of(Sampled(work=work, space=space, sampling=sampling))
    return Explored(
        space=space,
        sampling=sampling,
        asked=sampling.count(space.size),
        points=tuple(found),
        identity=study.identity,
    )


class _Held:
    """What the folder of an exploration had before this run; it may come from anyone."""

    def __init__(self, running: Running, sampled: Sampled, path: str) -> None:
        self.running, self.sampled, self.path = running, sampled, path
        self.cases: dict[int, Case] = {}
        self._told: list[Told] = []
        for case in list(running.cases.values()):
            number = self._number(case)
            if number in self.cases:
                raise self._bad(f"point {number} is there twice")
            self.cases[number] = case

    def _number(self, case: Case) -> int:
        number, batch, point = (case.get(key) for key in ("number", "batch", "point"))
        size = self.sampled.sampling.batch
        if len(case) != 3 or type(number) is not int or number < 0 or batch != number // size:
            raise self._bad(f"{canonical(case)[:80]} is no point of an exploration")
        try:
            on_axes(point, self.sampled.space.axes)
        except ValueError as error:
            raise self._bad(f"point {number} {error}") from error
        return number

    def next(self, found: Sequence[Evaluated], count: int) -> list[Case]:
        """Return the cases that come next: those that are held, and those that are asked.

        They are a batch, and all that is left where the sampler does not look at what was found.
        """
        sampling = self.sampled.sampling
        first = len(found) // sampling.batch
        if sampling.kind in ADAPTIVE:
            self._told += [point.told(self.sampled.space) for point in found[len(self._told) :]]
            return self._batch(first, count)
        batches = range(first, -(-count // sampling.batch))
        return [case for batch in batches for case in self._batch(batch, count)]

    def _batch(self, number: int, count: int) -> list[Case]:
        sampling, space = self.sampled.sampling, self.sampled.space
        first = number * sampling.batch
        numbers = range(first, min(first + sampling.batch, count))
        if all(place in self.cases for place in numbers):
            return [self.cases[place] for place in numbers]
        batch = Batch(
            axes=space.axes,
            best=tuple(measure.best for measure in wanted(space)),
            sampling=sampling,
            number=number,
            told=tuple(self._told),
        )
        return [
            self._agreed(place, number, point)
            for place, point in zip(numbers, ask(batch), strict=False)
        ]

    def _agreed(self, place: int, batch: int, point: Point) -> Case:
        case = {"batch": batch, "number": place, "point": dict(point)}
        held = self.cases.get(place, case)
        if canonical(held) != canonical(case):
            raise self._bad(
                f"point {place} is {canonical(held['point'])}, and the sampler asks "
                f"{canonical(point)}"
            )
        return held

    def evaluated(self, case: Case) -> Evaluated:
        """Return a point with its record."""
        try:
            record = self.running.records[self.running.study.key(case)]
            return Evaluated.of(case, record, self.sampled.space)
        except (TypeError, ValueError) as error:
            raise self._bad(f"point {case['number']}: {error}") from error

    def _bad(self, message: str) -> MappingError:
        return refuse(
            "bad-study",
            f"no usable records: {message}",
            loc=self.path,
            help="remove the file, or give another folder, and run again",
        )
