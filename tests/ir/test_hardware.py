"""Hardware ops on cases small enough to check by hand."""

import numpy as np
import pytest

from mapper.ir.core import SPIKE, Const, IntType, Op, Span, Value
from mapper.ir.encoding import Encoding
from mapper.ir.hardware import (
    AdcRead,
    CountActive,
    CrossbarMvm,
    ScaledAdd,
    SenseAmpRead,
    ShiftAndAdd,
)

WIDE = IntType(20, signed=True)
WEIGHT = np.array([[3, -2], [-8, 7], [1, 1]])  # three wordlines, two outputs
SUMS = Value("p", IntType(3, signed=False), (1, 1, 1, 2))


def only(op: Op, constants: dict[str, np.ndarray], *operands: object) -> np.ndarray:
    arrays = [np.asarray(operand)[None] for operand in operands]  # one sample
    (result,) = op.evaluate(constants, *arrays)
    return result[0]


def crossbar(kind: str, rows: tuple[Span, ...], x: Value) -> CrossbarMvm:
    encoding = Encoding(kind=kind, weight_bits=4, cell_bits=1)
    shape = (x.type.bits, len(rows), len(encoding.significances), 2)
    return CrossbarMvm(
        x=x,
        weight=Const("w"),
        rows=rows,
        columns=(Span(0, 2),),
        encoding=encoding,
        partial_sum=Value("p", IntType(3, signed=True), shape),
    )


def test_partial_sums_of_two_row_blocks_in_offset_binary():
    """Wordlines 0 and 1 in block 0, 2 in block 1; 3 -> 11, -8 -> 0, 1 -> 9; -2 -> 6, 7 -> 15."""
    op = crossbar("offset-binary", (Span(0, 2), Span(2, 3)), Value("x", SPIKE, (3,)))
    sums = only(op, {"w": WEIGHT}, [1, 1, 1])
    assert sums[0, 0, :, 0].tolist() == [1, 1, 0, 1]  # 11 = 1011, 0 = 0000
    assert sums[0, 0, :, 1].tolist() == [1, 2, 2, 1]  # 6 = 0110, 15 = 1111
    assert sums[0, 1, :, 0].tolist() == [1, 0, 0, 1]  # 9 = 1001


def test_a_silent_wordline_adds_nothing():
    op = crossbar("offset-binary", (Span(0, 3),), Value("x", SPIKE, (3,)))
    assert only(op, {"w": WEIGHT}, [0, 0, 0]).tolist() == np.zeros((1, 1, 4, 2)).tolist()


def test_differential_sums_may_be_negative():
    """-7 is -(111) and 1 is 001: the pairs give 0, -1, -1."""
    op = crossbar("differential", (Span(0, 2),), Value("x", SPIKE, (2,)))
    sums = only(op, {"w": np.array([[-7, 0], [1, 0]])}, [1, 1])
    assert sums[0, 0, :, 0].tolist() == [0, -1, -1]


def test_two_bit_inputs_are_applied_one_bit_plane_a_read():
    """Inputs 2 = 10 and 3 = 11: plane 0 drives wordline 1 only, plane 1 both."""
    x = Value("x", IntType(2, signed=False), (2,))
    op = crossbar("offset-binary", (Span(0, 2),), x)
    sums = only(op, {"w": np.array([[-7, -8], [-7, -8]])}, [2, 3])
    assert sums[:, 0, 0, 0].tolist() == [1, 2]


def test_active_rows_are_counted_for_each_block():
    x = Value("x", SPIKE, (3,))
    counted = Value("n", IntType(2, signed=False), (1, 2, 1))
    op = CountActive(x=x, rows=(Span(0, 2), Span(2, 3)), active=counted)
    assert only(op, {}, [1, 1, 0]).tolist() == [[[2], [0]]]


def sense_amp(levels: tuple[int, ...], active: Value | None = None, cell_bits: int = 1) -> Op:
    return SenseAmpRead(
        partial_sum=SUMS,
        active=active,
        thresholds=Const("t"),
        levels=levels,
        cell_bits=cell_bits,
        result=Value("c", IntType(2, signed=True), SUMS.shape),
    )


def thresholds(*values: int) -> dict[str, np.ndarray]:
    return {"t": np.array(values).reshape(-1, 1, 1, 1)}


def test_a_sense_amplifier_counts_a_tie_as_reached():
    """Against 2, a sum of 1 reads -1 and a sum of 2 reads +1."""
    read = only(sense_amp((-1, 1)), thresholds(2), [[[[1, 2]]]])
    assert read.ravel().tolist() == [-1, 1]


def test_a_ternary_readout_has_a_middle_level():
    """Against 2 and 4: 1 -> -1, 2 -> 0; 3 -> 0, 4 -> +1."""
    op = sense_amp((-1, 0, 1))
    assert only(op, thresholds(2, 4), [[[[1, 2]]]]).ravel().tolist() == [-1, 0]
    assert only(op, thresholds(2, 4), [[[[3, 4]]]]).ravel().tolist() == [0, 1]


@pytest.mark.parametrize(("active", "expected"), [(2, [1, 1]), (3, [-1, 1]), (4, [-1, 1])])
def test_a_reference_at_half_of_the_active_rows(active, expected):
    """Sums 1 and 2: 2p >= n holds for 1 up to n = 2, for 2 up to n = 4."""
    op = sense_amp((-1, 1), active=Value("n", IntType(3, signed=False), (1, 1, 1)))
    read = only(op, thresholds(0), [[[[1, 2]]]], [[[active]]])
    assert read.ravel().tolist() == expected


def test_half_active_scales_with_the_cell():
    """Two active 2-bit cells are half at 3: a sum of 3 reaches it, 2 does not."""
    op = sense_amp((0, 1), active=Value("n", IntType(3, signed=False), (1, 1, 1)), cell_bits=2)
    assert only(op, thresholds(0), [[[[2, 3]]]], [[[2]]]).ravel().tolist() == [0, 1]


def adc(bits: int, first: int, step: int, base: int) -> AdcRead:
    return AdcRead(
        kind="flash",
        bits=bits,
        partial_sum=SUMS,
        first=first,
        step=step,
        base=base,
        result=Value("c", WIDE, SUMS.shape),
    )


def test_an_adc_rounds_to_its_step_and_clips():
    """Two bits of step 3: thresholds 2, 5, 8; 1 -> 0, 2 -> 3, 7 -> 6, 99 -> 9."""
    op = adc(bits=2, first=2, step=3, base=0)
    found = [only(op, {}, [[[[p, 0]]]]).ravel()[0] for p in (1, 2, 7, 99)]
    assert found == [0, 3, 6, 9]


def test_shift_and_add_of_planes_blocks_and_slices():
    """Planes 1 and 2; blocks scaled 1 and 3; slices 1 and -2, then >> 1 rounds down.

    Plane 0: 1 * (1 - 2*1) + 3 * (0 - 2*1) = -7; plane 1 the same times 2; -21 >> 1 = -11.
    """
    codes = Value("c", IntType(2, signed=True), (2, 2, 2, 1))
    op = ShiftAndAdd(
        codes=codes,
        significances=(1, -2),
        scale=Const("m"),
        shift=1,
        result=Value("y", WIDE, (1,)),
    )
    plane = [[[1], [1]], [[0], [1]]]
    assert only(op, {"m": np.array([[1], [3]])}, [plane, plane]).tolist() == [-11]


def test_the_top_plane_of_a_signed_input_counts_negatively():
    """Planes of ones: 1 + 2 - 4 = -1, which is 111 in two's complement."""
    codes = Value("c", IntType(2, signed=True), (3, 1, 1, 1))
    op = ShiftAndAdd(
        codes=codes, significances=(1,), planes=(1, 2, -4), result=Value("y", WIDE, (1,))
    )
    assert only(op, {}, np.ones((3, 1, 1, 1), int)).tolist() == [-1]


def test_the_offset_is_taken_back_for_each_active_row():
    """Two rows of weight -8, stored as 0: sum 0, minus 8 for each of the two active rows."""
    op = ShiftAndAdd(
        codes=Value("c", IntType(2, signed=True), (1, 1, 1, 1)),
        active=Value("n", IntType(2, signed=False), (1, 1, 1)),
        significances=(1,),
        offset=-8,
        result=Value("y", WIDE, (1,)),
    )
    assert only(op, {}, [[[[0]]]], [[[2]]]).tolist() == [-16]


def test_scaled_add_aligns_units_and_rounds_down():
    """(3 * 5 - 2 * 9) >> 1 = -3 >> 1 = -2."""
    a, b = Value("a", WIDE, (1,)), Value("b", WIDE, (1,))
    op = ScaledAdd(terms=(a, b), scales=(3, -2), shift=1, result=Value("y", WIDE, (1,)))
    assert only(op, {}, [5], [9]).tolist() == [-2]
