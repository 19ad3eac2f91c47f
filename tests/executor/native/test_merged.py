"""Counters of bit-slices that make a code, added as bits before they become numbers."""

import numpy as np
import pytest

from mapper.executor.native import NativeExecutor, cells
from mapper.executor.native.steps import LayerStep
from mapper.kernels.core import unavailable
from passes import MergeSums
from targets import load_target
from tests.builders import encoding, sense_amp
from tests.executor.native.test_sizes import agrees, every_variant, layer
from tests.small_graphs import random_spikes

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable())

SCALES = {
    "one": 1,
    "of the layer": 137,
    "of 32 bits": 1 << 20,
    "of outputs": lambda outputs: np.arange(1, outputs + 1)[None],
    "of row blocks": lambda outputs: np.array([[3], [-2], [5], [3]]),
}


def merged(graph):
    return MergeSums().run(graph, load_target("adcless-64"))


def is_merged(executor: NativeExecutor) -> bool:
    steps = [step for step in executor.plan.steps if isinstance(step, LayerStep)]
    (held,) = {phase.numbers["merged"] for step in steps for phase in step.layer.phases}
    return bool(held)


@pytest.mark.campaign(48)
@every_variant
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("outputs", [3, 16, 33, 64, 70, 130, 300])
def test_outputs_that_fill_no_vectors(level, outputs, scale, monkeypatch):
    monkeypatch.setattr(cells, "_MERGING_PAYS", 3)  # with every kernel
    factor = SCALES[scale](outputs) if callable(SCALES[scale]) else SCALES[scale]
    graph = layer(5, outputs, 12, "offset-binary", sense_amp(2), scale=factor, shift=1)
    inputs = {"x": random_spikes(2, 1, 5, 5, 7, density=0.4)}
    assert is_merged(agrees(merged(graph), inputs, level))
    assert not is_merged(agrees(graph, inputs, level))


@every_variant
@pytest.mark.parametrize("rows", [1, 4, 45])  # one row block, or counters of 4 and 6 bits
@pytest.mark.parametrize("density", [0.0, 1.0])
def test_counters_of_any_depth(level, rows, density, monkeypatch):
    monkeypatch.setattr(cells, "_MERGING_PAYS", 3)
    for read in (sense_amp(0, half_active=True), sense_amp(1, (0, 1))):
        graph = merged(layer(5, 40, rows, "offset-binary", read, scale=11))
        assert is_merged(agrees(graph, {"x": random_spikes(2, 1, 5, 5, 7, density=density)}, level))


@every_variant
def test_codes_of_more_bits_and_groups(level, monkeypatch):
    monkeypatch.setattr(cells, "_MERGING_PAYS", 3)
    read = sense_amp((1, 3, 6), (0, 1, 2, 3))
    own = encoding("offset-binary", 4, 2)
    graph = merged(layer(6, 36, 12, read=read, encoding=own, groups=2, scale=5))
    assert is_merged(agrees(graph, {"x": random_spikes(2, 1, 6, 5, 7, density=0.5)}, level))


@every_variant
def test_a_sign_is_added_as_a_slice_of_its_own(level, monkeypatch):
    monkeypatch.setattr(cells, "_MERGING_PAYS", 3)
    graph = merged(layer(5, 40, 12, "twos-complement", sense_amp(1)))
    assert not is_merged(agrees(graph, {"x": random_spikes(2, 1, 5, 5, 7)}, level))


@every_variant
def test_bits_are_merged_where_numbers_take_a_comparison_for_each(level):
    graph = merged(layer(5, 40, 12, "offset-binary", sense_amp(2)))
    found = agrees(graph, {"x": random_spikes(2, 1, 5, 5, 7)}, level)
    assert is_merged(found) == (level < 2)  # AVX-512 has masks
