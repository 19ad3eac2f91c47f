"""Neurons that give several levels a step, on numbers that can be followed by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapper.ir.core import FLOAT, Const, Graph, IntType, State, Value
from mapper.ir.evaluate import evaluate
from mapper.ir.levels import Levels, RoundedLevels
from mapper.ir.neurons import IntegerNeuron, Neuron, Reset
from mapper.ir.verify import check_graph

I8 = IntType(8, signed=True)
NEAREST = RoundedLevels(high=4, rounding="half-even")


def neuron(kind, type, constants, **options):
    """Return a graph of one neuron."""
    x, v, after = (Value(name, type, (1,)) for name in ("x", "v", "after"))
    spike = Value("s", options["levels"].type, (1,))
    op = kind(x=x, membrane=v, membrane_next=after, spike=spike, **options)
    state = State(read=v, next="after", output="v_out")
    held = {name: np.asarray(array) for name, array in constants.items()}
    return Graph(
        name="one", inputs=(x,), outputs=(spike,), states=(state,), ops=(op,), constants=held
    )


def run(graph, inputs):
    """Return what it gives and its membrane in each step."""
    check_graph(graph, "the test")
    held = evaluate(graph, {"x": np.array(inputs).reshape(-1, 1, 1)})
    return held["s"].ravel().tolist(), held["v_out"].ravel().tolist()


def trained(inputs, **options):
    return run(neuron(Neuron, FLOAT, {}, **options), np.array(inputs, np.float32))


def integer(inputs, thresholds, **options):
    options["threshold"] = Const("t")
    return run(neuron(IntegerNeuron, I8, {"t": np.array(thresholds)}, **options), inputs)


def test_nearest_levels_take_the_even_one_of_two():
    """Half to even: 0.5 -> 0, 1.5 -> 2, 2.5 -> 2, 3.5 -> 4; what is above 4 gives 4."""
    halves = [0.5, 1.5, 2.5, 3.5, 4.5, 9.0, -0.5, -3.0]
    spikes, _ = trained(halves, leak=0.0, levels=NEAREST)
    assert spikes == [0, 2, 2, 4, 4, 4, 0, 0]


def test_a_reset_takes_the_threshold_as_often_as_a_level_says():
    """2 / 0.75 is 2.67: 3 fire, -0.25 is left; 3.25 / 0.75 is 4.33: 4 fire, 0.25 is left."""
    reset = Reset(kind="subtract", amount=0.75)
    spikes, membranes = trained([2.0, 3.5, 0.25], threshold=0.75, levels=NEAREST, reset=reset)
    assert spikes == [3, 4, 1]
    assert membranes == [-0.25, 0.25, -0.25]


def test_levels_toward_zero_are_reached_or_passed():
    at = [0.99, 1.0, 1.5, 2.0, 3.7, -1.0, -2.5]
    reached = RoundedLevels(low=-2, high=3)
    assert trained(at, leak=0.0, levels=reached)[0] == [0, 1, 1, 2, 3, -1, -2]
    assert trained(at, leak=0.0, levels=reached, strict=True)[0] == [0, 0, 1, 1, 3, 0, -2]


def test_a_hard_reset_follows_spikes_of_both_signs():
    reset = Reset(kind="value", amount=0.25)
    spikes, membranes = trained([1.0, -1.5, 0.5], levels=RoundedLevels(low=-1), reset=reset)
    assert spikes == [1, -1, 0]
    assert membranes == [0.25, 0.25, 0.75]


def test_integer_levels_count_thresholds():
    """Thresholds 3, 4 and 9: 4 reaches two and passes one."""

    def level(x, **options):
        return integer([x], [3, 4, 9], levels=Levels(high=3), **options)[0]

    assert [level(x) for x in (2, 3, 4, 8, 9, 100)] == [[0], [1], [2], [2], [3], [3]]
    assert [level(x, strict=True) for x in (3, 4, 9, 10)] == [[0], [1], [2], [3]]


def test_a_delayed_reset_takes_as_much_one_step_later():
    """9 gives 3 and stays; the next step takes 3 times 2 of 9 + 1."""
    reset = Reset(kind="subtract", amount=2, phase="next")
    spikes, membranes = integer([9, 1], [3, 4, 9], levels=Levels(high=3), reset=reset)
    assert (spikes, membranes) == ([3, 2], [9, 4])


def test_ternary_integers_are_two_comparisons():
    """-1 up to -5, that is below -4; 1 from 5 on."""
    reset = Reset(kind="subtract", amount=5)
    spikes, membranes = integer([5, -5, 4, -9], [-4, 5], levels=Levels(low=-1), reset=reset)
    assert (spikes, membranes) == ([1, -1, 0, -1], [0, 0, 4, 0])


@given(
    st.sampled_from(
        [
            (RoundedLevels(high=5, rounding="half-even"), False),
            (RoundedLevels(low=-3, high=2, rounding="half-even"), False),
            (RoundedLevels(high=4, rounding="half-up"), False),
            (RoundedLevels(low=-3, high=2), False),
            (RoundedLevels(low=-3, high=2), True),
            (RoundedLevels(high=7), True),
        ]
    ),
    st.lists(st.integers(-40, 40), min_size=1),
)
def test_comparisons_say_the_same_as_rounding(rule, eighths):
    levels, strict = rule
    q = np.array(eighths) / 8
    compared = np.full(q.shape, levels.low)
    for start, past in levels.starts(strict):
        compared += q > start if past else q >= start
    assert (levels.of(q, strict) == compared).all()


@pytest.mark.parametrize(
    ("kind", "options", "constants", "problem"),
    [
        (Neuron, {"levels": RoundedLevels(low=1, high=2)}, {}, "levels.low is 1"),
        (Neuron, {"levels": RoundedLevels(low=-1, high=255)}, {}, "at most 255 thresholds"),
        (Neuron, {"levels": NEAREST, "strict": True}, {}, "'strict' has no meaning"),
        (Neuron, {"levels": NEAREST, "threshold": 0.0}, {}, "which are above 0"),
        (Neuron, {"levels": RoundedLevels(rounding="half-even")}, {}, "past half a threshold"),
        (IntegerNeuron, {"levels": Levels(high=2)}, {}, "take a table of 2 thresholds"),
        (
            IntegerNeuron,
            {"levels": Levels(high=2), "threshold": Const("t")},
            {"t": [1, 2, 3]},
            "3 levels take a table of 2 thresholds",
        ),
        (
            IntegerNeuron,
            {"levels": Levels(high=2), "threshold": Const("t")},
            {"t": [5, 2]},
            "do not rise",
        ),
        (
            IntegerNeuron,
            {"levels": Levels(high=2), "threshold": Const("t")},
            {"t": [[1, 2], [3, 4]]},
            r"thresholds of shape \(2,\) do not broadcast to \(1,\)",
        ),
    ],
)
def test_levels_that_are_none(kind, options, constants, problem):
    graph = neuron(kind, FLOAT if kind is Neuron else I8, constants, **options)
    with pytest.raises(Exception, match=problem):
        check_graph(graph, "the test")


def test_spikes_have_the_type_of_their_levels():
    graph = neuron(Neuron, FLOAT, {}, levels=NEAREST)
    wide = Value("s", I8, (1,))
    wrong = replace(graph, ops=(replace(graph.ops[0], spike=wide),), outputs=(wide,))
    with pytest.raises(Exception, match=r"spikes are u3 \(1,\), got i8"):
        check_graph(wrong, "the test")
