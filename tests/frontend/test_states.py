"""Which inputs are state, which outputs are their next values, and what stays data."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.frontend.neurons.echoes import same_name
from mapper.ir.core import SPIKE
from mapper.ir.evaluate import evaluate
from mapper.verify.original import run_reference
from tests.frontend.models import (
    NUMBERS,
    assert_equal_to_reference,
    leaky,
    model,
    node,
    one_neuron_layer,
    saved,
)


def states_of(path):
    return {s.read.name: s.output for s in import_model(path).graph.states}


@pytest.mark.parametrize(
    ("read", "written", "same"),
    [
        ("mem1", "mem1_out", True),
        ("mem1", "next_mem1", True),
        ("v_in", "v_out", True),
        ("layer.1.v", "layer.1.v.next", True),
        ("mem1", "mem2_out", False),
        ("input", "output", False),
        ("state_0", "sub_out_1", False),
    ],
)
def test_names_that_differ_only_in_direction_are_the_same(read, written, same):
    assert same_name(read, written) is same


def test_a_state_is_found_by_its_dataflow(tmp_path):
    proto = one_neuron_layer()
    for port, name in ((proto.graph.input[1], "a"), (proto.graph.output[1], "b")):
        port.name = name
    for item in proto.graph.node:
        item.input[:] = ["a" if name == "v" else name for name in item.input]
        item.output[:] = ["b" if name == "v_out" else name for name in item.output]
    path = saved(proto, tmp_path)
    assert states_of(path) == {"a": "b"}
    assert_equal_to_reference(path)


def crossed(first, second):
    """Two neurons of one shape whose next states are returned under ``first`` and ``second``."""
    nodes = [
        *leaky("x", "v1", "s1", first, "1."),
        node("Gemm", "s1 w", "current"),
        *leaky("current", "v2", "s", second, "2."),
    ]
    shape = [1, 4]
    return model(
        nodes,
        {"x": shape, "v1": shape, "v2": shape},
        {"s": shape, "v1_out": shape, "v2_out": shape},
        {"w": np.eye(4, dtype=np.float32), **NUMBERS},
    )


def test_names_that_point_at_the_wrong_layer_are_not_believed(tmp_path):
    path = saved(crossed("v2_out", "v1_out"), tmp_path)
    assert states_of(path) == {"v1": "v2_out", "v2": "v1_out"}
    assert_equal_to_reference(path)


def test_one_tensor_may_be_output_and_state(tmp_path):
    nodes = [
        node("Gemm", "x w", "current"),
        node("Mul", "v half", "decayed"),
        node("Add", "decayed current", "y"),
        node("Identity", "y", "v_out"),
    ]
    proto = model(
        nodes,
        {"x": [1, 3], "v": [1, 2]},
        {"y": [1, 2], "v_out": [1, 2]},
        {"w": np.ones((3, 2), np.float32), **NUMBERS},
    )
    graph = assert_equal_to_reference(saved(proto, tmp_path)).graph
    assert [value.name for value in graph.outputs] == ["y"]
    assert (graph.states[0].next, graph.states[0].output) == ("y", "v_out")


def test_two_outputs_may_be_one_spike(tmp_path):
    proto = one_neuron_layer()
    proto.graph.node.append(node("Identity", "s", "again"))
    proto.graph.output.append(helper.make_tensor_value_info("again", TensorProto.FLOAT, [1, 4]))
    graph = assert_equal_to_reference(saved(proto, tmp_path)).graph
    assert [(value.name, value.type) for value in graph.outputs] == [("s", SPIKE), ("again", SPIKE)]


def test_a_state_that_a_step_leaves_alone_is_kept(tmp_path):
    proto = one_neuron_layer()
    proto.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, [1, 7]))
    proto.graph.output.append(helper.make_tensor_value_info("age_out", TensorProto.FLOAT, [1, 7]))
    proto.graph.node.append(node("Identity", "age", "age_out"))
    assert states_of(saved(proto, tmp_path)) == {"v": "v_out", "age": "age_out"}


def test_an_unused_input_is_dropped_with_a_warning(tmp_path):
    proto = one_neuron_layer()
    proto.graph.input.append(helper.make_tensor_value_info("idle", TensorProto.FLOAT, [1, 7]))
    imported = import_model(saved(proto, tmp_path))
    assert [value.name for value in imported.graph.inputs] == ["x"]
    assert imported.warnings == ("input 'idle' is not used",)


def test_a_model_without_a_batch_axis_keeps_its_shapes(tmp_path):
    proto = model(
        [node("MatMul", "x w", "current"), *leaky("current", "v", "s", "v_out")],
        {"x": [3], "v": [2]},
        {"s": [2], "v_out": [2]},
        {"w": np.ones((3, 2), np.float32), **NUMBERS},
    )
    imported = assert_equal_to_reference(saved(proto, tmp_path))
    port = imported.port("x")
    assert (port.model_shape, port.graph_shape, port.batch_axis) == ((3,), (3,), None)
    assert port.to_graph(np.zeros((5, 3))).shape == (5, 1, 3)
    assert port.to_model(np.zeros((5, 1, 3))).shape == (5, 3)


def test_initial_states_are_read_under_the_models_names(tmp_path):
    path = saved(one_neuron_layer(), tmp_path)
    x = np.zeros((3, 1, 3), np.float32)
    start = np.full((1, 4), 0.75, np.float32)
    imported = import_model(path)
    found = evaluate(imported.graph, {"x": x}, {"v": start})
    assert found["v_out"][:, 0, 0].tolist() == [0.375, 0.1875, 0.09375]
    assert (run_reference(path, {"x": x}, {"v": start})["v_out"] == found["v_out"]).all()


def three_states(*names):
    """Two currents in a row and a membrane, all of one shape; returned with ``_out`` added."""
    nodes = [
        node("Mul", "a half", "a_less"),
        node("Add", "a_less x", "a_out"),
        node("Mul", "b half", "b_less"),
        node("Add", "b_less a_out", "b_out"),
        *leaky("b_out", "v", "s", "v_out"),
    ]
    proto = model(
        nodes,
        {"x": [1, 4], "a": [1, 4], "b": [1, 4], "v": [1, 4]},
        {"s": [1, 4], "a_out": [1, 4], "b_out": [1, 4], "v_out": [1, 4]},
        NUMBERS,
    )
    renamed = dict(zip(("a", "b", "v", "a_out", "b_out", "v_out"), names, strict=False))
    for port in (*proto.graph.input, *proto.graph.output):
        port.name = renamed.get(port.name, port.name)
    for item in proto.graph.node:
        item.input[:] = [renamed.get(name, name) for name in item.input]
        item.output[:] = [renamed.get(name, name) for name in item.output]
    return proto


@pytest.mark.parametrize("names", ["", "pqrklm"], ids=["named", "without-names"])
def test_a_neuron_of_three_states_does_not_pass_for_one_of_two_and_data(names, tmp_path):
    with pytest.raises(MappingError) as caught:
        import_model(saved(three_states(*names), tmp_path))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "unsupported-neuron"
    assert "it has 3 states" in diagnostic.message


def test_a_sum_of_states_that_fires_is_no_membrane(tmp_path):
    """Two decaying currents, and spikes where their sum passes the threshold."""
    nodes = [
        node("Mul", "a half", "a_less"),
        node("Add", "a_less x", "a_out"),
        node("Mul", "b one", "b_less"),
        node("Sub", "b_less x", "b_out"),
        node("Add", "a_out b_out", "total"),
        node("Greater", "total one", "fires"),
        node("Cast", "fires", "s", to=TensorProto.FLOAT),
    ]
    proto = model(
        nodes,
        {"x": [1, 4], "a": [1, 4], "b": [1, 4]},
        {"s": [1, 4], "a_out": [1, 4], "b_out": [1, 4]},
        NUMBERS,
    )
    with pytest.raises(MappingError, match=r"a sum of states|depend"):
        import_model(saved(proto, tmp_path))


def test_a_membrane_may_be_the_output_of_a_neuron_that_nobody_hears(tmp_path):
    """The reset asks the old membrane; no node asks the new one."""
    nodes = [
        node("Greater", "v one", "fires"),
        node("Cast", "fires", "r", to=TensorProto.FLOAT),
        node("Mul", "v half", "less"),
        node("Add", "less x", "u"),
        node("Sub", "u r", "v_out"),
        node("Identity", "v_out", "readout"),
    ]
    ports = {"v_out": [1, 4], "readout": [1, 4]}
    path = saved(model(nodes, {"x": [1, 4], "v": [1, 4]}, ports, NUMBERS), tmp_path)
    assert_equal_to_reference(path)


def test_a_model_that_returns_states_alone_answers_with_its_last_membrane(tmp_path):
    proto = one_neuron_layer()
    del proto.graph.output[0]
    imported = assert_equal_to_reference(saved(proto, tmp_path))
    assert [value.name for value in imported.graph.outputs] == ["v_out"]
    assert [state.output for state in imported.graph.states] == ["v_out"]
