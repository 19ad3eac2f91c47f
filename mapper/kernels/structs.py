"""What the kernels are given: one class for each struct of ``layer.h``, ``draw.h`` and ``wires.h``.

Names are those that C declares (``csrc/fields.h``, ``training.h``). Enumerations go by their names
in C; a call reads their numbers from the compiled module. What does not apply keeps its default,
and an array that does not apply is None.
"""

from dataclasses import dataclass, fields
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mapper.kernels import core
from mapper.kernels.arrays import (
    Arrays,
    Bytes,
    Doubles,
    Halves,
    Int32s,
    Int64s,
    Numbers,
    Reset,
    Words,
)
from mapper.kernels.layout_structs import Packing, References
from mapper.kernels.training_structs import Read, ReadTotals, Spikes, Walk, WalkTotals

Kind = Literal["BITS", "SUMS8", "SUMS16", "SUMS32"]
"""How partial sums are made: bit by bit, or as numbers of so many bits."""
Mode = Literal["PLAIN", "DIFFERENTIAL", "HALF_ACTIVE", "DIGITS"]
"""What a reference is compared with."""
Readout = Literal["SENSE", "ADC"]
Quick = Literal["BY_FLOATS", "BY_COLUMN", "EVEN"]
"""Codes of an ADC by divisions, by 16-bit products, by those where all columns have one ADC."""
Leak = Literal["NO_LEAK", "SHIFT_LEAK", "FACTOR_LEAK"]
Rounding = Literal["FLOOR", "TOWARD_ZERO", "NEAREST"]
Phase = Literal["SAME", "NEXT", "LATE", "GUARDED"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Positions:
    """Of a layer: output positions that see the same kernel elements, and the input they see."""

    planes: int
    """Bits of an input, or steps."""
    plane_weights: Int32s
    """What a bit of each stands for."""
    H: int
    """Rows of the input; ``W`` columns, ``Cw`` words of channels, ``pitch`` bits a pixel."""
    W: int
    Cw: int
    pitch: int
    PH: int
    """Rows of the padded input; ``PW`` columns."""
    PW: int
    Ho: int
    """Rows of output positions, ``sy`` rows of the padded input apart; ``Wo`` columns."""
    Wo: int
    sy: int
    sx: int
    all_rows: int
    """Rows of the layer's result; those of these positions are ``row0``, ``row0 + row_step`` ..."""
    all_columns: int
    row0: int
    column0: int
    row_step: int
    column_step: int
    tile_rows: int
    """Rows of positions in a job."""
    rowmap: Int32s
    """Rows of the input by row of the padded input, or -1; ``colmap`` the same of columns."""
    colmap: Int32s

    @property
    def band_area(self) -> int:
        """Positions of the padded input that a job's rows see."""
        reach = self.PH - (self.Ho - 1) * self.sy
        return ((self.tile_rows - 1) * self.sy + reach) * self.PW

    def jobs(self, batch: int) -> int:
        """Return how many jobs some images are."""
        return batch * -(-self.Ho // self.tile_rows)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowBlocks:
    """Of a layer: which channels drive which wordlines, and what outputs begin with."""

    ncombos: int
    nsegments: int
    nblocks: int
    nclusters: int
    N: int
    """Outputs; ``Ng`` of a group, padded to ``Npad``."""
    Ng: int
    Npad: int
    S: int
    """Bit-slices."""
    rows: int
    """Wordlines of the tallest row block."""
    shift: int
    wide: bool
    """Whether sums of row blocks take 32 bits instead of 16."""
    combos: Int32s
    segments: Int32s
    blocks: Int32s
    clusters: Int32s
    significances: Int32s
    scales: Int32s
    """``[nclusters, Ng]``."""
    copies: int = 1
    """Each for a band of positions; ``refcopies``, all or 1, have references of their own."""
    refcopies: int = 1
    start: Int32s
    """``[refcopies, N]``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """Of a layer: how partial sums are made and read."""

    kind: Kind
    cellcopies: int = 1
    """Copies that have cells of their own; 1 where all are alike."""
    weights: Bytes | NDArray[np.int8] | Halves | Int32s | None
    """None where ``exact`` is all wordlines."""
    L: int = 1
    """Thresholds."""

    # Of BITS.
    width: int = 0
    """Bytes of a vector, in which two sets lie side by side if ``folded``."""
    folded: bool = False
    colblks: int = 0
    sets: int = 0
    NP: int = 0
    """Bit planes of a reference."""
    mode: Mode = "PLAIN"
    parity: bool = False
    """Whether half-active columns have references for even and for odd numbers of wordlines."""
    rise: int = 0
    """What each threshold adds to the decoded level."""
    depth: int = 0
    """Bits that count reached thresholds."""
    merged: bool = False
    """Whether bit-slices are added as bits of one number: they count as powers of two, each more
    than the one before."""
    refs: Bytes | None = None

    # Of sums.
    cols: int = 0
    """Columns of a row block."""
    at_once: int = 0
    """Outputs whose sums are made together."""
    chunk: int = 1
    """Wordlines whose sum is surely one byte; with ``nibbles``, so many are added in half of it."""
    nibbles: int = 0
    offset: int = 0
    readout: Readout = "SENSE"
    half_full: int = 0
    """The greatest digit of a cell where columns are half-active; 0 where they are not."""
    lowest: int = 0
    """What the lowest levels of all slices add up to."""
    rises: Int32s | None = None
    quick: Quick = "BY_FLOATS"
    down: int = 0
    """Bits by which products of ``quick`` are shifted."""
    top: int = 1
    """The greatest code of an ADC."""
    tables: Int32s | None = None
    halves: Halves | None = None
    """In place of ``tables`` where ``quick`` is not ``BY_FLOATS``, and where sums are not wide."""
    rests: Halves | None = None
    """What sums of 0 are read as, before scales: where sums are not wide."""
    exact: int = 0
    """Up to how many driven wordlines codes of ADCs stand for the sums themselves; 0 for none."""
    whole: Halves | None = None
    """What a driven wordline adds then, all slices and the offset in one number, ``whole_at``
    outputs together. The sum of ``fits`` of them is a number of 16 bits."""
    fits: int = 0
    whole_at: int = 0

    # Of noisy reads.
    noisy: bool = False
    up: int = 0
    """Bits by which sums are shifted; ``G`` row blocks in all, ``numbers`` of each here."""
    G: int = 1
    sampled: bool = False
    """Whether positions are samples."""
    noise_low: int = 0
    """From it on, for each of ``reaches`` numbers how many of those of ``noise`` are less; ADCs are
    given the numbers themselves."""
    reaches: int = 0
    steps: int = 0
    """By how many units noise may lower a threshold: ``halves`` has a row for each."""
    numbers: Int32s | None = None
    noise: Int32s | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerCall:
    """Some time steps of a crossbar layer."""

    T: int
    B: int
    has_neurons: bool
    x: Words
    """``[planes, T, B, H, W, Cw]``."""
    y_out: Int32s | None = None
    """``[T, B, all_rows, all_columns, N]``, where no neurons follow."""
    driven: Int64s | None = None
    """For a trace: driven wordlines ``[T, B, all_rows]``, read row blocks ``[jobs, nblocks]``."""
    heard: Int64s | None = None
    keys: Words | None = None
    """Of noisy reads, ``[T, B]``, or ``[T, positions]`` where those are samples."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neurons:
    """Integer neurons, in the order of ``mapper/ir/neurons.py``; a call adds states and results."""

    fired: bool
    """Whether spikes leave."""
    reset: Reset
    phase: Phase
    spike_next: bool
    has_current: bool
    has_floor: bool
    fraction: int
    fast: bool
    """Whether the 32-bit neuron of ``csrc/neurons.h`` is exact."""
    simple: bool
    """Whether a reset of it can neither set the membrane nor leave its type."""
    leak: Leak
    leak_shift: int
    leak_rounding: Rounding
    current_leak: Leak
    current_shift: int
    current_rounding: Rounding
    input_leak: Leak
    input_shift: int
    input_rounding: Rounding
    vmin: int
    vmax: int
    imin: int
    imax: int
    per_position: bool
    """Whether parameters differ within a channel: arrays are ``[P, N]`` then, else ``[N]``."""
    Nw: int
    """Words of ``N`` spikes."""
    levels: int
    """Thresholds of a neuron."""
    least_level: int
    """The level where none of them is reached."""

    bias: Int64s
    threshold: Int64s
    """``[levels, P or 1, N]``."""
    amount: Int64s
    floor: Int64s
    factor: Int64s
    current_factor: Int64s
    input_factor: Int64s
    fast_tables: Int32s | None = None
    """``[5, N]``: bias, threshold, amount to subtract, value to take, floor."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NeuronStates:
    """``[B, P, N]``; a call advances them in place."""

    v: Int32s
    i: Int32s | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NeuronResults:
    """``[T, B, P, ...]``: spikes in words, or levels; membranes and currents after each step."""

    spikes: Words | None = None
    levels_out: Int32s | None = None
    v_out: Int32s | None = None
    i_out: Int32s | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sums:
    """Inputs of neurons without a crossbar layer of their own, ``y [T, B, P, N]``."""

    T: int
    B: int
    P: int
    N: int
    y: Int32s


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draw:
    """The cells of a layer of a die, to be drawn; ``passes.dies`` has what they mean."""

    C: int
    """Copies; ``S`` slices, ``K`` wordlines of a group, ``N`` outputs, ``G`` row blocks."""
    S: int
    K: int
    N: int
    G: int
    L: int
    """Levels of a cell."""
    Q: int
    """Column blocks that have a reference of their own; 0 where one number is taken off all."""
    pairs: bool
    fraction: int
    stuck: bool
    spread: bool
    drifts: int
    """Quantiles of the exponent of drift in ``left``: 0 without drift, 1, or 65536."""

    digits: Halves
    """``[S, K, N]``, signed where they are on pairs."""
    slot: Int64s
    """``[C, G, N]``."""
    bitline: Int64s
    """``[C, G, S, N]``."""
    block: Int32s
    """``[K]``; ``wordline [K]``, ``column [N]`` is the column block."""
    wordline: Int64s
    column: Int32s | None = None
    keys: Words
    """Of what is stuck, of programming, of drift."""
    mean: Doubles
    """``[L]``, as ``sigma``."""
    sigma: Doubles | None = None
    ends: Doubles | None = None
    """Below the first number a cell is stuck on, from the second on off."""
    quantiles: Doubles | None = None
    left: Doubles | None = None
    """``[L, drifts]``."""
    reference: Doubles | None = None
    """``[C, K, Q]``, or one number; None for pairs."""
    out: Int32s
    """``[C, S, K, N]``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wires:
    """Crossbars behind the resistance of their wires; ``passes.dies.wires`` has what they mean."""

    C: int
    """Crossbars of ``R`` rows and ``B`` bitlines each."""
    R: int
    B: int
    rounds: int
    supplied: bool
    """Whether wordlines carry the current of their cells."""

    cells: Doubles
    """``[C, R, B]``."""
    mean: Doubles
    """``[R]``, what each wordline carries."""
    segment: Doubles
    """``[1]``, the resistance from one cell to the next."""
    behind: Doubles
    """``[B]``, for what comes up on the way, as ``wordline`` and ``bitline``, ``[R, B]``."""
    wordline: Doubles
    bitline: Doubles
    carried: Doubles
    """``[C, R, B]``, found: the current of each cell."""
    others: Doubles
    """``[C, R, B]``, found: what the other rows raise its bitline by."""


Struct = (Positions | RowBlocks | Cells | LayerCall | Neurons | NeuronStates | NeuronResults
          | Sums | Spikes | Read | ReadTotals | Walk | WalkTotals | Draw | Wires | Packing
          | References)  # fmt: skip

_NAMES = {struct: tuple(field.name for field in fields(struct)) for struct in get_args(Struct)}
"""Worked out once: every call of a kernel asks."""


def as_read(*structs: Struct) -> tuple[Numbers, Arrays]:
    """Return the numbers and the arrays of structs by name, as the compiled module reads them."""
    numbers: Numbers = {}
    arrays: Arrays = {}
    for struct in structs:
        for name in _NAMES[type(struct)]:
            value = getattr(struct, name)
            if isinstance(value, int):
                numbers[name] = int(value)  # of a bool too
            elif isinstance(value, str):
                numbers[name] = core.number(value)
            elif value is not None:
                arrays[name] = value
    return numbers, arrays
