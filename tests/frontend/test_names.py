"""Layers are called by the module they are in, as the newer exporter of torch tells it."""

import numpy as np
import pytest
from onnx import ModelProto, NodeProto

from mapper.diagnostics import MappingError
from mapper.frontend import describe, import_model
from tests.frontend.models import NUMBERS, leaky, model, node, saved

SCOPES = "pkg.torch.onnx.name_scopes"


def within(nodes: list[NodeProto], *path: str, call: str = "add") -> list[NodeProto]:
    """Say of nodes which module they are in, from the outermost: ``net``, ``net.0``."""
    for number, one in enumerate(nodes):
        told = one.metadata_props.add()
        told.key, told.value = SCOPES, repr(["", *path, f"{call}_{number}"])
    return nodes


def gemm(x: str, weight: str, result: str) -> NodeProto:
    return node("Gemm", f"{x} {weight}", result, transB=1)


def network(block: str = "net.1", second: str = "fc2") -> ModelProto:
    """``x`` -> fc1 -> neuron ``n1`` -> fc2 -> neuron ``n2`` -> ``y``, both neurons in ``block``."""
    nodes = [
        *within([gemm("x", "fc1.weight", "val_1")], "net", "fc1", call="linear"),
        *within(leaky("val_1", "n1", "val_2", "n1_out", "a."), "net", block),
        *within([gemm("val_2", "val_9", "val_3")], "net", second, call="linear"),
        *within(leaky("val_3", "n2", "y", "n2_out", "b."), "net", block),
    ]
    rng = np.random.default_rng(0)
    stored = {
        "fc1.weight": rng.normal(size=(4, 3)).astype(np.float32),
        "val_9": rng.normal(size=(2, 4)).astype(np.float32),
        **NUMBERS,
    }
    ports = {"x": [1, 3], "n1": [1, 4], "n2": [1, 2]}
    return model(nodes, ports, {"y": [1, 2], "n1_out": [1, 4], "n2_out": [1, 2]}, stored)


def names(proto: ModelProto, folder) -> list[str]:
    return [layer.name for layer in describe(import_model(saved(proto, folder))).layers]


def test_a_module_names_its_layer_and_what_it_computes_several_times_is_numbered(tmp_path):
    assert names(network(), tmp_path) == ["fc1", "net.1.neuron1", "fc2", "net.1.neuron2"]


def test_values_and_computed_weights_have_the_name_too(tmp_path):
    graph = import_model(saved(network(), tmp_path)).graph
    assert [op.results[0].name for op in graph.ops[::2]] == ["fc1", "fc2"]
    assert set(graph.constants) == {"fc1.weight", "fc2.weight"}
    assert [value.name for value in graph.outputs] == ["y"]


def test_layers_of_one_module_are_numbered_and_of_the_model_itself_too(tmp_path):
    assert names(network(second="fc1"), tmp_path)[::2] == ["fc1.linear1", "fc1.linear2"]
    proto = network()
    for one in proto.graph.node:
        if one.op_type == "Gemm":
            one.metadata_props[0].value = "['', 'linear_7']"
    assert names(proto, tmp_path)[::2] == ["linear1", "linear2"]


def test_a_neuron_is_called_by_the_module_that_has_its_comparison_and_its_membrane(tmp_path):
    proto = network()
    for one in proto.graph.node:
        if one.output[0] in ("a.fires", "val_2"):
            one.metadata_props[0].value = "['', 'net', 'lif', 'lif.surrogate', 'ge_3']"
        elif one.output[0].startswith(("a.", "n1")):
            one.metadata_props[0].value = "['', 'net', 'lif', 'mul_3']"
    assert names(proto, tmp_path) == ["fc1", "lif", "fc2", "net.1"]


def test_a_layer_with_its_batch_norm_folded_has_the_name_of_its_weights(tmp_path):
    """The exporter names a convolution after the batch norm that it folded into it."""
    proto = network()
    fused = "['', 'block', 'block.1', '_native_batch_norm_legit_no_training']"
    proto.graph.node[0].metadata_props[0].value = fused
    proto.graph.node[0].input[1] = proto.graph.initializer[0].name = "block.0.weight"
    assert names(proto, tmp_path)[0] == "block.0"


@pytest.mark.parametrize("held", ["", "[", "['', 'a\x1b[31mb', 'f']", "['', '" + "x" * 5000, "7"])
def test_metadata_that_tells_no_module_leaves_nodes_their_names(held, tmp_path):
    proto = network()
    for one in proto.graph.node:
        one.metadata_props[0].value = held
    assert names(proto, tmp_path) == ["/val_1", "/a.fires", "/val_3", "/b.fires"]


def test_parameters_tell_the_module_where_metadata_was_lost(tmp_path):
    """Neurons are then placed beside the layer that drives them."""
    proto = network()
    proto.graph.node[6].input[1] = "net.b.fc2.weight"
    proto.graph.initializer[1].name = "net.b.fc2.weight"
    proto.graph.node[0].input[1] = proto.graph.initializer[0].name = "net.a.fc1.weight"
    for number, one in enumerate(proto.graph.node):
        del one.metadata_props[:]
        one.name = f"node_{one.op_type}_{number}"
    assert names(proto, tmp_path) == [
        "net.a.fc1",
        "net.a.neuron",
        "net.b.fc2",
        "net.b.neuron",
    ]


def test_a_sum_and_the_layer_that_reads_it_have_names_of_their_own(tmp_path):
    nodes = [
        *leaky("x", "n1", "s1", "n1_out", "a."),
        *leaky("x", "n2", "s2", "n2_out", "b."),
        node("Add", "s1 s2", "both"),
        gemm("both", "w", "y"),
    ]
    ports = {"x": [1, 3], "n1": [1, 3], "n2": [1, 3]}
    stored = {"w": np.ones((2, 3), np.float32), **NUMBERS}
    proto = model(nodes, ports, {"y": [1, 2], "n1_out": [1, 3], "n2_out": [1, 3]}, stored)
    assert names(proto, tmp_path)[-2:] == ["/y.add", "/y"]


def test_a_refusal_names_the_module_beside_the_node(tmp_path):
    proto = network()
    (tanh,) = within([node("Tanh", "val_3", "bounded")], "net", "act", call="tanh")
    nodes = list(proto.graph.node)
    nodes[8].input[1] = "bounded"
    del proto.graph.node[:]
    proto.graph.node.extend([*nodes[:7], tanh, *nodes[7:]])
    with pytest.raises(MappingError) as caught:
        import_model(saved(proto, tmp_path))
    assert caught.value.diagnostics[0].loc == "model.onnx:/bounded (act)"


def test_the_older_exporters_count_of_calls_is_left_out(tmp_path):
    """``/net/lif_2/Add`` is the third call of ``/net/lif``; ``/fc_1`` is a module of that name."""
    stored: dict = {**NUMBERS, "w": np.ones((3, 3), np.float32), "v": np.zeros((1, 3), np.float32)}
    nodes, spikes = [], []
    for t in range(4):
        calls = f"_{t}" if t else ""
        stored[f"t{t}"] = np.array([t], np.int64)
        step = [
            node("Gather", f"x t{t}", f"x{t}", axis=0),
            gemm(f"x{t}", "w", f"c{t}"),
            *leaky(f"c{t}", f"v{t}" if t else "v", f"s{t}", f"v{t + 1}", f"{t}."),
        ]
        step[1].name = f"/fc_1/Gemm{calls}"
        for one in step[2:]:
            one.name = f"/net/lif{calls}/{one.op_type}"
        nodes, spikes = [*nodes, *step], [*spikes, f"s{t}"]
    nodes.append(node("Concat", " ".join(spikes), "y", axis=0))
    proto = model(nodes, {"x": [4, 3]}, {"y": [4, 3]}, stored)
    assert names(proto, tmp_path) == ["/fc_1/Gemm_2", "/net/lif/Greater"]
