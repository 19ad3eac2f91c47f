"""What many points say together: which of them nothing beats, and what each axis is worth."""

from collections.abc import Hashable, Sequence

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
