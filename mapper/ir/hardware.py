"""Hardware ops: what the chip does, in integers only.

One op describes a layer's whole grid of crossbars. Axes of the values between them, after
the batch: ``planes`` (input bit planes, lowest first), ``G`` row blocks, ``S`` bit-slices,
``N`` outputs, then the output positions (``Ho, Wo`` for windows, none for linear layers).

A layer is ``CrossbarMvm -> SenseAmpRead | AdcRead -> ShiftAndAdd -> ... -> UpdateMembrane``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from mapper.ir.core import (
    INT64,
    Array,
    Const,
    Constants,
    IntType,
    Op,
    Part,
    Span,
    Value,
    param,
)
from mapper.ir.encoding import Encoding
from mapper.ir.neurons import IntegerNeuron
from mapper.ir.windows import Window, wordline_inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement(Part):
    """Where a layer's crossbars are: filled in by partition, replicate, place and schedule."""

    macro: str = ""
    """Macro kind of the target; empty before ``partition``."""
    round: int = 0
    """Weights are loaded once per round; all layers of a round are on chip together."""
    copies: int = 1
    """Replicas of the grid that work on different output positions."""
    slots: Span = Span(0, 0)
    """Crossbar slots within the round, counted through all chips; empty before ``place``."""
    stage: int = 0
    """Pipeline stage, from 0; filled in by ``schedule``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossbarMvm(Op):
    """Drive input bits onto wordlines and sum the cells on each bitline.

    ``partial_sum[b, g, s, n] = sum_{r in rows[g]} bit_b(x[r]) * u_s[r, n]``, exact integers,
    where ``u_s`` are the digits of ``weight[K, N]`` under ``encoding`` (the weight itself
    before ``slice-weights``). Inputs are unsigned, or two's complement codes whose top plane
    counts negatively in ``ShiftAndAdd``. With groups, output ``n`` sees the wordlines of group
    ``n // (N / groups)`` only. Turning partial sums into bits is the job of the readout.
    """

    mnemonic: ClassVar[str] = "imc.crossbar_mvm"
    RESULTS: ClassVar[tuple[str, ...]] = ("partial_sum",)

    x: Value
    weight: Const
    window: Window | None = None
    groups: int = 1
    rows: tuple[Span, ...]
    """Wordlines of each row block; together they cover the K wordlines of a group."""
    columns: tuple[Span, ...]
    """Outputs whose bitlines share a crossbar; together they cover the N outputs."""
    encoding: Encoding | None = None
    placement: Placement = Placement()
    partial_sum: Value

    @property
    def crossbars(self) -> int:
        """Number of crossbars in one copy of the grid."""
        return len(self.rows) * len(self.columns)

    @property
    def planes(self) -> int:
        """Number of bit planes of the input: reads of the grid per output position."""
        return self.x.type.bits if isinstance(self.x.type, IntType) else 0

    @property
    def outputs(self) -> int:
        return self.partial_sum.shape[3]

    @property
    def positions(self) -> tuple[int, ...]:
        return self.partial_sum.shape[4:]

    def verify(self, constants: Constants) -> Iterator[str]:
        weight = constants[self.weight.name]
        if not isinstance(self.x.type, IntType):
            yield f"wordlines are driven by integer codes, got {self.x.type}"
            return
        if weight.ndim != 2 or weight.dtype.kind not in "iu":
            yield f"weights are an integer matrix, got {weight.dtype} of shape {weight.shape}"
            return
        yield from _cover_problems("wordlines", self.rows, weight.shape[0])
        yield from _cover_problems("outputs", self.columns, weight.shape[1])
        yield from self._column_problems(weight.shape[1])
        slices = 1
        if self.encoding is not None:
            yield from self.encoding.problems(weight)
            slices = len(self.encoding.significances)
        expected = (self.planes, len(self.rows), slices, weight.shape[1])
        if self.partial_sum.shape[:4] != expected:
            yield f"partial sums are {expected} per position, got {self.partial_sum.shape}"
        yield from self._range_problems(weight)

    def _column_problems(self, outputs: int) -> Iterator[str]:
        if outputs % self.groups:
            yield f"{outputs} outputs in {self.groups} groups"
            return
        width = outputs // self.groups
        for span in self.columns:
            if len(span) and span.start // width != (span.stop - 1) // width:
                yield f"outputs {span} of one crossbar belong to more than one group of {width}"

    def _range_problems(self, weight: Array) -> Iterator[str]:
        low, high = partial_sum_range(weight, self.rows, self.encoding)
        type = self.partial_sum.type
        if not isinstance(type, IntType) or not type.holds(low, high):
            yield f"partial sum spans {low}..{high}, too wide for {type}"

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        weight = constants[self.weight.name].astype(np.int64)
        digits = weight[None] if self.encoding is None else self.encoding.digits(weight)
        driven = driven_wordlines(operands[0], self)  # [B, planes, groups, K, P]
        batch, planes, groups, _, places = driven.shape
        shape = (batch, planes, len(self.rows), len(digits), weight.shape[1], places)
        sums = np.empty(shape, np.int64)
        for g, rows in enumerate(self.rows):
            inputs = driven[:, :, :, rows.slice]
            for s, digit in enumerate(digits):
                columns = digit[rows.slice].T.reshape(groups, -1, len(rows))
                sums[:, :, g, s] = (columns @ inputs).reshape(batch, planes, -1, places)
        return (sums.reshape(batch, *self.partial_sum.shape),)


def driven_wordlines(x: Array, op: "CrossbarMvm | CountActive") -> Array:
    """Return the bit on every wordline, ``[B, planes, groups, K, positions]`` of 0 and 1."""
    assert isinstance(op.x.type, IntType)
    inputs = wordline_inputs(x, op.window, op.groups)
    flat = inputs.reshape(*inputs.shape[:3], -1)
    return np.stack([(flat >> b) & 1 for b in range(op.x.type.bits)], axis=1)


def partial_sum_range(
    weight: Array, rows: tuple[Span, ...], encoding: Encoding | None
) -> tuple[int, int]:
    """Return bounds of one bitline's sum: as wide as the tallest row block makes it."""
    tallest = max(len(span) for span in rows)
    if encoding is not None:
        return tallest * encoding.digit_min, tallest * encoding.digit_max
    return tallest * min(0, int(weight.min())), tallest * max(0, int(weight.max()))


def _cover_problems(what: str, spans: tuple[Span, ...], total: int) -> Iterator[str]:
    edges = [0, *(span.stop for span in spans)]
    starts = [span.start for span in spans]
    if starts != edges[:-1] or edges[-1] != total or any(len(span) < 1 for span in spans):
        yield f"spans {', '.join(map(str, spans))} do not cover {total} {what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountActive(Op):
    """Count the driven wordlines of each row block: ``active[b, g, group, *positions]``.

    Physically a replica column of unit cells, or a counter beside the wordline drivers.
    """

    mnemonic: ClassVar[str] = "imc.count_active"
    RESULTS: ClassVar[tuple[str, ...]] = ("active",)

    x: Value
    window: Window | None = None
    groups: int = 1
    rows: tuple[Span, ...]
    active: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        tallest = max(len(span) for span in self.rows)
        if not isinstance(self.active.type, IntType) or not self.active.type.holds(0, tallest):
            yield f"up to {tallest} active wordlines, too many for {self.active.type}"
        if self.active.shape[1:3] != (len(self.rows), self.groups):
            yield f"{len(self.rows)} row blocks, {self.groups} groups, got {self.active.shape}"

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        driven = driven_wordlines(operands[0], self)
        counts = [driven[:, :, :, rows.slice].sum(axis=3) for rows in self.rows]
        return (np.stack(counts, axis=2).reshape(-1, *self.active.shape),)


def per_output(active: Array, outputs: int) -> Array:
    """Spread ``active[B, planes, G, groups, *P]`` over outputs: ``[B, planes, G, 1, N, *P]``."""
    return np.repeat(active, outputs // active.shape[3], axis=3)[:, :, :, None]


def over_positions(table: Array, positions: tuple[int, ...]) -> Array:
    """Append an axis of 1 per position axis, so a per-column table broadcasts."""
    return table.reshape(*table.shape, *(1 for _ in positions))


@dataclass(frozen=True, slots=True, kw_only=True)
class SenseAmpRead(Op):
    """Compare each partial sum with a reference: one sense amplifier per bitline.

    ``code = sum_i [p >= t_i]`` and the result is ``levels[code]``: one threshold and two levels
    for a sense amplifier, two and three for a ternary one. A tie counts as reached.
    ``thresholds`` has shape ``[L, G | 1, S | 1, N | 1]`` and ascends along its first axis.
    With ``active`` the reference follows the activity, ``2p >= n * (2**cell_bits - 1) + 2t``.
    """

    mnemonic: ClassVar[str] = "imc.sense_amp_read"

    partial_sum: Value
    active: Value | None = None
    thresholds: Const
    levels: tuple[int, ...]
    cell_bits: int = 1
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        thresholds = constants[self.thresholds.name]
        yield from _readout_shape_problems(self.partial_sum, self.result)
        if thresholds.ndim != 4 or len(self.levels) != len(thresholds) + 1:
            yield f"{len(self.levels)} levels, but thresholds have shape {thresholds.shape}"
            return
        grid = (len(thresholds), *self.partial_sum.shape[1:4])
        if any(own not in (1, full) for own, full in zip(thresholds.shape, grid, strict=True)):
            yield f"thresholds of shape {thresholds.shape} do not broadcast to {grid}"
        if (np.diff(thresholds, axis=0) < 0).any():
            yield "thresholds must ascend"
        if self.active is not None and (p := self.partial_sum.type) and p.min < 0:
            yield f"half of the active rows is a reference for unsigned sums, got {p}"
        if not self.result.type.holds(min(self.levels), max(self.levels)):
            yield f"levels {self.levels} do not fit {self.result.type}"

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        p, scale = operands[0], 1
        if self.active is not None:
            full = (1 << self.cell_bits) - 1
            p, scale = 2 * p - full * per_output(operands[1], self.partial_sum.shape[3]), 2
        code = np.zeros(p.shape, np.int64)
        for threshold in constants[self.thresholds.name].astype(np.int64):
            code += p >= scale * over_positions(threshold, self.result.shape[4:])
        return (np.asarray(self.levels, np.int64)[code],)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdcRead(Op):
    """Convert each partial sum with an ADC of ``2**bits - 1`` evenly spaced thresholds.

    ``code = sum_i [p >= first + step * i]`` for ``i = 0 .. 2**bits - 2``, decoded as
    ``base + step * code``. ``first``, ``step`` and ``base`` are numbers or constants of shape
    ``[G | 1, S | 1, N | 1]``. ``ideal`` is an ADC of step 1 wide enough for every sum.
    """

    mnemonic: ClassVar[str] = "imc.adc_read"

    kind: Literal["flash", "sar", "ideal"]
    bits: int
    partial_sum: Value
    first: int | Const
    step: int | Const
    base: int | Const
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        yield from _readout_shape_problems(self.partial_sum, self.result)
        step = param(constants, self.step, INT64)
        base = param(constants, self.base, INT64)
        if int(step.min()) < 1:
            yield f"the step of an ADC is at least 1, got {step.min()}"
        if not 1 <= self.bits <= 24:
            yield f"an ADC has 1..24 bits, got {self.bits}"
            return
        low, high = int(base.min()), int((base + step * ((1 << self.bits) - 1)).max())
        if not isinstance(self.result.type, IntType) or not self.result.type.holds(low, high):
            yield f"decoded values span {low}..{high}, too wide for {self.result.type}"

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        first, step, base = (
            _table(constants, table, self.result) for table in (self.first, self.step, self.base)
        )
        code = np.clip((operands[0] - first) // step + 1, 0, (1 << self.bits) - 1)
        return (base + step * code,)


def _table(constants: Constants, table: int | Const, result: Value) -> Array:
    values = param(constants, table, INT64)
    return values if values.ndim == 0 else over_positions(values, result.shape[4:])


def _readout_shape_problems(partial_sum: Value, result: Value) -> Iterator[str]:
    if partial_sum.shape != result.shape:
        yield f"partial sums are {partial_sum.shape}, but the readout gives {result.shape}"
    if not isinstance(result.type, IntType) or not isinstance(partial_sum.type, IntType):
        yield f"a readout is an integer, got {partial_sum.type} and {result.type}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftAndAdd(Op):
    """Combine planes, row blocks and bit-slices into one integer per output.

    ``y[n] = (sum_b plane_b * sum_g m[g, n] * (sum_s significances[s] * code[b, g, s, n]
    + offset * active[b, g])) >> shift`` (floor), with ``plane_b = 2**b``, negative for the top
    plane of signed inputs. ``scale`` holds ``m``, shape ``[G | 1, N | 1]``.
    """

    mnemonic: ClassVar[str] = "imc.shift_and_add"

    codes: Value
    active: Value | None = None
    significances: tuple[int, ...]
    signed_input: bool = False
    offset: int = 0
    scale: int | Const = 1
    shift: int = 0
    result: Value

    @property
    def plane_weights(self) -> tuple[int, ...]:
        planes = self.codes.shape[0]
        top = -1 if self.signed_input else 1
        return tuple((top if b == planes - 1 else 1) << b for b in range(planes))

    def verify(self, constants: Constants) -> Iterator[str]:
        if len(self.significances) != self.codes.shape[2]:
            yield f"{len(self.significances)} significances for {self.codes.shape[2]} slices"
            return
        if self.result.shape != self.codes.shape[3:]:
            yield f"codes are {self.codes.shape}, but the result has {self.result.shape}"
        if (self.active is None) != (self.offset == 0):
            yield f"offset {self.offset} needs a count of active rows, and only then"
        if not 0 <= self.shift <= 30:
            yield f"shift {self.shift} is outside 0..30"
        low, high = self.range(constants)
        if not isinstance(self.result.type, IntType) or not self.result.type.holds(low, high):
            yield f"sum spans {low}..{high}, too wide for {self.result.type}"

    def range(self, constants: Constants) -> tuple[int, int]:
        """Return bounds of the result, from the types of the operands."""
        code = self.codes.type
        assert isinstance(code, IntType)
        ends = [sorted((s * code.min, s * code.max)) for s in self.significances]
        low, high = sum(e[0] for e in ends), sum(e[1] for e in ends)
        if self.active is not None and isinstance(self.active.type, IntType):
            correction = sorted((0, self.offset * self.active.type.max))
            low, high = low + correction[0], high + correction[1]
        scale = np.broadcast_to(param(constants, self.scale, INT64), (self.codes.shape[1], 1)) if (
            not isinstance(self.scale, Const)
        ) else param(constants, self.scale, INT64)
        blocks = self.codes.shape[1] // (scale.shape[0])
        lows = np.minimum(scale * low, scale * high).sum(axis=0) * blocks
        highs = np.maximum(scale * low, scale * high).sum(axis=0) * blocks
        return _over_planes(int(lows.min()), int(highs.max()), self.plane_weights, self.shift)

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        codes = operands[0]
        positions = self.result.shape[1:]
        slices = np.asarray(self.significances, np.int64)
        block = np.einsum("s,bpgsn...->bpgn...", slices, codes)
        if self.active is not None:
            block = block + self.offset * per_output(operands[1], self.codes.shape[3])[:, :, :, 0]
        scale = param(constants, self.scale, INT64)
        if scale.ndim:
            scale = over_positions(scale, positions)
        planes = np.asarray(self.plane_weights, np.int64)
        total = np.einsum("p,bpn...->bn...", planes, (scale * block).sum(axis=2))
        return (total >> self.shift,)


def _over_planes(low: int, high: int, planes: tuple[int, ...], shift: int) -> tuple[int, int]:
    ends = [sorted((w * low, w * high)) for w in planes]
    return sum(e[0] for e in ends) >> shift, sum(e[1] for e in ends) >> shift


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledAdd(Op):
    """Add integers of different units: ``(sum_k scales[k] * terms[k]) >> shift`` (floor)."""

    mnemonic: ClassVar[str] = "imc.scaled_add"

    terms: tuple[Value, ...]
    scales: tuple[int | Const, ...]
    """A multiplier per term: one number, or a constant that broadcasts to the term's shape."""
    shift: int = 0
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        if len(self.scales) != len(self.terms):
            yield f"{len(self.scales)} scales for {len(self.terms)} terms"
            return
        low = high = 0
        for term, scale in zip(self.terms, self.scales, strict=True):
            if term.shape != self.result.shape or not isinstance(term.type, IntType):
                yield f"term is {term.type} {term.shape}, the result has {self.result.shape}"
                return
            values = param(constants, scale, INT64)
            ends = [int(m) * e for m in (values.min(), values.max()) for e in _ends(term.type)]
            low, high = low + min(ends), high + max(ends)
        low, high = low >> self.shift, high >> self.shift
        if not isinstance(self.result.type, IntType) or not self.result.type.holds(low, high):
            yield f"sum spans {low}..{high}, too wide for {self.result.type}"

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        total = sum(
            param(constants, scale, INT64) * term
            for scale, term in zip(self.scales, operands, strict=True)
        )
        return (np.asarray(total) >> self.shift,)


def _ends(type: IntType) -> tuple[int, int]:
    return type.min, type.max


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateMembrane(IntegerNeuron):
    """An integer neuron on the target's digital unit: it fires at ``>=`` only."""

    mnemonic: ClassVar[str] = "imc.update_membrane"

    def verify(self, constants: Constants) -> Iterator[str]:
        yield from IntegerNeuron.verify(self, constants)
        if self.strict:
            yield "hardware fires where the threshold is reached: raise it by one instead"


