"""Networks many layers deep, over as few time steps as three: each is read as with many."""

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.verify.model import verify_model
from tests.frontend.models import model, node, saved

WIDTH = 5


def neuron(x: str, before: str | None, reset: str, leaks: bool, tag: str) -> list[NodeProto]:
    """One step of one layer, ``tag.s`` of it its spikes; without a membrane before, it is folded.

    ``u = 0.5 * before + x`` (or without the factor), it fires at ``u >= 1``.
    """
    nodes = []
    if before is None:
        nodes.append(node("Identity", x, f"{tag}.u"))
    else:
        if leaks:
            nodes.append(node("Mul", f"{before} half", f"{tag}.leaked"))
        nodes.append(node("Add", f"{f'{tag}.leaked' if leaks else before} {x}", f"{tag}.u"))
    nodes += [
        node("GreaterOrEqual", f"{tag}.u one", f"{tag}.fires"),
        node("Cast", f"{tag}.fires", f"{tag}.s", to=TensorProto.FLOAT),
    ]
    if reset == "to zero":
        nodes += [node("Sub", f"one {tag}.s", f"{tag}.kept")]
        nodes += [node("Mul", f"{tag}.kept {tag}.u", f"{tag}.v")]
    elif reset == "by subtraction":
        nodes += [node("Sub", f"{tag}.u {tag}.s", f"{tag}.v")]
    else:
        nodes += [node("Identity", f"{tag}.u", f"{tag}.v")]
    return nodes


def deep(
    steps: int, blocks: int, reset: str, leaks: bool, reading: str = "each", weighted: bool = True
) -> ModelProto:
    """A layer, then ``blocks`` times two layers with their input added; all on ``x[T, WIDTH]``."""
    rng = np.random.default_rng(blocks)
    stored: dict[str, object] = {"half": 0.5, "one": 1.0, "time": np.array([0], np.int64)}
    nodes = []
    for t in range(steps):
        stored[f"t{t}"] = np.array([t], np.int64)
        nodes.append(node("Gather", f"x t{t}", f"x.{t}", axis=0))
        source, skip = f"x.{t}", ""
        for k in range(2 * blocks + 1):
            name = f"layer{k}"
            if weighted or k == 0:
                stored[f"{name}.w"] = rng.normal(0, 0.7, (WIDTH, WIDTH)).astype(np.float32)
                nodes.append(node("MatMul", f"{source} {name}.w", f"{name}.{t}.x"))
                source = f"{name}.{t}.x"
            before = f"{name}.{t - 1}.v" if t else None
            nodes += neuron(source, before, reset, leaks, f"{name}.{t}")
            source = f"{name}.{t}.s"
            if weighted and k % 2 == 0:
                if k:
                    nodes.append(node("Add", f"{source} {skip}", f"{name}.{t}.sum"))
                    source = f"{name}.{t}.sum"
                skip = source
        stored["head"] = rng.normal(0, 1, (WIDTH, 3)).astype(np.float32)
        nodes.append(node("MatMul", f"{source} head", f"y.{t}"))
    every = " ".join(f"y.{t}" for t in range(steps))
    if reading == "last" or reading.startswith("step "):
        returned = steps if reading == "last" else int(reading.removeprefix("step "))
        nodes.append(node("Identity", f"y.{returned - 1}", "y"))
    else:
        nodes.append(node("Concat", every, "y" if reading == "each" else "all", axis=0))
    if reading == "mean":
        nodes.append(node("ReduceMean", "all", "y", axes=[0], keepdims=1))
    rows = steps if reading == "each" else 1
    return model(nodes, {"x": [steps, WIDTH]}, {"y": [rows, 3]}, stored)


def assert_read(proto: ModelProto, steps: int, states: int, folder) -> None:
    path = saved(proto, folder)
    imported = import_model(path)
    assert (imported.steps, len(imported.graph.states)) == (steps, states)
    x = (np.random.default_rng(0).random((steps, WIDTH)) < 0.6).astype(np.float32)
    rings = {ring.name: ring.status for ring in verify_model(path, {"x": x}, "x").rings}
    assert rings == {"1-graph-rules": "equal", "3-onnxruntime": "equal"}


@pytest.mark.parametrize(
    ("steps", "blocks", "reset", "leaks"),
    [
        (3, 2, "to zero", False),
        (3, 3, "by subtraction", True),
        (4, 2, "to zero", True),
        (4, 3, "by subtraction", False),
    ],
)
def test_deep_networks_need_no_more_than_three_steps(steps, blocks, reset, leaks, tmp_path):
    assert_read(deep(steps, blocks, reset, leaks), steps, 2 * blocks + 1, tmp_path)


@pytest.mark.parametrize(("steps", "reading"), [(3, "mean"), (4, "mean"), (4, "last")])
def test_whatever_is_read_out_of_them(steps, reading, tmp_path):
    assert_read(deep(steps, 2, "to zero", True, reading), steps, 5, tmp_path)


@pytest.mark.parametrize("steps", [3, 4])
def test_neurons_that_follow_each_other_without_weights_keep_a_membrane_each(steps, tmp_path):
    proto = deep(steps, 2, "by subtraction", True, weighted=False)
    assert_read(proto, steps, 5, tmp_path)


def test_two_steps_of_which_one_is_folded_tell_too_little(tmp_path):
    with pytest.raises(MappingError) as caught:
        import_model(saved(deep(2, 2, "to zero", True), tmp_path))
    assert caught.value.diagnostics[0].help == "export three time steps or more"


@pytest.mark.parametrize(
    ("blocks", "reset", "leaks"),
    [(1, "by subtraction", True), (2, "to zero", True), (3, "to zero", False)],
)
def test_the_last_of_three_steps_alone_tells_as_much_as_all_of_them(blocks, reset, leaks, tmp_path):
    assert_read(deep(3, blocks, reset, leaks, "last"), 3, 2 * blocks + 1, tmp_path)


@pytest.mark.parametrize(("steps", "returned"), [(4, 3), (6, 4)])
def test_one_step_before_the_last_may_be_returned(steps, returned, tmp_path):
    proto = deep(steps, 1, "to zero", True, f"step {returned}")
    assert_read(proto, steps, 3, tmp_path)
    (readout,) = import_model(saved(proto, tmp_path)).readouts.values()
    assert (readout.reduction, readout.step) == ("one", returned - 1)
    short = np.zeros((returned - 1, WIDTH), np.float32)
    with pytest.raises(MappingError, match=f"is of time step {returned}, the recording has"):
        verify_model(tmp_path / "model.onnx", {"x": short}, "x")


@pytest.mark.parametrize("returned", [1, 2])
def test_the_first_two_steps_tell_too_little_and_are_named(returned, tmp_path):
    with pytest.raises(MappingError) as caught:
        import_model(saved(deep(5, 1, "to zero", True, f"step {returned}"), tmp_path))
    (told,) = caught.value.diagnostics
    assert f"output 'y' is of time step {returned} of 5" in told.message
    assert told.help == "return every time step, the last one, or their sum, mean or maximum"


def test_neurons_of_maps_of_one_element_are_read(tmp_path):
    """A state ``[1, 3, 1, 1]`` is three numbers, whatever shape its spikes have."""
    stored: dict[str, object] = {"half": 0.5, "one": 1.0, "zero": np.array([0], np.int64)}
    stored["k"] = np.random.default_rng(0).normal(0, 1, (3, 2, 3, 3)).astype(np.float32)
    nodes = [node("Conv", "x k", "all")]
    for t in range(4):
        stored[f"t{t}"] = np.array(t, np.int64)
        nodes.append(node("Gather", f"all t{t}", f"c{t}", axis=0))
        nodes.append(node("Unsqueeze", f"c{t} zero", f"map{t}"))
        before = f"layer.{t - 1}.v" if t else None
        nodes += neuron(f"map{t}", before, "to zero", True, f"layer.{t}")
    spikes = " ".join(f"layer.{t}.s" for t in range(4))
    nodes.append(node("Concat", spikes, "y", axis=0))
    path = saved(model(nodes, {"x": [4, 2, 3, 3]}, {"y": [4, 3, 1, 1]}, stored), tmp_path)
    x = (np.random.default_rng(0).random((4, 2, 3, 3)) < 0.6).astype(np.float32)
    assert {ring.status for ring in verify_model(path, {"x": x}, "x").rings} == {"equal"}
