"""Trained files are believed as far as what they hold gives what they say."""

import json

import numpy as np
import onnx
import pytest

from mapper.diagnostics import MappingError
from mapper.exchange.canonical import from_trained
from mapper.frontend import import_model
from mapper.training import export_onnx, harden
from tests.training.small import a_network, spikes


@pytest.fixture
def exported(tmp_path) -> onnx.ModelProto:
    x = spikes(2, 2, 2, 6, 6)
    export_onnx(harden(a_network(), "adcless-64", example=x), tmp_path / "m.onnx", x)
    return onnx.load(tmp_path / "m.onnx")


def test_other_weights_are_another_network(exported):
    before, _, _ = from_trained(exported)
    tensor = next(t for t in exported.graph.initializer if t.name.endswith("matrix"))
    changed = -onnx.numpy_helper.to_array(tensor)
    tensor.CopyFrom(onnx.numpy_helper.from_array(changed, tensor.name))
    after, _, _ = from_trained(exported)
    assert (after.constants[tensor.name] == -before.constants[tensor.name]).all()


def test_a_file_of_an_earlier_version_says_it_in_other_words(exported):
    before, target, _ = from_trained(exported)
    assert exported.doc_string.startswith("A spiking network trained for in-memory-computing")
    exported.doc_string = exported.doc_string.replace("trained for", "trained on")
    after, same, _ = from_trained(exported)
    assert (after, same) == (before, target)


def spoil_words(model):
    model.doc_string += "!"


def spoil_body(model):
    next(
        n for f in model.functions for n in f.node if n.op_type == "GreaterOrEqual"
    ).op_type = "Less"


def spoil_structure(model):
    entry = next(p for p in model.metadata_props if p.key == "spikeloom.trained")
    told = json.loads(entry.value)
    told["graph"]["ops"][0]["rows"] = [{"start": 0, "stop": 7}]
    entry.value = json.dumps(told, sort_keys=True)


def spoil_json(model):
    next(p for p in model.metadata_props if p.key == "spikeloom.trained").value = '{"graph": 7}'


def spoil_weights(model):
    tensor = next(t for t in model.graph.initializer if t.name.endswith("matrix"))
    huge = onnx.numpy_helper.to_array(tensor).astype(np.int8) * 0 + 100  # no 4-bit weight
    tensor.CopyFrom(onnx.numpy_helper.from_array(huge, tensor.name))


@pytest.mark.parametrize(
    "spoil", [spoil_words, spoil_body, spoil_structure, spoil_json, spoil_weights]
)
def test_a_file_that_was_tampered_with_is_not_believed(tmp_path, exported, spoil):
    spoil(exported)
    assert from_trained(exported) is None
    onnx.save(exported, tmp_path / "spoiled.onnx")
    with pytest.raises(MappingError) as refused:
        import_model(tmp_path / "spoiled.onnx")
    assert refused.value.diagnostics[0].code == "trained-file-changed"
