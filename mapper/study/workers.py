"""What worker processes do: prepare once, then run case after case."""

import hashlib
import os
import pickle
import signal
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection

from threadpoolctl import threadpool_limits

from mapper import __version__
from mapper.diagnostics import refuse
from mapper.study.case import Case
from mapper.study.work import Failed, Outcome, Run, Work, attempt


@dataclass(frozen=True, slots=True)
class Packed:
    """Work as it is sent to other processes of ours."""

    version: str
    pickled: bytes
    digest: str
    """SHA-256 of what is pickled: what a process has prepared is known by it."""

    @classmethod
    def of(cls, work: Work) -> "Packed":
        """Pack work; its class must be importable by name."""
        pickled = pickle.dumps(work)
        return cls(__version__, pickled, hashlib.sha256(pickled).hexdigest())


@dataclass(frozen=True, slots=True)
class Unprepared:
    """What went wrong before any case ran."""

    failed: Failed


_LOCK = threading.Lock()
_PREPARED: dict[str, Run] = {}
"""The last work that this process prepared, by its digest."""


def run_packed(packed: Packed, case: Case) -> Outcome | Unprepared:
    """Run one case, in any process that has this version; what it returns can be pickled."""
    try:
        run = _prepared(packed)
    except Exception as error:
        return Unprepared(Failed(error).portable())
    found = attempt(run, case)
    return found.portable() if isinstance(found, Failed) else found


def _prepared(packed: Packed) -> Run:
    if packed.version != __version__:
        raise refuse(
            "worker-lost",
            f"a worker has spikeloom {__version__}, the study is run by {packed.version}",
            help="install the same version for the workers",
        )
    with _LOCK:  # threads of one worker prepare once
        if packed.digest not in _PREPARED:
            _PREPARED.clear()
            work: Work = pickle.loads(packed.pickled)  # of the process that started this one
            _PREPARED[packed.digest] = work.prepare()
        return _PREPARED[packed.digest]


def serve(packed: Packed, line: Connection, listening: Connection) -> None:
    """Run the cases that come through a line and send back what each gives, until it is closed.

    The process ends at once when the other end of ``listening`` is closed, by the process that
    started it or by the end of that: nobody would read what is found.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started it decides
    threading.Thread(target=_end_with, args=(listening,), daemon=True).start()
    threadpool_limits(limits=1, user_api="blas")
    while True:
        try:
            case = line.recv()
        except (EOFError, OSError):
            return
        line.send(run_packed(packed, case))


def _end_with(listening: Connection) -> None:
    listening.poll(None)
    os._exit(1)
