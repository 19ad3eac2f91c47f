"""Worker processes on this machine; one that is killed is replaced, and its case runs again."""

import multiprocessing
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from mapper.diagnostics import MappingError, refuse
from mapper.study.case import Case, told
from mapper.study.work import Outcome
from mapper.study.workers import Packed, Unprepared, serve

MOST_LOST = 3
"""Workers that may end while they run one case, before the study does."""

_PATIENCE = 5.0
"""Seconds that a process gets to end by itself."""


@dataclass(slots=True)
class _Worker:
    process: SpawnProcess
    line: Connection
    place: int | None = None
    """Of the case that it runs."""

    def end(self, *, now: bool) -> None:
        """End it: ``now``, or as soon as it has nothing to do."""
        self.line.close()
        if self.process.pid is None:  # it never started
            return
        if now:
            self.process.kill()
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()


@dataclass(slots=True)
class Crew:
    """Processes that run the cases of one work."""

    packed: Packed
    most: int
    listening: Connection
    """What its processes listen to: they end where the other end does."""
    _workers: list[_Worker] = field(default_factory=list)

    def run(self, cases: Sequence[Case]) -> Generator[tuple[int, Outcome | Unprepared], None, None]:
        """Run cases, and yield the place and the outcome of each as it finishes.

        Raises:
            MappingError: ``worker-lost`` where ``MOST_LOST`` workers ended with the same case.
        """
        left = list(range(len(cases)))[::-1]
        lost: dict[int, int] = {}
        try:
            while left or self._busy:
                self._hand_out(left, cases)
                for worker in self._ready():
                    place = worker.place
                    assert place is not None
                    try:
                        found = worker.line.recv()
                    except (EOFError, OSError):
                        self._drop(worker)
                        lost[place] = lost.get(place, 0) + 1
                        if lost[place] >= MOST_LOST:
                            raise _lost(cases[place]) from None
                        left.append(place)
                        continue
                    worker.place = None
                    yield place, found
        finally:  # of those that still run, nobody wants what they find
            for worker in self._busy:
                self._drop(worker)

    @property
    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.place is not None]

    def _ready(self) -> list[_Worker]:
        """Wait until some worker has found something, or has ended."""
        by_line = {worker.line: worker for worker in self._busy}
        return [by_line[line] for line in wait(list(by_line)) if isinstance(line, Connection)]

    def _hand_out(self, left: list[int], cases: Sequence[Case]) -> None:
        """Give every idle worker a case, and start workers as long as some are missing."""
        idle = [worker for worker in self._workers if worker.place is None]
        while left and (idle or len(self._workers) < self.most):
            worker = idle.pop() if idle else self._hire()
            worker.place = left.pop()
            with suppress(OSError):  # it has ended: its line says so when it is waited for
                worker.line.send(cases[worker.place])

    def _hire(self) -> _Worker:
        context = multiprocessing.get_context("spawn")  # a fork would copy locks of threads
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(self.packed, theirs, self.listening))
        with suppress(OSError):  # it ended while it started
            process.start()
        theirs.close()
        worker = _Worker(process, ours)
        self._workers.append(worker)
        return worker

    def _drop(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.end(now=True)

    def dismiss(self, *, now: bool) -> None:
        """End all of them."""
        while self._workers:
            self._workers.pop().end(now=now)


@contextmanager
def crew_of(packed: Packed, most: int) -> Iterator[Crew]:
    """Give a crew of at most so many processes, which start with the first cases."""
    listening, alive = multiprocessing.Pipe(duplex=False)
    crew, well = Crew(packed, most, listening), False
    try:
        yield crew
        well = True
    finally:  # stopped, or a case failed: what still runs ends at once
        crew.dismiss(now=not well)
        alive.close()
        listening.close()


def _lost(case: Case) -> MappingError:
    return refuse(
        "worker-lost",
        f"{MOST_LOST} worker processes ended before the case that they ran did: they were killed, "
        "perhaps for want of memory, or could not start",
        loc=f"case {told(case)}",
        help="run the same again with fewer workers; a script that starts one needs "
        "'if __name__ == \"__main__\":'",
    )
