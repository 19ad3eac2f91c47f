"""Dies on the native kernels: every variant gives the bits of the definition."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mapper.diagnostics import MappingError
from mapper.executor.native import NativeExecutor, pack
from mapper.executor.native.bounds import NotNativeError
from mapper.executor.native.layers import NativeLayer
from mapper.executor.native.steps import LayerStep
from mapper.ir.core import Array, Const, Graph, IntType
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.evaluate import evaluate
from mapper.ir.infer import infer_types
from mapper.ir.noise import KEY_TYPE
from mapper.ir.readout import SenseAmpRead
from mapper.ir.units import CrossbarLayer, units
from mapper.ir.windows import Window
from mapper.kernels.core import VARIANTS, supported_levels, unavailable
from tests.builders import Builder, Readout, adc, encoding, sense_amp, ternary
from tests.campaigns import examples
from tests.dies import FRACTION, KEY, die_of
from tests.engines import assert_same_bits
from tests.small_graphs import random_spikes
from tests.strategies import Case, cases, codes

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())
some = settings(max_examples=examples(36), deadline=None, suppress_health_check=list(HealthCheck))
every_variant = pytest.mark.parametrize(
    "level", supported_levels(), ids=[VARIANTS[level] for level in supported_levels()]
)
UNIT = 1 << FRACTION


@some
@given(
    case=cases(),
    seed=st.integers(0, 2**32 - 1),
    threads=st.integers(1, 2),
    noisy=st.booleans(),
    cells=st.sampled_from([1, pack.MOST_CELLS]),
)
def test_dies_of_random_graphs_equal_the_definition(
    case: Case, seed: int, threads: int, noisy: bool, cells: int
):
    assume(all(getattr(op, "plane_bits", 1) == 1 for op in case.graph.ops))
    rng = np.random.default_rng(seed)
    graph = die_of(case.graph, rng, noisy=noisy)
    inputs = case.inputs | keys_of(graph, rng, case.inputs)
    expected = evaluate(graph, inputs, case.initial)
    for level in supported_levels():
        with patch.object(pack, "MOST_CELLS", cells):
            executor = NativeExecutor(graph, level=level, threads=threads)
        assert_same_bits(executor.run(inputs, case.initial), expected)


def keys_of(graph: Graph, rng: np.random.Generator, inputs: dict[str, Array]) -> dict[str, Array]:
    """Return keys of noise for as many steps and samples, if a graph takes any."""
    leading = next(iter(inputs.values())).shape[:2]
    return {v.name: codes(rng, v, *leading) for v in graph.inputs if v.type == KEY_TYPE}


@some
@given(case=cases(), seeds=st.tuples(st.integers(0, 99), st.integers(0, 99)))
def test_a_plan_serves_the_next_die(case: Case, seeds: tuple[int, int]):
    assume(all(getattr(op, "plane_bits", 1) == 1 for op in case.graph.ops))
    first, second = (die_of(case.graph, np.random.default_rng(seed), ["fine"]) for seed in seeds)
    before = NativeExecutor(first, threads=1)
    after = before.again(second)
    for executor, graph in ((before, first), (after, second)):
        expected = evaluate(graph, case.inputs, case.initial)
        assert_same_bits(executor.run(case.inputs, case.initial), expected)


def test_another_die_shares_all_but_its_layers():
    """Dies of one network share neurons and geometry; another network is planned by itself."""
    net = Builder()
    x = net.input("x", (2, 6, 6))
    sums = net.crossbars(x, np.ones((18, 4), int), sense_amp(1), window=Window(kernel=(3, 3)))
    net.output(net.integer_neurons(sums, threshold=3))
    graph = net.graph()
    dies = [die_of(graph, np.random.default_rng(seed), ["fine"]) for seed in range(2)]
    one = NativeExecutor(dies[0])
    (before,), (after,) = one.plan.steps, one.again(dies[1]).plan.steps
    assert after.neurons is before.neurons
    assert after.layer.places is before.layer.places
    assert after.layer.phases[0].arrays["weights"] is not before.layer.phases[0].arrays["weights"]
    other = replace(dies[1], ops=(*dies[1].ops[:-1], replace(dies[1].ops[-1], loc="elsewhere")))
    (planned,) = one.again(other).plan.steps
    assert planned.neurons is not before.neurons


def a_row(own: list[int], thresholds: list[int]) -> Graph:
    """Return a 1x1 convolution of one cell over four positions, on two copies."""
    net = Builder()
    x = net.input("x", (1, 1, 4))
    read, window, cells = sense_amp(1, (0, 1)), Window(kernel=(1, 1)), encoding("differential", 2)
    net.output(net.crossbars(x, [[1]], read, window=window, encoding=cells))
    graph = net.graph()
    held = {
        "cells": np.array(own, np.int16).reshape(2, 1, 1, 1),
        "references": np.array(thresholds).reshape(1, 2, 1, 1, 1),
    }
    ops = [with_tables(op) for op in graph.ops]
    return infer_types(replace(graph, ops=tuple(ops), constants={**graph.constants, **held}))


def with_tables(op, **fields):
    if isinstance(op, CrossbarMvm):
        placed = replace(op.placement, copies=2)
        return replace(op, cells=Const("cells"), fraction=FRACTION, placement=placed)
    if isinstance(op, SenseAmpRead):
        return replace(op, thresholds=Const("references"), active=None, **fields)
    return op


@every_variant
@pytest.mark.parametrize(
    ("cells", "thresholds", "expected"),
    [
        ([250, 261], [251, 261], [0, 0, 1, 1]),
        ([250, 261], [250, 262], [1, 1, 0, 0]),
        ([64, 64], [64, 65], [1, 1, 0, 0]),  # whole digits, references between them
        ([64, 0], [1, 1], [1, 1, 0, 0]),  # stuck
        ([32, -32], [17, -31], [1, 1, 0, 0]),  # half-active: bits, less half of what is driven
        ([-64, 64], [-64, 64], [1, 1, 1, 1]),
    ],
)
def test_two_copies_of_a_cell(level, cells, thresholds, expected):
    executor = NativeExecutor(a_row(cells, thresholds), level=level)
    (found,) = executor.run({"x": np.ones((1, 1, 1, 1, 4), np.int64)}).values()
    assert found.ravel().tolist() == expected


def described(cells: np.ndarray, read: Readout | None = None, **more) -> tuple[Graph, LayerStep]:
    """Return a 3x3 convolution on two copies with these cells, and how the kernels take it."""
    net = Builder()
    x = net.input("x", (8, 5, 5))
    weight = np.zeros((72, 6), int)
    window = Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    net.output(net.crossbars(x, weight, read or sense_amp(1), window=window, wordlines=36, **more))
    graph = net.graph()
    rng = np.random.default_rng(1)
    table = np.sort(rng.integers(-2 * UNIT, 3 * UNIT, (2, 2, 2, 3, 6)), axis=0)
    levels = next(op for op in graph.ops if isinstance(op, SenseAmpRead)).levels
    held = {"cells": cells.astype(np.int16), "references": table[: len(levels) - 1]}
    ops = tuple(with_tables(op) for op in graph.ops)
    graph = infer_types(replace(graph, ops=ops, constants={**graph.constants, **held}))
    (step, *_) = NativeExecutor(graph, level=0).plan.steps
    assert isinstance(step, LayerStep)
    return graph, step


RNG = np.random.default_rng(0)
SHAPE = (2, 3, 72, 6)
FORMS = {
    "digits": (UNIT * RNG.integers(0, 2, SHAPE), {"kind": 0, "mode": 0}),
    "more digits": (UNIT * RNG.integers(0, 4, SHAPE), {"kind": 0, "mode": 3}),
    "pairs": (UNIT * RNG.integers(-1, 2, SHAPE), {"kind": 0, "mode": 1}),
    "halves": (UNIT // 2 * RNG.choice([-1, 1], SHAPE), {"kind": 0, "mode": 2, "parity": 1}),
    "steps of two": (2 * UNIT * RNG.integers(-4, 5, SHAPE), {"kind": 1, "wide": 0}),
    "any": (RNG.integers(-UNIT, UNIT, SHAPE), {"kind": 2, "wide": 0}),
    "far": (RNG.integers(-(1 << 14), 1 << 14, SHAPE), {"kind": 3, "wide": 1}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("read", [sense_amp(1), ternary(-1, 1)])
def test_cells_that_stay_digits_are_counted_bit_by_bit(form, read):
    cells, numbers = FORMS[form]
    graph, step = described(cells, read)
    assert numbers.items() <= step.layer.phases[0].numbers.items()
    inputs = {"x": random_spikes(2, 3, 8, 5, 5, density=0.3)}
    expected = evaluate(graph, inputs)
    for level in supported_levels():
        assert_same_bits(NativeExecutor(graph, level=level, threads=1).run(inputs), expected)


@every_variant
@pytest.mark.parametrize("widths", [(1, 1), (2, 5), (200, 300), (256, 256), (1, 40), (9000, 9001)])
def test_adcs_whose_steps_differ_from_what_codes_stand_for(level, widths):
    net = Builder()
    x = net.input("x", (8, 5, 5))
    read = adc("sar", 5, 1, 3, -20)
    window = Window(kernel=(3, 3))
    net.output(net.crossbars(x, np.zeros((72, 6), int), read, window=window, wordlines=36))
    graph = net.graph()
    rng = np.random.default_rng(2)
    held = {
        "cells": rng.integers(-300, 301, (2, 3, 72, 6)).astype(np.int16),
        "first": rng.integers(-900, 900, (2, 2, 3, 6)),
        "width": rng.integers(widths[0], widths[1] + 1, (1, 3, 6)),
    }
    fields = {"first": Const("first"), "width": Const("width")}
    ops = [
        with_tables(op)
        if isinstance(op, CrossbarMvm)
        else replace(op, **fields)
        if hasattr(op, "width")
        else op
        for op in graph.ops
    ]
    graph = infer_types(replace(graph, ops=tuple(ops), constants={**graph.constants, **held}))
    inputs = {"x": random_spikes(2, 2, 8, 5, 5, density=0.4)}
    executor = NativeExecutor(graph, level=level, threads=1)
    assert not executor.notes
    assert_same_bits(executor.run(inputs), evaluate(graph, inputs))


@every_variant
@pytest.mark.parametrize("outputs", [1, 3, 40, 130])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("window", [None, Window(kernel=(3, 3), stride=(2, 2))])
def test_noise_of_reads_is_counted_by_place(level, outputs, groups, window):
    """Outputs of a group that begin within four columns; row blocks of two scales, put in order."""
    net = Builder()
    x = net.input("x", (4, 5, 7) if window else (72,), IntType(2, signed=True))
    wordlines = (36 if window else 72) // groups
    weight = np.random.default_rng(1).integers(-7, 8, (wordlines, groups * outputs))
    scale = np.arange(-(-wordlines // 4))[:, None] % 2 + 1
    more = {"window": window, "groups": groups, "scale": scale, "wordlines": 4}
    net.output(net.crossbars(x, weight, ternary(-1, 2), **more))
    rng = np.random.default_rng(outputs)
    graph = die_of(net.graph(), rng, ["digits", "fine"], noisy=True)
    inputs = {"x": codes(rng, graph.inputs[0], 2, 3)}
    inputs |= keys_of(graph, rng, inputs)
    executor = NativeExecutor(graph, level=level, threads=1)
    assert not executor.notes
    assert_same_bits(executor.run(inputs), evaluate(graph, inputs))


def test_a_read_key_past_its_type_is_refused():
    net = Builder()
    net.output(net.crossbars(net.input("x", (4,)), np.ones((4, 2), int), sense_amp(1)))
    graph = die_of(net.graph(), np.random.default_rng(0), noisy=True)
    assert graph.inputs[-1].type == KEY_TYPE
    inputs = {"x": np.ones((1, 1, 4), np.int64), "read_key": np.array([[1 << 62]])}
    with pytest.raises(MappingError, match="read_key"):
        NativeExecutor(graph).run(inputs)


def test_half_active_columns_with_noise_are_left_to_numpy():
    net = Builder()
    read = sense_amp(1, half_active=True)
    cells = encoding("twos-complement")
    net.output(net.crossbars(net.input("x", (4,)), np.ones((4, 2), int), read, encoding=cells))
    graph = net.graph()
    (layer,) = units(graph)
    assert isinstance(layer, CrossbarLayer)
    noise = {"noise": np.zeros(65536, np.int32)}
    read_noisily = replace(layer.read, noise=Const("noise"), key=KEY)
    with pytest.raises(NotNativeError, match="half-active columns are read with noise"):
        NativeLayer.make(replace(layer, read=read_noisily), {**graph.constants, **noise}, 0)


def test_copies_that_do_not_belong_together_are_left_to_numpy():
    graph = a_row([64, 64], [64, 65])
    three = {"references": np.array([1, 2, 3]).reshape(1, 3, 1, 1, 1)}
    mixed = replace(graph, constants={**graph.constants, **three})
    (layer,) = units(mixed)
    assert isinstance(layer, CrossbarLayer)
    with pytest.raises(NotNativeError, match=r"cells and tables are of \[2, 3\] copies"):
        NativeLayer.make(layer, mixed.constants, 0)
