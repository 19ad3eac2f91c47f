"""Logarithmic axes: where values lie far apart, and where its ticks are."""

from collections.abc import Iterable, Sequence
from math import log10
from typing import Any

LOG_FROM = 4.0
"""Largest over smallest value from which an axis is logarithmic."""

_DECADES = 6  # below the largest value: what is smaller is drawn at the end of the axis


def far_apart(intervals: Iterable[tuple[float, float]]) -> bool:
    """Say whether the ends of an interval are so far apart that a linear axis hides the lower."""
    return any(low > 0 and high / low >= LOG_FROM for low, high in intervals)


def log_axis(values: Sequence[float]) -> tuple[dict[str, Any], list[float]]:
    """Return a logarithmic scale on which all values above 0 can be seen, and its ticks."""
    shown = [value for value in values if value > 0]
    high = max(shown)
    low = max(min(shown), high / 10**_DECADES)
    ends = (low / 1.25, high * 1.25)
    return {"type": "log", "domain": list(ends), "nice": False}, log_ticks(*ends)


def log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers of a logarithmic axis: 1, 2, 5 of every decade, or 1 of many decades."""
    decades = range(int(log10(low)) - 1, int(log10(high)) + 2)
    digits = (1, 2, 5) if log10(high / low) < 3 else (1,)
    found = (digit * 10.0**decade for decade in decades for digit in digits)
    return [float(f"{tick:.3g}") for tick in found if low <= tick <= high]
