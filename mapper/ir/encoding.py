"""How a signed weight is written on cells: ``w = offset + sum_s significance_s * u_s``."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from mapper.diagnostics import many
from mapper.ir.core import Array, Part
from mapper.ir.limits import MOST_CELL_BITS

Kind = Literal["twos-complement", "offset-binary", "differential", "binary", "ternary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingForm:
    """A way to write weights; what it needs is in the docstring of ``Encoding``."""

    widths: tuple[int, int]
    """Narrowest and widest weights, in bits."""
    sign: Literal["slice", "offset", "pair"]
    """Where the sign is: a bit-slice of its own, an offset to every weight, a pair of bitlines."""
    alphabet: tuple[int, ...] = ()
    """The weights, evenly spaced, where they are these few and no others."""


ENCODINGS: Mapping[Kind, EncodingForm] = {
    "twos-complement": EncodingForm(widths=(2, 16), sign="slice"),
    "offset-binary": EncodingForm(widths=(2, 16), sign="offset"),
    "differential": EncodingForm(widths=(1, 16), sign="pair"),
    "binary": EncodingForm(widths=(1, 1), sign="offset", alphabet=(-1, 1)),
    "ternary": EncodingForm(widths=(2, 2), sign="offset", alphabet=(-1, 0, 1)),
}
"""Every kind. A weight of one bit is -1 or 1 in all that take one, and never 0."""


def greatest_weight(weight_bits: int) -> int:
    """Return the end of the range that weights are quantised to: 1, 1, 3, 7 for 1 to 4 bits."""
    return max(1, (1 << (weight_bits - 1)) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding(Part):
    """A ``weight_bits``-bit signed weight on cells of ``cell_bits`` bits.

    - ``twos-complement``: the lower ``weight_bits - 1`` bits in digits of a cell, lowest first,
      then the sign bit alone in a slice of significance ``-2**(weight_bits - 1)``.
    - ``offset-binary``: ``w + 2**(weight_bits - 1)`` in digits; ``offset`` takes it back.
    - ``differential``: the magnitude in digits on pairs of bitlines, ``u = u_plus - u_minus``; only
      one cell of a pair is on. The range is symmetric. A weight of one bit, -1 or 1, always has
      one cell on; weights of two bits are ternary.
    - ``binary``: -1 or 1 on one cell: ``w = 2u - 1``.
    - ``ternary``: -1, 0 or 1 without pairs: ``w + 1`` in digits, one cell of three levels.

    A digit takes as many values as a cell has levels. Digits are bits where these are a power of
    two; of cells of three levels they are those of base 3, with significances 1, 3, 9.

    Example:
        >>> Encoding(kind="offset-binary", weight_bits=4, cell_bits=2, cell_levels=3).significances
        (1, 3, 9)
    """

    kind: Kind
    weight_bits: int
    cell_bits: int
    cell_levels: int = 0
    """Levels of a cell that are not ``2**cell_bits``, but fewer; 0 where they are."""

    @property
    def form(self) -> EncodingForm:
        """What all weights of this kind have in common."""
        return ENCODINGS[self.kind]

    @property
    def pairs(self) -> bool:
        """Whether a digit is on two bitlines, and signed."""
        return self.form.sign == "pair"

    @property
    def base(self) -> int:
        """Levels of a cell: what digits count in."""
        return self.cell_levels or 1 << self.cell_bits

    @property
    def codes(self) -> int:
        """Codes ``0 .. codes - 1`` that are cut into digits."""
        if self.form.alphabet:
            return len(self.form.alphabet)
        bits = self.weight_bits - (self.form.sign != "offset")
        return 1 << max(1, bits)

    @property
    def code_step(self) -> int:
        """What one code more adds to a weight."""
        return self.form.alphabet[1] - self.form.alphabet[0] if self.form.alphabet else 1

    @property
    def places(self) -> tuple[int, ...]:
        """What the digits of a code count, lowest first: powers of ``base``."""
        return _places(self.base, self.codes)

    @property
    def significances(self) -> tuple[int, ...]:
        """What each bit-slice counts, lowest first."""
        return _significances(self)

    @property
    def offset(self) -> int:
        if self.form.alphabet:
            return self.form.alphabet[0]
        return -(1 << (self.weight_bits - 1)) if self.form.sign == "offset" else 0

    @property
    def bitlines_per_slice(self) -> int:
        return 2 if self.pairs else 1

    @property
    def bitlines_per_weight(self) -> int:
        return self.bitlines_per_slice * len(self.significances)

    @property
    def digit_max(self) -> int:
        return min(self.base, self.codes) - 1

    @property
    def digit_min(self) -> int:
        return -self.digit_max if self.pairs else 0

    @property
    def weight_min(self) -> int:
        if self.pairs or self.form.alphabet:
            return -self.weight_max
        return -(1 << (self.weight_bits - 1))

    @property
    def weight_max(self) -> int:
        return greatest_weight(self.weight_bits)

    @property
    def holds_zero(self) -> bool:
        return self.weight_bits > 1

    @property
    def cells(self) -> str:
        """Say in words what weights are on: ``1-bit cells``, ``3-level cells``."""
        return (
            f"{self.cell_levels}-level cells" if self.cell_levels else f"{self.cell_bits}-bit cells"
        )

    def form_problems(self) -> Iterator[str]:
        """Yield why there is no such encoding, whatever the weights are."""
        least, most = self.form.widths
        if not least <= self.weight_bits <= most:
            word = "" if least == most else "at least " if self.weight_bits < least else "at most "
            takes = many(least if self.weight_bits < least else most, "bit")
            yield f"{self.kind} weights have {word}{takes}, got {self.weight_bits}"
        yield from cell_problems(self.cell_bits, self.cell_levels)

    def problems(self, weight: Array) -> Iterator[str]:
        """Yield why integer weights cannot be written in this encoding."""
        yield from (wrong := list(self.form_problems()))
        if wrong:
            return
        low, high = int(weight.min(initial=0)), int(weight.max(initial=0))
        if low < self.weight_min or high > self.weight_max:
            yield (
                f"weights span {low}..{high}, but {self.weight_bits}-bit {self.kind} holds "
                f"{self.weight_min}..{self.weight_max}"
            )
        elif not self.holds_zero and not weight.all():
            zeros = weight.size - np.count_nonzero(weight)
            yield f"{zeros} of {weight.size} weights are 0, 1-bit {self.kind} holds -1 and 1"

    def digits(self, weight: Array, dtype: npt.DTypeLike = np.int64) -> Array:
        """Return ``u_s`` of an integer array, one slice per leading index: ``[S, *shape]``.

        They are less than ``base`` and can be had in any ``dtype`` of numbers that holds it.
        """
        found = np.empty((len(self.significances), *weight.shape), dtype)
        for s, level in enumerate(self._slices(weight)):
            found[s] = level
        return found * np.sign(weight).astype(dtype) if self.pairs else found

    def levels(self, weight: Array) -> Array:
        """Return the conductance levels of all cells of each weight, added up.

        They take 8 bits where they can: they are at most 16 in cells of one bit, 60 in cells of
        four.
        """
        most = self.digit_max * len(self.significances)
        total = np.zeros(weight.shape, np.uint8 if most < 256 else np.uint16)
        for level in self._slices(weight):
            np.add(total, level, out=total, casting="unsafe")
        return total

    def code(self, weight: Array) -> Array:
        """Return the unsigned code of each weight: what is cut into digits, signs apart.

        Worked out in no wider a type than codes need: a layer has millions of weights. Unsigned
        integers wrap around, so that a negative weight becomes its code.
        """
        narrow = np.uint8 if self.weight_bits <= 8 else np.uint16
        held = np.abs(weight) if self.pairs else weight
        code: Array = held.astype(narrow) + -self.offset
        if self.code_step > 1:
            return code // self.code_step
        return code if self.form.alphabet else code & (self.codes - 1)

    def word(self, weight: Array) -> Array:
        """Return the unsigned code of each weight, below its sign bit where that has a slice."""
        code = self.code(weight)
        if self.form.sign != "slice":
            return code
        return np.asarray(code | ((weight < 0).astype(code.dtype) << (self.weight_bits - 1)))

    def _slices(self, weight: Array) -> Iterator[Array]:
        """Yield the level of each weight's cell in one slice after the other, sign apart."""
        code, full = self.code(weight), self.base - 1
        for place in self.places:
            if self.cell_levels:
                yield code // place % self.base
            else:
                yield (code >> (place.bit_length() - 1)) & full
        if self.form.sign == "slice":
            yield weight < 0


@lru_cache(maxsize=1024)
def _significances(encoding: Encoding) -> tuple[int, ...]:
    digits = tuple(encoding.code_step * place for place in encoding.places)
    return (*digits, -encoding.codes) if encoding.form.sign == "slice" else digits


@lru_cache(maxsize=1024)
def _places(base: int, codes: int) -> tuple[int, ...]:
    found = [1]
    while found[-1] * base < codes:
        found.append(found[-1] * base)
    return tuple(found)


def cell_problems(cell_bits: int, cell_levels: int) -> Iterator[str]:
    """Yield why there are no cells of so many bits, or levels."""
    if not 1 <= cell_bits <= MOST_CELL_BITS:
        yield f"cells have 1..{MOST_CELL_BITS} bits, got {cell_bits}"
    elif cell_levels and not 1 << (cell_bits - 1) < cell_levels < 1 << cell_bits:
        low, high = (1 << (cell_bits - 1)) + 1, (1 << cell_bits) - 1
        takes = f"{low}..{high}, or left out" if low <= high else "left out"
        yield f"cell_levels of {cell_bits}-bit cells is {takes}, got {cell_levels}"
