"""Merged bit-slices and shared scales: the same bits and traces on every engine."""

import doctest
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapper.executor.engine import ENGINES
from mapper.ir import merging
from mapper.ir.core import SPIKE, Array, Const, Graph, IntType
from mapper.ir.merging import code_bits, makes_code
from mapper.ir.neurons import Reset
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.verify import broken_rules, check_graph
from mapper.ir.windows import Window
from passes import MergeSums
from targets import load_target
from tests.builders import Builder, Readout, adc, encoding, sense_amp, ternary
from tests.campaigns import examples
from tests.engines import AVAILABLE, assert_same_bits, assert_same_counts
from tests.small_graphs import random_weights
from tests.strategies import Case, cases, codes

TARGET = load_target("adcless-64")
BITS = encoding("offset-binary")
ENCODINGS = {
    "offset-binary": encoding("offset-binary"),
    "twos-complement": encoding("twos-complement"),
    "differential": encoding("differential"),
    "two-bit cells": encoding("offset-binary", 4, 2),
}


def merged(graph: Graph) -> Graph:
    found = MergeSums().run(graph, TARGET)
    check_graph(found, "merge-sums")
    return found


def sums_of(graph: Graph) -> list[ShiftAndAdd]:
    return [op for op in graph.ops if isinstance(op, ShiftAndAdd)]


def assert_everywhere_as(graph: Graph, unmerged: Graph, case: Case) -> None:
    expected = ENGINES["definition"].prepare(unmerged).trace(case.inputs, case.initial)
    for name in AVAILABLE:
        found = ENGINES[name].prepare(graph).trace(case.inputs, case.initial)
        assert_same_bits(found.outputs, expected.outputs)
        assert_same_counts(found.counts, expected.counts)


def test_the_examples_of_the_rule_hold():
    assert doctest.testmod(merging).failed == 0


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(case=cases(steps=2))
def test_random_graphs_keep_their_bits_and_traces_on_every_engine(case: Case):
    assert_everywhere_as(merged(case.graph), case.graph, case)


def network(read: Readout, code: str, *, scale: object = 1, bits: int = 1, shift: int = 0) -> Graph:
    """Two convolutions with neurons behind, several row blocks and more columns than a vector."""
    net = Builder("merged")
    x = net.input("x", (5, 6, 6), IntType(bits, signed=bits > 1))
    window = Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    written = ENCODINGS[code]
    first = net.crossbars(
        x,
        random_weights(45, 37, seed=1)
        if code != "differential"
        else random_weights(45, 37, seed=2),
        read,
        encoding=written,
        window=window,
        wordlines=16,
        scale=scale,
        shift=shift,
    )
    s = net.integer_neurons(first, threshold=3, reset=Reset(kind="subtract", amount=3))
    second = net.crossbars(
        s, random_weights(37 * 9, 70, seed=3), read, encoding=written, window=window, wordlines=64
    )
    net.output(net.integer_neurons(second, threshold=5, reset=Reset(kind="value")))
    return net.graph()


READS = {
    "plus and minus": sense_amp(2),
    "one and nothing": sense_amp(2, levels=(0, 1)),
    "half-active": sense_amp(0, half_active=True),
    "two bits": sense_amp((1, 2, 4), levels=(0, 1, 2, 3)),
}
SCALES = {
    "one": 1,
    "a number": 37,
    "of outputs": np.arange(1, 38)[None],
    "the same in all blocks": np.full((3, 1), 5),
    "of blocks": np.array([[2], [3], [-4]]),
}


@pytest.mark.campaign(16)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("code", ["offset-binary", "twos-complement"])
def test_every_kind_of_merged_layer_keeps_its_bits(code: str, read: str, scale: str):
    graph = network(READS[read], code, scale=SCALES[scale], bits=3, shift=2)
    after = merged(graph)
    is_code = READS[read] is not READS["two bits"]  # whose slices would have to count 1, 4, 16, 64
    assert [op.merged for op in sums_of(after)] == [is_code, is_code]
    rng = np.random.default_rng(0)
    case = Case(graph, {v.name: codes(rng, v, 2, 2) for v in graph.inputs}, {})
    assert_everywhere_as(after, graph, case)


def test_codes_of_two_bits_merge_on_cells_of_two_bits():
    graph = network(READS["two bits"], "two-bit cells")
    after = merged(graph)
    assert [op.merged for op in sums_of(after)] == [True, True]
    rng = np.random.default_rng(0)
    case = Case(graph, {v.name: codes(rng, v, 2, 2) for v in graph.inputs}, {})
    assert_everywhere_as(after, graph, case)


@pytest.mark.parametrize("read", [ternary(-1, 1), adc("sar", 2, 1), adc("flash", 3, 1, step=3)])
def test_codes_that_overlap_are_added_as_before(read: Readout):
    graph = network(read, "differential")
    assert [op.merged for op in sums_of(merged(graph))] == [False, False]


def test_a_single_slice_needs_no_adder_whatever_its_readout_gives():
    net = Builder("one slice")
    x = net.input("x", (8,), SPIKE)
    sign = encoding("differential", 2)
    weight = np.array([[1], [-1], [0], [1], [1], [0], [-1], [1]])
    net.output(net.crossbars(x, weight, ternary(-1, 2), encoding=sign))
    (op,) = sums_of(merged(net.graph()))
    assert op.merged


@given(
    levels=st.lists(st.integers(-4, 4), min_size=2, max_size=5),
    counts=st.lists(st.sampled_from([-8, -4, -2, -1, 1, 2, 3, 4, 8, 16]), min_size=1, max_size=4),
)
def test_what_merges_is_one_number_in_bits_of_its_own(levels: list[int], counts: list[int]):
    """Merged codes give as many numbers, evenly spaced, as all their bits together have."""
    net = Builder("rule")
    p = net.input("p", (1, 1, len(counts), 1), IntType(4, signed=True))
    read = sense_amp(range(len(levels) - 1), tuple(levels)).make(net, "fc", p, None, BITS)
    assert isinstance(read, SenseAmpRead)
    if len(counts) == 1 or not makes_code(read, counts):
        return
    reached: Array = np.zeros(1, np.int64)
    for count in counts:
        reached = np.add.outer(reached, count * np.array(levels)).reshape(-1)
    found = np.unique(reached)
    assert len(found) == 2 ** (code_bits(read) * len(counts))
    # Their differences from the least are what bits of their own can add up to.
    rises = [abs(count) * (levels[1] - levels[0]) for count in counts]
    places = [rise << bit for rise in rises for bit in range(code_bits(read))]
    assert len(set(places)) == len(places)
    assert found[-1] - found[0] == sum(places)


def test_a_graph_that_claims_what_is_not_so_is_refused():
    graph = network(ternary(-1, 1), "differential")
    ops = tuple(replace(op, merged=True) if isinstance(op, ShiftAndAdd) else op for op in graph.ops)
    assert "codes of a ternary with significances (1, 2, 4) make no code" in broken_rules(
        replace(graph, ops=ops)
    )
    (add,) = sums_of(graph)[:1]
    alone = Graph(
        name="alone",
        inputs=(add.codes,),
        outputs=(add.result,),
        ops=(replace(add, merged=True),),
    )
    assert "but no readout gives these codes" in broken_rules(alone)


def test_a_table_that_repeats_itself_becomes_what_is_left_of_it():
    rows = np.array([[3, 5], [3, 5]])
    cells = {"all the same": (np.full((2, 2), 4), 4), "by output": (rows, rows[:1])}
    for table, expected in cells.values():
        net = Builder("scales")
        x = net.input("x", (4,), SPIKE)
        net.output(net.crossbars(x, random_weights(4, 2), sense_amp(1), wordlines=2, scale=table))
        after = merged(net.graph())
        (op,) = sums_of(after)
        if isinstance(op.scale, Const):
            assert np.array_equal(after.constants[op.scale.name], expected)
            assert len(after.constants) == len(net.graph().constants)
        else:
            assert op.scale == expected


def test_an_adc_whose_tables_differ_makes_no_code():
    net = Builder("tables")
    x = net.input("x", (4,), SPIKE)
    read = adc("sar", 1, np.array([[[1, 2]]]), np.array([[[1, 2]]]))
    weight = encoding("twos-complement", 3)
    net.output(net.crossbars(x, random_weights(4, 2) // 2, read, encoding=weight))
    graph = net.graph()
    (reader,) = [op for op in graph.ops if isinstance(op, AdcRead)]
    assert code_bits(reader) == 0
    assert not sums_of(merged(graph))[0].merged
