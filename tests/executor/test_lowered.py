"""The network as an ONNX model of one time step."""

import json

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from mapper.diagnostics import MappingError
from mapper.executor.onnx.lowered import (
    INTERFACE,
    Interface,
    Port,
    lowered_bytes,
    to_lowered_onnx,
)
from mapper.executor.onnx.run import run_lowered
from mapper.ir.core import FLOAT, Graph, IntType, Value
from mapper.ir.evaluate import evaluate
from tests.builders import Builder, sense_amp
from tests.executor.hostile import HOSTILE
from tests.small_graphs import dvs_net, one_layer, random_spikes, random_weights


def test_the_model_is_valid_and_has_standard_operators_only():
    model = to_lowered_onnx(dvs_net())
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 18)]
    assert {node.domain for node in model.graph.node} == {""}


@pytest.mark.parametrize(
    "graph",
    [dvs_net(), one_layer(3, 2, shift=1), one_layer(300, 200, wordlines=64)],
    ids=["convolutions", "small", "row blocks"],
)
def test_its_bytes_are_those_that_protobuf_writes(graph):
    """Constants of no axis, of 8 bits and of 64, of more bytes than one group of seven bits."""
    model = to_lowered_onnx(graph)
    assert {len(array.dims) for array in model.graph.initializer} >= {0, 1, 3}
    assert lowered_bytes(graph) == model.SerializeToString(deterministic=True)


def test_every_port_is_int64_with_any_number_of_samples():
    model = to_lowered_onnx(dvs_net(size=8, channels=2))
    ports = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert ports == {
        "events": ["B", 2, 8, 8],
        "lif1.v": ["B", 2, 8, 8],
        "lif2.v": ["B", 4, 4, 4],
        "out.v": ["B", 5],
        "out.v.next": ["B", 5],
        "lif1.v.next": ["B", 2, 8, 8],
        "lif2.v.next": ["B", 4, 4, 4],
        "out.v.next.2": ["B", 5],
    }


def test_anyone_can_step_it_with_the_published_names_and_start_values():
    net = Builder()
    x = net.input("x", (2,), IntType(4, signed=True))
    start = np.array([10, 20])
    net.output(net.integer_neurons(x, name="n", spiking=False, initial=start, output="potential"))
    model = to_lowered_onnx(net.graph())
    data = json.loads({p.key: p.value for p in model.metadata_props}[INTERFACE])
    (state,) = data["states"]
    stored = {array.name: onnx.numpy_helper.to_array(array) for array in model.graph.initializer}
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    feed = {"x": np.array([[1, -2]]), state["tensor"]: stored[state["initial"]][None]}
    assert session.run([state["following"]], feed)[0].tolist() == [[11, 18]]
    assert state["following"] == state["output"] == "potential"


def test_it_also_runs_with_all_optimisations_of_the_runtime():
    graph = dvs_net(size=8, channels=2)
    model = to_lowered_onnx(graph)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    spikes = random_spikes(1, 2, 2, 8, 8)
    feed = {v.name: np.zeros((2, *v.shape[1:]), np.int64) for v in session.get_inputs()}
    found = session.run(["out.v.next"], {**feed, "events": spikes[0]})[0]
    assert np.array_equal(found, evaluate(graph, {"events": spikes})["out.v.next"][0])


def test_names_clash_neither_with_each_other_nor_with_inner_tensors():
    net = Builder()
    x = net.input("t0", (3,))
    y = net.crossbars(x, random_weights(3, 3), sense_amp(1), name="t1", wordlines=2)
    s = net.integer_neurons(y, name="t2", threshold=1, output="t2")
    net.output(x, s)
    graph = net.graph()
    model = to_lowered_onnx(graph)
    onnx.checker.check_model(model, full_check=True)
    interface = Interface.of(model)
    assert interface.inputs == (Port("t0", "t0"),)
    assert interface.outputs == (Port("t0", "t0.2"), Port("t2", "t2"))
    assert interface.states[0].following == "t2.2"
    inputs = {"t0": random_spikes(3, 2, 3)}
    found, expected = run_lowered(model, inputs), evaluate(graph, inputs)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("nasty", HOSTILE)
def test_hostile_names_are_kept(nasty):
    net = Builder()
    net.output(net.crossbars(net.input(nasty, (3,)), random_weights(3, 2), sense_amp(1), loc=nasty))
    model = to_lowered_onnx(net.graph())
    assert model.graph.input[0].name == (nasty or "unnamed")
    assert Interface.of(model).inputs[0].name == nasty


def test_weights_are_stored_once_in_a_byte_each():
    # 1000 x 200 weights; as three bit-slices of floats they would take 2.4 MB
    model = to_lowered_onnx(one_layer(1000, 200, wordlines=64))
    assert 200_000 < len(model.SerializeToString()) < 220_000


def test_more_row_blocks_do_not_make_more_nodes():
    few = to_lowered_onnx(one_layer(512, 4, wordlines=64))
    many = to_lowered_onnx(one_layer(512, 4, wordlines=4))
    assert len(few.graph.node) == len(many.graph.node)


def test_floats_are_refused():
    x = Value("x", FLOAT, (3,))
    with pytest.raises(MappingError, match=r"error\[not-hardware\]: 'x' is f32"):
        to_lowered_onnx(Graph(name="g", inputs=(x,), outputs=(x,)))


def test_names_that_the_runtime_cannot_hold_are_refused():
    net = Builder()
    net.output(net.input("a\0b", (3,)))
    with pytest.raises(MappingError, match=r"error\[unusable-name\]"):
        to_lowered_onnx(net.graph())


def test_progress_counts_finished_steps():
    seen = []
    graph = one_layer(3, 2)
    run_lowered(to_lowered_onnx(graph), {"x": random_spikes(3, 1, 3)}, progress=seen.append)
    assert seen == [1, 2, 3]
