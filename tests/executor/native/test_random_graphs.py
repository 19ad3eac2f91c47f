"""Ring 5 on random graphs: every variant of the kernels gives the bits of the definition."""

from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapper.executor.native import NativeExecutor, pack
from mapper.ir.evaluate import defined_values, evaluate
from mapper.kernels.core import VARIANTS, supported_levels
from tests.campaigns import examples
from tests.engines import assert_same_bits
from tests.strategies import Case, cases

thorough = settings(
    max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck)
)
cells_at_once = st.sampled_from([1, pack.MOST_CELLS])
"""Row blocks of a large layer are packed some at a time: here one after the other, or all."""
every_variant = pytest.mark.parametrize(
    "level", supported_levels(), ids=[VARIANTS[level] for level in supported_levels()]
)


@every_variant
@thorough
@given(case=cases(), threads=st.integers(1, 3), cells=cells_at_once)
def test_native_equals_the_definition(level: int, case: Case, threads: int, cells: int):
    with patch.object(pack, "MOST_CELLS", cells):
        executor = NativeExecutor(case.graph, level=level, threads=threads)
    expected = evaluate(case.graph, case.inputs, case.initial)
    assert_same_bits(executor.run(case.inputs, case.initial), expected)


@every_variant
@thorough
@given(case=cases(), data=st.data())
def test_any_value_can_be_watched(level: int, case: Case, data: st.DataObject):
    names = [value.name for value in defined_values(case.graph)]
    watch = data.draw(st.lists(st.sampled_from(names), unique=True, min_size=1))
    executor = NativeExecutor(case.graph, watch=watch, level=level, threads=1)
    expected = evaluate(case.graph, case.inputs, case.initial, watch)
    assert_same_bits(executor.run(case.inputs, case.initial), expected)
