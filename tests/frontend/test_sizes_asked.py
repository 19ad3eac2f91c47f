"""Sizes that an operator asks for are looked at before anything of that size is made."""

import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from tests.frontend.models import NUMBERS, leaky, model, node, saved

HUGE = 10**9
FAR = 1 << 24
SIDES = [HUGE] * 4
KERNELS = np.ones((2, 2, 3, 3), np.float32)
LIST = "elements of an axis, at most 4194304 are listed"

ATTRIBUTES = [
    ("LpPool", {"kernel_shape": [2, 2], "pads": SIDES}, "the hardware has no such operation"),
    ("MaxPool", {"kernel_shape": [HUGE] * 2, "pads": SIDES}, "at most 67108864 elements"),
    ("MaxPool", {"kernel_shape": [2, 2], "strides": [FAR] * 2, "pads": [FAR // 2] * 4}, "padded"),
    ("AveragePool", {"kernel_shape": [2, 2], "strides": [HUGE] * 2, "pads": SIDES}, "padded maps"),
    ("DepthToSpace", {"blocksize": HUGE}, "does not divide into blocks of 1000000000"),
    ("SpaceToDepth", {"blocksize": HUGE}, "does not divide into blocks of 1000000000"),
]
WINDOWS = [
    ("Conv", {"strides": [FAR] * 2, "pads": [FAR // 2] * 4}, "padded maps are 2 of [16777224"),
    ("Conv", {"pads": SIDES}, "at most 67108864 elements"),
    ("Conv", {"kernel_shape": [HUGE] * 2}, "is not that of weights (2, 2, 3, 3)"),
    ("ConvTranspose", {"strides": [HUGE] * 2}, "at most 67108864 elements"),
    ("ConvTranspose", {"output_padding": [HUGE] * 2}, "at most 67108864 elements"),
]
WHOLE = [
    ("Pad", [0, 0, HUGE, 0, 0, 0, HUGE, 0], {}, f"Pad takes 2000000008 {LIST}"),
    ("Pad", [0, 0, HUGE, 0, 0, 0, 0, 0], {"mode": "reflect"}, f"Pad takes 1000000008 {LIST}"),
    ("Pad", [-HUGE] * 8, {}, "takes 0 of 1 elements"),
    ("Expand", [HUGE, 2, 8, 8], {}, "Expand gives (1000000000, 2, 8, 8), at most 67108864"),
    ("Expand", [1] * 60, {}, "makes 60 axes, at most 32 are read"),
    ("Tile", [1, 1 << 40, 1 << 40, 1], {}, "8796093022208, 8), at most 67108864"),
    ("Reshape", [HUGE] * 4, {}, "1000000000) of (1, 2, 8, 8)"),
    ("Unsqueeze", list(range(60)), {}, "makes 64 axes, at most 32 are read"),
]


def refused(tmp_path, kind, attributes, extra=None) -> str:
    """Return why a network whose first node this is cannot be read."""
    held = {name: np.asarray(array) for name, array in (extra or {}).items()}
    reads = " ".join(["x", *held])
    nodes = [
        node(kind, reads, "p", **attributes),
        node("Flatten", "p", "f"),
        node("MatMul", "f w", "current"),
        *leaky("current", "v", "s", "v_out"),
    ]
    stored = {"w": np.ones((128, 4), np.float32), **NUMBERS, **held}
    ports = {"x": [1, 2, 8, 8], "v": [1, 4]}
    proto = model(nodes, ports, {"s": [1, 4], "v_out": [1, 4]}, stored)
    with pytest.raises(MappingError) as told:
        import_model(saved(proto, tmp_path))
    (one,) = told.value.diagnostics
    assert one.code in ("model-too-large", "unsupported-op")
    return one.message


@pytest.mark.parametrize(("kind", "attributes", "said"), ATTRIBUTES)
def test_a_size_in_an_attribute(tmp_path, kind, attributes, said):
    assert said in refused(tmp_path, kind, attributes)


@pytest.mark.parametrize(("kind", "attributes", "said"), WINDOWS)
def test_a_size_of_a_window_with_weights(tmp_path, kind, attributes, said):
    assert said in refused(tmp_path, kind, attributes, {"k": KERNELS})


@pytest.mark.parametrize(("kind", "sizes", "attributes", "said"), WHOLE)
def test_a_size_in_a_constant(tmp_path, kind, sizes, attributes, said):
    assert said in refused(tmp_path, kind, attributes, {"n": np.asarray(sizes, np.int64)})


@pytest.mark.parametrize(
    "more",
    [
        {"scales": np.asarray([1, 1, 1e9, 1], np.float32)},
        {"none": np.zeros(0, np.float32), "sizes": [1, 2, HUGE, 8]},
    ],
    ids=["scales", "sizes"],
)
def test_a_size_of_a_map_that_is_enlarged(tmp_path, more):
    held = {"roi": np.zeros(0, np.float32), **more}
    assert LIST in refused(tmp_path, "Resize", {"mode": "nearest"}, held)


@pytest.mark.campaign(0)
def test_a_table_of_elements_that_is_too_long(tmp_path):
    indices = np.zeros(1 << 23, np.int64)
    assert f"Gather takes 8388608 {LIST}" in refused(
        tmp_path, "Gather", {"axis": 1}, {"n": indices}
    )


def test_a_stored_array_of_too_many_axes(tmp_path):
    held = np.ones((1,) * 50, np.float32)
    proto = model(
        [node("Add", "x n", "p"), *leaky("p", "v", "s", "v_out")],
        {"x": [1, 4], "v": [1, 4]},
        {"s": [1, 4], "v_out": [1, 4]},
        {"n": held, **NUMBERS},
    )
    with pytest.raises(MappingError, match="'n' has 50 axes, at most 32 are read"):
        import_model(saved(proto, tmp_path))
