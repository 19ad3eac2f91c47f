"""A ring that cannot fail proves nothing: faults are planted, and must be found and located."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest

from mapper.build.make import make_build
from mapper.build.model import Build
from mapper.diagnostics import MappingError
from mapper.executor.base import Engine
from mapper.executor.engine import ENGINES
from mapper.frontend import import_model
from mapper.ir.core import Array, Graph
from mapper.ir.evaluate import evaluate
from mapper.ir.readout import SenseAmpRead
from mapper.recordings import read_arrays
from mapper.verify import rings
from mapper.verify.answers import agreement, classes, score, wanted_classes
from mapper.verify.build import rerun_passes, verify_build
from mapper.verify.model import verify_model
from mapper.verify.outputs import compare, compare_finite
from targets import load_target
from tests.files import DEMO_MODEL, DEMO_RECORDING


@pytest.fixture(scope="module")
def build() -> Build:
    made = make_build(
        import_model(DEMO_MODEL), load_target("adcless-diff-64"), None, None, source={}
    )
    assert made is not None
    return made


@pytest.fixture(scope="module")
def codes() -> dict[str, Array]:
    return {"x": read_arrays(DEMO_RECORDING)["x"][:6, :2].astype(np.int64)}


def with_fault(graph: Graph, layer: int, block: int, slice: int, column: int) -> Graph:
    """Return the graph with one reference of one sense amplifier out of reach.

    Where nothing is active a reference of 0 or less is reached, one of 1 or more is not: the
    fault turns that around.
    """
    reads = [op for op in graph.ops if isinstance(op, SenseAmpRead)]
    name = reads[layer].thresholds.name
    wrong = graph.constants[name].astype(np.int64).copy()
    wrong[0, block, slice, column] = 1000 if wrong[0, block, slice, column] <= 0 else -1000
    return replace(graph, constants={**graph.constants, name: wrong})


@dataclass(frozen=True)
class Faulty:
    """An engine with something done to the graph before, or to the results after."""

    before: Callable[[Graph], Graph] = lambda graph: graph
    after: Callable[[Array], Array] = lambda array: array
    base: Engine = ENGINES["numpy"]
    name: str = "faulty"

    def unavailable(self) -> str:
        return ""

    def prepare(self, graph: Graph, **options) -> "Prepared":
        return Prepared(self.base.prepare(self.before(graph)), self.after)


@dataclass(frozen=True)
class Prepared:
    sound: object
    after: Callable[[Array], Array]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return {name: self.after(array) for name, array in self.sound.run(inputs).items()}


@pytest.mark.parametrize("engine", ["numpy", "native", "onnx"])
@pytest.mark.parametrize("place", [(0, 0, 2, 5), (1, 1, 0, 7), (2, 3, 1, 4)])
def test_one_wrong_reference_is_found_down_to_the_column(build, codes, engine, place):
    layer, block, slice, column = place
    faulty = Faulty(before=lambda graph: with_fault(graph, *place), base=ENGINES[engine])
    found = rings.locate(build.hardware, codes, faulty)
    assert found is not None
    assert (found.row_block, found.slice, found.column) == (block, slice, column)
    assert {found.found, found.expected} == {1, -1}
    reads = [op for op in build.hardware.ops if isinstance(op, SenseAmpRead)]
    assert found.layer == reads[layer].result.name
    assert found.step == 0


@pytest.mark.parametrize("engine", rings.ENGINE_RINGS)
def test_a_mismatch_makes_the_ring_and_the_verification_fail(build, codes, engine, monkeypatch):
    faulty = Faulty(before=lambda graph: with_fault(graph, 2, 0, 2, 0), base=ENGINES[engine])
    (ring,), _ = rings.engine_rings(build.hardware, codes, {"4": faulty}, ())
    assert ring.status == "mismatch"
    assert ring.max_abs_diff > 0
    monkeypatch.setitem(ENGINES, engine, faulty)
    checked = verify_build(build, codes, codes)
    wrong = [ring.name for ring in checked.rings if ring.status == "mismatch"]
    assert wrong == [rings.ENGINE_RINGS[engine]]
    assert not checked.bit_exact


def test_a_result_of_another_shape_is_told_with_both_shapes(build, codes):
    faulty = Faulty(after=lambda array: array[..., None])
    (ring,), _ = rings.engine_rings(build.hardware, codes, {"4": faulty}, ())
    assert (ring.status, ring.max_abs_diff) == ("mismatch", float("inf"))
    read = next(op.result for op in build.hardware.ops if isinstance(op, SenseAmpRead))
    shape = evaluate(build.hardware, codes, watch=[read.name])[read.name].shape
    assert ring.first_mismatch is not None
    assert ring.first_mismatch.layer == read.name
    assert ring.first_mismatch.found == f"shape {[*shape, 1]}"
    assert ring.first_mismatch.expected == f"shape {list(shape)}"


def test_a_sound_build_is_equal_on_every_ring_that_runs(build, codes):
    checked = verify_build(build, codes, codes)
    assert checked.bit_exact
    assert {ring.status for ring in checked.rings} == {"equal", "skipped", "measured"}


def test_a_pass_that_changes_bits_is_named(build, codes):
    stages = rerun_passes(build)
    names = [name for name, _, _ in stages]
    broken = replace(stages[-1][2], constants={**stages[-1][2].constants, **silenced(stages)})
    at = names.index("replicate")
    stages[at:] = [(name, exact, broken) for name, exact, _ in stages[at:]]
    ring = rings.passes_ring("2", stages, codes, broken)
    assert (ring.status, ring.reason) == ("mismatch", "pass 'replicate' changed bits")


def silenced(stages: list[tuple[str, bool, Graph]]) -> dict[str, Array]:
    """Thresholds of the last layer that no membrane reaches: outputs go silent."""
    graph = stages[-1][2]
    name = next(n for n in reversed(sorted(graph.constants)) if n.startswith("spk.threshold"))
    return {name: np.full_like(graph.constants[name], 30_000)}


def test_a_mapping_that_the_passes_do_not_give_is_a_mismatch(build, codes):
    ring = rings.passes_ring(
        "2", rerun_passes(build), codes, with_fault(build.hardware, 0, 0, 0, 0)
    )
    assert (ring.status, ring.reason) == ("mismatch", "the passes give another mapping")


def test_the_costliest_inexact_pass_is_named(build, codes):
    checked = verify_build(build, codes, codes)
    assert checked.rings[-1].reason.startswith("'lower-readout' costs most")
    falls = [item.spike_agreement for item in checked.inexact]
    assert falls[-1] == checked.spike_agreement < falls[0] == 1.0


@pytest.mark.parametrize("elements", [1, 30_000, 1 << 24])
def test_the_definition_does_not_depend_on_how_samples_are_grouped(build, elements, monkeypatch):
    """One, two, and all nine samples at a time; the largest value has 12,288 elements."""
    monkeypatch.setattr(rings, "_ELEMENTS", elements)
    many = {"x": read_arrays(DEMO_RECORDING)["x"][:2, :9].astype(np.int64)}
    whole, parts = evaluate(build.hardware, many), rings.define(build.hardware, many)
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)


def test_classes_are_the_greatest_sums_over_time():
    """Two steps, two samples: sums (1, 2) and (2, 0)."""
    output = np.array([[[0, 1], [1, 0]], [[1, 1], [1, 0]]])
    assert classes(output).tolist() == [1, 0]
    assert score(output, np.array([1, 1])).share == 0.5


def test_wanted_classes_come_from_labels_or_reference_outputs():
    reference = {"expected_s": np.array([[[0, 1]]])}
    assert wanted_classes(reference, "s", 1, 4, "x").tolist() == [1]
    assert wanted_classes({"labels": np.array([3])} | reference, "s", 1, 4, "x").tolist() == [3]
    assert wanted_classes({}, "s", 1, 4, "x") is None


@pytest.mark.parametrize("label", [-1, 4, 0.5, 10**18, 1e30, np.uint64(2**64 - 1)])
def test_labels_that_are_no_class_of_the_output_are_refused(label):
    with pytest.raises(MappingError) as caught:
        wanted_classes({"labels": np.array([0, label, 3])}, "s", 3, 4, "x.npz")
    (found,) = caught.value.diagnostics
    assert (found.code, found.loc) == ("input-range", "x.npz")
    assert found.message.startswith("sample 1 has the label ")
    assert found.message.endswith("the output has 4 classes, from 0 to 3")


def test_agreement_counts_all_elements_alike():
    """One of two equal, three of three: four of five."""
    found = {"a": np.array([0, 1]), "b": np.array([1, 1, 1])}
    expected = {"a": np.array([0, 0]), "b": np.array([1, 1, 1])}
    assert agreement(found, expected, ["a", "b"]) == 0.8


def test_an_overflow_is_equal_to_the_same_overflow_only():
    """NaN compares as unequal with everything, so a tolerance alone is no question to ask."""
    inf, nan = np.inf, np.nan
    assert rings.difference(np.array([inf, nan, 1.0]), np.array([inf, nan, 1.0])) == 0.0
    assert rings.difference(np.array([nan]), np.array([1.0])) == inf
    assert rings.difference(np.array([inf]), np.array([-inf])) == inf
    graph = import_model(DEMO_MODEL).graph
    found = {v.name: np.full((1, 1, *v.shape), 1.0) for v in graph.outputs}
    found |= {s.output: np.full((1, 1, *s.read.shape), 1.0) for s in graph.states if s.output}
    types = {v.name: v.type for v in graph.outputs}
    types |= {s.output: s.read.type for s in graph.states if s.output}
    state = next(s.output for s in graph.states if s.output)
    assert compare("ring", types, found, found).status == "equal"
    for wrong in (nan, inf):
        other = {**found, state: np.full_like(found[state], wrong)}
        for mine, theirs in ((other, found), (found, other)):
            ring = compare("ring", types, mine, theirs)
            assert ring.status == "mismatch"
            json.dumps(ring.as_dict(), allow_nan=False)
        assert compare("ring", types, other, other).status == "equal"


def test_an_initial_state_has_the_shape_of_its_neuron(tmp_path):
    recording = dict(read_arrays(DEMO_RECORDING))
    x = {"x": recording["x"][:2, :2]}
    state = import_model(DEMO_MODEL).graph.states[0].read
    start = np.zeros((2, *state.shape), np.float32)
    for given in (start, start[:1], start[0]):
        assert verify_model(DEMO_MODEL, {**x, state.name: given}, "x.npz").bit_exact
    with pytest.raises(MappingError, match="the initial state"):
        verify_model(DEMO_MODEL, {**x, state.name: start[None]}, "x.npz")


def test_a_model_is_compared_until_its_own_numbers_overflow():
    graph = import_model(DEMO_MODEL).graph
    found = {v.name: np.ones((3, 1, *v.shape)) for v in graph.outputs}
    found |= {s.output: np.ones((3, 1, *s.read.shape)) for s in graph.states if s.output}
    types = {v.name: v.type for v in graph.outputs}
    types |= {s.output: s.read.type for s in graph.states if s.output}
    state = next(s.output for s in graph.states if s.output)
    expected = {**found, state: found[state].copy()}
    expected[state][1:] = np.inf
    ring = compare_finite(types, found, expected)
    assert (ring.status, ring.reason[:20]) == ("equal", "1 of 3 time steps; t")
    expected[state][0] = 2.0
    assert compare_finite(types, found, expected).status == "mismatch"
    expected[state][0] = np.nan
    assert compare_finite(types, found, expected).status == "skipped"
