"""What the parts of a chip cost: facts with a node, a supply voltage and a source.

Energies are pJ, times ns, areas um2, all at the node and the voltage of the entry. ``low``,
``nominal`` and ``high`` are what published sources give, so every estimate is an interval. A
component holds what one action costs; how often it happens, and how actions combine, is code in
``mapper.cost``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Annotated, Literal

from targets.cells import ZERO, Cell, Interval
from targets.fields import Amount, Bounds, Count, Name, Positive, Text
from targets.works import Work

InputForm = Literal["bits", "dac", "pulses"]
ConverterLawName = Literal["sar", "sar-decisions", "sar-simulated", "sar-serial", "flash", "cco"]
TreeLawName = Literal["adder-tree"]
TreeOrder = Literal["columns", "words", "chain"]
WriteLawName = Literal["sram"]
ChannelLawName = Literal["buffer", "clamp", "regulated", "tia"]
AdcBits = Annotated[int, Bounds(2, 8)]


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

    bits: AdcBits
    latency_law: Literal["none", "sar"] = "none"
    """Where it names a law of ``mapper.cost.laws``, the latency is that at the rows of the macro;
    the numbers are those at 64 rows."""
    wordline_ns: Amount = 0.0
    """Where above 0, its bitline conducts for this many ns over the wordlines of the crossbar,
    at most for its latency: its level steps grow with the wordlines, and with them its speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port(Component):
    """One bit through a buffer port or a link; the latency is that of a whole word."""

    word_bits: Count
    """Bits that pass at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write(Component):
    """Writing one cell; the latency is that of a wordline, whose cells are written at once."""

    endurance: Interval | None = None
    """How often a cell can be written; None: without an end, as SRAM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteLaw:
    """Writing by a law of ``mapper.cost.array_laws``, at the sizes of the macro."""

    law: WriteLawName
    node_nm: Positive
    voltage_v: Positive
    deep: Count = 1
    """Memory cells on the bitline for each cell that computes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftAdd(Component):
    """One shift-add, by the bits of the sum."""

    code_bit_pj: Amount = 0.0
    """Further energy for each bit of the code times bit of the sum; 0: all codes cost alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neuron(Component):
    """One update of one neuron, and the unit that does it."""

    leak_uw: Interval = ZERO
    """What one unit draws all the time; 0: its area leaks as the rest of the chip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs(Component):
    """What holds the inputs of a crossbar: one bit of its register, clocked once a read."""

    form: InputForm = "bits"
    """How an input of several bits gets onto its wordline: a bit a read, as a voltage, or as so
    many pulses."""
    converter_pj: Interval = ZERO
    """A bit of one input converter, where ``form`` is "dac"."""
    converter_um2: Interval = ZERO
    """The same bit."""
    pulse_ns: Amount = 0.0
    """One pulse, where ``form`` is "pulses"."""

    def problems(self) -> Iterator[str]:
        if (self.form == "dac") != (self.converter_pj.high > 0):
            yield f"converter_pj goes with form 'dac' and with no other, got form '{self.form}'"
        if (self.form == "pulses") != (self.pulse_ns > 0):
            yield f"pulse_ns goes with form 'pulses' and with no other, got form '{self.form}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadChannel(Component):
    """What stands between a bitline and its readout: a clamp, a buffer, a transimpedance amplifier.

    The latency is that of its settling; it draws ``static_uw`` until the conversion is over.
    """

    static_uw: Interval
    samples: bool = False
    """Whether a sample is converted: cells and channel rest meanwhile."""
    copies: Amount = 0.0
    """How often the current of the cells is drawn once more: by a mirror, by an output stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdderTree(Component):
    """The adders that sum the products of one column, or of one weight, all products being 1."""

    order: TreeOrder = "columns"
    """A tree for every bitline; one for the words of a weight; or an adder in every cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdderTreeLaw:
    """Adders by a law of ``mapper.cost.array_laws``, at the sizes of the macro that they are in."""

    law: TreeLawName
    order: TreeOrder
    node_nm: Positive
    voltage_v: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Clocking and control of a macro, as a share of the energy of all else in it."""

    share: Interval
    area_share: Interval = ZERO
    """Of the area of a macro, what control, drivers and decoders have."""
    source: Text
    cites: tuple[Name, ...] = ()
    """Keys of the works that it comes from."""

    def problems(self) -> Iterator[str]:
        if self.share.high > 1:
            yield f"share is 0..1, got {self.share.high:g}"
        if self.area_share.high > 0.9:
            yield f"area_share is 0..0.9, got {self.area_share.high:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConverterLaw:
    """An ADC by a law of ``mapper.cost.laws``, at the sizes of the macro that it reads."""

    law: ConverterLawName
    bits: AdcBits
    node_nm: Positive
    voltage_v: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelLaw:
    """A read channel by a law of ``mapper.cost.array_laws``, at the sizes of its macro."""

    law: ChannelLawName
    settling_ns: Positive
    """In which it settles to half a level of its readout."""
    node_nm: Positive
    voltage_v: Positive


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
    flash_adc: tuple[Converter | ConverterLaw, ...] = ()
    sar_adc: tuple[Converter | ConverterLaw, ...] = ()
    cco_adc: tuple[Converter | ConverterLaw, ...] = ()
    """Oscillators that the current of a bitline controls, and that are counted."""
    shift_add: ShiftAdd
    accumulate: Component
    scale_multiply: Component
    membrane_update: Neuron
    buffer_read: Port
    buffer_write: Port
    hop: Port
    leakage: Leakage
    inputs: Inputs | None = None
    """None: inputs cost nothing where they wait."""
    read_channel: ReadChannel | ChannelLaw | None = None
    """None: readouts are wired to their bitlines."""
    adder_tree: AdderTree | AdderTreeLaw | None = None
    """None: no macro sums digitally."""
    write: Write | WriteLaw | None = None
    """None: what writing weights takes is not known."""
    chip_link: Port | None = None
    """One bit from a chip to the next, and a word of them; None: a link is a hop like another."""
    control: Control | None = None
    """None: no clocking and control is charged."""
    works: tuple[Work, ...] = field(default=(), metadata={"key": "reference"})
    """Works that are cited and not among those that ship."""

    def converters(self, kind: str) -> tuple[Converter | ConverterLaw, ...]:
        """List the ADCs of one kind: "flash", "sar" or "cco"."""
        kinds = {"flash": self.flash_adc, "sar": self.sar_adc, "cco": self.cco_adc}
        return kinds.get(kind, ())

    def converter(self, kind: str, bits: int) -> Converter | ConverterLaw | None:
        """Find the ADC of one kind and width, if the library has it."""
        return next((adc for adc in self.converters(kind) if adc.bits == bits), None)

    def cited(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Walk through all entries, each with its name and the keys of its works."""
        yield "cell", self.cell.cites
        yield from ((name, part.cites) for name, part in self.entries())
        yield "leakage", self.leakage.cites
        if self.control is not None:
            yield "control", self.control.cites

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
        if isinstance(self.write, WriteLaw) and self.cell.kind == "resistive":
            yield f"write: law '{self.write.law}' is of SRAM cells, cell is '{self.cell.kind}'"
        for kind in ("flash", "sar", "cco"):
            widths = [adc.bits for adc in self.converters(kind)]
            if len(set(widths)) != len(widths):
                yield f"{kind}_adc lists the same bits twice: {widths}"
