"""Run jobs in worker processes, on the CPU and on a GPU side by side, within a time budget."""

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from benchmarks.accuracy_settings import Job
from benchmarks.accuracy_work import Place, do

_NOTHING_NEW = 10.0
"""Seconds before the end in which no job is started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """So many processes on one kind of device, and which tasks they take (all where empty)."""

    device: str
    workers: int
    tasks: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Pool":
        """Read ``cpu=12``, or ``cuda=4:gesture,flow``.

        Raises:
            ValueError: It reads otherwise.
        """
        device, _, rest = text.partition("=")
        count, _, tasks = rest.partition(":")
        if device not in ("cpu", "cuda") or not count.isdecimal() or int(count) == 0:
            raise ValueError(f"a pool is cpu=COUNT or cuda=COUNT:TASK,TASK, got {text!r}")
        named = tuple(name for name in tasks.split(",") if name)
        return cls(device=device, workers=int(count), tasks=named)

    def takes(self, job: Job) -> bool:
        return not self.tasks or job.task in self.tasks


@dataclass(eq=False, slots=True)
class _Worker:
    pool: Pool
    process: Any
    messages: Connection
    job: Job | None = None


_KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(8 << 30)}
"""Tensors of megabytes come and go at every step; glibc would give their pages back each time."""


def _serve(messages: Connection, place: Place, device: str) -> None:
    """Do jobs as they come, until the other end closes."""
    torch.set_num_threads(1)
    while (job := messages.recv()) is not None:
        try:
            for result in do(job, place, device):
                messages.send(("result", result))
            messages.send(("done", None))
        except Exception:  # one job's failure must not end the others; it is reported
            messages.send(("failed", traceback.format_exc()))


@dataclass
class Schedule:
    """What is left to do, what is under way, and what went wrong."""

    place: Place
    pools: list[Pool]
    report: Callable[[str], None]
    minutes: float | None = None
    failed: list[str] = field(default_factory=list)

    def run(self, jobs: Iterable[Job]) -> bool:
        """Do what is missing in the order given; return whether everything is done.

        At the end of the budget the processes are stopped. Steps that had ended have their files;
        the others go on from their last whole epoch in the next call.
        """
        self._started = time.monotonic()
        waiting = self._missing(list(jobs))
        workers = [self._worker(pool) for pool in self.pools for _ in range(pool.workers)]
        done: set[Job] = set()
        try:
            while waiting or any(worker.job for worker in workers):
                self._hand_out(waiting, workers, done)
                idle = not any(worker.job for worker in workers)
                if self._left() <= (_NOTHING_NEW if idle else 0):
                    self.report(f"out of time: {len(waiting)} jobs not started")
                    return False
                if idle:
                    break
                self._listen(workers, done)
        finally:
            for worker in workers:
                worker.process.terminate()
            for worker in workers:
                worker.process.join()
        for job in waiting:
            self.failed.append(f"{job.name}: not done: no pool takes it, or what it needs failed")
        return not self.failed

    def _missing(self, jobs: list[Job]) -> list[Job]:
        """Return jobs to do, with what they start from where its weights are not at hand."""
        wanted = [job for job in jobs if not self.place.is_done(job)]
        lost = {job.after for job in wanted if job.after and not self._at_hand(job.after)}
        ahead = [job for job in lost if job not in jobs]
        return [*sorted(ahead, key=str), *(j for j in jobs if j in lost or j in wanted)]

    def _at_hand(self, job: Job) -> bool:
        return self.place.can_start_from(job)

    def _left(self) -> float:
        if self.minutes is None:
            return float("inf")
        return self.minutes * 60 - (time.monotonic() - self._started)

    def _worker(self, pool: Pool) -> _Worker:
        for key, held in _KEEP_MEMORY.items():
            os.environ.setdefault(key, held)
        spawn = multiprocessing.get_context("spawn")
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=_serve, args=(theirs, self.place, pool.device), daemon=True)
        process.start()
        theirs.close()
        return _Worker(pool, process, ours)

    def _hand_out(self, waiting: list[Job], workers: list[_Worker], done: set[Job]) -> None:
        for worker in workers:
            if worker.job is not None or self._left() < _NOTHING_NEW:
                continue
            for job in waiting:
                if worker.pool.takes(job) and self._may_start(job, done):
                    waiting.remove(job)
                    worker.job = job
                    worker.messages.send(job)
                    break

    def _may_start(self, job: Job, done: set[Job]) -> bool:
        return job.after is None or job.after in done or self._at_hand(job.after)

    def _listen(self, workers: list[_Worker], done: set[Job]) -> None:
        """Take what the processes say, or wait a moment for it."""
        busy = {worker.messages: worker for worker in workers if worker.job}
        for messages in wait(list(busy), timeout=min(5.0, max(0.1, self._left()))):
            worker = busy[messages]  # type: ignore[index]
            job = worker.job
            assert job is not None
            try:
                kind, told = worker.messages.recv()
            except EOFError:
                kind, told = "failed", f"its process ended with {worker.process.exitcode}"
            if kind == "result":
                self._tell(told)
                continue
            worker.job = None
            if kind == "done":
                done.add(job)
                continue
            self.failed.append(f"{job.name}: {told}")
            self.report(f"failed: {job.name}\n{told}")
            if not worker.process.is_alive():
                workers.remove(worker)

    def _tell(self, result: dict[str, Any]) -> None:
        at = time.monotonic() - self._started
        percent = result["metric_name"] == "accuracy"
        metric = f"{100 * result['metric']:.1f} %" if percent else f"{result['metric']:.3f} px"
        loss = "" if result["loss"] is None else f"loss {result['loss']:.3f}"
        self.report(
            f"{at:7.0f} s  {result['task']:<8} {result['target']:<17} {result['seed']}  "
            f"{result['step']:<15} {metric:>8}  {loss:<11} {result['epochs']} epochs in "
            f"{result['seconds']} s, {result['device'].split(',')[0]}"
        )
