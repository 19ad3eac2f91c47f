"""The generated program in this process."""

import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.executor.numpy.generate import generate_executor
from mapper.executor.numpy.run import load_executor
from mapper.ir.core import IntType
from mapper.ir.evaluate import evaluate
from mapper.ir.windows import Window
from tests.builders import Builder, sense_amp
from tests.small_graphs import dvs_net, one_layer, random_spikes, random_weights


def executor_of(graph):
    return load_executor(generate_executor(graph), graph.constants)


def test_progress_counts_finished_steps():
    seen = []
    executor_of(one_layer(3, 2)).run({"x": random_spikes(4, 1, 3)}, progress=seen.append)
    assert seen == [1, 2, 3, 4]


def test_what_does_not_fit_is_a_diagnostic():
    executor = executor_of(one_layer(3, 2))
    with pytest.raises(MappingError, match=r"error\[input-range\]: 'x' is 2 at time step 0"):
        executor.run({"x": np.full((1, 1, 3), 2)})
    with pytest.raises(MappingError, match=r"error\[input-name\]: no state is named 'v'"):
        executor.run({"x": np.zeros((1, 1, 3))}, {"v": np.zeros(3)})


def test_runs_do_not_influence_each_other():
    graph = dvs_net(size=8, channels=2)
    executor = executor_of(graph)
    inputs = {"events": random_spikes(3, 1, 2, 8, 8, density=0.6)}
    kept = inputs["events"].copy()
    first, second = executor.run(inputs), executor.run(inputs)
    assert np.array_equal(first["out.v.next"], second["out.v.next"])
    assert np.array_equal(inputs["events"], kept)


def test_given_states_are_not_written_to():
    executor = executor_of(dvs_net(size=8, channels=2))
    start = np.zeros((1, 5), np.int64)
    executor.run({"events": random_spikes(2, 1, 2, 8, 8)}, {"out.v": start})
    assert not start.any()


def test_one_spike_in_the_middle_drives_nine_windows_and_one_in_the_corner_four():
    net = Builder()
    x = net.input("x", (1, 5, 5))
    window = Window(kernel=(3, 3), padding=(1, 1, 1, 1))
    net.output(net.crossbars(x, random_weights(9, 2), sense_amp(1), window=window, name="conv"))
    spikes = np.zeros((1, 2, 1, 5, 5), np.int64)
    spikes[0, 0, 0, 2, 2] = 1
    spikes[0, 1, 0, 0, 0] = 1
    traced = executor_of(net.graph()).trace({"x": spikes}).counts
    assert {name: array.shape for name, array in traced.items()} == {
        "x": (1, 2),
        "conv.sum": (1, 2),
        "conv.sum.wordlines": (1, 9),
        "conv.sum.reads": (1, 1),
    }
    assert traced["x"].tolist() == [[1, 1]]
    assert traced["conv.sum"].tolist() == [[9, 4]]
    # each wordline once for the middle; the four of the lower right quarter for the corner
    assert traced["conv.sum.wordlines"].tolist() == [[2, 2, 1, 2, 2, 1, 1, 1, 1]]
    assert traced["conv.sum.reads"].tolist() == [[9 + 4]]  # of 2 x 25 positions


def test_codes_drive_a_wordline_once_for_each_bit_that_is_set():
    net = Builder()
    x = net.input("x", (3,), IntType(3, signed=True))
    net.output(net.crossbars(x, random_weights(3, 2), sense_amp(1), name="fc"))
    traced = executor_of(net.graph()).trace({"x": np.array([[[3, -1, 0]]])}).counts
    assert traced["fc.sum.wordlines"].tolist() == [[2, 3, 0]]  # 011, 111, 000
    assert traced["x"].tolist() == [[2]]


def test_tracing_changes_no_output_and_counts_spikes():
    graph = dvs_net(size=8, channels=2)
    inputs = {"events": random_spikes(3, 2, 2, 8, 8)}
    executor = executor_of(graph)
    ran = executor.trace(inputs)
    outputs, traced = ran.outputs, ran.counts
    expected = evaluate(graph, inputs, watch=["lif1", "lif2"])
    assert np.array_equal(outputs["out.v.next"], expected["out.v.next"])
    for name in ("lif1", "lif2"):
        assert traced[name].tolist() == expected[name].sum(axis=(2, 3, 4)).tolist()
    assert traced["conv2.sum"].sum() == traced["conv2.sum.wordlines"].sum()
