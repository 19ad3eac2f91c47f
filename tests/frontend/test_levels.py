"""Neurons that give several spikes a step, spelled in every way that libraries spell them."""

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.frontend.neurons import stateless as stateless_neurons
from mapper.ir.core import SPIKE
from mapper.ir.evaluate import evaluate
from mapper.ir.levels import ONE_TRAINED_SPIKE, RoundedLevels
from mapper.ir.neurons import Neuron
from mapper.pipeline import make_passes, run_passes
from targets import load_target
from tests.engines import run_everywhere
from tests.frontend.models import assert_equal_to_reference, leaky, model, node, saved
from tests.networks import spikes

NUMBERS = {
    **{"half": 0.5, "one": 1.0, "zero": 0.0, "two": 2.0, "three": 3.0, "four": 4.0},
    **{"quarter": 0.25, "part": 0.75, "minus": -1.0, "middle": 1.5, "late": 2.5},
    "minus_two": -2.0,
}
SOFT = [node("Sub", "u s", "v_out")]
HARD = [
    node("Greater", "s zero", "any"),
    node("Where", "any zero u", "v_out"),
]


def cast(read, written):
    return node("Cast", read, written, to=TensorProto.FLOAT)


def reached(threshold, written, op="GreaterOrEqual"):
    return [node(op, f"u {threshold}", f"{written}_on"), cast(f"{written}_on", written)]


def spelled(*nodes):
    """``x -> Gemm -> u = v/2 + current``; the nodes make ``s`` and ``v_out`` of ``u``.

    Weights are multiples of 1/4, so that membranes meet thresholds and middles exactly.
    """
    rng = np.random.default_rng(0)
    weight = rng.integers(-4, 12, (6, 4)).astype(np.float32) / 4
    return model(
        [
            node("Gemm", "x w", "current", transB=1),
            node("Mul", "v half", "less"),
            node("Add", "less current", "u"),
            *nodes,
            node("Gemm", "s w2", "y", transB=1),
        ],
        {"x": [1, 4], "v": [1, 6]},
        {"y": [1, 3], "v_out": [1, 6]},
        {"w": weight, "w2": rng.standard_normal((3, 6)).astype(np.float32), **NUMBERS},
    )


NEAREST = RoundedLevels(high=4, rounding="half-even")
WHOLE = [node("Abs", "u", "size"), node("Floor", "size", "down"), node("Sign", "u", "sign")]
TRUNCATED = [*WHOLE, node("Mul", "sign down", "whole")]
POSITIVE = [*reached("zero", "up", "Greater"), node("Mul", "up whole", "s")]

FAMILIES = {
    "clip, then round": (NEAREST, [node("Clip", "u zero four", "c"), node("Round", "c", "s")]),
    "round, then clip": (NEAREST, [node("Round", "u", "c"), node("Clip", "c zero four", "s")]),
    "round of a scaled clip": (
        NEAREST,
        [
            *(node("Clip", "u zero three", "c"), node("Div", "c part", "q")),
            *(node("Round", "q", "s"), node("Mul", "s part", "taken")),
            node("Sub", "u taken", "v_out"),
        ],
    ),
    "straight through": (
        NEAREST,
        [
            *(node("Clip", "u zero four", "c"), node("Round", "c", "r")),
            *(node("Sub", "u u", "none"), *reached("zero", "mask")),
            *(node("Mul", "u zero", "gone"), node("Add", "mask gone", "grad")),
            *(node("Mul", "grad none", "rest"), node("Add", "r rest", "s")),
        ],
    ),
    "truncated above 0": (RoundedLevels(high=255), [*TRUNCATED, *POSITIVE]),
    "truncated, at most 3": (
        RoundedLevels(high=3),
        [*TRUNCATED, *POSITIVE[:-1], node("Mul", "up whole", "m"), node("Min", "m three", "s")],
    ),
    "rounded down": (RoundedLevels(high=255), [node("Floor", "u", "c"), node("Relu", "c", "s")]),
    "bounded, then down": (
        RoundedLevels(high=2),
        [node("Clip", "u zero two", "c"), node("Floor", "c", "s")],
    ),
    "a cast of both signs": (
        RoundedLevels(low=-127, high=127),
        [node("Cast", "u", "whole", to=TensorProto.INT64), cast("whole", "s")],
    ),
    "thresholds in a row": (
        RoundedLevels(high=3),
        [
            *(*reached("one", "a"), *reached("two", "b"), *reached("three", "c")),
            *(node("Add", "a b", "ab"), node("Add", "ab c", "s")),
        ],
    ),
    "middles in a row": (
        RoundedLevels(high=3, rounding="half-even"),
        [
            *reached("half", "a", "Greater"),
            *reached("middle", "b"),
            *reached("late", "c", "Greater"),
            *(node("Add", "a b", "ab"), node("Add", "ab c", "s")),
        ],
    ),
    "middles reached": (
        RoundedLevels(high=3, rounding="half-up"),
        [
            *(*reached("half", "a"), *reached("middle", "b"), *reached("late", "c")),
            *(node("Add", "a b", "ab"), node("Add", "ab c", "s")),
        ],
    ),
    "bounded, and a half, then down": (
        RoundedLevels(high=4, rounding="half-up"),
        [node("Clip", "u zero four", "c"), node("Add", "c half", "h"), node("Floor", "h", "s")],
    ),
    "rounded up, less one": (
        RoundedLevels(high=4),
        [node("Ceil", "u", "c"), node("Sub", "c one", "d"), node("Clip", "d zero four", "s")],
    ),
    "rounded up, less one, without a limit": (
        RoundedLevels(high=255),
        [node("Ceil", "u", "c"), node("Sub", "c one", "d"), node("Relu", "d", "s")],
    ),
    "bounded from one on, then up, less one": (
        RoundedLevels(high=3),
        [
            *(node("Clip", "u one four", "c"), node("Ceil", "c", "d")),
            node("Sub", "d one", "s"),
        ],
    ),
    "bounded, then up, less one": (
        RoundedLevels(high=3),
        [
            *(node("Clip", "u zero four", "c"), node("Ceil", "c", "d")),
            *(node("Sub", "d one", "e"), node("Relu", "e", "s")),
        ],
    ),
    "up of parts": (
        RoundedLevels(high=4),
        [
            *(node("Div", "u part", "q"), node("Ceil", "q", "c"), node("Sub", "c one", "d")),
            *(node("Clip", "d zero four", "s"), node("Mul", "s part", "taken")),
            node("Sub", "u taken", "v_out"),
        ],
    ),
    "less a half, then up": (
        RoundedLevels(high=4, rounding="half-down"),
        [node("Sub", "u half", "h"), node("Ceil", "h", "c"), node("Clip", "c zero four", "s")],
    ),
    "bounded, less a half, then up": (
        RoundedLevels(high=4, rounding="half-down"),
        [node("Clip", "u zero four", "c"), node("Sub", "c half", "h"), node("Ceil", "h", "s")],
    ),
    "down on the other side": (
        RoundedLevels(high=4, rounding="half-down"),
        [
            *(node("Sub", "half u", "h"), node("Floor", "h", "f"), node("Neg", "f", "c")),
            node("Clip", "c zero four", "s"),
        ],
    ),
    "middles passed": (
        RoundedLevels(high=3, rounding="half-down"),
        [
            *reached("half", "a", "Greater"),
            *(*reached("middle", "b", "Greater"), *reached("late", "c", "Greater")),
            *(node("Add", "a b", "ab"), node("Add", "ab c", "s")),
        ],
    ),
    "less one, down, and one": (
        RoundedLevels(high=4),
        [
            *(node("Sub", "u one", "h"), node("Floor", "h", "c"), node("Add", "c one", "d")),
            node("Clip", "d zero four", "s"),
        ],
    ),
    "down, and at most 3 before 0": (
        RoundedLevels(high=3),
        [node("Floor", "u", "c"), node("Min", "c three", "d"), node("Relu", "d", "s")],
    ),
    "truncated where it is above 0": (
        RoundedLevels(high=255),
        [
            *(node("Relu", "u", "r"), node("Div", "r one", "q"), node("Sign", "q", "sign")),
            *(
                node("Abs", "q", "size"),
                node("Floor", "size", "down"),
                node("Mul", "sign down", "s"),
            ),
        ],
    ),
    "ternary, by magnitude and sign": (
        RoundedLevels(low=-1),
        [
            *(node("Abs", "u", "size"), node("GreaterOrEqual", "size one", "far_on")),
            *(cast("far_on", "far"), node("Sign", "u", "sign"), node("Mul", "far sign", "s")),
        ],
    ),
    "ternary": (
        RoundedLevels(low=-1),
        [
            *(*reached("one", "a"), node("Neg", "u", "turned")),
            *(node("Sub", "turned one", "level"), node("GreaterOrEqual", "level zero", "b_on")),
            *(cast("b_on", "b"), node("Sub", "a b", "s")),
        ],
    ),
    "ternary, strictly": (
        RoundedLevels(low=-1),
        [
            *reached("one", "a", "Greater"),
            *reached("minus", "b", "Less"),
            node("Sub", "a b", "s"),
        ],
    ),
}


@pytest.mark.parametrize(("levels", "nodes"), FAMILIES.values(), ids=FAMILIES)
def test_levels_are_read_however_they_are_written(levels, nodes, tmp_path):
    ends = [] if any("v_out" in n.output for n in nodes) else SOFT
    imported = assert_equal_to_reference(saved(spelled(*nodes, *ends), tmp_path), steps=24)
    (neuron,) = (op for op in imported.graph.ops if isinstance(op, Neuron))
    assert neuron.levels == levels
    assert neuron.reset.kind == "subtract"
    assert neuron.spike.type == levels.type


def test_whole_numbers_are_passed_where_what_is_rounded_up_is_less_one(tmp_path):
    """At 1 ``Ceil(u) - 1`` is 0, above it 1; at 3/2 ``Ceil(u - 1/2)`` is 1, above it 2."""
    for name, q, level in (("rounded up, less one", 1.0, 0), ("less a half, then up", 1.5, 1)):
        path = saved(spelled(*FAMILIES[name][1], *SOFT), tmp_path)
        (neuron,) = (op for op in import_model(path).graph.ops if isinstance(op, Neuron))
        given = np.array([q, np.nextafter(np.float32(q), np.float32(2))], np.float32)
        assert neuron.levels.of(given, neuron.strict).tolist() == [level, level + 1]


@pytest.mark.parametrize("name", ["rounded up, less one", "less a half, then up"])
def test_ties_of_what_is_rounded_up_are_the_hardware_s_too(name, tmp_path):
    """Weights are multiples of 1/4: integer membranes meet ties. ``y`` is three of the levels."""
    proto = spelled(*FAMILIES[name][1], *SOFT)
    for held in proto.graph.initializer:
        if held.name == "w2":
            held.CopyFrom(numpy_helper.from_array(np.eye(6, dtype=np.float32)[:3], "w2"))
    graph = import_model(saved(proto, tmp_path)).graph
    made, _ = run_passes(graph, load_target("ideal-128"), make_passes())
    x = spikes(graph, steps=24)
    found, wanted = run_everywhere(made, x)["y"], evaluate(graph, x)["y"]
    assert len(np.unique(wanted)) > 3
    assert np.allclose(made.codings["y"].scale * found, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        (
            [node("Ceil", "u", "c"), node("Clip", "c zero four", "s")],
            "it rounds its membrane with 1 of a level added to it, where 0 may be",
        ),
        (
            [node("Add", "u quarter", "h"), node("Floor", "h", "c"), node("Relu", "c", "s")],
            "it rounds its membrane with 0.25 of a level added to it, where 0 may be, or 0.5",
        ),
        (
            [
                *(node("Ceil", "u", "c"), node("Sub", "c one", "d")),
                node("Clip", "d minus_two four", "s"),
            ],
            "it rounds its state up, below zero as well",
        ),
    ],
)
def test_roundings_that_no_levels_say_are_refused_as_what_they_are(nodes, message, tmp_path):
    with pytest.raises(MappingError, match=message) as refused:
        import_model(saved(spelled(*nodes, *SOFT), tmp_path))
    assert refused.value.diagnostics[0].code == "unsupported-neuron"


LEVEL = [node("Clip", "u zero four", "c"), node("Round", "c", "level")]
SIGNED = [
    *(*reached("one", "a"), *reached("minus", "b", "LessOrEqual")),
    node("Sub", "a b", "level"),
]
TWICE = [node("Clip", "u minus_two two", "c"), node("Round", "c", "level")]


def asked(op, level, number, written):
    """Compare the level with a number."""
    return [node(op, f"{level} {number}", f"{written}_on"), cast(f"{written}_on", written)]


ALONE = {
    "any spike": (LEVEL, asked("Greater", "level", "zero", "s"), [0.5]),
    "a burst": (LEVEL, asked("GreaterOrEqual", "level", "two", "s"), [1.5]),
    "a burst beside the level": (
        LEVEL,
        [*asked("GreaterOrEqual", "level", "two", "more"), node("Add", "level more", "s")],
        [1.5],
    ),
    "the level of a burst": (
        LEVEL,
        [*asked("GreaterOrEqual", "level", "two", "more"), node("Mul", "level more", "s")],
        [1.5, 2.5, 3.5],
    ),
    "the magnitude of a ternary spike": (SIGNED, [node("Abs", "level", "s")], [0.5, 0.5]),
    "a ternary spike above 0": (SIGNED, [node("Relu", "level", "s")], [0.5]),
    "the magnitude of levels": (TWICE, [node("Abs", "level", "s")], [1.5, 0.5, 0.5, 1.5]),
    "levels above 0": (TWICE, [node("Relu", "level", "s")], [0.5, 1.5]),
}


@pytest.mark.parametrize(("nodes", "read", "thresholds"), ALONE.values(), ids=ALONE)
def test_thresholds_may_be_read_alone(nodes, read, thresholds, tmp_path):
    """By neurons that keep nothing and compare the level, or how far it is below 0."""
    proto = spelled(*nodes, *read, node("Sub", "u level", "v_out"))
    imported = assert_equal_to_reference(saved(proto, tmp_path), steps=24)
    first, *alone = [op for op in imported.graph.ops if isinstance(op, Neuron)]
    assert first.levels.thresholds > 1
    assert sorted(op.threshold for op in alone) == sorted(thresholds)
    assert all((op.leak, op.reset.kind, op.spike.type) == (0.0, "none", SPIKE) for op in alone)


@pytest.mark.parametrize("family", ["any spike", "the magnitude of a ternary spike"])
@pytest.mark.parametrize("name", ["ideal-128", "adcless-diff-64"])
def test_thresholds_alone_are_mapped(family, name, tmp_path):
    nodes, read, _ = ALONE[family]
    proto = spelled(*nodes, *read, node("Sub", "u level", "v_out"))
    trained = import_model(saved(proto, tmp_path)).graph
    graph, _ = run_passes(trained, load_target(name), make_passes())
    run_everywhere(graph, spikes(graph, steps=8))


def test_a_threshold_alone_of_what_keeps_nothing(tmp_path):
    """``Round(Clip(x))`` without a state, whose level and any spike of it are read."""
    rng = np.random.default_rng(0)
    weights = {f"w{k}": rng.integers(-4, 8, (6, 6)).astype(np.float32) / 2 for k in range(3)}
    proto = model(
        [
            node("Gemm", "x w0", "a", transB=1),
            *(node("Clip", "a zero four", "c"), node("Round", "c", "level")),
            *(*asked("Greater", "level", "zero", "any"), node("Gemm", "any w1", "y", transB=1)),
            node("Gemm", "level w2", "z", transB=1),
        ],
        {"x": [1, 6]},
        {"y": [1, 6], "z": [1, 6]},
        {**weights, **NUMBERS},
    )
    imported = assert_equal_to_reference(saved(proto, tmp_path), steps=24)
    neurons = [op for op in imported.graph.ops if isinstance(op, Neuron)]
    assert [(op.levels, op.threshold) for op in neurons] == [(NEAREST, 1.0), (RoundedLevels(), 0.5)]


@pytest.mark.parametrize("family", ["clip, then round", "thresholds in a row"])
def test_a_hard_reset_follows_any_level(family, tmp_path):
    levels, nodes = FAMILIES[family]
    imported = assert_equal_to_reference(saved(spelled(*nodes, *HARD), tmp_path), steps=24)
    (neuron,) = (op for op in imported.graph.ops if isinstance(op, Neuron))
    assert (neuron.levels, neuron.reset.kind, neuron.reset.amount) == (levels, "value", 0.0)


def test_ternary_spikes_reset_where_either_is_there(tmp_path):
    levels, nodes = FAMILIES["ternary"]
    ends = [
        *(node("Add", "a b", "any"), node("Sub", "one any", "kept")),
        node("Mul", "kept u", "v_out"),
    ]
    imported = assert_equal_to_reference(saved(spelled(*nodes, *ends), tmp_path), steps=24)
    (neuron,) = (op for op in imported.graph.ops if isinstance(op, Neuron))
    assert (neuron.levels, neuron.reset.kind) == (levels, "value")


def test_decay_and_reset_may_come_in_the_next_step(tmp_path):
    """As integer training writes it: ``h' = (h - c) / 4 + x``, and ``c`` of ``h`` is handed on."""
    rng = np.random.default_rng(0)
    weight = rng.integers(-4, 12, (6, 4)).astype(np.float32) / 4
    proto = model(
        [
            node("Gemm", "x w", "current", transB=1),
            *(node("Sub", "mem spike", "rest"), node("Mul", "rest quarter", "less")),
            node("Add", "less current", "mem_out"),
            *(node("Clip", "mem_out zero four", "c"), node("Round", "c", "spike_out")),
            node("Gemm", "spike_out w2", "y", transB=1),
        ],
        {"x": [1, 4], "mem": [1, 6], "spike": [1, 6]},
        {"y": [1, 3], "mem_out": [1, 6], "spike_out": [1, 6]},
        {"w": weight, "w2": rng.standard_normal((3, 6)).astype(np.float32), **NUMBERS},
    )
    imported = assert_equal_to_reference(saved(proto, tmp_path), steps=24)
    (neuron,) = (op for op in imported.graph.ops if isinstance(op, Neuron))
    assert (neuron.levels, neuron.reset.phase, neuron.reset.amount) == (NEAREST, "next", 0.25)


def test_one_level_is_a_spike_at_half_a_threshold(tmp_path):
    nodes = [node("Clip", "u zero one", "c"), node("Round", "c", "s"), *SOFT]
    imported = assert_equal_to_reference(saved(spelled(*nodes), tmp_path), steps=24)
    (neuron,) = (op for op in imported.graph.ops if isinstance(op, Neuron))
    assert (neuron.threshold, neuron.strict, neuron.spike.type) == (0.5, True, SPIKE)


WEIGHTS = np.random.default_rng(0).integers(-4, 8, (3, 6, 6)).astype(np.float32) / 2


def rounding_net(*nodes):
    """``x -> Gemm -> Round(Clip) / 4 -> Gemm -> Round(Clip) -> Gemm``: one step, and no state."""
    weights = {f"w{k}": WEIGHTS[k] for k in range(3)}
    return model(
        [
            node("Gemm", "x w0", "a", transB=1),
            *(node("Clip", "a zero four", "ac"), node("Round", "ac", "as")),
            *(node("Div", "as four", "ad"), node("Gemm", "ad w1", "b", transB=1)),
            *(node("Div", "b part", "bq"), node("Clip", "bq zero four", "bc")),
            *(node("Round", "bc", "bs"), node("Gemm", "bs w2", "y", transB=1)),
            *nodes,
        ],
        {"x": [1, 6]},
        {"y": [1, 6]},
        {**weights, **NUMBERS},
    )


def test_what_is_rounded_without_a_state_is_a_neuron_that_keeps_nothing(tmp_path):
    imported = assert_equal_to_reference(saved(rounding_net(), tmp_path), steps=24)
    neurons = [op for op in imported.graph.ops if isinstance(op, Neuron)]
    assert [(op.levels, op.leak, op.threshold) for op in neurons] == [
        (NEAREST, 0.0, 1.0),
        (NEAREST, 0.0, 0.75),
    ]
    assert imported.notes == tuple(
        f"{name!r} is rounded and nothing of it kept: no state" for name in ("as", "bs")
    )


def test_others_may_keep_a_state(tmp_path):
    """``x -> Gemm -> LIF -> Gemm -> Round(Clip) -> Gemm``."""
    proto = model(
        [
            node("Gemm", "x w0", "a", transB=1),
            *leaky("a", "v", "fired", "v_out"),
            *(node("Gemm", "fired w1", "b", transB=1), node("Clip", "b zero four", "bc")),
            *(node("Round", "bc", "bs"), node("Gemm", "bs w2", "y", transB=1)),
        ],
        {"x": [1, 6], "v": [1, 6]},
        {"y": [1, 6], "v_out": [1, 6]},
        {f"w{k}": WEIGHTS[k] for k in range(3)} | NUMBERS,
    )
    imported = assert_equal_to_reference(saved(proto, tmp_path), steps=24)
    neurons = [op for op in imported.graph.ops if isinstance(op, Neuron)]
    assert [(op.levels, op.leak) for op in neurons] == [(ONE_TRAINED_SPIKE, 0.5), (NEAREST, 0.0)]
    assert imported.notes == ("'bs' is rounded and nothing of it kept: no state",)


def test_what_is_rounded_again_without_a_layer_between_lost_its_state(tmp_path):
    proto = rounding_net()
    proto.graph.node[-1].CopyFrom(node("Sub", "b bs", "rest"))
    proto.graph.node.extend([node("Add", "rest ad", "later"), node("Clip", "later zero four", "l")])
    proto.graph.node.append(node("Round", "l", "y"))
    with pytest.raises(MappingError, match="missing-state"):
        import_model(saved(proto, tmp_path))


SPELLED_WITHOUT_A_STATE = {
    "round, then clip": (NEAREST, [node("Round", "u", "c"), node("Clip", "c zero four", "s")]),
    "bounds one by one": (
        NEAREST,
        [node("Relu", "u", "r"), node("Min", "r four", "c"), node("Round", "c", "s")],
    ),
    "round between bounds": (
        NEAREST,
        [node("Relu", "u", "r"), node("Round", "r", "c"), node("Min", "c four", "s")],
    ),
    "half, then down": (
        RoundedLevels(high=4),
        [node("Add", "u half", "h"), node("Floor", "h", "c"), node("Clip", "c zero four", "s")],
    ),
    "no limit above": (
        RoundedLevels(high=255, rounding="half-even"),
        [node("Round", "u", "c"), node("Relu", "c", "s")],
    ),
    "a limit on one side": (
        RoundedLevels(low=-251, high=4, rounding="half-even"),
        [node("Round", "u", "c"), node("Min", "c four", "s")],
    ),
    "no limit": (
        RoundedLevels(low=-127, high=127, rounding="half-even"),
        [node("Round", "u", "s")],
    ),
}


def stateless(*nodes, **stored):
    """``x -> u -> s``: rounded in one step between two layers, in quarters before."""
    rng = np.random.default_rng(1)
    weights = {k: rng.integers(-4, 8, (6, 6)).astype(np.float32) / 4 for k in ("w", "w2")}
    ends = node("Gemm", "x w", "u", transB=1), node("Gemm", "s w2", "y", transB=1)
    stored = {**weights, **NUMBERS, **stored}
    return model([ends[0], *nodes, ends[1]], {"x": [1, 6]}, {"y": [1, 6]}, stored)


def test_what_cannot_be_negative_has_no_levels_below_zero(tmp_path):
    """Scores of attention are sums of products of counts: a bound at 0 bounds nothing there."""
    nodes = [
        *(node("Clip", "u zero four", "c"), node("Round", "c", "r"), node("Div", "r four", "q")),
        *(node("Reshape", "q rows", "a"), node("Reshape", "q columns", "b")),
        *(node("MatMul", "a b", "scores"), node("Clip", "scores zero four", "sc")),
        *(node("Round", "sc", "sr"), node("MatMul", "sr a", "found"), node("Relu", "found", "f")),
        *(node("Round", "f", "fr"), node("Min", "fr four", "fm"), node("Reshape", "fm flat", "s")),
    ]
    shapes = {"rows": [1, 2, 3], "columns": [1, 3, 2], "flat": [1, 6]}
    stored = {name: np.array(shape, np.int64) for name, shape in shapes.items()}
    made = stateless(*nodes, **stored)
    imported = assert_equal_to_reference(saved(made, tmp_path), steps=24)
    found = [op.levels for op in imported.graph.ops if isinstance(op, Neuron)]
    assert found == [NEAREST] * 3


@pytest.mark.parametrize(
    ("levels", "nodes"), SPELLED_WITHOUT_A_STATE.values(), ids=SPELLED_WITHOUT_A_STATE
)
def test_what_keeps_nothing_is_read_however_it_is_written(levels, nodes, tmp_path):
    imported = assert_equal_to_reference(saved(stateless(*nodes), tmp_path), steps=24)
    (neuron,) = (op for op in imported.graph.ops if isinstance(op, Neuron))
    assert neuron.levels == levels
    told = f"{levels.low} to {levels.high} spikes a step are held"
    assert any(told in note for note in imported.notes) == (levels.thresholds > 4)


LIMITS = {
    "clip, then round": [node("Clip", "u zero D", "c"), node("Round", "c", "s")],
    "round, then clip": [node("Round", "u", "c"), node("Clip", "c zero D", "s")],
    "down, then clip": [node("Relu", "u", "r"), node("Floor", "r", "c"), node("Min", "c D", "s")],
}


@pytest.mark.parametrize("nodes", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("kept", [False, True], ids=["no state", "a state"])
def test_limits_beyond_what_a_neuron_gives_are_refused_with_both_numbers(nodes, kept, tmp_path):
    proto = spelled(*nodes, *SOFT) if kept else stateless(*nodes)
    proto.graph.initializer.append(numpy_helper.from_array(np.float32(300), "D"))
    with pytest.raises(MappingError, match=r"0 to 300 spikes a step, .* at most 255"):
        import_model(saved(proto, tmp_path))


def test_levels_of_one_sign_below_0_are_refused(tmp_path):
    nodes = [node("Clip", "u minus zero", "c"), node("Round", "c", "s")]
    with pytest.raises(MappingError, match="it gives -1 to 0 spikes a step, and none above 0"):
        import_model(saved(stateless(*nodes), tmp_path))


def test_a_limit_of_255_is_held(tmp_path):
    proto = stateless(*LIMITS["round, then clip"], D=np.float32(255))
    imported = import_model(saved(proto, tmp_path))
    (neuron,) = (op for op in imported.graph.ops if isinstance(op, Neuron))
    assert (neuron.levels.high, len(imported.notes)) == (255, 1)


def test_the_check_looks_beyond_the_last_level(tmp_path, monkeypatch):
    """A neuron that holds fewer levels than the model gives is found out beyond its last."""
    nodes = LIMITS["clip, then round"]
    monkeypatch.setattr(
        stateless_neurons, "levels_of", lambda count: RoundedLevels(high=200, rounding="half-even")
    )
    with pytest.raises(MappingError, match="none of the known kinds"):
        import_model(saved(stateless(*nodes, D=np.float32(250)), tmp_path))


SIGNED_READERS = {
    "pooled": (node("MaxPool", "s", "p", kernel_shape=[2, 2], strides=[2, 2]), 4),
    "turned": (node("Transpose", "s", "p", perm=[0, 1, 3, 2]), 16),
    "cut": (node("Slice", "s start end axis", "p"), 8),
    "padded": (node("Pad", "s pads", "p"), 36),
    "joined": (node("Concat", "s s", "p", axis=1), 32),
    "multiplied": (node("MatMul", "s s", "p"), 16),
}


@pytest.mark.parametrize("levels", ["ternary", "bounded on both sides", "no limit"])
@pytest.mark.parametrize(("reader", "count"), SIGNED_READERS.values(), ids=SIGNED_READERS)
def test_layers_carry_levels_of_both_signs(reader, count, levels, tmp_path):
    """Comparisons that are one neuron together have its type, whatever layer reads them."""
    nodes = [node("Clip", "u minus one", "c"), node("Round", "c", "s")]
    if levels == "ternary":
        nodes = FAMILIES[levels][1]
    elif levels == "no limit":
        nodes = [node("Round", "u", "s")]
    rng = np.random.default_rng(2)
    stored = {
        "w": rng.integers(-4, 12, (1, 1, 3, 3)).astype(np.float32) / 4,
        "w2": rng.integers(-4, 4, (3, count)).astype(np.float32),
        "flat": np.array([1, count]),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        **{"start": np.array([1]), "end": np.array([3]), "axis": np.array([2])},
    }
    proto = model(
        [
            node("Conv", "x w", "current", pads=[1, 1, 1, 1]),
            *(node("Mul", "v half", "less"), node("Add", "less current", "u")),
            *(*nodes, *SOFT, reader),
            *(node("Reshape", "p flat", "q"), node("Gemm", "q w2", "y", transB=1)),
        ],
        {"x": [1, 1, 4, 4], "v": [1, 1, 4, 4]},
        {"y": [1, 3], "v_out": [1, 1, 4, 4]},
        {**stored, **NUMBERS},
    )
    imported = assert_equal_to_reference(saved(proto, tmp_path), steps=4)
    (neuron,) = (op for op in imported.graph.ops if isinstance(op, Neuron))
    assert neuron.levels.low == (-127 if levels == "no limit" else -1)


REFUSED = {
    "rounded down below 0": (
        [node("Floor", "u", "s"), *SOFT],
        "it rounds its state down, below zero as well",
    ),
    "a fraction before it": (
        [node("Add", "u quarter", "q"), node("Round", "q", "c"), node("Relu", "c", "s"), *SOFT],
        "it rounds its membrane with 0.25 of a level added to it",
    ),
    "uneven thresholds": (
        [
            *(*reached("one", "a"), *reached("middle", "b"), node("Add", "a b", "s")),
            *SOFT,
        ],
        "several spikes a step, or of both signs",
    ),
}


@pytest.mark.parametrize(("nodes", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_gives_no_levels_is_refused_by_name(nodes, reason, tmp_path):
    with pytest.raises(MappingError, match=reason):
        import_model(saved(spelled(*nodes), tmp_path))
