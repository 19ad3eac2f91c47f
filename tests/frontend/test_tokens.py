"""Layers of weights on tokens, and what is refused of several samples or steps at once."""

import numpy as np
import pytest
from onnx import ModelProto, TensorProto

from mapper.diagnostics import MappingError
from mapper.frontend import describe, import_model
from mapper.verify.model import verify_model
from tests.frontend.models import (
    NUMBERS,
    assert_equal_to_reference,
    leaky,
    model,
    node,
    saved,
)

TOKENS, CHANNELS, OUTPUTS = 6, 4, 3


def projected(on_the_left: bool = False, bias: bool = False) -> ModelProto:
    """A matrix on each of 6 tokens of 4 numbers, or of 6 columns of 4, and neurons behind it."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(OUTPUTS, CHANNELS)).astype(np.float32)
    x, after = [1, TOKENS, CHANNELS], [1, TOKENS, OUTPUTS]
    reads, stored = "x w", weights.T.copy()
    if on_the_left:
        x, after, reads, stored = [1, CHANNELS, TOKENS], [1, OUTPUTS, TOKENS], "w x", weights
    ending = [node("Add", "product b", "c")] if bias else [node("Identity", "product", "c")]
    nodes = [node("MatMul", reads, "product"), *ending, *leaky("c", "v", "y", "v_out")]
    constants = {"w": stored, "b": rng.normal(size=OUTPUTS).astype(np.float32), **NUMBERS}
    if not bias:
        del constants["b"]
    return model(nodes, {"x": x, "v": after}, {"y": after, "v_out": after}, constants)


@pytest.mark.parametrize(("on_the_left", "bias"), [(False, False), (False, True), (True, False)])
def test_weights_on_tokens_are_a_convolution_of_one_element(on_the_left, bias, tmp_path):
    imported = assert_equal_to_reference(saved(projected(on_the_left, bias), tmp_path))
    (layer,) = (layer for layer in describe(imported).layers if layer.op == "net.conv2d")
    assert layer.matrix is not None
    assert (layer.matrix.wordlines, layer.matrix.columns) == (CHANNELS, OUTPUTS)


def refused(nodes: list, inputs: dict, outputs: dict, stored: dict, folder) -> tuple[str, str]:
    with pytest.raises(MappingError) as caught:
        import_model(saved(model(nodes, inputs, outputs, stored), folder))
    return caught.value.diagnostics[0].message, caught.value.diagnostics[0].help


def attention(steps: int) -> tuple[list, dict, dict, dict]:
    """Tokens times themselves, and neurons, over time: ``x[T, 1, N, C]``."""
    nodes, stored, spikes = [], dict(NUMBERS), []
    nodes.append(node("Transpose", "x", "turned", perm=[0, 1, 3, 2]))
    nodes.append(node("MatMul", "x turned", "scores"))
    for t in range(steps):
        stored[f"t{t}"] = np.array(t, np.int64)
        nodes.append(node("Gather", f"scores t{t}", f"c{t}", axis=0))
        nodes.extend(leaky(f"c{t}", f"v{t}", f"s{t}", f"v{t + 1}", f"{t}."))
        nodes.append(node("Unsqueeze", f"s{t} zero", f"u{t}"))
        spikes.append(f"u{t}")
    stored |= {"zero": np.array([0], np.int64), "v0": np.zeros((1, 6, 6), np.float32)}
    nodes.append(node("Concat", " ".join(spikes), "y", axis=0))
    return nodes, {"x": [steps, 1, 6, 4]}, {"y": [steps, 1, 6, 6]}, stored


def test_steps_of_a_file_without_state_are_no_samples(tmp_path):
    """With the input added to the output, nothing tells time but that there is no state."""
    nodes, ports, _, stored = attention(5)
    nodes[0].CopyFrom(node("MatMul", "x square", "projected"))
    nodes[1].CopyFrom(node("Tanh", "projected", "scores"))
    nodes[-1].output[0] = "all"
    nodes.append(node("Add", "all x", "y"))
    stored |= {"square": np.eye(4, dtype=np.float32), "v0": np.zeros((1, 6, 4), np.float32)}
    message, _ = refused(nodes, ports, {"y": [5, 1, 6, 4]}, stored, tmp_path)
    assert "samples" not in message
    assert "Tanh" in message


def test_several_samples_of_one_vector_each_are_told_from_tokens(tmp_path):
    nodes = [node("MatMul", "x w", "c"), *leaky("c", "v", "y", "v_out")]
    ports = {"x": [6, 4], "v": [6, 3]}
    stored = {"w": np.ones((4, 3), np.float32), **NUMBERS}
    nodes[0].input[0] = "x2"
    nodes.insert(0, node("Reshape", "x shape", "x2"))
    stored["shape"] = np.array([6, 4], np.int64)
    ports["x"] = [1, 24]
    outputs = {"y": [6, 3], "v_out": [6, 3]}
    message, help = refused(nodes, ports, outputs, stored, tmp_path)
    assert "(6, 4) is 6 samples or time steps at once" in message
    assert "tokens are supported as [1, N, C]" in help


def test_a_model_that_takes_its_batch_axis_away_is_read(tmp_path):
    """``x[:, 0]`` is a Gather with one number, which stays one number in the step network."""
    stored: dict = {"k": np.ones((2, 1, 3, 3), np.float32) / 3, **NUMBERS}
    stored |= {"first": np.array(0, np.int64), "v0": np.zeros((2, 4, 4), np.float32)}
    nodes = [node("Gather", "x first", "maps", axis=1), node("Conv", "maps k", "all")]
    for t in range(4):
        stored[f"t{t}"] = np.array(t, np.int64)
        nodes.append(node("Gather", f"all t{t}", f"c{t}", axis=0))
        nodes.extend(leaky(f"c{t}", f"v{t}", f"s{t}", f"v{t + 1}", f"{t}."))
        nodes.append(node("Unsqueeze", f"s{t} zero", f"u{t}"))
    stored["zero"] = np.array([0], np.int64)
    nodes.append(node("Concat", "u0 u1 u2 u3", "y", axis=0))
    path = saved(model(nodes, {"x": [4, 1, 1, 6, 6]}, {"y": [4, 2, 4, 4]}, stored), tmp_path)
    x = (np.random.default_rng(0).random((4, 1, 1, 6, 6)) < 0.5).astype(np.float32)
    assert [ring.status for ring in verify_model(path, {"x": x}, "x").rings] == ["equal"] * 2


REMEDY = "fire at most once a step: sinabs with spike_fn=SingleSpike"
ROUNDED = {
    "Floor": ("it rounds its state down, below zero as well (Floor)", REMEDY),
    "Ceil": ("it rounds its state up, below zero as well (Ceil)", REMEDY),
    "Round": (
        "it rounds its membrane, and compares what its reset leaves of it as well",
        "neurons may leak, add, fire at a threshold and reset",
    ),
}


@pytest.mark.parametrize("op", ROUNDED)
def test_several_spikes_a_step_are_refused_with_the_reason_and_a_remedy(op, tmp_path):
    """Rounding to the nearest alone is read; what is compared of the rest beside it is not."""
    reason, remedy = ROUNDED[op]
    nodes = [
        node("Add", "v x", "u"),
        node(op, "u", "y"),
        node("Sub", "u y", "v_out"),
        node("Greater", "v_out one", "above"),
        node("Cast", "above", "z", to=TensorProto.FLOAT),
    ]
    ports = {"x": [1, 3], "v": [1, 3]}
    outputs = {"y": [1, 3], "v_out": [1, 3], "z": [1, 3]}
    message, help = refused(nodes, ports, outputs, {"one": 1.0}, tmp_path)
    assert reason in message
    assert remedy in help
