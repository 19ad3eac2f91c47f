"""What a device does in a macro, in counts: a count is the step between two levels of a cell.

``None`` stands for what the device does not say.
"""

from dataclasses import dataclass

from targets.devices.circuit import Leakage, ReplicaKind, WireSupply

ByLevel = tuple[float, ...]
"""One number for each level ``u`` of a cell, ``0 .. levels - 1``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCounts:
    """A cell, in the order in which ``draw-die`` lets things go wrong."""

    levels: int
    stuck_on: float | None
    """Share of cells that are always on."""
    stuck_off: float | None
    off: float | None
    """What a cell at level 0 adds to its column: ``(levels - 1) / (on_off - 1)`` counts."""
    level: ByLevel
    """Mean conductance of cells of each level, in counts: ``u + off``, and what age and
    temperature make of it without drift. Leakage that is not known counts as 0."""
    sigma: ByLevel | None
    """Standard deviation of cells of each level, in counts; None also where ``log_sigma`` or
    ``quantiles`` say it."""
    log_sigma: float | None = None
    """Standard deviation of the logarithm of conductance, with ``level`` as the median."""
    quantiles: tuple[ByLevel, ...] | None = None
    """``[levels][n]``, counts, rising: value ``j`` is the quantile at ``(j + 1/2) / n``."""
    nu: ByLevel | None
    """Mean exponent of drift, ``g (t / t0)^-nu``."""
    nu_sigma: ByLevel | None
    t0_s: float | None
    read_noise: ByLevel | None
    """Standard deviation of a cell of each level from read to read, in counts."""
    age_s: float | None
    """Age of the chip in seconds; None: as programmed, without drift."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadoutCounts:
    """What reads a column."""

    mv_per_count: float | None
    offset: float | None
    """Standard deviation of the offset, in counts."""
    gain: float | None
    """Standard deviation of the gain, whose mean is 1."""
    noise: float | None
    """Standard deviation from read to read, in counts."""
    replica: ReplicaKind | None
    """What a half-active reference is made of."""
    leakage: Leakage | None
    """Whether leakage of cells is taken off a constant reference."""
    trim_range: float | None = None
    """How far a calibration can move a reference, up or down, in counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireCounts:
    """The bitline."""

    share: float
    """Resistance from one cell to the next, over that of a cell that is on."""
    supply: WireSupply


@dataclass(frozen=True, slots=True, kw_only=True)
class Imperfections:
    """All that a device does in one macro."""

    device: str
    macro: str
    cell: CellCounts
    readout: ReadoutCounts
    wire: WireCounts | None
    not_covered: tuple[str, ...]
    """Imperfections that the device says nothing of, or too little to know them in counts."""
