"""The state of unrolled steps: membranes before a leak that is rounded, and spikes that wait."""

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper

from mapper.api import verify_model
from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.ir.core import SPIKE
from mapper.ir.leaks import LeakRounding
from mapper.ir.neurons import Neuron
from tests.frontend.models import NUMBERS, assert_equal_to_reference, model, node, saved
from tests.frontend.test_delays import assert_steps_equal, compile_counts, sequence, taps_of

STEPS = 5

LEAKS = {
    "kept, toward zero": (
        LeakRounding(unit=1.0, rounding="toward-zero"),
        [
            node("Mul", "V keep", "Tp"),
            node("Sign", "Tp", "Tsign"),
            node("Abs", "Tp", "Tabs"),
            node("Floor", "Tabs", "Tfloor"),
            node("Mul", "Tsign Tfloor", "Tleft"),
        ],
    ),
    "taken, down": (
        LeakRounding(unit=1.0, rounding="floor", part="taken"),
        [
            node("Mul", "V quarter", "Tp"),
            node("Floor", "Tp", "Tfloor"),
            node("Sub", "V Tfloor", "Tleft"),
        ],
    ),
}


def unrolled(leak: list[NodeProto]) -> ModelProto:
    """Two layers of whole weights over ``STEPS`` steps; a spike brings the membrane to 0."""
    nodes = []
    before = {"a": "still", "b": "still"}
    for t in range(STEPS):
        nodes.append(node("Gather", f"x at{t}", f"x{t}", axis=0))
        source = f"x{t}"
        for layer, weight in (("a", "w1"), ("b", "w2")):
            tag = f"{layer}{t}."
            nodes.append(node("MatMul", f"{source} {weight}", f"{tag}c"))
            for one in leak:
                copy = NodeProto()
                copy.CopyFrom(one)
                own = {"V": before[layer]}
                reads = [own.get(n, tag + n if n[0] == "T" else n) for n in one.input]
                copy.input[:], copy.output[:] = reads, [tag + one.output[0]]
                copy.name = tag + one.output[0]
                nodes.append(copy)
            nodes += [
                node("Add", f"{tag}Tleft {tag}c", f"{tag}u"),
                node("Greater", f"{tag}u level", f"{tag}f"),
                node("Cast", f"{tag}f", f"{tag}s", to=1),
                node("Sub", f"one {tag}s", f"{tag}not"),
                node("Mul", f"{tag}u {tag}not", f"{tag}v"),
            ]
            source, before[layer] = f"{tag}s", f"{tag}v"
        nodes.append(node("Unsqueeze", f"{source} first", f"y{t}"))
    nodes.append(node("Concat", " ".join(f"y{t}" for t in range(STEPS)), "y", axis=0))
    rng = np.random.default_rng(2)
    stored = {
        "w1": rng.integers(-9, 20, (3, 3)).astype(np.float32),
        "w2": rng.integers(-9, 30, (3, 3)).astype(np.float32),
        "still": np.zeros((1, 3), np.float32),
        "level": 15.0,
        "keep": 0.75,
        "quarter": 0.25,
        "first": np.array([0], np.int64),
        **{f"at{t}": np.array(t, np.int64) for t in range(STEPS)},
        **NUMBERS,
    }
    return model(nodes, {"x": [STEPS, 1, 3]}, {"y": [STEPS, 1, 3]}, stored)


@pytest.mark.parametrize(("rounding", "leak"), LEAKS.values(), ids=LEAKS)
def test_a_leak_that_is_rounded_belongs_to_the_step_behind_its_membrane(rounding, leak, tmp_path):
    path = saved(unrolled(leak), tmp_path)
    found = import_model(path).graph
    neurons = [op for op in found.ops if isinstance(op, Neuron)]
    assert [op.leak_rounding for op in neurons] == [rounding] * 2
    x = (np.random.default_rng(0).random((STEPS, 1, 3)) < 0.6).astype(np.float32)
    assert [ring.status for ring in verify_model(path, {"x": x}).rings] == ["equal"] * 2


RINGS = {
    "picked": [node("GatherElements", "RING delays", "PICKED", axis=0)],
    "weighed": [node("Mul", "RING taps", "T"), node("ReduceSum", "T first", "PICKED")],
}


@pytest.mark.parametrize("how", RINGS)
def test_spikes_may_wait_in_an_unrolled_ring(how, tmp_path):
    """What is picked is handed on as spikes; what is weighed by taps, behind them."""
    late, steps = [], 9
    for t in range(steps):
        late.append(node("Slice", f"sent from{t} from{t + 1} first", f"s{t}"))
        ring = [f"s{k}" if k >= 0 else "nothing" for k in (t, t - 1, t - 2)]
        late.append(node("Concat", " ".join(ring), f"ring{t}", axis=0))
        for one in RINGS[how]:
            copy = NodeProto()
            copy.CopyFrom(one)
            names = {"RING": f"ring{t}", "PICKED": f"got{t}", "T": f"tapped{t}"}
            copy.input[:] = [names.get(n, n) for n in one.input]
            copy.output[:] = [names[n] for n in one.output]
            copy.name = copy.output[0]
            late.append(copy)
    late.append(node("Concat", " ".join(f"got{t}" for t in range(steps)), "arrived", axis=0))
    stored = {
        "nothing": np.zeros((1, 1, 3), np.float32),
        "taps": taps_of([2, 0, 1]),
        "delays": np.array([[[2, 0, 1]]], np.int64),
        **{f"from{t}": np.array([t], np.int64) for t in range(steps + 1)},
    }
    graph = assert_steps_equal(sequence(late, steps, more=stored), tmp_path)
    spikes = [state for state in graph.states if state.read.type == SPIKE]
    assert len(spikes) == (2 if how == "picked" else 0)
    layers = compile_counts(graph)
    assert sum(layer.skip_stored_bits for layer in layers) > 0  # beside what does not wait


ROUNDED = {
    "toward zero": [
        *(node("Sign", "ih", "isign"), node("Abs", "ih", "iabs")),
        *(node("Floor", "iabs", "ifloor"), node("Mul", "isign ifloor", "ileft")),
    ],
    "down": [node("Floor", "ih", "ileft")],
}


def with_current(update: list, taken: str = "i_out") -> ModelProto:
    """A membrane that takes ``taken``, and a current whose update is ``i_out`` of ``ih`` and c."""
    nodes = [
        node("MatMul", "x w", "c"),
        *(node("Mul", "i half", "ih"), *update),
        *(node("Mul", "v half", "vh"), node("Add", f"vh {taken}", "u")),
        *(node("Greater", "u one", "f"), node("Cast", "f", "y", to=1), node("Sub", "u y", "v_out")),
    ]
    ports = {"x": [1, 3], "i": [1, 3], "v": [1, 3]}
    given = {"y": [1, 3], "i_out": [1, 3], "v_out": [1, 3]}
    return model(nodes, ports, given, {"w": np.eye(3, dtype=np.float32) * 4, **NUMBERS})


@pytest.mark.parametrize("how", ROUNDED)
def test_the_leak_of_a_current_may_be_rounded(how, tmp_path):
    proto = with_current([*ROUNDED[how], node("Add", "ileft c", "i_out")])
    graph = assert_equal_to_reference(saved(proto, tmp_path), steps=40).graph
    (neuron,) = (op for op in graph.ops if isinstance(op, Neuron))
    expected = "floor" if how == "down" else "toward-zero"
    assert neuron.current_rounding == LeakRounding(unit=1.0, rounding=expected)
    assert (neuron.leak_rounding.unit, neuron.current_leak, neuron.current_gain) == (0.0, 0.5, 0.5)


def test_a_current_that_is_rounded_otherwise_is_refused(tmp_path):
    twice = [*ROUNDED["down"], node("Mul", "ih half", "iq"), node("Round", "iq", "r")]
    twice += [node("Sum", "r ileft c", "i_out")]
    with pytest.raises(MappingError, match="rounds its synaptic current otherwise than a leak"):
        import_model(saved(with_current(twice), tmp_path))
    read = with_current([*ROUNDED["toward zero"], node("Add", "ileft c", "i_out")])
    read.graph.node.append(node("MatMul", "ileft w", "z"))
    read.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 3]))
    with pytest.raises(MappingError, match="synaptic current 'i', and what is rounded is read els"):
        import_model(saved(read, tmp_path))
    late = with_current([*ROUNDED["down"], node("Add", "ileft c", "i_out")], taken="i")
    with pytest.raises(MappingError, match="takes its rounded current otherwise than as it is"):
        import_model(saved(late, tmp_path))
