"""Delays: spikes, and inputs, that wait in states before a layer reads them; currents behind it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto

import mapper
from mapper.api import verify_model
from mapper.cost import count_actions
from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.ir.core import FLOAT, SPIKE, Graph, IntType
from mapper.ir.evaluate import evaluate
from mapper.ir.network import Take
from mapper.ir.verify import graph_problems
from mapper.pipeline import make_passes, run_passes
from passes import EncodeInputs, InputCode
from targets import load_target
from tests.engines import run_everywhere
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


def taps_of(delays: list[int]) -> np.ndarray:
    """Return ``taps[d, 0, c]``: 1 where channel ``c`` waits ``d`` steps."""
    taps = np.zeros((max(delays) + 1, 1, len(delays)), np.float32)
    taps[delays, 0, range(len(delays))] = 1
    return taps


def of_inputs(joined: str, delays: list[int]) -> ModelProto:
    """Inputs of 3 channels wait before any weights: in a ring, or one state behind the other."""
    rings = [
        node("Unsqueeze", "x zero", "row"),
        node("Slice", "d zero last zero", "older"),
        node("Concat", "row older", "d_out", axis=0),
        node("Mul", "d_out taps", "tapped"),
        node("ReduceSum", "tapped zero", "arrived", keepdims=0),
    ]
    chain = [
        node("Identity", "x", "a_out"),
        node("Identity", "a", "b_out"),
        *(node("Mul", f"{s} tap{k}", f"t{k}") for k, s in enumerate(("x", "a", "b"))),
        node("Sum", "t0 t1 t2", "arrived"),
    ]
    taps = taps_of(delays)
    states = {"d": list(taps.shape)} if joined == "ring" else {"a": [1, 3], "b": [1, 3]}
    nodes = [
        *(rings if joined == "ring" else chain),
        node("Gemm", "arrived w", "c", transB=1),
        *leaky("c", "v", "y", "v_out"),
    ]
    stored = {
        "w": np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32) * 2,
        "zero": np.array([0], np.int64),
        "last": np.array([len(taps) - 1], np.int64),
        "taps": taps,
        **{f"tap{k}": taps[k] for k in range(3)},
        **NUMBERS,
    }
    outputs = {"y": [1, 4], "v_out": [1, 4], **{f"{n}_out": s for n, s in states.items()}}
    return model(nodes, {"x": [1, 3], **states, "v": [1, 4]}, outputs, stored)


@pytest.mark.parametrize("joined", ["ring", "chain"])
@pytest.mark.parametrize("most", [1, 5])
def test_inputs_that_wait_hold_their_codes(joined, most, tmp_path):
    path = saved(of_inputs(joined, [2, 0, 1]), tmp_path)
    imported = assert_equal_to_reference(path, steps=9)
    x = np.random.default_rng(2).integers(0, most + 1, (9, 1, 3)).astype(np.float32)
    build = mapper.compile(path, "ideal-128", calibrate={"x": x})
    assert build.verify({"x": x}).bit_exact
    coded = EncodeInputs(codes={"x": InputCode(type=IntType(bits=3, signed=False), step=0.5)})
    held = coded.run(imported.graph, load_target("ideal-128"))
    kept = {s.read.name: s.read.type for s in held.states if s.read.name != "v"}
    assert set(kept.values()) == {IntType(bits=3, signed=False)}
    assert not list(graph_problems(held))


def test_a_start_that_no_code_says_is_kept_as_a_real(tmp_path):
    graph = import_model(saved(of_inputs("chain", [2, 0, 1]), tmp_path)).graph
    starts = {"a": 0.75, "b": 0.0}
    states = tuple(replace(s, initial=starts.get(s.read.name, s.initial)) for s in graph.states)
    held = EncodeInputs().run(replace(graph, states=states), load_target("ideal-128"))
    assert {s.read.name: s.read.type for s in held.states} == dict.fromkeys("abv", FLOAT)


def test_taps_of_one_delay_each_pick_spikes(tmp_path):
    proto = currents(taps_of([2, 0, 1]), waiting="spikes")
    graph = assert_equal_to_reference(saved(proto, tmp_path), steps=12).graph
    assert {s.read.name: s.read.type for s in graph.states}["ring"] == SPIKE
    assert sum(isinstance(op, Take) for op in graph.ops) == 2  # what is older, and what arrives


def currents(taps: np.ndarray, waiting: str = "currents") -> ModelProto:
    """``taps[d, 0, c]`` of what waits behind the weights, or before, arrives after ``d`` steps."""
    depth, _, width = taps.shape
    behind = waiting == "currents"
    nodes = [
        node("Gemm", "x w1", "c1", transB=1),
        *leaky("c1", "v1", "s1", "v1_out", "a."),
        node("Gemm", f"{'s1' if behind else 'arrived'} w2", "c2", transB=1),
        node("Unsqueeze", f"{'c2' if behind else 's1'} zero", "row"),
        node("Slice", "ring zero last zero", "older"),
        node("Concat", "row older", "ring_out", axis=0),
        node("Mul", "ring_out taps", "tapped"),
        node("ReduceSum", "tapped zero", "arrived", keepdims=0),
        *leaky("arrived" if behind else "c2", "v2", "y", "v2_out", "b."),
    ]
    if not behind:
        nodes.insert(11, nodes.pop(6))
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


@pytest.mark.parametrize("fraction", [0.0, 0.25])
@pytest.mark.parametrize("target", ["ideal-128", "adcless-64"])
def test_a_ring_of_currents_waits_as_integers_on_every_engine(target, fraction, tmp_path):
    """Of its channels, which wait 0, 1 and 2 steps, it keeps as many sums as they wait."""
    taps = (1 - fraction) * np.eye(3)[:, None] + fraction * np.eye(3)[[1, 0, 2]][:, None]
    graph = import_model(saved(currents(taps), tmp_path)).graph
    facts = load_target(target)
    made, _ = run_passes(graph, facts, make_passes())
    x = (np.random.default_rng(0).random((12, 3, 1, 3)) < 0.6).astype(np.int64)
    found = run_everywhere(made, {"x": x})
    if facts.macros[0].readout.is_exact:  # of 8-bit weights
        assert np.array_equal(found["y"], evaluate(graph, {"x": x})["y"])
    (held,) = (state.read.type for state in made.states if state.read.name == "ring")
    waits = 1 + 1 + 2 if fraction else 1 + 2
    assert count_actions(made, facts).layers[-1].skip_stored_bits == waits * held.bits


def sequence(
    late: list, steps: int = 9, taps: np.ndarray | None = None, more: dict | None = None
) -> ModelProto:
    """``steps`` time steps of two layers; ``late`` makes ``arrived`` of the spikes ``sent``.

    Both are ``[T, 1, 3]``. ``taps`` is a kernel ``[3, 1, K]``.
    """

    def neurons(current: str, result: str, width: int, tag: str) -> list:
        nodes, before = [], "still"
        for t in range(steps):
            name = f"{tag}{t}"
            nodes.append(node("Gather", f"{current} at{t}", f"{name}c", axis=0))
            nodes += leaky(f"{name}c", before, f"{name}s", f"{name}v", f"{name}.")
            nodes.append(node("Unsqueeze", f"{name}s first", f"{name}row"))
            before = f"{name}v"
        rows = " ".join(f"{tag}{t}row" for t in range(steps))
        return [*nodes, node("Concat", rows, result, axis=0)]

    nodes = [
        node("MatMul", "x w1", "c1"),
        *neurons("c1", "sent", 3, "a"),
        *late,
        node("MatMul", "arrived w2", "c2"),
        *neurons("c2", "y", 3, "b"),
    ]
    rng = np.random.default_rng(1)
    stored = {
        "w1": rng.normal(size=(3, 3)).astype(np.float32) * 2,
        "w2": rng.normal(size=(3, 3)).astype(np.float32) * 2,
        "still": np.zeros((1, 3), np.float32),
        "none": np.zeros((2, 1, 3), np.float32),
        "first": np.array([0], np.int64),
        "second": np.array([-2], np.int64),
        "pads": np.array([0, 0, 3, 0, 0, 0], np.int64),
        "behind": np.array([0, 0, 2, 0, 0, 1], np.int64),
        "taps": np.zeros((3, 1, 4), np.float32) if taps is None else taps.astype(np.float32),
        **{f"at{t}": np.array(t, np.int64) for t in range(steps)},
        **(more or {}),
        **NUMBERS,
    }
    shape = [steps, 1, 3]
    return model(nodes, {"x": shape}, {"y": shape}, stored)


SHIFTED = [
    node("Slice", "sent first second first", "kept"),
    node("Concat", "none kept", "arrived", axis=0),
]


def over_time(pads: str = "pads") -> list:
    """Channels first, time last: a depthwise convolution of what was sent."""
    return [
        node("Transpose", "sent", "columns", perm=[1, 2, 0]),
        node("Pad", f"columns {pads}", "padded"),
        node("Conv", "padded taps", "late", group=3),
        node("Transpose", "late", "arrived", perm=[2, 0, 1]),
    ]


def kernel(delays: list[int]) -> np.ndarray:
    taps = np.zeros((3, 1, 4))
    taps[range(3), 0, [3 - d for d in delays]] = 1
    return taps


def assert_steps_equal(proto: ModelProto, folder: Path) -> Graph:
    path = saved(proto, folder)
    x = (np.random.default_rng(0).random((9, 1, 3)) < 0.6).astype(np.float32)
    found = verify_model(path, {"x": x})
    assert [ring.status for ring in found.rings] == ["equal"] * 2
    return import_model(path).graph


def test_steps_shifted_behind_zeros_wait_in_states_of_spikes(tmp_path):
    graph = assert_steps_equal(sequence(SHIFTED), tmp_path)
    waiting = [state for state in graph.states if state.read.type == SPIKE]
    assert len(waiting) == 2
    assert compile_counts(graph)[1].skip_stored_bits == 2 * 3


def test_kernels_of_one_tap_over_time_are_delays_of_their_channels(tmp_path):
    graph = assert_steps_equal(sequence(over_time(), taps=kernel([3, 0, 1])), tmp_path)
    assert {s.read.type for s in graph.states} == {SPIKE, FLOAT}
    assert compile_counts(graph)[1].skip_stored_bits == 3 + 0 + 1


def compile_counts(graph: Graph, target: str = "ideal-128"):
    facts = load_target(target)
    return count_actions(run_passes(graph, facts, make_passes())[0], facts).layers


def test_kernels_of_several_taps_over_time_weigh_what_waits(tmp_path):
    taps = 0.75 * kernel([3, 0, 1]) + 0.25 * kernel([2, 1, 0])
    assert_steps_equal(sequence(over_time(), taps=taps), tmp_path)


def test_a_kernel_that_looks_ahead_is_no_delay(tmp_path):
    taps = kernel([2, 0, 1])  # with a step less before it, 0 becomes a step ahead
    with pytest.raises(MappingError) as refused:
        import_model(saved(sequence(over_time("behind"), taps=taps), tmp_path))
    assert refused.value.diagnostics[0].code == "unsupported-time-form"


def test_a_delay_as_long_as_the_file_tells_too_little(tmp_path):
    with pytest.raises(MappingError, match="a delay of 2 steps takes all of its 4 time steps"):
        import_model(saved(sequence(SHIFTED, steps=4), tmp_path))
