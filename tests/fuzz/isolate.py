"""Run one case in a process of its own, under limits that the kernel enforces.

The child is a fork, so nothing a case does reaches the next one. Its address space ends
``MEMORY_BYTES`` above what its parent left it (``RLIMIT_AS``): an allocation beyond fails, whoever
asks for it, and what else ran in the parent before takes nothing from a case. A timer of the
kernel kills it after ``SECONDS`` of processor time, in C code too, and however busy the machine is;
the parent kills a child that waits for something instead of working.
"""

import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEMORY_BYTES = 4 << 30
SECONDS = 30
_WAITING_SECONDS = 4 * SECONDS
"""Of wall time: on a busy machine a child gets only a part of it."""

Answer = dict[str, Any]


def isolated(work: Callable[[], Answer]) -> Answer:
    """Run ``work`` in a child and return its answer, or ``{"finding": ...}`` on how it ended."""
    reads, writes = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os.close(reads)
        _in_child(work, writes)
    os.close(writes)
    try:
        return _answer_of(child, reads)
    finally:
        os.close(reads)


def _in_child(work: Callable[[], Answer], writes: int) -> None:
    limit = _mapped_bytes() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # SIGPROF ends a process that has no handler
    try:
        answer = work()
    except BaseException as error:  # whatever it is, the parent hears of it
        shown = "".join(traceback.format_exception(error)[-12:])
        answer = {"finding": f"{type(error).__name__}: {error}"[:500], "traceback": shown}
    signal.setitimer(signal.ITIMER_PROF, 0)
    with os.fdopen(writes, "w") as pipe:
        json.dump(answer, pipe)
    os._exit(0)


def _mapped_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _answer_of(child: int, reads: int) -> Answer:
    data, end = b"", time.monotonic() + _WAITING_SECONDS
    while time.monotonic() < end:
        ready, _, _ = select.select([reads], [], [], max(0.0, end - time.monotonic()))
        piece = os.read(reads, 1 << 16) if ready else b""
        data += piece
        if ready and not piece:
            break
    else:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return {"finding": _death(os.WTERMSIG(status))}
    return json.loads(data)  # type: ignore[no-any-return]


def _death(number: int) -> str:
    if number == signal.SIGPROF:
        return f"hang: more than {SECONDS} s of processor time"
    if number == signal.SIGKILL:
        return f"hang: no answer after {_WAITING_SECONDS} s"
    return f"crash: the process died of {signal.Signals(number).name}"
