"""Sides of a comparison with other columns a readout, or other copies, than compiled."""

from dataclasses import dataclass
from typing import Literal

from mapper.cost import Range

COLUMNS_TOLD = (
    "How many columns share a readout decides time and area. Energy follows through the area alone "
    "(leakage, and wires under the preset paper): switches of the multiplexer and the holding of "
    "sums that wait are not charged, and a bitline conducts for one conversion."
)
"""Where the cost model ignores it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """One side, with the two settings that trade area for time."""

    side: str
    columns: tuple[int, ...]
    """That share a readout, each number once; none where readouts are ideal or digital."""
    copies: int
    """Of the layer that has most."""
    positions: int | None
    """Of ``replicate``: output positions of one copy in a step; None for copies as compiled."""
    compiled: bool
    """Whether both settings are those of the build."""
    energy_pj: Range
    latency_ns: Range
    """Of one inference, layers pipelined."""
    step_ns: Range
    """From one time step to the next."""
    area_um2: Range

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "target": self.side,
            "columns_per_readout": list(self.columns),
            "copies": self.copies,
            "positions": self.positions,
            "as_compiled": self.compiled,
            "energy_pj": self.energy_pj._asdict(),
            "latency_ns": self.latency_ns._asdict(),
            "step_ns": self.step_ns._asdict(),
            "area_um2": self.area_um2._asdict(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualColumns:
    """All comparable sides with as many columns a readout; copies are as compiled."""

    columns: int
    designs: tuple[Design, ...]
    """Those whose crossbars have so many columns, in the order of the sides."""

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "columns_per_readout": self.columns,
            "targets": [design.as_dict() for design in self.designs],
        }


Kind = Literal["area", "throughput", "mux"]
"""What is held equal: area of the chip, time per step, or columns a readout."""

UNITS: dict[Kind, str] = {"area": "um2", "throughput": "ns", "mux": "columns"}
SAME: dict[Kind, str] = {
    "area": "The same area, by copies",
    "throughput": "The same time per step, by copies",
    "mux": "The same columns a readout",
}
BEST: dict[Kind, str] = {
    "area": "Best columns and copies in that area: the fastest",
    "throughput": "Best columns and copies in that time: the smallest",
    "mux": "Best copies with these columns: the least area x time per step",
}
"""How the best pair of settings is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontPoint:
    """A design that no other one of its side beats: nominal costs."""

    side: str
    columns: tuple[int, ...]
    copies: int
    positions: int | None
    energy_pj: float
    step_ns: float
    area_um2: float

    @property
    def costs(self) -> tuple[float, float, float]:
        """Energy in pJ, time per step in ns, area in um2."""
        return self.energy_pj, self.step_ns, self.area_um2

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "target": self.side,
            "columns_per_readout": list(self.columns),
            "copies": self.copies,
            "positions": self.positions,
            "energy_pj": self.energy_pj,
            "step_ns": self.step_ns,
            "area_um2": self.area_um2,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Iso:
    """Comparable sides with one thing equal to that of the first."""

    kind: Kind
    over: str
    """The first side."""
    wanted: float
    """What it has: um2, ns a step, or columns; nominal."""
    equal: tuple[Design, ...]
    """Each side as near to that as it comes, the first as compiled."""
    best: tuple[Design, ...]
    """Each side with its best settings under that; of the first, too."""
    front: tuple[FrontPoint, ...]
    """Of all settings those that no other of the same side beats, by side, smallest first."""
    swept: tuple[int, ...]
    """Pairs of settings that were priced, by side."""
    told: tuple[str, ...]
    """Where equality is not reached: how near it comes, and why."""

    def reached(self, design: Design) -> float:
        """Return what a design has of what is held equal."""
        if self.kind == "mux":
            return float(max(design.columns, default=0))
        return (design.area_um2 if self.kind == "area" else design.step_ns).nominal

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "kind": self.kind,
            "over": self.over,
            "wanted": self.wanted,
            "unit": UNITS[self.kind],
            "equal": [self._row(design) for design in self.equal],
            "best": [self._row(design) for design in self.best],
            "front": [point.as_dict() for point in self.front],
            "swept": list(self.swept),
            "told": list(self.told),
        }

    def _row(self, design: Design) -> dict[str, object]:
        reached = self.reached(design)
        return {**design.as_dict(), "reached": reached, "gap": reached / self.wanted - 1}
