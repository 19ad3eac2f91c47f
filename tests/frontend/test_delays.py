"""Axonal delays: spikes that wait in states before a layer reads them."""

import numpy as np
import pytest
from onnx import ModelProto

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.ir.core import FLOAT, SPIKE
from mapper.pipeline import make_passes, run_passes
from targets import load_target
from tests.frontend.models import NUMBERS, assert_equal_to_reference, leaky, model, node, saved


def line(steps: int, joined: str = "slices") -> ModelProto:
    """Spikes of 4 neurons wait ``steps`` steps in one state ``d``; other neurons read the last."""
    cut = {"zero": [0], "last": [4 * (steps - 1)], "all": [4 * steps], "axis": [1]}
    nodes = [
        node("Gemm", "x w1", "c1", transB=1),
        *leaky("c1", "v1", "s1", "v1_out", "a."),
        node("Slice", "d zero last axis", "waiting"),
        node("Concat", "s1 waiting", "d_out", axis=1),
        node("Slice", "d last all axis", "arrived"),
        node("Gemm", "arrived w2", "c2", transB=1),
        *leaky("c2", "v2", "y", "v2_out", "b."),
    ]
    rng = np.random.default_rng(0)
    stored = {
        "w1": rng.normal(size=(4, 3)).astype(np.float32),
        "w2": rng.normal(size=(2, 4)).astype(np.float32),
        **{name: np.array(value, np.int64) for name, value in cut.items()},
        **NUMBERS,
    }
    ports = {"x": [1, 3], "v1": [1, 4], "d": [1, 4 * steps], "v2": [1, 2]}
    outputs = {"y": [1, 2], "v1_out": [1, 4], "d_out": [1, 4 * steps], "v2_out": [1, 2]}
    return model(nodes, ports, outputs, stored)


@pytest.mark.parametrize("steps", [2, 3])
def test_a_line_of_spikes_is_a_state_of_spikes(steps, tmp_path):
    imported = assert_equal_to_reference(saved(line(steps), tmp_path))
    types = {state.read.name: state.read.type for state in imported.graph.states}
    assert types["d"] == SPIKE


def shifted() -> ModelProto:
    """Spikes wait in states of their own: ``d1`` is the spike of a step ago, ``d2`` of two."""
    nodes = [
        node("Gemm", "x w1", "c1", transB=1),
        *leaky("c1", "v1", "s1", "v1_out", "a."),
        node("Identity", "s1", "d1_out"),
        node("Identity", "d1", "d2_out"),
        node("Gemm", "d2 w2", "c2", transB=1),
        *leaky("c2", "v2", "y", "v2_out", "b."),
    ]
    stored = {"w1": np.eye(3, dtype=np.float32) * 2, "w2": np.ones((2, 3), np.float32), **NUMBERS}
    ports = {"x": [1, 3], "v1": [1, 3], "d1": [1, 3], "d2": [1, 3], "v2": [1, 2]}
    outputs = {name if name == "y" else f"{name}_out": shape for name, shape in ports.items()}
    outputs = {"y": [1, 2], **{n: s for n, s in outputs.items() if n != "x_out"}}
    return model(nodes, ports, outputs, stored)


def test_states_that_pass_spikes_on_are_states_of_spikes(tmp_path):
    imported = assert_equal_to_reference(saved(shifted(), tmp_path))
    types = {state.read.name: state.read.type for state in imported.graph.states}
    assert types["d1"] == types["d2"] == SPIKE


def test_every_spike_may_have_a_delay_of_its_own(tmp_path):
    """``d[t, n]`` keeps the spikes of three steps; that of neuron ``n`` waits ``delays[n]``."""
    proto = shifted()
    del proto.graph.node[6:8]  # d1_out, d2_out
    joined = [
        node("Unsqueeze", "s1 zero", "s1_row"),
        node("Slice", "d zero last zero", "older"),
        node("Concat", "s1_row older", "d_out", axis=0),
        node("GatherElements", "d_out delays", "picked", axis=0),
        node("Squeeze", "picked zero", "d2"),
    ]
    head, tail = list(proto.graph.node)[:6], list(proto.graph.node)[6:]
    stored = {
        "w1": np.eye(3, dtype=np.float32) * 2,
        "w2": np.ones((2, 3), np.float32),
        "zero": np.array([0], np.int64),
        "last": np.array([2], np.int64),
        "delays": np.array([[[2, 0, -2]]], np.int64),
        **NUMBERS,
    }
    states = {"d": [3, 1, 3], "v1": [1, 3], "v2": [1, 2]}
    outputs = {"y": [1, 2], **{f"{name}_out": shape for name, shape in states.items()}}
    made = model([*head, *joined, *tail], {"x": [1, 3], **states}, outputs, stored)
    imported = assert_equal_to_reference(saved(made, tmp_path))
    types = {state.read.name: state.read.type for state in imported.graph.states}
    assert types["d"] == SPIKE


def currents(taps: np.ndarray) -> ModelProto:
    """Currents wait behind the weights: ``taps[d, 0, c]`` of them arrives after ``d`` steps."""
    depth, _, width = taps.shape
    nodes = [
        node("Gemm", "x w1", "c1", transB=1),
        *leaky("c1", "v1", "s1", "v1_out", "a."),
        node("Gemm", "s1 w2", "c2", transB=1),
        node("Unsqueeze", "c2 zero", "row"),
        node("Slice", "ring zero last zero", "older"),
        node("Concat", "row older", "ring_out", axis=0),
        node("Mul", "ring_out taps", "tapped"),
        node("ReduceSum", "tapped zero", "arrived", keepdims=0),
        *leaky("arrived", "v2", "y", "v2_out", "b."),
    ]
    stored = {
        "w1": np.eye(3, dtype=np.float32) * 2,
        "w2": np.random.default_rng(0).normal(size=(width, 3)).astype(np.float32),
        "zero": np.array([0], np.int64),
        "last": np.array([depth - 1], np.int64),
        "taps": taps.astype(np.float32),
        **NUMBERS,
    }
    states = {"v1": [1, 3], "ring": [depth, 1, width], "v2": [1, width]}
    outputs = {"y": [1, width], **{f"{name}_out": shape for name, shape in states.items()}}
    return model(nodes, {"x": [1, 3], **states}, outputs, stored)


@pytest.mark.parametrize("fraction", [0.0, 0.25])
def test_a_ring_of_currents_is_a_state_of_reals(fraction, tmp_path):
    """A whole delay has one tap of 1, a fractional one two."""
    taps = np.zeros((3, 1, 4))
    taps[[0, 1, 2, 1], 0, range(4)] = 1 - fraction
    taps[[1, 2, 1, 0], 0, range(4)] += fraction
    imported = assert_equal_to_reference(saved(currents(taps), tmp_path), steps=12)
    types = {state.read.name: state.read.type for state in imported.graph.states}
    assert types["ring"] == FLOAT


def test_currents_may_be_handed_on_from_state_to_state(tmp_path):
    proto = shifted()
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    swapped = [node("Gemm", "s1 w2", "d1_out", transB=1), node("Identity", "d1", "d2_out")]
    proto.graph.node.extend([*nodes[:6], *swapped, *leaky("d2", "v2", "y", "v2_out", "b.")])
    for port in (*proto.graph.input, *proto.graph.output):
        if port.name.startswith("d"):
            port.type.tensor_type.shape.dim[1].dim_value = 2
    imported = assert_equal_to_reference(saved(proto, tmp_path), steps=12)
    assert {s.read.name for s in imported.graph.states} == {"v1", "d1", "d2", "v2"}


def test_currents_that_wait_have_no_place_on_hardware(tmp_path):
    graph = import_model(saved(currents(np.eye(3)[:, None]), tmp_path)).graph
    with pytest.raises(MappingError, match="the reals in 'ring' wait from step to step") as refused:
        run_passes(graph, load_target("ideal-128"), make_passes(), stop_after="quantize-neurons")
    assert refused.value.diagnostics[0].code == "unsupported-on-hardware"
