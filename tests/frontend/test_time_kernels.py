"""Kernels over time: every synapse waits as long as its tap stands back (DCLS)."""

import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from mapper.api import verify_model
from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.ir.core import SPIKE
from mapper.ir.evaluate import evaluate
from mapper.pipeline import make_passes, run_passes
from targets import load_target
from tests.engines import run_everywhere
from tests.frontend.models import NUMBERS, leaky, model, node, saved
from tests.frontend.test_delays import assert_steps_equal, compile_counts, sequence
from tests.frontend.test_time import looped

DELAYS = np.array([[3, 0, 1], [0, 0, 2], [1, 3, 0]])
"""Of the synapse from input ``i`` to output ``o``, in steps."""


def dense(delays: np.ndarray = DELAYS, length: int = 4) -> np.ndarray:
    """Return ``[O, C, K]``: a weight of each synapse, as many steps back as it waits."""
    weights = np.random.default_rng(4).normal(size=delays.shape).round(2) * 2
    kernel = np.zeros((*delays.shape, length))
    np.put_along_axis(kernel, length - 1 - delays[..., None], weights[..., None], 2)
    return kernel


def over_time(*between: str, **attributes: object) -> list:
    """``arrived`` of ``sent``, by a convolution with ``kernel`` and what it reads besides."""
    return [
        node("Transpose", "sent", "columns", perm=[1, 2, 0]),
        node("Conv", f"columns {' '.join(between or ('kernel',))}", "late", **attributes),
        node("Transpose", "late", "arrived", perm=[2, 0, 1]),
    ]


def many(late: list, kernel: np.ndarray, **more: np.ndarray) -> ModelProto:
    arrays = {"kernel": kernel, **more}
    return sequence(late, more={name: np.float32(a) for name, a in arrays.items()})


def with_integers(made: ModelProto, stored: dict[str, list[int]]) -> ModelProto:
    made.graph.initializer.extend(
        numpy_helper.from_array(np.array(value, np.int64), name) for name, value in stored.items()
    )
    return made


def test_every_synapse_has_a_delay_of_its_own(tmp_path):
    """A current is the sum of ``w[o, i] * x[t - delay[o, i], i]``, added up here by hand."""
    steps = 8
    kernel = dense(DELAYS[:2])
    nodes = [
        node("Transpose", "x", "columns", perm=[1, 2, 0]),
        node("Conv", "columns kernel", "late", pads=[3, 0]),
        node("Transpose", "late", "c", perm=[2, 0, 1]),
    ]
    before = "still"
    for t in range(steps):
        nodes += [
            node("Gather", f"c at{t}", f"c{t}", axis=0),
            *leaky(f"c{t}", before, f"s{t}", f"v{t}", f"{t}."),
            node("Unsqueeze", f"v{t} first", f"row{t}"),
        ]
        before = f"v{t}"
    nodes.append(node("Concat", " ".join(f"row{t}" for t in range(steps)), "y", axis=0))
    stored = {
        "kernel": kernel.astype(np.float32),
        "still": np.zeros((1, 2), np.float32),
        "first": np.array([0], np.int64),
        **{f"at{t}": np.array(t, np.int64) for t in range(steps)},
        **NUMBERS,
    }
    made = model(nodes, {"x": [steps, 1, 3]}, {"y": [steps, 1, 2]}, stored)
    graph = import_model(saved(made, tmp_path)).graph
    x = (np.random.default_rng(0).random((steps, 1, 3)) < 0.5).astype(np.int64)
    v = np.zeros(2)
    for t, found in enumerate(evaluate(graph, {"x": x})["y"]):
        late = [
            sum(
                kernel[o, i, 3 - DELAYS[o, i]] * x[t - DELAYS[o, i], 0, i]
                for i in range(3)
                if t >= DELAYS[o, i]
            )
            for o in range(2)
        ]
        u = 0.5 * v + late
        v = u - (u > 1)
        assert np.allclose(found, v, atol=1e-6)


def test_a_dense_kernel_keeps_spikes_that_some_synapse_waits_for(tmp_path):
    """The longest waits of the inputs are 3, 3 and 2 steps."""
    graph = assert_steps_equal(many(over_time(pads=[3, 0]), dense()), tmp_path)
    waiting = [state.read for state in graph.states if state.read.type == SPIKE]
    assert len(waiting) == 3
    for target in ("ideal-128", "adcless-64"):  # the latter counts active inputs beside layers
        bits = [layer.skip_stored_bits for layer in compile_counts(graph, target)]
        assert bits == [0, 3 + 3 + 2]


def grouped() -> np.ndarray:
    """Return ``[6, 1, K]`` for three groups of one input and two outputs."""
    return dense(np.array([[3], [0], [1], [1], [2], [0]]))


FORMS = {
    "padded-behind": [
        node("Transpose", "sent", "columns", perm=[1, 2, 0]),
        node("Conv", "columns kernel", "all", pads=[3, 3]),
        node("Add", "all bias_column", "more"),
        node("Slice", "more zero minus last_axis", "late"),
        node("Transpose", "late", "arrived", perm=[2, 0, 1]),
    ],
    "with-a-bias": over_time("kernel", "bias", pads=[3, 0]),
    "dilated": over_time("short", pads=[2, 0], dilations=[2]),
    "one-tap": over_time("point"),
    "plane": [
        node("Transpose", "sent", "columns", perm=[1, 2, 0]),
        node("Unsqueeze", "columns last_axis_", "plane"),
        node("Conv", "plane kernel_2d", "late_plane", pads=[3, 0, 0, 0]),
        node("Squeeze", "late_plane last_axis_", "late"),
        node("BatchNormalization", "late one3 bias bias one3", "normed"),
        node("Transpose", "normed", "arrived", perm=[2, 0, 1]),
    ],
    "volume": [
        node("Transpose", "sent", "rows", perm=[1, 0, 2]),
        node("Reshape", "rows volume_shape", "volume"),  # one channel of planes 1x3
        node("Conv", "volume kernel_3d", "late_volume", pads=[3, 0, 1, 0, 0, 1]),
        node("Reshape", "late_volume rows_shape", "late"),
        node("Transpose", "late", "arrived", perm=[1, 0, 2]),
    ],
    "groups": [
        node("Transpose", "sent", "columns", perm=[1, 2, 0]),
        node("Conv", "columns groups", "six", group=3, pads=[3, 0]),
        node("Transpose", "six", "six_last", perm=[2, 0, 1]),
        node("MatMul", "six_last together", "arrived"),
    ],
    "depthwise-with-a-bias": over_time("depthwise", "bias", pads=[3, 0], group=3),
}


@pytest.mark.parametrize("form", FORMS)
def test_kernels_over_time_are_read_however_they_are_written(form, tmp_path):
    kernel, rng = dense(), np.random.default_rng(5)
    volume = np.zeros((1, 1, 4, 1, 3))
    volume[0, 0, [3, 1, 0], 0, [1, 0, 2]] = 1.5
    more = {
        "bias": np.array([0.25, -0.5, 0.0]),
        "one3": np.ones(3),
        "bias_column": np.array([0.25, -0.5, 0.0]).reshape(1, 3, 1),
        "short": kernel[:, :, 2:],
        "point": kernel[:, :, :1] + 1,
        "kernel_2d": kernel[..., None],
        "kernel_3d": volume,
        "groups": grouped(),
        "together": rng.normal(size=(6, 3)),
        "depthwise": dense(np.array([[2], [0], [3]])),
    }
    made = many(FORMS[form], kernel, **more)
    shapes = {
        "zero": [0],
        "minus": [-3],
        "last_axis": [2],
        "last_axis_": [3],
        "volume_shape": [1, 1, 9, 1, 3],
        "rows_shape": [1, 9, 3],
    }
    assert_steps_equal(with_integers(made, shapes), tmp_path)


ENDS = {
    "every-step": [node("Identity", "sent", "y")],
    "mean-of-the-last-four": [
        node("Conv", "sent kernel", "later", pads=[3, 0]),
        node("Slice", "later minus end last", "picked"),
        node("ReduceMean", "picked", "y", axes=[2], keepdims=0),
    ],
}


def taken_apart(steps: int, pads: list[int]):
    """Nodes of an unrolled loop over ``steps`` of a convolution along the input's last axis."""
    before = "still"
    nodes = [node("Conv", "x kernel", "late", pads=pads)]
    for t in range(steps):
        nodes += [
            node("Gather", f"late at{t}", f"c{t}", axis=2),
            *leaky(f"c{t}", before, f"s{t}", f"v{t}", f"{t}."),
            node("Unsqueeze", f"s{t} last", f"column{t}"),
        ]
        before = f"v{t}"
    nodes.append(node("Concat", " ".join(f"column{t}" for t in range(steps)), "sent", axis=2))
    stored = {
        "kernel": dense().astype(np.float32),
        "still": np.zeros((1, 3), np.float32),
        "last": np.array([2], np.int64),
        "minus": np.array([-4], np.int64),
        "end": np.array([steps], np.int64),
        **{f"at{t}": np.array(t, np.int64) for t in range(steps)},
        **NUMBERS,
    }
    return nodes, stored


@pytest.mark.parametrize("end", ENDS)
def test_kernels_over_the_input_itself_of_files_whose_last_axis_is_time(end, tmp_path):
    """What waits first is the input, which no node gives; a head may read a layer behind delays."""
    nodes, stored = taken_apart(9, [3, 0])
    shape = [1, 3, 9] if end == "every-step" else [1, 3]
    made = model([*nodes, *ENDS[end]], {"x": [1, 3, 9]}, {"y": shape}, stored)
    x = (np.random.default_rng(0).random((1, 3, 9)) < 0.5).astype(np.float32)
    found = verify_model(saved(made, tmp_path), {"x": x})
    assert [ring.status for ring in found.rings] == ["equal"] * 2


@pytest.mark.parametrize(
    ("steps", "pads", "message"),
    [
        (9, [2, 1], r"its kernel reads time step t \+ 1 for step t"),
        (11, [3, 2], "goes on behind the last step: 11 steps are made of 9"),
    ],
)
def test_a_kernel_is_what_is_told_of_and_not_the_states_of_the_loop(steps, pads, message, tmp_path):
    """The first step starts from zeros inside the file, which as one step would have no state."""
    nodes, stored = taken_apart(steps, pads)
    made = model([*nodes, *ENDS["every-step"]], {"x": [1, 3, 9]}, {"y": [1, 3, steps]}, stored)
    with pytest.raises(MappingError, match=message) as refused:
        import_model(saved(made, tmp_path))
    assert refused.value.diagnostics[0].code == "unsupported-time-form"


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"pads": [2, 1]}, r"Conv: its kernel reads time step t \+ 1 for step t"),
        ({"pads": [3, 0], "strides": [2]}, "Conv: its kernel has a stride of 2 time steps"),
        ({}, r"Conv: its kernel reads time step t \+ 3 for step t"),
        ({"pads": [3, 2]}, "goes on behind the last step: 11 steps are made of 9"),
    ],
)
def test_kernels_over_time_that_are_no_delays_are_refused(attributes, message, tmp_path):
    """Of more steps than the input has, the last nine are taken."""
    late = over_time(**attributes)
    late[2:] = [
        node("Transpose", "late", "all", perm=[2, 0, 1]),
        node("Slice", "all minus end zero", "arrived"),
    ]
    stored = {"minus": [-9], "end": [11], "zero": [0]}
    with pytest.raises(MappingError, match=message) as refused:
        import_model(saved(with_integers(many(late, dense()), stored), tmp_path))
    assert refused.value.diagnostics[0].code == "unsupported-time-form"


def test_a_kernel_that_leaves_steps_out_is_refused_with_both_numbers(tmp_path):
    """Taps that are not 0 are the oldest alone, but nothing is padded before the first step."""
    kernel = dense(np.full((3, 3), 3))[:, :, :2]
    late = [node("Transpose", "sent", "columns", perm=[1, 2, 0]), *over_time()[1:]]
    with pytest.raises(MappingError, match="its kernel gives 8 of 9 time steps"):
        import_model(saved(many(late, kernel), tmp_path))


def test_delays_longer_than_the_steps_that_open_files_are_laid_out_for(tmp_path):
    """Of a file whose number of time steps is open, more are laid out: 9 wait here."""
    made = looped("T")
    kernel = dense(np.array([[9, 0, 4], [0, 2, 9], [1, 3, 0]]), 10)
    late = [
        node("Transpose", "x", "columns", perm=[1, 2, 0]),
        node("Conv", "columns kernel", "late", pads=[9, 0]),
        node("Transpose", "late", "waited", perm=[2, 0, 1]),
    ]
    body = made.graph.node[2].attribute[0].g
    body.node[0].input[0] = "waited"
    nodes = [*late, *made.graph.node]
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    made.graph.initializer.append(numpy_helper.from_array(kernel.astype(np.float32), "kernel"))
    path = saved(made, tmp_path)
    x = (np.random.default_rng(0).random((15, 1, 3)) < 0.5).astype(np.float32)
    assert [ring.status for ring in verify_model(path, {"x": x}).rings] == ["equal"] * 2
    assert import_model(path).steps == 0


@pytest.mark.parametrize("target", ["ideal-128", "adcless-64"])
def test_learned_delays_on_every_engine(target, tmp_path):
    made = many(over_time(pads=[3, 0]), dense())
    graph = import_model(saved(made, tmp_path)).graph
    facts = load_target(target)
    hardware, _ = run_passes(graph, facts, make_passes())
    x = (np.random.default_rng(0).random((12, 2, 3)) < 0.6).astype(np.int64)
    found = run_everywhere(hardware, {"x": x})
    if facts.macros[0].readout.is_exact:
        assert np.array_equal(found["y"], evaluate(graph, {"x": x})["y"])
