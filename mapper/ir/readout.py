"""Readout: partial sums to codes, and codes of slices, row blocks and planes to integers.

Axes are those of ``mapper.ir.crossbar``. Every readout is a bank of comparators: its code counts
the thresholds that a sum reaches, and stands for a level. Sense amplifier, ternary and n-bit ADC
differ in thresholds and levels only; ``mapper.ir.comparators`` has the arithmetic.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from mapper.ir.comparators import converted, per_output, sensed
from mapper.ir.copies import over_positions
from mapper.ir.core import INT64, Array, Const, Constants, IntType, Op, Value, greatest_of, param
from mapper.ir.encoding import cell_problems
from mapper.ir.limits import MOST_BITS, MOST_SUM
from mapper.ir.noise import noise_problems, noisy
from mapper.ir.readout_kinds import READOUTS, ReadoutKind, sensed_kind
from mapper.ir.readout_rules import active_problems, grid_problems, readout_problems


@dataclass(frozen=True, slots=True, kw_only=True)
class SenseAmpRead(Op):
    """Compare each partial sum with a reference: one sense amplifier per bitline.

    ``code = sum_i [p >= t_i]`` and the result is ``levels[code]``: one threshold and two levels
    for a sense amplifier, two and three for a ternary one. A tie counts as reached.
    ``thresholds`` has shape ``[L, G | 1, S | 1, N | 1]`` and ascends along its first axis; those
    of a die differ from copy to copy, ``[L, C, G | 1, S | 1, N | 1]``.
    With ``active`` the reference follows the activity, ``2p >= n * full_level + 2t``.
    """

    mnemonic: ClassVar[str] = "imc.sense_amp_read"
    label: ClassVar[str] = "sense amp"
    inside_layer: ClassVar[bool] = True

    partial_sum: Value
    active: Value | None = None
    key: Value | None = None
    noise: Const | None = None
    stream: int = 0
    """Noise of a die's reads, as ``mapper.ir.noise`` has it."""
    thresholds: Const
    levels: tuple[int, ...]
    cell_bits: int = 1
    cell_levels: int = 0
    """As those of the encoding: what a full cell counts follows from them."""
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        unread = list(readout_problems(self.partial_sum, self.result))
        yield from unread
        if unread:
            return
        thresholds = constants[self.thresholds.name].astype(np.int64)
        if not thresholds.ndim or not 1 <= len(thresholds) == len(self.levels) - 1:
            yield f"{len(self.levels)} levels, but thresholds have shape {thresholds.shape}"
            return
        yield from grid_problems("thresholds", thresholds[0], self.partial_sum.shape[1:4])
        yield from noise_problems(self, constants)
        if (np.diff(thresholds, axis=0) < 0).any():
            yield "thresholds must ascend"
        yield from cell_problems(self.cell_bits, self.cell_levels)
        sums, codes = self.partial_sum.type, self.result.type
        assert isinstance(sums, IntType)
        assert isinstance(codes, IntType)
        if self.active is not None:
            yield from active_problems(self.active, self.partial_sum)
            if sums.min < 0:
                yield f"half of the active rows is a reference for unsigned sums, got {sums}"
            if self.noise is not None:
                yield "a reference that follows the activity is read without noise"
        if not codes.holds(*self.ends(constants)):
            yield f"levels {self.levels} do not fit {codes}"

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        p, scale = noisy(self, constants, operands), 1
        if self.active is not None:
            active = per_output(operands[1], self.partial_sum.shape[3])
            p, scale = 2 * p - self.full_level * active, 2
        thresholds = constants[self.thresholds.name].astype(np.int64)
        positions = self.result.shape[4:]
        compared = [scale * over_positions(threshold, positions) for threshold in thresholds]
        return (sensed(p, compared, self.levels),)

    def ends(self, constants: Constants) -> tuple[int, int]:
        """Return the least and the greatest decoded value."""
        return min(self.levels), max(self.levels)

    def copies(self, constants: Constants) -> int:
        """Return how many copies of the grid have references of their own; 1 where they share."""
        table = constants[self.thresholds.name]
        return table.shape[1] if table.ndim == 5 else 1

    @property
    def full_level(self) -> int:
        """What a cell that is full on counts: its levels less one."""
        return (self.cell_levels or 1 << self.cell_bits) - 1

    @property
    def follows_activity(self) -> bool:
        """Whether the reference follows the count of driven wordlines."""
        return self.active is not None

    @property
    def kind(self) -> ReadoutKind | None:
        """The kind of readout that has these levels, or as many."""
        return sensed_kind(self.levels)

    @property
    def words(self) -> str:
        """The readout's name for people: ``sense amplifier, half-active``."""
        name = f"{len(self.levels) - 1} thresholds"
        name = name if self.kind is None else READOUTS[self.kind].words
        return name if self.active is None else f"{name}, half-active"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdcRead(Op):
    """Convert each partial sum with an ADC of ``2**bits - 1`` evenly spaced thresholds.

    ``code = sum_i [p >= first + width * i]`` for ``i = 0 .. 2**bits - 2``, decoded as
    ``base + step * code``. All four are numbers or constants of shape ``[G | 1, S | 1, N | 1]``;
    ``width`` is ``step`` but in a die, where its ADC's steps and first threshold are
    ``[C, G, S, N]`` and what a code stands for does not know. ``ideal`` and ``adder-tree``, which
    is digital, are of step 1 and wide enough for every sum.
    """

    mnemonic: ClassVar[str] = "imc.adc_read"
    label: ClassVar[str] = "ADC"
    inside_layer: ClassVar[bool] = True

    kind: Literal["flash", "sar", "cco", "ideal", "adder-tree"]
    bits: int
    partial_sum: Value
    key: Value | None = None
    noise: Const | None = None
    stream: int = 0
    """Noise of a die's reads, as ``mapper.ir.noise`` has it."""
    first: int | Const
    width: int | Const | None = None
    step: int | Const
    base: int | Const
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        unread = list(readout_problems(self.partial_sum, self.result))
        for name in ("first", "width", "step", "base"):
            held = getattr(self, name)
            if isinstance(held, Const):
                unread += grid_problems(name, constants[held.name], self.partial_sum.shape[1:4])
        unread += noise_problems(self, constants)
        yield from unread
        if unread:
            return
        low, high = self.ends(constants)
        if max(-low, high) > MOST_SUM:
            yield f"decoded values span {low}..{high}, past {MOST_SUM}"
        if not isinstance(self.result.type, IntType) or not self.result.type.holds(low, high):
            yield f"decoded values span {low}..{high}, too wide for {self.result.type}"

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        first, width, step, base = (
            _table(constants, table, self.result)
            for table in (self.first, self.spacing, self.step, self.base)
        )
        sums = noisy(self, constants, operands)
        return (converted(sums, first, step, base, self.bits, width),)

    @property
    def spacing(self) -> int | Const:
        """What sums rise by from one threshold to the next."""
        return self.step if self.width is None else self.width

    def ends(self, constants: Constants) -> tuple[int, int]:
        """Return the least and the greatest decoded value."""
        step, base = param(constants, self.step, INT64), param(constants, self.base, INT64)
        top = (1 << self.bits) - 1
        if greatest_of(step) * top + greatest_of(base) > MOST_SUM:  # where 64 bits might wrap
            step, base = step.astype(object), base.astype(object)
        return int(base.min()), int((base + step * top).max())

    def copies(self, constants: Constants) -> int:
        """Return how many copies of the grid have steps of their own; 1 where they share."""
        tables = (self.first, self.spacing, self.step, self.base)
        held = (constants[table.name] for table in tables if isinstance(table, Const))
        return max((len(table) for table in held if table.ndim == 4), default=1)

    @property
    def follows_activity(self) -> bool:
        """Thresholds of an ADC stay where they are."""
        return False

    def bank(self, constants: Constants) -> tuple[Array, Array]:
        """Return thresholds ``[2**bits - 1, G | 1, S | 1, N | 1]`` and their levels, one more.

        A bank of comparators with them decodes what the ADC does.
        """
        first, width, step, base = (
            np.atleast_3d(param(constants, table, INT64))
            for table in (self.first, self.spacing, self.step, self.base)
        )
        codes = range(1 << self.bits)
        thresholds = np.stack([first + width * code for code in codes[:-1]])
        return thresholds, np.stack([base + step * code for code in codes])

    @property
    def words(self) -> str:
        """The readout's name for people: ``5-bit flash ADC``."""
        words = READOUTS[self.kind].words
        return f"{self.bits}-bit {words}" if READOUTS[self.kind].converts else words


ExactKind = Literal["ideal", "adder-tree"]


def exact_read(
    kind: ExactKind, partial_sum: Value, low: int, high: int, result: Value, *, loc: str = ""
) -> AdcRead:
    """Return a converter of step 1 over sums of ``low..high``, which loses nothing."""
    return AdcRead(
        kind=kind,
        bits=IntType.spanning(low, high).bits,
        partial_sum=partial_sum,
        first=low + 1,
        step=1,
        base=low,
        result=result,
        loc=loc,
    )


BitlineRead = SenseAmpRead | AdcRead
"""An op that reads bitlines: partial sums in, what their codes stand for out."""


def _table(constants: Constants, table: int | Const, result: Value) -> Array:
    values = param(constants, table, INT64)
    return values if values.ndim == 0 else over_positions(values, result.shape[4:])


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftAndAdd(Op):
    """Combine planes, row blocks and bit-slices into one integer per output.

    ``y[n] = (sum_b plane_b * sum_g m[g, n] * (sum_s significances[s] * code[b, g, s, n]
    + offset * active[b, g])) >> shift`` (floor), with ``plane_b = 2**b`` or as ``planes`` has it:
    negative for the top plane of signed inputs, 1 or -1 for steps. ``scale`` holds
    ``m``, shape ``[G | 1, N | 1]``; one that row blocks share is multiplied once, after their sum.
    ``merged`` says that the codes of the bit-slices make one code, so that wires put them together
    where adders would; see ``mapper.ir.merging``.
    """

    mnemonic: ClassVar[str] = "imc.shift_and_add"
    label: ClassVar[str] = "shift-and-add"

    codes: Value
    active: Value | None = None
    significances: tuple[int, ...]
    planes: tuple[int, ...] = ()
    """What the digit 1 of each plane stands for; empty for 1, 2, 4 and so on."""
    offset: int = 0
    scale: int | Const = 1
    shift: int = 0
    merged: bool = False
    result: Value

    @property
    def plane_weights(self) -> tuple[int, ...]:
        """What the digit 1 of each plane stands for."""
        return self.planes or tuple(1 << b for b in range(self.codes.shape[0]))

    def verify(self, constants: Constants) -> Iterator[str]:
        yield from (unread := list(self._shape_problems(constants)))
        if unread:
            return
        if self.active is not None:
            yield from active_problems(self.active, self.codes)
        if (self.active is None) != (self.offset == 0):
            yield f"offset {self.offset} needs a count of active rows, and only then"
        if (reach := self._reach(constants)) > MOST_SUM:
            yield f"numbers before the shift may reach {reach}, past {MOST_SUM}"
        low, high = self.range(constants)
        if not isinstance(self.result.type, IntType) or not self.result.type.holds(low, high):
            yield f"sum spans {low}..{high}, too wide for {self.result.type}"

    def _shape_problems(self, constants: Constants) -> Iterator[str]:
        if len(self.codes.shape) < 4 or not isinstance(self.codes.type, IntType):
            yield f"codes are integers [planes, blocks, slices, outputs, ...], got {self.codes}"
            return
        if self.codes.shape[0] > MOST_BITS:
            yield f"{self.codes.shape[0]} planes, at most {MOST_BITS}"
        if self.planes and len(self.planes) != self.codes.shape[0]:
            yield f"{len(self.planes)} weights for {self.codes.shape[0]} planes"
        if len(self.significances) != self.codes.shape[2]:
            yield f"{len(self.significances)} significances for {self.codes.shape[2]} slices"
        if self.result.shape != self.codes.shape[3:]:
            yield f"codes are {self.codes.shape}, but the result has {self.result.shape}"
        if isinstance(self.scale, Const):
            scales = constants[self.scale.name]
            yield from grid_problems("scales", scales, self.codes.shape[1:4:2])

    def _reach(self, constants: Constants) -> int:
        """Return the greatest magnitude of any number on the way, before the shift."""
        code = self.codes.type
        assert isinstance(code, IntType)
        block = max(-code.min, code.max) * sum(map(abs, self.significances))
        if self.active is not None and isinstance(self.active.type, IntType):
            block += abs(self.offset) * max(-self.active.type.min, self.active.type.max)
        scale = np.abs(param(constants, self.scale, INT64))
        largest = scale.max(axis=-1) if scale.ndim else scale
        blocks = int(np.broadcast_to(largest, self.codes.shape[1]).sum())
        return block * blocks * sum(map(abs, self.plane_weights))

    def block_range(self, least: int, most: int, corrected: bool = True) -> tuple[int, int]:
        """Return bounds of what a row block adds up before any scale, from those of a code."""
        ends = [sorted((s * least, s * most)) for s in self.significances]
        if corrected and self.active is not None and isinstance(self.active.type, IntType):
            ends.append(sorted((0, self.offset * self.active.type.max)))
        return sum(e[0] for e in ends), sum(e[1] for e in ends)

    def sum_range(self, scale: Array, low: int, high: int) -> tuple[int, int]:
        """Return bounds over bit planes and row blocks of ``low..high`` that are scaled."""
        blocks = self.codes.shape[1] // len(scale)
        if scale.size == 1:  # most layers, and whole numbers of Python do not wrap
            each = int(scale.item()) * blocks
            least, most = sorted((each * low, each * high))
        else:
            lows = np.minimum(scale * low, scale * high).sum(axis=0) * blocks
            highs = np.maximum(scale * low, scale * high).sum(axis=0) * blocks
            least, most = int(lows.min()), int(highs.max())
        ends = [sorted((w * least, w * most)) for w in self.plane_weights]
        return sum(e[0] for e in ends), sum(e[1] for e in ends)

    def shares_scale(self, constants: Constants) -> bool:
        """Whether row blocks have one scale: it is multiplied after their sum then."""
        return len(np.atleast_2d(param(constants, self.scale, INT64))) == 1

    def range(self, constants: Constants) -> tuple[int, int]:
        """Return bounds of the result, from the types of the operands."""
        code = self.codes.type
        assert isinstance(code, IntType)
        scale = np.atleast_2d(param(constants, self.scale, INT64))
        if scale.size > 1 and self._reach(constants) > MOST_SUM:
            scale = scale.astype(object)  # which cannot wrap
        low, high = self.sum_range(scale, *self.block_range(code.min, code.max))
        return low >> self.shift, high >> self.shift

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        codes = operands[0]
        positions = self.result.shape[1:]
        slices = np.asarray(self.significances, np.int64)
        block = np.einsum("s,bpgsn...->bpgn...", slices, codes)
        if self.active is not None:
            block = block + self.offset * per_output(operands[1], self.codes.shape[3])[:, :, :, 0]
        scale = over_positions(
            np.atleast_2d(param(constants, self.scale, INT64)), positions, axes=2
        )
        planes = np.asarray(self.plane_weights, np.int64)
        if self.shares_scale(constants):
            total = scale[0] * np.einsum("p,bpn...->bn...", planes, block.sum(axis=2))
        else:
            total = np.einsum("p,bpn...->bn...", planes, (scale * block).sum(axis=2))
        return (total >> self.shift,)
