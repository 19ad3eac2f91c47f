"""What many runs say: how they are distributed, how many are good enough, what a change costs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import cos, floor, pi, sin, sqrt, tan
from typing import Any, Literal

from mapper.proportions import CONFIDENCE, Score, Spread

QUANTILES = (
    "A quantile is interpolated between the two values beside it in ascending order: that of a "
    "share q of n values is at place (n - 1) q, counted from 0 (type 7 of Hyndman and Fan 1996)."
)
"""How the 5th percentile is defined, for readers."""

LOW, MIDDLE, HIGH = 0.05, 0.5, 0.95
"""Shares of the quantiles that are shown."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Values of one quantity, one a run; at least one."""

    values: tuple[float, ...]
    """In ascending order."""

    @classmethod
    def of(cls, values: Iterable[float]) -> "Distribution":
        """Collect values, shares as 0..1: a rounded percent may fall below a bound."""
        made = cls(tuple(sorted(values)))
        if not made.values:
            raise ValueError("a distribution of no values")
        return made

    @property
    def mean(self) -> float:
        """The arithmetic mean."""
        return self.values[0] if len(self.values) == 1 else Spread.of_values(self.values).mean

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation: squares over ``of - 1``; None of one value."""
        return None if len(self.values) == 1 else Spread.of_values(self.values).deviation

    def quantile(self, share: float) -> float:
        """Return the value that a share of 0..1 of the values lies below, as ``QUANTILES`` says.

        R. J. Hyndman and Y. Fan, Sample quantiles in statistical packages, Am. Stat. 50 (1996)
        361-365, type 7.

        Example:
            >>> Distribution.of([1, 2, 3, 4, 5]).quantile(0.05)
            1.2
        """
        if not 0 <= share <= 1:
            raise ValueError(f"a quantile of {share}")
        place = (len(self.values) - 1) * share
        below = floor(place)
        above = min(below + 1, len(self.values) - 1)
        return between(self.values[below], self.values[above], place - below)

    def reaching(self, bound: float) -> Score:
        """Return how many of the values are at least ``bound``: of dies, the yield."""
        return Score(sum(value >= bound for value in self.values), len(self.values))

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "of": len(self.values),
            "mean": self.mean,
            "deviation": self.deviation,
            "least": self.values[0],
            "p5": self.quantile(LOW),
            "median": self.quantile(MIDDLE),
            "p95": self.quantile(HIGH),
            "greatest": self.values[-1],
        }


def between(one: float, other: float, share: float) -> float:
    """Return the value at a share of the way from one value to another, both ends exact."""
    return one + (other - one) * share if share < 1 else other


# --- pairs -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a change does to a quantity, on the same dies with it and without."""

    mean: float
    """Of the changed less the unchanged."""
    deviation: float | None
    """Sample standard deviation of the differences; None of one pair."""
    of: int
    """Pairs."""

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the mean by Student's t, of differences that are near normal.

        None of one pair, which says nothing of the next.
        """
        if self.deviation is None:
            return None
        reach = student_t(self.of - 1) * self.deviation / sqrt(self.of)
        return self.mean - reach, self.mean + reach

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        ends = self.interval
        return {
            "difference": self.mean,
            "deviation": self.deviation,
            "interval": None if ends is None else list(ends),
            "of": self.of,
        }


def difference(changed: Sequence[float], unchanged: Sequence[float]) -> Difference:
    """Compare runs in pairs: place by place of the same die.

    Differences are rounded to 12 decimals: shares of samples are quotients, and what their rounding
    leaves, some 1e-16, is none.

    Raises:
        ValueError: They are not as many, or none.
    """
    found = Distribution.of(round(a - b, 12) for a, b in zip(changed, unchanged, strict=True))
    return Difference(mean=found.mean, deviation=found.deviation, of=len(found.values))


@cache
def student_t(freedom: int) -> float:
    """Return what Student's t of so many degrees of freedom stays within in 95 % of all cases.

    The share within ``t`` has a finite series in ``theta = atan(t / sqrt(freedom))``: M. Abramowitz
    and I. A. Stegun, Handbook of Mathematical Functions (1964), 26.7.3 and 26.7.4. It rises with
    ``theta``, so the angle is found by halving.

    Example:
        >>> f"{student_t(19):.3f}"
        '2.093'
    """
    if freedom < 1:
        raise ValueError(f"{freedom} degrees of freedom")
    low, high = 0.0, pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        low, high = (angle, high) if _within(angle, freedom) < CONFIDENCE else (low, angle)
    return sqrt(freedom) * tan(low)


def _within(angle: float, freedom: int) -> float:
    odd = freedom % 2
    square = cos(angle) ** 2
    term = total = 0.0
    if freedom > 1:
        term = total = cos(angle) if odd else 1.0
    for step in range(2 + odd, freedom, 2):
        term *= square * (step - 1) / step
        total += term
    share = sin(angle) * total
    return (angle + share) * 2 / pi if odd else share


# --- how much is tolerated -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a sweep may go."""

    kind: Literal["not reached", "up to", "all of it"]
    value: float | None
    """The largest value that is good enough, of ``all of it`` the largest swept; None of none."""

    def __str__(self) -> str:
        return self.kind if self.value is None else f"{self.kind} {self.value:.3g}"


def reach(points: Sequence[tuple[float, float]], share: float) -> Reach:
    """Return the largest swept value up to which the share of good dies stays at ``share``.

    Between two swept values the share is taken to change along a line; nothing is said beyond the
    last one. Where it falls below and rises again, the first fall counts.

    Args:
        points: Swept value and share of good dies, 0..1; in any order, one at least.
        share: What is asked for, 0..1.

    Example:
        >>> reach([(0.0, 1.0), (0.5, 1.0), (1.0, 0.5)], 0.75)
        Reach(kind='up to', value=0.75)
    """
    ordered = sorted(points)
    fallen = next((place for place, (_, held) in enumerate(ordered) if held < share), None)
    if fallen is None:
        return Reach("all of it", ordered[-1][0])
    if fallen == 0:
        return Reach("not reached", None)
    (at, held), (beyond, lower) = (
        map(_written, point) for point in ordered[fallen - 1 : fallen + 1]
    )
    way = (held - _written(share)) / (held - lower)
    return Reach("up to", float(at + (beyond - at) * way))


def _written(value: float) -> Fraction:
    """Return the decimal fraction that a number is written as, so that results can be checked."""
    return Fraction(repr(float(value)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """One quantity at every value of a setting."""

    name: str
    """Of the setting, such as ``cell.sigma``."""
    points: tuple[tuple[float, Distribution], ...]
    """Value of the setting, and what was found there; in ascending order."""

    @classmethod
    def of(cls, name: str, points: Iterable[tuple[float, Distribution]]) -> "Swept":
        """Put points in order."""
        return cls(name=name, points=tuple(sorted(points, key=lambda point: point[0])))

    def tolerance(self, bound: float, share: float = HIGH) -> "Tolerance":
        """Return up to which value a share of all dies is at ``bound`` or above."""
        good = [(value, found.reaching(bound)) for value, found in self.points]
        return Tolerance(
            name=self.name,
            bound=bound,
            share=share,
            first=(good[0][0], good[0][1].share),
            reach=reach([(value, score.share) for value, score in good], share),
            sure=reach([(value, score.interval[0]) for value, score in good], share),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How much of an imperfection keeps enough dies good."""

    name: str
    bound: float
    """Of the quantity: a die is good from there on."""
    share: float
    """Of dies that have to be good, 0..1."""
    first: tuple[float, float]
    """The least swept value, and the share of good dies there."""
    reach: Reach
    sure: Reach
    """The same with the low ends of the 95 % intervals of the shares (Wilson): dies are few."""

    def told(self, good: str) -> str:
        """Write it as a sentence; ``good`` says what a good die is, such as ``at 90 % or more``.

        Example:
            >>> good, bad = Distribution.of([0.9]), Distribution.of([0.5])
            >>> swept = Swept.of("offset", [(0.0, good), (1.0, bad)])
            >>> swept.tolerance(0.9, 0.5).told("at 90 % or more")
            'offset up to 0.5 keeps 50 % of dies at 90 % or more'
        """
        asked = f"{100 * self.share:g} %"
        if self.reach.value is None:
            value, held = self.first
            return (
                f"not reached: {self.name} at {value:g}, the least swept, leaves "
                f"{100 * held:.3g} % of dies {good}, and {asked} are asked for"
            )
        kept = f"{self.name} up to {self.reach.value:.3g}"
        if self.reach.kind == "all of it":
            kept = f"all of it: {kept}, all that was swept,"
        return f"{kept} keeps {asked} of dies {good}"

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "setting": self.name,
            "bound": self.bound,
            "share": self.share,
            "reach": self.reach.kind,
            "value": self.reach.value,
            "sure_reach": self.sure.kind,
            "sure_value": self.sure.value,
        }
