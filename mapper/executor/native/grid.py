"""Cells and references of a layer in whole numbers, as small as they are exact.

The cells of a die count in units of ``2**-fraction``. Where all of them are multiples of a larger
unit, sums are too, and ``P >= T`` is ``P / unit >= ceil(T / unit)``: a die whose cells are whole
digits is compared as digits are, and what its references lack of whole numbers is rounded up.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from mapper.ir.bounds import bitline_products
from mapper.ir.copies import by_copy
from mapper.ir.core import INT64, Array, Const, Constants, param
from mapper.ir.crossbar import cell_sum_range
from mapper.ir.readout import AdcRead, SenseAmpRead
from mapper.ir.units import CrossbarLayer

Form = Literal["DIGITS", "SIGNED", "HALVES"]
"""Digits from 0 on; -1, 0 and 1; or -1 and 1 alone: bits twice, less the driven wordlines."""


@dataclass(frozen=True, kw_only=True)
class Grid:
    """What columns add up and what they are compared with, in units of one number.

    Axes are copies (1 where all are alike), then those of ``mapper.ir.crossbar``.
    """

    layer: CrossbarLayer
    constants: Constants
    shift: int
    """Bits of a die's fraction and digits that every sum has as zeros: they are left out."""
    digits: tuple[int, int]
    """Bounds of a cell."""
    form: Form

    @property
    def bits(self) -> int:
        """Bits of the greatest digit."""
        return max(1, self.digits[1].bit_length())

    @cached_property
    def bound(self) -> int:
        """The greatest magnitude of a partial sum, and of every sum on the way to it."""
        mvm = self.layer.mvm
        if mvm.cells is None:
            return bitline_products(mvm, self.constants).bound
        tallest = max(len(rows) for rows in mvm.cell_rows)
        most = tallest * max(-self.digits[0], self.digits[1])
        if most < _SURELY_HALF:
            return most
        ends = cell_sum_range(self._cells, mvm.cell_rows, mvm.most_driven)
        return max(-ends[0], ends[1]) >> self.shift

    @property
    def _cells(self) -> Array:
        """The cells of a die, only those of the first copy where there is one position."""
        assert self.layer.mvm.cells is not None
        held = self.constants[self.layer.mvm.cells.name]
        return held if self.layer.mvm.window else held[:1]

    @property
    def cell_copies(self) -> int:
        return 1 if self.layer.mvm.cells is None else len(self._cells)

    def stored(self, wordlines: slice) -> Array:
        """Return cells of some wordlines as they are: of a die, or digits.

        They are ``int16`` or ``int32 [C | 1, S, K, N]``.
        """
        mvm = self.layer.mvm
        if mvm.cells is not None:
            held = self._cells[:, :, wordlines]
        elif mvm.encoding is None:
            held = self.constants[mvm.weight.name][None, None, wordlines]
        else:
            weight = self.constants[mvm.weight.name][wordlines]
            held = mvm.encoding.digits(weight, np.int16)[None]
        kind = np.int16 if held.dtype.itemsize < 2 or held.dtype == np.int16 else np.int32
        return np.ascontiguousarray(held, dtype=kind)

    @property
    def is_whole(self) -> bool:
        """Whether a weight is what its cells and the offset come to, as on every ideal chip."""
        mvm, add = self.layer.mvm, self.layer.add
        significances = (1,) if mvm.encoding is None else mvm.encoding.significances
        return mvm.cells is None and add.significances == significances

    @property
    def _beside_weight(self) -> int:
        """What a driven wordline adds beside its weight, where ``is_whole``."""
        encoding = self.layer.mvm.encoding
        return self.layer.add.offset - (0 if encoding is None else encoding.offset)

    @cached_property
    def most_whole(self) -> int:
        """The greatest magnitude of what a driven wordline adds, one slice or all in one."""
        weight = self.constants[self.layer.mvm.weight.name]
        ends = (int(weight.min(initial=0)), int(weight.max(initial=0)))
        return max(*(abs(end + self._beside_weight) for end in ends), *map(abs, ends))

    @property
    def whole_fits(self) -> int:
        """How many driven wordlines surely add up to a number of 16 bits; a multiple of four."""
        return _HALF // max(1, self.most_whole) // 4 * 4

    def whole(self, wordlines: slice) -> Array:
        """Return what some wordlines add, all slices and the offset in one: ``int16 [1, 1, K, N]``.

        They fit where ``most_whole`` does.
        """
        weight = self.constants[self.layer.mvm.weight.name][wordlines]
        return np.ascontiguousarray(weight.astype(np.int16) + self._beside_weight)[None, None]

    @property
    def reference_copies(self) -> int:
        return max(self._by_table)

    @property
    def copies(self) -> int:
        return max(self.cell_copies, self.reference_copies)

    @property
    def differing_copies(self) -> list[int]:
        """Numbers of copies that cells and tables are of: at most one if they belong together."""
        return sorted({self.cell_copies, *self._by_table} - {1})

    @cached_property
    def _by_table(self) -> list[int]:
        return [len(self.table(name)) for name in self._tables]

    @property
    def _tables(self) -> tuple[str, ...]:
        sensed = isinstance(self.layer.read, SenseAmpRead)
        return ("thresholds",) if sensed else ("first", "width", "step", "base")

    def table(self, name: str) -> Array:
        """Return a table of the readout as it is, ``[C | 1, ...]``; copies lead thresholds too."""
        read, axes = self.layer.read, 3
        if isinstance(read, SenseAmpRead):
            held, axes = np.moveaxis(self.constants[read.thresholds.name], 0, -1), 4
        else:
            scalar: int | Const = read.spacing if name == "width" else getattr(read, name)
            held = np.atleast_3d(param(self.constants, scalar, INT64))
        found = by_copy(held.astype(np.int64), axes)
        return found if self.layer.mvm.window else found[:1]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Row blocks, bit-slices and outputs."""
        mvm = self.layer.mvm
        return len(mvm.rows), len(self.layer.add.significances), mvm.outputs

    @cached_property
    def thresholds(self) -> Array:
        """Return what sums are compared with, ``[L, C | 1, G, S, N]``, in units of this grid.

        Those of bits that are counted twice are for ``2c - n``, of ``n`` driven wordlines.
        """
        table = np.moveaxis(self.table("thresholds"), -1, 0)
        table = 2 * table if self.doubled else table
        full = np.broadcast_to(table, (*table.shape[:2], *self.shape))
        return full if self.noisy else -(-full >> self.shift)

    @property
    def noise(self) -> Array:
        """The ascending numbers of which each read adds one, in the layer's own units."""
        assert self.layer.read.noise is not None
        return self.constants[self.layer.read.noise.name]

    @property
    def noise_steps(self) -> int:
        """By how many units of this grid noise may tell two reads of a sum apart."""
        return -(-(int(self.noise[-1]) - int(self.noise[0])) >> self.shift)

    @property
    def noisy(self) -> bool:
        """Whether sums are read with noise: in the layer's own units, as references are."""
        return self.layer.read.noise is not None

    @property
    def doubled(self) -> bool:
        """Whether references are for half of the sums: those of a layer that follow activity."""
        return self.layer.half_active

    @property
    def half_full(self) -> int:
        """What a driven wordline takes off sums that are doubled; 0 where they are not."""
        if isinstance(self.layer.read, SenseAmpRead) and self.layer.half_active:
            return self.layer.read.full_level
        return int(self.form == "HALVES")

    def converter(self) -> tuple[Array, Array, Array, Array]:
        """Return first threshold, width, step and base of ADCs, ``[C | 1, G, S, N]`` each."""
        copies = self.reference_copies
        first, width, step, base = (
            np.broadcast_to(self.table(name), (copies, *self.shape)) for name in self._tables
        )
        if self.noisy:
            return first, width, step, base
        return -(-first >> self.shift), width >> self.shift, step, base


_HALF = (1 << 15) - 1
_SURELY_HALF = 32_000
"""Below it a sum has 16 bits, however loose the bound is."""


def grid_of(layer: CrossbarLayer, constants: Constants) -> Grid:
    """Look at a layer's cells and choose the unit of their sums."""
    mvm, read = layer.mvm, layer.read
    if mvm.cells is None:
        return _of_weights(layer, constants)
    cells = constants[mvm.cells.name]
    low, high = int(cells.min(initial=0)), int(cells.max(initial=0))
    held = int(np.bitwise_or.reduce(cells, axis=None))
    if isinstance(read, AdcRead) and read.noise is None:
        widths = np.atleast_1d(param(constants, read.spacing, INT64))
        held |= int(np.bitwise_or.reduce(widths, axis=None))
    shift = 0 if layer.half_active or not held else (held & -held).bit_length() - 1
    low, high = low >> shift, high >> shift
    form: Form = "SIGNED" if low < 0 else "DIGITS"
    if (low, high) == (-1, 1) and read.noise is None and np.count_nonzero(cells) == cells.size:
        form = "HALVES"
    return Grid(layer=layer, constants=constants, shift=shift, digits=(low, high), form=form)


def _of_weights(layer: CrossbarLayer, constants: Constants) -> Grid:
    encoding = layer.mvm.encoding
    if encoding is None:
        weight = constants[layer.mvm.weight.name]
        digits = (int(weight.min(initial=0)), int(weight.max(initial=0)))
    else:
        digits = (encoding.digit_min, encoding.digit_max)
    form: Form = "SIGNED" if digits[0] < 0 else "DIGITS"
    if layer.half_active and layer.read.noise is None:
        assert isinstance(layer.read, SenseAmpRead)
        form = "HALVES" if layer.read.full_level == 1 and digits == (0, 1) else form
    return Grid(layer=layer, constants=constants, shift=0, digits=digits, form=form)
