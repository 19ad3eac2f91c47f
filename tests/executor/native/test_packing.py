"""Cells and references in the kernels' layouts: by hand, and what the kernels refuse."""

import numpy as np
import pytest

from mapper.kernels.core import pack_cells, pack_references, unavailable
from mapper.kernels.layout_structs import Packing, References
from mapper.kernels.structs import as_read

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())


def packing(cells, out, **fields):
    """Return the numbers and arrays of one group, whose row blocks have two wordlines and one."""
    copies, slices, wordlines, outputs = cells.shape
    sizes = {"C": copies, "S": slices, "K": wordlines, "N": outputs, "G": 2, "rows": 2}
    given = {"groups": 1, "Npad": 16, "item": cells.dtype.itemsize, "shift": 0, "positive": False}
    given |= fields
    spans = np.array([[0, 2], [2, 1]])
    return as_read(Packing(**sizes, **given, cells=cells, spans=spans, out=out))


@pytest.mark.parametrize("kind", [np.int16, np.int32])
@pytest.mark.parametrize("octets", [1, 2, 4])
def test_numbers_of_few_outputs_lie_together(kind, octets):
    """``[block, piece, wordline, slice, output]``, in units of four; filled up with zeros."""
    cells = (4 * np.arange(-15, 15).reshape(1, 2, 3, 5)).astype(kind)
    out = np.zeros((2, 2, 3, 2, 8), f"i{octets}")
    pack_cells(*packing(cells, out, shift=2, octets=octets, at_once=8))
    expected = np.zeros_like(out)
    expected[0, 0, :2, :, :5] = cells[0, :, :2].swapaxes(0, 1) // 4
    expected[1, 0, :1, :, :5] = cells[0, :, 2:].swapaxes(0, 1) // 4
    assert np.array_equal(out, expected)


def test_groups_and_copies_are_blocks_of_their_own():
    cells = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 1, 3, 4)
    out = np.zeros((8, 1, 3, 1, 16), np.int16)
    pack_cells(*packing(cells, out, groups=2, octets=2, at_once=16))
    for block, (copy, group, g) in enumerate(np.ndindex(2, 2, 2)):
        rows = [[0, 1], [2]][g]
        own = cells[copy, 0, rows, 2 * group : 2 * group + 2]
        assert np.array_equal(out[block, 0, : len(rows), 0, :2], own)
        assert not out[block, 0, len(rows) :].any()
        assert not out[block, ..., 2:].any()


def test_two_slices_share_a_byte():
    digits = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0]], np.int16)  # of three slices
    cells = digits.reshape(1, 3, 3, 1)
    out = np.zeros((2, 1, 3, 2, 16), np.int8)
    pack_cells(*packing(cells, out, octets=1, at_once=16, nibbles=True))
    first = [[d[0] + 16 * d[1], d[2]] for d in digits.T]
    assert out[0, 0, :2, :, 0].tolist() == first[:2]
    assert out[1, 0, 0, :, 0].tolist() == first[2]


@pytest.mark.parametrize("folded", [False, True])
def test_bits_of_signed_digits_are_two_sets(folded):
    """Slice after slice of 16 columns: outputs 0 and 9 of the second are bits 16 and 25."""
    cells = np.zeros((1, 2, 3, 10), np.int16)
    cells[0, 1, 0, [0, 9]] = 1, -1
    out = np.zeros((2, 1, 1 if folded else 2, 3, 16), np.uint8)
    how = {"width": 16, "folded": folded, "sets": 1 if folded else 2, "signed_digits": True}
    pack_cells(*packing(cells, out, **how))
    plus, minus = (out[0, 0, 0, 0], out[0, 0, 0, 0, 8:]) if folded else out[0, 0, :, 0]
    assert (plus[2], minus[3]) == (1, 2)
    assert np.bitwise_count(out).sum() == 2


def test_bits_of_digits_are_a_set_each_and_halves_whether_they_are_above_zero():
    cells = np.full((1, 1, 3, 1), 6, np.int32)
    out = np.zeros((2, 1, 3, 3, 16), np.uint8)
    pack_cells(*packing(cells, out, width=16, sets=3))
    assert out[0, 0, :, 0, 0].tolist() == [0, 1, 1]
    signs = np.array([-3, 3, 0], np.int16).reshape(1, 1, 3, 1)
    out = np.zeros((2, 1, 1, 3, 16), np.uint8)
    pack_cells(*packing(signs, out, width=16, sets=1, positive=True))
    assert out[:, 0, 0, :, 0].tolist() == [[0, 1, 0], [0, 0, 0]]


def test_references_are_planes_and_three_tests():
    """Of -1, 0, 5, 20 and one past all sums, which are 100 at most."""
    table = np.array([-1, 0, 5, 20, 1 << 31]).reshape(1, 1, 5)
    out = np.zeros((1, 1, 1, 1, 10, 16), np.uint8)
    sizes = {"L": 1, "blocks": 1, "columns": 5, "width": 16, "folded": False, "planes": 7}
    how = {"parity": 1, "halved": False, "greatest": 100, "table": table, "out": out}
    pack_references(*as_read(References(**sizes, **how, signed_sums=False)))
    planes = out[0, 0, 0, 0, :, 0]

    def numbers():
        return [sum((int(p) >> k & 1) << b for b, p in enumerate(planes[:7])) for k in range(5)]

    assert numbers() == [0, 0, 5, 20, 101]
    assert planes[7:].tolist() == [0, 0, 0b00011]  # always reached
    pack_references(*as_read(References(**sizes, **how, signed_sums=False, carried=True)))
    assert numbers()[2:] == [127 - 4, 127 - 19, 127 - 100]
    assert planes[7:].tolist() == [0b00111, 0b00111, 0b00011]  # up to 8, up to 16, always reached
    out[:] = 0
    pack_references(*as_read(References(**sizes, **how, signed_sums=True)))
    assert planes[7:].tolist() == [0b00001, 0, 0b00011]  # the sign, nothing, always reached


def test_halved_references_are_rounded_up_and_down():
    """``2c - n >= t`` with t = 3, -3: half of it and more where n is even, less where it is odd."""
    out = np.zeros((1, 1, 2, 1, 7, 16), np.uint8)
    how = {"planes": 4, "parity": 2, "halved": True, "signed_sums": True, "greatest": 7}
    sizes = {"L": 1, "blocks": 1, "columns": 2, "width": 16, "folded": False}
    table = np.array([3, -3]).reshape(1, 1, 2)
    pack_references(*as_read(References(**sizes, **how, table=table, out=out)))
    found = [
        [sum((int(p) >> k & 1) << b for b, p in enumerate(way[0, :4, 0])) for k in range(2)]
        for way in out[0, 0]
    ]
    assert found == [[2, 16 - 1], [1, 16 - 2]]


def refused(call, fields, arrays, match="does not fit together"):
    with pytest.raises(ValueError, match=match):
        call(fields, arrays)


def test_what_does_not_fit_together_is_refused():
    cells, out = np.zeros((1, 1, 3, 4), np.int16), np.zeros((2, 1, 3, 1, 16), np.int16)
    fields, arrays = packing(cells, out, octets=2, at_once=16)
    pack_cells(fields, arrays)
    for name, value in {
        "C": 0, "S": 33, "K": 1 << 25, "N": 0, "groups": 3, "G": 0, "rows": 0, "Npad": 8, "item": 3,
        "shift": 32, "positive": 2, "octets": 3, "at_once": 5, "nibbles": 1, "folded": 2,
    }.items():  # fmt: skip
        refused(pack_cells, fields | {name: value}, arrays)
    refused(pack_cells, fields | {"octets": 0, "width": 8}, arrays)
    refused(pack_cells, fields | {"octets": 0, "width": 16, "sets": 3, "signed_digits": 1}, arrays)
    for spans in ([[0, 3], [2, 1]], [[0, 2], [3, 1]], [[-1, 2], [2, 1]]):
        refused(pack_cells, fields, arrays | {"spans": np.array(spans)}, "spans")
    refused(pack_cells, fields, arrays | {"out": out[:1]}, "out")
    refused(pack_cells, fields, arrays | {"cells": cells[..., :3].copy()}, "cells")
    apart = np.zeros(out.nbytes + 8, np.uint8)[1 : 1 + out.nbytes]
    refused(pack_cells, fields, arrays | {"out": apart}, "alignment")


def test_references_that_do_not_fit_are_refused():
    out = np.zeros((1, 1, 1, 1, 10, 16), np.uint8)
    sizes = {"L": 1, "blocks": 1, "columns": 5, "width": 16, "folded": False, "planes": 7}
    how = {"parity": 1, "halved": False, "signed_sums": False, "greatest": 9}
    table = np.zeros((1, 1, 5), np.int64)
    fields, arrays = as_read(References(**sizes, **how, table=table, out=out))
    pack_references(fields, arrays)
    for name, value in {
        "L": 0, "blocks": 0, "columns": 0, "width": 8, "folded": 2, "planes": 33, "parity": 3,
        "halved": 2, "signed_sums": 2, "carried": 2, "greatest": -1,
    }.items():  # fmt: skip
        refused(pack_references, fields | {name: value}, arrays)
    refused(pack_references, fields | {"signed_sums": 1, "carried": 1}, arrays)
    refused(pack_references, fields, arrays | {"table": table[..., :4].copy()}, "table")
    refused(pack_references, fields, arrays | {"out": out[..., :15].copy()}, "out")
