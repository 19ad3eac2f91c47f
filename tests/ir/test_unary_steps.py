"""Counts on wordlines: a binary step a read, as many as the counts have, or bit planes."""

import numpy as np
import pytest

from mapper.executor import engine
from mapper.ir.core import IntType
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.evaluate import evaluate
from mapper.ir.levels import Levels
from mapper.ir.verify import InvalidIR, check_graph
from tests.builders import Builder, adc, encoding, ideal, sense_amp, ternary
from tests.engines import AVAILABLE, answer, assert_same_counts

UP_TO_4 = Levels(high=4)
BOTH_SIGNS = Levels(low=-2, high=1)


def a_layer(bits, steps, *, weight=((1,), (1,)), read=None, **fields):
    net = Builder()
    x = net.input("x", (len(weight),), IntType(bits, signed=steps.low < 0))
    net.output(net.crossbars(x, weight, read or ideal(), steps=steps, **fields))
    return net.graph()


def the_layer(graph) -> CrossbarMvm:
    (layer,) = (op for op in graph.ops if isinstance(op, CrossbarMvm))
    return layer


def test_a_count_of_up_to_4_takes_four_reads_of_a_step():
    """3 and 1: both are above 0, one is above 1 and above 2, none above 3."""
    graph = a_layer(3, UP_TO_4, encoding=None)
    found = evaluate(graph, {"x": np.array([[[3, 1]]])}, watch=["layer0.sum"])["layer0.sum"]
    assert found.ravel().tolist() == [2, 1, 1, 0]
    assert answer(graph, [3, 1]) == [4]


def test_steps_below_zero_count_negatively():
    """1 and -2: one is above 0, one at most -1, one at most -2."""
    graph = a_layer(2, BOTH_SIGNS, encoding=None)
    found = evaluate(graph, {"x": np.array([[[1, -2]]])}, watch=["layer0.sum"])["layer0.sum"]
    assert found.ravel().tolist() == [1, 1, 1]
    assert answer(graph, [1, -2]) == [-1]


def test_what_is_above_the_last_step_counts_as_it():
    """7 is above 0, 1, 2 and 3: there is no further step."""
    assert answer(a_layer(3, UP_TO_4, encoding=None), [7, 0]) == [4]


def test_a_sense_amplifier_reads_other_integers_than_of_bit_planes():
    """4 and 3 at a threshold of 2: steps give sums of 2, 2, 2 and 1; planes of 1, 1 and 1."""
    weight, read = ((1,), (1,)), sense_amp(2, levels=(0, 1))
    assert answer(a_layer(3, UP_TO_4, weight=weight, read=read, encoding=None), [4, 3]) == [3]
    net = Builder()
    x = net.input("x", (2,), IntType(3, signed=False))
    net.output(net.crossbars(x, weight, read, encoding=None))
    assert answer(net.graph(), [4, 3]) == [0]


@pytest.mark.parametrize("steps", [UP_TO_4, Levels(high=5), BOTH_SIGNS, Levels(low=-1)])
@pytest.mark.parametrize(
    ("kind", "read"),
    [
        ("differential", ideal()),
        ("twos-complement", adc("sar", 8, -99, 1, -100)),
        ("offset-binary", ideal("adder-tree")),
    ],
)
def test_sums_that_are_kept_are_those_of_bit_planes(steps, kind, read):
    rng = np.random.default_rng(1)
    weight = rng.integers(-7, 8, (9, 3))
    fields = {"weight": weight, "read": read, "encoding": encoding(kind), "wordlines": 4}
    graph = a_layer(4, steps, **fields)
    net = Builder()
    x = net.input("x", (9,), IntType(4, signed=steps.low < 0))
    fields.pop("weight")
    net.output(net.crossbars(x, weight, fields.pop("read"), **fields))
    codes = rng.integers(steps.low, steps.high + 1, (2, 3, 9))
    read_in_steps = engine.run(graph, {"x": codes}, "definition").outputs["layer0"]
    assert (read_in_steps == codes @ weight).all()
    read_in_planes = engine.run(net.graph(), {"x": codes}, "definition").outputs["layer0"]
    assert (read_in_planes == codes @ weight).all()


@pytest.mark.parametrize("steps", [UP_TO_4, Levels(high=7), BOTH_SIGNS, Levels(low=-3, high=3)])
@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (ideal(), "differential"),
        (ternary(-1, 3), "differential"),
        (adc("sar", 3, 1, 2), "offset-binary"),
        (sense_amp(0, half_active=True), "offset-binary"),
    ],
)
def test_every_engine_computes_and_counts_alike(steps, read, kind):
    rng = np.random.default_rng(0)
    weight = rng.integers(-7, 8, (11, 4))
    graph = a_layer(4, steps, weight=weight, read=read, encoding=encoding(kind), wordlines=4)
    low, high = (-8, 8) if steps.low < 0 else (0, 16)  # past the last step, too
    x = rng.integers(low, high, (2, 3, 11))
    expected = engine.run(graph, {"x": x}, "definition", trace=True)
    for name in AVAILABLE:
        found = engine.run(graph, {"x": x}, name, trace=name != "onnx")
        assert (found.outputs["layer0"] == expected.outputs["layer0"]).all(), name
        if name != "onnx":
            assert_same_counts(found.counts, expected.counts)


@pytest.mark.parametrize(
    ("steps", "plane_bits", "problem"),
    [
        (Levels(high=8), 1, "steps of 0..8, more than u3 holds"),
        (Levels(low=-1, high=4), 1, "steps of -1..4, more than u3 holds"),
        (Levels(low=1, high=4), 1, "steps.low is 1, it takes whole numbers of -255..0"),
        (UP_TO_4, 2, "steps are read one at a time, not 2 bits"),
    ],
)
def test_steps_that_the_input_does_not_count_are_refused(steps, plane_bits, problem):
    net = Builder()
    x = net.input("x", (2,), IntType(3, signed=False))
    net.output(net.crossbars(x, ((1,), (1,)), ideal(), steps=steps, plane_bits=plane_bits))
    with pytest.raises(InvalidIR, match=problem):
        check_graph(net.graph(), "tests")
