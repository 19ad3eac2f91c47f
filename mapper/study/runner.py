"""Run the cases of a study: those that its folder does not have yet, by any scheduler."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mapper import __version__
from mapper.arguments import PATH, TEXT, Takes, check_arguments
from mapper.kernels.pool import usable_processors
from mapper.progress import Progress, Ticks, silent
from mapper.study.case import Case, Record, Study
from mapper.study.schedulers import SERIAL, Pool, Scheduler, scheduler_of
from mapper.study.store import Store, open_store
from mapper.study.work import Failed, Work
from mapper.threads import one_blas_thread

_TAKES = {
    "folder": PATH,
    "scheduler": TEXT,
    "workers": Takes(words="a number of workers, 1..4096", types=(int,), low=1, high=4096),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Studied:
    """What a study found."""

    study: Study
    cases: tuple[Case, ...]
    records: tuple[Record, ...]
    """One a case, in their order."""
    reused: int
    """Cases whose record was there."""
    notes: tuple[str, ...]
    """What was found in the folder that a user may want to know."""


@one_blas_thread
def run_study(
    work: Work,
    cases: Sequence[Case],
    *,
    folder: Path | None = None,
    scheduler: str = SERIAL,
    workers: int | None = None,
    what: str = "cases",
    progress: Progress = silent,
) -> Studied:
    """Run cases, and keep the record of each as soon as it is there.

    A run that is stopped, killed or meets an error keeps what had finished; the same call goes on
    from there. The records are the same whichever scheduler runs them, and so are the bytes of a
    folder that was empty.

    Args:
        work: What is run for each case.
        cases: What to run; each at most once.
        folder: Where records are kept, in ``records.jsonl``; in memory alone where None.
        scheduler: ``serial``, ``threads``, ``processes``, ``dask``, or ``tcp://HOST:PORT`` of
            a Dask scheduler.
        workers: Threads or processes; as many as there are processors where None.
        what: What cases are called in progress, such as ``dies``.
        progress: Called with what is done and how long the rest may take.

    Raises:
        MappingError: ``other-study``, ``study-busy`` or ``bad-study`` of the folder;
            ``unknown-scheduler``, ``missing-extra`` or ``worker-lost`` of the scheduler; and what
            a case refuses, with the case in its place.
        CaseError: A bug that one case met.
    """
    with open_study(
        work, folder=folder, scheduler=scheduler, workers=workers, what=what, progress=progress
    ) as running:
        keys = [running.study.key(case) for case in cases]
        by_key = dict(zip(keys, cases, strict=True))
        missing = tuple(case for key, case in by_key.items() if key not in running.records)
        reused = len(by_key) - len(missing)
        if missing:
            earlier = f", {reused:,} more from an earlier run" if reused else ""
            title = f"{len(missing):,} {what}{earlier}"
            ticks = Ticks(progress, title, len(missing), prepared=False)
            running.run(missing, lambda case, record: ticks.tick())
        records = tuple(running.records[key] for key in keys)
    return Studied(
        study=running.study,
        cases=tuple(cases),
        records=records,
        reused=reused,
        notes=running.notes,
    )


@dataclass(slots=True)
class Running:
    """A study whose cases are not all known yet: they are run as they come.

    Its scheduler starts with the first case that has no record, and stays for the others.
    """

    work: Work
    _store: Store
    _scheduler: Scheduler
    _workers: int
    _opened: ExitStack
    _pool: Pool | None = None

    @property
    def study(self) -> Study:
        """What determines its records, beside their cases."""
        return self._store.study

    @property
    def records(self) -> Mapping[str, Record]:
        """What is known, by the key of the case."""
        return self._store.records

    @property
    def cases(self) -> Mapping[str, Case]:
        """The cases of these records, by their key."""
        return self._store.cases

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found in the folder that a user may want to know."""
        return tuple(self._store.notes)

    def run(self, cases: Sequence[Case], done: Callable[[Case, Record], None]) -> None:
        """Run cases that have no record, and store what each gives; the first that fails ends it.

        Args:
            cases: What to run, each once.
            done: Called with each case and its record, when it is stored.

        Raises:
            MappingError, CaseError: As ``run_study``.
        """
        if not cases:
            return
        if self._pool is None:
            self._pool = self._opened.enter_context(self._scheduler(self.work, self._workers))
        with closing(self._pool(cases)) as finished:
            for place, outcome in finished:
                case = cases[place]
                if isinstance(outcome, Failed):
                    raise outcome.naming(case) from outcome.error
                self._store.append(case, outcome)
                done(case, self.records[self.study.key(case)])


@contextmanager
def open_study(
    work: Work,
    *,
    folder: Path | None = None,
    scheduler: str = SERIAL,
    workers: int | None = None,
    what: str = "cases",
    progress: Progress = silent,
) -> Iterator[Running]:
    """Open a study whose cases depend on the records of others; arguments as in ``run_study``.

    Where it is left without an error, records are in order.

    Raises:
        MappingError: As ``run_study``.
    """
    check_arguments(_TAKES, {"scheduler": scheduler}, {"folder": folder, "workers": workers})
    run = scheduler_of(scheduler)
    study = study_of(work)
    with open_store(study, None if folder is None else Path(folder)) as store:
        for note in store.notes:
            progress(note)
        with _kept(store, what, progress), ExitStack() as opened:
            yield Running(work, store, run, workers or usable_processors(), opened)
        store.finish()


def study_of(work: Work) -> Study:
    """Return the study that the records of some work are of."""
    return Study({**work.identity(), "version": __version__})


@contextmanager
def _kept(store: Store, what: str, progress: Progress) -> Iterator[None]:
    """Say what a run that a user stops has kept."""
    try:
        yield
    except KeyboardInterrupt:
        if store.path is not None:
            kept = f"{len(store.records):,} {what} are kept in {store.path.parent}"
            progress(f"stopped: {kept}; the same call goes on from there")
        raise
