"""Row blocks whose ADCs lose nothing are weights: up to how many driven wordlines, to the count."""

import numpy as np
import pytest

from mapper.executor.native import NativeExecutor
from mapper.executor.native.steps import LayerStep
from mapper.ir.core import Graph, IntType
from mapper.ir.evaluate import evaluate
from mapper.ir.synapses import Linear
from mapper.ir.windows import Window
from mapper.kernels.core import VARIANTS, supported_levels, unavailable
from tests.builders import Builder, adc, encoding, ideal
from tests.small_graphs import random_spikes

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())
every_variant = pytest.mark.parametrize(
    "level", supported_levels(), ids=[VARIANTS[level] for level in supported_levels()]
)
COUNTS = adc("sar", 8, 1)


def linear(weight, read, *, kind="offset-binary", bits=8, cell_bits=2, rows=128, x=None, **more):
    net = Builder()
    cells = None if kind is None else encoding(kind, bits, cell_bits)
    x = net.input("x", (len(weight),), x or IntType(1, signed=False))
    net.output(net.crossbars(x, weight, read, encoding=cells, wordlines=rows, **more))
    return net.graph()


def phase(graph: Graph, level: int = 0):
    (step,) = NativeExecutor(graph, level=level).plan.steps
    assert isinstance(step, LayerStep)
    return step.layer.phases[0]


def agrees(graph, codes, level):
    executor = NativeExecutor(graph, level=level, threads=1)
    assert not executor.notes
    (found,), (expected,) = (
        executor.run({"x": codes}).values(),
        evaluate(graph, {"x": codes}).values(),
    )
    np.testing.assert_array_equal(found, expected)
    return found


@every_variant
def test_the_last_sum_that_is_not_cut_off(level):
    """Cells of 3 counts: 85 wordlines give 255, the greatest code; one more is cut off."""
    weight = np.full((256, 40), 127)
    weight[:, 1:] = np.random.default_rng(0).integers(-127, 128, (256, 39))
    driven = [0, 1, 84, 85, 86, 128]
    codes = np.zeros((1, len(driven), 256), np.int64)
    for sample, count in enumerate(driven):
        codes[0, sample, :count] = 1
        codes[0, sample, 256 - count :] = 1
    graph = linear(weight, COUNTS)
    found = agrees(graph, codes, level)
    assert phase(graph, level).numbers["exact"] == 85
    lost = [
        0,
        0,
        0,
        0,
        1,
        43,
    ]  # wordlines that a row block is cut off by: 255 counts for all slices
    assert found[0, :, 0].tolist() == [
        2 * (127 * n - 255 * over) for n, over in zip(driven, lost, strict=True)
    ]


@every_variant
@pytest.mark.parametrize(
    ("kind", "read", "exact"),
    [
        ("offset-binary", COUNTS, 85),
        ("twos-complement", COUNTS, 85),
        ("differential", adc("sar", 8, -126, 1, -127), 42),  # -127 is the end: 3 counts a wordline
        ("offset-binary", adc("sar", 8, 2, 1), 0),  # every code stands for one less
        ("offset-binary", adc("sar", 8, 2, 2), 0),
        ("offset-binary", adc("sar", 8, 2, 1, 1), 0),  # a sum of 0 is read as 1
        ("offset-binary", ideal(), 128),
        ("differential", ideal("adder-tree"), 128),
    ],
)
def test_which_converters_lose_nothing(level, kind, read, exact):
    weight = np.random.default_rng(1).integers(-127, 128, (300, 70))
    graph = linear(weight, read, kind=kind, scale=np.arange(1, 71)[None] % 5 - 2, shift=1)
    found = phase(graph, level)
    assert found.numbers["exact"] == exact
    assert ("weights" in found.arrays) == (exact < 128)  # cells that are never read
    for density in (0.3, 0.7):
        agrees(graph, random_spikes(1, 5, 300, density=density), level)


@every_variant
def test_sums_of_row_blocks_pass_16_bits(level):
    """258 wordlines of 127 fit 16 bits: 6 row blocks of 64 are added up in two numbers."""
    weight = np.random.default_rng(2).integers(-127, 128, (384, 33))
    weight[:, 0], weight[:, 1] = 127, -127
    codes = np.ones((1, 3, 384), np.int64)
    codes[0, 1, ::3] = 0
    codes[0, 2, 64:320] = 0
    assert agrees(linear(weight, COUNTS, rows=64), codes, level)[0, 0, :2].tolist() == [
        48768,
        -48768,
    ]


@every_variant
@pytest.mark.parametrize("signed", [False, True])
def test_inputs_of_several_bits(level, signed):
    weight = np.random.default_rng(3).integers(-127, 128, (200, 50))
    graph = linear(weight, COUNTS, x=IntType(5, signed=signed))
    low, high = (-16, 16) if signed else (0, 32)
    agrees(graph, np.random.default_rng(4).integers(low, high, (2, 4, 200)), level)


@every_variant
@pytest.mark.parametrize("groups", [1, 2])
def test_windows_and_groups(level, groups):
    """In the middle of an image more wordlines are driven than at its edge."""
    net = Builder()
    x = net.input("x", (16, 6, 7))
    weight = np.random.default_rng(5).integers(-7, 8, (9 * 16 // groups, 34))
    cells, same = encoding("offset-binary", 4, 2), Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    read = adc("sar", 5, 1)  # 31 counts: 10 wordlines
    net.output(
        net.crossbars(x, weight, read, encoding=cells, wordlines=48, window=same, groups=groups)
    )
    for density in (0.1, 0.25, 0.9):
        agrees(net.graph(), random_spikes(2, 2, 16, 6, 7, density=density), level)


@every_variant
@pytest.mark.parametrize(("most", "exact"), [(7, 0), (100, 300), (300, 300), (5000, 0)])
def test_weights_of_the_digital_unit(level, most, exact):
    """Small ones are added as bytes; of the greatest, eight pass 16 bits."""
    net = Builder()
    x = net.input("x", (300,), IntType(3, signed=True))
    weight = np.random.default_rng(6).integers(-most, most + 1, (45, 300))
    net.output(net.digital(Linear, x, weight))
    graph = net.graph()
    for low in (-4, 3):
        agrees(graph, np.random.default_rng(7).integers(low, 4, (2, 3, 300)), level)
    assert phase(graph, level).numbers["exact"] == exact
