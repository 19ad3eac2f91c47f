"""Values of some time steps in the forms that kernels, packed logic and NumPy work on.

- packed: ``uint64 [bits, T, B, H, W, words]``, channel ``c`` in bit ``c % 64`` of word ``c // 64``,
  lowest bit plane first; bits past the last channel are zero.
- last: ``int32 [T, B, H, W, C]``, channels fastest.
- dense: ``[T, B, *shape]``, as everywhere else; ``int64`` once it is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from mapper.ir.core import Array, IntType, Value
from mapper.ir.planes import Plane, UnaryStep
from mapper.kernels import core

Layout = tuple[int, int, int]


def layout(shape: tuple[int, ...]) -> Layout:
    """Return channels, height and width: what is no image is a vector of channels."""
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else (prod(shape), 1, 1)


def words(channels: int) -> int:
    return -(-channels // 64)


@dataclass(slots=True)
class Held:
    """One value over ``T`` steps and ``B`` samples, in one form or more."""

    value: Value
    packed: Array | None = None
    last: Array | None = None
    dense: Array | None = None

    @property
    def type(self) -> IntType:
        assert isinstance(self.value.type, IntType)
        return self.value.type

    @property
    def leading(self) -> tuple[int, int]:
        """Time steps and samples."""
        if self.packed is not None:
            return self.packed.shape[1], self.packed.shape[2]
        held = self.last if self.last is not None else self.dense
        assert held is not None
        return held.shape[0], held.shape[1]

    def as_packed(self) -> Array:
        if self.packed is None:
            self.packed = pack(np.ascontiguousarray(self.as_dense()), self.value)
            assert self.packed is not None
        return self.packed

    def as_read(self, planes: Sequence[Plane]) -> Array:
        """Return what each read takes, ``uint64 [planes, T, B, H, W, words]``: bits, or steps."""
        packed = self.as_packed()
        if not isinstance(planes[0], UnaryStep):
            return np.ascontiguousarray(packed)
        steps = (plane.level for plane in planes if isinstance(plane, UnaryStep))
        return np.stack([_climbed(packed, self.type.signed, level) for level in steps])

    def as_channels_last(self) -> Array:
        """Return ``[T, B, H, W, C]`` of any integer type."""
        if self.last is not None:
            return self.last
        dense = self.as_dense() if self.dense is None else self.dense
        channels, height, width = layout(self.value.shape)
        return dense.reshape(*self.leading, channels, height, width).transpose(0, 1, 3, 4, 2)

    def as_dense(self) -> Array:
        if self.dense is None:
            self.dense = self._turned() if self.packed is None else unpack(self.packed, self.value)
        if self.dense.dtype != np.int64:
            self.dense = self.dense.astype(np.int64)
        return self.dense

    def _turned(self) -> Array:
        assert self.last is not None
        images = np.ascontiguousarray(self.last.transpose(0, 1, 4, 2, 3))
        return images.reshape(*self.leading, *self.value.shape)

    def flat(self) -> "Held":
        """Return the same elements, in the same order, as a vector."""
        return self.reshaped(replace(self.value, shape=(prod(self.value.shape),)))

    def reshaped(self, value: Value) -> "Held":
        """Return the same elements, in the same order, as a value of another shape."""
        shape = (*self.leading, *value.shape)
        if layout(self.value.shape) != layout(value.shape):
            return Held(value, dense=self.as_dense().reshape(shape))
        dense = None if self.dense is None else self.dense.reshape(shape)
        return Held(value, self.packed, self.last, dense)

    def steps(self, first: int, last: int) -> "Held":
        """Return some of the time steps."""
        return Held(
            self.value,
            None if self.packed is None else self.packed[:, first:last],
            None if self.last is None else self.last[first:last],
            None if self.dense is None else self.dense[first:last],
        )


def joined(parts: Sequence[Held]) -> Held:
    """Put time steps one after the other."""
    value = parts[0].value
    if all(part.packed is not None for part in parts):
        return Held(value, packed=np.concatenate([part.as_packed() for part in parts], axis=1))
    if all(part.last is not None for part in parts):
        return Held(value, last=np.concatenate([part.as_channels_last() for part in parts]))
    return Held(value, dense=np.concatenate([part.as_dense() for part in parts]))


def pack(
    codes: Array, value: Value, low: int | None = None, high: int | None = None
) -> Array | None:
    """Pack two's complement codes ``int64 [T, B, *shape]`` into bit planes.

    Returns None where one is not from ``low`` to ``high``, the range of the type by default.
    """
    assert isinstance(value.type, IntType)
    steps, batch = codes.shape[:2]
    channels, height, width = layout(value.shape)
    planes = value.type.bits
    packed = np.empty((planes, steps, batch, height, width, words(channels)), np.uint64)
    sizes = (planes, steps * batch, height * width, channels)
    bounds = (value.type.min if low is None else low, value.type.max if high is None else high)
    arrays = {"numbers": codes, "bits": packed}
    return packed if core.pack(core.best_level(), arrays, *sizes, *bounds) else None


def _climbed(packed: Array, signed: bool, level: int) -> Array:
    """Return which packed codes are above a level, from 0, or at most one below 0.

    Bits are compared from the lowest to the highest; of two negative codes they rise alike.
    """
    *bits, sign = packed if signed else (*packed, np.zeros_like(packed[0]))
    above = np.zeros_like(sign)
    for place, bit in enumerate(bits):
        above = bit & above if level >> place & 1 else bit | above
    return np.asarray(above & ~sign if level >= 0 else sign & ~above)


def unpack(packed: Array, value: Value) -> Array:
    """Undo ``pack``: ``int64 [T, B, *shape]``."""
    assert isinstance(value.type, IntType)
    planes, steps, batch, height, width = packed.shape[:5]
    dense = np.empty((steps, batch, *value.shape), np.int64)
    sizes = (steps * batch, height * width, layout(value.shape)[0], int(value.type.signed))
    arrays = {"bits": np.ascontiguousarray(packed), "numbers": dense}
    core.unpack(core.best_level(), arrays, planes, *sizes)
    return dense
