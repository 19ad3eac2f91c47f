"""One door to every engine: the same integers, counts and refusals, whichever one runs."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapper.diagnostics import MappingError
from mapper.executor import engine
from mapper.executor.engine import BACKENDS, ENGINES
from mapper.executor.ports import Port, Refusal, checked_inputs
from mapper.ir.core import SPIKE, Graph, IntType, Value
from mapper.ir.evaluate import defined_values, evaluate
from mapper.verify.rings import ENGINE_RINGS
from tests.builders import Builder, sense_amp
from tests.campaigns import examples
from tests.engines import AVAILABLE, assert_same_bits, assert_same_counts
from tests.small_graphs import dvs_net, one_layer, random_spikes, random_weights
from tests.strategies import Case, cases

thorough = settings(
    max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck)
)
on_every_engine = pytest.mark.parametrize("name", AVAILABLE)


def test_engines_are_known_by_their_names():
    assert {name: one.name for name, one in ENGINES.items()} == {name: name for name in ENGINES}
    assert set(BACKENDS) < set(ENGINES)


def test_every_engine_but_the_definition_has_a_ring():
    assert ENGINES.keys() - {"definition"} == ENGINE_RINGS.keys()


@on_every_engine
@thorough
@given(case=cases(), data=st.data())
def test_every_engine_runs_from_given_states_and_returns_what_is_watched(
    name: str, case: Case, data: st.DataObject
):
    values = [value.name for value in defined_values(case.graph)]
    watch = data.draw(st.lists(st.sampled_from(values), unique=True))
    ran = engine.run(case.graph, case.inputs, name, initial=case.initial, watch=watch)
    assert_same_bits(ran.outputs, evaluate(case.graph, case.inputs, case.initial, watch))
    assert ran.engine == name


@on_every_engine
@thorough
@given(case=cases())
def test_every_engine_counts_the_same(name: str, case: Case):
    defined = ENGINES["definition"].prepare(case.graph).trace(case.inputs, case.initial)
    found = ENGINES[name].prepare(case.graph).trace(case.inputs, case.initial)
    assert_same_bits(found.outputs, defined.outputs)
    assert_same_counts(found.counts, defined.counts)


@on_every_engine
def test_counts_by_hand(name):
    """Three inputs, two of them on; weights of one bit on crossbars of two wordlines."""
    net = Builder()
    x = net.input("x", (3,))
    net.output(net.crossbars(x, random_weights(3, 2), sense_amp(1), name="fc", wordlines=2))
    counts = engine.run(net.graph(), {"x": np.array([[[1, 0, 1]]])}, name, trace=True).counts
    assert {name: array.tolist() for name, array in counts.items()} == {
        "x": [[2]],
        "fc.sum": [[2]],
        "fc.sum.wordlines": [[1, 0, 1]],
        "fc.sum.reads": [[1, 1]],
    }


@on_every_engine
def test_progress_ends_with_the_last_step(name):
    seen: list[int] = []
    inputs = {"x": random_spikes(4, 1, 3)}
    engine.run(one_layer(3, 2), inputs, name, progress=seen.append)
    assert seen[-1] == 4
    assert seen == sorted(seen)


@on_every_engine
def test_one_sample_needs_no_axis_of_its_own(name):
    graph, codes = one_layer(3, 2), random_spikes(4, 1, 3)
    whole = engine.run(graph, {"x": codes}, name).outputs
    assert_same_bits(engine.run(graph, {"x": codes[:, 0]}, name).outputs, whole)


@on_every_engine
@pytest.mark.parametrize(
    ("inputs", "initial", "refusal"),
    [
        ({"x": np.full((1, 1, 3), 2)}, {}, "input-range]: 'x' is 2 at time step 0, [0, 0]"),
        ({"x": np.full((1, 1, 3), 0.5)}, {}, "input-range]: 'x' is 0.5 at time step 0"),
        ({"x": np.zeros((1, 1, 4))}, {}, "input-shape]: 'x' is (1, 1, 4), expected [T, B, 3]"),
        ({"x": np.zeros((0, 1, 3))}, {}, "input-shape]: 'x' is (0, 1, 3): no time steps"),
        ({"x": np.full((1, 1, 3), "1")}, {}, "input-type]: 'x' holds <U1, not numbers"),
        ({}, {}, "input-name]: there is no array for the input 'x'"),
        ({"x": np.zeros((1, 1, 3)), "y": np.zeros(1)}, {}, "input-name]: no input is named 'y'"),
        ({"x": np.zeros((1, 1, 3))}, {"v": np.zeros(3)}, "input-name]: no state is named 'v'"),
    ],
)
def test_every_engine_refuses_the_same_in_the_same_words(name, inputs, initial, refusal):
    with pytest.raises(MappingError) as refused:
        engine.run(one_layer(3, 2), inputs, name, initial=initial)
    assert f"error[{refusal}" in str(refused.value)


@on_every_engine
def test_a_watched_value_has_to_be_there(name):
    with pytest.raises(MappingError, match=r"error\[unknown-value\]: no value .* named 'lif9'"):
        engine.run(one_layer(3, 2), {"x": np.zeros((1, 1, 3))}, name, watch=["lif9"])


@on_every_engine
def test_counts_of_one_name_are_refused(name):
    """An input called as the reads of a crossbar layer: one of the two would be lost."""
    net = Builder()
    y = net.crossbars(net.input("x", (3,)), random_weights(3, 2), sense_amp(1), name="fc")
    net.input("fc.sum.reads", (3,))
    net.output(y)
    inputs = {"x": random_spikes(1, 1, 3), "fc.sum.reads": random_spikes(1, 1, 3)}
    with pytest.raises(MappingError, match=r"error\[unusable-name\]: two arrays would be named"):
        engine.run(net.graph(), inputs, name, trace=True)


def test_the_fastest_engine_that_is_there_runs_if_none_is_named():
    ran = engine.run(one_layer(3, 2), {"x": random_spikes(1, 1, 3)})
    assert ran.engine == next(name for name in BACKENDS if name in AVAILABLE)


def test_an_engine_that_is_not_there_is_refused():
    for ask in (engine.engine_for, engine.chosen_backend):
        with pytest.raises(MappingError, match=r"error\[unknown-backend\].*'fpga'"):
            ask("fpga")
    with pytest.raises(MappingError, match=r"error\[unknown-backend\].*'onnx'"):
        engine.chosen_backend("onnx")  # for verify alone: it has no place on the command line


class Programs:
    """What was generated of a graph; counts how often it is taken."""

    def __init__(self, graph: Graph) -> None:
        self.hardware, self.taken = graph, 0

    @property
    def executor(self) -> str:
        self.taken += 1
        from mapper.executor.numpy.generate import generate_executor

        return generate_executor(self.hardware)

    @property
    def lowered(self) -> bytes:
        self.taken += 1
        from mapper.executor.onnx.lowered import to_lowered_onnx

        return to_lowered_onnx(self.hardware).SerializeToString()


@pytest.mark.parametrize("name", ["numpy", "onnx"])
def test_programs_that_are_there_are_taken_for_their_own_graph_alone(name):
    graph, inputs = dvs_net(size=8, channels=2), {"events": random_spikes(2, 1, 2, 8, 8)}
    there = Programs(graph)
    expected = evaluate(graph, inputs, watch=["lif1"])
    other = replace(graph, outputs=(*graph.outputs, Value("lif1", SPIKE, (2, 8, 8))))
    assert_same_bits(
        engine.run(graph, inputs, name, generated=there).outputs, evaluate(graph, inputs)
    )
    assert there.taken == 1
    for found in (
        engine.run(graph, inputs, name, watch=["lif1"], generated=there),
        engine.run(other, inputs, name, generated=there),
    ):
        assert np.array_equal(found.outputs["lif1"], expected["lif1"])
    assert there.taken == 1


def test_ports_take_numbers_of_any_type_that_are_codes():
    port = Port("x", (2,), -4, 3)
    for kind in (np.int8, np.float16, np.float64):
        codes = np.array([[[-4, 3]]], kind)
        assert checked_inputs((port,), {"x": codes})["x"] is not None
    with pytest.raises(Refusal, match="expected integers from -4 to 3"):
        checked_inputs((port,), {"x": np.array([[[np.nan, 0]]])})


@on_every_engine
def test_wide_codes_are_exact(name):
    """36 bits: more than single precision holds, and more than 32-bit integers do."""
    net = Builder()
    x = net.input("x", (2,), IntType(37, signed=True))
    net.output(
        net.integer_neurons(x, membrane=IntType(40, signed=True), threshold=1 << 35, name="lif")
    )
    codes = np.array([[[(1 << 35) - 1, 1 << 35]]])
    (spikes,) = engine.run(net.graph(), {"x": codes}, name).outputs.values()
    assert spikes.tolist() == [[[0, 1]]]
