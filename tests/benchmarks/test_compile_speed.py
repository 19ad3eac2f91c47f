"""``benchmarks/compile_speed.py``: what its files hold, and that processes are measured."""

import sys

import pytest

from benchmarks.compile_speed import convolutions, lines, usage
from benchmarks.same_results import ROOT
from mapper.frontend import import_model
from mapper.ir.neurons import Neuron, Reset
from mapper.ir.synapses import Conv2d


def test_each_convolution_is_read_with_its_integrate_and_fire_neuron(tmp_path):
    (tmp_path / "two.onnx").write_bytes(convolutions(2).SerializeToString())
    graph = import_model(tmp_path / "two.onnx").graph
    convs = [op for op in graph.ops if isinstance(op, Conv2d)]
    neurons = [op for op in graph.ops if isinstance(op, Neuron)]
    assert len(convs) == len(neurons) == 2
    assert len(graph.states) == 2
    for op in neurons:
        assert (op.leak, op.threshold, op.strict) == (1, 1, False)
        assert op.reset == Reset(kind="subtract", amount=1)
    shapes = {graph.constants[op.weight.name].shape for op in convs}
    assert shapes == {(64, 64, 3, 3)}


@pytest.mark.campaign(0)
def test_processor_time_and_peak_memory_are_those_of_the_process(tmp_path):
    used = usage(sys.executable, ROOT, ["targets", "--json"], tmp_path)
    assert 0.05 < used.seconds < 60
    assert 20 < used.peak_bytes / 2**20 < 2000  # NumPy alone takes 30 MiB


def test_the_answer_names_times_ratio_and_memory_of_both():
    of_file = {"seconds": 10.0, "peak_bytes": 400}
    answer = {
        "compile": {
            "file_bytes": 100 * 2**20,
            "old": of_file,
            "new": of_file | {"seconds": 3.0},
            "ratio": 0.3,
            "peak_of_file": [4.0, 2.5],
            "equal_constants": True,
        },
        "inspect": {"beyond_imports": [4.0, 1.0], "ratio": 0.25},
    }
    assert lines(answer) == [
        "compile SNN_VGG for adcless-32: 10.00 -> 3.00 s, 0.30x; peak memory 4.00 -> 2.50 of the"
        " file's 100 MiB; constants equal",
        "inspect 50 convolutions for adcless-64, after imports: 4.00 -> 1.00 s, 0.25x",
    ]
