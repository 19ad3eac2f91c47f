"""One meaning for every readout: a bank of comparators, its thresholds and its levels."""

from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.ir.comparators import converted, sensed
from mapper.ir.core import Const, IntType, Value
from mapper.ir.readout import AdcRead, SenseAmpRead
from mapper.ir.readout_kinds import READOUTS, ReadoutKind, sensed_kind

WIDE = IntType(20, signed=True)
SUMS, CODES = Value("p", WIDE, (1, 2, 1, 3)), Value("c", WIDE, (1, 2, 1, 3))


def adc(bits: int, first, step, base, kind="flash") -> AdcRead:
    return AdcRead(
        kind=kind, bits=bits, partial_sum=SUMS, first=first, step=step, base=base, result=CODES
    )


def sense_amp(levels: tuple[int, ...], active: Value | None = None) -> SenseAmpRead:
    return SenseAmpRead(
        partial_sum=SUMS, active=active, thresholds=Const("t"), levels=levels, result=CODES
    )


def test_three_thresholds_decode_to_four_levels_and_a_tie_counts():
    sums, thresholds = np.array([-5, -4, 0, 1, 3, 9]), np.array([[-4], [1], [4]])
    assert sensed(sums, thresholds, (-3, -1, 1, 3)).tolist() == [-3, -1, -1, 1, 1, 3]


def test_levels_need_not_ascend():
    """A window comparator: 1 between its two thresholds, 0 outside."""
    sums, thresholds = np.array([-2, -1, 0, 1, 2]), np.array([[-1], [2]])
    assert sensed(sums, thresholds, (0, 1, 0)).tolist() == [0, 1, 1, 1, 0]


def test_levels_are_added_up_over_an_axis():
    sums = np.array([[0, 5], [5, 5], [0, 0]])
    thresholds = np.array([[1], [3]])
    assert sensed(sums, thresholds, (-1, 0, 1), axis=0).tolist() == [-1 + 1 - 1, 1 + 1 - 1]
    each = sensed(sums, thresholds, (-1, 0, 1))
    assert each.sum(axis=0).tolist() == [-1, 1]


@given(st.integers(1, 6), st.integers(-9, 9), st.integers(1, 5), st.integers(-9, 9), st.data())
@settings(deadline=None)
def test_an_adc_decodes_what_its_bank_of_comparators_does(bits, first, step, base, data):
    sums = np.array(data.draw(st.lists(st.integers(-400, 400), min_size=6, max_size=6)))
    sums = sums.reshape(1, *SUMS.shape)
    op = adc(bits, first, step, base)
    thresholds, levels = op.bank({})
    (found,) = op.evaluate({}, sums)
    assert (found == sensed(sums, thresholds, levels.ravel())).all()
    assert op.ends({}) == (levels.min(), levels.max())


def test_the_bank_of_an_adc_differs_from_column_to_column():
    tables = {"f": np.array([[[0, 10, 20]]]), "s": np.array([[[1]], [[2]]]), "b": np.array([[[5]]])}
    thresholds, levels = adc(2, Const("f"), Const("s"), Const("b")).bank(tables)
    assert thresholds.shape == (3, 2, 1, 3)
    assert thresholds[:, 1, 0, 2].tolist() == [20, 22, 24]
    assert levels[:, 1, 0, 0].tolist() == [5, 7, 9, 11]


def test_whole_numbers_in_floats_are_converted_as_integers_are():
    sums = np.arange(-300, 300)
    for step in (1, 3, 7):
        whole = converted(sums, 2, step, -4, 5)
        assert (converted(sums.astype(np.float32), 2, step, -4, 5) == whole).all()


# --- kinds -------------------------------------------------------------------------------


def test_every_kind_has_a_row():
    assert tuple(READOUTS) == get_args(ReadoutKind)


@pytest.mark.parametrize("form", READOUTS.values(), ids=READOUTS)
def test_a_row_has_one_level_more_than_thresholds(form):
    assert all(len(levels) == len(form.spread) + 1 for levels in form.alphabets)
    assert all(low <= high for low, high in pairwise(form.spread))
    assert not (form.senses and form.converts)
    assert bool(form.alphabets) is form.senses


def test_a_kind_is_known_by_its_levels():
    assert sensed_kind((0, 1)) == sensed_kind((-1, 1)) == "sense-amp"
    assert sensed_kind((-1, 0, 1)) == sensed_kind((5, 0, 2)) == "ternary"
    assert sensed_kind(tuple(range(100))) is None


def test_readouts_in_words():
    active = Value("n", IntType(4, signed=False), (1, 2, 1))
    assert sense_amp((-1, 1)).words == "sense amplifier"
    assert sense_amp((0, 1), active).words == "sense amplifier, half-active"
    assert sense_amp((-1, 0, 1)).words == "ternary"
    assert sense_amp(tuple(range(100))).words == "99 thresholds"
    assert adc(5, 0, 1, 0).words == "5-bit flash ADC"
    assert adc(9, 0, 1, 0, "ideal").words == "ideal"
