"""Counts whose slots become time steps of their own, as SpikingJelly infers integer spikes."""

import numpy as np
import pytest

import mapper
from mapper.frontend import import_model
from mapper.ir.neurons import Neuron
from mapper.ir.synapses import Synapse
from tests.frontend.models import model, node, saved

T, D = 4, 3


def slotted(*, bias=False, upto=D):
    """``x [T,1,4] -> Gemm -> 0..3 a step -> slots [T*3,1,6] -> weights -> sums -> [T,1,2]``."""
    rng = np.random.default_rng(0)

    def quarters(*shape):
        return (rng.integers(-4, 8, shape) / 4).astype(np.float32)

    nodes = [node("MatMul", "x w0", "currents")]
    previous = "zeros"
    for t in range(T):
        nodes += [
            node("Gather", f"currents t{t}", f"x{t}", axis=0),
            *(node("Mul", f"{previous} half", f"less{t}"), node("Add", f"less{t} x{t}", f"u{t}")),
            *(node("Clip", f"u{t} zero three", f"c{t}"), node("Round", f"c{t}", f"r{t}")),
            *(node("Sub", f"u{t} u{t}", f"d{t}"), node("Add", f"r{t} d{t}", f"s{t}")),
            *(node("Sub", f"u{t} s{t}", f"v{t}"), node("Unsqueeze", f"s{t} axis0", f"s{t}_1")),
        ]
        previous = f"v{t}"
    nodes += [
        node("Concat", " ".join(f"s{t}_1" for t in range(T)), "counts", axis=0),
        *(node("Unsqueeze", "counts axis1", "one"), node("Less", "levels one", "on")),
        *(node("Cast", "on", "slots", to=1), node("Reshape", "slots merged", "steps")),
        node("MatMul", "steps w1", "weighed"),
        *([node("Add", "weighed b", "biased")] if bias else []),
        node("Reshape", "biased apart" if bias else "weighed apart", "parts"),
        node("ReduceSum", "parts axis1", "y", keepdims=0),
    ]
    constants = {
        **{"w0": quarters(4, 6), "w1": quarters(6, 2), "b": quarters(2)},
        **{"half": 0.5, "zero": 0.0, "three": 3.0, "zeros": np.zeros((1, 6), np.float32)},
        **{f"t{t}": np.asarray(t) for t in range(T)},
        "levels": np.arange(upto, dtype=np.float32).reshape(1, upto, 1, 1),
        **{"axis0": np.asarray([0]), "axis1": np.asarray([1])},
        "merged": np.asarray([T * upto, 1, 6]),
        "apart": np.asarray([T, upto, 1, 2]),
    }
    return model(nodes, {"x": [T, 1, 4]}, {"y": [T, 1, 2]}, constants)


def agrees(path):
    x = (np.random.default_rng(1).random((T, 2, 4)) < 0.5).astype(np.float32)
    return mapper.verify_model(path, {"x": x}).bit_exact


def test_slots_of_a_step_are_the_level_again(tmp_path):
    path = saved(slotted(), tmp_path)
    graph = import_model(path).graph
    assert [op.levels.high for op in graph.ops if isinstance(op, Neuron)] == [D]
    assert sum(isinstance(op, Synapse) for op in graph.ops) == 2
    assert agrees(path)


def test_a_bias_of_every_slot_counts_as_often(tmp_path):
    """Three slots have it three times: weights are applied slot by slot then."""
    path = saved(slotted(bias=True), tmp_path)
    graph = import_model(path).graph
    assert sum(isinstance(op, Synapse) for op in graph.ops) == 1 + D
    assert agrees(path)


def test_fewer_slots_than_levels_are_thresholds(tmp_path):
    """Two slots of 0..3: a level of 3 counts as 2."""
    path = saved(slotted(upto=2), tmp_path)
    assert agrees(path)


def test_sums_of_the_slots_of_several_steps_are_left_to_the_host(tmp_path):
    proto = slotted()
    (apart,) = (t for t in proto.graph.initializer if t.name == "apart")
    apart.raw_data = np.asarray([D, T, 1, 2]).tobytes()  # four of three steps' slots together
    path = saved(proto, tmp_path)
    assert import_model(path).epilogue is not None
    assert agrees(path)


def neuron_of_levels(x, v, t=""):
    """0..3 spikes a step."""
    return [
        *(node("Mul", f"{v} half", f"{t}less"), node("Add", f"{t}less {x}", f"{t}u")),
        *(node("Clip", f"{t}u zero three", f"{t}c"), node("Round", f"{t}c", f"{t}s")),
        node("Sub", f"{t}u {t}s", f"{t}v_out"),
    ]


def among_samples(weigh, t=""):
    """Slots ``[3, 1, ..]`` of ``s[1, ..]`` as 3 samples of a layer, and their sum."""
    return [
        *(node("Unsqueeze", f"{t}s axis0", f"{t}one"), node("Less", f"levels {t}one", f"{t}on")),
        *(node("Cast", f"{t}on", f"{t}slots", to=1), node("Reshape", f"{t}slots in", f"{t}all")),
        node(weigh, f"{t}all w1", f"{t}weighed"),
        node("Reshape", f"{t}weighed apart", f"{t}parts"),
        node("ReduceSum", f"{t}parts axis0", f"{t}y", keepdims=0),
    ]


def quarters(*shape):
    return (np.random.default_rng(0).integers(-4, 8, shape) / 4).astype(np.float32)


NUMBERS = {"half": 0.5, "zero": 0.0, "three": 3.0, "axis0": np.array([0])}
FLAT = {
    **{"w0": quarters(4, 6), "w1": quarters(6, 2), **NUMBERS},
    **{"in": np.array([D, 6]), "apart": np.array([D, 1, 2])},
    "levels": np.arange(D, dtype=np.float32).reshape(D, 1, 1),
}
PLANES = {
    **{"w0": quarters(2, 1, 3, 3), "w1": quarters(3, 2, 3, 3), **NUMBERS},
    **{"in": np.array([D, 2, 4, 4]), "apart": np.array([D, 1, 3, 2, 2])},
    "levels": np.arange(D, dtype=np.float32).reshape(D, 1, 1, 1, 1),
}


def one_step(planes):
    weigh, x, v = ("Conv", [1, 1, 6, 6], [1, 2, 4, 4]) if planes else ("MatMul", [1, 4], [1, 6])
    nodes = [node(weigh, "x w0", "sums"), *neuron_of_levels("sums", "v"), *among_samples(weigh)]
    y = [1, 3, 2, 2] if planes else [1, 2]
    return model(nodes, {"x": x, "v": v}, {"y": y, "v_out": v}, PLANES if planes else FLAT)


def kinds(path):
    return [op.mnemonic for op in import_model(path).graph.ops]


@pytest.mark.parametrize("planes", [False, True])
def test_slots_that_are_samples_of_a_layer_are_the_level_again(planes, tmp_path):
    path = saved(one_step(planes), tmp_path)
    layer = "net.conv2d" if planes else "net.linear"
    assert kinds(path) == [layer, "net.neuron", layer]
    shape = (6, 2, 1, 6, 6) if planes else (6, 2, 4)
    x = (np.random.default_rng(1).random(shape) < 0.5).astype(np.float32)
    verified = mapper.verify_model(path, {"x": x})
    assert verified.bit_exact
    assert verified.firing.layers[0].spikes > 0


def test_slots_that_are_samples_in_steps_that_are_written_out(tmp_path):
    nodes, v = [], "start"
    for t in range(T):
        nodes.append(node("Gather", f"x t{t}", f"x{t}", axis=0))
        nodes.append(node("MatMul", f"x{t} w0", f"sums{t}"))
        nodes += [*neuron_of_levels(f"sums{t}", v, f"{t}."), *among_samples("MatMul", f"{t}.")]
        v = f"{t}.v_out"
    nodes.append(node("Concat", " ".join(f"{t}.y" for t in range(T)), "y", axis=0))
    stored = {**FLAT, **{f"t{t}": np.array([t]) for t in range(T)}, "start": np.zeros((1, 6), "f")}
    path = saved(model(nodes, {"x": [T, 4]}, {"y": [T, 2]}, stored), tmp_path)
    assert kinds(path) == ["net.linear", "net.neuron", "net.linear"]
    x = (np.random.default_rng(1).random((T, 4)) < 0.5).astype(np.float32)
    assert mapper.verify_model(path, {"x": x}).bit_exact


def test_slots_that_stay_samples_are_refused_as_before(tmp_path):
    proto = one_step(planes=False)
    proto.graph.node[-1].CopyFrom(node("Identity", "parts", "y"))
    with pytest.raises(mapper.MappingError) as caught:
        import_model(saved(proto, tmp_path))
    (told,) = caught.value.diagnostics
    assert told.code == "unsupported-op"
    assert "Less: takes 3 of 1 elements of axis 0" in told.message
