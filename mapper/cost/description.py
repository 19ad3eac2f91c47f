"""What a person says of a chip to have a target written: sizes, node, supply, kinds of circuits."""

from dataclasses import dataclass
from math import ceil, log2

from mapper.cost.scaling import supply_of
from targets.cells import CellKind

CELLS: dict[str, CellKind] = {
    "rram": "resistive",
    "pcm": "resistive",
    "charge": "charge",
    "discharge": "discharge",
    "static": "static",
    "digital": "digital",
}
"""Cells by the name that a person has for them: which formula prices them."""
CELL_GATES: dict[CellKind, float] = {
    "resistive": 0.0,
    "charge": 1.0,
    "discharge": 1.0,
    "static": 0.0,
    "digital": 1.0,
}
"""NAND2 beside every cell that takes part, by its kind: where it multiplies."""
CURRENT_CELLS: tuple[CellKind, ...] = ("resistive", "static")
"""Kinds of cells that give a current for as long as they are read."""
READOUT_CHANNELS = {"sar": "tia", "serial": "clamp", "flash": "clamp", "cco": "clamp"}
"""What a bitline of resistive cells needs in front of a converter: a SAR takes a voltage, the
comparators of a serial or flash converter and an oscillator take a current. A sense amplifier
compares currents itself."""
CURRENT_CHANNELS = ("clamp", "regulated", "tia")
"""Read channels that feed the cells' current from the supply."""
CONVERTERS = {
    "sar": ("sar", "sar-decisions"),
    "serial": ("sar", "sar-serial"),
    "flash": ("flash", "flash"),
    "cco": ("cco", "cco"),
}
"""Readout with bits: its kind in a target, and its law. A serial one searches as a SAR does, with a
sense amplifier and references that columns share."""
CHARGINGS = ("product", "every")
"""When a capacitor is charged: where its product is 1, or in every read."""
FIXED_BITS = {"sense-amp": 1, "ternary": 2, "ideal": 0}
"""Readouts that have their bits."""
CURRENT_READOUTS = ("sense-amp", "ternary", "serial", "flash", "cco")
"""Readouts that feed the current that they compare or count, where nothing stands before them."""
TREES = {"adder-tree": "columns", "word-tree": "words", "adder-chain": "chain"}
"""Readouts of digital macros: a tree a bitline, one for the words of a weight, an adder a cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A macro and its chip, as a paper's first table has them. None: what the rest implies."""

    name: str
    node_nm: float
    wordlines: int
    bitlines: int
    cell: str
    """One of ``CELLS``."""
    readout: str
    """``sense-amp``, ``ternary``, ``ideal``; one of ``CONVERTERS`` with its bits, ``sar4``; one of
    ``TREES``."""
    voltage_v: float | None = None
    mux: int = 1
    cell_bits: int = 1
    cell_columns: int = 1
    """Columns of resistive cells whose currents, weighted as bits, one readout takes together."""
    encoding: str | None = None
    weight_bits: int = 4
    input_bits: int = 1
    input_bits_per_read: int = 1
    input_form: str | None = None
    """``bits``, ``dac`` or ``pulses``; where several bits enter in one read: dac, digital bits."""
    pulse_ns: float | None = None
    """Of one pulse, where inputs are pulses; 1 ns unless given."""
    rows_per_read: int | None = None
    unit_capacitors: float = 1.0
    """Of one charge cell and bit: 1, or 3 in a C-2C ladder."""
    charging: str | None = None
    """When a charge cell's capacitor is charged, one of ``CHARGINGS``; None: where its product is
    1, and in every read where it is one of a ladder, whose nodes move with every input."""
    read_channel: str | None = None
    """``none``, ``buffer``, ``clamp``, ``regulated`` or ``tia``."""
    settling_ns: float = 5.0
    """Of the bitline of resistive cells, by itself or in a read channel: a cell of RRAM is sensed
    in 5 ns (Jain et al., ISSCC 2019 13.2: 22 nm, 0.7 V)."""
    wordline_ns: float | None = None
    """1 ns for resistive cells, 0.1 ns for others unless given."""
    read_voltage_v: float | None = None
    on_us: float | None = None
    off_us: float | None = None
    cell_ff: float | None = None
    cell_um2: float | None = None
    """Of a cell with its share of the array's periphery, without gate and capacitor."""
    deep: int = 1
    """Memory cells behind every cell that computes, one of them at a time: words of weights."""
    cell_gates: float | None = None
    """NAND2 beside every cell that takes part: 1 where charge, discharge or logic multiplies."""
    membrane_bits: int = 16
    tiles: int = 64
    crossbars_per_tile: int = 16
    clock_ns: float = 1.0

    @property
    def kind(self) -> CellKind:
        """Which formula prices its cells."""
        return CELLS[self.cell]

    @property
    def form(self) -> str:
        """Return how input bits that enter in one read get onto their wordline."""
        if self.input_form is not None:
            return self.input_form
        return "dac" if self.input_bits_per_read > 1 and self.kind != "digital" else "bits"

    @property
    def cells_per_bitline(self) -> int:
        """Count the unit cells that a cell consists of: SRAM holds a bit, and sums bits itself.

        A chain of adders has a cell for every bit of its sum; resistive ones may be some columns.
        """
        if self.readout in TREES and TREES[self.readout] == "chain":
            return self.weight_bits + ceil(log2(self.rows_per_read or self.wordlines))
        return self.cell_columns if self.kind == "resistive" else self.cell_bits

    @property
    def charged(self) -> str:
        """Return when the capacitors of charge cells are charged."""
        if self.charging is not None:
            return self.charging
        return "every" if self.unit_capacitors > 1 else "product"

    @property
    def gates(self) -> float:
        """Count the NAND2 beside every cell that takes part."""
        return CELL_GATES[self.kind] if self.cell_gates is None else self.cell_gates

    @property
    def supply(self) -> float:
        """Return V: as given, else what is usual at the node, with four digits."""
        if self.voltage_v is not None:
            return self.voltage_v
        return float(f"{supply_of(self.node_nm):.4g}")

    @property
    def converter(self) -> tuple[str, int]:
        """Return the kind of readout and its bits: ``("sar", 4)``, ``("sense-amp", 1)``."""
        if self.readout in TREES:
            return "adder-tree", 0
        if self.readout in FIXED_BITS:
            return self.readout, FIXED_BITS[self.readout]
        digits = self.readout[len(self.named_readout) :]
        kind, _ = CONVERTERS.get(self.named_readout, (self.named_readout, ""))
        return kind, int(digits) if digits else -1

    @property
    def named_readout(self) -> str:
        """Return the readout as it is called, without its bits: ``serial`` of ``serial4``."""
        return self.readout.rstrip("0123456789")

    @property
    def channel(self) -> str:
        """Return what stands in front of the readout."""
        if self.read_channel is not None:
            return self.read_channel
        if self.kind != "resistive":
            return "none"
        return READOUT_CHANNELS.get(self.named_readout, "none")

    @property
    def feeds_current(self) -> bool:
        """Say whether the supply feeds the cells' current, through a channel or the readout."""
        if self.channel == "none":
            return self.named_readout in CURRENT_READOUTS
        return self.channel in CURRENT_CHANNELS
