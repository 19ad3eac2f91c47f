"""The reference's networks take as many weights and crossbars as published."""

import numpy as np
import pytest

from benchmarks.paper_networks import REFERENCES, dvsnet, write
from mapper.frontend import import_model
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.synapses import Synapse
from mapper.ir.verify import check_graph
from mapper.pipeline import make_passes, run_passes
from targets import load_target

CROSSBARS = [
    ("DVSNet", 64, 94_144, (372, 104, 32)),
    ("FireFlowNet", 64, 56_448, (224, 62, 19)),
    ("SFN", 32, 13_117_696, (51_304, 12_854, 3_231)),
]


@pytest.mark.campaign(1)
@pytest.mark.parametrize(("name", "size", "weights", "crossbars"), CROSSBARS)
def test_weights_and_crossbars_are_those_published(name, size, weights, crossbars):
    graph = REFERENCES[name].graph(size)
    check_graph(graph, "the builder")
    layers = [op for op in graph.ops if isinstance(op, Synapse)]
    assert sum(graph.constants[op.weight.name].size for op in layers) == weights
    for array, expected in zip((32, 64, 128), crossbars, strict=True):
        target = load_target(f"adcless-{array}")
        mapped, _ = run_passes(graph, target, make_passes(), stop_after="tile-columns")
        assert sum(op.crossbars for op in mapped.ops if isinstance(op, CrossbarMvm)) == expected


def test_crossbars_do_not_depend_on_the_size_of_the_maps():
    counts = set()
    for size in (32, 64):
        target = load_target("adcless-64")
        mapped, _ = run_passes(REFERENCES["FireFlowNet"].graph(size), target, make_passes())
        counts.add(sum(op.crossbars for op in mapped.ops if isinstance(op, CrossbarMvm)))
    assert counts == {62}


def test_vgg_has_its_layers_and_weights():
    graph = REFERENCES["SNN_VGG"].graph()
    layers = [op for op in graph.ops if isinstance(op, Synapse)]
    assert len(layers) == 16
    # 40.3 M. Its crossbars, 157,432 of 32x32, are counted in tests/passes/test_large.py.
    assert sum(graph.constants[op.weight.name].size for op in layers) == 40_285_888


def test_weights_are_4_bit_numbers_of_a_seed():
    first, again, other = dvsnet(32), dvsnet(32), dvsnet(32, seed=1)
    for name, weight in first.constants.items():
        assert len(np.unique(weight)) <= 16
        assert (weight == again.constants[name]).all()
    assert any((first.constants[n] != other.constants[n]).any() for n in first.constants)


def test_a_network_is_written_as_a_file_that_is_read_again(tmp_path):
    write(["DVSNet", str(tmp_path / "dvsnet.onnx")])
    read, made = import_model(tmp_path / "dvsnet.onnx").graph, dvsnet()
    assert [op.mnemonic for op in read.ops] == [op.mnemonic for op in made.ops]
    weights = [
        [graph.constants[op.weight.name] for op in graph.ops if isinstance(op, Synapse)]
        for graph in (read, made)
    ]
    assert all(map(np.array_equal, *weights))
