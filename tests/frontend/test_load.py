"""Files that cannot be read: each defect has its code, and nothing outside the folder is read."""

import gc
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.external_data_helper import convert_model_to_external_data

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.frontend.onnx import inline, load
from mapper.frontend.onnx.node import Node
from tests.frontend.models import NUMBERS, leaky, model, node, one_neuron_layer, saved


def refusal(path: Path):
    with pytest.raises(MappingError) as caught:
        import_model(path)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def code_of(proto, folder):
    return refusal(saved(proto, folder)).code


def test_nothing_that_is_read_keeps_the_file_in_memory(tmp_path):
    """A node of the file holds all of it, weights and all, until Python looks for circles."""
    proto = model(
        [
            node("Pad", "x sides", "wide"),
            node("MaxPool", "wide", "pooled", kernel_shape=[2, 2]),
            node("Concat", "pooled pooled", "joined", axis=1),
            node("BatchNormalization", "joined ones zeros zeros ones", "even"),
            node("Slice", "even first last first", "current"),
            *leaky("current", "v", "s", "v_out"),
        ],
        {"x": [1, 2, 4, 4], "v": [1, 2, 4, 4]},
        {"s": [1, 2, 4, 4], "v_out": [1, 2, 4, 4]},
        {
            "sides": np.array([0, 0, 1, 0, 0, 0, 0, 1]),
            "ones": [1.0] * 4,
            "zeros": [0.0] * 4,
            "first": np.array([1]),
            "last": np.array([3]),
            **NUMBERS,
        },
    )
    path = saved(proto, tmp_path)
    gc.collect()
    gc.disable()
    try:
        imported = import_model(path)
        left = [held for held in gc.get_objects() if type(held) is Node]
    finally:
        gc.enable()
    assert [op.mnemonic for op in imported.graph.ops].count("net.neuron") == 1
    assert left == []


def test_a_file_that_is_not_there(tmp_path):
    assert refusal(tmp_path / "none.onnx").code == "no-such-file"
    assert refusal(tmp_path).code == "no-such-file"


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n", b"\x08\x08"])
def test_a_file_that_is_no_model(data, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    assert refusal(path).code == "not-onnx"


def test_a_file_that_ends_early(tmp_path):
    path = saved(one_neuron_layer(), tmp_path)
    path.write_bytes(path.read_bytes()[:-40])
    assert refusal(path).code == "truncated-model"


def test_a_file_that_is_too_large(tmp_path, monkeypatch):
    path = saved(one_neuron_layer(), tmp_path)
    monkeypatch.setattr(load, "MAX_BYTES", 100)
    assert refusal(path).code == "model-too-large"


def test_a_model_that_breaks_onnx_rules(tmp_path):
    proto = one_neuron_layer()
    proto.graph.node[0].input[0] = "nowhere"
    assert code_of(proto, tmp_path) == "invalid-model"


def test_functions_defined_twice(tmp_path):
    proto = one_neuron_layer()
    opsets = [helper.make_opsetid("", 17)]
    body = [helper.make_node("Neg", ["a"], ["b"])]
    made = helper.make_function("mine", "F", ["a"], ["b"], body, opsets)
    proto.functions.extend([made, made])
    proto.opset_import.append(helper.make_opsetid("mine", 1))
    assert code_of(proto, tmp_path) == "invalid-model"


def test_an_axis_that_is_inserted_twice(tmp_path):
    proto = one_neuron_layer()
    axes = numpy_helper.from_array(np.array([1, 1], np.int64), "axes")
    proto.graph.initializer.append(axes)
    proto.graph.node.insert(0, node("Unsqueeze", "x axes", "deep"))
    proto.graph.node[1].input[0] = "deep"
    assert code_of(proto, tmp_path) == "invalid-model"


def test_constants_that_are_small_each_and_large_together(tmp_path):
    """Two of 2**24 elements are allowed, the third is not."""
    proto = one_neuron_layer()
    size = numpy_helper.from_array(np.array([1 << 12, 1 << 12], np.int64), "size")
    ramp = numpy_helper.from_array(np.arange(1 << 12, dtype=np.float32), "ramp")
    proto.graph.initializer.extend([size, ramp])
    made = [node("Expand", "ramp size", f"big{k}") for k in range(3)]
    made += [node("Add", "big0 big1", "two"), node("Add", "two big2", "all")]
    proto.graph.node.extend(made)
    proto.graph.output.append(
        helper.make_tensor_value_info("all", TensorProto.FLOAT, [1 << 12, 1 << 12])
    )
    assert code_of(proto, tmp_path) == "model-too-large"


def test_a_large_constant_of_one_number_is_held_once(tmp_path):
    """Membranes of zeros that a file makes inside: 40 of 2**22 elements would be 640 MB."""
    nodes = [node("ConstantOfShape", "size", "z0")]
    nodes += [node("Exp" if k % 2 else "Neg", f"z{k}", f"z{k + 1}") for k in range(40)]
    nodes.append(node("ReduceMax", "z40", "total", axes=[0, 1], keepdims=0))
    size = {"size": np.array([1 << 11, 1 << 11], np.int64)}
    path = saved(added_to_x(nodes, size), tmp_path)
    assert import_model(path).graph.ops


def added_to_x(nodes, arrays, name="total"):
    """Return a model whose input has a constant added that these nodes compute."""
    proto = one_neuron_layer()
    proto.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in arrays.items())
    first = [*nodes, node("Add", f"x {name}", "moved")]
    for at, made in enumerate(first):
        proto.graph.node.insert(at, made)
    proto.graph.node[len(first)].input[0] = "moved"
    return proto


SIZE = {"side": np.array([5000, 5000], np.int64), "origin": np.zeros((1, 1), np.float32)}
LARGEST = node("ReduceMax", "b", "total", keepdims=0)


@pytest.mark.parametrize(
    ("nodes", "arrays"),
    [
        # Integers have no BLAS: 1.25e11 multiplications, 16 ns each.
        (
            [
                node("Expand", "i side", "a"),
                node("MatMul", "a a", "whole"),
                node("Cast", "whole", "b", to=TensorProto.FLOAT),
                LARGEST,
            ],
            {"i": np.zeros((1, 1), np.int64)},
        ),
        # 3000 looks at 25 million numbers.
        (
            [
                node("Expand", "origin side", "a"),
                *(node("ReduceMax", "a", f"m{k}", keepdims=0) for k in range(3000)),
                node("Sum", " ".join(f"m{k}" for k in range(3000)), "total"),
            ],
            {},
        ),
        # 25 million numbers written one by one.
        (
            [
                node("Expand", "origin side", "a"),
                node("Cast", "a", "at", to=TensorProto.INT64),
                node("ScatterElements", "a at a", "b"),
                LARGEST,
            ],
            {},
        ),
        # A gather of 2e7 numbers, a hundred times.
        (
            [
                node("Expand", "origin side", "a"),
                node("Expand", "i thousands", "many"),
                *(node("Gather", "a many", f"g{k}") for k in range(100)),
                node("Sum", " ".join(f"g{k}" for k in range(100)), "b"),
                LARGEST,
            ],
            {
                "i": np.zeros(1, np.int64),
                "thousands": np.array([4000], np.int64),
                "side": np.array([99, 5000], np.int64),
            },
        ),
    ],
    ids=["integers", "reductions", "scatter", "gather"],
)
def test_constants_that_would_take_for_ever(nodes, arrays, tmp_path):
    """Some hundred bytes each, refused before the work is done: it would take minutes."""
    assert code_of(added_to_x(nodes, {**SIZE, **arrays}), tmp_path) == "model-too-large"


def test_constants_of_many_nodes_are_computed(tmp_path):
    """A thousand additions of 0.5 to -499.5 give 0.5: an evaluator serves all of them."""
    chain = [node("Add", f"c{k} step", f"c{k + 1}") for k in range(1000)]
    arrays = {"c0": np.array([-499.5], np.float32), "step": np.array([0.5], np.float32)}
    imported = import_model(saved(added_to_x(chain, arrays, "c1000"), tmp_path))
    assert [op.mnemonic for op in imported.graph.ops].count("net.neuron") == 1


def test_a_model_of_a_million_nodes_and_one_of_a_long_name(tmp_path, monkeypatch):
    proto = one_neuron_layer()
    proto.graph.node.extend(node("Neg", "x", f"n{k}") for k in range(100))
    monkeypatch.setattr(load, "MAX_NODES", 100)
    diagnostic = refusal(saved(proto, tmp_path))
    assert diagnostic.code == "model-too-large"
    proto = one_neuron_layer()
    proto.graph.node[0].name = "n" * 5000
    diagnostic = refusal(saved(proto, tmp_path))
    assert (diagnostic.code, "5000" in diagnostic.message) == ("invalid-model", True)


def test_an_input_that_is_too_large(tmp_path):
    proto = one_neuron_layer()
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_value = (1 << 24) + 1
    assert code_of(proto, tmp_path) == "model-too-large"


def test_a_node_whose_attributes_do_not_fit(tmp_path):
    proto = one_neuron_layer()
    proto.graph.node.insert(1, node("Unsqueeze", "current axes", "deep"))
    proto.graph.node.insert(2, node("Squeeze", "deep axes", "current2"))
    proto.graph.node[4].input[1] = "current2"
    proto.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array([10**12, -3], dtype=np.int64), "axes")
    )
    assert code_of(proto, tmp_path) == "invalid-model"


def test_a_weight_whose_size_is_a_lie(tmp_path):
    proto = one_neuron_layer()
    proto.graph.initializer[0].dims[0] = 10**12
    assert code_of(proto, tmp_path) == "invalid-model"


def test_a_name_that_is_not_text(tmp_path):
    path = saved(one_neuron_layer(), tmp_path)
    path.write_bytes(path.read_bytes().replace(b"current", b"curr\xff\xfet"))
    assert refusal(path).code in {"invalid-model", "truncated-model"}


@pytest.mark.parametrize("value", [float("nan"), -float("nan")])
def test_weights_that_are_no_numbers(value, tmp_path):
    weights = {"w": np.full((4, 3), value, np.float32), **NUMBERS}
    proto = model(
        [node("Gemm", "x w", "current", transB=1), *leaky("current", "v", "s", "v_out")],
        {"x": [1, 3], "v": [1, 4]},
        {"s": [1, 4], "v_out": [1, 4]},
        weights,
    )
    assert code_of(proto, tmp_path) == "nan-weights"


def test_infinite_weights(tmp_path):
    proto = one_neuron_layer()
    infinite = np.full((4, 3), np.inf, np.float32)
    proto.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(infinite, "w"))
    assert code_of(proto, tmp_path) == "nan-weights"


# --- weights beside the model --------------------------------------------------------------


def with_external_weights(folder, location="weights.bin"):
    """Write a model whose weights are in a file beside it, named ``location`` in the model."""
    proto = one_neuron_layer()
    convert_model_to_external_data(proto, location="weights.bin", size_threshold=0)
    onnx.save(proto, folder / "model.onnx")
    for tensor in proto.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    return saved(proto, folder)


def test_weights_in_the_folder_are_read(tmp_path):
    imported = import_model(with_external_weights(tmp_path))
    assert imported.graph.constants["w"].sum() == 12


def test_weights_that_are_not_there(tmp_path):
    path = with_external_weights(tmp_path)
    (tmp_path / "weights.bin").unlink()
    assert refusal(path).code == "external-data-missing"


def test_weights_that_end_early(tmp_path):
    path = with_external_weights(tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"1234")
    assert refusal(path).code == "external-data-missing"


@pytest.mark.parametrize(
    "location",
    [
        "../secret.bin",
        "folder/../../secret.bin",
        "..\\secret.bin",
        "/etc/hostname",
        "C:\\secret.bin",
        "weights\0.bin",
        "",
        ".",
    ],
)
def test_weights_outside_the_folder_are_not_read(location, tmp_path):
    (tmp_path / "secret.bin").write_bytes(bytes(100))
    inside = tmp_path / "model"
    inside.mkdir()
    assert refusal(with_external_weights(inside, location)).code == "external-data-outside"


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    (tmp_path / "secret.bin").write_bytes(bytes(100))
    inside = tmp_path / "model"
    inside.mkdir()
    path = with_external_weights(inside, "link.bin")
    os.symlink(tmp_path / "secret.bin", inside / "link.bin")
    assert refusal(path).code == "external-data-outside"


# --- operators and functions ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "domain"), [("LIF", ""), ("LIF", "ai.spiking"), ("Tree", "ai.onnx.ml")]
)
def test_an_operator_nobody_defines(op, domain, tmp_path):
    proto = one_neuron_layer()
    proto.graph.node[0].op_type, proto.graph.node[0].domain = op, domain
    proto.opset_import.append(helper.make_opsetid("ai.spiking", 1))
    diagnostic = refusal(saved(proto, tmp_path))
    assert (diagnostic.code, diagnostic.loc) == ("unknown-op", "model.onnx:/current")


def with_functions(*functions, call):
    """Return ``one_neuron_layer`` with its ``Gemm`` replaced by the call of a function."""
    proto = one_neuron_layer()
    proto.graph.node[0].CopyFrom(helper.make_node(call, ["x", "w"], ["current"], domain="own"))
    proto.opset_import.append(helper.make_opsetid("own", 1))
    proto.functions.extend(functions)
    return proto


def function(name, nodes):
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, ["a", "b"], ["c"], nodes, imports)


def test_a_function_of_the_model_is_inlined(tmp_path):
    layer = function("Layer", [helper.make_node("Gemm", ["a", "b"], ["c"], transB=1)])
    graph = import_model(saved(with_functions(layer, call="Layer"), tmp_path)).graph
    assert [op.mnemonic for op in graph.ops] == ["net.linear", "net.neuron"]


def test_a_function_that_calls_itself(tmp_path):
    layer = function("Layer", [helper.make_node("Layer", ["a", "b"], ["c"], domain="own")])
    assert code_of(with_functions(layer, call="Layer"), tmp_path) == "invalid-model"


def test_functions_that_multiply(tmp_path):
    """A few hundred bytes that would become 2**40 nodes."""

    def twice(name, callee):
        domain = "own" if callee.startswith("F") else ""
        calls = [(["a", "b"], ["t"]), (["t", "b"], ["c"])]
        return function(name, [helper.make_node(callee, *io, domain=domain) for io in calls])

    chain = [twice("F0", "Add"), *(twice(f"F{k}", f"F{k - 1}") for k in range(1, 40))]
    assert inline.MAX_NODES < 2**40
    assert code_of(with_functions(*chain, call="F39"), tmp_path) == "model-too-large"


def test_a_constant_that_would_fill_the_memory(tmp_path):
    proto = one_neuron_layer()
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [10**6, 10**7])
    proto.graph.initializer.append(shape)
    proto.graph.node.insert(0, node("ConstantOfShape", "shape", "huge"))
    proto.graph.node.insert(1, node("ReduceSum", "huge", "total", keepdims=0))
    proto.graph.node.insert(2, node("Mul", "x total", "scaled"))
    proto.graph.node[3].input[0] = "scaled"
    diagnostic = refusal(saved(proto, tmp_path))
    assert (diagnostic.code, diagnostic.loc) == ("unsupported-op", "model.onnx:/huge")


def test_an_input_that_would_fill_the_memory(tmp_path):
    proto = one_neuron_layer()
    for port in (*proto.graph.input[1:], *proto.graph.output):
        port.type.tensor_type.shape.dim[1].dim_value = 10**10
    assert code_of(proto, tmp_path) == "model-too-large"
