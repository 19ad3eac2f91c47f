"""What one crossbar cell costs, by the kind of circuit that multiplies in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from targets.fields import Amount, Bounds, Name, Positive, Text

CellKind = Literal["resistive", "charge", "discharge", "static", "digital"]
FactKind = Literal["measured", "simulated", "law"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A cost fact: the lowest published, the one to reckon with, and the highest published."""

    low: Amount
    nominal: Amount
    high: Amount
    kind: FactKind | None = None
    """How the nominal value is known: measured on silicon, from a simulation, or by a law that
    scales or fits what was published; None where nobody says."""

    def times(
        self, low: float, nominal: float, high: float, kind: FactKind | None = None
    ) -> "Interval":
        """Return an interval whose ends are so many times these."""
        return Interval(
            low=self.low * low, nominal=self.nominal * nominal, high=self.high * high, kind=kind
        )

    def problems(self) -> Iterator[str]:
        if not self.low <= self.nominal <= self.high:
            yield (
                "low, nominal and high must rise, "
                f"got {self.low:g}, {self.nominal:g} and {self.high:g}"
            )


ZERO = Interval(low=0.0, nominal=0.0, high=0.0)
"""A fact that plays no part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One crossbar cell. Facts that its kind has no use for are left out.

    ``mapper.cost.macro`` has the formula of each kind: a current through a resistor or a
    transistor for as long as it is read, a capacitor that every read charges, a precharged bitline
    that a product discharges, a gate.
    """

    kind: CellKind = "resistive"
    read_voltage_v: Interval = ZERO
    """Across a resistive cell."""
    on_conductance_us: Interval = ZERO
    off_conductance_us: Interval = ZERO
    switched_ff: Interval = ZERO
    """What one cell charges: every cell in every read ("charge"), or those whose product is 1
    ("discharge")."""
    product_ff: Interval = ZERO
    """What a charge cell charges beside where its product is 1: a capacitor that the product is
    put on, in place of one that every read charges."""
    current_ua: Interval = ZERO
    """Of a static cell whose product is 1."""
    product_pj: Interval = ZERO
    """Of a digital cell whose product is 1."""
    supply_v: Interval = ZERO
    """What charge is drawn from. 0 for a resistive cell: from its read voltage, as if that came
    for free; else the supply of the regulator that holds it."""
    area_um2: Interval
    node_nm: Positive
    source: Text
    cites: tuple[Name, ...] = ()
    """Keys of the works that it comes from."""
    levels: Annotated[int, Bounds(0, 256)] = 0
    """Levels that it is written with; 0 where the library leaves that to the target."""

    def problems(self) -> Iterator[str]:
        needed = NEEDED[self.kind]
        taken = (*needed, *TAKEN.get(self.kind, ()))
        for key in CELL_FACTS:
            given: Interval = getattr(self, key)
            if key in needed and given.high == 0:
                yield f"{key} must be above 0 where kind is '{self.kind}', got 0"
            if key not in taken and given.high > 0:
                yield f"{key} says nothing where kind is '{self.kind}', got {given.nominal:g}"


NEEDED: dict[CellKind, tuple[str, ...]] = {
    "resistive": ("read_voltage_v", "on_conductance_us"),
    "charge": ("switched_ff", "supply_v"),
    "discharge": ("switched_ff", "supply_v"),
    "static": ("current_ua", "supply_v"),
    "digital": ("product_pj",),
}
"""Facts that a cell of each kind must have."""

TAKEN: dict[CellKind, tuple[str, ...]] = {
    "resistive": ("off_conductance_us", "supply_v"),
    "charge": ("product_ff",),
}
"""Facts that it may have beside them."""

CELL_FACTS = (
    "read_voltage_v",
    "on_conductance_us",
    "off_conductance_us",
    "switched_ff",
    "product_ff",
    "current_ua",
    "product_pj",
    "supply_v",
)
"""Facts of a cell that depend on its kind."""
