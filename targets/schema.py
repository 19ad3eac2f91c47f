"""The facts of one target, one frozen dataclass for each table of its TOML file.

``problems`` yields what no single value can show: it never raises and never repairs. The bounds of
a single value are in its annotation, and ``targets.reader`` checks them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from mapper.ir.assignment import DIGITAL
from mapper.ir.core import IntType, Value
from mapper.ir.encoding import Encoding, Kind
from mapper.ir.leaks import Rounding
from mapper.ir.limits import MOST_CELL_BITS, MOST_PLANE_BITS
from mapper.ir.readout_kinds import READOUTS, ReadoutForm, ReadoutKind
from targets.devices.device import Device
from targets.fields import Bits, Bounds, Count, Level, Lines, Name, Positive, Share, Text
from targets.library import Library
from targets.priced import device_disagrees, priced_by

InputKind = Literal["spikes", "codes"]
Reference = Literal["constant", "half-active"]
LeakKind = Literal["none", "shift", "multiply"]
ClockPolicy = Literal["sensing-set", "decoupled"]

WeightBits = Annotated[int, Bounds(1, 8)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Readout:
    """What turns the partial sum of a bitline into a code."""

    kind: ReadoutKind
    bits: Bits
    """Bits of the code: 0 exact (the sum itself), 1 sense amplifier, 2 ternary, n of an ADC."""
    columns_per_readout: Lines
    """Bitlines (pairs, where differential) that share one readout, one after the other."""
    reference: Reference
    """What a sum is compared with: a constant, or half of what the active rows could give."""
    shared_reference: bool | None = None
    """Whether a crossbar makes one half-active reference for all of its columns, whichever rows
    they have. Groups of inputs cannot share a crossbar then; else, and where it is left out, each
    has a reference of its own rows."""
    levels: tuple[Level, ...] = ()
    """What the codes of sense amplifiers stand for, lowest first."""
    trim_step: Annotated[float, Bounds(1e-6, 1e6)] | None = None
    """Step in which the reference of a readout can be moved once it was measured, in counts; None
    where it cannot be, or nobody says so."""

    @property
    def form(self) -> ReadoutForm:
        """What all readouts of this kind have in common."""
        return READOUTS[self.kind]

    @property
    def is_adc(self) -> bool:
        return self.form.converts

    @property
    def is_sensed(self) -> bool:
        """Whether sense amplifiers compare the sum, one a threshold."""
        return self.form.senses

    @property
    def is_exact(self) -> bool:
        """Whether the sum is taken as it is: by adders, or ideally."""
        return self.form.exact

    @property
    def is_ideal(self) -> bool:
        """Whether the sum is taken as it is by no circuit that there is."""
        return self.is_exact and not self.form.adds

    @property
    def thresholds(self) -> int:
        """Comparisons that define one code; 0 where sums are exact."""
        return (1 << self.bits) - 1 if self.is_adc else len(self.form.spread)

    def problems(self) -> Iterator[str]:
        fixed = self.form.code_bits
        if not self.is_adc and self.bits != fixed:
            yield f"bits must be {fixed} where kind is '{self.kind}', got {self.bits}"
        if self.is_adc and not 2 <= self.bits <= 8:
            yield f"bits must be 2..8 where kind is '{self.kind}', got {self.bits}"
        alphabets = self.form.alphabets or ((),)
        if self.levels not in alphabets:
            allowed = " or ".join(str(list(levels)) for levels in alphabets)
            yield f"levels must be {allowed} where kind is '{self.kind}', got {list(self.levels)}"
        if self.reference == "half-active" and not self.is_sensed:
            sensed = " or ".join(f"'{kind}'" for kind, form in READOUTS.items() if form.senses)
            yield f"reference 'half-active' needs kind {sensed}, got kind '{self.kind}'"
        if self.shared_reference and self.reference != "half-active":
            yield f"shared_reference needs reference 'half-active', got '{self.reference}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro:
    """One kind of crossbar with its readout."""

    name: Name
    wordlines: Lines
    bitlines: Lines
    rows_per_read: Lines | None = None
    """Wordlines that are active at once, where they are fewer than all: a crossbar is read in
    turns then, and each turn by itself. Wordlines that are left over hold no weights."""
    cell_bits: Annotated[int, Bounds(1, MOST_CELL_BITS)]
    cell_levels: Annotated[int, Bounds(2, 1 << MOST_CELL_BITS)] | None = None
    """Levels of a cell where they are fewer than ``2**cell_bits``."""
    encoding: Kind
    weight_bits: WeightBits
    """Width of a weight unless the user asks for another one."""
    max_input_bits: Annotated[int, Bounds(1, 16)]
    """Widest input code it takes; 1 for spikes alone."""
    input_bits_per_read: Annotated[int, Bounds(1, MOST_PLANE_BITS)] = 1
    """Bits of a code that a wordline carries in one read: 1, bit by bit, or the levels of its
    converter."""
    accepts: tuple[InputKind, ...]
    readout: Readout
    device: Device | None = None
    """What its cells, amplifiers and wires do on chips as they are made, unless the user names
    another device."""

    def takes(self, input_bits: int) -> bool:
        """Say whether it takes codes of so many bits on its wordlines; 1 for spikes."""
        accepted = "spikes" if input_bits == 1 else "codes"
        return accepted in self.accepts and input_bits <= self.max_input_bits

    def plane_bits(self, x: Value) -> int:
        """Return how many bits of an input a read takes, no more than it has."""
        bits = x.type.bits if isinstance(x.type, IntType) else 1
        return min(self.input_bits_per_read, bits)

    @property
    def taken(self) -> str:
        """Say in words what it takes: ``spikes of 1 bit``, ``codes of 2..8 bits``."""
        words = {"spikes": "spikes of 1 bit", "codes": f"codes of 2..{self.max_input_bits} bits"}
        return " and ".join(words[kind] for kind in self.accepts)

    @property
    def block_rows(self) -> int:
        """Wordlines of a row block: those that one read adds up."""
        return self.rows_per_read or self.wordlines

    @property
    def turns(self) -> int:
        """Row blocks that one crossbar holds."""
        return self.wordlines // self.block_rows

    def written(self, weight_bits: int) -> Encoding:
        """Return how weights of so many bits are written on its cells."""
        return Encoding(
            kind=self.encoding,
            weight_bits=weight_bits,
            cell_bits=self.cell_bits,
            cell_levels=self.cell_levels or 0,
        )

    def bitlines_per_weight(self, weight_bits: int) -> int:
        """Count the bitlines that one weight occupies: 4 for 4 bits in 1-bit cells, 6 as pairs."""
        return self.written(weight_bits).bitlines_per_weight

    def outputs_per_crossbar(self, weight_bits: int) -> int:
        """Count the whole weights side by side on one wordline."""
        return self.bitlines // self.bitlines_per_weight(weight_bits)

    def problems(self) -> Iterator[str]:
        if not self.accepts or len(set(self.accepts)) != len(self.accepts):
            yield f"accepts must name each kind of input once, got {list(self.accepts)}"
        if "codes" in self.accepts and self.max_input_bits == 1:
            yield "accepts 'codes' needs max_input_bits of 2 or more, got 1"
        if "codes" not in self.accepts and self.max_input_bits > 1:
            yield f"max_input_bits is {self.max_input_bits}, but accepts does not name 'codes'"
        if self.block_rows > self.wordlines:
            yield (
                f"{self.block_rows} rows are read at once, "
                f"the crossbar has {self.wordlines} wordlines"
            )
        if self.input_bits_per_read > self.max_input_bits:
            yield (
                f"a read takes {self.input_bits_per_read} bits of an input, "
                f"inputs have at most {self.max_input_bits}"
            )
        encoding = self.written(self.weight_bits)
        yield from encoding.form_problems()
        needed = encoding.bitlines_per_weight
        if needed > self.bitlines:
            yield (
                f"a {self.weight_bits}-bit weight takes {needed} bitlines, "
                f"the crossbar has {self.bitlines}"
            )
        if self.readout.columns_per_readout > self.bitlines:
            yield (
                f"{self.readout.columns_per_readout} columns share a readout, "
                f"the crossbar has {self.bitlines} bitlines"
            )
        if encoding.pairs and self.readout.reference == "half-active":
            yield "a differential pair is its own reference; reference must be 'constant'"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuronUnit:
    """The digital unit that holds the membranes and fires."""

    membrane_bits: Annotated[int, Bounds(2, 32)]
    """Two's complement, saturating."""
    leaks: tuple[LeakKind, ...]
    leak_bits: Annotated[int, Bounds(0, 16)]
    """Fraction bits of a multiplied leak; 0 where it cannot multiply."""
    leak_rounding: Rounding = "floor"
    """Of the bits that the shift of a leak drops."""
    fraction_bits: Annotated[int, Bounds(0, 12)] | None = None
    """Bits of a membrane below one step of its input; None: as many as its width has room for."""

    def problems(self) -> Iterator[str]:
        if not self.leaks or len(set(self.leaks)) != len(self.leaks):
            yield f"leaks must name each kind of leak once, got {list(self.leaks)}"
        multiplies = "multiply" in self.leaks
        if multiplies and self.leak_bits == 0:
            yield "leaks 'multiply' needs leak_bits of 1 or more, got 0"
        if not multiplies and self.leak_bits > 0:
            yield f"leak_bits is {self.leak_bits}, but leaks does not name 'multiply'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """How much of it there is."""

    tiles: Count
    crossbars_per_tile: Count
    max_chips: Count
    max_rounds: Count
    """Rounds that a network may be cut into, whose weights take turns on the crossbars; 1 where
    weights stay as written."""
    idle_leakage: Share = 1.0
    """Share of the leakage that stays between inferences; 1: nothing is gated."""
    buffer_ports: Count = 1
    """Words that the buffer of a tile gives at the same time, to whichever copies are in it."""

    @property
    def crossbars(self) -> int:
        """Count the crossbars of one chip."""
        return self.tiles * self.crossbars_per_tile


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What sets the pace of the digital logic."""

    policy: ClockPolicy
    """One clock as slow as the slowest readout, or logic with a clock of its own."""
    logic_ns: Positive
    """Clock period of the logic where nothing slower sets it."""
    step_ns: Positive | None = None
    """How long a time step lasts at least, on chips that work in physical time; None: as long as
    its circuits take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventGating:
    """What is left out where no spike arrives. No result depends on it: only the cost."""

    skip_silent_reads: bool = False
    """A crossbar that has no driven wordline is not read: its codes are those of a sum of 0, which
    are known, so nothing is converted and nothing shifted and added."""
    update_on_event: bool = False
    """A membrane is updated where a spike arrives at its output position, or after it fired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A chip to map onto. A new chip is a new file and no new code."""

    name: Name
    summary: Text
    provenance: Text
    """Where the numbers come from: a publication, or "illustrative"."""
    macros: tuple[Macro, ...] = field(metadata={"key": "macro"})
    neuron: NeuronUnit
    chip: Chip
    clock: Clock
    components: Library
    events: EventGating = EventGating()
    cites: tuple[Name, ...] = ()
    """Keys of the works that it follows."""

    def problems(self) -> Iterator[str]:
        if not self.macros:
            yield "a target needs one [[macro]] or more, got 0"
        names = [macro.name for macro in self.macros]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{names.count(name)} macros are named {name!r}; names are used once"
        if DIGITAL in names:
            yield f"a macro is named {DIGITAL!r}, which stands for the digital unit"
        for macro in self.macros:
            yield from self._unpriced(macro)
            yield from self._cell_levels_disagree(macro)
            if macro.device is not None:
                yield from device_disagrees(macro.device, self.components.cell, macro.name)

    def macro(self, name: str) -> Macro:
        """Return the macro kind of that name; a missing one is a mistake of the caller."""
        return next(macro for macro in self.macros if macro.name == name)

    def with_device(self, device: Device) -> "Target":
        """Return it with another device in every macro.

        The conductances of the device's levels, where it has them, price the cells: the component
        library has them in place of its own.

        Raises:
            MappingError: ``device-levels`` where a cell does not hold the levels of a macro.
        """
        for macro in self.macros:
            device.check_levels(macro)
        return replace(
            self,
            macros=tuple(replace(macro, device=device) for macro in self.macros),
            components=priced_by(device, self.components),
        )

    def _cell_levels_disagree(self, macro: Macro) -> Iterator[str]:
        """Yield where two sources say how many levels a cell has: there is one truth."""
        said = self.components.cell.levels
        built = macro.written(macro.weight_bits).base
        if said and said != built:
            yield (
                f"macro {macro.name!r} has cells of {built} levels, library "
                f"{self.components.name!r} says {said}"
            )
        holds = None if macro.device is None else macro.device.cell.levels
        if macro.device is not None and holds is not None and built > holds.number:
            yield (
                f"macro {macro.name!r} has cells of {built} levels, device "
                f"{macro.device.name!r} holds {holds.number:g}"
            )

    def _unpriced(self, macro: Macro) -> Iterator[str]:
        readout = macro.readout
        if not readout.is_adc or self.components.converter(readout.kind, readout.bits):
            return
        known = [adc.bits for adc in self.components.converters(readout.kind)]
        yield (
            f"macro {macro.name!r} has a {readout.bits}-bit {readout.kind} readout, library "
            f"{self.components.name!r} has {known} bits"
        )
