"""What a shift-and-add costs: as the graph states it, and with an adder for every bit-slice.

Widths are of the numbers that are really there: a code is as wide as the levels that its readout
decodes to, not as the type that holds them. The reference sizes them by that type, adds every
slice and scales every row block; its counts stand beside ours (``separate``).
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from mapper.cost.count_arithmetic import (
    Makers,
    Tally,
    additions,
    bits_of,
    multiplications,
    shift_additions,
    width_of,
)
from mapper.ir.core import INT64, Constants, IntType, Op, param
from mapper.ir.crossbar import CountActive
from mapper.ir.readout import BitlineRead, ShiftAndAdd


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """Bits of the numbers of a shift-and-add."""

    slices: int
    """Of the sum of the bit-slices of a row block, or the code that they make."""
    adder: int
    """Of the adder of bit-slices; 0 where there is none."""
    total: int
    """Of the sum over row blocks and bit planes, before a scale that they share."""
    product: int
    """Of that sum after its scale, before it is shifted."""


def sums_work(
    op: ShiftAndAdd, makers: Makers, constants: Constants, known: Widths | None = None
) -> Tally:
    """Count what a graph states: slices that make a code are wires, a shared scale is one product.

    ``N`` outputs at a position, ``G`` row blocks, ``b`` bit planes: slices that do not make a code
    take an addition each, row blocks ``b N (G - 1)``, bit planes ``(b - 1) N``, scales ``N``, or
    ``b G N`` where they differ between row blocks. ``known`` is what ``sum_widths`` returns, where
    that was asked before.
    """
    planes, blocks, _, *outputs = op.codes.shape
    results = prod(outputs)
    width = sum_widths(op, makers, constants) if known is None else known
    codes = planes * blocks * results * slice_additions(op)
    work = shift_additions(codes, width.slices) if width.adder else Tally()
    if op.shares_scale(constants):
        if (param(constants, op.scale, INT64) != 1).any():
            work += multiplications(results, width.total, op.scale, constants)
    else:
        work += multiplications(planes * blocks * results, width.slices, op.scale, constants)
    work += additions(planes * results * (blocks - 1), width.total)
    work += shift_additions((planes - 1) * results, width.total)
    return work + _corrections(op, makers, width.slices)


def separate_work(op: ShiftAndAdd, makers: Makers, constants: Constants) -> Tally:
    """Count one shift-add a code, a scale and a correction a row block, and the sums of both."""
    planes, blocks, _, *outputs = op.codes.shape
    results = prod(outputs)
    width = separate_widths(op)
    work = shift_additions(planes * blocks * results * slice_additions(op), width.slices)
    work += multiplications(planes * blocks * results, width.slices, op.scale, constants)
    work += additions(planes * results * (blocks - 1), width.total)
    work += shift_additions((planes - 1) * results, width.total)
    return work + _corrections(op, makers, width.slices)


def slice_additions(op: ShiftAndAdd) -> int:
    """Count what weighs and adds the codes of a row block's bit-slices.

    A significance that is a power of two is one shift and addition, any other is one for each of
    its bits: 3 counts twice, for cells of three levels.
    """
    return sum(abs(significance).bit_count() for significance in op.significances)


def _corrections(op: ShiftAndAdd, makers: Makers, width: int) -> Tally:
    """Count taking the offset of the encoding back; it is a power of two, so no product."""
    if op.active is None:
        return Tally()
    planes, blocks, _, *outputs = op.codes.shape
    correction = additions(planes * blocks * prod(outputs), width)
    correction += count_active_work(makers[op.active.name])
    return correction + Tally(
        corrections=correction["accumulations"], correction_bits=correction["accumulate_bits"]
    )


def sum_widths(op: ShiftAndAdd, makers: Makers, constants: Constants) -> Widths:
    """Return how wide sums are, from the levels that the readout decodes to.

    Levels -1 and 1 on slices that count 1, 2, 4 and 8 are -15..15: 5 bits; nine row blocks of them
    9, and 16 with a scale of 137.
    """
    read = makers.get(op.codes.name)
    least, most = _type_ends(op) if not isinstance(read, BitlineRead) else read.ends(constants)
    low, high = op.block_range(least, most)
    scale = np.atleast_2d(param(constants, op.scale, INT64))
    if scale.size > 1:
        scale = scale.astype(object)
    inside = np.ones_like(scale) if op.shares_scale(constants) else scale
    slices = width_of(*op.block_range(least, most, corrected=False))
    return Widths(
        slices=slices,
        adder=0 if op.merged or _is_shifted_by_wires(op) else slices,
        total=width_of(*op.sum_range(inside, low, high)),
        product=width_of(*op.sum_range(scale, low, high)),
    )


def _is_shifted_by_wires(op: ShiftAndAdd) -> bool:
    """Say whether there is a single slice, and nothing to add."""
    return len(op.significances) == 1 and slice_additions(op) == 1


def separate_widths(op: ShiftAndAdd) -> Widths:
    """Return how wide sums are by the type of their codes, each row block scaled on its own."""
    total = bits_of(op.result) + op.shift
    slices = width_of(*op.block_range(*_type_ends(op), corrected=False))
    return Widths(slices=slices, adder=slices, total=total, product=total)


def _type_ends(op: ShiftAndAdd) -> tuple[int, int]:
    assert isinstance(op.codes.type, IntType)
    return op.codes.type.min, op.codes.type.max


def count_active_work(op: Op) -> Tally:
    """Count the additions of a counter beside the wordline drivers."""
    assert isinstance(op, CountActive)
    planes, _, groups, *positions = op.active.shape
    each = sum(len(span) - 1 for span in op.rows)
    return additions(planes * groups * prod(positions) * each, bits_of(op.active))
