"""Weights on cells: every weight is what its digits say, in every encoding."""

import numpy as np
import pytest

from mapper.ir.encoding import Encoding

ALL = [
    Encoding(kind=kind, weight_bits=bits, cell_bits=cell)
    for kind in ("twos-complement", "offset-binary", "differential")
    for bits in range(2, 9)
    for cell in (1, 2, 4)
]


@pytest.mark.parametrize("encoding", ALL, ids=str)
def test_digits_weighted_by_significance_give_every_weight_back(encoding):
    weights = np.arange(encoding.weight_min, encoding.weight_max + 1)
    digits = encoding.digits(weights)
    again = encoding.offset + np.tensordot(np.array(encoding.significances), digits, axes=1)
    assert np.array_equal(again, weights)
    assert encoding.digit_min <= digits.min()
    assert digits.max() <= encoding.digit_max


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
