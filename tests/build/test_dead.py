"""A build that is calibrated says which of its layers, and of the trained network, are dead."""

from dataclasses import replace

import numpy as np
import pytest

import mapper
from mapper.build import make
from mapper.ir.firing import firing_along
from tests.files import DEMO_MODEL
from tests.networks import NetworkBuilder

X = (np.random.default_rng(0).random((6, 5, 8)) < 0.5).astype(np.float32)


def network(threshold):
    """Three layers, whose second fires at a threshold."""
    net = NetworkBuilder(1)
    s = net.neuron(net.dense(net.entry(8), 12))
    s = net.neuron(net.dense(s, 12), threshold=threshold)
    return net.graph(net.neuron(net.dense(s, 4)))


@pytest.fixture
def compiled(monkeypatch):
    """Return a function that compiles a network, and how many samples it was looked at on."""
    known, looks = mapper.import_model(DEMO_MODEL), []

    def looked(graph, inputs):
        looks.append(inputs["x0"].shape[1])
        return firing_along(graph, inputs)

    monkeypatch.setattr(make, "firing_along", looked)

    def run(graph):
        imported = replace(known, graph=graph, warnings=())
        return mapper.compile(imported, "ideal-128", calibrate={"x0": X}).warnings, looks

    return run


def test_a_live_network_is_looked_at_on_two_samples_and_nothing_is_said(compiled):
    assert compiled(network(0.6)) == ((), [2])


def test_a_dead_network_is_looked_at_on_all_samples_and_told_from_its_mapping(compiled):
    warnings, looks = compiled(network(1000.0))
    assert looks == [2, 5]
    told = "fc2 on (2 of 3 layers never fire on the recordings), so its outputs do not depend"
    assert [text.partition(":")[0] for text in warnings] == ["the trained network", "the mapping"]
    assert [told in text for text in warnings] == [True, True], warnings
