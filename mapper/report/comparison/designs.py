"""Sides of a comparison with other columns a readout, or other copies, than compiled."""

from dataclasses import dataclass

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

    @property
    def columns_text(self) -> str:
        """Write the columns a readout: ``8``, ``1 and 8``, ``none``."""
        return " and ".join(map(str, self.columns)) or "none"

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
