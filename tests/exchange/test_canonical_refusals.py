"""Files that are not what they claim, and graphs that have no canonical form."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto

from mapper.diagnostics import MappingError
from mapper.exchange.canonical import DOMAIN, from_model, to_model
from mapper.exchange.canonical.model import CANONICAL
from mapper.frontend import import_model
from mapper.ir.core import FLOAT, Coding, Const, Graph, Value
from mapper.ir.network import Transpose
from mapper.ir.neurons import Neuron
from mapper.ir.synapses import Linear
from tests.exchange.canonical import one_op
from tests.frontend.models import saved
from tests.networks import NetworkBuilder, small_conv_net
from tests.small_graphs import one_layer

# --- files that are not what they claim ----------------------------------------------------


def written() -> ModelProto:
    net = NetworkBuilder()
    return to_model(net.graph(net.neuron(net.dense(net.entry(3), 4))))


def neuron_in(model: ModelProto, folder: Path) -> Neuron:
    imported = import_model(saved(model, folder))
    (op,) = (op for op in imported.graph.ops if isinstance(op, Neuron))
    return op


def test_what_was_written_is_believed(tmp_path):
    op = neuron_in(written(), tmp_path)
    assert (op.strict, op.loc, op.threshold) == (False, "lif1", np.float32(0.6))


def test_a_body_that_is_not_ours_is_read_for_what_it_computes(tmp_path):
    """The name says ``>=``, the body says ``>``: the body is what an engine runs."""
    model = written()
    (fires,) = (n for n in model.functions[0].node if n.op_type == "GreaterOrEqual")
    fires.op_type = "Greater"
    assert from_model(model) is None
    assert neuron_in(model, tmp_path).strict is True


def test_metadata_that_pairs_other_states_is_not_believed(tmp_path):
    model = written()
    model.metadata_props[0].value = model.metadata_props[0].value.replace("lif1.v_out", "lif1.s")
    assert from_model(model) is None
    assert neuron_in(model, tmp_path).membrane.name == "lif1.v"


def _more_attributes(model):
    node = next(n for n in model.graph.node if n.domain == DOMAIN)
    node.attribute.append(onnx.helper.make_attribute("strict", 1))


def _other_denotation(model):
    model.graph.input[0].type.denotation = "u1"
    model.graph.value_info[0].type.denotation = "u1"


def _no_metadata(model):
    del model.metadata_props[:]


def _unreadable_metadata(model):
    next(p for p in model.metadata_props if p.key == CANONICAL).value = '{"renamed": 3}'


def _other_version(model):
    next(o for o in model.opset_import if o.domain == DOMAIN).version = 2


def _unknown_function(model):
    model.functions[0].name = "Neuron_better"
    next(n for n in model.graph.node if n.domain == DOMAIN).op_type = "Neuron_better"


def _infinite_threshold(model):
    next(n for n in model.graph.node if n.op_type == "Constant").attribute[0].f = np.inf


def _numbers_in_another_field(model):
    weight = model.graph.initializer[0]
    numbers = onnx.numpy_helper.to_array(weight).ravel()
    weight.ClearField("raw_data")
    weight.float_data.extend(numbers)


def _numbers_twice(model):
    model.graph.initializer[0].float_data.append(1.0)


def _remark_on_a_weight(model):
    model.graph.initializer[0].doc_string = "trained for long"


_FIELD_2047 = b"\xfa\x7f\x01A"  # which no version of ONNX has


def _unknown_field(model):
    model.MergeFromString(_FIELD_2047)


def _unknown_field_of_the_graph(model):
    model.graph.MergeFromString(_FIELD_2047)


def _unknown_field_of_a_weight(model):
    model.graph.initializer[0].MergeFromString(_FIELD_2047)


@pytest.mark.parametrize(
    "change",
    [
        _numbers_in_another_field,
        _numbers_twice,
        _remark_on_a_weight,
        _unknown_field,
        _unknown_field_of_the_graph,
        _unknown_field_of_a_weight,
        _more_attributes,
        _other_denotation,
        _no_metadata,
        _unreadable_metadata,
        _other_version,
        _unknown_function,
        _infinite_threshold,
    ],
)
def test_a_file_with_anything_else_in_it_is_read_like_any_other(change):
    model = written()
    change(model)
    assert from_model(model) is None


def test_other_weights_are_still_the_canonical_form():
    model = written()
    weight = model.graph.initializer[0]
    weight.raw_data = np.ones((4, 3), np.float32).tobytes()
    assert from_model(model)[0].constants["fc0.w"].tolist() == np.ones((4, 3)).tolist()


def test_a_size_that_would_fill_the_memory_is_refused(tmp_path):
    shape = (1 << 15, 1 << 15)
    graph = one_op(shape, lambda x: Transpose(x=x, order=(0, 1), result=Value("y", FLOAT, shape)))
    with pytest.raises(MappingError) as caught:
        import_model(saved(to_model(graph), tmp_path))
    assert caught.value.diagnostics[0].code == "model-too-large"


# --- refusals ------------------------------------------------------------------------------


def refusal(graph: Graph) -> str:
    with pytest.raises(MappingError) as caught:
        to_model(graph)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "not-exportable"
    return diagnostic.message


def test_hardware_is_not_exported():
    assert "imc.crossbar_mvm has no place" in refusal(one_layer(rows=4, cols=2))


def test_coded_ports_are_not_exported():
    graph = one_op((2,), lambda x: Transpose(x=x, order=(0,), result=Value("y", FLOAT, (2,))))
    coded = Graph(
        name="coded",
        inputs=graph.inputs,
        outputs=graph.outputs,
        states=graph.states,
        ops=graph.ops,
        codings={"x0": Coding(scale=2.0)},
    )
    assert "['x0']" in refusal(coded)


def test_weights_that_nothing_dequantises_are_not_exported():
    def make(x):
        return Linear(x=x, weight=Const("w"), result=Value("y", FLOAT, (2,)))

    assert "int64" in refusal(one_op((2,), make, {"w": np.eye(2, dtype=np.int64)}))


def test_a_transposed_convolution_that_grows_at_its_sides_is_not_exported():
    net = NetworkBuilder()
    up = net.conv_transpose(net.entry(1, 3, 3), 1, 2, padding=(-1, 0, 0, 0))
    assert "(-1, 0, 0, 0)" in refusal(net.graph(net.neuron(up)))


def test_more_weights_than_a_file_holds_are_refused():
    def make(x):
        return Linear(x=x, weight=Const("w"), result=Value("y", FLOAT, (1 << 15,)))

    huge = np.broadcast_to(np.float32(0), (1 << 15, 1 << 15))
    with pytest.raises(MappingError) as caught:
        to_model(one_op((1 << 15,), make, {"w": huge}))
    assert caught.value.diagnostics[0].code == "model-too-large"


def test_notes_that_are_no_list_are_dropped(tmp_path):
    model = to_model(small_conv_net(), {"notes": 3})
    assert json.loads(model.metadata_props[1].value)["facts"] == {"notes": 3}
    assert import_model(saved(model, tmp_path)).notes == ()
