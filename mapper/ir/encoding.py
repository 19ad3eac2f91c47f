"""How a signed weight is written on cells: ``w = offset + sum_s significance_s * u_s``."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mapper.ir.core import Array, Part

Kind = Literal["twos-complement", "offset-binary", "differential"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding(Part):
    """A ``weight_bits``-bit signed weight on cells of ``cell_bits`` bits.

    - ``twos-complement``: the lower ``weight_bits - 1`` bits in digits of ``cell_bits``, lowest
      first, then the sign bit alone in a slice of significance ``-2**(weight_bits - 1)``.
    - ``offset-binary``: ``w + 2**(weight_bits - 1)`` in digits; ``offset`` takes it back.
    - ``differential``: the ``weight_bits - 1`` magnitude bits in digits on pairs of bitlines,
      ``u = u_plus - u_minus``; only one cell of a pair is on. The range is symmetric.
    """

    kind: Kind
    weight_bits: int
    cell_bits: int

    @property
    def magnitude_bits(self) -> int:
        """Bits cut into digits of ``cell_bits``."""
        return self.weight_bits - (self.kind != "offset-binary")

    @property
    def significances(self) -> tuple[int, ...]:
        """What each bit-slice counts, lowest first."""
        digits = tuple(1 << shift for shift in range(0, self.magnitude_bits, self.cell_bits))
        if self.kind == "twos-complement":
            return (*digits, -(1 << self.magnitude_bits))
        return digits

    @property
    def offset(self) -> int:
        return -(1 << (self.weight_bits - 1)) if self.kind == "offset-binary" else 0

    @property
    def bitlines_per_slice(self) -> int:
        return 2 if self.kind == "differential" else 1

    @property
    def bitlines_per_weight(self) -> int:
        return self.bitlines_per_slice * len(self.significances)

    @property
    def digit_max(self) -> int:
        return (1 << min(self.cell_bits, self.magnitude_bits)) - 1

    @property
    def digit_min(self) -> int:
        return -self.digit_max if self.kind == "differential" else 0

    @property
    def weight_min(self) -> int:
        return -(1 << (self.weight_bits - 1)) + (self.kind == "differential")

    @property
    def weight_max(self) -> int:
        return (1 << (self.weight_bits - 1)) - 1

    def problems(self, weight: Array) -> Iterator[str]:
        """Yield why integer weights cannot be written in this encoding."""
        if not 2 <= self.weight_bits <= 16 or self.cell_bits not in (1, 2, 4):
            yield f"{self.weight_bits}-bit weights on {self.cell_bits}-bit cells are not supported"
        low, high = int(weight.min(initial=0)), int(weight.max(initial=0))
        if low < self.weight_min or high > self.weight_max:
            yield (
                f"weights span {low}..{high}, but {self.weight_bits}-bit {self.kind} holds "
                f"{self.weight_min}..{self.weight_max}"
            )

    def digits(self, weight: Array, dtype: npt.DTypeLike = np.int64) -> Array:
        """Return ``u_s`` of an integer array, one slice per leading index: ``[S, *shape]``.

        They are at most 15 and can be had in any ``dtype`` of numbers.
        """
        found = np.empty((len(self.significances), *weight.shape), dtype)
        for s, level in enumerate(self._slices(weight)):
            found[s] = level
        return found * np.sign(weight).astype(dtype) if self.kind == "differential" else found

    def levels(self, weight: Array) -> Array:
        """Return the conductance levels of all cells of each weight, added up, in 8 bits.

        They are at most 16 in cells of one bit, and 60 in cells of four.
        """
        total = np.zeros(weight.shape, np.uint8)
        for level in self._slices(weight):
            np.add(total, level, out=total, casting="unsafe")
        return total

    def _slices(self, weight: Array) -> Iterator[Array]:
        """Yield the level of each weight's cell in one slice after the other, sign apart.

        Worked out in no wider a type than codes need: a layer has millions of weights. Unsigned
        integers wrap around, so that a negative weight becomes its code.
        """
        narrow = np.uint8 if self.weight_bits <= 8 else np.uint16
        held = np.abs(weight) if self.kind == "differential" else weight
        code: Array = held.astype(narrow) + -self.offset
        code = code & ((1 << self.magnitude_bits) - 1)
        full = (1 << self.cell_bits) - 1
        for shift in range(0, self.magnitude_bits, self.cell_bits):
            yield (code >> shift) & full
        if self.kind == "twos-complement":
            yield weight < 0
