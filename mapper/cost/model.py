"""What the cost formulas work on: layers with their exact counts, the chip, component facts.

Standard library only: a generated ``cost.py`` carries this text, so it computes the same floats in
the same order. Energies are pJ, times ns, areas um2.
"""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from mapper.cost.sums import Sums


class Events(NamedTuple):
    """What the spikes do to the crossbars of a layer."""

    wordlines: int
    """Driven wordlines: a spike counts once for each crossbar and output position it enters."""
    cells: int
    """Cells with a weight on driven wordlines."""
    levels: int
    """Their conductance levels above zero, summed: with 1-bit cells, those that are on."""
    reads: int = 0
    """Reads of a crossbar with a driven wordline: what is left of ``Work.crossbar_reads`` where
    silent reads are skipped (event gating)."""
    conversions: int = 0
    """Conversions of these reads."""
    updates: int = 0
    """Membranes that events reach, at most: what is updated where a chip updates on event."""
    crossed: int = 0
    """Groups that driven wordlines pass, beside their own: those packed in the same crossbar. Their
    cells on these wordlines are off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The crossbars of a layer; all zero for a layer on the digital unit."""

    planes: int
    """Bit planes of the input: each is read by itself."""
    plane_bits: int = 1
    """Bits of an input that one read takes, at most."""
    turns: int = 1
    """Reads of a crossbar for each bit plane: some of its rows are active in each."""
    copies: int
    """Replicas of the grid, each with its share of the output positions."""
    row_blocks: int
    """Crossbars below each other."""
    column_blocks: int
    block_wordlines: int
    """Wordlines that one read has active, at most."""
    block_conversions: int
    """Conversions of one read of the widest crossbar."""
    half_active: bool
    """A replica column in each crossbar gives the reference, or one for each group packed there."""
    cells_per_weight: int
    """Bitlines that one weight occupies."""
    groups: int = 1
    """Of inputs: each has row blocks of its own."""
    packed: int = 1
    """Groups on the block diagonal of one crossbar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Sums):
    """How often a layer does what, in one time step of one sample, whatever the spikes."""

    macs: int
    """Multiply-accumulates of the layer as a network has it: weights met by inputs, padding too."""
    crossbar_reads: int
    conversions: int
    """Of ADCs and sense amplifiers; adder trees convert nothing."""
    tree_sums: int = 0
    """Sums that adder trees make of the products of a column."""
    tree_additions: int = 0
    """Of these trees, each one less than its rows."""
    membrane_updates: int
    membrane_bits: int
    buffer_read_bits: int
    """Without re-use: every output position reads its whole window."""
    fresh_bits: int
    """With full im2col re-use: every input bit is read once a step."""
    buffer_write_bits: int
    skip_write_bits: int = 0
    """Residual operands, which reach a layer beside its input: moved and written."""
    skip_read_bits: int = 0
    skip_hop_bits: int = 0

    @property
    def columns_read(self) -> int:
        """Columns whose sums are taken, by whatever circuit."""
        return self.conversions + self.tree_sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer: its crossbars, its digital work, and what its spikes could do at most."""

    name: str
    macro: str
    round: int
    stage: int
    distance: int
    """Hops from where the input comes from."""
    positions: int
    """Output positions: 1 for linear layers."""
    outputs: int
    """Outputs of one position."""
    digital_rows: int
    """Products of one output on the digital unit, one a cycle; 0 on crossbars."""
    input_bits: int
    stored_bits: int
    """Bits in memory: states, digital weights, and two time steps of the input."""
    grid: Grid
    work: Work
    separate: Sums
    """What it would take to add every bit-slice and to scale every row block, as the reference
    does; see ``as_added``."""
    full: Events
    """In one time step in which every input bit is 1."""
    event_neurons: int = 0
    """Neurons that its events alone reach; 0: all are updated in every step."""
    repeats: bool = False
    """A neuron that fired is updated in the next step, too."""
    updates_exact: bool = True
    """A trace tells them apart: ``Events.updates`` is no bound."""
    weights: int = 0
    """On crossbars, of one copy."""
    links: tuple[int, ...] = ()
    """Bits a time step over each link between chips, the first from chip 0 to chip 1; none on one
    chip. Inputs reach every chip of the layer; partial sums go from row block to row block."""
    later: bool = False
    """All time steps of its input wait in memory: an earlier round computes them."""
    fed_back: bool = False
    """Its input comes from a later round, by way of a state."""
    skip_stored_bits: int = 0
    """Residual operands, and inputs that wait for other inputs to come through the pipeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro:
    """What the formulas need of one macro kind."""

    readout: Literal["ideal", "sense_amp", "adc", "adder_tree"]
    wordlines: int
    bitlines: int
    readouts: int
    """Readouts of one crossbar."""
    columns_per_readout: int
    code_bits: int
    """Bits of one conversion."""
    comparators: int
    """Sense amplifiers of one readout; 1 for an ADC, whose facts are of the whole; 0 ideal."""
    top_level: int
    """Highest conductance level of a cell: 1 for 1-bit cells."""
    tree: str = ""
    """Order of the adders of a digital macro: "columns", "words" or "chain"; else empty."""
    cells_per_weight: int = 1
    """Bitlines (pairs) of a weight as wide as the macro has it."""
    input_bits: int = 1
    """Bits of an input that one read takes, where the input has as many."""
    active_rows: int = 0
    """Wordlines that take part in one read; 0: all."""
    circuit: str = ""
    """Readout whose facts are taken: "sense-amp", "sar", "sar-serial"; a preset may price another
    ADC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """A chip whose layers all fetch from one buffer, through one tree of wires.

    Every output position has its window fetched from the chip's buffer, and its results sent back.
    A copy of a layer that is larger than a tile has whole tiles for itself.
    """

    buffer_bits: float
    """That the chip's buffer gives or takes in a cycle."""
    bus_bits_per_wordline: float
    """Width of the tree, for each wordline of a crossbar: bits in a cycle."""
    local_bits: float
    """That a tile's own buffer gives its crossbars in a cycle."""
    collect_cycles: float
    """In which the chip's accumulator takes as many results as the widest layer has outputs."""
    wire_pj_per_bit_mm: float
    collect_pj_per_bit: float
    """Of a result that goes from a tile to the chip's accumulator, for each copy that its layer
    has: one tree gathers all copies, and every result is charged its width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """What the formulas need of the chip, and no interval is known for."""

    policy: Literal["sensing-set", "decoupled"]
    logic_ns: float
    crossbars_per_tile: int
    buffer_word_bits: int
    hop_word_bits: int
    macros: dict[str, Macro]
    widest: int = 1
    """Outputs of the widest layer: results that the accumulator of a hierarchy takes at once."""
    hierarchy: Hierarchy | None = None
    """None: every tile has its layer's input in a buffer of its own; tiles form a mesh."""
    overlap: bool = True
    """The stages of a layer overlap: the slowest sets the pace, not the sum."""
    neurons: bool = True
    """Membrane updates and their memory are charged."""
    corrections: bool = True
    """The offset correction of ADC layers and the replica columns of half-active references are."""
    merged_sums: bool = True
    """Bit-slices that make a code are wires, a scale that row blocks share is multiplied after
    their sum, and sums are as wide as what they add; see ``as_added``."""
    steps_as_bits: bool = False
    """Time steps are treated as the bits of one input code: sums are wider by one bit a step,
    buffers give all steps of an input at each read, and results leave a tile once an inference."""
    cell: Literal["resistive", "charge", "discharge", "static", "digital"] = "resistive"
    inputs: Literal["bits", "dac", "pulses"] = "bits"
    """How input bits that enter in one read get onto their wordline."""
    pulse_ns: float = 0.0
    """One pulse, where inputs are pulses."""
    regulated: bool = False
    """The current of resistive cells is drawn from a supply above the voltage across them."""
    crossbars_per_chip: int = 0
    """Crossbars of one chip, empty ones too; 0: a chip is as large as its network."""
    idle_leakage: float = 1.0
    """Share of the leakage that stays while the chip waits for the next inference."""
    writes: bool = False
    """What writing weights takes is known."""
    link_word_bits: int = 0
    """Bits of a word over a link between chips; 0: such a link is a hop like another."""
    every_ms: float | None = None
    """From one inference to the next; None: they follow each other back to back."""
    shared_units: bool = True
    """Time follows from how many circuits there are, as turns x circuits is the work; copies in a
    tile share the port of its buffer, memories are read in whole words, and a datum passes all
    stages of a layer before it is out. Without, timing and areas are those of the reference."""
    step_ns: float = 0.0
    """How long a time step lasts at least: physical time; 0: as long as its circuits take."""
    buffer_ports: int = 1
    """Words that a tile's buffer gives at the same time."""
    gated: bool = False
    """Crossbar reads without a driven wordline are skipped: no conversion, no shift-add."""
    update_on_event: bool = False
    """Membranes are updated where events reach them (``Events.updates``)."""


class Part(NamedTuple):
    """One component: energy of an action, time of an action, area of an instance."""

    pj: float
    ns: float
    um2: float
    wordline_ns: float = 0.0
    """Where above 0: the bitline conducts for ``wordline_ns / wordlines`` only, at most ``ns``.
    The level steps of a converter grow with the wordlines, and with them its speed."""


class Channel(NamedTuple):
    """What stands between a bitline and its readout; ``ns`` is its settling."""

    pj: float
    ns: float
    um2: float
    static_uw: float
    samples: bool
    """Whether a sample is converted: cells and channel rest meanwhile."""
    copies: float
    """How often the current of the cells is drawn once more."""


NOTHING_THERE = Part(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Component facts at one end of their intervals."""

    read_voltage_v: float
    on_conductance_us: float
    off_conductance_us: float
    cell_um2: float
    wordline_drive: Part
    readouts: dict[str, Part]
    """By macro kind."""
    shift_add: Part
    code_bit_pj: float = 0.0
    """Energy of a shift-add for each bit of the code times bit of the sum."""
    accumulate: Part
    scale_multiply: Part
    membrane_update: Part
    buffer_read: Part
    buffer_write: Part
    hop: Part
    leakage_uw_per_mm2: float
    neuron_leak_uw: float | None = None
    """Of one neuron unit; None: its area leaks as the rest of the chip."""
    cell_ff: float = 0.0
    """What a cell of charge or discharge switches."""
    cell_product_ff: float = 0.0
    """What a cell of charge switches beside where its product is 1."""
    cell_ua: float = 0.0
    """Current of a static cell."""
    cell_product_pj: float = 0.0
    """Of a digital cell."""
    cell_supply_v: float = 0.0
    """What cells draw their charge from."""
    inputs: Part = NOTHING_THERE
    """Register of one input bit."""
    input_converter: Part = NOTHING_THERE
    """One bit of a converter of inputs."""
    channels: dict[str, Channel] = field(default_factory=dict)
    """By macro kind; empty where readouts are wired to their bitlines."""
    write: Part = NOTHING_THERE
    """One cell; ``ns`` of a wordline."""
    endurance: float | None = None
    """Writes that a cell survives; None where that has no end, or is not known."""
    chip_link: Part = NOTHING_THERE
    """One bit; ``ns`` of a word."""
    control_share: float = 0.0
    control_area: float = 0.0
    """Share of the area of a macro."""


Corners = tuple[Facts, Facts, Facts]
