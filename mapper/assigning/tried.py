"""What is known of one assignment on one part of the recordings."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mapper.cost.result import Range
from mapper.ir.core import Array
from mapper.proportions import Score, wilson
from mapper.study.statistics import Difference, difference
from mapper.verify.answers import score_of

Picks = tuple[str, ...]
"""A macro for each layer that is decided here, in their order."""

_NOTHING = Range(0, 0, 0)

GOALS = ("energy", "latency", "area")
"""What may be made least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost(Difference):
    """Accuracy of one assignment less that of another, sample by sample: -1, 0 or 1 each."""

    same: bool
    """Both are one assignment, whose answers are the same on any samples."""

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the mean by Student's t, within -1..1; None of ``same``.

        Where all samples differ alike, mostly not at all, t would have no width, however few they
        are: then as far as the share of others may be where none was seen (Wilson).
        """
        ends = Difference.interval.__get__(self)
        if ends is None or self.same:
            return None
        if not self.deviation:
            others = wilson(0, self.of)[1]
            ends = self.mean - others, self.mean + others
        return max(ends[0], -1.0), min(ends[1], 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """An assignment that was compiled and run, or why the target does not take it."""

    picks: Picks
    answers: tuple[int, ...] = ()
    """The class of each sample; none where it is refused."""
    right: tuple[bool, ...] = ()
    """Which of these are wanted."""
    energy_pj: Range = _NOTHING
    latency_ns: Range = _NOTHING
    area_um2: Range = _NOTHING
    refused: str = ""
    """Code and message; empty where it was run."""

    @classmethod
    def of_record(cls, picks: Picks, record: Mapping[str, Any], wanted: Array | None) -> "Tried":
        """Read a record of ``Trials``; ``wanted`` are classes ``[B]``, None: its own."""
        if record["state"] == "refused":
            return cls(picks=picks, refused=f"{record['code']}: {record['why']}")
        answers = np.asarray(record["classes"])
        right = answers == (answers if wanted is None else wanted)
        return cls(
            picks=picks,
            answers=tuple(answers.tolist()),
            right=tuple(right.tolist()),
            energy_pj=Range(*record["energy_pj"]),
            latency_ns=Range(*record["latency_ns"]),
            area_um2=Range(*record["area_um2"]),
        )

    @property
    def score(self) -> Score:
        """Right answers, with their interval."""
        return score_of(np.asarray(self.right))

    @property
    def accuracy(self) -> float:
        """Share of right answers, 0..1."""
        return self.score.share

    def goal(self, name: str) -> Range:
        """Return what is made least: energy in pJ, latency in ns or area in um2."""
        return {"energy": self.energy_pj, "latency": self.latency_ns, "area": self.area_um2}[name]

    def lost_to(self, other: "Tried") -> Lost:
        """Compare accuracies sample by sample: this one's less the other's."""
        found = difference([float(held) for held in self.right], [float(h) for h in other.right])
        return Lost(
            mean=found.mean,
            deviation=found.deviation,
            of=found.of,
            same=self.picks == other.picks,
        )
