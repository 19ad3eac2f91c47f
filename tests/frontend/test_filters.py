"""Synaptic filters before weights: leaky sums of spikes, whose leak a spike may switch."""

import numpy as np
import pytest
from onnx import NodeProto

from mapper.diagnostics import MappingError
from mapper.frontend import Imported, describe, import_model
from mapper.ir.core import Array
from mapper.ir.evaluate import evaluate
from mapper.ir.switched import switched_leaks
from mapper.verify.model import verify_model
from tests.frontend.models import (
    NUMBERS,
    assert_equal_to_reference,
    leaky,
    model,
    node,
    saved,
)

WEIGHTS = {
    "w": np.float32([[1, 0.5], [0.5, 1], [1, 1]]),
    "w2": np.float32([[1, -1, 0.5]]),
    "quarter": 0.25,
    "kept": 0.75,
    "zero": 0.0,
    **NUMBERS,
}


def synapse_filter(s: str, f: str, after: str, tag: str = "") -> list[NodeProto]:
    """SpikingJelly's: ``f - (1 - s) * f / 4 + s``."""
    return [
        node("Sub", f"one {s}", f"{tag}silent"),
        node("Mul", f"{tag}silent {f}", f"{tag}held"),
        node("Mul", f"{tag}held quarter", f"{tag}taken"),
        node("Sub", f"{f} {tag}taken", f"{tag}left"),
        node("Add", f"{tag}left {s}", after),
    ]


def chosen(s: str, f: str, after: str) -> list[NodeProto]:
    """The same, written as a choice of two leaks."""
    return [
        node("Mul", f"{f} kept", "f_decayed"),
        node("Greater", f"{s} zero", "given"),
        node("Where", f"given {f} f_decayed", "left"),
        node("Add", f"left {s}", after),
    ]


def trace_of_spikes(s: str, f: str, after: str) -> list[NodeProto]:
    """A trace that a spike sets to 1, whatever was left of it: ``f * 0.75 * (1 - s) + s``."""
    return [
        node("Sub", f"one {s}", "silent"),
        node("Mul", f"{f} kept", "f_decayed"),
        node("Mul", "f_decayed silent", "left"),
        node("Add", f"left {s}", after),
    ]


def low_pass(s: str, f: str, after: str) -> list[NodeProto]:
    return [node("Mul", f"{f} kept", "f_decayed"), node("Add", f"f_decayed {s}", after)]


FILTERS = {
    "SpikingJelly": synapse_filter,
    "a choice": chosen,
    "a trace": trace_of_spikes,
    "a low pass": low_pass,
}


def between_neurons(filtered) -> object:
    nodes = [
        node("Gemm", "x w", "c", transB=1),
        *leaky("c", "v", "h", "v_out"),
        *filtered("h", "f", "f_out"),
        node("Gemm", "f_out w2", "c2", transB=1),
        *leaky("c2", "v2", "s", "v2_out", "second_"),
    ]
    inputs = {"x": [1, 2], "v": [1, 3], "f": [1, 3], "v2": [1, 1]}
    return model(
        nodes, inputs, {"s": [1, 1], "v_out": [1, 3], "f_out": [1, 3], "v2_out": [1, 1]}, WEIGHTS
    )


@pytest.mark.parametrize("filtered", FILTERS.values(), ids=FILTERS)
def test_filters_between_neurons_and_weights(tmp_path, filtered):
    imported = assert_equal_to_reference(saved(between_neurons(filtered), tmp_path), steps=24)
    assert bool(switched_leaks(imported.graph)) == (filtered is not low_pass)


def test_what_is_read_is_told(tmp_path):
    imported = import_model(saved(between_neurons(synapse_filter), tmp_path))
    assert "the leak of 'f' is another one where 'fires' is 1" in imported.notes
    (warning,) = describe(imported).warnings
    assert warning.startswith("layer '/c2' reads the membrane of the filter 'f': in codes of")


def filtered_input(path) -> Imported:
    nodes = [*synapse_filter("x", "f", "f_out"), node("Gemm", "f_out w2", "y", transB=1)]
    return import_model(
        saved(
            model(nodes, {"x": [1, 3], "f": [1, 3]}, {"y": [1, 1], "f_out": [1, 3]}, WEIGHTS), path
        )
    )


def test_a_spike_keeps_the_membrane_from_leaking(tmp_path):
    """1, then 0.75 and 0.5625 without spikes; 1.5625 and 2.5625 with, where nothing leaks."""
    graph = filtered_input(tmp_path).graph
    s = np.float32([1, 0, 0, 1, 1])[:, None, None] * np.float32([1, 1, 1])
    found: Array = evaluate(graph, {"x": s}, watch=["f_out"])["f_out"][:, 0, 0]
    assert found.tolist() == [1, 0.75, 0.5625, 1.5625, 2.5625]


def test_a_filter_in_steps_that_are_written_out(tmp_path):
    nodes, f, outs = [node("Split", "x", "x0 x1 x2 x3", axis=0)], "zeros", []
    for k in range(4):
        nodes += synapse_filter(f"x{k}", f, f"f{k}", f"t{k}_")
        nodes.append(node("Gemm", f"f{k} w2", f"y{k}", transB=1))
        f, outs = f"f{k}", [*outs, f"y{k}"]
    nodes.append(node("Concat", " ".join(outs), "y", axis=0))
    weights = {**WEIGHTS, "zeros": np.zeros((1, 3), np.float32)}
    path = saved(model(nodes, {"x": [4, 3]}, {"y": [4, 1]}, weights), tmp_path)
    imported = import_model(path)
    assert imported.time_form == "unrolled"
    assert len(switched_leaks(imported.graph)) == 1
    x = (np.random.default_rng(0).random((4, 3)) < 0.5).astype(np.float32)
    rings = {ring.name: ring.status for ring in verify_model(path, {"x": x}, "x").rings}
    assert set(rings.values()) == {"equal"}


def test_a_neuron_that_fires_has_one_leak(tmp_path):
    nodes = [
        *leaky("x", "v", "h", "v_out"),
        node("Sub", "one h", "silent"),
        node("Mul", "silent u2", "left"),
        node("Add", "left x", "sum2"),
        node("Greater", "sum2 one", "fires2"),
        node("Cast", "fires2", "s", to=1),
        node("Sub", "sum2 s", "u2_out"),
    ]
    inputs = {"x": [1, 3], "v": [1, 3], "u2": [1, 3]}
    proto = model(nodes, inputs, {"s": [1, 3], "v_out": [1, 3], "u2_out": [1, 3]}, WEIGHTS)
    with pytest.raises(MappingError, match=r"'u2' cannot be mapped: it multiplies its state by"):
        import_model(saved(proto, tmp_path))


def test_a_layer_that_switches_a_leak_is_none(tmp_path):
    """A gate of reals, as of an LSTM: no digital unit multiplies such."""
    nodes = [
        node("Gemm", "x w2", "gate", transB=1),
        node("Mul", "gate f", "gated"),
        node("Add", "gated gate", "f_out"),
        *leaky("f_out", "v", "s", "v_out"),
    ]
    inputs = {"x": [1, 3], "f": [1, 1], "v": [1, 1]}
    proto = model(nodes, inputs, {"s": [1, 1], "f_out": [1, 1], "v_out": [1, 1]}, WEIGHTS)
    with pytest.raises(MappingError, match=r"cannot be mapped: it multiplies its state by 'gate'"):
        import_model(saved(proto, tmp_path))
