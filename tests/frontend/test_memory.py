"""A large network is read with few copies of its weights."""

import gc

import numpy as np

from mapper.frontend.onnx.load import read_model
from mapper.frontend.onnx.trace import Trace, trace
from mapper.frontend.recognise import recognise, recognised_step
from mapper.frontend.time.tensors import Tape
from tests.frontend.models import NUMBERS, leaky, model, node, saved

WIDTH, STEPS = 64, 4


def unrolled() -> object:
    """Return a layer and its neurons, written out over four steps of one image."""
    weights = np.random.default_rng(0).normal(size=(WIDTH, WIDTH)).astype(np.float32)
    stored = {"w": weights, "v0": np.zeros((1, WIDTH), np.float32), **NUMBERS}
    nodes, spikes = [], []
    for t in range(STEPS):
        nodes.append(node("Gemm", "x w", f"c{t}", transB=1))
        nodes.extend(leaky(f"c{t}", f"v{t}", f"s{t}", f"v{t + 1}", f"{t}."))
        spikes.append(f"s{t}")
    nodes.append(node("Concat", " ".join(spikes), "y", axis=0))
    return model(nodes, {"x": [1, WIDTH]}, {"y": [STEPS, WIDTH]}, stored)


def test_the_step_of_a_large_model_has_its_numbers_beside_it(tmp_path):
    path = saved(unrolled(), tmp_path)
    step = recognised_step(read_model(path), path)
    (stored,) = (t for t in step.proto.graph.initializer if list(t.dims) == [WIDTH, WIDTH])
    assert not stored.raw_data
    (whole,) = (t for t in step.whole().graph.initializer if t.name == stored.name)
    assert whole.raw_data == step.arrays[stored.name].tobytes()
    walked = trace(step.proto, path, arrays=step.arrays)
    assert walked.tensors[stored.name].array is step.arrays[stored.name]


def test_a_reading_that_fails_lets_go_of_what_it_read(tmp_path):
    path = saved(unrolled(), tmp_path)
    recognise(read_model(path), path)
    gc.collect()
    gc.disable()  # what is let go of is freed at once
    try:
        found = recognise(read_model(path), path)
        held = [o for o in gc.get_objects() if type(o) in (Trace, Tape)]
    finally:
        gc.enable()
    assert found.time_form == "unrolled"
    assert not held
