"""Files that were exported for several samples at once: one of them is read."""

import numpy as np
import onnx
import pytest

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.frontend.onnx.samples import one_sample
from mapper.verify.model import verify_model
from mapper.verify.original import in_batches
from tests.frontend.models import NUMBERS, leaky, model, node, saved
from tests.frontend.test_time import looped

STEPS, SAMPLES, INPUTS, WIDTH = 5, 3, 4, 6
EQUAL = {"1-graph-rules": "equal", "3-onnxruntime": "equal"}
RNG = np.random.default_rng(0)
WEIGHTS = RNG.normal(0, 1, (INPUTS, WIDTH)).astype(np.float32)


def one_step(*extra, samples=SAMPLES):
    """``x[samples, INPUTS]`` through a layer, a reshape that says the samples, and a neuron."""
    return model(
        [
            node("MatMul", "x w", "wide"),
            node("Reshape", "wide target", "current"),
            *leaky("current", "v", "spikes", "v_out"),
            *extra,
            node("Identity", "last" if extra else "spikes", "s"),
        ],
        {"x": [samples, INPUTS], "v": [samples, 2, 3]},
        {"s": [samples, 2, 3], "v_out": [samples, 2, 3]},
        {"w": WEIGHTS, "target": np.array([samples, 2, 3], np.int64), **NUMBERS},
    )


def unrolled(first: bool, images: bool = False):
    """Steps written out from membranes of zeros, layers on all steps at once: ``[T*N, ...]``.

    Args:
        first: Samples before time, ``[N, T, C]``, turned inside.
        images: Input ``[N, C]``, which every step takes.
    """
    stored = {"w": WEIGHTS, "zeros": np.zeros((SAMPLES, WIDTH), np.float32), **NUMBERS}
    stored |= {
        "flat": np.array([STEPS * SAMPLES, INPUTS], np.int64),
        "unflat": np.array([STEPS, SAMPLES, WIDTH], np.int64),
    }
    turn = [node("Transpose", "x", "turned", perm=[1, 0, 2])] if first else []
    if images:
        turn = [node("Unsqueeze", "x zero", "once"), node("Expand", "once every_step", "turned")]
        stored["every_step"] = np.array([STEPS, 1, 1], np.int64)
    nodes = [
        *turn,
        node("Reshape", f"{'turned' if turn else 'x'} flat", "rows"),
        node("MatMul", "rows w", "weighed"),
        node("Reshape", "weighed unflat", "currents"),
    ]
    for t in range(STEPS):
        stored[f"t{t}"] = np.array(t, np.int64)
        before = f"{t - 1}.v" if t else "zeros"
        nodes.append(node("Gather", f"currents t{t}", f"{t}.in", axis=0))
        nodes += leaky(f"{t}.in", before, f"{t}.s", f"{t}.v", f"{t}.")
        nodes.append(node("Unsqueeze", f"{t}.s zero", f"{t}.y"))
    stored["zero"] = np.array([0], np.int64)
    every = " ".join(f"{t}.y" for t in range(STEPS))
    nodes.append(node("Concat", every, "all" if first else "y", axis=0))
    if first:
        nodes.append(node("Transpose", "all", "y", perm=[1, 0, 2]))
    lead = [SAMPLES, STEPS] if first else [STEPS, SAMPLES]
    return model(
        nodes,
        {"x": [SAMPLES, INPUTS] if images else [*lead, INPUTS]},
        {"y": [*lead, WIDTH]},
        stored,
    )


def rings(path, x):
    return {ring.name: ring.status for ring in verify_model(path, {"x": x}, "x").rings}


@pytest.mark.parametrize("samples", [1, 3, 5])
def test_one_step_of_several_samples(samples, tmp_path):
    """Recordings may have fewer samples or more: the file runs in batches of its own."""
    path = saved(one_step(), tmp_path)
    imported = import_model(path)
    assert imported.at_once == SAMPLES
    assert imported.graph.inputs[0].shape == (INPUTS,)
    assert any("3 samples at once" in note for note in imported.notes)
    x = (np.random.default_rng(1).random((8, samples, INPUTS)) < 0.5).astype(np.float32)
    assert rings(path, x) == EQUAL


@pytest.mark.parametrize("samples", [INPUTS, 2])
def test_as_many_samples_as_inputs_or_channels(samples, tmp_path):
    """``x[4, 4]``, or ``v[2, 2, 3]``: the first axis has the samples."""
    path = saved(one_step(samples=samples), tmp_path)
    imported = import_model(path)
    assert imported.at_once == samples
    assert set(imported.sample_axes.values()) == {0}
    x = (np.random.default_rng(1).random((8, 3, INPUTS)) < 0.5).astype(np.float32)
    assert rings(path, x) == EQUAL


@pytest.mark.parametrize("first", [False, True])
def test_steps_of_several_samples(first, tmp_path):
    path = saved(unrolled(first), tmp_path)
    imported = import_model(path)
    assert (imported.at_once, imported.steps) == (SAMPLES, STEPS)
    shape = (SAMPLES, STEPS, INPUTS) if first else (STEPS, SAMPLES, INPUTS)
    x = (np.random.default_rng(1).random(shape) < 0.5).astype(np.float32)
    assert rings(path, x) == EQUAL


def test_images_of_several_samples_that_every_step_takes(tmp_path):
    path = saved(unrolled(first=False, images=True), tmp_path)
    imported = import_model(path)
    assert (imported.at_once, imported.steps) == (SAMPLES, STEPS)
    x = (np.random.default_rng(1).random((SAMPLES, INPUTS)) < 0.5).astype(np.float32)
    assert rings(path, x) == EQUAL


def test_what_the_host_computes_of_all_steps_has_samples_too(tmp_path):
    proto = unrolled(first=False)
    proto.graph.node[-1].output[0] = "all"
    most = node("ReduceMax", "all", "most", axes=[0], keepdims=0)
    proto.graph.node.extend([most, node("Softmax", "most", "y", axis=-1)])
    del proto.graph.output[0].type.tensor_type.shape.dim[0]
    path = saved(proto, tmp_path)
    imported = import_model(path)
    assert imported.epilogue is not None
    assert imported.at_once == SAMPLES
    x = (np.random.default_rng(1).random((STEPS, SAMPLES, INPUTS)) < 0.5).astype(np.float32)
    assert rings(path, x) == EQUAL


def test_samples_inside_a_loop_are_not_said_to_depend_on_each_other(tmp_path):
    with pytest.raises(MappingError, match="not told apart in a node of Loop") as caught:
        import_model(saved(looped_samples(), tmp_path))
    assert caught.value.diagnostics[0].code == "fixed-batch"


def looped_samples():
    """``looped`` of two samples at once: only its sizes are others."""
    proto = looped(STEPS)
    for port in (*proto.graph.input, *proto.graph.output):
        port.type.tensor_type.shape.dim[1].dim_value = 2
    (start,) = (tensor for tensor in proto.graph.initializer if tensor.name == "v0")
    start.CopyFrom(onnx.numpy_helper.from_array(np.zeros((2, 4), np.float32), "v0"))
    body = next(n for n in proto.graph.node if n.op_type == "Loop").attribute[0].g
    for port in (*body.input, *body.output):
        dims = port.type.tensor_type.shape.dim
        if len(dims) == 2:
            dims[0].dim_value = 2
    return proto


def test_samples_that_are_mixed_are_refused(tmp_path):
    """Each sample less the mean of all: one alone says nothing."""
    mixed = [node("ReduceMean", "wide", "mean", axes=[0], keepdims=1)]
    proto = one_step()
    proto.graph.node.insert(1, mixed[0])
    proto.graph.node.insert(2, node("Sub", "wide mean", "apart"))
    proto.graph.node[3].input[0] = "apart"
    with pytest.raises(MappingError) as caught:
        import_model(saved(proto, tmp_path))
    assert caught.value.diagnostics[0].code == "fixed-batch"
    assert one_sample(proto, tmp_path / "model.onnx") is None


def test_states_that_differ_from_sample_to_sample_are_refused(tmp_path):
    proto = unrolled(first=False)
    (zeros,) = (tensor for tensor in proto.graph.initializer if tensor.name == "zeros")
    start = np.arange(SAMPLES * WIDTH, dtype=np.float32).reshape(SAMPLES, WIDTH)
    zeros.raw_data = start.tobytes()
    assert one_sample(proto, tmp_path / "model.onnx") is None


def test_batches_are_filled_up_and_cut():
    def step(arrays):
        assert arrays["x"].shape == (2, 3, 1)
        return {"y": arrays["x"] * 10}

    x = np.arange(10).reshape(2, 5, 1)
    found = in_batches(step, 3, {"x": 1, "y": 1})({"x": x})
    assert np.array_equal(found["y"], 10 * x)


@pytest.mark.parametrize("first", [False, True])
def test_samples_of_neurons_that_never_fire_are_told_apart_by_their_membranes(first, tmp_path):
    proto = unrolled(first)
    (one,) = (tensor for tensor in proto.graph.initializer if tensor.name == "one")
    one.raw_data = np.float32(1e6).tobytes()  # no spike takes its membrane anywhere near
    imported = import_model(saved(proto, tmp_path))
    assert imported.at_once == SAMPLES
    assert len(imported.graph.states) == 1


def test_samples_that_meet_before_a_silent_neuron_are_refused(tmp_path):
    proto = one_step()
    weights = {"swap": np.float32(np.eye(SAMPLES)[[1, 2, 0]])}
    for name, array in weights.items():
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    proto.graph.node.insert(0, node("MatMul", "swap x", "swapped"))
    proto.graph.node[1].input[0] = "swapped"
    (one,) = (tensor for tensor in proto.graph.initializer if tensor.name == "one")
    one.raw_data = np.float32(1e6).tobytes()
    with pytest.raises(MappingError):
        import_model(saved(proto, tmp_path))
