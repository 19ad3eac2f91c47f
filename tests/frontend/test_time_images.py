"""Images that every time step reads, few time steps, and what is said where neither is read."""

import numpy as np
import pytest
from onnx import ModelProto

from mapper import api
from mapper.diagnostics import MappingError
from mapper.frontend import describe, import_model
from mapper.ir.evaluate import evaluate
from mapper.ir.neurons import Neuron
from mapper.verify.model import verify_model
from mapper.verify.original import run_whole
from mapper.verify.sequence import read_out
from tests.frontend.models import NUMBERS, leaky, model, node, saved
from tests.frontend.test_time import readout, refusal, step_nodes, unrolled, weights


def shown(
    steps: int = 5,
    reading: str = "each",
    folded: bool = True,
    batch: int = 1,
    shortcut: bool = False,
) -> ModelProto:
    """Return two layers that read ``x[batch, 3]`` in every step; the first is computed once.

    With a shortcut its current is added to that of the second layer as well.
    """
    nodes, spikes = [node("Gemm", "x w", "current", transB=1)], []
    for t in range(steps):
        if t == 0 and folded:
            nodes += [
                node("Greater", "current one", "0.fires"),
                node("Cast", "0.fires", "h0", to=1),
                node("Sub", "current h0", "v1"),
            ]
        else:
            nodes += leaky("current", f"v{t}", f"h{t}", f"v{t + 1}", f"{t}.")
        nodes.append(node("Gemm", f"h{t} w2", f"current{t}", transB=1))
        added = f"sum{t}" if shortcut else f"current{t}"
        nodes += [node("Add", f"current{t} current", added)] * shortcut
        nodes += leaky(added, f"u{t}", f"s{t}", f"u{t + 1}", f"{t}.second.")
        spikes.append(f"s{t}")
    nodes.extend(readout(spikes, reading))
    zeros = np.zeros((batch, 4), np.float32)
    rng = np.random.default_rng(3)
    return model(
        nodes,
        {"x": [batch, 3]},
        {"y": [batch * steps if reading == "each" else batch, 4]},
        {
            "w": weights(0) + 0.5,
            "w2": rng.normal(0.5, 1, (4, 4)).astype(np.float32),
            "v0": zeros,
            "u0": zeros,
            "time": np.array([0], np.int64),
            **NUMBERS,
        },
    )


@pytest.mark.parametrize("steps", [3, 4, 9])
@pytest.mark.parametrize("folded", [True, False])
@pytest.mark.parametrize("reading", ["each", "sum", "max"])
def test_an_image_is_read_in_every_step(steps, folded, reading, tmp_path):
    path = saved(shown(steps, reading, folded), tmp_path)
    imported = import_model(path)
    assert (imported.steps, imported.time_form) == (steps, "unrolled")
    assert sum(isinstance(op, Neuron) for op in imported.graph.ops) == 2
    image = np.array([[0.5, 1.0, 0.25]], np.float32)
    found = evaluate(imported.graph, {"x": np.repeat(image[None], steps, axis=0)})
    expected = run_whole(path, {"x": image})["y"]
    assert expected.any()
    np.testing.assert_array_equal(read_out(imported, found)["y"].reshape(expected.shape), expected)


@pytest.mark.parametrize("folded", [True, False])
def test_a_shortcut_around_the_first_neurons_reads_the_image_in_its_own_step(folded, tmp_path):
    path = saved(shown(4, folded=folded, shortcut=True), tmp_path)
    assert import_model(path).steps == 4
    image = np.array([[0.5, 1.0, 0.25]], np.float32)
    found = verify_model(path, {"x": image}, "x.npz")
    assert [ring.status for ring in found.rings] == ["equal"] * 2


def test_an_image_is_noted_and_verified_as_it_is(tmp_path):
    path = saved(shown(), tmp_path)
    (note,) = describe(import_model(path)).notes
    assert note == "'x' has no time axis: each of the 5 time steps of the file uses all of it"
    image = np.array([[1, 0, 1]], np.float32)
    verified = verify_model(path, {"x": image}, "x.npz")
    assert {r.name: r.status for r in verified.rings}["3-onnxruntime"] == "equal"


@pytest.mark.parametrize(
    ("shape", "reason"),
    [((5, 1, 3), "changes it"), ((8, 1, 3), "the file holds 5 time steps, the recording 8")],
)
def test_images_that_the_file_cannot_show_skip_the_runtime(shape, reason, tmp_path):
    path = saved(shown(), tmp_path)
    images = np.ones(shape, np.float32)
    images[-1] = shape[0] == 8
    verified = verify_model(path, {"x": images}, "x.npz")
    ring = next(r for r in verified.rings if r.name == "3-onnxruntime")
    assert ring.status == "skipped"
    assert reason in ring.reason


def test_an_image_of_another_shape_is_refused(tmp_path):
    path = saved(shown(), tmp_path)
    with pytest.raises(MappingError) as caught:
        verify_model(path, {"x": np.ones((1, 4), np.float32)}, "x.npz")
    assert caught.value.diagnostics[0].code == "input-shape"
    assert "the image" in caught.value.diagnostics[0].help


def test_a_build_of_a_model_with_an_image_is_verified_with_it(tmp_path):
    path, recording = saved(shown(), tmp_path), tmp_path / "x.npz"
    np.savez(recording, x=np.repeat(np.array([[[1, 0, 1]]], np.float32), 5, axis=0))
    api.compile_model(path, "ideal-128", tmp_path / "build", calibrate=recording)
    rings = api.verify(tmp_path / "build", recording, model=path)["rings"]
    assert {r["status"] for r in rings if r["name"] == "3-onnxruntime"} == {"equal"}


@pytest.mark.parametrize("target", ["ideal-128", "adcless-64"])
def test_a_start_that_is_not_zero_is_kept_by_a_build(target, tmp_path):
    path, recording = saved(unrolled(v0=0.75), tmp_path), tmp_path / "x.npz"
    rng = np.random.default_rng(0)
    np.savez(recording, x=(rng.random((5, 2, 3)) < 0.5).astype(np.float32))
    api.compile_model(path, target, tmp_path / "build", calibrate=recording)
    rings = api.verify(tmp_path / "build", recording, model=path)["rings"]
    statuses = {ring["name"]: ring["status"] for ring in rings}
    assert "mismatch" not in statuses.values()
    assert statuses["3-onnxruntime"] == "equal"
    assert sum(status == "equal" for status in statuses.values()) >= 4


def test_one_image_of_a_batch_in_the_file_is_read(tmp_path):
    path = saved(shown(reading="last", batch=2), tmp_path)
    assert import_model(path).at_once == 2
    x = np.array([[[1, 0, 1], [0, 1, 1]]], np.float32)
    assert {r.status for r in verify_model(path, {"x": np.repeat(x, 5, 0)}, "x").rings} == {"equal"}


def folded(steps: int, gain: float = 1.0) -> ModelProto:
    """Return steps over ``x[steps, 3]`` whose first has no state, but may have a gain."""
    nodes, spikes, stored = [], [], {}
    for t in range(steps):
        stored[f"t{t}"] = np.array([t], np.int64)
        nodes.append(node("Gather", f"x t{t}", f"x{t}", axis=0))
        nodes += step_nodes(f"x{t}", f"v{t}", f"s{t}", f"v{t + 1}", f"{t}.")
        if t == 0:
            del nodes[2:4]
            nodes.insert(2, node("Mul", "0.current gain", "0.u"))
        spikes.append(f"s{t}")
    nodes.extend(readout(spikes, "each"))
    return model(
        nodes,
        {"x": [steps, 3]},
        {"y": [steps, 4]},
        {"w": weights(1), "gain": np.float32(gain), **stored, **NUMBERS},
    )


def test_three_steps_are_enough(tmp_path):
    path = saved(folded(3), tmp_path)
    x = np.array([[1, 0, 1], [0, 1, 1], [1, 1, 0]], np.float32)
    assert import_model(path).steps == 3
    verified = verify_model(path, {"x": x}, "x.npz")
    assert {r.name: r.status for r in verified.rings}["3-onnxruntime"] == "equal"


def test_two_steps_are_not_enough(tmp_path):
    path = saved(folded(2), tmp_path)
    with pytest.raises(MappingError, match="two time steps") as caught:
        import_model(path)
    assert caught.value.diagnostics[0].help == "export three time steps or more"


def test_a_first_step_that_no_start_explains_is_refused(tmp_path):
    assert "no state to start from explains it" in refusal(folded(5, gain=2.0), tmp_path)


@pytest.mark.parametrize("late", [1, 2])
def test_a_folded_first_step_that_reads_a_later_one_is_refused(late, tmp_path):
    proto = folded(5)
    proto.graph.node[0].input[1] = f"t{late}"
    assert "its first step differs from the others" in refusal(proto, tmp_path)


def test_a_spike_that_resets_and_is_fed_back_is_told_apart(tmp_path):
    """``v = 0.5*v + x - s + r*s``, where ``s`` is the spike of the step before."""
    nodes, spikes, stored = [], [], {}
    for t in range(6):
        stored[f"t{t}"] = np.array([t], np.int64)
        nodes += [
            node("Gather", f"x t{t}", f"x{t}", axis=0),
            node("Gemm", f"x{t} w", f"c{t}", transB=1),
            node("Mul", f"v{t} half", f"d{t}"),
            node("Add", f"d{t} c{t}", f"a{t}"),
            node("MatMul", f"s{t} r", f"f{t}"),
            node("Add", f"a{t} f{t}", f"b{t}"),
            node("Sub", f"b{t} s{t}", f"v{t + 1}"),
            node("Greater", f"v{t + 1} one", f"g{t}"),
            node("Cast", f"g{t}", f"s{t + 1}", to=1),
        ]
        spikes.append(f"s{t + 1}")
    nodes.extend(readout(spikes, "each"))
    rng = np.random.default_rng(2)
    zeros = np.zeros((1, 4), np.float32)
    recurrent = rng.normal(0, 1, (4, 4)).astype(np.float32)
    stored |= {"w": 2 * weights(2), "r": recurrent, "v0": zeros, "s0": zeros}
    path = saved(model(nodes, {"x": [6, 3]}, {"y": [6, 4]}, {**stored, **NUMBERS}), tmp_path)
    neuron = next(op for op in import_model(path).graph.ops if isinstance(op, Neuron))
    assert (neuron.reset.kind, neuron.reset.phase) == ("subtract", "next")
    x = (rng.random((6, 3)) < 0.6).astype(np.float32)
    assert run_whole(path, {"x": x})["y"].any()
    verified = verify_model(path, {"x": x}, "x.npz")
    assert {r.name: r.status for r in verified.rings}["3-onnxruntime"] == "equal"
