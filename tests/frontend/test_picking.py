"""Parts of tensors, other orders and repetitions: wires, equal to the reference engine."""

import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.ir.network import Scale, Take, Transpose
from tests.frontend.models import NUMBERS, assert_equal_to_reference, leaky, model, node, saved

PLANE = (1, 4, 4, 6)


def integers(*numbers):
    return np.asarray(numbers, np.int64)


def around(nodes, weights, shape, opset=17, plane=PLANE):
    """``x -> neuron -> nodes -> neuron``: spikes of a plane in, ``picked`` of ``shape`` out."""
    return model(
        [*leaky("x", "a", "s", "a_out", "1."), *nodes, *leaky("picked", "b", "y", "b_out", "2.")],
        {"x": plane, "a": plane, "b": shape},
        {"y": shape, "a_out": plane, "b_out": shape},
        {**NUMBERS, **weights},
        opset,
    )


def resize(scales, **attributes):
    """The result's shape is that of the scales."""
    nodes = [node("Resize", "s  scales".replace("  ", " none "), "picked", **attributes)]
    nodes[0].input[1] = ""
    shape = tuple(int(n * k) for n, k in zip(PLANE, scales, strict=True))
    return nodes, {"scales": np.asarray(scales, np.float32)}, shape


def to_sizes(*sizes, **attributes):
    nodes = [node("Resize", "s none none sizes", "picked", mode="nearest", **attributes)]
    nodes[0].input[1] = nodes[0].input[2] = ""
    return nodes, {"sizes": integers(*sizes)}, sizes


PICKS = {
    "part of the channels": (
        [node("Slice", "s from to axes", "picked")],
        {"from": integers(1), "to": integers(3), "axes": integers(1)},
        (1, 2, 4, 6),
    ),
    "every other column": (
        [node("Slice", "s from to axes steps", "picked")],
        {"from": integers(0), "to": integers(99), "axes": integers(-1), "steps": integers(2)},
        (1, 4, 4, 3),
    ),
    "rows turned round": (
        [node("Slice", "s from to axes steps", "picked")],
        {"from": integers(-1), "to": integers(-99), "axes": integers(2), "steps": integers(-1)},
        PLANE,
    ),
    "rows of channels by coordinates": (
        [node("GatherND", "s which", "picked")],
        {"which": integers(0, 3, 0, -4, 0, 1).reshape(3, 1, 2)},
        (3, 1, 4, 6),
    ),
    "elements by coordinates behind the first axis": (
        [node("GatherND", "s which", "picked", batch_dims=1)],
        {"which": integers(0, 0, 3, 3, 2, 5).reshape(1, 2, 3)},
        (1, 2),
    ),
    "a corner": (
        [node("Slice", "s from to axes", "picked")],
        {"from": integers(1, 0), "to": integers(4, 3), "axes": integers(2, 3)},
        (1, 4, 3, 3),
    ),
    "channels by number": (
        [node("Gather", "s which", "picked", axis=1)],
        {"which": integers(3, 0, -2, 0)},
        PLANE,
    ),
    "one row": (
        [node("Gather", "s which", "picked", axis=2)],
        {"which": np.asarray(integers(1)[0])},
        (1, 4, 6),
    ),
    "channels by coordinates": (
        [
            node("Transpose", "s", "turned", perm=[1, 0, 2, 3]),
            node("GatherND", "turned which", "chosen"),
            node("Transpose", "chosen", "picked", perm=[1, 0, 2, 3]),
        ],
        {"which": integers(2, 0).reshape(2, 1)},
        (1, 2, 4, 6),
    ),
    "halves joined by AND": (
        [node("Split", "s sizes", "left right", axis=1), node("Mul", "left right", "picked")],
        {"sizes": integers(2, 2)},
        (1, 2, 4, 6),
    ),
    "uneven parts": (
        [node("Split", "s sizes", "left right", axis=3), node("Identity", "right", "picked")],
        {"sizes": integers(4, 2)},
        (1, 4, 4, 2),
    ),
    "twice as large": resize(
        (1, 1, 2, 2),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    "half as large": resize((1, 1, 0.5, 0.5), mode="nearest"),
    "three times as wide": resize(
        (1, 1, 1, 3), coordinate_transformation_mode="half_pixel", nearest_mode="ceil"
    ),
    "to a size": to_sizes(
        1, 4, 7, 9, coordinate_transformation_mode="pytorch_half_pixel", nearest_mode="floor"
    ),
    "to aligned corners": to_sizes(
        1, 4, 6, 11, coordinate_transformation_mode="align_corners", nearest_mode="floor"
    ),
    "mirrored borders": (
        [node("Pad", "s sides", "picked", mode="reflect")],
        {"sides": integers(0, 0, 1, 2, 0, 0, 3, 1)},
        (1, 4, 8, 9),
    ),
    "repeated borders": (
        [node("Pad", "s sides", "picked", mode="edge")],
        {"sides": integers(0, 0, 1, 2, 0, 0, 0, 1)},
        (1, 4, 5, 9),
    ),
    "cropped and padded": (
        [node("Pad", "s sides", "picked")],
        {"sides": integers(0, 0, -1, 2, 0, 0, 1, -2)},
        (1, 4, 4, 6),
    ),
}


@pytest.mark.parametrize(("nodes", "weights", "shape"), PICKS.values(), ids=PICKS)
def test_elements_go_where_the_model_puts_them(nodes, weights, shape, tmp_path):
    imported = assert_equal_to_reference(saved(around(nodes, weights, shape), tmp_path))
    assert any(isinstance(op, Take) for op in imported.graph.ops)


def test_borders_go_round(tmp_path):
    nodes = [node("Pad", "s sides", "picked", mode="wrap")]
    weights = {"sides": integers(0, 0, 1, 2, 0, 0, 3, 1)}
    path = saved(around(nodes, weights, (1, 4, 8, 9), opset=19), tmp_path)
    assert_equal_to_reference(path)


WRITES = {
    "a border of known numbers": (
        [node("ScatterND", "s where what", "picked")],
        {
            "where": integers(*(n for c in range(4) for n in (0, c, 0))).reshape(1, 4, 1, 3),
            "what": np.linspace(-1, 2, 24, dtype=np.float32).reshape(1, 4, 1, 6),
        },
        PLANE,
    ),
    "known numbers along an axis": (
        [node("ScatterElements", "s where what", "picked", axis=2)],
        {
            "where": integers(*([-1] * 12)).reshape(1, 4, 1, 3),
            "what": np.linspace(0, 2, 12, dtype=np.float32).reshape(1, 4, 1, 3),
        },
        PLANE,
    ),
}


@pytest.mark.parametrize("write", WRITES)
def test_known_numbers_are_written_into_a_tensor(write, tmp_path):
    """What is written over is a factor of 0 and an offset."""
    imported = assert_equal_to_reference(saved(around(*WRITES[write]), tmp_path))
    assert any(isinstance(op, Scale) for op in imported.graph.ops)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_channels_become_positions(mode, tmp_path):
    nodes = [node("DepthToSpace", "s", "picked", blocksize=2, mode=mode)]
    imported = assert_equal_to_reference(saved(around(nodes, {}, (1, 1, 8, 12)), tmp_path))
    assert any(isinstance(op, Transpose) for op in imported.graph.ops)


def test_positions_become_channels(tmp_path):
    nodes = [node("SpaceToDepth", "s", "picked", blocksize=2)]
    assert_equal_to_reference(saved(around(nodes, {}, (1, 16, 2, 3)), tmp_path))


def test_parts_of_a_current_are_taken_too(tmp_path):
    """Two neurons share one layer: the first half of its outputs drives one, the rest the other."""
    proto = model(
        [
            node("Gemm", "x w", "current", transB=1),
            node("Split", "current sizes", "first second", axis=1),
            *leaky("first", "a", "s", "a_out", "1."),
            *leaky("second", "b", "y", "b_out", "2."),
        ],
        {"x": [1, 3], "a": [1, 2], "b": [1, 4]},
        {"s": [1, 2], "y": [1, 4], "a_out": [1, 2], "b_out": [1, 4]},
        {"w": np.linspace(-1, 2, 18, dtype=np.float32).reshape(6, 3), "sizes": integers(2, 4)}
        | NUMBERS,
    )
    assert_equal_to_reference(saved(proto, tmp_path))


REFUSED = {
    "interpolates (linear)": resize((1, 1, 2, 2), mode="linear"),
    "takes element 4 of 4": (
        [node("GatherND", "s which", "picked")],
        {"which": integers(0, 1, 0, 4).reshape(2, 2)},
        (2, 4, 6),
    ),
    "coordinates tf_crop_and_resize": (
        [
            node(
                "Resize",
                "s box scales",
                "picked",
                coordinate_transformation_mode="tf_crop_and_resize",
            )
        ],
        {
            "box": np.asarray([0, 0, 0, 0, 1, 1, 1, 1], np.float32),
            "scales": np.asarray([1, 1, 2, 2], np.float32),
        },
        (1, 4, 8, 12),
    ),
    "takes element 5 of 4": (
        [node("Gather", "s which", "picked", axis=1)],
        {"which": integers(0, 5)},
        (1, 2, 4, 6),
    ),
    "writes at 6 of 6": (
        [node("ScatterND", "s where what", "picked")],
        {"where": integers(0, 1, 0, 6).reshape(1, 4), "what": np.ones(1, np.float32)},
        PLANE,
    ),
    "adds where it writes": (
        [node("ScatterND", "s where what", "picked", reduction="add")],
        {"where": integers(0, 1, 0, 2).reshape(1, 4), "what": np.ones(1, np.float32)},
        PLANE,
    ),
    "(1, 2) are not the parts of 4 elements": (
        [node("Split", "s sizes", "picked rest", axis=1)],
        {"sizes": integers(1, 2)},
        (1, 1, 4, 6),
    ),
    "takes 0 of 4 elements of axis 1": (
        [node("Slice", "s from to axes", "picked")],
        {"from": integers(2), "to": integers(2), "axes": integers(1)},
        (1, 1, 4, 6),
    ),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_is_no_wire_is_refused(reason, tmp_path):
    with pytest.raises(MappingError) as caught:
        import_model(saved(around(*REFUSED[reason]), tmp_path))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "unsupported-op"
    assert reason in diagnostic.message
