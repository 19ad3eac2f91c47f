"""What a graph is made of: types, values, states, and the base of every op."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import Field, dataclass, fields
from functools import cache
from typing import Any, ClassVar, cast, get_args

import numpy as np
import numpy.typing as npt

from mapper.ir.tokens import quoted_name

Array = npt.NDArray[Any]
Constants = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class IntType:
    """An integer of ``bits`` bits; two's complement where ``signed``."""

    bits: int
    signed: bool

    @property
    def min(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def max(self) -> int:
        return (1 << (self.bits - self.signed)) - 1

    def holds(self, low: int, high: int) -> bool:
        """Say whether every integer in ``low..high`` (both included) fits."""
        return self.min <= low and high <= self.max

    @classmethod
    def spanning(cls, low: int, high: int) -> "IntType":
        """Return the narrowest type that holds ``low..high``."""
        if low >= 0:
            return cls(max(1, int(high).bit_length()), signed=False)
        return cls(1 + max(int(-low - 1).bit_length(), int(max(high, 0)).bit_length()), signed=True)

    def __str__(self) -> str:
        return f"{'i' if self.signed else 'u'}{self.bits}"


@dataclass(frozen=True, slots=True)
class FloatType:
    """IEEE 754 single precision: what a trained network is written in."""

    def __str__(self) -> str:
        return "f32"


Type = IntType | FloatType
FLOAT = FloatType()
SPIKE = IntType(1, signed=False)
EXACT_SINGLE, EXACT_DOUBLE = 1 << 24, 1 << 53
"""Integers below these, and their sums while they stay below, are exact in single and double
precision."""

INT64 = IntType(64, signed=True)
"""Not a hardware width: the carrier of integer parameters while they are looked at."""


def dtype_of(type: Type) -> npt.DTypeLike:
    """Return the NumPy dtype that carries a type: widths are proved by ops, never by NumPy."""
    return np.int64 if isinstance(type, IntType) else np.float32


@dataclass(frozen=True, slots=True)
class Value:
    """A named tensor of one time step and one sample; ``shape`` has no batch axis."""

    name: str
    type: Type
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"%{quoted_name(self.name)}: {self.type}[{','.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class Const:
    """A reference to ``graph.constants[name]``; constants have no batch axis."""

    name: str

    def __str__(self) -> str:
        return f"@{quoted_name(self.name)}"


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range ``start:stop`` of wordlines, outputs or crossbar slots."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def slice(self) -> slice:
        return slice(self.start, self.stop)

    def split(self, size: int) -> tuple["Span", ...]:
        """Cut into spans of ``size``; the last one may be shorter."""
        starts = range(self.start, self.stop, size)
        return tuple(Span(s, min(s + size, self.stop)) for s in starts)

    def __str__(self) -> str:
        return f"{self.start}:{self.stop}"


Scalar = float | int | Const
"""A parameter: one number for the whole layer, or a constant that broadcasts to its shape."""


def param(constants: Constants, scalar: Scalar, type: Type) -> Array:
    """Return a parameter as an array of the dtype that carries ``type``."""
    raw = constants[scalar.name] if isinstance(scalar, Const) else scalar
    return np.asarray(raw, dtype=dtype_of(type))


def greatest_of(array: Array) -> int:
    """Return the greatest magnitude in an array of integers: NumPy's of ``-2**63`` is negative."""
    return max(int(array.max(initial=0)), -int(array.min(initial=0)))


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A value kept between time steps: ``read`` at the start, then the value named ``next``."""

    read: Value
    next: str
    initial: Scalar = 0
    output: str = ""
    """Name under which the source model returns the state after a step; empty if it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """How an integer port relates to the model's real numbers: ``real = scale * code + offset``."""

    scale: Scalar = 1.0
    offset: Scalar = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """One operation of one time step. Subclasses are its data, its rules and its meaning.

    Every field of type ``Value`` that is named in ``RESULTS`` is written by the op; every
    other ``Value`` (alone or in a tuple) is read by it, in field order.
    """

    mnemonic: ClassVar[str] = ""
    RESULTS: ClassVar[tuple[str, ...]] = ("result",)

    label: ClassVar[str] = ""
    """What people call it, where the mnemonic does not say it."""
    passes_on: ClassVar[bool] = False
    """Every element of the result is an element of an operand: moved, repeated or chosen."""
    merges_spikes: ClassVar[bool] = False
    """A gate for each spike: spikes in, spikes out, nothing counted."""
    inside_layer: ClassVar[bool] = False
    """Between the wordlines of a crossbar layer and its shift-and-add."""

    loc: str = ""
    """The node of the source model that the op comes from."""

    @property
    def operands(self) -> tuple[Value, ...]:
        kind: Any = type(self)
        return _held(self, _operand_fields(kind))

    @property
    def results(self) -> tuple[Value, ...]:
        kind: Any = type(self)
        return _held(self, _result_fields(kind))

    @property
    def constants(self) -> tuple[Const, ...]:
        """Every constant the op refers to, also inside nested parts such as ``Decay``."""
        kind: Any = type(self)
        named = _constant_fields(kind)
        return tuple(_constants_in(getattr(self, name) for name in named)) if named else ()

    def verify(self, constants: Constants) -> Iterator[str]:
        """Yield every broken rule, with both numbers. Never raises, never repairs."""
        raise NotImplementedError  # every op states its rules

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        """Define the op: arrays ``[B, *shape]`` in, one array per result out."""
        raise NotImplementedError  # every op has a meaning


def holds_values(spec: Field[Any]) -> bool:
    """Say whether a field of an op is an operand or a result, and not an attribute."""
    return Value in (spec.type, *get_args(spec.type))


@cache
def _operand_fields(kind: type[Any]) -> tuple[str, ...]:
    return tuple(name for name in _value_fields(kind) if name not in kind.RESULTS)


@cache
def _result_fields(kind: type[Any]) -> tuple[str, ...]:
    return tuple(name for name in _value_fields(kind) if name in kind.RESULTS)


def _value_fields(kind: type[Any]) -> tuple[str, ...]:
    """Name the fields of a kind of op that hold its results and its operands, in their order."""
    return tuple(spec.name for spec in fields(kind) if holds_values(spec))


def _held(op: Op, names: tuple[str, ...]) -> tuple[Value, ...]:
    """Return the values in some fields of an op: alone, in tuples, or left out."""
    if len(names) == 1 and type(only := getattr(op, names[0])) is Value:
        return (only,)  # most ops, and asked for at every step of every pass
    found: list[Value] = []
    for name in names:
        held = getattr(op, name)
        if type(held) is Value:
            found.append(held)
        elif held:
            found.extend(held)
    return tuple(found)


def _constants_in(items: Iterable[object]) -> Iterator[Const]:
    for item in items:
        if isinstance(item, Const):
            yield item
        elif isinstance(item, tuple):
            yield from _constants_in(item)
        elif isinstance(item, Part):
            yield from _constants_in(
                getattr(item, name) for name in _constant_fields(cast(Any, type(item)))
            )


@cache
def _constant_fields(kind: type[Any]) -> tuple[str, ...]:
    """Name the fields of a kind of op or part that may hold constants, at any depth."""
    return tuple(spec.name for spec in fields(kind) if _may_hold_constants(spec.type))


def _may_hold_constants(hint: Any) -> bool:
    if hint is Const or hint is Any:
        return True
    if isinstance(hint, type) and issubclass(hint, Part):
        return bool(_constant_fields(cast(Any, hint)))
    return any(map(_may_hold_constants, get_args(hint)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A group of fields inside an op that belong together, such as how a membrane leaks."""
