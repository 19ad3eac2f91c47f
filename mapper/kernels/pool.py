"""A few Python threads with a few large pieces of work each; kernels let go of the GIL."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

_PIECES = 4
"""For each thread: work is uneven, and each piece costs a call."""


class Pool:
    """Runs jobs ``0..count`` on some threads; the same results for any number of them."""

    def __init__(self, threads: int | None = None) -> None:
        self.threads = max(1, threads or usable_processors())
        self._executor = ThreadPoolExecutor(self.threads) if self.threads > 1 else None

    def run(self, count: int, work: Callable[[int, int], None]) -> None:
        """Call ``work(first, last)`` until every job is done."""
        if self._executor is None or count < 2:
            work(0, count)
            return
        size = max(1, -(-count // (self.threads * _PIECES)))
        starts = range(0, count, size)
        futures = [self._executor.submit(work, a, min(a + size, count)) for a in starts]
        for future in futures:
            future.result()

    def close(self) -> None:
        if self._executor is not None:
            self._executor.shutdown()


def usable_processors() -> int:
    """Return how many processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
