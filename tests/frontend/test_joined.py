"""States that a file holds side by side in one tensor are states of their own."""

from math import prod

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import mapper
from mapper.frontend import import_model
from tests.frontend.models import model, node, saved
from tests.frontend.test_time import port

N, STEPS = 4, 6
F = TensorProto.FLOAT
NUMBERS = {
    "w": np.random.default_rng(0).normal(size=(N, 3)).astype(np.float32),
    "alpha": np.float32(0.5),
    "beta": np.float32(0.75),
    "th": np.float32(0.5),
    "sizes": np.array([N, N]),
    "a": np.array([0]),
    "b": np.array([N]),
    "c": np.array([2 * N]),
    "last": np.array([1]),
    "zeroth": np.array(0),
    "first": np.array(1),
    "top": np.array([0]),
}
TAKEN = {
    "split": lambda vi, t: [node("Split", f"{vi} sizes", f"{t}v {t}i", axis=1)],
    "evenly": lambda vi, t: [node("Split", vi, f"{t}v {t}i", axis=-1)],
    "slices": lambda vi, t: [
        node("Slice", f"{vi} a b last", f"{t}v"),
        node("Slice", f"{vi} b c last", f"{t}i"),
    ],
    "stack": lambda vi, t: [
        node("Gather", f"{vi} zeroth", f"{t}v", axis=0),
        node("Gather", f"{vi} first", f"{t}i", axis=0),
    ],
}


def cell(x: str, vi: str, after: str, how: str, t: str = "", late: bool = True) -> list:
    """Fires on the old membrane, as Spyx does, or on the new one."""
    held = f"{t}v2" if late else f"{t}left"
    joined = [node("Concat", f"{held} {t}i2", after, axis=-1)]
    if how == "stack":
        joined = [
            node("Unsqueeze", f"{held} top", f"{t}v3"),
            node("Unsqueeze", f"{t}i2 top", f"{t}i3"),
            node("Concat", f"{t}v3 {t}i3", after, axis=0),
        ]
    resets = [
        node("Greater", f"{t}{'v' if late else 'v2'} th", f"{t}fires"),
        node("Cast", f"{t}fires", f"{t}s", to=F),
        node("Mul", f"{t}s th", f"{t}down"),
        node("Sub", f"{t}{'v' if late else 'v2'} {t}down", f"{t}left"),
    ]
    leaks = [
        node("Mul", f"{t}i alpha", f"{t}decayed"),
        node("Add", f"{t}decayed {t}sums", f"{t}i2"),
        node("Mul", f"{t}{'left' if late else 'v'} beta", f"{t}kept"),
        node("Add", f"{t}kept {t}i2", f"{t}v2"),
    ]
    order = [*resets, *leaks] if late else [*leaks, *resets]
    sums = node("Gemm", f"{x} w", f"{t}sums", transB=1)
    return [sums, *TAKEN[how](vi, t), *order, *joined]


def shape(how: str) -> list[int]:
    return [2, 1, N] if how == "stack" else [1, 2 * N]


def step(how: str):
    nodes = cell("x", "vi", "vi_out", how)
    ports = {"s": [1, N], "vi_out": shape(how)}
    return model(nodes, {"x": [1, 3], "vi": shape(how)}, ports, NUMBERS)


def loop(how: str):
    """A ``Loop`` over ``x[STEPS, 1, 3]`` that starts from an input and returns the last state."""
    body = helper.make_graph(
        [
            node("Gather", "x k", "xt", axis=0),
            *cell("xt", "held", "next", how),
            helper.make_node("Identity", ["go"], ["on"]),
        ],
        "body",
        [port("k", 7, []), port("go", 9, []), port("held", F, shape(how))],
        [port("on", 9, []), port("next", F, shape(how)), port("s", F, [1, N])],
    )
    ends = ["vi_out", "y"]
    looped = helper.make_node("Loop", ["times", "", "vi"], ends, name="loop", body=body)
    ports = {"y": [STEPS, 1, N], "vi_out": shape(how)}
    inputs = {"x": [STEPS, 1, 3], "vi": shape(how)}
    return model([looped], inputs, ports, {**NUMBERS, "times": np.array(STEPS)})


def unrolled(how: str):
    nodes = []
    for t in range(STEPS):
        nodes += [
            node("Gather", f"x t{t}", f"x{t}", axis=0),
            *cell(f"x{t}", f"vi{t}", f"vi{t + 1}", how, f"{t}.", late=False),
        ]
    nodes.append(node("Concat", " ".join(f"{t}.s" for t in range(STEPS)), "y", axis=0))
    places = {f"t{t}": np.array([t]) for t in range(STEPS)}
    stored = {**NUMBERS, **places, "vi0": np.zeros(shape(how), np.float32)}
    return model(nodes, {"x": [STEPS, 3]}, {"y": [STEPS, N]}, stored)


def scan(how: str):
    """A ``Scan`` over ``x[STEPS, 1, 3]`` that starts from an input and returns the last state."""
    body = helper.make_graph(
        cell("xt", "held", "next", how),
        "body",
        [port("held", F, shape(how)), port("xt", F, [1, 3])],
        [port("next", F, shape(how)), port("s", F, [1, N])],
    )
    scanned = helper.make_node(
        "Scan", ["vi", "x"], ["vi_out", "y"], name="scan", body=body, num_scan_inputs=1
    )
    ports = {"y": [STEPS, 1, N], "vi_out": shape(how)}
    return model([scanned], {"x": [STEPS, 1, 3], "vi": shape(how)}, ports, NUMBERS)


@pytest.mark.parametrize(
    ("form", "how"), [(form, how) for form in (step, loop, scan, unrolled) for how in TAKEN]
)
def test_a_membrane_and_a_current_in_one_tensor_are_read(form, how, tmp_path):
    proto = form(how)
    path = saved(proto, tmp_path)
    found = import_model(path)
    assert len(found.graph.states) == 2
    assert [prod(s.read.shape) for s in found.graph.states] == [N, N]
    rng = np.random.default_rng(1)
    dims = [STEPS, 3] if form is unrolled else [STEPS, 1, 3]
    answer = mapper.verify_model(path, {"x": (rng.random(dims) < 0.6).astype(np.float32)})
    assert [ring.status for ring in answer.rings] == ["equal", "equal"]
    assert answer.firing.layers[0].spikes > 0


@pytest.mark.parametrize("steps", [2, 3])
def test_a_stack_of_the_last_of_as_many_steps_as_it_holds_is_no_time(steps, monkeypatch, tmp_path):
    monkeypatch.setitem(globals(), "STEPS", steps)
    found = import_model(saved(loop("stack"), tmp_path))
    assert [found.readouts[name].reduction for name in ("y", "vi_out")] == ["each", "last"]


@pytest.mark.parametrize("how", TAKEN)
def test_steps_that_are_written_out_return_their_last_state(how, tmp_path):
    proto = unrolled(how)
    proto.graph.output.append(helper.make_tensor_value_info(f"vi{STEPS}", F, shape(how)))
    path = saved(proto, tmp_path)
    x = (np.random.default_rng(1).random((STEPS, 3)) < 0.6).astype(np.float32)
    answer = mapper.verify_model(path, {"x": x})
    assert [ring.status for ring in answer.rings] == ["equal", "equal"]
    assert import_model(path).readouts[f"vi{STEPS}"].reduction == "last"


def test_a_tensor_that_is_read_whole_as_well_is_one_state(tmp_path):
    proto = step("split")
    proto.graph.node.append(node("ReduceSum", "vi last", "sum", keepdims=0))
    proto.graph.output.append(helper.make_tensor_value_info("sum", F, [1]))
    onnx.checker.check_model(proto)
    with pytest.raises(mapper.MappingError):
        import_model(saved(proto, tmp_path))


def test_a_joined_state_is_named_in_a_note(tmp_path):
    (note,) = import_model(saved(step("split"), tmp_path)).notes
    assert note == "'vi' holds 'v' and 'i' side by side: they start as 0"


def test_membrane_and_spikes_in_one_tensor_are_told_apart_by_their_places(tmp_path):
    """Spikes that are fed back have the shape of the membrane: their place says which they are."""
    nodes = [
        node("Gemm", "x w", "sums", transB=1),
        *TAKEN["stack"]("vz", ""),
        node("Mul", "v beta", "kept"),
        node("Sub", "one i", "silent"),
        node("Mul", "kept silent", "left"),
        node("Add", "left sums", "v2"),
        node("Greater", "v2 th", "fires"),
        node("Cast", "fires", "s", to=F),
        node("Unsqueeze", "v2 top", "v3"),
        node("Unsqueeze", "s top", "s3"),
        node("Concat", "v3 s3", "vz_out", axis=0),
        node("Tanh", "s", "y"),
    ]
    ports = {"x": [1, 3], "vz": shape("stack")}
    numbers = {**NUMBERS, "one": np.float32(1)}
    path = saved(model(nodes, ports, {"y": [1, N], "vz_out": shape("stack")}, numbers), tmp_path)
    x = (np.random.default_rng(1).random((STEPS, 1, 3)) < 0.6).astype(np.float32)
    assert [r.status for r in mapper.verify_model(path, {"x": x}).rings] == ["equal", "equal"]
