"""Crossbars small enough to compute by hand, on the definition and on every engine."""

import numpy as np
import pytest

from mapper.ir.core import SPIKE, IntType, Span
from mapper.ir.synapses import Linear
from mapper.ir.windows import Window, transposed_window
from tests.builders import Builder, adc, encoding, ideal, sense_amp, ternary
from tests.engines import answer, run_everywhere
from tests.small_graphs import one_layer, random_spikes, random_weights


def test_weights_3_and_minus_2_are_read_as_minus_5():
    # u = (1, 1, 0) and (0, -1, 0): sums (1, 0, 0), levels (+1, -1, -1), 1 - 2 - 4
    graph = one_layer(2, 1, weight=[[3], [-2]], read=sense_amp(1, levels=(-1, 1)))
    assert answer(graph, [1, 1]) == [-5]


def test_a_sum_that_equals_its_threshold_reaches_it():
    graph = one_layer(2, 1, weight=[[1], [1]], read=sense_amp(2, levels=(0, 1)))
    assert answer(graph, [1, 0]) == [0]
    assert answer(graph, [1, 1]) == [1]


def test_ternary_levels_are_minus_1_below_0_and_plus_1_from_2_on():
    # slice 1 counts the weights of 1: sums -1, 0, 2; the empty slices read 0
    graph = one_layer(3, 1, weight=[[1], [1], [-1]], read=ternary(0, 2))
    assert answer(graph, [0, 0, 1]) == [-1]
    assert answer(graph, [0, 0, 0]) == [0]
    assert answer(graph, [1, 1, 0]) == [1]


def test_a_two_bit_adc_saturates_at_code_3():
    # twelve rows of weight 1: p = 12 in slice 1, (12 - 1) // 2 + 1 = 6, clipped to 3, 4 + 2 * 3
    weight = np.ones((12, 1), np.int64)
    graph = one_layer(12, 1, weight=weight, read=adc("flash", 2, 1, 2, 4), encoding=None)
    assert answer(graph, np.ones(12)) == [10]
    assert answer(graph, [1, *[0] * 11]) == [6]  # p = 1: code 1
    assert answer(graph, np.zeros(12)) == [4]  # p = 0: code 0


def test_half_of_the_active_rows_is_a_reference_that_follows_them():
    # offset binary, 2 bits: weights 1, 0, -2 are stored as 3, 2, 0
    # x = 111: n = 3, slice 0 holds 1 of 3 (2 < 3: low), slice 1 holds 2 of 3 (4 >= 3: high)
    graph = one_layer(
        3,
        1,
        weight=[[1], [0], [-2]],
        read=sense_amp(0, half_active=True),
        encoding=encoding("offset-binary", weight_bits=2),
    )
    assert answer(graph, [1, 1, 1]) == [-1 + 2]
    assert answer(graph, [0, 1, 1]) == [-1 + 2]  # n = 2: slice 0 has 0, slice 1 ties with 1
    assert answer(graph, [0, 0, 0]) == [1 + 2]  # nothing driven: 0 >= 0 is a tie, both high


def test_offset_binary_takes_back_8_for_each_active_row():
    # -8 and 7 are stored as 0 and 15
    graph = one_layer(
        2, 1, weight=[[-8], [7]], read=ideal(), encoding=encoding("offset-binary"), wordlines=1
    )
    assert answer(graph, [1, 0]) == [-8]
    assert answer(graph, [1, 1]) == [-1]


@pytest.mark.parametrize("cell_bits", [1, 2, 4])
@pytest.mark.parametrize("weight_bits", [2, 3, 4, 8])
@pytest.mark.parametrize("kind", ["twos-complement", "offset-binary", "differential"])
def test_an_ideal_readout_gives_the_exact_product(kind, weight_bits, cell_bits):
    largest = 2 ** (weight_bits - 1) - 1
    weight = random_weights(11, 4, largest=largest)
    graph = one_layer(
        11,
        4,
        weight=weight,
        read=ideal(),
        encoding=encoding(kind, weight_bits, cell_bits),
        wordlines=4,
    )
    spikes = random_spikes(11)
    assert answer(graph, spikes) == (spikes @ weight).tolist()


@pytest.mark.parametrize(("type", "low", "high"), [("u3", 0, 7), ("i3", -4, 3), ("i1", -1, 0)])
def test_codes_are_applied_bit_by_bit_and_the_sign_bit_counts_negatively(type, low, high):
    net = Builder()
    code = IntType(int(type[1]), signed=type[0] == "i")
    x = net.input("x", (high - low + 1,), code)
    net.output(net.crossbars(x, np.eye(high - low + 1, dtype=np.int64), ideal()))
    codes = list(range(low, high + 1))
    assert answer(net.graph(), codes) == codes


def test_row_blocks_and_columns_have_their_own_scale_and_the_shift_rounds_down():
    # sums of the blocks: (1, -1) and (-1, 0); 3 * 1 - 5 = -2, -1 * 2 + 0 = -2; both >> 2
    graph = one_layer(
        2,
        2,
        weight=[[1, -1], [-1, 0]],
        read=ideal(),
        wordlines=1,
        scale=np.array([[3, 2], [5, 7]]),
        shift=2,
    )
    assert answer(graph, [1, 1]) == [-1, -1]


def test_row_blocks_may_have_any_height():
    blocks = (Span(0, 1), Span(1, 5), Span(5, 7))
    weight = random_weights(7, 2)
    graph = one_layer(7, 2, weight=weight, read=ideal(), blocks=blocks)
    assert answer(graph, np.ones(7)) == weight.sum(axis=0).tolist()


def test_thresholds_of_each_block_slice_and_column_are_used():
    thresholds = np.arange(1 * 2 * 3 * 2).reshape(1, 2, 3, 2) - 5
    graph = one_layer(4, 2, read=sense_amp(thresholds), wordlines=2)
    run_everywhere(graph, {"x": random_spikes(5, 6, 4)})


def test_thresholds_far_outside_the_sums_are_never_or_always_reached():
    table = np.array([-(2**40), 2**40]).reshape(1, 1, 1, 2)
    graph = one_layer(3, 2, read=sense_amp(table), encoding=None)
    assert answer(graph, [1, 1, 1]) == [1, -1]


def test_groups_see_their_own_inputs_only():
    # 4 inputs in 2 groups; outputs 0, 1 see inputs 0, 1 and outputs 2, 3 see inputs 2, 3
    net = Builder()
    x = net.input("x", (4,))
    weight = np.array([[1, 2, 3, 4], [5, 6, 7, -1]])
    net.output(net.crossbars(x, weight, ideal(), groups=2))
    assert answer(net.graph(), [1, 0, 0, 1]) == [1, 2, 7, -1]


def test_a_window_with_stride_2_and_dilation_2_over_a_ramp():
    # one channel 5 x 5, kernel 2 x 2 of ones: corners (0, 0), (0, 2), (2, 0), (2, 2) apart
    net = Builder()
    x = net.input("x", (1, 5, 5))
    window = Window(kernel=(2, 2), stride=(2, 2), dilation=(2, 2))
    net.output(net.crossbars(x, np.ones((4, 1), np.int64), ideal(), window=window))
    image = np.zeros((5, 5), np.int64)
    image[0, 0] = image[2, 2] = image[4, 4] = image[1, 1] = 1
    assert answer(net.graph(), image) == [2, 1, 1, 2]


def test_padding_below_zero_crops():
    net = Builder()
    x = net.input("x", (1, 3, 3))
    window = Window(kernel=(1, 1), padding=(-1, -1, 0, 1))
    net.output(net.crossbars(x, [[1]], ideal(), window=window))
    image = [[1, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert answer(net.graph(), image) == [0, 1, 0, 1, 0, 0]


def test_a_transposed_convolution_with_stride_2_spreads_each_spike():
    # kernel 2 x 2 of 1 2 3 4, turned by 180 degrees for the window
    net = Builder()
    x = net.input("x", (1, 2, 2))
    window = transposed_window((2, 2), (2, 2), (0, 0, 0, 0), (1, 1), (0, 0))
    net.output(net.crossbars(x, [[4], [3], [2], [1]], ideal(), window=window))
    assert answer(net.graph(), [[1, 0], [0, 1]]) == [1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4]


@pytest.mark.parametrize(
    ("bits", "exponent"),
    [(8, 8), (24, 12), (40, 20)],
    ids=["single precision", "double precision", "64-bit integers"],
)
def test_digital_layers_are_exact_however_large_their_sums(bits, exponent):
    net = Builder()
    x = net.input("x", (3,), IntType(bits, signed=False))
    weight = np.array([[1, -1, 2**exponent - 1], [2**exponent - 1, -1, 1]])
    net.output(net.digital(Linear, x, weight))
    codes = np.array([1, 2**bits - 1, 2**bits - 1])
    assert answer(net.graph(), codes) == (weight @ codes).tolist()


@pytest.mark.parametrize("largest", [2**22, 2**26, 2**50])
def test_crossbars_of_whole_weights_are_exact_however_large_their_sums(largest):
    weight = np.array([[largest, 1], [1, -largest], [-1, 1]])
    graph = one_layer(3, 2, weight=weight, read=sense_amp(largest), encoding=None)
    assert answer(graph, [1, 0, 1]) == [-1, -1]
    assert answer(graph, [1, 1, 0]) == [1, -1]


def test_an_adc_with_steps_beyond_32_bits_is_exact():
    graph = one_layer(2, 1, weight=[[1], [1]], read=adc("sar", 2, 1, 2**33, 2**34), encoding=None)
    assert answer(graph, [1, 1]) == [2**34 + 2**33]
    assert answer(graph, [0, 0]) == [2**34]


def test_scales_beyond_32_bits_are_exact():
    graph = one_layer(2, 1, weight=[[7], [7]], read=ideal(), scale=2**40, shift=3)
    assert answer(graph, [1, 1]) == [14 * 2**37]


def test_two_layers_may_share_one_count_of_active_rows():
    net = Builder()
    x = net.input("x", (6,))
    half = sense_amp(0, half_active=True)
    y = net.crossbars(x, random_weights(6, 3), half, encoding=encoding("offset-binary"))
    count = next(op for op in net.ops if op.mnemonic == "imc.count_active")
    net.output(y, count.results[0])
    run_everywhere(net.graph(), {"x": random_spikes(2, 3, 6)})


def test_pooling_reads_the_lowest_code_and_zero_outside():
    net = Builder()
    x = net.input("x", (1, 2, 2), IntType(3, signed=True))
    window = Window(kernel=(2, 2), padding=(1, 1, 0, 0))
    net.output(net.max_pool2d(x, window), net.sum_pool2d(x, window))
    inputs = {"x": np.array([[-4, -3], [-2, -1]]).reshape(1, 1, 1, 2, 2)}
    greatest, total = run_everywhere(net.graph(), inputs).values()
    assert greatest.ravel().tolist() == [-4, -3, -2, -1]
    assert total.ravel().tolist() == [-4, -7, -6, -10]


def test_spikes_are_merged_by_their_truth_tables():
    net = Builder()
    a, b = net.input("a", (4,), SPIKE), net.input("b", (4,), SPIKE)
    kinds = ("and", "or", "xor", "iand")
    net.output(*(net.merge(kind, a, b) for kind in kinds))
    inputs = {"a": np.array([[[0, 0, 1, 1]]]), "b": np.array([[[0, 1, 0, 1]]])}
    found = [array.ravel().tolist() for array in run_everywhere(net.graph(), inputs).values()]
    assert found == [[0, 0, 0, 1], [0, 1, 1, 1], [0, 1, 1, 0], [0, 1, 0, 0]]


def test_scaled_sums_are_shifted_down_towards_minus_infinity():
    net = Builder()
    x = net.input("x", (2,), IntType(4, signed=True))
    net.output(net.scaled_add([x, x], [3, np.array([-5, 1])], shift=1))
    assert answer(net.graph(), [3, -2]) == [(9 - 15) >> 1, (-6 - 2) >> 1]
    assert answer(net.graph(), [-1, 1]) == [1, 2]


@pytest.mark.parametrize("size", [1, 20, 5000, 2**26, 2**50])
def test_levels_may_have_any_size(size):
    # all three slices of a weight of 7 reach the upper level: 1 + 2 + 4 times; 140 is no int8
    graph = one_layer(1, 1, weight=[[7]], read=sense_amp((0, 1), levels=(-size, 0, size)))
    assert answer(graph, [1]) == [7 * size]
    assert answer(graph, [0]) == [0]
