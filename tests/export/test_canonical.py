"""Canonical ONNX: ONNX Runtime runs it as the definition says, and it reads back to the graph."""

import itertools
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from onnx import ModelProto

from mapper.canonical import DOMAIN, from_model, plain, to_model
from mapper.canonical.functions import MERGES, function_named, named_neuron, neuron_name
from mapper.canonical.model import CANONICAL
from mapper.diagnostics import MappingError
from mapper.executor.lowered import Interface
from mapper.export.onnx import write_onnx
from mapper.frontend import import_model
from mapper.ir.core import FLOAT, SPIKE, Array, Coding, Const, Graph, IntType, State, Value
from mapper.ir.evaluate import evaluate, initial_states
from mapper.ir.network import FakeQuantize, MaxPool2d, SumPool2d, Transpose
from mapper.ir.neurons import Neuron, Reset
from mapper.ir.serialize import to_json
from mapper.ir.synapses import Conv2d, Linear
from mapper.ir.verify import check_graph
from mapper.ir.windows import Window
from mapper.verify import verify_model
from tests.builders import one_layer
from tests.frontend.models import one_neuron_layer, saved
from tests.frontend.test_shared_models import STEP, recorded
from tests.networks import NetworkBuilder, float_networks, small_conv_net, spikes

RNG = np.random.default_rng(0)


def assert_same_graph(found: Graph, wanted: Graph) -> None:
    assert to_json(found) == to_json(wanted)
    assert list(found.constants) == list(wanted.constants)
    for name, array in wanted.constants.items():
        mine = found.constants[name]
        assert (mine.dtype, mine.shape) == (array.dtype, array.shape), name
        assert mine.tobytes() == array.tobytes(), name


def stepped(model: ModelProto, graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Run a file over time in ONNX Runtime as it is; the interface says what is fed back."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    # Fusing a layer with the scale after it rounds once where the file says twice.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    interface = Interface.of(model)
    batch = next(iter(inputs.values())).shape[1]
    starts = initial_states(graph, batch, {})
    held = {port.tensor: starts[port.name].astype(np.float32) for port in interface.states}
    names = [output.name for output in session.get_outputs()]
    returned = {port.name: port.tensor for port in interface.outputs}
    returned |= {port.output: port.following for port in interface.states if port.output}
    record: dict[str, list[Array]] = {name: [] for name in returned}
    for t in range(len(next(iter(inputs.values())))):
        fed = {port.tensor: inputs[port.name][t].astype(np.float32) for port in interface.inputs}
        found = dict(zip(names, session.run(names, {**fed, **held}), strict=True))
        held = {port.tensor: found[port.following] for port in interface.states}
        for name, tensor in returned.items():
            record[name].append(found[tensor])
    return {name: np.stack(arrays) for name, arrays in record.items()}


def assert_runs_as_defined(model: ModelProto, graph: Graph, inputs: Mapping[str, Array]) -> None:
    expected, found = evaluate(graph, inputs), stepped(model, graph, inputs)
    types = {v.name: v.type for v in graph.outputs}
    types |= {s.output: s.read.type for s in graph.states if s.output}
    assert set(found) == set(expected)
    for name, array in expected.items():
        # Layers are summed in single precision by an engine, in double by the definition.
        allowed = 1e-5 * np.abs(array).max(initial=0) if types[name] == FLOAT else 0
        assert np.abs(found[name] - array.astype(np.float64)).max() <= allowed, name


def assert_round_trip(graph: Graph, inputs: Mapping[str, Array] | None = None) -> ModelProto:
    """Write, check, run and read a graph; return the file."""
    check_graph(graph, "the test")
    model = to_model(graph)
    onnx.checker.check_model(model, full_check=True)
    read = from_model(model)
    assert read is not None
    assert_same_graph(read[0], plain(graph))
    assert_runs_as_defined(model, graph, spikes(graph) if inputs is None else inputs)
    return model


# --- whole networks ------------------------------------------------------------------------


@pytest.mark.parametrize("name", STEP)
def test_a_real_model_comes_back_equal_and_runs(name, shared, tmp_path):
    case = shared / "models" / name
    imported = import_model(case / "model.onnx")
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    write_onnx(imported, first)
    again = import_model(first)
    assert_same_graph(again.graph, imported.graph)
    assert again.notes == imported.notes
    write_onnx(again, second)
    assert second.read_bytes() == first.read_bytes()
    inputs = {n: imported.port(n).to_graph(array)[:6] for n, array in recorded(case, "in_").items()}
    assert_runs_as_defined(onnx.load(first), imported.graph, inputs)


@given(float_networks())
@settings(max_examples=40, deadline=None)
def test_random_networks_come_back_equal_and_run(graph):
    assert_round_trip(graph)


def test_exported_twice_gives_the_same_bytes():
    first, second = (to_model(small_conv_net()).SerializeToString() for _ in range(2))
    assert first == second


def test_a_build_of_the_exported_file_is_that_of_the_model(tmp_path):
    path = saved(one_neuron_layer(), tmp_path, "net.onnx")
    write_onnx(import_model(path), tmp_path / "again.onnx")
    assert_same_graph(import_model(tmp_path / "again.onnx").graph, import_model(path).graph)


# --- one op at a time ----------------------------------------------------------------------


def one_op(shape, make, constants=None, type=FLOAT) -> Graph:
    """``x -> op -> y -> integrator``."""
    x = Value("x0", type, shape)
    op = make(x)
    v, after = Value("v", FLOAT, op.result.shape), Value("v_out", FLOAT, op.result.shape)
    integrator = Neuron(x=op.result, membrane=v, membrane_next=after)
    return Graph(
        name="one",
        inputs=(x,),
        outputs=(op.result,),
        states=(State(read=v, next="v_out", output="v_out"),),
        ops=(op, integrator),
        constants=constants or {},
    )


def pooled(kind, window, type=FLOAT, shape=(2, 5, 6)):
    size = window.output_size(*shape[1:])
    wide = type if kind is MaxPool2d or type == FLOAT else IntType(8, signed=False)
    result = Value("y", wide, (shape[0], *size))
    return one_op(shape, lambda x: kind(x=x, window=window, result=result), type=type)


WINDOWS = [
    Window(kernel=(2, 3), stride=(2, 1)),
    Window(kernel=(3, 2), padding=(1, 0, 2, 1)),
    Window(kernel=(2, 2), padding=(2, 0, 0, 3)),
    Window(kernel=(2, 2), padding=(-1, 0, 1, -2)),
    Window(kernel=(2, 2), padding=(1, 1, 1, 1), dilation=(2, 1)),
    Window(kernel=(1, 1), padding=(1, 2, 3, 0)),
]


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("kind", [MaxPool2d, SumPool2d])
def test_a_pool_has_any_window(kind, window):
    assert_round_trip(pooled(kind, window, SPIKE))


def test_the_greatest_of_negative_numbers_beside_padding_is_negative():
    graph = pooled(MaxPool2d, Window(kernel=(3, 3), padding=(1, 1, 1, 1)))
    assert_round_trip(graph, {"x0": -1 - RNG.random((2, 1, 2, 5, 6)).astype(np.float32)})


@pytest.mark.parametrize("padding", [(1, 0, 2, 1), (-1, 1, 0, -1)])
@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_pads_and_crops(padding, groups):
    weight = RNG.normal(size=(4, 2 // groups, 3, 2)).astype(np.float32)
    window = Window(kernel=(3, 2), stride=(1, 2), padding=padding, dilation=(1, 2))
    result = Value("y", FLOAT, (4, *window.output_size(6, 7)))

    def make(x):
        geometry = {"kernel": (3, 2), "stride": (1, 2), "padding": padding, "dilation": (1, 2)}
        return Conv2d(x=x, weight=Const("w"), result=result, groups=groups, **geometry)

    assert_round_trip(one_op((2, 6, 7), make, {"w": weight}))


def test_a_transposed_convolution():
    net = NetworkBuilder()
    x = net.input(2, 4, 4)
    up = net.conv_transpose(x, 3, 3, stride=(2, 2), padding=(1, 1, 1, 1), output_padding=(1, 1))
    assert_round_trip(net.graph(net.neuron(up)))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32"])
def test_integer_weights_stay_integers(dtype):
    weight = RNG.integers(0, 100, (4, 3)).astype(dtype)

    def make(x):
        return Linear(x=x, weight=Const("w"), result=Value("y", FLOAT, (4,)))

    model = assert_round_trip(one_op((3,), make, {"w": weight}))
    (stored,) = model.graph.initializer
    assert onnx.numpy_helper.to_array(stored).dtype == dtype
    graph = from_model(model)[0]
    inputs = spikes(graph)
    # Integers below 2**24 are summed exactly, whatever the precision and order.
    expected, found = evaluate(graph, inputs), stepped(model, graph, inputs)
    assert (found["y"] == expected["y"]).all()


@pytest.mark.parametrize(("low", "high"), [(-8, 7), (0, 255), (-(1 << 31), (1 << 31) - 1)])
def test_rounding_to_a_grid_is_equal_to_the_last_bit(low, high):
    steps = np.array([0.1, 0.3, 1 / 3], np.float32).reshape(3, 1)

    def make(x):
        result = Value("y", FLOAT, (3, 4))
        return FakeQuantize(x=x, step=Const("s"), zero=3.0, low=low, high=high, result=result)

    graph = one_op((3, 4), make, {"s": steps})
    model = assert_round_trip(graph)
    inputs = {"x0": RNG.normal(0, 3, (4, 2, 3, 4)).astype(np.float32)}
    expected, found = evaluate(graph, inputs), stepped(model, graph, inputs)
    assert (found["y"] == expected["y"]).all()


def test_axes_are_reordered():
    result = Value("y", FLOAT, (4, 2, 3))
    assert_round_trip(one_op((2, 3, 4), lambda x: Transpose(x=x, order=(2, 0, 1), result=result)))


@pytest.mark.parametrize("kind", MERGES)
def test_spikes_are_merged(kind):
    net = NetworkBuilder()
    a, b = (net.neuron(net.input(8), strict=True) for _ in range(2))
    assert_round_trip(net.graph(net.merge(kind, a, b)))


# --- neurons -------------------------------------------------------------------------------


def neuron_names():
    """Return the name of every neuron function there is."""
    resets = [("none", "same"), ("none", "next")]
    resets += [("subtract", phase) for phase in ("same", "next", "guarded")]
    resets += [("value", phase) for phase in ("same", "next", "late")]
    ends = [
        "_".join(("", *reset, *flags))
        for reset in resets
        for flags in itertools.chain.from_iterable(
            itertools.combinations(("strict", "delayed", "floor"), n) for n in range(4)
        )
    ]
    ends = [f"Neuron{middle}{end}" for middle in ("", "_current") for end in ends]
    return [*ends, "Integrator", "Integrator_floor", "Integrator_current"]


@pytest.mark.parametrize("per_neuron", [False, True])
def test_every_neuron_computes_what_its_definition_says_to_the_last_bit(per_neuron):
    for name in neuron_names():
        graph = one_neuron(named_neuron(name), per_neuron)
        model = to_model(graph)
        assert [f.name for f in model.functions] == [name]
        assert_same_graph(from_model(model)[0], plain(graph))
        inputs = {"x0": RNG.choice([0.0, 0.5, 0.7, -0.3], (12, 2, 6)).astype(np.float32)}
        expected, found = evaluate(graph, inputs), stepped(model, graph, inputs)
        for output, array in expected.items():
            assert (found[output] == array).all(), (name, output)


def one_neuron(kind: Neuron, per_neuron: bool) -> Graph:
    net = NetworkBuilder()
    fields = {
        "leak": 0.75,
        "gain": 0.9,
        "bias": 0.05,
        "threshold": 0.5,
        "current_leak": 0.6,
        "current_input": 1.1,
        "current_gain": 0.7,
        "floor": -0.1,
    }
    if per_neuron:
        drawn = {n: RNG.uniform(0.9, 1.1, 6).astype(np.float32) * x for n, x in fields.items()}
        net.constants.update({n: a.astype(np.float32) for n, a in drawn.items()})
        fields = {name: Const(name) for name in fields}
    if kind.floor is None:
        del fields["floor"]
    if kind.current is None:
        fields = {n: held for n, held in fields.items() if not n.startswith("current")}
    y = net.neuron(
        net.input(6),
        current=kind.current is not None,
        fires=kind.spike is not None,
        strict=kind.strict,
        spike_phase=kind.spike_phase,
        reset=Reset(kind=kind.reset.kind, amount=0.4, phase=kind.reset.phase),
        **fields,
    )
    return net.graph(y)


@pytest.mark.parametrize("name", ["Neuron", "Neuron_late_same", "Integrator_strict", "Gemm", ""])
def test_no_function_has_another_name(name):
    with pytest.raises(ValueError, match="no neuron is named"):
        function_named(name)


def test_names_of_neurons_are_undone():
    assert [neuron_name(named_neuron(name)) for name in neuron_names()] == neuron_names()


# --- states and names ----------------------------------------------------------------------


def remembering() -> Graph:
    """Start values of every kind, and a state that the network does not return."""
    net = NetworkBuilder()
    net.constants["start"] = np.array([0.25, 0.5, 0.125], np.float32)
    y = net.neuron(net.neuron(net.input(3)))
    first, second = net.states
    net.states = [
        State(read=first.read, next=first.next, initial=Const("start"), output=""),
        State(read=second.read, next=second.next, initial=0.5, output="second"),
    ]
    return net.graph(y)


def test_start_values_are_kept_and_used(tmp_path):
    graph = remembering()
    assert_round_trip(graph)
    path = saved(to_model(graph), tmp_path)
    imported = import_model(path)
    assert imported.unreturned == {"lif0.v": "lif0.v.next"}
    found = verify_model(path, {"x0": spikes(graph)["x0"]}, "x.npz").as_dict()
    assert [ring["status"] for ring in found["rings"]] == ["equal", "equal"]


def test_names_that_clash_are_changed_and_come_back():
    """A constant named like a value, a state returned under the name of another value."""
    x, v = Value("x", FLOAT, (2,)), Value("v", FLOAT, (2,))
    y, after = Value("y", FLOAT, (2,)), Value("w", FLOAT, (2,))
    graph = Graph(
        name="clash",
        inputs=(x,),
        outputs=(x, y),
        states=(State(read=v, next="w", output="y"),),
        ops=(
            Linear(x=x, weight=Const("w"), result=y),
            Neuron(x=y, membrane=v, membrane_next=after),
        ),
        constants={"w": np.eye(2, dtype=np.float32)},
    )
    model = to_model(graph)
    assert_same_graph(from_model(model)[0], graph)
    assert [port.name for port in model.graph.output] == ["x.2", "y", "y.2"]


def test_the_batch_axis_is_open_and_ports_keep_their_names():
    model = to_model(small_conv_net())
    ports = [*model.graph.input, *model.graph.output]
    assert {port.type.tensor_type.shape.dim[0].dim_param for port in ports} == {"B"}
    assert model.graph.input[0].name == "x0"
    graph = small_conv_net()
    assert_runs_as_defined(model, graph, spikes(graph, batch=5))


# --- files that are not what they claim ----------------------------------------------------


def written() -> ModelProto:
    net = NetworkBuilder()
    return to_model(net.graph(net.neuron(net.linear(net.input(3), 4))))


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


@pytest.mark.parametrize(
    "change",
    [
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
    up = net.conv_transpose(net.input(1, 3, 3), 1, 2, padding=(-1, 0, 0, 0))
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
