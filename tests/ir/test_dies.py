"""Ops of a die: cells that are known one by one, tables by copy, noise of reads. All by hand."""

from dataclasses import replace

import numpy as np
import pytest

from mapper.ir.copies import copy_bands, copy_of_positions, over_positions
from mapper.ir.core import Const, IntType, Span, Value
from mapper.ir.counter import hashed, read_lanes
from mapper.ir.crossbar import CrossbarMvm, Placement, cell_sum_range
from mapper.ir.infer import settled
from mapper.ir.noise import KEY_TYPE
from mapper.ir.readout import AdcRead, SenseAmpRead
from mapper.ir.windows import Window

SPIKES = IntType(1, signed=False)
SUM = IntType(12, signed=True)
KEY = Value("key", KEY_TYPE, ())


def a_row(copies: int) -> CrossbarMvm:
    """Return a convolution of one 1x1 kernel over four positions."""
    return CrossbarMvm(
        x=Value("x", SPIKES, (1, 1, 4)),
        weight=Const("w"),
        window=Window(kernel=(1, 1)),
        rows=(Span(0, 1),),
        columns=(Span(0, 1),),
        placement=Placement(copies=copies),
        cells=Const("cells"),
        fraction=8,
        partial_sum=Value("p", SUM, (1, 1, 1, 1, 1, 4)),
    )


def held(cells, dtype=np.int16):
    return {"w": np.array([[1]]), "cells": np.array(cells, dtype).reshape(-1, 1, 1, 1)}


def test_two_copies_of_a_cell_read_two_positions_each():
    (sums,) = a_row(2).evaluate(held([250, 261]), np.array([1, 0, 1, 1]).reshape(1, 1, 1, 4))
    assert sums.ravel().tolist() == [250, 0, 261, 261]


def test_cells_that_copies_share_are_given_once():
    (sums,) = a_row(2).evaluate(held([250]), np.ones((1, 1, 1, 4), np.int64))
    assert sums.ravel().tolist() == [250] * 4


def test_three_copies_of_seven_positions_read_three_two_and_two():
    assert [str(band) for band in copy_bands(3, 7)] == ["0:3", "3:5", "5:7"]
    for copies, positions in ((1, 5), (3, 7), (5, 3), (64, 1000)):
        bands = copy_bands(copies, positions)
        read = np.concatenate([np.full(len(band), c) for c, band in enumerate(bands)])
        assert read.tolist() == copy_of_positions(copies, positions).tolist()


def test_a_table_by_copy_is_spread_over_positions_in_raster_order():
    table = np.array([10, 20, 30]).reshape(3, 1, 1, 1)
    assert over_positions(table, (2, 2)).tolist() == [[[[[10, 10], [20, 30]]]]]


def test_the_range_of_a_die_is_that_of_its_cells():
    op, constants = a_row(2), held([250, -261])
    assert op.sum_range(constants) == (-261, 250)
    assert settled(op, constants).partial_sum.type == IntType(10, signed=True)
    assert not list(op.verify(constants))


@pytest.mark.parametrize(
    ("op", "constants", "problem"),
    [
        (a_row(3), held([1, 2]), "cells of 2 copies, the layer has 3"),
        (a_row(2), held([1, 2], np.uint8), "got uint8 of shape (2, 1, 1, 1)"),
        (a_row(1), {"w": np.array([[1]]), "cells": np.zeros((1, 1, 2, 1), int)}, "(1, 1, 2, 1)"),
        (a_row(1), held([3000]), "partial sum spans 0..3000, too wide for i12"),
        (
            replace(a_row(1), cells=None),
            {"w": np.array([[1]])},
            "a fraction of 8 bits, but no cells of a die",
        ),
    ],
)
def test_what_is_wrong_with_cells_is_said(op, constants, problem):
    assert any(problem in said for said in op.verify(constants))


def reading(**fields) -> SenseAmpRead:
    sums, codes = Value("p", SUM, (1, 1, 1, 2, 4)), Value("c", SPIKES, (1, 1, 1, 2, 4))
    given = {"partial_sum": sums, "thresholds": Const("t"), "levels": (0, 1), "result": codes}
    return SenseAmpRead(**(given | fields))


def test_references_of_two_copies_and_two_columns():
    table = np.array([[[[100, 200]]], [[[300, 400]]]])[None]  # [L, C, G, S, N]
    op = reading()
    assert not list(op.verify({"t": table}))
    (codes,) = op.evaluate({"t": table}, np.full((1, 1, 1, 1, 2, 4), 250))
    assert codes[0, 0, 0, 0].tolist() == [[1, 1, 0, 0], [1, 1, 0, 0]]
    (codes,) = op.evaluate({"t": table}, np.full((1, 1, 1, 1, 2, 4), 300))
    assert codes[0, 0, 0, 0].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]


def test_an_adc_of_a_die_has_its_own_steps_and_decodes_to_those_it_should_have():
    """Codes of 256, 512 units apart where the ADC has steps of 250 from 100 on, and of 3 counts."""
    sums = Value("p", SUM, (1, 1, 1, 1))
    codes = Value("c", IntType(5, signed=False), (1, 1, 1, 1))
    op = AdcRead(
        kind="flash", bits=2, partial_sum=sums, first=100, width=250, step=3, base=1, result=codes
    )
    read = [op.evaluate({}, np.full((1, 1, 1, 1, 1), p))[0] for p in (99, 100, 349, 350, 2000)]
    found = [code.item() for code in read]
    assert found == [1, 4, 4, 7, 10]
    thresholds, levels = op.bank({})
    assert (thresholds.ravel().tolist(), levels.ravel().tolist()) == (
        [100, 350, 600],
        [1, 4, 7, 10],
    )


def test_noise_is_what_16_bits_of_a_hash_choose():
    table = np.arange(65536, dtype=np.int32) - 32768
    op = reading(key=KEY, noise=Const("n"), stream=3)
    constants = {"t": np.zeros((1, 1, 1, 1), int), "n": table}
    assert not list(op.verify(constants))
    key = np.array([12345])
    (codes,) = op.evaluate(constants, np.zeros((1, 1, 1, 1, 2, 4), np.int64), key)
    # Position p of the columns 0 and 1: the lowest and the next 16 bits of counter p.
    words = [int(hashed(hashed(12345, 3), p)) for p in range(4)]
    expected = [[int((word >> shift & 0xFFFF) >= 32768) for word in words] for shift in (0, 16)]
    assert codes[0, 0, 0, 0].tolist() == expected


def test_noise_of_planes_blocks_and_slices_is_counted_position_first():
    lanes = read_lanes(np.array([7]), 1, (2, 3, 2, 6, 5))
    assert lanes.shape == (1, 2, 3, 2, 6, 5)
    p, b, g, s, n = 4, 1, 2, 1, 5
    counter = (((p * 2 + b) * 3 + g) * 2 + s) * 2 + n // 4
    word = int(hashed(hashed(7, 1), counter))
    assert lanes[0, b, g, s, n, p] == word >> 16 & 0xFFFF


@pytest.mark.parametrize(
    ("fields", "table", "problem"),
    [
        ({"key": KEY}, None, "noise needs a key, and only then"),
        ({"stream": 2}, None, "stream 2 of noise, but there is none"),
        (
            {"key": replace(KEY, shape=(1,)), "noise": Const("n")},
            np.zeros(65536, int),
            "the key of noise is one u62 a sample",
        ),
        ({"key": KEY, "noise": Const("n")}, np.zeros(4, int), "65536 integers, got int64"),
        ({"key": KEY, "noise": Const("n")}, -np.arange(65536), "noise must ascend"),
        (
            {"key": KEY, "noise": Const("n")},
            np.repeat([0, 1 << 40], 32768),
            "noise reaches 0..1099511627776, past 2147483647",
        ),
    ],
)
def test_what_is_wrong_with_noise_is_said(fields, table, problem):
    constants = {"t": np.zeros((1, 1, 1, 1), int), "n": table}
    assert any(problem in said for said in reading(**fields).verify(constants))


def test_splitmix64_of_the_seed_0_gives_its_published_numbers():
    """The first outputs of the reference implementation (Vigna, splitmix64.c) from the seed 0."""
    assert [hex(int(hashed(0, i))) for i in range(3)] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.int64])
def test_bounds_of_sums_are_exact_for_cells_of_any_width(kind):
    low, high = (
        (-(1 << 40), 1 << 40) if kind == np.int64 else (np.iinfo(kind).min, np.iinfo(kind).max)
    )
    cells = np.array([low, low, high, -1, high, high, 0], kind).reshape(1, 1, 7, 1)
    cells = np.concatenate([np.zeros_like(cells), cells], axis=3)
    rows = (Span(0, 2), Span(2, 4), Span(4, 7))
    assert cell_sum_range(cells, rows, 3) == (6 * low, 6 * high)
    assert cell_sum_range(cells, (Span(0, 7),)) == (2 * low - 1, 3 * high)
