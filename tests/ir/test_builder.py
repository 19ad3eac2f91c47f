"""The builder: shapes and types follow from what feeds a layer, and nothing broken leaves it."""

import doctest

import numpy as np
import pytest

from mapper.ir import builder
from mapper.ir.builder import GraphBuilder
from mapper.ir.core import FLOAT, SPIKE, IntType
from mapper.ir.evaluate import evaluate
from mapper.ir.verify import InvalidIR
from mapper.ir.windows import Window


def test_its_example_runs():
    assert doctest.testmod(builder).failed == 0


def test_shapes_follow_from_the_input_and_the_weights():
    net = GraphBuilder()
    x = net.input("x", (2, 9, 7))
    y = net.conv2d(x, np.ones((5, 2, 3, 3), np.float32), stride=(2, 1), padding=(1, 0, 1, 0))
    assert y.shape == (5, 5, 5)  # (9 + 2 - 3) / 2 + 1 rows, 7 - 3 + 1 columns
    assert net.conv_transpose2d(y, np.ones((5, 4, 2, 2), np.float32), stride=(2, 2)).shape == (
        4,
        10,
        10,
    )
    assert net.max_pool2d(y, Window(kernel=(2, 2), stride=(2, 2))).shape == (5, 2, 2)
    assert net.flatten(y).shape == (125,)
    assert net.transpose(y, (2, 0, 1)).shape == (5, 5, 5)
    assert net.concat(x, net.take(x, (1,), axis=0)).shape == (3, 9, 7)


def test_integer_weights_give_the_narrowest_integers_that_hold_every_sum():
    net = GraphBuilder()
    y = net.linear(net.input("x", (3,)), np.array([[1, -2, 4]]))
    assert y.type == IntType(4, signed=True)  # -2 .. 5
    assert net.sum(y, y).type == IntType(5, signed=True)  # -8-8 .. 7+7


def test_float_weights_give_reals_and_neurons_give_spikes():
    net = GraphBuilder()
    y = net.linear(net.input("x", (3,)), np.ones((2, 3), np.float32))
    assert (y.type, net.neurons(y).type, net.neurons(y, fires=False).type) == (FLOAT, SPIKE, FLOAT)


def test_a_neuron_subtracts_its_threshold_and_leaks_by_hand():
    net = GraphBuilder()
    net.output(net.neurons(net.scale(net.input("x", (1,))), leak=0.5, threshold=1.5))
    (spikes,) = evaluate(net.graph(), {"x": np.ones((5, 1, 1), np.int64)}).values()
    # v: 1, 1.5 fires and leaves 0, 1, 1.5 fires and leaves 0, 1
    assert spikes.ravel().tolist() == [0, 1, 0, 1, 0]


def test_a_current_drives_the_membrane_with_its_new_value():
    net = GraphBuilder()
    x = net.scale(net.input("x", (1,)))
    net.output(net.neurons(x, current_leak=0.5, fires=False))
    (membranes,) = evaluate(net.graph(), {"x": np.array([[[1]], [[0]], [[0]]])}).values()
    assert membranes.ravel().tolist() == [1.0, 1.5, 1.75]  # i = 1, 0.5, 0.25, added up


def test_equal_numbers_are_stored_once_and_others_under_a_name_of_their_own():
    net = GraphBuilder()
    first = net.constant("w", [1, 2])
    assert net.constant("w", [1, 2]) == first
    assert net.constant("w", [1, 3]).name == "w.1"
    assert sorted(net.constants) == ["w", "w.1"]


def test_names_that_are_reserved_are_not_given():
    net = GraphBuilder(reserved={"y"})
    assert [net.unique("y"), net.unique("y"), net.unique("z")] == ["y.1", "y.2", "z"]


def test_a_state_that_nothing_follows_is_refused():
    net = GraphBuilder()
    state = net.state("v", (3,), FLOAT)
    net.output(net.sum(net.scale(net.input("x", (3,))), state))
    with pytest.raises(InvalidIR, match=r"state .*v"):
        net.graph()


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda net, x: net.conv2d(x, np.ones((4, 3, 3, 3), np.float32)), "net.conv2d 'conv0'"),
        (lambda net, x: net.conv2d(x, np.ones(3)), r"have 4 axes, got shape \(3,\)"),
        (lambda net, x: net.linear(net.flatten(x), np.ones((4, 7))), "net.linear 'fc1'"),
    ],
)
def test_a_layer_that_does_not_fit_is_refused_where_it_is_written(write, said):
    net = GraphBuilder()
    x = net.input("x", (2, 8, 8))
    with pytest.raises(InvalidIR, match=said):
        write(net, x)
