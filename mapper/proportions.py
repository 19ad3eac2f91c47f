"""How sure a share of right answers is: intervals of one share, and of two on the same samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb, sqrt
from statistics import fmean, stdev
from typing import Any

Z = 1.959963984540054
"""Of a two-sided interval of 95 %, of the normal distribution."""

CONFIDENCE = 0.95


def wilson(right: int, of: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share, ``0 <= low <= right / of <= high <= 1``.

    ``(p + z^2/2n -+ z sqrt(p (1-p) / n + z^2/4n^2)) / (1 + z^2/n)``: E. B. Wilson, Probable
    inference, the law of succession, and statistical inference, J. Am. Stat. Assoc. 22 (1927)
    209-212. It holds for few samples, and where none or all are right.

    Example:
        >>> low, high = wilson(16, 18)
        >>> f"{low:.3f} {high:.3f}"
        '0.672 0.969'
    """
    if not 0 <= right <= of or of < 1:
        raise ValueError(f"{right} right of {of}")
    share, part = right / of, Z * Z / of
    middle, reach = share + part / 2, Z * sqrt(share * (1 - share) / of + part / (4 * of))
    low, high = (middle - reach) / (1 + part), (middle + reach) / (1 + part)
    return (0.0 if right == 0 else low), (1.0 if right == of else high)


@dataclass(frozen=True, slots=True)
class Score:
    """So many right answers of so many samples."""

    right: int
    of: int

    @property
    def share(self) -> float:
        """Accuracy, 0..1."""
        return self.right / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """What ``wilson`` gives."""
        return wilson(self.right, self.of)

    def __str__(self) -> str:
        """Write it for people: ``88.9 % (16 of 18, 95 %: 67.2 .. 96.9)``."""
        low, high = self.interval
        count = f"{self.right:,} of {self.of:,}"
        return f"{100 * self.share:.1f} % ({count}, 95 %: {100 * low:.1f} .. {100 * high:.1f})"

    def as_dict(self, name: str = "accuracy") -> dict[str, Any]:
        """Return the JSON keys ``NAME``, ``NAME_right``, ``NAME_of`` and ``NAME_interval``."""
        return {
            name: self.share,
            f"{name}_right": self.right,
            f"{name}_of": self.of,
            f"{name}_interval": list(self.interval),
        }


def read_score(found: Mapping[str, Any], name: str = "accuracy") -> Score | None:
    """Return the score of which ``found`` has the JSON keys; None where it has no counts.

    Raises:
        ValueError: The counts are none, or do not give the share that stands beside them.
    """
    right, of = found.get(f"{name}_right"), found.get(f"{name}_of")
    if right is None and of is None:
        return None
    if type(right) is not int or type(of) is not int or not 0 <= right <= of < 1 << 53 or not of:
        raise ValueError(f"{name} is {right!r:.80} right of {of!r:.80}")
    if found.get(name) != right / of:
        raise ValueError(f"{name} is {found.get(name)!r:.80}, {right} of {of} are right")
    return Score(right, of)


# --- two on the same samples -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Two ways to answer the same samples."""

    both: int
    """Samples that both answer right."""
    first_only: int
    second_only: int
    neither: int

    @property
    def of(self) -> int:
        """Samples."""
        return self.both + self.first_only + self.second_only + self.neither

    @property
    def difference(self) -> float:
        """Accuracy of the first less that of the second, -1..1."""
        return (self.first_only - self.second_only) / self.of

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the difference.

        Method 10 of R. G. Newcombe, Improved confidence intervals for the difference between
        binomial proportions based on paired data, Stat. Med. 17 (1998) 2635-2650: both Wilson
        intervals, joined with the correlation of the answers.
        """
        first, second = self.both + self.first_only, self.both + self.second_only
        (low, high), (other_low, other_high) = wilson(first, self.of), wilson(second, self.of)
        share, other = first / self.of, second / self.of
        phi = self._correlation
        below, above = share - low, high - share
        other_below, other_above = other - other_low, other_high - other
        down = sqrt(max(0.0, below**2 - 2 * phi * below * other_above + other_above**2))
        up = sqrt(max(0.0, other_below**2 - 2 * phi * other_below * above + above**2))
        return self.difference - down, self.difference + up

    @property
    def _correlation(self) -> float:
        """Phi of the two-by-two table, corrected for continuity; 0 where a margin is empty."""
        first, second = self.both + self.first_only, self.both + self.second_only
        margins = first * (self.of - first) * second * (self.of - second)
        if not margins:
            return 0.0
        excess = self.both * self.neither - self.first_only * self.second_only
        if excess > 0:
            return max(excess - self.of / 2, 0) / sqrt(margins)
        return excess / sqrt(margins)

    @property
    def p(self) -> float:
        """Two-sided p of McNemar's exact test: both as accurate, who alone is right is chance.

        Q. McNemar, Note on the sampling error of the difference between correlated proportions or
        percentages, Psychometrika 12 (1947) 153-157, with the binomial distribution in full.
        """
        apart = self.first_only + self.second_only
        fewer = min(self.first_only, self.second_only)
        ways = sum(comb(apart, count) for count in range(fewer + 1))
        return min(1.0, ways / (1 << apart) * 2)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "of": self.of,
            "both_right": self.both,
            "only_first_right": self.first_only,
            "only_second_right": self.second_only,
            "neither_right": self.neither,
            "difference": self.difference,
            "interval": list(self.interval),
            "p": self.p,
        }


# --- several builds --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The mean of some values and how far they lie apart."""

    mean: float
    deviation: float
    """Sample standard deviation: squares over ``of - 1``."""
    of: int

    @classmethod
    def of_values(cls, values: Sequence[float]) -> "Spread":
        """Average two values or more.

        Example:
            >>> Spread.of_values([1.0, 2.0, 3.0])
            Spread(mean=2.0, deviation=1.0, of=3)
        """
        return cls(mean=fmean(values), deviation=stdev(values), of=len(values))

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"mean": self.mean, "deviation": self.deviation, "of": self.of}
