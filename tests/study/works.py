"""Work for studies of tests, in a module that worker processes can import."""

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mapper.diagnostics import refuse
from mapper.study import Case, Record, Run


@dataclass(frozen=True, kw_only=True)
class Squares:
    """Squares of seeds; ``log`` gets a line for each preparation and each case."""

    name: str = "squares"
    log: Path | None = None
    bad: Mapping[int, str] = field(default_factory=dict)
    """What seeds do in place of a record."""

    def identity(self) -> Record:
        return {"work": self.name}

    def prepare(self) -> Run:
        self._note("prepared")
        if self.bad.get(-1) == "unprepared":
            raise refuse("not-a-build", "nothing there", loc="build")
        return partial(self._run, 2)

    def _run(self, power: int, case: Case) -> Record:
        seed = case["seed"]
        self._note(f"seed {seed}")
        if self.bad.get(seed) == "killed once":
            assert self.log is not None
            if self.log.read_text().count(f"seed {seed} ") == 1:
                is_killed(seed)
        elif seed in self.bad:
            BAD[self.bad[seed]](seed)
        return {"square": seed**power, "share": seed / 7, "layers": [seed, seed + 1]}

    def _note(self, text: str) -> None:
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{text} in {os.getpid()}\n")


def refuses(seed: int) -> None:
    raise refuse("bad-option", f"{seed} is too many", loc="layer 1", help="take fewer")


def runs_out_of_memory(seed: int) -> None:
    raise MemoryError


def misses_a_file(seed: int) -> None:
    raise FileNotFoundError(2, "No such file or directory", "gone.npz")


def has_a_bug(seed: int) -> None:
    raise ZeroDivisionError("division by zero")


def is_killed(seed: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def is_stopped(seed: int) -> None:
    raise KeyboardInterrupt


LONG = {"sleeps": 60, "naps": 5}
"""Seconds that a case of long work takes; threads cannot be stopped."""


def sleeps(seed: int) -> None:
    time.sleep(LONG["sleeps"])


def naps(seed: int) -> None:
    time.sleep(LONG["naps"])


def fails_late(seed: int) -> None:
    time.sleep(0.2)  # the other case has begun
    has_a_bug(seed)


BAD: dict[str, Any] = {
    "refuses": refuses,
    "memory": runs_out_of_memory,
    "file": misses_a_file,
    "bug": has_a_bug,
    "killed": is_killed,
    "stopped": is_stopped,
    "sleeps": sleeps,
    "naps": naps,
    "fails_late": fails_late,
}


@dataclass(frozen=True)
class Odd:
    """Work whose records are no data."""

    def identity(self) -> Record:
        return {}

    def prepare(self) -> Run:
        return lambda case: {"share": float("nan")}
