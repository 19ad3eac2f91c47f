"""Network ops without weights: pooling, merging, shaping, scaling.

They carry floats or integers alike; where a type matters, ``verify`` says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Literal

import numpy as np

from mapper.ir.core import (
    FLOAT,
    SPIKE,
    Array,
    Const,
    Constants,
    FloatType,
    IntType,
    Op,
    Scalar,
    Type,
    Value,
    dtype_of,
    param,
)
from mapper.ir.synapses import window_problems
from mapper.ir.windows import Window, sliding


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool2d(Op):
    """Greatest value in each window of each channel; the OR of a window of spikes."""

    mnemonic: ClassVar[str] = "net.max_pool2d"
    label: ClassVar[str] = "max pool"
    passes_on: ClassVar[bool] = True

    x: Value
    window: Window
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        yield from _pool_problems(self.x, self.result, self.window)
        if self.x.type != self.result.type:
            yield f"input is {self.x.type}, but the result is {self.result.type}"

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        lowest = self.x.type.min if isinstance(self.x.type, IntType) else -np.inf
        return (sliding(operands[0], self.window, lowest).max(axis=(4, 5)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class SumPool2d(Op):
    """Sum of each window of each channel; elements outside count as zero."""

    mnemonic: ClassVar[str] = "net.sum_pool2d"
    label: ClassVar[str] = "sum pool"

    x: Value
    window: Window
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        yield from _pool_problems(self.x, self.result, self.window)
        if isinstance(self.x.type, FloatType) or isinstance(self.result.type, FloatType):
            if self.x.type != self.result.type:
                yield f"input is {self.x.type}, but the result is {self.result.type}"
            return
        low, high = self.range()
        if not self.result.type.holds(low, high):
            yield f"sum spans {low}..{high}, too wide for {self.result.type}"

    def range(self) -> tuple[int, int]:
        """Return bounds of the sum, from the type of an integer input."""
        assert isinstance(self.x.type, IntType)
        area = prod(self.window.kernel)
        return min(0, area * self.x.type.min), area * self.x.type.max

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        views = sliding(operands[0], self.window)
        wide = np.int64 if isinstance(self.result.type, IntType) else np.float64
        return (views.sum(axis=(4, 5), dtype=wide).astype(dtype_of(self.result.type)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class AvgPool2d(Op):
    """Mean of each window of each channel, elements outside counted as zeros.

    ``fold-pooling`` turns it into a ``SumPool2d`` and a factor.
    """

    mnemonic: ClassVar[str] = "net.avg_pool2d"
    label: ClassVar[str] = "mean pool"

    x: Value
    window: Window
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        yield from _pool_problems(self.x, self.result, self.window)
        if self.result.type != FLOAT:
            yield f"a mean is {FLOAT}, got {self.result.type}"

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        views = sliding(operands[0], self.window)
        return (views.mean(axis=(4, 5), dtype=np.float64).astype(np.float32),)


def _pool_problems(x: Value, result: Value, window: Window) -> Iterator[str]:
    yield from window_problems(x, result, window)
    if x.shape[:1] != result.shape[:1]:
        yield f"{x.shape[:1]} channels in, {result.shape[:1]} out"
    if window.stuffing != (1, 1):
        yield f"pooling has no stuffing, got {window.stuffing}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale(Op):
    """``result = x * factor + offset``: batch norm at inference, or one number for a layer.

    Also the step from integers to the reals they stand for, when ``x`` is an integer.
    """

    mnemonic: ClassVar[str] = "net.scale"

    x: Value
    factor: Scalar = 1.0
    offset: Scalar = 0.0
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        if self.x.shape != self.result.shape:
            yield f"input has shape {self.x.shape}, but the result has {self.result.shape}"
        if self.result.type != FLOAT:
            yield f"a scaled value is {FLOAT}, got {self.result.type}"
        for name, scalar in (("factor", self.factor), ("offset", self.offset)):
            yield from broadcast_problems(name, scalar, self.x.shape, constants)

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        x = operands[0].astype(np.float32)
        return (x * param(constants, self.factor, FLOAT) + param(constants, self.offset, FLOAT),)


def broadcast_problems(
    name: str, scalar: Scalar, shape: tuple[int, ...], constants: Constants
) -> Iterator[str]:
    """Yield a problem where a parameter does not broadcast to ``shape``."""
    if not isinstance(scalar, Const):
        return
    own = constants[scalar.name].shape
    try:
        fits = np.broadcast_shapes(own, shape) == shape
    except ValueError:
        fits = False
    if not fits:
        yield f"{name} has shape {own}, which does not broadcast to {shape}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeQuantize(Op):
    """Round to a grid and back: ``(clip(round(x / step) + zero, low, high) - zero) * step``.

    What QuantizeLinear followed by DequantizeLinear does; ties round to even.
    """

    mnemonic: ClassVar[str] = "net.fake_quantize"
    label: ClassVar[str] = "round to grid"

    x: Value
    step: Scalar
    zero: Scalar = 0
    low: int
    high: int
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        if self.x.shape != self.result.shape:
            yield f"input has shape {self.x.shape}, but the result has {self.result.shape}"
        if self.low >= self.high:
            yield f"grid {self.low}..{self.high} is empty"
        yield from broadcast_problems("step", self.step, self.x.shape, constants)
        yield from broadcast_problems("zero", self.zero, self.x.shape, constants)

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        step = param(constants, self.step, FLOAT)
        zero = param(constants, self.zero, FLOAT)
        code = np.clip(np.rint(operands[0].astype(np.float32) / step) + zero, self.low, self.high)
        return (((code - zero) * step).astype(np.float32),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Op):
    """Sum of two or more values of one shape: residual currents, or spikes into counts."""

    mnemonic: ClassVar[str] = "net.add"

    terms: tuple[Value, ...]
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        for term in self.terms:
            if term.shape != self.result.shape:
                yield f"term has shape {term.shape}, but the result has {self.result.shape}"
        if isinstance(self.result.type, FloatType):
            return
        if not all(isinstance(term.type, IntType) for term in self.terms):
            yield f"result is {self.result.type}, so every term must be an integer"
            return
        low, high = self.range()
        if not self.result.type.holds(low, high):
            yield f"sum spans {low}..{high}, too wide for {self.result.type}"

    def range(self) -> tuple[int, int]:
        """Return bounds of the sum, from the types of integer terms."""
        types = [term.type for term in self.terms if isinstance(term.type, IntType)]
        return sum(type.min for type in types), sum(type.max for type in types)

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        dtype = dtype_of(self.result.type)
        total = operands[0].astype(dtype)
        for term in operands[1:]:
            total = total + term.astype(dtype)
        return (total,)


MergeKind = Literal["and", "or", "xor", "iand"]
"""Gates of two spikes; ``iand`` gives the second where the first is silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge(Op):
    """Combine two sets of spikes: ``and``, ``or``, ``xor``, ``iand`` (``b and not a``)."""

    mnemonic: ClassVar[str] = "net.merge"
    merges_spikes: ClassVar[bool] = True

    kind: MergeKind
    a: Value
    b: Value
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        for value in (self.a, self.b, self.result):
            if value.type != SPIKE:
                yield f"merging takes and gives spikes ({SPIKE}), got {value.type}"
            if value.shape != self.result.shape:
                yield f"shapes {value.shape} and {self.result.shape} differ"

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        a, b = operands
        merged = {"and": a & b, "or": a | b, "xor": a ^ b, "iand": (1 - a) & b}
        return (merged[self.kind],)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move(Op):
    """Elements of one value at other places: in another order, left out or repeated.

    Wires, nothing else. The operand and the result have one type, and no constant takes part.
    """

    passes_on: ClassVar[bool] = True

    def moved(self, array: Array) -> Array:
        """Return ``array[B, *shape]``, of any dtype, with its elements where the op puts them."""
        (result,) = self.evaluate({}, array)
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape(Move):
    """The same elements in the same order under another shape."""

    mnemonic: ClassVar[str] = "net.reshape"

    x: Value
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        if prod(self.x.shape) != prod(self.result.shape):
            yield f"{prod(self.x.shape)} elements in, {prod(self.result.shape)} out"
        if self.x.type != self.result.type:
            yield f"input is {self.x.type}, but the result is {self.result.type}"

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        return (operands[0].reshape(len(operands[0]), *self.result.shape),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transpose(Move):
    """Reorder axes: axis ``i`` of the result is axis ``order[i]`` of the input."""

    mnemonic: ClassVar[str] = "net.transpose"

    x: Value
    order: tuple[int, ...]
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        if sorted(self.order) != list(range(len(self.x.shape))):
            yield f"order {self.order} does not permute {len(self.x.shape)} axes"
        elif tuple(self.x.shape[i] for i in self.order) != self.result.shape:
            yield f"order {self.order} of {self.x.shape} does not give {self.result.shape}"
        if self.x.type != self.result.type:
            yield f"input is {self.x.type}, but the result is {self.result.type}"

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        return (operands[0].transpose(0, *(i + 1 for i in self.order)),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Take(Move):
    """Elements of one axis by their numbers: left out, repeated or in another order.

    Element ``k`` along ``axis`` (no batch axis counted) is element ``indices[k]`` of the input.
    Wires, nothing else: parts of a tensor, and maps enlarged by repeating their elements.
    """

    mnemonic: ClassVar[str] = "net.take"

    x: Value
    indices: tuple[int, ...]
    axis: int = 0
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        if not 0 <= self.axis < len(self.x.shape):
            yield f"there is no axis {self.axis} among {len(self.x.shape)}"
            return
        length = self.x.shape[self.axis]
        outside = [k for k in self.indices if not 0 <= k < length]
        if outside:
            yield f"element {outside[0]} is taken of {length}"
        shape = (*self.x.shape[: self.axis], len(self.indices), *self.x.shape[self.axis + 1 :])
        if shape != self.result.shape:
            yield f"taking gives {shape}, but the result has {self.result.shape}"
        if self.x.type != self.result.type:
            yield f"input is {self.x.type}, but the result is {self.result.type}"

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        return (operands[0].take(self.indices, axis=self.axis + 1),)


def fits(inner: Type, outer: Type) -> bool:
    """Say whether every number of one type is a number of the other."""
    if isinstance(inner, IntType) and isinstance(outer, IntType):
        return outer.holds(inner.min, inner.max)
    return inner == outer


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat(Op):
    """Put values side by side along ``axis`` (no batch axis counted)."""

    mnemonic: ClassVar[str] = "net.concat"
    passes_on: ClassVar[bool] = True

    parts: tuple[Value, ...]
    axis: int = 0
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        if any(not self.axis < len(value.shape) for value in (*self.parts, self.result)):
            yield f"there is no axis {self.axis} in all parts and the result"
            return
        total = sum(p.shape[self.axis] for p in self.parts)
        if total != self.result.shape[self.axis]:
            yield f"{total} elements along axis {self.axis}, result has {self.result.shape}"
        for part in self.parts:
            if not fits(part.type, self.result.type):
                yield f"part is {part.type}, which does not fit {self.result.type}"
            others = part.shape[: self.axis] + part.shape[self.axis + 1 :]
            if others != self.result.shape[: self.axis] + self.result.shape[self.axis + 1 :]:
                yield f"part {part.shape} does not line up with {self.result.shape}"

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        return (np.concatenate(operands, axis=self.axis + 1),)
