"""Models that can be read but not mapped: each reason has its code and its place."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.ir.neurons import Neuron
from mapper.verify.original import run_reference
from tests.frontend.models import NUMBERS, leaky, model, node, one_neuron_layer, saved


def refusal(proto, folder):
    with pytest.raises(MappingError) as caught:
        import_model(saved(proto, folder))
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def with_shapes(x, v):
    return model(
        [node("Gemm", "x w", "current", transB=1), *leaky("current", "v", "s", "v_out")],
        {"x": x, "v": v},
        {"s": v, "v_out": v},
        {"w": np.ones((4, 3), np.float32), **NUMBERS},
    )


def test_a_size_other_than_the_batch_may_not_be_open(tmp_path):
    diagnostic = refusal(with_shapes([1, "features"], [1, 4]), tmp_path)
    assert (diagnostic.code, diagnostic.loc) == ("dynamic-shape", "model.onnx:x")
    assert "'features'" in diagnostic.message


def test_half_precision_is_refused(tmp_path):
    proto = one_neuron_layer()
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    proto.graph.node.insert(0, node("Cast", "x", "wide", to=TensorProto.FLOAT))
    proto.graph.node[1].input[0] = "wide"
    diagnostic = refusal(proto, tmp_path)
    assert (diagnostic.code, diagnostic.loc) == ("unsupported-op", "model.onnx:x")
    assert "FLOAT16" in diagnostic.message


def test_a_model_whose_samples_depend_on_each_other_is_refused(tmp_path):
    proto = with_shapes([2, 3], [2, 4])
    proto.graph.node.insert(0, node("ReduceSum", "x", "both", keepdims=1))
    proto.graph.node.insert(1, node("Add", "x both", "mixed"))
    proto.graph.node[2].input[0] = "mixed"
    assert refusal(proto, tmp_path).code == "fixed-batch"


def test_a_step_whose_state_is_not_passed_is_refused(tmp_path):
    proto = one_neuron_layer()
    zeros = numpy_helper.from_array(np.zeros((1, 4), np.float32), "v")
    del proto.graph.input[1], proto.graph.output[1]
    proto.graph.initializer.append(zeros)
    diagnostic = refusal(proto, tmp_path)
    assert (diagnostic.code, diagnostic.loc) == ("missing-state", "model.onnx:/fires")
    assert "whose state is a constant of zeros inside the file" in diagnostic.message


def test_weights_on_a_state_that_starts_inside_are_refused_for_that(tmp_path):
    """A recurrent convolution whose state the network makes itself reads zeros in every step."""
    nodes = [
        node("Conv", "state k", "fed_back"),
        node("Conv", "x k", "fed_in"),
        node("Add", "fed_in fed_back", "current"),
        *leaky("current", "v", "s", "v_out"),
    ]
    stored = {"state": np.zeros((1, 2, 3, 3), np.float32), "k": np.ones((2, 2, 1, 1), np.float32)}
    shape = [1, 2, 3, 3]
    proto = model(
        nodes, {"x": shape, "v": shape}, {"s": shape, "v_out": shape}, {**stored, **NUMBERS}
    )
    diagnostic = refusal(proto, tmp_path)
    assert (diagnostic.code, diagnostic.loc) == ("missing-state", "model.onnx:/fed_back")
    assert "Conv: what its weights read is a constant of zeros" in diagnostic.message
    assert "init_hidden=False" in diagnostic.help


def test_a_second_neuron_without_state_is_refused(tmp_path):
    proto = one_neuron_layer()
    proto.graph.node.append(node("Gemm", "s w2", "current2", transB=1))
    proto.graph.node.append(node("Greater", "current2 one", "fires2"))
    proto.graph.node.append(node("Cast", "fires2", "s2", to=TensorProto.FLOAT))
    proto.graph.initializer.append(numpy_helper.from_array(np.ones((2, 4), np.float32), "w2"))
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("s2", TensorProto.FLOAT, [1, 2]))
    diagnostic = refusal(proto, tmp_path)
    assert (diagnostic.code, diagnostic.loc) == ("missing-state", "model.onnx:/fires2")


def test_a_network_without_neurons_is_refused(tmp_path):
    weights = {"w": np.ones((4, 3), np.float32)}
    proto = model([node("Gemm", "x w", "y", transB=1)], {"x": [1, 3]}, {"y": [1, 4]}, weights)
    assert refusal(proto, tmp_path).code == "no-neurons"


def test_batch_norm_in_training_mode_is_refused(tmp_path):
    proto = one_neuron_layer()
    numbers = {name: np.ones(4, np.float32) for name in ("scale", "shift", "mean", "var")}
    proto.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in numbers.items())
    norm = node("BatchNormalization", "current scale shift mean var", "normal m2 v2")
    norm.attribute.append(helper.make_attribute("training_mode", 1))
    proto.graph.node.insert(1, norm)
    proto.graph.node[3].input[1] = "normal"
    diagnostic = refusal(proto, tmp_path)
    assert (diagnostic.code, diagnostic.loc) == ("training-batch-norm", "model.onnx:/normal")


def test_a_product_of_two_computed_tensors_is_refused(tmp_path):
    proto = one_neuron_layer()
    proto.graph.node.insert(1, node("Mul", "current current", "square"))
    proto.graph.node[3].input[1] = "square"
    diagnostic = refusal(proto, tmp_path)
    assert (diagnostic.code, diagnostic.loc) == ("unsupported-op", "model.onnx:/square")


# --- many steps in one file ----------------------------------------------------------------


def test_a_loop_is_recognised(tmp_path):
    proto = one_neuron_layer()
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Identity", ["a"], ["b"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("a", TensorProto.FLOAT, [1, 4]),
        ],
        [
            helper.make_tensor_value_info("d", TensorProto.BOOL, []),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, [1, 4]),
        ],
    )
    proto.graph.initializer.append(numpy_helper.from_array(np.array(3), "times"))
    loop = helper.make_node("Loop", ["times", "", "current"], ["again"], name="loop", body=body)
    proto.graph.node.insert(1, loop)
    proto.graph.node[3].input[1] = "again"
    diagnostic = refusal(proto, tmp_path)
    assert diagnostic.code == "unsupported-time-form"


# --- places --------------------------------------------------------------------------------


def test_a_node_without_a_name_is_named_by_its_place(tmp_path):
    proto = one_neuron_layer()
    proto.graph.node.insert(1, helper.make_node("Softmax", ["current"], ["soft"]))
    proto.graph.node[3].input[1] = "soft"
    assert refusal(proto, tmp_path).loc == "model.onnx:#1 (Softmax)"


def test_hostile_names_do_not_reach_the_terminal(tmp_path):
    proto = one_neuron_layer()
    proto.graph.node.insert(1, helper.make_node("Softmax", ["current"], ["soft"], name="\x1b[2J\n"))
    proto.graph.node[3].input[1] = "soft"
    with pytest.raises(MappingError) as caught:
        import_model(saved(proto, tmp_path, "a\x1b[31m.onnx"))
    assert "\x1b" not in str(caught.value)
    assert "\\x1b[2J\\n" in str(caught.value)


def test_a_model_no_engine_runs_has_no_reference(tmp_path):
    proto = model(
        [node("forward", "x3 v th reset no no no no", "s3 v_out h3")],
        {"x3": [1, 1, 4], "v": [1, 4]},
        {"s3": [1, 1, 4], "v_out": [1, 4]},
        {"th": 1.0, "reset": 0.0, "no": 0.0},
        domains=["sj_if"],
    )
    proto.graph.node[0].domain = "sj_if"
    with pytest.raises(MappingError) as caught:
        run_reference(saved(proto, tmp_path), {"x3": np.zeros((2, 1, 1, 4), np.float32)})
    assert caught.value.diagnostics[0].code == "no-reference"


def test_a_readout_that_never_fires_is_an_output_though_it_is_a_state(tmp_path):
    proto = model(
        [
            *(node("Gemm", "x w", "c", transB=1), *leaky("c", "v", "s", "v_out")),
            *(node("Gemm", "s w2", "e", transB=1), node("Mul", "m half", "k")),
            node("Add", "k e", "m_out"),
        ],
        {"x": [1, 3], "v": [1, 4], "m": [1, 2]},
        {"v_out": [1, 4], "m_out": [1, 2]},
        {"w": np.ones((4, 3), np.float32), "w2": np.ones((2, 4), np.float32), **NUMBERS},
    )
    imported = import_model(saved(proto, tmp_path))
    assert [value.name for value in imported.graph.outputs] == ["m_out"]


def test_a_negative_variance_is_refused(tmp_path):
    """Any engine makes NaN of it, so the network has no meaning to keep."""
    proto = one_neuron_layer()
    norm = node("BatchNormalization", "current g g g var", "n", epsilon=1e-5)
    proto.graph.node.insert(1, norm)
    proto.graph.node[3].input[1] = "n"
    for name, number in (("g", 1.0), ("var", -1.0)):
        proto.graph.initializer.append(numpy_helper.from_array(np.full(4, number, "f4"), name))
    assert refusal(proto, tmp_path).code == "invalid-model"


def test_a_model_that_reads_no_data_is_refused(tmp_path):
    proto = one_neuron_layer()
    proto.graph.node[0].CopyFrom(node("Gemm", "v w", "current", transB=1))
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((4, 4), "f4"), "w"))
    assert refusal(proto, tmp_path).code == "no-input"


def test_a_branch_with_other_results_than_its_node_is_refused(tmp_path):
    proto = one_neuron_layer()
    empty = helper.make_graph([], "none", [], [])
    choice = node("If", "yes", "more", then_branch=empty, else_branch=empty)
    proto.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    proto.graph.node.append(choice)
    proto.graph.output.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))
    assert refusal(proto, tmp_path).code == "invalid-model"


def test_a_leak_that_dwarfs_the_input_does_not_hide_it(tmp_path):
    """Before the first spike the membrane is zero, and the input decides alone."""
    proto = one_neuron_layer()
    next(t for t in proto.graph.initializer if t.name == "half").CopyFrom(
        numpy_helper.from_array(np.array(5e29, np.float32), "half")
    )
    imported = import_model(saved(proto, tmp_path))
    (neuron,) = (op for op in imported.graph.ops if isinstance(op, Neuron))
    assert (neuron.threshold, neuron.spike_phase) == (1.0, "same")


def test_weights_whose_sums_overflow_are_refused(tmp_path):
    proto = one_neuron_layer()
    huge = numpy_helper.from_array(np.full((4, 3), 3.4e38, np.float32), "w")
    proto.graph.initializer[0].CopyFrom(huge)
    assert refusal(proto, tmp_path).code == "nan-weights"
