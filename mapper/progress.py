"""Say how far some work is and how long it may still take."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

Progress = Callable[[str], None]


def silent(text: str) -> None:
    """Say nothing."""


_PAUSE = 2.0
"""Seconds between two lines, so that a log does not fill up with them."""


@dataclass(slots=True)
class Ticks:
    """Work of equal pieces: each one done is told, with the time that the others may take."""

    progress: Progress
    what: str
    total: int
    """Pieces, such as time steps of all graphs that are evaluated."""
    clock: Callable[[], float] = time.monotonic
    prepared: bool = True
    """False where the first piece takes longer, as things are made ready in it."""
    done: int = 0
    _started: float = field(init=False)
    _told: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self._told = self.clock()
        self.progress(self.what)

    def tick(self) -> None:
        """Note that one more piece is done."""
        self.done += 1
        now = self.clock()
        if not self.prepared and self.done == 1:
            self._started = now
            return
        if now - self._told < _PAUSE or self.done >= self.total:
            return
        self._told = now
        timed = self.done if self.prepared else self.done - 1
        left = (now - self._started) / timed * (self.total - self.done)
        share = 100 * self.done // self.total
        self.progress(f"{self.what}: {share} %, about {duration(left)} left")


def duration(seconds: float) -> str:
    """Write a time for people: ``40 s``, ``3 min``, ``1.5 h``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
