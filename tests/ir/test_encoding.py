"""Weights on cells: every weight is what its digits say, in every encoding."""

import doctest

import numpy as np
import pytest

from mapper.ir import encoding as module
from mapper.ir.encoding import ENCODINGS, Encoding

CELLS = [(1, 0), (2, 0), (2, 3), (3, 0), (3, 5), (4, 0), (5, 17), (8, 0)]
ALL = [
    Encoding(kind=kind, weight_bits=bits, cell_bits=cell, cell_levels=levels)
    for kind, form in ENCODINGS.items()
    for bits in range(form.widths[0], min(8, form.widths[1]) + 1)
    for cell, levels in CELLS
]


@pytest.mark.parametrize("encoding", ALL, ids=str)
def test_digits_weighted_by_significance_give_every_weight_back(encoding):
    weights = np.arange(encoding.weight_min, encoding.weight_max + 1)
    weights = weights if encoding.holds_zero else weights[weights != 0]
    assert not list(encoding.problems(weights))
    digits = encoding.digits(weights)
    again = encoding.offset + np.tensordot(np.array(encoding.significances), digits, axes=1)
    assert np.array_equal(again, weights)
    assert encoding.digit_min <= digits.min()
    assert digits.max() == encoding.digit_max < encoding.base
    assert encoding.levels(weights).tolist() == np.abs(digits).sum(axis=0).tolist()


def test_minus_three_in_four_bits():
    """-3 is 1101 in two's complement, 5 = 0101 above -8, and minus 011 on pairs."""

    def written(kind):
        encoding = Encoding(kind=kind, weight_bits=4, cell_bits=1)
        return encoding.digits(np.array([-3]))[:, 0].tolist(), encoding.significances

    assert written("twos-complement") == ([1, 0, 1, 1], (1, 2, 4, -8))
    assert written("offset-binary") == ([1, 0, 1, 0], (1, 2, 4, 8))
    assert written("differential") == ([-1, -1, 0], (1, 2, 4))


@pytest.mark.parametrize("kind", ["twos-complement", "offset-binary", "differential"])
@pytest.mark.parametrize("cell", [1, 2, 4])
def test_levels_of_a_weight_are_its_digits_added_up(kind, cell):
    """In every width, also those at the edge of the types that codes are worked out in."""
    for bits in (2, 4, 8, 9, 15, 16):
        encoding = Encoding(kind=kind, weight_bits=bits, cell_bits=cell)
        weights = np.array([encoding.weight_min, -1, 0, 1, encoding.weight_max])
        for type in (np.int8 if bits <= 8 else np.int16, np.int64):
            levels = encoding.levels(weights.astype(type))
            digits = encoding.digits(weights.astype(type), np.int8)
            assert levels.tolist() == np.abs(digits).sum(axis=0, dtype=np.int64).tolist()
            wide = digits.astype(np.int64)
            again = np.tensordot(np.array(encoding.significances), wide, axes=1) + encoding.offset
            assert again.tolist() == weights.tolist()


def test_levels_of_minus_three_in_four_bits():
    """1101, 0101 and minus 011: three, two and two cells of one bit are on."""

    def levels(kind):
        return Encoding(kind=kind, weight_bits=4, cell_bits=1).levels(np.array([-3])).tolist()

    assert (levels("twos-complement"), levels("offset-binary")) == ([3], [2])
    assert levels("differential") == [2]


def test_bitlines_of_a_four_bit_weight():
    """Four columns, four columns, and three pairs; with 2-bit cells 3, 2 and two pairs."""

    def bitlines(cell):
        kinds = ("twos-complement", "offset-binary", "differential")
        made = [Encoding(kind=kind, weight_bits=4, cell_bits=cell) for kind in kinds]
        return [encoding.bitlines_per_weight for encoding in made]

    assert bitlines(1) == [4, 4, 6]
    assert bitlines(2) == [3, 2, 4]


def test_a_weight_out_of_range_is_named_with_the_range():
    encoding = Encoding(kind="differential", weight_bits=4, cell_bits=1)
    assert list(encoding.problems(np.array([-8, 3]))) == [
        "weights span -8..3, but 4-bit differential holds -7..7"
    ]


def test_a_weight_of_one_bit_is_a_cell_that_is_on_or_off_or_the_one_of_a_pair_that_is_on():
    """1 = 2 * 1 - 1 and -1 = 2 * 0 - 1 on one cell; 1 - 0 and 0 - 1 on two."""
    one = Encoding(kind="binary", weight_bits=1, cell_bits=1)
    pair = Encoding(kind="differential", weight_bits=1, cell_bits=1)
    weights = np.array([1, -1])
    assert (one.digits(weights).tolist(), one.significances, one.offset) == ([[1, 0]], (2,), -1)
    assert (pair.digits(weights).tolist(), pair.significances, pair.offset) == ([[1, -1]], (1,), 0)
    assert (one.bitlines_per_weight, pair.bitlines_per_weight) == (1, 2)
    for encoding in (one, pair):
        assert list(encoding.problems(np.array([1, 0, -1, 0]))) == [
            f"2 of 4 weights are 0, 1-bit {encoding.kind} holds -1 and 1"
        ]


def test_a_ternary_weight_is_one_cell_of_three_levels_or_two_bits_or_a_pair():
    weights = np.array([-1, 0, 1])

    def written(kind, cell_bits, levels=0):
        made = Encoding(kind=kind, weight_bits=2, cell_bits=cell_bits, cell_levels=levels)
        return made.digits(weights).tolist(), made.significances, made.offset

    assert written("ternary", 2, 3) == ([[0, 1, 2]], (1,), -1)
    assert written("ternary", 1) == ([[0, 1, 0], [0, 0, 1]], (1, 2), -1)
    assert written("differential", 1) == ([[-1, 0, 1]], (1,), 0)


def test_digits_of_cells_of_three_levels_are_those_of_base_three():
    """5 + 8 = 13 = 1 + 3 + 9; -8 + 8 = 0; 7 + 8 = 15 = 0 + 2 * 3 + 9."""
    encoding = Encoding(kind="offset-binary", weight_bits=4, cell_bits=2, cell_levels=3)
    assert encoding.significances == (1, 3, 9)
    assert encoding.digits(np.array([5, -8, 7])).T.tolist() == [[1, 1, 1], [0, 0, 0], [0, 2, 1]]
    # two's complement: 7 = 1 + 2 * 3 in two digits, and the sign alone; -1 is 7 - 8
    signed = Encoding(kind="twos-complement", weight_bits=4, cell_bits=2, cell_levels=3)
    assert signed.significances == (1, 3, -8)
    assert signed.digits(np.array([7, -1])).T.tolist() == [[1, 2, 0], [1, 2, 1]]


def test_the_example_is_true():
    assert doctest.testmod(module) == (0, 1)


@pytest.mark.parametrize(
    ("kind", "bits", "cell", "levels", "problem"),
    [
        ("binary", 4, 1, 0, "binary weights have 1 bit, got 4"),
        ("ternary", 1, 1, 0, "ternary weights have 2 bits, got 1"),
        ("offset-binary", 1, 1, 0, "offset-binary weights have at least 2 bits, got 1"),
        ("differential", 17, 1, 0, "differential weights have at most 16 bits, got 17"),
        ("binary", 1, 9, 0, "cells have 1..8 bits, got 9"),
        ("binary", 1, 1, 2, "cell_levels of 1-bit cells is left out, got 2"),
        ("binary", 1, 3, 4, "cell_levels of 3-bit cells is 5..7, or left out, got 4"),
        ("binary", 1, 3, 8, "cell_levels of 3-bit cells is 5..7, or left out, got 8"),
    ],
)
def test_what_is_no_encoding_is_refused_with_what_there_is(kind, bits, cell, levels, problem):
    encoding = Encoding(kind=kind, weight_bits=bits, cell_bits=cell, cell_levels=levels)
    assert list(encoding.problems(np.array([1, -1]))) == [problem]
