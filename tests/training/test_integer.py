"""Ops between layers in torch: equal to the definition, element by element."""

import numpy as np
import pytest
import torch

from mapper.diagnostics import MappingError
from mapper.executor.engine import ENGINES
from mapper.ir.core import FLOAT, Graph, IntType, Value
from mapper.ir.evaluate import evaluate
from mapper.ir.network import Scale
from mapper.ir.windows import Window
from mapper.kernels import core
from mapper.training.hardening.integer import TorchEngine, engine_on
from tests.builders import Builder
from tests.engines import assert_same_bits, assert_same_counts
from tests.passes.test_merge_sums import READS, SCALES, merged, network
from tests.small_graphs import dvs_net, random_spikes
from tests.strategies import codes

ON_CPU = TorchEngine(torch.device("cpu"))
HALF = Window(kernel=(2, 2), stride=(2, 1), padding=(1, 0, 0, 1))
BETWEEN = {
    "transposed": lambda net, x: net.transpose(x, (2, 0, 1)),
    "in another order": lambda net, x: net.take(x, (2, 0, 0), axis=2),
    "reshaped": lambda net, x: net.reshape(x, (6, 4)),
    "side by side": lambda net, x: net.concat(x, net.take(x, (1, 0))),
    "the greatest": lambda net, x: net.max_pool2d(x, HALF),
    "summed in windows": lambda net, x: net.sum_pool2d(x, HALF),
    "added": lambda net, x: net.sum(x, net.take(x, (1, 0))),
    "added to scale": lambda net, x: net.scaled_add([x, net.take(x, (1, 0))], [3, -2], shift=1),
}


def one_step(build) -> Graph:
    net = Builder()
    net.output(build(net, net.input("x", (2, 3, 4), IntType(4, signed=True))))
    return net.graph()


@pytest.mark.parametrize("build", BETWEEN.values(), ids=BETWEEN)
def test_torch_computes_what_the_definition_says(build):
    graph = one_step(build)
    codes = np.random.default_rng(0).integers(-8, 8, (2, 3, 2, 3, 4))
    assert_same_bits(ON_CPU.prepare(graph).run({"x": codes}), evaluate(graph, {"x": codes}))


def test_an_op_of_real_numbers_is_no_part_of_it():
    x, y = Value("x", IntType(2, signed=True), (2,)), Value("y", FLOAT, (2,))
    graph = Graph(name="g", inputs=(x,), outputs=(y,), ops=(Scale(x=x, factor=2.0, result=y),))
    with pytest.raises(TypeError, match=r"net\.scale is not part of trained networks"):
        ON_CPU.prepare(graph).run({"x": np.zeros((1, 1, 2))})


def test_what_is_inside_a_crossbar_layer_cannot_be_watched():
    """Sums and codes of a layer are there in chunks only, as large as memory allows."""
    graph = dvs_net(size=8, channels=2)
    inputs = {"events": random_spikes(2, 1, 2, 8, 8)}
    shown = ON_CPU.prepare(graph, watch=["lif1"]).run(inputs)
    assert_same_bits(shown, evaluate(graph, inputs, watch=["lif1"]))
    with pytest.raises(TypeError, match="inside a crossbar layer"):
        ON_CPU.prepare(graph, watch=["conv1.sum"])


def test_torch_traces_what_the_definition_counts():
    graph = dvs_net(size=8, channels=2)
    inputs = {"events": random_spikes(3, 2, 2, 8, 8, density=0.4)}
    start = {"lif1.v": np.full((2, 2, 8, 8), 3)}
    expected = ENGINES["definition"].prepare(graph).trace(inputs, start)
    seen: list[int] = []
    found = ON_CPU.prepare(graph).trace(inputs, start, seen.append)
    assert_same_bits(found.outputs, expected.outputs)
    assert_same_counts(found.counts, expected.counts)
    assert seen == [1, 2, 3]


def test_torch_refuses_what_every_engine_refuses():
    graph = dvs_net(size=8, channels=2)
    with pytest.raises(MappingError, match=r"error\[input-range\]: 'events' is 2 at time step 0"):
        ON_CPU.prepare(graph).run({"events": np.full((1, 1, 2, 8, 8), 2)})


def test_trained_networks_are_evaluated_by_kernels_on_a_cpu_and_by_torch_elsewhere(monkeypatch):
    cpu, other = torch.device("cpu"), torch.device("meta")
    assert isinstance(engine_on(other), TorchEngine)
    monkeypatch.setattr(core, "_REASON", "")
    assert engine_on(cpu) is ENGINES["native"]
    monkeypatch.setattr(core, "_REASON", "the native kernels were not built (no compiler)")
    assert engine_on(cpu) == TorchEngine(cpu)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("read", ["plus and minus", "half-active"])
def test_merged_sums_are_the_same_integers(read, scale):
    graph = network(READS[read], "offset-binary", scale=SCALES[scale], bits=3, shift=2)
    rng = np.random.default_rng(0)
    inputs = {value.name: codes(rng, value, 2, 2) for value in graph.inputs}
    found = ON_CPU.prepare(merged(graph)).run(inputs)
    assert_same_bits(found, ENGINES["definition"].prepare(graph).run(inputs, None))
