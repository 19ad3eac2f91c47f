"""Input codes on wordlines: a bit a read, or some bits at once where wordlines have converters."""

import doctest

import numpy as np
import pytest

from mapper.executor import engine
from mapper.ir import planes
from mapper.ir.core import IntType
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.evaluate import evaluate
from mapper.ir.planes import BitPlane
from tests.builders import Builder, adc, encoding, ideal, sense_amp
from tests.engines import AVAILABLE, answer, assert_same_counts


def a_layer(bits, plane_bits, *, signed=False, weight=((1,), (1,)), read=None, **fields):
    net = Builder()
    x = net.input("x", (len(weight),), IntType(bits, signed=signed))
    net.output(net.crossbars(x, weight, read or ideal(), plane_bits=plane_bits, **fields))
    return net.graph()


def test_the_examples_are_true():
    assert doctest.testmod(planes).failed == 0


def test_a_code_of_five_bits_takes_three_reads_of_two_bits():
    """29 = 1 + 3 * 4 + 1 * 16 and 6 = 2 + 1 * 4: reads of 3, 4 and 1 in a column of ones."""
    graph = a_layer(5, 2, encoding=None)
    (layer,) = (op for op in graph.ops if isinstance(op, CrossbarMvm))
    assert layer.bit_planes == (BitPlane(0, 2), BitPlane(2, 2), BitPlane(4, 1))
    found = evaluate(graph, {"x": np.array([[[29, 6]]])}, watch=["layer0.sum"])["layer0.sum"]
    assert found.ravel().tolist() == [3, 4, 1]
    assert answer(graph, [29, 6]) == [35]


def test_a_sign_bit_is_read_alone():
    """-3 is 101: the lower bits are 01, the sign counts -4. Three bits at once read no more."""
    graph = a_layer(3, 3, signed=True, weight=((1,),), encoding=None)
    (layer,) = (op for op in graph.ops if isinstance(op, CrossbarMvm))
    assert layer.bit_planes == (BitPlane(0, 2), BitPlane(2, 1, sign=True))
    assert [answer(graph, [x]) for x in (-3, -4, 3)] == [[-3], [-4], [3]]


def test_the_offset_of_weights_is_taken_back_for_what_wordlines_carry():
    """-8 and 7 are stored as 0 and 15: codes 3 and 2 read 30, less 8 * 5."""
    graph = a_layer(2, 2, weight=((-8,), (7,)), encoding=encoding("offset-binary"))
    assert answer(graph, [3, 2]) == [-8 * 3 + 7 * 2]


def test_half_of_what_wordlines_carry_is_a_reference():
    """Binary weights 1 and -1: 3 * 1 - 2 = 1 reaches half, 2 - 3 = -1 does not, 2 - 2 is a tie."""
    read = sense_amp(0, half_active=True)
    binary = encoding("binary", weight_bits=1)
    graph = a_layer(2, 2, weight=((1,), (-1,)), read=read, encoding=binary)
    # a significance of 2: levels -1 and 1 give -2 and 2
    assert [answer(graph, x) for x in ([3, 2], [2, 3], [2, 2])] == [[2], [-2], [2]]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("plane_bits", [2, 3, 8])
@pytest.mark.parametrize("read", [ideal(), sense_amp((0, 3), (-1, 0, 1)), adc("sar", 3, 1, 2)])
def test_every_engine_computes_and_counts_alike(signed, plane_bits, read):
    rng = np.random.default_rng(0)
    weight = rng.integers(-7, 8, (11, 4))
    graph = a_layer(5, plane_bits, signed=signed, weight=weight, read=read, wordlines=4)
    x = rng.integers(-16 if signed else 0, 16 if signed else 32, (2, 3, 11))
    expected = engine.run(graph, {"x": x}, "definition", trace=True)
    for name in AVAILABLE:
        found = engine.run(graph, {"x": x}, name, trace=name != "onnx")
        assert (found.outputs["layer0"] == expected.outputs["layer0"]).all()
        if name != "onnx":
            assert_same_counts(found.counts, expected.counts)
