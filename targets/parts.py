"""Lists of published parts: component facts of one publication, at its own node and voltage.

A target is priced by a whole ``Library``. These lists are what libraries are written from and
checked against, and what ``mapper.cost.components`` brings to another node.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from targets.cells import Interval
from targets.fields import Name, Positive, Text

Scaling = Literal["digital", "analogue", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One action of one part, or one instance of it; what is not published is left out."""

    name: Name
    per: Text
    """What one action is, and of what the area is."""
    scaling: Scaling
    """How it goes to another node: as logic, as switched capacitors, or not at all."""
    energy_pj: Interval | None = None
    latency_ns: Interval | None = None
    area_um2: Interval | None = None
    node_nm: Positive
    voltage_v: Positive
    verified: Literal[True, False]
    """Whether the number, the node and the supply were all read in the source or its tables."""
    source: Text

    def facts(self) -> dict[str, Interval]:
        """Return what is published, by key."""
        found = {
            "energy_pj": self.energy_pj,
            "latency_ns": self.latency_ns,
            "area_um2": self.area_um2,
        }
        return {key: value for key, value in found.items() if value is not None}

    def problems(self) -> Iterator[str]:
        if not self.facts():
            yield "needs one of energy_pj, latency_ns and area_um2, got none"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartList:
    """The parts of one publication."""

    name: Name
    summary: Text
    provenance: Text
    parts: tuple[Part, ...] = field(metadata={"key": "part"})

    def part(self, name: str) -> Part:
        """Return the part of that name; a missing one is a mistake of the caller."""
        return next(part for part in self.parts if part.name == name)

    def problems(self) -> Iterator[str]:
        if not self.parts:
            yield "a list needs one [[part]] or more, got 0"
        names = [part.name for part in self.parts]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{names.count(name)} parts are named {name!r}; names are used once"
