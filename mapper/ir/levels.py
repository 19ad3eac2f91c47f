"""How many spikes a neuron may give in one step, and which membranes give how many.

A neuron with several levels gives a whole number of ``low .. high`` a step: 0, 1, 2, ... (integer
spikes), or -1, 0, 1 (ternary ones). Level 0 is silence. A trained neuron measures its membrane in
thresholds and rounds; an integer neuron compares it with a threshold for each step from one level
to the next, which is all that hardware does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mapper.ir.values import INT64, Array, Constants, IntType, Part, Scalar, param

Rounding = Literal["toward-zero", "half-even", "half-up", "half-down"]
"""How a membrane in thresholds becomes a level. ``half-up``: to the nearest, a half upwards;
``half-down``: a half downwards."""

MOST_SPIKES = 255
"""Levels above or below 0 that a step may give; also thresholds of an integer neuron."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels(Part):
    """What one step may give: every whole number from ``low`` to ``high``."""

    low: int = 0
    high: int = 1

    @property
    def type(self) -> IntType:
        """The narrowest type of what is given."""
        return IntType.spanning(self.low, self.high)

    @property
    def thresholds(self) -> int:
        """How many comparisons tell the level."""
        return self.high - self.low

    @property
    def is_spike(self) -> bool:
        """Whether a neuron fires or does not, and nothing else."""
        return (self.low, self.high) == (0, 1)

    def problems(self) -> Iterator[str]:
        """Yield why no neuron gives these levels."""
        if not self.low <= 0 < self.high or self.thresholds > MOST_SPIKES:
            yield (
                f"levels are {self.low}..{self.high}: from 0 or below to 1 or above, at most "
                f"{MOST_SPIKES} thresholds"
            )

    def reached(self, thresholds: Array, u: Array, strict: bool) -> Array:
        """Return the level of integer membranes: how many rising thresholds they reach.

        Args:
            thresholds: ``[levels - 1, ...]``: that of ``low + 1`` first, each broadcasts to ``u``.
            u: Membranes.
            strict: A threshold is reached above it only.
        """
        level = np.full_like(u, self.low)
        for threshold in thresholds:
            level = level + (u > threshold if strict else u >= threshold)
        return level


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundedLevels(Levels):
    """Levels of a trained neuron, whose membrane is ``q`` times its threshold.

    ``toward-zero``: level ``k > 0`` where ``q >= k`` (``q > k`` where the neuron is strict), and
    ``-k`` where ``-q`` does. ``half-even``: the nearest whole number, of two equally near the
    even one; so level ``k`` or more where ``q > k - 1/2`` for odd ``k`` and ``q >= k - 1/2`` for
    even ``k``. ``half-up``: level ``k`` or more where ``q >= k - 1/2``, ``half-down``: past that
    alone. What lies beyond ``low .. high`` gives the end.
    """

    rounding: Rounding = "toward-zero"

    def problems(self) -> Iterator[str]:
        """Yield why no neuron gives these levels, or which other words say the same."""
        yield from Levels.problems(self)
        if self.is_spike and self.rounding in ("half-even", "half-down"):
            yield "one level is nearest past half a threshold: 'strict', with that threshold"
        if self.is_spike and self.rounding == "half-up":
            yield "one level is nearest from half a threshold on: that threshold"

    def of(self, q: Array, strict: bool) -> Array:
        """Return the level of membranes that are ``q`` times the threshold."""
        if self.rounding == "half-even":
            return np.clip(np.rint(q), self.low, self.high)
        if self.rounding == "half-up":
            return np.clip(np.floor(q + np.float32(0.5)), self.low, self.high)
        if self.rounding == "half-down":
            return np.clip(np.ceil(q - np.float32(0.5)), self.low, self.high)
        up = np.ceil(q) - 1 if strict else np.floor(q)
        down = np.floor(q) + 1 if strict else np.ceil(q)
        return np.asarray(np.clip(up, 0, self.high) + np.clip(down, self.low, 0))

    def starts(self, strict: bool) -> Iterator[tuple[float, bool]]:
        """Yield where each level above ``low`` begins, in thresholds, and whether past that only.

        The same function of ``q`` as ``of``, as comparisons with rising numbers.
        """
        for level in range(self.low + 1, self.high + 1):
            yield start_of(level, self.rounding, strict)


def start_of(level: int, rounding: Rounding, strict: bool) -> tuple[float, bool]:
    """Return where a level and what is above it begin, and whether past that number only."""
    if rounding == "half-even":
        return level - 0.5, level % 2 == 1
    if rounding in ("half-up", "half-down"):
        return level - 0.5, rounding == "half-down"
    return (float(level), strict) if level > 0 else (float(level - 1), not strict)


def level_problems(
    levels: Levels, threshold: Scalar, shape: tuple[int, ...], constants: Constants
) -> Iterator[str]:
    """Yield why an integer neuron of several levels has no threshold for each of them."""
    array = param(constants, threshold, INT64)
    if array.ndim == 0 or len(array) != levels.thresholds:
        yield f"{levels.thresholds + 1} levels take a table of {levels.thresholds} thresholds"
        return
    try:
        fits = np.broadcast_shapes(array.shape[1:], shape) == shape
    except ValueError:
        fits = False
    if not fits:
        yield f"thresholds of shape {array.shape[1:]} do not broadcast to {shape}"
    elif (np.diff(array, axis=0) < 0).any():
        yield "thresholds of levels do not rise"


ONE_SPIKE, ONE_TRAINED_SPIKE = Levels(), RoundedLevels()
"""Of neurons that fire or do not, in integers and in reals."""
