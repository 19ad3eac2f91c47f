"""What written-out networks start from: membranes that a run before the export left in the file."""

import numpy as np
import pytest
from onnx import TensorProto

from mapper.frontend import import_model
from mapper.verify.model import verify_model
from tests.frontend.models import model, node, saved

STEPS, WIDTH = 4, 5
EQUAL = {"1-graph-rules": "equal", "3-onnxruntime": "equal"}


def layer(t: int, k: int, x: str, leaks: bool, floor: bool) -> list:
    """``u = leak * v + w x``, fires at ``u >= 1``, ``v = u - s``, not below -1."""
    before = f"{t - 1}.{k}.v" if t else f"start{k}"
    tag = f"{t}.{k}"
    nodes = [node("MatMul", f"{x} w{k}", f"{tag}.x")]
    if leaks and t:  # in the first step the exporter has multiplied it already
        nodes.append(node("Mul", f"{before} leak", f"{tag}.l"))
        before = f"{tag}.l"
    nodes += [
        node("Add", f"{before} {tag}.x", f"{tag}.u"),
        node("GreaterOrEqual", f"{tag}.u one", f"{tag}.f"),
        node("Cast", f"{tag}.f", f"{tag}.s", to=TensorProto.FLOAT),
        node("Sub", f"{tag}.u {tag}.s", f"{tag}.r"),
    ]
    last = (
        [node("Max", f"{tag}.r low", f"{tag}.v")]
        if floor
        else [node("Identity", f"{tag}.r", f"{tag}.v")]
    )
    return nodes + last


def started(starts, leaks: bool = False, floor: bool = False):
    """Two layers on ``x[T, WIDTH]``, with what their membranes start from."""
    rng = np.random.default_rng(3)
    stored: dict[str, object] = {"one": 1.0, "leak": 0.75, "low": -1.0}
    nodes = []
    for k, start in enumerate(starts):
        stored[f"w{k}"] = rng.normal(0, 0.6, (WIDTH, WIDTH)).astype(np.float32)
        stored[f"start{k}"] = np.float32(0.75) * start if leaks else start
    for t in range(STEPS):
        stored[f"t{t}"] = np.array([t], np.int64)
        nodes.append(node("Gather", f"x t{t}", f"{t}.in", axis=0))
        nodes += layer(t, 0, f"{t}.in", leaks, floor) + layer(t, 1, f"{t}.0.s", leaks, floor)
    nodes.append(node("Concat", " ".join(f"{t}.1.s" for t in range(STEPS)), "y", axis=0))
    return model(nodes, {"x": [STEPS, WIDTH]}, {"y": [STEPS, WIDTH]}, stored)


@pytest.mark.parametrize(("leaks", "floor"), [(False, False), (True, False), (False, True)])
def test_membranes_that_a_run_left_are_read_as_the_file_runs(leaks, floor, tmp_path):
    """Some are far above the threshold and fire in every step that is tried."""
    rng = np.random.default_rng(1)
    starts = [rng.normal(0, 3, (1, WIDTH)).clip(-0.9).astype(np.float32) for _ in range(2)]
    path = saved(started(starts, leaks, floor), tmp_path)
    imported = import_model(path)
    held = [imported.graph.constants[s.initial.name] for s in imported.graph.states]
    for found, start in zip(held, starts, strict=True):
        np.testing.assert_allclose(found, start[0], rtol=1e-6)
    assert sum("an earlier run has left them there" in text for text in imported.warnings) == 2
    x = (rng.random((STEPS, WIDTH)) < 0.5).astype(np.float32)
    rings = {ring.name: ring.status for ring in verify_model(path, {"x": x}, "x").rings}
    assert rings == EQUAL


def test_a_start_of_one_number_is_no_accident(tmp_path):
    """Converted networks start half a threshold up: that is part of them, and no warning."""
    starts = [np.full((1, WIDTH), 0.5, np.float32) for _ in range(2)]
    imported = import_model(saved(started(starts), tmp_path))
    assert [state.initial for state in imported.graph.states] == [0.5, 0.5]
    assert not any("earlier run" in text for text in imported.warnings)


def test_a_bias_that_the_first_step_leaves_out_is_a_start(tmp_path):
    """Recurrent weights with a bias, whose first step has no spikes to weigh (sinabs)."""
    rng = np.random.default_rng(0)
    stored: dict[str, object] = {"one": 1.0, "leak": 0.75}
    stored["w"] = rng.normal(0, 0.6, (WIDTH, WIDTH)).astype(np.float32)
    stored["r"] = rng.normal(0, 0.6, (WIDTH, WIDTH)).astype(np.float32)
    stored["b"] = rng.normal(0, 0.2, WIDTH).astype(np.float32)
    nodes = []
    for t in range(STEPS):
        stored[f"t{t}"] = np.array([t], np.int64)
        nodes += [
            node("Gather", f"x t{t}", f"{t}.in", axis=0),
            node("MatMul", f"{t}.in w", f"{t}.x"),
        ]
        if t:
            nodes += [
                node("Gemm", f"{t - 1}.s r b", f"{t}.back"),
                node("Add", f"{t}.x {t}.back", f"{t}.all"),
                node("Mul", f"{t - 1}.v leak", f"{t}.l"),
                node("Add", f"{t}.l {t}.all", f"{t}.u"),
            ]
        else:
            nodes.append(node("Identity", "0.x", "0.u"))
        nodes += [
            node("GreaterOrEqual", f"{t}.u one", f"{t}.f"),
            node("Cast", f"{t}.f", f"{t}.s", to=TensorProto.FLOAT),
            node("Sub", f"{t}.u {t}.s", f"{t}.v"),
        ]
    nodes.append(node("Concat", " ".join(f"{t}.s" for t in range(STEPS)), "y", axis=0))
    path = saved(model(nodes, {"x": [STEPS, WIDTH]}, {"y": [STEPS, WIDTH]}, stored), tmp_path)
    x = (rng.random((STEPS, WIDTH)) < 0.5).astype(np.float32)
    rings = {ring.name: ring.status for ring in verify_model(path, {"x": x}, "x").rings}
    assert rings == EQUAL
