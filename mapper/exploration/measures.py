"""What is measured of a point: the names of objectives, where records hold them, their units."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mapper.json_values import finite, share


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One thing that is measured of a point."""

    name: str
    """As ``[objectives]`` of a space has it."""
    key: str
    """Of a record, and of ``[constraints]`` of a space."""
    unit: str
    """Of the numbers in a record; empty for a share of 0..1."""
    best: str
    """``min`` or ``max``: what an objective of it can only be."""
    ranged: bool
    """Whether a record holds three numbers, low, nominal and high, as facts have."""

    def of(self, record: Mapping[str, Any]) -> float | None:
        """Return the nominal value; None where it was not measured.

        Raises:
            TypeError, ValueError: The record, which may come from anyone, has no such number.
        """
        held = record.get(self.key)
        if held is None:
            return None
        if not self.ranged:
            return share(held)
        if not isinstance(held, list) or len(held) != 3:
            raise ValueError(f"{self.key} is {held!r:.80}: it takes low, nominal and high")
        low, nominal, high = map(finite, held)
        if not 0 <= low <= nominal <= high:
            raise ValueError(f"{self.key} is {held!r:.80}: it takes low, nominal and high")
        return nominal


def _cost(name: str, unit: str, key: str) -> Measure:
    return Measure(name=name, key=key, unit=unit, best="min", ranged=True)


def _share(name: str) -> Measure:
    return Measure(name=name, key=name, unit="", best="max", ranged=False)


MEASURES: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        _cost("energy", "µJ", "energy_uj"),
        _cost("latency", "µs", "latency_us"),
        _cost("area", "mm²", "area_mm2"),
        _share("accuracy"),
        _share("agreement"),
        _share("yield"),
    )
}
"""By the name of the objective."""

BY_KEY: Mapping[str, Measure] = {measure.key: measure for measure in MEASURES.values()}
"""By the name of the constraint."""


def entry(record: Mapping[str, Any], key: str) -> float | None:
    """Return an entry of a record, the nominal value of a range; None where it was not measured.

    Raises:
        TypeError, ValueError: The record has no such number.
    """
    if key in BY_KEY:
        return BY_KEY[key].of(record)
    held = record.get(key)
    return None if held is None else finite(held)
