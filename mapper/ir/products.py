"""Products of two computed values: masks, and the matrices of attention.

No crossbar takes them, as both sides change from step to step: they are done on the digital unit.
Both carry floats or integers alike, as other ops without weights do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from mapper.ir.core import Array, Constants, FloatType, IntType, Op, Value, dtype_of
from mapper.ir.limits import MOST_SUMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiply(Op):
    """Product of two values of one shape, element by element: a mask of spikes and counts.

    The AND of spikes is a ``Merge``.
    """

    mnemonic: ClassVar[str] = "net.multiply"
    label: ClassVar[str] = "product"

    a: Value
    b: Value
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        for value in (self.a, self.b):
            if value.shape != self.result.shape:
                yield f"factor has shape {value.shape}, but the result has {self.result.shape}"
        yield from _type_problems(self)

    def range(self) -> tuple[int, int]:
        """Return bounds of a product, from the types of integer factors."""
        return _range(self)

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        a, b = (array.astype(dtype_of(self.result.type)) for array in operands)
        return (a * b,)


@dataclass(frozen=True, slots=True, kw_only=True)
class MatMul(Op):
    """Matrix product over the last two axes: ``[.., n, k]`` times ``[.., k, m]``.

    The axes before them are equal: heads of attention, each with matrices of its own. Sums of
    floats are accumulated in double precision and rounded once.
    """

    mnemonic: ClassVar[str] = "net.matmul"
    label: ClassVar[str] = "matrix product"

    a: Value
    b: Value
    result: Value

    def verify(self, constants: Constants) -> Iterator[str]:
        a, b, result = self.a.shape, self.b.shape, self.result.shape
        if min(len(a), len(b)) < 2:
            yield f"factors have shapes {a} and {b}, matrices have two axes or more"
            return
        if a[:-2] != b[:-2] or a[-1] != b[-2]:
            yield f"{a} and {b} do not line up: [.., n, k] times [.., k, m]"
        elif (shape := (*a[:-1], b[-1])) != result:
            yield f"{a} times {b} gives {shape}, but the result has {result}"
        elif (products := prod(result) * self.length) > MOST_SUMS:
            yield f"it takes {products} products, at most {MOST_SUMS}"
        else:
            yield from _type_problems(self)

    @property
    def length(self) -> int:
        """Products that a result is the sum of."""
        return self.a.shape[-1]

    def range(self) -> tuple[int, int]:
        """Return bounds of every sum, on the way too, from the types of integer factors."""
        low, high = _range(self)
        return self.length * low, self.length * high

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        wide = np.int64 if isinstance(self.result.type, IntType) else np.float64
        total = np.matmul(*(array.astype(wide) for array in operands))
        return (total.astype(dtype_of(self.result.type)),)


def _type_problems(op: Multiply | MatMul) -> Iterator[str]:
    if isinstance(op.result.type, FloatType):
        return
    if not all(isinstance(value.type, IntType) for value in op.operands):
        yield f"result is {op.result.type}, so both factors must be integers"
        return
    low, high = op.range()
    if not op.result.type.holds(low, high):
        yield f"{op.label} spans {low}..{high}, too wide for {op.result.type}"


def _range(op: Multiply | MatMul) -> tuple[int, int]:
    assert isinstance(op.a.type, IntType)
    assert isinstance(op.b.type, IntType)
    return product_range(op.a.type, op.b.type)


def product_range(a: IntType, b: IntType) -> tuple[int, int]:
    """Return bounds of a product; zero is between them, as it is in every type."""
    ends = [x * y for x in (a.min, a.max) for y in (b.min, b.max)]
    return min(ends), max(ends)
