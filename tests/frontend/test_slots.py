"""Counts whose slots become time steps of their own, as SpikingJelly infers integer spikes."""

import numpy as np

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
