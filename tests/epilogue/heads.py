"""Small networks that end in what no crossbar does: a spiking layer, a layer of sums, a head."""

from collections.abc import Sequence

import numpy as np
from onnx import ModelProto, NodeProto

from mapper.ir.core import Array
from tests.frontend.models import NUMBERS, leaky, model, node

WIDTH, CLASSES = 6, 4


def to_float(name: str, result: str) -> NodeProto:
    return node("Cast", name, result, to=1)


HEADS: dict[str, tuple[list[NodeProto], dict[str, object], list[int | str]]] = {
    "tanh times a range": (
        [node("Tanh", "z", "tanh"), node("Mul", "tanh span", "y")],
        {"span": 64.0},
        [1, CLASSES],
    ),
    "sigmoid": ([node("Sigmoid", "z", "y")], {}, [1, CLASSES]),
    "softmax": ([node("Softmax", "z", "y", axis=-1)], {}, [1, CLASSES]),
    "log-softmax": ([node("LogSoftmax", "z", "y", axis=-1)], {}, [1, CLASSES]),
    "argmax": ([node("ArgMax", "z", "best", axis=-1, keepdims=0), to_float("best", "y")], {}, [1]),
    "softplus": (  # as an exporter writes it, with a comparison that is no neuron's
        [
            node("Greater", "z limit", "large"),
            node("Exp", "z", "e"),
            node("Add", "e unit", "e1"),
            node("Log", "e1", "soft"),
            node("Where", "large z soft", "y"),
        ],
        {"limit": 0.3, "unit": 1.0},
        [1, CLASSES],
    ),
    "bounds": ([node("Clip", "z low high", "y")], {"low": -0.5, "high": 0.25}, [1, CLASSES]),
    "unit length": (
        [
            node("ReduceL2", "z", "length", axes=[-1], keepdims=1),
            node("Clip", "length least", "safe"),
            node("Div", "z safe", "y"),
        ],
        {"least": 1e-6},
        [1, CLASSES],
    ),
    "boxes": (
        [
            node("Reshape", "z grid", "bins"),
            node("Softmax", "bins", "shares", axis=1),
            node("Conv", "shares places", "mean"),
            node("Reshape", "mean sides", "distances"),
            node("Split", "distances", "left right", axis=1),
            node("Sub", "point left", "a"),
            node("Add", "point right", "b"),
            node("Concat", "a b", "y", axis=1),
        ],
        {
            "grid": np.array([1, 2, 1, 2]),
            "places": np.arange(2, dtype=np.float32).reshape(1, 2, 1, 1),
            "sides": np.array([1, 2]),
            "point": 0.5,
        },
        [1, 2],
    ),
    "larger": (
        [
            node("Tanh", "z", "tanh"),
            node("Reshape", "tanh plane", "small"),
            node(
                "Resize",
                "small none scales",
                "y",
                mode="linear",
                coordinate_transformation_mode="half_pixel",
            ),
        ],
        {
            "plane": np.array([1, 1, 2, 2]),
            "none": np.zeros(0, np.float32),
            "scales": np.array([1, 1, 2, 2], np.float32),
        },
        [1, 1, 4, 4],
    ),
}
"""By what they compute of the sums ``z[1, CLASSES]``: nodes, constants, shape of ``y``."""


def weights(seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {
        "w": rng.normal(size=(WIDTH, 5)).astype(np.float32),
        "w2": rng.normal(size=(CLASSES, WIDTH)).astype(np.float32),
    }


def step_model(
    head: str | Sequence[NodeProto],
    stored: dict[str, object] | None = None,
    outputs: dict[str, list[int | str]] | None = None,
) -> ModelProto:
    """``x[1, 5]`` -> neurons -> sums ``z`` -> a head -> ``y``, with the membrane as a state."""
    if isinstance(head, str):
        head, stored, shape = HEADS[head]
        outputs = {"y": shape}
    nodes = [
        node("Gemm", "x w", "i", transB=1),
        *leaky("i", "v", "s", "v_out"),
        node("Gemm", "s w2", "z", transB=1),
        *head,
    ]
    return model(
        nodes,
        {"x": [1, 5], "v": [1, WIDTH]},
        {**(outputs or {}), "v_out": [1, WIDTH]},
        {**weights(), **NUMBERS, **(stored or {})},
    )


def recording(steps: int = 7, samples: int = 3) -> dict[str, Array]:
    rng = np.random.default_rng(1)
    return {"x": (rng.random((steps, samples, 5)) < 0.4).astype(np.float32)}
