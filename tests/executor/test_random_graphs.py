"""The generated code computes what the definition computes, on random graphs."""

from dataclasses import replace
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapper.executor.numpy.generate import generate_executor
from mapper.executor.numpy.run import load_executor
from mapper.executor.onnx.lowered import to_lowered_onnx
from mapper.executor.onnx.run import run_lowered
from mapper.ir import bounds
from mapper.ir.core import Graph
from mapper.ir.evaluate import defined_values, evaluate
from tests.campaigns import examples
from tests.engines import assert_same_bits
from tests.strategies import Case, cases

thorough = settings(
    max_examples=examples(80), deadline=None, suppress_health_check=list(HealthCheck)
)


@thorough
@given(cases())
def test_executor_equals_the_definition(case: Case):
    executor = load_executor(generate_executor(case.graph), case.graph.constants)
    expected = evaluate(case.graph, case.inputs, case.initial)
    assert_same_bits(executor.run(case.inputs, case.initial), expected)


@thorough
@given(cases(), st.integers(1, 7))
def test_small_tiles_and_cells_made_on_the_fly_change_nothing(case: Case, positions: int):
    with (
        patch.object(bounds, "MOST_POSITIONS", positions),
        patch("mapper.executor.numpy.generate.Budget", lambda: NO_MEMORY),
        patch("mapper.executor.numpy.grids.DIGITAL_ROWS", 5),
    ):
        source = generate_executor(case.graph)
    executor = load_executor(source, case.graph.constants)
    expected = evaluate(case.graph, case.inputs, case.initial)
    assert_same_bits(executor.run(case.inputs, case.initial), expected)


class NO_MEMORY:  # noqa: N801
    take = staticmethod(lambda size: False)


@thorough
@given(cases(), st.data())
def test_any_value_can_be_watched(case: Case, data: st.DataObject):
    watch = data.draw(st.lists(st.sampled_from(value_names(case.graph)), unique=True, min_size=1))
    source = generate_executor(case.graph, watch=watch)
    executor = load_executor(source, case.graph.constants)
    expected = evaluate(case.graph, case.inputs, case.initial, watch)
    assert_same_bits(executor.run(case.inputs, case.initial), expected)


def value_names(graph: Graph) -> list[str]:
    return [value.name for value in defined_values(graph)]


@thorough
@given(cases())
def test_lowered_model_equals_the_executor(case: Case):
    executor = load_executor(generate_executor(case.graph), case.graph.constants)
    found = run_lowered(to_lowered_onnx(case.graph), case.inputs, case.initial)
    assert_same_bits(found, executor.run(case.inputs, case.initial))


@thorough
@given(cases(), st.data())
def test_a_lowered_model_may_return_partial_sums_and_codes(case: Case, data: st.DataObject):
    names = [name for op in case.graph.ops for name in (v.name for v in op.results)]
    watch = data.draw(st.lists(st.sampled_from(names), unique=True, min_size=1))
    values = {value.name: value for value in defined_values(case.graph)}
    graph = replace(case.graph, outputs=tuple(values[name] for name in watch))
    expected = evaluate(graph, case.inputs, case.initial)
    assert_same_bits(run_lowered(to_lowered_onnx(graph), case.inputs, case.initial), expected)
