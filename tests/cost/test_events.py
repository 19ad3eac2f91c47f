"""Driven wordlines and cells: against counting one by one, and against what bitlines sum up."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mapper.cost import count_layers
from mapper.ir.core import Array, Graph, IntType, Span, Value
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.encoding import Encoding
from mapper.ir.evaluate import evaluate
from mapper.ir.windows import Window
from tests.campaigns import examples
from tests.cost.networks import (
    DIFFERENTIAL_3,
    OFFSET_4,
    activity_of,
    crossbar,
    layer,
    network,
    one_by_one,
    random_codes,
    small_target,
    without_updates,
)


@st.composite
def random_layers(draw: st.DrawFn) -> tuple[Graph, Array]:
    kind = draw(st.sampled_from(["twos-complement", "offset-binary", "differential"]))
    encoding = Encoding(
        kind=kind, weight_bits=draw(st.integers(2, 5)), cell_bits=draw(st.sampled_from([1, 2]))
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups, channels, outputs = (draw(st.integers(1, 2)) for _ in range(3))
    x_type = IntType(draw(st.integers(1, 3)), signed=False)
    if draw(st.booleans()):
        window = Window(
            kernel=(draw(st.integers(1, 3)), 2),
            stride=(1, draw(st.integers(1, 2))),
            padding=(draw(st.integers(0, 1)), 0, 1, draw(st.integers(0, 2))),
            dilation=(1, draw(st.integers(1, 2))),
            stuffing=(draw(st.integers(1, 2)), 1),
        )
        wordlines = window.kernel[0] * 2 * channels
        x = Value("x", x_type, (groups * channels, 4, 4))
    else:
        window, wordlines = None, draw(st.integers(1, 7))
        x = Value("x", x_type, (groups * wordlines,))
    shape = (wordlines, groups * outputs)
    weight = rng.integers(encoding.weight_min, encoding.weight_max + 1, shape)
    rows = Span(0, wordlines).split(draw(st.integers(1, 5)))
    each = draw(st.integers(1, outputs))
    columns = [
        span
        for group in range(groups)
        for span in Span(group * outputs, (group + 1) * outputs).split(each)
    ]
    mvm = crossbar(x, weight, encoding, rows, columns, window, groups)
    graph = network(layer(mvm)[0], {"fc.weight": weight}, x)
    return graph, random_codes(rng, x, steps=2, batch=2)


@settings(max_examples=examples(60), deadline=None)
@given(case=random_layers())
def test_measured_events_equal_those_counted_one_by_one(case: tuple[Graph, Array]):
    graph, inputs = case
    activity = activity_of(graph, inputs)
    assert without_updates(activity.events) == tuple(one_by_one(graph, inputs))
    assert (activity.steps, activity.samples) == (2, 2)


@settings(max_examples=examples(60), deadline=None)
@given(case=random_layers())
def test_counts_equal_the_sizes_of_what_evaluate_computes(case: tuple[Graph, Array]):
    graph, inputs = case
    (op,) = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
    (counted,) = count_layers(graph, small_target())
    run = evaluate(graph, {"x": inputs}, watch=("fc.sum", "fc.codes", "fc.y", "fc.spike"))
    runs = inputs.shape[0] * inputs.shape[1]
    planes, blocks, slices, outputs = op.partial_sum.shape[:4]
    assert counted.work.conversions * runs == run["fc.codes"].size
    assert counted.work.membrane_updates * runs == run["fc.spike"].size
    assert counted.work.accumulations * runs == run["fc.y"].size * planes * (blocks - 1)
    reads = run["fc.sum"].size // (slices * outputs) * len(op.columns)
    assert counted.work.crossbar_reads * runs == reads


@settings(max_examples=examples(60), deadline=None)
@given(case=random_layers())
def test_every_input_bit_set_gives_the_full_events(case: tuple[Graph, Array]):
    graph, _ = case
    (counted,) = count_layers(graph, small_target())
    value = graph.inputs[0]
    assert isinstance(value.type, IntType)
    activity = activity_of(graph, np.full((1, 1, *value.shape), value.type.max))
    assert without_updates(activity.events) == without_updates([counted.full])


def test_levels_are_what_the_bitlines_sum_up():
    rng = np.random.default_rng(7)
    x = Value("x", IntType(2, signed=False), (2, 5, 4))
    window = Window(kernel=(3, 3), stride=(2, 1), padding=(1, 0, 1, 2))
    weight = rng.integers(-8, 8, (18, 5))
    mvm = crossbar(x, weight, OFFSET_4, Span(0, 18).split(8), Span(0, 5).split(3), window=window)
    graph = network(layer(mvm)[0], {"fc.weight": weight}, x)
    inputs = random_codes(rng, x, steps=3, batch=2)
    sums = evaluate(graph, {"x": inputs}, watch=("fc.sum",))["fc.sum"]
    assert activity_of(graph, inputs).events[0].levels == sums.sum()


def test_negative_codes_drive_their_twos_complement_bits():
    x = Value("x", IntType(3, signed=True), (1,))
    weight = np.array([[1]])
    mvm = crossbar(x, weight, DIFFERENTIAL_3, [Span(0, 1)], [Span(0, 1)])
    graph = network(layer(mvm)[0], {"fc.weight": weight}, x)
    (events,) = activity_of(graph, np.array([[[-3]], [[3]]])).events
    assert events.wordlines == 2 + 2  # 101 and 011
