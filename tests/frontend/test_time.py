"""Models of many time steps, made by hand in every form, become the same step network."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import ModelProto, TensorProto, helper, numpy_helper

from mapper.diagnostics import MappingError
from mapper.frontend import describe, import_model
from mapper.frontend.info import ReadoutInfo
from mapper.ir.evaluate import evaluate
from mapper.verify.model import verify_model
from mapper.verify.original import run_whole
from mapper.verify.sequence import read_out
from tests.campaigns import examples
from tests.frontend.models import NUMBERS, leaky, model, node, saved

F, I64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
READINGS = ("each", "sum", "mean", "last", "max")


def weights(seed: int, width: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, (width, 3)).astype(np.float32)


def start(value: float, width: int = 4) -> np.ndarray:
    return np.full((1, width), value, np.float32)


def step_nodes(x: str, v: str, spike: str, after: str, tag: str) -> list:
    return [
        node("Gemm", f"{x} w", f"{tag}current", transB=1),
        *leaky(f"{tag}current", v, spike, after, tag),
    ]


def readout(spikes: list[str], reading: str) -> Iterator:
    """Yield the nodes that make ``y`` of one spike tensor ``[1, width]`` per step."""
    if reading == "last":
        yield node("Identity", spikes[-1], "y")
        return
    yield node("Concat", " ".join(spikes), "all", axis=0)
    if reading == "each":
        yield node("Identity", "all", "y")
    elif reading == "sum":
        yield node("ReduceSum", "all time", "y", keepdims=1)
    else:
        op = {"mean": "ReduceMean", "max": "ReduceMax"}[reading]
        yield node(op, "all", "y", axes=[0], keepdims=1)


def unrolled(
    steps: int = 5, v0: float = 0.0, reading: str = "each", seed: int = 0, per_step: bool = False
) -> ModelProto:
    """Return time steps written out over ``x[steps, 3]``."""
    nodes, spikes, stored = [], [], {"time": np.array([0], np.int64)}
    for t in range(steps):
        nodes.append(node("Gather", f"x t{t}", f"x{t}", axis=0))
        stored[f"t{t}"] = np.array([t], np.int64)
        part = step_nodes(f"x{t}", f"v{t}", f"s{t}", f"v{t + 1}", f"{t}.")
        if per_step:
            part[0].input[1] = f"w{t}"
            stored[f"w{t}"] = weights(seed + t)
        nodes.extend(part)
        spikes.append(f"s{t}")
    nodes.extend(readout(spikes, reading))
    rows = steps if reading == "each" else 1
    return model(
        nodes,
        {"x": [steps, 3]},
        {"y": [rows, 4]},
        {"w": weights(seed), "v0": start(v0), **stored, **NUMBERS},
    )


def port(name: str, kind: int, shape: list) -> object:
    return helper.make_tensor_value_info(name, kind, shape)


def looped(steps: int | str = 5, v0: float = 0.0, seed: int = 0) -> ModelProto:
    """Return a ``Loop`` over ``x[steps, 1, 3]`` that returns every spike and the last membrane."""
    body = helper.make_graph(
        [
            node("Gather", "x i", "xt", axis=0),
            *step_nodes("xt", "v", "s", "v_next", ""),
            helper.make_node("Identity", ["go"], ["on"]),
        ],
        "body",
        [port("i", I64, []), port("go", BOOL, []), port("v", F, [1, 4])],
        [port("on", BOOL, []), port("v_next", F, [1, 4]), port("s", F, [1, 4])],
    )
    loop = helper.make_node("Loop", ["times", "", "v0"], ["v_last", "y"], name="loop", body=body)
    nodes = [node("Shape", "x", "dims"), node("Gather", "dims first", "times", axis=0), loop]
    stored = {"w": weights(seed), "v0": start(v0), "first": np.array(0, np.int64), **NUMBERS}
    return model(nodes, {"x": [steps, 1, 3]}, {"y": [steps, 1, 4], "v_last": [1, 4]}, stored)


def scanned(steps: int = 5, v0: float = 0.0, seed: int = 0) -> ModelProto:
    body = helper.make_graph(
        step_nodes("xt", "v", "s", "v_next", ""),
        "body",
        [port("v", F, [1, 4]), port("xt", F, [1, 3])],
        [port("v_next", F, [1, 4]), port("s", F, [1, 4])],
    )
    body.initializer.extend(
        numpy_helper.from_array(np.asarray(a, np.float32), n)
        for n, a in {"w": weights(seed), **NUMBERS}.items()
    )
    scan = helper.make_node(
        "Scan", ["v0", "x"], ["v_last", "y"], name="scan", body=body, num_scan_inputs=1
    )
    ports = {"y": [steps, 1, 4], "v_last": [1, 4]}
    return model([scan], {"x": [steps, 1, 3]}, ports, {"v0": start(v0)})


def layered(steps: int = 5, v0: float = 0.0, seed: int = 0) -> ModelProto:
    """Return ``x[1, steps, 3]`` with weights on all steps at once and neurons step by step."""
    nodes = [node("MatMul", "x wt", "all")]
    stored = {"wt": weights(seed).T.copy(), "v0": start(v0), **NUMBERS}
    for t in range(steps):
        stored[f"t{t}"] = np.array(t, np.int64)
        nodes.append(node("Gather", f"all t{t}", f"c{t}", axis=1))
        nodes.extend(leaky(f"c{t}", f"v{t}", f"s{t}", f"v{t + 1}", f"{t}."))
        nodes.append(node("Unsqueeze", f"s{t} t1", f"u{t}"))
    stored["t1"] = np.array([1], np.int64)
    stored["t01"] = np.array(1, np.int64)
    nodes = [n for n in nodes if n.name != "/c1"]
    nodes.insert(1, node("Gather", "all t01", "c1", axis=1))
    nodes.append(node("Concat", " ".join(f"u{t}" for t in range(steps)), "y", axis=1))
    return model(nodes, {"x": [1, steps, 3]}, {"y": [1, steps, 4]}, stored)


FORMS = {"unrolled": unrolled, "loop": looped, "scan": scanned, "sequence": layered}


@settings(max_examples=examples(12), deadline=None)
@given(seed=st.integers(0, 99), v0=st.sampled_from([0.0, 0.25, -0.75]), steps=st.integers(4, 9))
def test_every_form_becomes_the_same_step_network(seed, v0, steps, tmp_path_factory):
    folder = tmp_path_factory.mktemp("forms")
    x = (np.random.default_rng(seed).random((12, 1, 3)) < 0.6).astype(np.float32)
    found = []
    for name, form in FORMS.items():
        imported = import_model(saved(form(steps, v0, seed=seed), folder, f"{name}.onnx"))
        assert imported.time_form == name
        assert imported.steps == steps
        results = evaluate(imported.graph, {"x": x})
        found.append(results[imported.readouts["y"].source].reshape(12, 4))
    assert all(np.array_equal(found[0], other) for other in found[1:])


@pytest.mark.parametrize("reading", READINGS)
def test_a_readout_is_recognised(reading, tmp_path):
    path = saved(unrolled(reading=reading), tmp_path)
    imported = import_model(path)
    assert imported.readouts["y"].reduction == reading
    x = (np.random.default_rng(1).random((5, 3)) < 0.6).astype(np.float32)
    found = evaluate(imported.graph, {"x": imported.port("x").to_graph(x)})
    theirs = run_whole(path, {"x": x})["y"]
    assert np.array_equal(read_out(imported, found)["y"].reshape(theirs.shape), theirs)


def test_a_start_that_is_not_zero_is_kept(tmp_path):
    imported = import_model(saved(unrolled(v0=0.25), tmp_path))
    assert [state.initial for state in imported.graph.states] == [0.25]


def test_the_number_of_steps_may_be_open(tmp_path):
    path = saved(looped("T"), tmp_path)
    imported = import_model(path)
    assert imported.steps == 0
    x = (np.random.default_rng(0).random((11, 1, 3)) < 0.5).astype(np.float32)
    rings = {ring.name: ring.status for ring in verify_model(path, {"x": x}, "x").rings}
    assert rings == {"1-graph-rules": "equal", "3-onnxruntime": "equal"}


def test_a_recording_of_another_length_is_run_without_the_file(tmp_path):
    path = saved(unrolled(), tmp_path)
    rings = verify_model(path, {"x": np.ones((9, 3), np.float32)}, "x").rings
    assert (rings[1].status, rings[1].reason) == (
        "skipped",
        "the file holds 5 time steps, the recording 9",
    )


def test_samples_are_verified_one_by_one(tmp_path):
    path = saved(layered(), tmp_path)
    x = (np.random.default_rng(0).random((3, 5, 3)) < 0.5).astype(np.float32)
    assert [ring.status for ring in verify_model(path, {"x": x}, "x").rings] == ["equal"] * 2


@pytest.mark.parametrize("shape", [(5, 4), (5,), (0, 3)])
def test_a_recording_of_another_shape_is_refused(shape, tmp_path):
    path = saved(unrolled(), tmp_path)
    with pytest.raises(MappingError) as caught:
        verify_model(path, {"x": np.zeros(shape, np.float32)}, "x")
    assert caught.value.diagnostics[0].code == "input-shape"


def test_a_recording_without_the_input_is_refused(tmp_path):
    path = saved(unrolled(), tmp_path)
    array = np.zeros((5, 3), np.float32)
    with pytest.raises(MappingError) as caught:
        verify_model(path, {"z": array, "w": array}, "x")
    assert caught.value.diagnostics[0].code == "input-name"
    assert verify_model(path, {"z": array}, "x").bit_exact  # one array alone needs no name


def on_all_steps(before: object, x: list[int], drawn: list[int], stored: dict) -> ModelProto:
    """Return ``x`` of four steps -> ``before``, on all at once -> ``drawn`` -> neurons.

    Args:
        before: A node from ``x`` to ``drawn``.
        x: The shape of the input, time first.
        drawn: What the neurons of one step read.
        stored: What the node reads beside.
    """
    nodes, stored = [before], {**NUMBERS, **stored, "v0": np.zeros(drawn, np.float32)}
    for t in range(4):
        nodes.append(node("Gather", f"drawn t{t}", f"x{t}", axis=0))
        nodes.extend(leaky(f"x{t}", f"v{t}", f"s{t}", f"v{t + 1}", f"{t}."))
        stored[f"t{t}"] = np.array([t], np.int64)
    nodes.append(node("Concat", "s0 s1 s2 s3", "y", axis=0))
    return model(nodes, {"x": x}, {"y": [4, *drawn[1:]]}, stored)


def assert_read_step_by_step(proto: ModelProto, shape: list[int], folder) -> None:
    path = saved(proto, folder)
    assert import_model(path).steps == 4
    spikes = np.random.default_rng(0).random(shape) < 0.5
    verified = verify_model(path, {"x": 2 * spikes.astype(np.float32)}, "x.npz")
    assert {ring.status for ring in verified.rings} == {"equal"}


def test_maps_are_enlarged_step_by_step(tmp_path):
    resize = node("Resize", "x none scales", "drawn", mode="nearest")
    resize.input[1] = ""
    scales = {"scales": np.array([1, 1, 2, 3], np.float32)}
    proto = on_all_steps(resize, [4, 2, 2, 3], [1, 2, 4, 9], scales)
    assert_read_step_by_step(proto, [4, 2, 2, 3], tmp_path)


def test_an_axis_to_flatten_from_may_be_counted_from_the_back(tmp_path):
    """Axis -2 of [4, 1, 2, 3] is the third: what is before it becomes the rows."""
    flatten = node("Flatten", "x", "drawn", axis=-2)
    proto = on_all_steps(flatten, [4, 1, 2, 3], [1, 6], {})
    assert_read_step_by_step(proto, [4, 1, 2, 3], tmp_path)


def test_what_was_recognised_is_described(tmp_path):
    facts = describe(import_model(saved(unrolled(reading="sum"), tmp_path)))
    assert facts.time_form == "unrolled"
    assert facts.readout == (
        ReadoutInfo(name="y", of="y", over_time="sum", scale=1.0, time_axis=None),
    )


def refusal(proto: ModelProto, folder) -> str:
    with pytest.raises(MappingError) as caught:
        import_model(saved(proto, folder))
    assert caught.value.diagnostics[0].code == "unsupported-time-form"
    return caught.value.diagnostics[0].message


def test_parameters_of_each_step_are_refused(tmp_path):
    message = refusal(unrolled(per_step=True), tmp_path)
    assert "differ from time step to time step" in message
    assert "'w" in message


def test_a_layer_that_fires_on_its_old_current_is_refused_as_that(tmp_path):
    """``u = (v + j) / 2`` of ``j`` before ``j = j / 2 + W x``: the last input is not read."""
    nodes, stored = [], {"time": np.array([0], np.int64), "w": weights(0), **NUMBERS}
    for t in range(6):
        stored[f"t{t}"] = np.array([t], np.int64)
        nodes += [
            *(
                node("Gather", f"x t{t}", f"x{t}", axis=0),
                node("Gemm", f"x{t} w", f"wx{t}", transB=1),
            ),
            *(node("Add", f"v{t} j{t}", f"sum{t}"), node("Mul", f"sum{t} half", f"u{t}")),
            *(node("Mul", f"j{t} half", f"left{t}"), node("Add", f"left{t} wx{t}", f"j{t + 1}")),
            *(node("Greater", f"u{t} one", f"f{t}"), node("Cast", f"f{t}", f"s{t}", to=F)),
            node("Sub", f"u{t} s{t}", f"v{t + 1}"),
        ]
    nodes += readout([f"s{t}" for t in range(6)], "each")
    stored |= {"v0": start(0.0), "j0": start(0.0)}
    message = refusal(model(nodes, {"x": [6, 3]}, {"y": [6, 4]}, stored), tmp_path)
    assert "a layer fires on what it held a step before" in message


def with_layer(proto: ModelProto, read: str) -> ModelProto:
    """Return a model with one more layer that was trained, which no host computes."""
    proto.graph.node.append(node("MatMul", f"{read} behind", "y"))
    trained = weights(9) @ weights(8).T
    proto.graph.initializer.append(numpy_helper.from_array(trained, "behind"))
    return proto


def test_a_sum_over_time_inside_the_network_is_refused(tmp_path):
    proto = unrolled()
    proto.graph.node.pop()  # y
    proto.graph.node.extend(
        [
            node("ReduceSum", "all time", "total", keepdims=1),
            node("Greater", "total one", "more"),
            node("Cast", "more", "often", to=F),
        ]
    )
    assert "mixes time steps" in refusal(with_layer(proto, "often"), tmp_path)


def test_what_is_computed_of_a_sum_over_time_is_refused_by_its_name(tmp_path):
    proto = unrolled(reading="sum")
    proto.graph.node[-1].output[0] = "total"
    proto.graph.node.append(node("LogSoftmax", "total", "p"))
    message = refusal(with_layer(proto, "p"), tmp_path)
    assert "output 'y': it mixes time steps: LogSoftmax is computed from all" in message


def test_part_of_the_steps_is_taken_on_the_host(tmp_path):
    proto = unrolled()
    proto.graph.node[-2].input.pop()
    path = saved(proto, tmp_path)
    assert import_model(path).steps == 5
    spikes = np.random.default_rng(0).random((5, 3)) < 0.5
    verified = verify_model(path, {"x": spikes.astype(np.float32)}, "x.npz")
    assert {ring.name: ring.status for ring in verified.rings}["3-onnxruntime"] == "equal"


def test_part_of_the_steps_is_refused_inside_the_network(tmp_path):
    proto = unrolled()
    proto.graph.node[-2].input.pop()
    proto.graph.node[-1].output[0] = "some"
    message = refusal(with_layer(proto, "some"), tmp_path)
    assert "4 of 5 time steps" in message


def test_a_loop_without_end_is_refused(tmp_path):
    proto = looped()
    proto.graph.initializer.append(numpy_helper.from_array(np.array(1 << 40), "forever"))
    proto.graph.node[-1].input[0] = "forever"
    refusal(proto, tmp_path)


def test_a_scan_of_very_many_turns_is_refused_before_they_are_laid_out(tmp_path):
    assert "more than 4096 turns" in refusal(scanned(steps=4097), tmp_path)


def test_a_loop_whose_length_depends_on_data_is_refused(tmp_path):
    proto = looped()
    body = proto.graph.node[-1].attribute[0].g
    body.node[-1].CopyFrom(node("ReduceMax", "s", "most", keepdims=0))
    body.node.append(node("Cast", "most", "on", to=BOOL))
    assert "depends on the data" in refusal(proto, tmp_path)
