"""Ops without weights on packed values: a word of 64 channels at a time.

A sum of codes is a ripple of carries through bit planes, an OR of spikes is an OR of words.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mapper.executor.native.bounds import NotNativeError
from mapper.executor.native.geometry import padded_to_input
from mapper.executor.native.held import Held, layout
from mapper.ir.bounds import Products
from mapper.ir.core import SPIKE, Array, IntType, Op, Value
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.hardware import ScaledAdd
from mapper.ir.network import (
    Add,
    AvgPool2d,
    Concat,
    FakeQuantize,
    MaxPool2d,
    Merge,
    Move,
    Reshape,
    Scale,
    SumPool2d,
)
from mapper.ir.neurons import IntegerNeuron, Neuron
from mapper.ir.products import MatMul, Multiply
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Synapse
from mapper.ir.tables import OpTable
from mapper.ir.windows import Window

Logic = Callable[[Sequence[Held]], Held]

MOST_PLANES = 16
"""Bits of a result: wider ones are quicker as numbers."""


def logic(op: Op) -> Logic:
    """Return a function from operands to the result.

    Raises:
        NotNativeError: where numbers are the better form.
    """
    make = PACKED.entry(type(op))
    if make is None:
        raise NotNativeError(f"{op.mnemonic} has no packed form")
    for value in (*op.operands, *op.results):
        if not isinstance(value.type, IntType) or value.type.bits > MOST_PLANES:
            raise NotNativeError(f"{value.type} values, at most {MOST_PLANES} bits are packed")
    return make(op)


def _merge(op: Merge) -> Logic:
    def run(operands: Sequence[Held]) -> Held:
        a, b = (held.as_packed() for held in operands)
        merged = {"and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor}
        if op.kind == "iand":
            return Held(op.result, packed=np.bitwise_and(np.invert(a), b))
        return Held(op.result, packed=merged[op.kind](a, b))

    return run


def _add(op: Add) -> Logic:
    bits, signed = _bits(op.result), any(_signed(term) for term in op.terms)

    def run(operands: Sequence[Held]) -> Held:
        total = widened(operands[0], bits)
        for term in operands[1:]:
            total = added(total, widened(term, bits))
        return Held(op.result, packed=total)

    if signed and not _signed(op.result):
        raise NotNativeError("signed terms in an unsigned sum")
    return run


def _sum_pool(op: SumPool2d) -> Logic:
    bits = _bits(op.result)
    if _signed(op.x) and not _signed(op.result):
        raise NotNativeError("signed terms in an unsigned sum")

    def run(operands: Sequence[Held]) -> Held:
        parts = _windows(operands[0].as_packed(), op.window, op.result)
        total = widen(next(parts), bits, _signed(op.x))
        for part in parts:
            total = added(total, widen(part, bits, _signed(op.x)))
        return Held(op.result, packed=total)

    return run


def _max_pool(op: MaxPool2d) -> Logic:
    if op.x.type != SPIKE:
        raise NotNativeError(f"the greatest of {op.x.type} values is found among numbers")

    def run(operands: Sequence[Held]) -> Held:
        parts = _windows(operands[0].as_packed(), op.window, op.result)
        total = np.array(next(parts))
        for part in parts:
            np.bitwise_or(total, part, out=total)
        return Held(op.result, packed=total)

    return run


def _windows(packed: Array, window: Window, result: Value) -> Any:
    """Yield, for each element of the window, what every position sees: ``[bits, T, B, Ho, Wo, w]``.

    Elements outside the input read zero.
    """
    height, width = packed.shape[3:5]
    down, across = layout(result.shape)[1:]
    rows = padded_to_input(window, 0, height, down)
    columns = padded_to_input(window, 1, width, across)
    if (rows < 0).any() or (columns < 0).any() or window.padding != (0, 0, 0, 0):
        image = np.zeros((*packed.shape[:3], len(rows), len(columns), packed.shape[5]), np.uint64)
        inside = np.ix_(rows >= 0, columns >= 0)
        source = packed[:, :, :, rows[rows >= 0]][:, :, :, :, columns[columns >= 0]]
        image[:, :, :, inside[0], inside[1]] = source
        packed = image
    (sy, sx), (dy, dx) = window.stride, window.dilation
    for i, j in np.ndindex(window.kernel):
        y, x = i * dy, j * dx
        yield packed[:, :, :, y : y + (down - 1) * sy + 1 : sy, x : x + (across - 1) * sx + 1 : sx]


def _multiply(op: Multiply) -> Logic:
    """A mask of spikes is an AND with every bit; other products are of numbers."""
    masked = op.a.type == SPIKE or op.b.type == SPIKE

    def run(operands: Sequence[Held]) -> Held:
        if not masked:
            a, b = (held.as_dense() for held in operands)
            return Held(op.result, dense=a * b)
        # one of the two has a single plane, which goes along all of the other's
        both = np.bitwise_and(*(held.as_packed() for held in operands))
        bits = _bits(op.b if op.a.type == SPIKE else op.a)
        signed = _signed(op.a) or _signed(op.b)
        return Held(op.result, packed=widen(both[:bits], _bits(op.result), signed))

    return run


def _matmul(op: MatMul) -> Logic:
    """Multiply numbers, in the narrowest type in which all sums are exact."""
    dtype = Products(*op.range()).dtype

    def run(operands: Sequence[Held]) -> Held:
        a, b = (held.as_dense().astype(dtype) for held in operands)
        return Held(op.result, dense=np.matmul(a, b).astype(np.int64))

    return run


def _concat(op: Concat) -> Logic:
    channels = op.axis == 0 and len(op.result.shape) in (1, 3)
    whole = all(layout(part.shape)[0] % 64 == 0 for part in op.parts[:-1])
    bits = _bits(op.result)
    if any(_signed(part) and not _signed(op.result) for part in op.parts):
        raise NotNativeError("signed parts of an unsigned value")

    def run(operands: Sequence[Held]) -> Held:
        if channels and whole:
            return Held(
                op.result, packed=np.concatenate([widened(o, bits) for o in operands], axis=-1)
            )
        if channels:
            return Held(op.result, packed=_side_by_side(operands, bits, layout(op.result.shape)[0]))
        parts = [held.as_dense() for held in operands]
        return Held(op.result, dense=np.concatenate(parts, axis=op.axis + 2))

    return run


def _side_by_side(operands: Sequence[Held], bits: int, channels: int) -> Array:
    """Put channels behind each other where they do not fill whole words."""
    first = widened(operands[0], bits)
    out = np.zeros((*first.shape[:-1], -(-channels // 64)), np.uint64)
    at = 0
    for held in operands:
        part = widened(held, bits)
        word, shift = divmod(at, 64)
        size = part.shape[-1]
        low = part << np.uint64(shift)
        out[..., word : word + size] |= low[..., : out.shape[-1] - word]
        if shift:
            high = part >> np.uint64(64 - shift)
            room = min(size, out.shape[-1] - word - 1)
            out[..., word + 1 : word + 1 + room] |= high[..., :room]
        at += layout(held.value.shape)[0]
    return out


def _reshape(op: Reshape) -> Logic:
    return lambda operands: operands[0].reshaped(op.result)


def _moved(op: Move) -> Logic:
    """Move numbers: in packed words, elements of one place lie side by side."""
    (x,), (result,) = op.operands, op.results

    def run(operands: Sequence[Held]) -> Held:
        dense = operands[0].as_dense()
        moved = op.moved(dense.reshape(-1, *x.shape))
        return Held(result, dense=moved.reshape(*dense.shape[:2], *result.shape))

    return run


def added(a: Array, b: Array) -> Array:
    """Add codes of equally many planes; what passes the top plane is lost."""
    total = np.empty_like(a)
    carry: Array = np.zeros_like(a[0])
    for p in range(len(a)):
        half = a[p] ^ b[p]
        total[p] = half ^ carry
        carry = (a[p] & b[p]) | (half & carry)
    return total


def widened(held: Held, bits: int) -> Array:
    return widen(held.as_packed(), bits, held.type.signed)


def widen(packed: Array, bits: int, signed: bool) -> Array:
    """Extend codes to more planes: with zeros, or copies of the sign."""
    if len(packed) >= bits:
        return packed[:bits]
    top = packed[-1:] if signed else np.zeros_like(packed[-1:])
    return np.concatenate([packed, np.repeat(top, bits - len(packed), axis=0)])


def _bits(value: Value) -> int:
    assert isinstance(value.type, IntType)
    return value.type.bits


def _signed(value: Value) -> bool:
    return isinstance(value.type, IntType) and value.type.signed


_CRUNCHED = "the kernels have a step of their own for it"
_PART = "part of a crossbar layer, whose partial sums are wanted here"
_REALS = "it is not computed in integers"

PACKED: OpTable[Callable[[Any], Logic]] = OpTable(
    what="ops on packed values",
    entries={
        Merge: _merge,
        Multiply: _multiply,
        MatMul: _matmul,
        Add: _add,
        SumPool2d: _sum_pool,
        MaxPool2d: _max_pool,
        Concat: _concat,
        Move: _moved,
        Reshape: _reshape,
    },
    without={
        IntegerNeuron: _CRUNCHED,
        Synapse: _CRUNCHED,
        CrossbarMvm: _PART,
        CountActive: _PART,
        SenseAmpRead: _PART,
        AdcRead: _PART,
        ShiftAndAdd: _PART,
        ScaledAdd: "its products are of numbers",
        AvgPool2d: _REALS,
        FakeQuantize: _REALS,
        Neuron: _REALS,
        Scale: _REALS,
    },
)
"""How an op is done on packed values; one without an entry runs on NumPy, and is noted."""
