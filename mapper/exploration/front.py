"""What many points say together: which of them nothing beats, and what each axis is worth."""

from collections.abc import Hashable, Sequence
from math import sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def non_dominated(losses: Floats) -> NDArray[np.bool_]:
    """Say which rows nothing beats: no other row is as low everywhere and lower somewhere.

    Rows are compared as they are, to the bit; equal rows stand beside each other.

    Args:
        losses: Numbers that are the better the lower they are, ``[points, objectives]``; finite.

    Returns:
        ``[points]``.
    """
    found = np.zeros(len(losses), bool)
    left = np.lexsort(losses.T[::-1]) if len(losses) else np.zeros(0, np.intp)
    while left.size:
        first = losses[left[0]]  # nothing that is left comes before it, so nothing beats it
        found[left[(losses[left] == first).all(axis=1)]] = True
        left = left[(losses[left] < first).any(axis=1)]
    return found


def share_explained(groups: Sequence[Hashable], values: Floats) -> float | None:
    """Return what share of the variance of values is between the groups that they are in.

    It is *epsilon squared* (T. L. Kelley, *An unbiased correlation ratio measure*, PNAS 21, 1935):
    the correlation ratio ``1 - within / total``, corrected for what as many groups would explain of
    values by chance. What axes do only together belongs to none of them.

    Args:
        groups: The value of an axis at each point.
        values: What was measured there, ``[points]``; finite.

    Returns:
        0..1; 0 where no value differs; None where there are no more points than groups.
    """
    known = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    if len(values) <= len(known):
        return None
    places = np.array([known[group] for group in groups])
    counts = np.bincount(places)
    means = np.bincount(places, values) / counts
    total = float(((values - values.mean()) ** 2).sum())
    within = float(((values - means[places]) ** 2).sum())
    if len(known) < 2 or total <= 1e-20 * float((values**2).sum()):
        return 0.0
    chance = (len(values) - 1) / (len(values) - len(known))
    return min(1.0, max(0.0, 1 - within / total * chance))


MOST_BY_CHANCE = 0.25
"""Spread of the share of an axis that does nothing, from which on points are too few to say."""


def spread_by_chance(points: int, groups: int) -> float:
    """Return the standard deviation of ``share_explained`` where groups do nothing.

    The correlation ratio of ``n`` normal values in ``k`` groups has a beta distribution then, of
    ``(k - 1) / 2`` and ``(n - k) / 2``; the correction stretches it by ``(n - 1) / (n - k)``, to a
    variance of ``2 (k - 1) / ((n - k) (n + 1))``.

    >>> round(spread_by_chance(7, 2), 3)
    0.224
    """
    return sqrt(2 * (groups - 1) / ((points - groups) * (points + 1)))
