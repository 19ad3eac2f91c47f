"""What a device file holds of circuits round cells: amplifiers, wires, references."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from targets.devices.fact import About, Fact, bounded
from targets.fields import Text

WireSupply = Literal["rows", "gates"]
ReplicaKind = Literal["cells", "dac"]
Leakage = Literal["taken-off", "stays"]


AMPLIFIER_FACTS = {
    "offset_mv": About("spread of the offset", "mV", 0, 1e4, "high"),
    "offset_counts": About("the same, in counts", "counts", 0, 1e4, "high"),
    "mismatch_mv_um": About("of the input pair: over sqrt(W L)", "mV um", 0, 1e4, "high"),
    "input_um2": About("gate area W L of an input device", "um2", 1e-6, 1e6, "low"),
    "gain": About("spread of the gain", "", 0, 1, "high"),
    "read_noise_mv": About("spread from read to read", "mV", 0, 1e4, "high"),
    "read_noise_counts": About("the same, in counts", "counts", 0, 1e4, "high"),
    "trim_range_mv": About("how far a trim moves a reference, up or down", "mV", 0, 1e6, "low"),
    "trim_range_counts": About("the same, in counts", "counts", 0, 1e6, "low"),
    "mv_per_count": About("step between two levels of a cell", "mV", 1e-6, 1e6, "low"),
    "swing_v": About("voltage that all rows share: one that is on, over", "V", 0.001, 1e3, "low"),
    "parasitic": About("capacitance of the bitline over that of a cell", "", 0, 1e6, "high"),
    "read_v": About("voltage across a cell", "V", 1e-4, 1e3, "low"),
    "load_ohm": About("load that its current flows through", "Ohm", 1e-3, 1e12, "low"),
    "read_ns": About("time for which its current charges the bitline", "ns", 1e-3, 1e9, "low"),
    "bitline_ff": About("capacitance of the bitline", "fF", 1e-3, 1e9, "high"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Amplifier:
    """What compares or converts a column: its errors, and the mV that one count is.

    ``mv_per_count`` is given, or follows from one of three laws: a swing that all rows share, a
    current through a load, a current that charges a bitline.
    """

    offset_mv: Fact | None = None
    offset_counts: Fact | None = None
    mismatch_mv_um: Fact | None = None
    input_um2: Fact | None = None
    gain: Fact | None = None
    read_noise_mv: Fact | None = None
    read_noise_counts: Fact | None = None
    trim_range_mv: Fact | None = None
    trim_range_counts: Fact | None = None
    mv_per_count: Fact | None = None
    swing_v: Fact | None = None
    parasitic: Fact | None = None
    read_v: Fact | None = None
    load_ohm: Fact | None = None
    read_ns: Fact | None = None
    bitline_ff: Fact | None = None

    def problems(self) -> Iterator[str]:
        yield from bounded(self, AMPLIFIER_FACTS)
        given = {name for name in AMPLIFIER_FACTS if getattr(self, name) is not None}
        for what, ways in ONE_OF.items():
            said = [way for way in ways if given & set(way)]
            if len(said) > 1:
                names = " and ".join("+".join(sorted(given & set(way))) for way in said)
                yield f"{what} is said twice: by {names}"
        for needed, by in NEEDS.items():
            for name in (name for name in by if name in given):
                if not any(given >= set(together) for together in needed):
                    words = " or ".join("+".join(together) for together in needed)
                    yield f"{name} goes with {words}"


_STEPS = (
    ("mv_per_count",),
    ("swing_v", "parasitic"),
    ("load_ohm",),
    ("read_ns", "bitline_ff"),
)
ONE_OF: dict[str, tuple[tuple[str, ...], ...]] = {
    "the offset": (("offset_mv",), ("offset_counts",), ("mismatch_mv_um", "input_um2")),
    "the read noise": (("read_noise_mv",), ("read_noise_counts",)),
    "the range of a trim": (("trim_range_mv",), ("trim_range_counts",)),
    "a count in mV": _STEPS,
}
"""Ways to say one thing, of which a file has one."""

NEEDS: dict[tuple[tuple[str, ...], ...], tuple[str, ...]] = {
    (("mismatch_mv_um",),): ("input_um2",),
    (("input_um2",),): ("mismatch_mv_um",),
    (("swing_v",),): ("parasitic",),
    (("parasitic",),): ("swing_v",),
    (("read_v",),): ("load_ohm", "read_ns"),
    (("read_ns",),): ("bitline_ff",),
    (("bitline_ff",),): ("read_ns",),
    (("load_ohm",), ("read_ns", "bitline_ff")): ("read_v",),
}
"""Facts that say nothing alone: what must stand beside them."""


WIRE_FACTS = {
    "ohm_per_cell": About("resistance from one cell to the next", "Ohm", 0, 1e6, "high"),
    "share": About("the same, over the resistance of a cell that is on", "", 0, 1, "high"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """The bitline behind which a cell is."""

    ohm_per_cell: Fact | None = None
    share: Fact | None = None
    supply: WireSupply
    """Whether wordlines carry the current of cells, or drive their gates."""

    def problems(self) -> Iterator[str]:
        yield from bounded(self, WIRE_FACTS)
        if (self.ohm_per_cell is None) == (self.share is None):
            got = "neither" if self.share is None else "both"
            yield f"needs one of ohm_per_cell and share, got {got}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """What a reference is made of."""

    kind: ReplicaKind | None = None
    """Half of what driven rows could give: a column of cells, or a counter with a converter."""
    leakage: Leakage | None = None
    """Whether what cells that are off add is taken off a constant reference."""
    source: Text
    verified: bool = True

    def problems(self) -> Iterator[str]:
        if self.kind is None and self.leakage is None:
            yield "needs one of kind and leakage"
