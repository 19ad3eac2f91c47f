"""Which number types a crossbar layer may be computed in, with the bounds that prove it."""

from dataclasses import dataclass
from math import prod

import numpy as np

from mapper.ir.core import (
    EXACT_DOUBLE,
    EXACT_SINGLE,
    INT64,
    Array,
    Const,
    Constants,
    IntType,
    param,
)
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.noise import noise_reach
from mapper.ir.readout import SenseAmpRead
from mapper.ir.units import CrossbarLayer


@dataclass(frozen=True, slots=True)
class Products:
    """A type in which sums of products are exact: those that stay within ``low..high``."""

    low: int
    high: int

    @property
    def bound(self) -> int:
        return max(-self.low, self.high)

    @property
    def dtype(self) -> str:
        if self.bound < EXACT_SINGLE:
            return "float32"
        return "float64" if self.bound < EXACT_DOUBLE else "int64"

    @property
    def proof(self) -> str:
        if self.dtype == "int64":
            return f"Sums reach {self.bound}, past 2**53: they are int64."
        power = 24 if self.dtype == "float32" else 53
        return f"Sums stay within {self.low}..{self.high}: exact in {self.dtype}, below 2**{power}."


def bitline_products(mvm: CrossbarMvm, constants: Constants) -> Products:
    """Bound a partial sum, and every sum on the way to it, whatever the inputs are."""
    if mvm.cells is not None:
        return Products(*mvm.sum_range(constants))
    tallest = max(len(rows) for rows in mvm.rows) * mvm.most_driven
    if mvm.encoding is not None:
        return Products(tallest * mvm.encoding.digit_min, tallest * mvm.encoding.digit_max)
    weight = constants[mvm.weight.name]
    low, high = int(weight.min(initial=0)), int(weight.max(initial=0))
    return Products(tallest * low, tallest * high)


def half_active_products(layer: CrossbarLayer, constants: Constants) -> Products:
    """Bound ``2p - n * full``, which is what cells of ``2u - full`` add up to."""
    assert isinstance(layer.read, SenseAmpRead)
    tallest = max(len(rows) for rows in layer.mvm.rows) * layer.mvm.most_driven
    full = layer.read.full_level
    sums = bitline_products(layer.mvm, constants)
    return Products(2 * sums.low - full * tallest, max(0, 2 * sums.high))


def compared_products(layer: CrossbarLayer, constants: Constants) -> Products:
    """Bound what a layer's readout compares or converts."""
    if layer.half_active:
        return half_active_products(layer, constants)
    sums, noise = bitline_products(layer.mvm, constants), noise_reach(layer.read, constants)
    return Products(sums.low - noise, sums.high + noise)


def matrix_products(matrix: Array, x: IntType) -> Products:
    """Bound a sum over all of ``matrix[K, N]``, and every sum on the way to it."""
    greatest = max(-int(matrix.min(initial=0)), int(matrix.max(initial=0)))
    bound = len(matrix) * greatest * max(-x.min, x.max)
    return Products(-bound, bound)


def narrowest(bound: int) -> str:
    """Return the narrowest signed NumPy type that holds ``-bound..bound``."""
    return next(f"int{bits}" for bits in (8, 16, 32, 64) if bound < 1 << (bits - 1))


@dataclass(frozen=True, slots=True)
class Codes:
    """Bounds of a readout's decoded values and of what one row block adds to an output."""

    step: int
    """Bound of every number on the way to a decoded value."""
    block: int
    """Bound of the bit-slices of one row block, weighed and added, offset included."""
    total: int
    """Bound of all row blocks with their scales."""


def code_bounds(layer: CrossbarLayer, constants: Constants) -> Codes:
    """Bound the integers of a layer between its partial sums and its result."""
    step, code = _decoded(layer, constants)
    block = code * sum(abs(s) for s in layer.add.significances)
    tallest = max(len(rows) for rows in layer.mvm.rows) * layer.mvm.most_driven
    block += abs(layer.add.offset) * tallest
    scale = np.abs(param(constants, layer.add.scale, INT64))
    blocks = len(layer.mvm.rows)
    per_block = scale.max(axis=-1, initial=0) if scale.ndim else scale
    total = int(np.broadcast_to(per_block, blocks).sum()) * block
    return Codes(step=step, block=block, total=max(total, int(scale.max(initial=0)), block))


def _decoded(layer: CrossbarLayer, constants: Constants) -> tuple[int, int]:
    """Bound the steps of a readout, and the values it decodes to."""
    read = layer.read
    if isinstance(read, SenseAmpRead):
        code = max(abs(level) for level in read.levels)
        return code, code
    sums = compared_products(layer, constants)
    tables = (read.first, read.spacing, read.step, read.base)
    first, width, step, base = (greatest(constants, table) for table in tables)
    code = base + step * ((1 << read.bits) - 1)
    return max(sums.bound + first + 1, width, code), code


def greatest(constants: Constants, scalar: int | Const) -> int:
    """Return the greatest magnitude of an integer parameter."""
    values = param(constants, scalar, INT64)
    return max(-int(values.min(initial=0)), int(values.max(initial=0)))


def step_type(codes: Codes) -> str:
    """Return the type in which an ADC's codes are computed and weighed."""
    return "int32" if max(codes.step, codes.block) < 2**31 else "int64"


def total_type(codes: Codes) -> str:
    """Return the type in which row blocks are added up."""
    return "int32" if codes.total < 2**31 else "int64"


WORKING_SET = 2 << 20
"""Bytes of the partial sums of a tile, to stay in cache; its inputs may take four times that."""
MOST_POSITIONS = 4096


def tile_positions(wordlines: int, bitlines: int, itemsize: int) -> int:
    """Return how many output positions are computed at once."""
    by_sums = WORKING_SET // (itemsize * bitlines)
    by_inputs = 4 * WORKING_SET // (itemsize * wordlines)
    return max(1, min(by_sums, by_inputs, MOST_POSITIONS))


def cell_bytes(mvm: CrossbarMvm, slices: int, itemsize: int) -> int:
    """Return the memory that all cells of a layer take as numbers of ``itemsize``."""
    return prod((mvm.outputs, slices, mvm.cell_rows[-1].stop, itemsize))
