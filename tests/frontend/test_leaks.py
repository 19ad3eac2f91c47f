"""Leaks that a model rounds, however it spells that: read, and equal to the last bit."""

from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import mapper
from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.ir.core import Graph
from mapper.ir.leaks import LeakRounding
from mapper.ir.neurons import Neuron
from targets import load_target
from tests.engines import run_everywhere
from tests.frontend.models import assert_equal_to_reference, model, node, saved

WHOLE = np.random.default_rng(0).integers(-60, 61, (6, 5)).astype(np.float32)
CUT, INT = "toward-zero", TensorProto.INT32


def cast(source: str, result: str, to: int = INT):
    return node("Cast", source, result, to=to)


SIGNS = [
    node("Mul", "v share", "p"),
    node("Sign", "p", "sign"),
    node("Abs", "p", "size"),
    node("Floor", "size", "down"),
    node("Mul", "sign down", "left"),
]
INTEGERS = [
    cast("v", "i"),
    node("Mul", "i m", "p"),
    node("Div", "p d", "q"),
    cast("q", "q64", TensorProto.INT64),
    cast("q64", "left", TensorProto.FLOAT),
]
FLOATS = [
    cast("v", "i"),
    node("Mul", "i m", "p"),
    cast("p", "r", TensorProto.FLOAT),
    node("Div", "r dr", "q"),
    cast("q", "c"),
    cast("c", "left", TensorProto.FLOAT),
]
SIGNS_OF_INTEGERS = [
    cast("v", "i"),
    node("Mul", "i m", "p"),
    cast("p", "r", TensorProto.FLOAT),
    node("Div", "r dr", "q"),
    node("Sign", "q", "sign"),
    node("Abs", "q", "size"),
    node("Floor", "size", "down"),
    node("Mul", "down sign", "left"),
]
SPELLINGS = {
    "integers by signs": (SIGNS_OF_INTEGERS, LeakRounding(unit=1.0, rounding=CUT)),
    "signs": (SIGNS, LeakRounding(unit=1.0, rounding=CUT)),
    "integers": (INTEGERS, LeakRounding(unit=1.0, rounding=CUT)),
    "divided as reals": (FLOATS, LeakRounding(unit=1.0, rounding=CUT)),
    "cast": (
        [node("Mul", "v share", "p"), cast("p", "c"), cast("c", "left", TensorProto.FLOAT)],
        LeakRounding(unit=1.0, rounding=CUT),
    ),
    "chosen by sign": (
        [
            node("GreaterOrEqual", "v nought", "above"),
            node("Mul", "v share", "p"),
            node("Floor", "p", "down"),
            node("Ceil", "p", "up"),
            node("Where", "above down up", "left"),
        ],
        LeakRounding(unit=1.0, rounding=CUT),
    ),
    "taken of integers": (
        [
            cast("v", "i"),
            node("Div", "i d", "q"),
            node("Sub", "i q", "r"),
            cast("r", "left", TensorProto.FLOAT),
        ],
        LeakRounding(unit=1.0, rounding=CUT, part="taken"),
    ),
    "down": (
        [node("Mul", "v share", "p"), node("Floor", "p", "left")],
        LeakRounding(unit=1.0, rounding="floor"),
    ),
    "nearest": (
        [node("Mul", "v share", "p"), node("Round", "p", "left")],
        LeakRounding(unit=1.0, rounding="nearest"),
    ),
    "halves": (
        [
            node("Mul", "v twice", "p"),
            node("Floor", "p", "whole"),
            node("Div", "whole two", "left"),
        ],
        LeakRounding(unit=0.5, rounding="floor"),
    ),
    "taken": (
        [node("Mul", "v rest", "p"), node("Floor", "p", "lost"), node("Sub", "v lost", "left")],
        LeakRounding(unit=1.0, rounding="floor", part="taken"),
    ),
}


def rounding(leak: list, weight: np.ndarray = WHOLE, resets: bool = True):
    """``u = left + W x``, fires above 40, to 0; ``left`` is what the leak leaves of ``v``."""
    ends = [node("Sub", "one s", "keep"), node("Mul", "u keep", "v_out")]
    nodes = [
        *leak,
        node("Gemm", "x w", "current", transB=1),
        node("Add", "left current", "u"),
        node("Greater", "u limit", "fires"),
        cast("fires", "s", TensorProto.FLOAT),
        *(ends if resets else [node("Identity", "u", "v_out")]),
    ]
    numbers = {"share": 0.75, "twice": 1.5, "rest": 0.25, "two": 2.0, "dr": 4.0, "one": 1.0}
    numbers |= {"m": np.array(3, np.int32), "d": np.array(4, np.int32), "limit": 40.0}
    numbers |= {"w": weight, "nought": 0.0}
    return model(nodes, {"x": [1, 5], "v": [1, 6]}, {"s": [1, 6], "v_out": [1, 6]}, numbers)


def synaptic(spelling: str, weight: np.ndarray = 64 * WHOLE):
    """``j' = left of j + W x``, ``u = left of v + j'``: Loihi's neurons with a slow current."""
    leak, _ = SPELLINGS[spelling]
    made = {name for held in leak for name in held.output} | {"v"}
    of_current = [
        node(
            held.op_type,
            " ".join(f"{n}.j" if n in made else n for n in held.input),
            f"{held.output[0]}.j",
            **{a.name: a.i for a in held.attribute},
        )
        for held in leak
    ]
    proto = rounding(leak, weight)
    added = [node("Add", "left.j current", "v.j_out"), node("Add", "left v.j_out", "u")]
    nodes = list(proto.graph.node)
    at = next(k for k, held in enumerate(nodes) if held.output[0] == "u")
    del proto.graph.node[:]
    proto.graph.node.extend([*of_current, *nodes[:at], *added, *nodes[at + 1 :]])
    for ports, name in ((proto.graph.input, "v.j"), (proto.graph.output, "v.j_out")):
        ports.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 6]))
    return proto


@pytest.mark.parametrize(("of_current", "of_membrane"), [(0.75, 0.0), (0.0, 0.75), (0.0, 0.0)])
def test_a_state_of_which_nothing_is_kept_is_a_state(of_current, of_membrane, tmp_path):
    """Loihi's neurons whose decay is all of 4096: ``floor(0 * v) + W x`` does not read ``v``."""
    proto = synaptic("signs")
    for held in proto.graph.node:
        if "share" in held.input and held.output[0] == "p.j":
            held.input[1] = "share.j"
    proto.graph.initializer.append(numpy_helper.from_array(np.float32(of_current), "share.j"))
    share = next(held for held in proto.graph.initializer if held.name == "share")
    share.CopyFrom(numpy_helper.from_array(np.float32(of_membrane), "share"))
    imported = assert_equal_to_reference(saved(proto, tmp_path), steps=40)
    neurons = [op for op in imported.graph.ops if isinstance(op, Neuron)]
    firing = next(op for op in neurons if op.spike is not None)
    assert firing.leak == of_membrane
    assert {state.read.name for state in imported.graph.states} == {"v", "v.j"}
    assert (len(neurons), firing.current_leak) == ((1, 0.75) if of_current else (2, 0.0))


@pytest.mark.parametrize("name", ["integers", "taken of integers", "chosen by sign", "halves"])
def test_every_spelling_of_a_rounded_current(name, tmp_path):
    _, expected = SPELLINGS[name]
    imported = assert_equal_to_reference(saved(synaptic(name), tmp_path), steps=40)
    neuron = neuron_of(imported.graph)
    assert (neuron.current_leak, neuron.current_rounding) == (0.75, expected)
    assert (neuron.leak, neuron.leak_rounding) == (0.75, expected)
    assert len(imported.notes) == (2 if "integers" in name else 0)


def test_a_current_that_is_cut_and_not_whole_is_refused(tmp_path):
    told = refusal(synaptic("integers", WHOLE / 3), tmp_path)
    assert "is cut to a whole number, but what is added to it is none" in told


def trunc(v: np.ndarray, decay: int) -> np.ndarray:
    return np.sign(v) * (np.abs(v) * (4096 - decay) >> 12)


def test_a_trace_of_a_slow_current_has_no_wrong_spike(tmp_path):
    """Loihi's integers, worked out here, with 12-bit decays and 8-bit weights."""
    rng = np.random.default_rng(2)
    weight = rng.integers(-126, 127, (6, 5)) * 1.0
    proto = synaptic("signs", weight.astype(np.float32))
    shares = {"share": (4096 - 600) / 4096, "limit": 400.0}
    for held in proto.graph.initializer:
        if held.name in shares:
            held.CopyFrom(numpy_helper.from_array(np.float32(shares[held.name]), held.name))
    target = load_target("ideal-128")
    target = replace(target, neuron=replace(target.neuron, leak_rounding=CUT))
    x = (rng.random((80, 1, 5)) < 0.4).astype(np.int64)
    build = mapper.compile(saved(proto, tmp_path), target, calibrate={"x": x})
    assert build.warnings == ()
    current = v = np.zeros(6, np.int64)
    spikes = []
    for step in x:
        current = trunc(current, 600) + weight.astype(np.int64) @ step[0]
        v = trunc(v, 600) + current
        spikes.append(v > 400)
        v = v * ~spikes[-1]
    found = run_everywhere(build.hardware, {"x": x})["s"]
    assert 0.05 < np.mean(spikes) < 0.6
    assert np.array_equal(found[:, 0], np.asarray(spikes))


def neuron_of(graph: Graph) -> Neuron:
    return next(op for op in graph.ops if isinstance(op, Neuron))


@pytest.mark.parametrize("name", SPELLINGS)
def test_every_spelling_of_a_rounded_leak(name, tmp_path):
    leak, expected = SPELLINGS[name]
    graph = assert_equal_to_reference(saved(rounding(leak), tmp_path), steps=40).graph
    neuron = neuron_of(graph)
    assert (neuron.leak, neuron.leak_rounding, neuron.threshold) == (0.75, expected, 40.0)


def test_a_membrane_that_is_cut_must_start_whole(tmp_path):
    imported = import_model(saved(rounding(INTEGERS), tmp_path))
    assert imported.notes == (
        "'v' must start as whole numbers, and inputs be whole: it is cut to them",
    )


def test_a_membrane_that_never_resets_may_round_its_leak(tmp_path):
    graph = assert_equal_to_reference(saved(rounding(SIGNS, resets=False), tmp_path)).graph
    assert neuron_of(graph).leak_rounding.unit == 1.0


def refusal(proto, folder) -> str:
    with pytest.raises(MappingError) as refused:
        import_model(saved(proto, folder))
    return str(refused.value)


def test_a_membrane_that_is_cut_and_not_whole_is_refused(tmp_path):
    told = refusal(rounding(INTEGERS, WHOLE / 3), tmp_path)
    assert "its membrane is cut to a whole number, but what is added to it is none" in told


def test_a_membrane_that_is_rounded_with_its_input_is_refused(tmp_path):
    """Of ``floor(0.75 v + W x)`` no leak is rounded: it is the whole membrane."""
    nodes = [
        node("Gemm", "x w", "current", transB=1),
        node("Mul", "v share", "p"),
        node("Add", "p current", "sum"),
        node("Floor", "sum", "u"),
        node("Greater", "u limit", "fires"),
        cast("fires", "s", TensorProto.FLOAT),
        node("Sub", "one s", "keep"),
        node("Mul", "u keep", "v_out"),
    ]
    proto = rounding(SIGNS)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    assert "unsupported-neuron" in refusal(proto, tmp_path)


def test_a_share_that_is_added_to_the_whole_membrane_is_refused(tmp_path):
    """``v + floor(0.25 v)`` grows: no leak does."""
    grows = [node("Mul", "v rest", "p"), node("Floor", "p", "more"), node("Add", "v more", "left")]
    assert "it rounds its membrane otherwise than a leak does" in refusal(rounding(grows), tmp_path)


def test_every_command_that_compiles_says_once_that_a_leak_rounds_otherwise(tmp_path):
    """``ideal-128`` rounds down; the build keeps what its passes said."""
    path = saved(rounding(SPELLINGS["signs"][0]), tmp_path)
    x = {"x": (np.random.default_rng(1).random((9, 1, 5)) < 0.5).astype(np.float32)}
    build = mapper.compile(path, "ideal-128", calibrate=x)
    (said,) = (text for text in build.warnings if "toward zero" in text)
    build.save(tmp_path / "build")
    loaded = mapper.load(tmp_path / "build")
    answers = {
        "load": loaded.warnings,
        "verify": loaded.verify(x, model=path).warnings,
        "report": loaded.report(tmp_path / "page.html", inputs=x).headline.warnings,
        "compare": mapper.compare_targets(path, ["ideal-128"], inputs=x).warnings,
    }
    for command, warnings in answers.items():
        assert sum(said in text for text in warnings) == 1, (command, warnings)
