"""Borders of known numbers around a plane (RepConv), in one step and in many at once."""

import numpy as np
import pytest
from onnx import TensorProto

from mapper.frontend import import_model
from mapper.verify.model import verify_model
from tests.frontend.models import model, node, saved

STEPS, CHANNELS, SIDE = 4, 2, 3
EQUAL = {"1-graph-rules": "equal", "3-onnxruntime": "equal"}


def steps_of_neurons(current: str) -> list:
    """IF neurons on ``current[T, C, H, W]``, step by step; they go to zero."""
    nodes = []
    for t in range(STEPS):
        nodes.append(node("Gather", f"{current} t{t}", f"{t}.in", axis=0))
        added = node("Add", f"{t - 1}.v {t}.in", f"{t}.u") if t else node("Identity", "0.in", "0.u")
        nodes += [
            added,
            node("GreaterOrEqual", f"{t}.u one", f"{t}.f"),
            node("Cast", f"{t}.f", f"{t}.s", to=TensorProto.FLOAT),
            node("Sub", f"one {t}.s", f"{t}.kept"),
            node("Mul", f"{t}.kept {t}.u", f"{t}.v"),
        ]
    return [*nodes, node("Concat", " ".join(f"{t}.s" for t in range(STEPS)), "y", axis=0)]


@pytest.mark.parametrize("turned", [False, True])
def test_a_border_of_each_channels_own_number(turned, tmp_path):
    """Rows 0 of all steps at once, as slices are written; turned round, as dynamo writes them."""
    rng = np.random.default_rng(0)
    wide = SIDE + 2
    stored = {
        "a": rng.normal(0, 1, (CHANNELS, CHANNELS, 1, 1)),
        "k": rng.normal(0, 1, (CHANNELS, 1, 3, 3)),
        "one": 1.0,
    }
    stored = {name: np.asarray(array, np.float32) for name, array in stored.items()}
    stored |= {f"t{t}": np.array([t], np.int64) for t in range(STEPS)}
    stored["pads"] = np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    values = np.array([0.5, -1.5], np.float32)
    if turned:
        stored["at"] = np.zeros((1, 1), np.int64)
        border = np.broadcast_to(values[None, :, None, None], (1, CHANNELS, STEPS, wide))
        nodes = [
            node("Transpose", "wide", "rows", perm=[2, 1, 0, 3]),
            node("ScatterND", "rows at border", "over"),
            node("Transpose", "over", "bordered", perm=[2, 1, 0, 3]),
        ]
    else:
        stored["at"] = np.stack(np.indices((STEPS, CHANNELS, 1)), -1).astype(np.int64)
        border = np.broadcast_to(values[None, :, None, None], (STEPS, CHANNELS, 1, wide))
        nodes = [node("ScatterND", "wide at border", "bordered")]
    stored["border"] = np.ascontiguousarray(border)
    nodes = [
        node("Conv", "x a", "mixed"),
        node("Pad", "mixed pads", "wide"),
        *nodes,
        node("Conv", "bordered k", "current", group=CHANNELS),
        *steps_of_neurons("current"),
    ]
    shape = [STEPS, CHANNELS, SIDE, SIDE]
    path = saved(model(nodes, {"x": shape}, {"y": shape}, stored), tmp_path)
    assert (import_model(path).steps, import_model(path).time_form) == (STEPS, "sequence")
    x = (rng.random(shape) < 0.5).astype(np.float32)
    rings = {ring.name: ring.status for ring in verify_model(path, {"x": x}, "x").rings}
    assert rings == EQUAL
