"""Spikes that a written-out network feeds back through weights, from a first step of zeros."""

import numpy as np
import pytest
from onnx import TensorProto

from mapper.verify.model import verify_model
from tests.frontend.models import model, node, saved

STEPS = 5
WIDTH = 3
EQUAL = {"1-graph-rules": "equal", "3-onnxruntime": "equal"}


def fires(current: str, before: str | None, tag: str) -> list:
    """``u = 0.5 * before + current``; it fires at ``u >= 1`` and goes to zero."""
    leaked = [
        node("Mul", f"{before} half", f"{tag}.l"),
        node("Add", f"{tag}.l {current}", f"{tag}.u"),
    ]
    return [
        *(leaked if before else [node("Identity", current, f"{tag}.u")]),
        node("GreaterOrEqual", f"{tag}.u one", f"{tag}.f"),
        node("Cast", f"{tag}.f", f"{tag}.s", to=TensorProto.FLOAT),
        node("Sub", f"one {tag}.s", f"{tag}.kept"),
        node("Mul", f"{tag}.kept {tag}.u", f"{tag}.v"),
    ]


def beside_the_input(t: int) -> list:
    """A layer reads the input and the spikes of the step before, side by side."""
    spikes = f"{t - 1}.s" if t else "zeros"
    return [
        node("Concat", f"x.{t} {spikes}", f"{t}.both", axis=1),
        node("MatMul", f"{t}.both w", f"{t}.in"),
        *fires(f"{t}.in", f"{t - 1}.v" if t else None, f"{t}"),
    ]


def by_a_convolution(t: int) -> list:
    """A convolution of its own reads the spikes of the step before; of zeros in the first step."""
    spikes = f"{t - 1}.s" if t else "zeros"
    return [
        node("Conv", f"x.{t} k", f"{t}.x", pads=[1, 1, 1, 1]),
        node("Conv", f"{spikes} r b", f"{t}.back", pads=[1, 1, 1, 1]),
        node("Add", f"{t}.x {t}.back", f"{t}.in"),
        *fires(f"{t}.in", f"{t - 1}.v" if t else None, f"{t}"),
    ]


def unrolled(step, shape, stored):
    nodes = []
    for t in range(STEPS):
        stored |= {f"t{t}": np.array([t], np.int64)}
        nodes += [node("Gather", f"x t{t}", f"x.{t}", axis=0), *step(t)]
    nodes.append(node("Concat", " ".join(f"{t}.s" for t in range(STEPS)), "y", axis=0))
    stored |= {"half": 0.5, "one": 1.0}
    return model(nodes, {"x": [STEPS, *shape]}, {"y": [STEPS, *shape]}, stored)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_layer_of_the_input_and_of_spikes_before_it(seed, tmp_path):
    """SpikingJelly's LinearRecurrentContainer: spikes are the state, not what they come from."""
    rng = np.random.default_rng(seed)
    w = rng.normal(0, 1, (2 * WIDTH, WIDTH)).astype(np.float32)
    zeros = np.zeros((1, WIDTH), np.float32)
    path = saved(unrolled(beside_the_input, [WIDTH], {"w": w, "zeros": zeros}), tmp_path)
    verified = verify_model(path, {"x": (rng.random((STEPS, WIDTH)) < 0.5).astype(np.float32)}, "x")
    assert {ring.name: ring.status for ring in verified.rings} == EQUAL


def test_a_convolution_of_zeros_is_computed(tmp_path):
    """FireNet, written out: its recurrent convolutions read zeros in the first step."""
    rng = np.random.default_rng(0)
    shape = (2, 4, 4)
    stored = {
        "k": rng.normal(0, 1, (2, 2, 3, 3)).astype(np.float32),
        "r": rng.normal(0, 1, (2, 2, 3, 3)).astype(np.float32),
        "b": np.array([0.25, -0.5], np.float32),
        "zeros": np.zeros((1, *shape), np.float32),
    }
    path = saved(unrolled(by_a_convolution, list(shape), stored), tmp_path)
    verified = verify_model(
        path, {"x": (rng.random((STEPS, *shape)) < 0.5).astype(np.float32)}, "x"
    )
    assert {ring.name: ring.status for ring in verified.rings} == EQUAL
