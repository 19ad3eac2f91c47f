"""Noise that exporters leave: none of it changes what is recognised."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from mapper.frontend import import_model
from mapper.ir.neurons import Neuron, Reset
from tests.frontend.models import (
    NUMBERS,
    assert_equal_to_reference,
    leaky,
    model,
    node,
    one_neuron_layer,
    saved,
)

PLAIN = ["net.linear", "net.neuron"]


def with_current(*nodes, weights=None):
    """Return ``one_neuron_layer`` with ``nodes`` between the layer's ``raw`` and ``current``."""
    return model(
        [node("Gemm", "x w", "raw", transB=1), *nodes, *leaky("current", "v", "s", "v_out")],
        {"x": [1, 3], "v": [1, 4]},
        {"s": [1, 4], "v_out": [1, 4]},
        {"w": np.ones((4, 3), np.float32), **NUMBERS, **(weights or {})},
    )


def kinds(proto, folder):
    imported = assert_equal_to_reference(saved(proto, folder))
    return [op.mnemonic for op in imported.graph.ops]


def test_reshapes_that_lead_nowhere_vanish(tmp_path):
    proto = with_current(
        node("Unsqueeze", "raw first", "deep"),
        node("Slice", "deep first last first", "same"),
        node("Gather", "same zero", "current", axis=0),
        weights={"first": np.array([0]), "last": np.array([1]), "zero": np.array(0)},
    )
    assert kinds(proto, tmp_path) == PLAIN


def test_a_shape_that_is_computed_is_known(tmp_path):
    proto = with_current(
        node("Shape", "raw", "shape"),
        node("Gather", "shape one_axis", "width", axis=0),
        node("Concat", "batch width", "target", axis=0),
        node("Reshape", "raw target", "current"),
        weights={"one_axis": np.array([1]), "batch": np.array([-1])},
    )
    assert kinds(proto, tmp_path) == PLAIN


def test_a_branch_on_a_known_condition_is_followed(tmp_path):
    def branch(name, op):
        result = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4])
        return helper.make_graph([helper.make_node(op, ["raw"], [name])], name, [], [result])

    choice = helper.make_node(
        "If",
        ["flag"],
        ["current"],
        then_branch=branch("kept", "Identity"),
        else_branch=branch("lost", "Softmax"),
    )
    proto = with_current(choice, weights={"flag": np.array(True)})
    assert kinds(proto, tmp_path) == PLAIN


def test_nodes_that_nothing_needs_are_not_looked_at(tmp_path):
    proto = one_neuron_layer()
    proto.graph.node.append(node("Softmax", "current", "unused"))
    assert kinds(proto, tmp_path) == PLAIN


def test_a_parameter_worked_out_from_others_is_one_number(tmp_path):
    proto = one_neuron_layer()
    proto.graph.node.insert(0, node("Reciprocal", "two", "half"))
    del proto.graph.initializer[1]
    proto.graph.initializer.append(helper.make_tensor("two", TensorProto.FLOAT, [], [2.0]))
    assert kinds(proto, tmp_path) == PLAIN


def test_noise_times_zero_is_nothing(tmp_path):
    proto = with_current(
        node("RandomNormalLike", "raw", "noise"),
        node("Mul", "noise nothing", "silence"),
        node("Add", "raw silence", "current"),
        weights={"nothing": 0.0},
    )
    graph = import_model(saved(proto, tmp_path)).graph
    assert [op.mnemonic for op in graph.ops] == PLAIN


COMPARISONS = {
    "less, swapped": [node("Less", "one u", "fires")],
    "not less": [node("LessOrEqual", "u one", "quiet"), node("Not", "quiet", "fires")],
    "difference and zero": [node("Sub", "u one", "d"), node("Greater", "d zero", "fires")],
    "sign of a rectifier": [
        node("Sub", "u one", "d"),
        node("Relu", "d", "r"),
        node("Sign", "r", "fires"),
    ],
    "a scaled difference": [
        node("Sub", "u one", "d"),
        node("Mul", "d half", "hd"),
        node("Greater", "hd zero", "fires"),
    ],
}


@pytest.mark.parametrize("comparison", COMPARISONS.values(), ids=COMPARISONS)
def test_a_comparison_is_the_same_however_it_is_written(comparison, tmp_path):
    nodes = [
        node("Gemm", "x w", "current", transB=1),
        node("Mul", "v half", "decayed"),
        node("Add", "decayed current", "u"),
        *comparison,
        node("Cast", "fires", "s", to=TensorProto.FLOAT),
        node("Where", "s_on low u", "v_out"),
    ]
    nodes.insert(-1, node("Cast", "s", "s_on", to=TensorProto.BOOL))
    proto = model(
        nodes,
        {"x": [1, 3], "v": [1, 4]},
        {"s": [1, 4], "v_out": [1, 4]},
        {"w": np.ones((4, 3), np.float32), "zero": 0.0, "low": -0.25, **NUMBERS},
    )
    imported = assert_equal_to_reference(saved(proto, tmp_path))
    (neuron,) = (op for op in imported.graph.ops if isinstance(op, Neuron))
    assert (neuron.threshold, neuron.strict) == (1.0, True)
    assert neuron.reset == Reset(kind="value", amount=-0.25)


def test_a_tie_follows_the_comparison(tmp_path):
    """Membrane and threshold are both exactly 1: ``>`` stays silent, ``>=`` fires."""
    spikes = []
    for op in ("Greater", "GreaterOrEqual"):
        proto = one_neuron_layer()
        next(n for n in proto.graph.node if n.op_type == "Greater").op_type = op
        imported = assert_equal_to_reference(saved(proto, tmp_path), density=0.3)
        (neuron,) = (op for op in imported.graph.ops if isinstance(op, Neuron))
        spikes.append(neuron.strict)
    assert spikes == [True, False]


def test_a_constant_added_after_a_product_is_its_bias(tmp_path):
    proto = model(
        [
            node("MatMul", "x w", "raw"),
            node("Add", "b raw", "current"),
            *leaky("current", "v", "s", "v_out"),
        ],
        {"x": [1, 3], "v": [1, 4]},
        {"s": [1, 4], "v_out": [1, 4]},
        {"w": np.ones((3, 4), np.float32), "b": np.arange(4, dtype=np.float32), **NUMBERS},
    )
    graph = assert_equal_to_reference(saved(proto, tmp_path)).graph
    assert graph.ops[0].bias.name == "b"


def test_parameters_per_channel_stay_one_per_channel(tmp_path):
    leak = np.linspace(0.1, 0.9, 4, dtype=np.float32).reshape(4, 1, 1)
    proto = model(
        [node("Conv", "x w", "current"), *leaky("current", "v", "s", "v_out")],
        {"x": [1, 2, 5, 5], "v": [1, 4, 3, 3]},
        {"s": [1, 4, 3, 3], "v_out": [1, 4, 3, 3]},
        {"w": np.ones((4, 2, 3, 3), np.float32), "half": leak, "one": 1.0},
    )
    graph = assert_equal_to_reference(saved(proto, tmp_path)).graph
    neuron = graph.ops[-1]
    assert graph.constants[neuron.leak.name].shape == (4, 1, 1)
