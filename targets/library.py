"""What the parts of a chip cost: facts with a node, a supply voltage and a source.

Energies are pJ, times ns, areas um2, all at the node and the voltage of the entry. ``low``,
``nominal`` and ``high`` are what published sources give, so every estimate is an interval. A
component holds what one action costs; how often it happens, and how actions combine, is code in
``mapper.cost``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Annotated

from targets.fields import Amount, Bounds, Count, Name, Positive, Text
from targets.works import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A cost fact: the lowest published, the one to reckon with, and the highest published."""

    low: Amount
    nominal: Amount
    high: Amount

    def problems(self) -> Iterator[str]:
        if not self.low <= self.nominal <= self.high:
            yield (
                "low, nominal and high must rise, "
                f"got {self.low:g}, {self.nominal:g} and {self.high:g}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One action of one part of the chip."""

    per: Text
    """What one action is, and of how many the area is."""
    energy_pj: Interval
    latency_ns: Interval
    area_um2: Interval
    node_nm: Positive
    voltage_v: Positive
    source: Text
    cites: tuple[Name, ...] = ()
    """Keys of the works that it comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Converter(Component):
    """One conversion of an ADC of so many bits."""

    bits: Annotated[int, Bounds(2, 8)]
    wordline_ns: Amount = 0.0
    """Where above 0, its bitline conducts for this many ns over the wordlines of the crossbar,
    at most for its latency: its level steps grow with the wordlines, and with them its speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port(Component):
    """One bit through a buffer port or a link; the latency is that of a whole word."""

    word_bits: Count
    """Bits that pass at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftAdd(Component):
    """One shift-add, by the bits of the sum."""

    code_bit_pj: Amount = 0.0
    """Further energy for each bit of the code times bit of the sum; 0: all codes cost alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One crossbar cell. During a read it draws ``voltage^2 * conductance``."""

    read_voltage_v: Interval
    on_conductance_us: Interval
    off_conductance_us: Interval
    area_um2: Interval
    node_nm: Positive
    source: Text
    cites: tuple[Name, ...] = ()
    """Keys of the works that it comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leakage:
    """What the whole chip draws while it waits."""

    power_uw_per_mm2: Interval
    node_nm: Positive
    source: Text
    cites: tuple[Name, ...] = ()
    """Keys of the works that it comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The parts of one technology."""

    name: Name
    summary: Text
    provenance: Text
    cell: Cell
    wordline_drive: Component
    sense_amp: Component
    flash_adc: tuple[Converter, ...]
    sar_adc: tuple[Converter, ...]
    shift_add: ShiftAdd
    accumulate: Component
    scale_multiply: Component
    membrane_update: Component
    buffer_read: Port
    buffer_write: Port
    hop: Port
    leakage: Leakage
    works: tuple[Work, ...] = field(default=(), metadata={"key": "reference"})
    """Works that are cited and not among those that ship."""

    def converters(self, kind: str) -> tuple[Converter, ...]:
        """List the ADCs of one kind, "flash" or "sar"."""
        return {"flash": self.flash_adc, "sar": self.sar_adc}.get(kind, ())

    def converter(self, kind: str, bits: int) -> Converter | None:
        """Find the ADC of one kind and width, if the library has it."""
        return next((adc for adc in self.converters(kind) if adc.bits == bits), None)

    def cited(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Walk through all entries, each with its name and the keys of its works."""
        yield "cell", self.cell.cites
        yield from ((name, part.cites) for name, part in self.entries())
        yield "leakage", self.leakage.cites

    def entries(self) -> Iterator[tuple[str, Component]]:
        """Walk through all components, each with its name; an ADC's name ends with its bits."""
        for member in fields(self):
            value = getattr(self, member.name)
            if isinstance(value, Component):
                yield member.name, value
            elif isinstance(value, tuple):
                converters = (item for item in value if isinstance(item, Converter))
                yield from ((f"{member.name}.{adc.bits}", adc) for adc in converters)

    def problems(self) -> Iterator[str]:
        for kind in ("flash", "sar"):
            widths = [adc.bits for adc in self.converters(kind)]
            if len(set(widths)) != len(widths):
                yield f"{kind}_adc lists the same bits twice: {widths}"
