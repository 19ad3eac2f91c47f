"""Who runs the cases of a study: this process, its threads, other processes, or a Dask cluster.

A scheduler yields what each case gave as it finishes, in any order. It keeps nothing and writes
nothing: records are the same whichever it is.
"""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, closing, contextmanager
from functools import partial
from types import ModuleType
from typing import Any

from mapper.diagnostics import MappingError, nearest, refuse
from mapper.study.case import Case
from mapper.study.crew import crew_of
from mapper.study.work import Outcome, Work, attempt
from mapper.study.workers import Packed, Unprepared, run_packed

Finished = Generator[tuple[int, Outcome], None, None]
"""The place of a case, and what it gave."""

Pool = Callable[[Sequence[Case]], Finished]
"""Runs cases; it may be called again, when all of the cases before have finished."""

Scheduler = Callable[[Work, int], AbstractContextManager[Pool]]
"""Takes the work and a number of workers, and makes the work ready in each once."""


@contextmanager
def _serial(work: Work, workers: int) -> Iterator[Pool]:
    run = work.prepare()

    def run_all(cases: Sequence[Case]) -> Finished:
        for place, case in enumerate(cases):
            yield place, attempt(run, case)

    yield run_all


@contextmanager
def _threads(work: Work, workers: int) -> Iterator[Pool]:
    pool = ThreadPoolExecutor(workers)
    try:
        yield partial(_pooled, pool, partial(attempt, work.prepare()))
    finally:  # a case that runs cannot be stopped, and nobody waits for it
        pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _processes(work: Work, workers: int) -> Iterator[Pool]:
    with crew_of(Packed.of(work), workers) as crew:

        def run_all(cases: Sequence[Case]) -> Finished:
            with closing(crew.run(cases)) as finished:
                for place, found in finished:
                    yield place, _ran(found)

        yield run_all


def _pooled(pool: Executor, run: Callable[[Case], Outcome], cases: Sequence[Case]) -> Finished:
    places = {pool.submit(run, case): place for place, case in enumerate(cases)}
    for future in as_completed(places):
        yield places.pop(future), future.result()


def _ran(found: Outcome | Unprepared) -> Outcome:
    if isinstance(found, Unprepared):
        raise found.failed.error
    return found


# --- Dask --------------------------------------------------------------------------------------


@contextmanager
def _dask(work: Work, workers: int, address: str = "") -> Iterator[Pool]:
    distributed = _import_distributed()
    with _client(distributed, workers, address) as client, _of_any_size():
        # A task, not data that is scattered: it is made again where the workers that had it end.
        packed = client.submit(_itself, Packed.of(work), pure=False)

        def run_all(cases: Sequence[Case]) -> Finished:
            futures = client.map(run_packed, [packed] * len(cases), cases, pure=False)
            places = {future: place for place, future in enumerate(futures)}
            try:
                ended = distributed.as_completed(futures, with_results=True, raise_errors=False)
                for future, found in ended:  # gathered by the batch
                    if future.status != "finished":
                        raise _lost(future.exception())
                    yield places.pop(future), _ran(found)
            finally:
                client.cancel(list(places))

        yield run_all


def _itself(packed: Packed) -> Packed:
    return packed


@contextmanager
def _of_any_size() -> Iterator[None]:
    """Let Dask take work of many megabytes without a warning: it is sent once."""
    from dask import config

    with config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
        yield


def _lost(error: BaseException | None) -> MappingError:
    return refuse(
        "worker-lost",
        f"a Dask worker could not run a case: {type(error).__name__}: {error}",
        help="workers need this version of spikeloom, the files of the study, and memory for them",
    )


@contextmanager
def _client(distributed: ModuleType, workers: int, address: str) -> Iterator[Any]:
    """Give a client of a cluster: the one at an address, or one of this machine's processes."""
    if address:
        try:
            client = distributed.Client(address, timeout=_PATIENCE)
        except (OSError, ValueError) as error:
            raise refuse(
                "unknown-scheduler",
                f"no Dask scheduler answers at {address}: {error}",
                help="'dask' alone starts workers on this machine",
            ) from error
        with client:
            yield client
        return
    with (
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",  # any port, and no warning where 8787 is taken
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.ERROR,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


_PATIENCE = 10
"""Seconds to wait for a scheduler at an address."""


def _import_distributed() -> ModuleType:
    """Return distributed, or refuse ``missing-extra``."""
    try:
        import distributed
    except ImportError as error:
        raise refuse(
            "missing-extra",
            "the scheduler 'dask' needs distributed, which is not installed",
            help='pip install "spikeloom[dask]"',
        ) from error
    module: ModuleType = distributed
    return module


# --- by name -----------------------------------------------------------------------------------

SERIAL = "serial"
"""The scheduler of this process alone, which runs where no other is named."""

SCHEDULERS: dict[str, Scheduler] = {
    SERIAL: _serial,
    "threads": _threads,
    "processes": _processes,
    "dask": _dask,
}


def scheduler_of(name: str) -> Scheduler:
    """Return a scheduler by its name.

    ``dask:tcp://host:8786``, or its address alone, is one of a cluster that runs.

    Raises:
        MappingError: ``unknown-scheduler``.
    """
    kind, colon, address = name.partition(":")
    if kind == "dask" and address:
        return partial(_dask, address=address)
    if colon and address.startswith("//"):
        return partial(_dask, address=name)
    if kind not in SCHEDULERS or colon:
        raise refuse(
            "unknown-scheduler",
            f"no scheduler is called {name!r:.80}{nearest(kind, SCHEDULERS)}",
            help=f"schedulers: {', '.join(SCHEDULERS)}, tcp://HOST:PORT",
        )
    return SCHEDULERS[kind]
