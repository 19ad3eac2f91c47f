"""Who runs the cases of a study: this process, its threads, other processes, or a Dask cluster.

A scheduler yields what each case gave as it finishes, in any order. It keeps nothing and writes
nothing: records are the same whichever it is.
"""

import logging
import multiprocessing
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any

from mapper.diagnostics import MappingError, nearest, refuse
from mapper.study.case import Case
from mapper.study.work import Outcome, Work, attempt
from mapper.study.workers import Packed, Unprepared, run_held, run_packed, start

Finished = Generator[tuple[int, Outcome], None, None]
"""The place of a case, and what it gave."""

Scheduler = Callable[[Work, Sequence[Case], int], Finished]
"""Takes the work, cases and a number of workers."""


def _serial(work: Work, cases: Sequence[Case], workers: int) -> Finished:
    run = work.prepare()
    for place, case in enumerate(cases):
        yield place, attempt(run, case)


def _threads(work: Work, cases: Sequence[Case], workers: int) -> Finished:
    pool = ThreadPoolExecutor(workers)
    try:
        yield from _pooled(pool, partial(attempt, work.prepare()), cases)
    finally:  # a case that runs cannot be stopped, and nobody waits for it
        pool.shutdown(wait=False, cancel_futures=True)


def _processes(work: Work, cases: Sequence[Case], workers: int) -> Finished:
    listening, alive = multiprocessing.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),  # a fork would copy locks of threads
        initializer=start,
        initargs=(Packed.of(work), listening),
    )
    try:
        yield from _pooled(pool, run_held, cases)
    except BrokenProcessPool as error:
        raise refuse(
            "worker-lost",
            "a worker process ended before its case did: it was killed, perhaps for want of "
            "memory, or could not start",
            help="run the same again with fewer workers; a script that starts one needs "
            "'if __name__ == \"__main__\":'",
        ) from error
    except BaseException:  # stopped, or a case failed: what still runs ends at once
        alive.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        alive.close()
        listening.close()


def _pooled(
    pool: Executor, run: Callable[[Case], Outcome | Unprepared], cases: Sequence[Case]
) -> Finished:
    places = {pool.submit(run, case): place for place, case in enumerate(cases)}
    for future in as_completed(places):
        yield places.pop(future), _ran(future.result())


def _ran(found: Outcome | Unprepared) -> Outcome:
    if isinstance(found, Unprepared):
        raise found.failed.error
    return found


# --- Dask --------------------------------------------------------------------------------------


def _dask(work: Work, cases: Sequence[Case], workers: int, address: str = "") -> Finished:
    distributed = _import_distributed()
    with _client(distributed, workers, address) as client:
        packed = client.scatter(Packed.of(work), broadcast=True, hash=False)
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
            dashboard_address=None,
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
    """Return a scheduler by its name; ``dask:tcp://host:8786`` is one of a cluster that runs.

    Raises:
        MappingError: ``unknown-scheduler``.
    """
    kind, colon, address = name.partition(":")
    if kind == "dask" and address:
        return partial(_dask, address=address)
    if kind not in SCHEDULERS or colon:
        raise refuse(
            "unknown-scheduler",
            f"no scheduler is called {name!r:.80}{nearest(kind, SCHEDULERS)}",
            help=f"schedulers: {', '.join(SCHEDULERS)}, dask:ADDRESS",
        )
    return SCHEDULERS[kind]
