"""Canonical ONNX: ONNX Runtime runs it as the definition says, and it reads back to the graph."""

import numpy as np
import onnx
import pytest
from hypothesis import given, settings

from mapper.exchange.canonical import from_model, to_model
from mapper.exchange.canonical.functions import MERGES
from mapper.exchange.onnx import write_onnx
from mapper.frontend import import_model
from mapper.ir.core import FLOAT, SPIKE, Const, Graph, IntType, State, Value
from mapper.ir.evaluate import evaluate
from mapper.ir.network import FakeQuantize, MaxPool2d, SumPool2d, Take, Transpose
from mapper.ir.neurons import Neuron
from mapper.ir.synapses import Conv2d, Linear
from mapper.ir.windows import Window
from mapper.verify.model import verify_model
from tests.campaigns import examples
from tests.exchange.canonical import (
    assert_round_trip,
    assert_runs_as_defined,
    assert_same_graph,
    one_op,
    stepped,
)
from tests.frontend.models import one_neuron_layer, saved
from tests.frontend.test_shared_models import STEP, recorded
from tests.networks import NetworkBuilder, float_networks, small_conv_net, spikes

RNG = np.random.default_rng(0)


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
@settings(max_examples=examples(40), deadline=None)
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
    x = net.entry(2, 4, 4)
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


def test_elements_are_taken_by_number():
    result = Value("y", FLOAT, (2, 5, 4))
    taken = {"indices": (2, 0, 0, 1, 2), "axis": 1}
    assert_round_trip(one_op((2, 3, 4), lambda x: Take(x=x, result=result, **taken)))


@pytest.mark.parametrize("kind", MERGES)
def test_spikes_are_merged(kind):
    net = NetworkBuilder()
    a, b = (net.neuron(net.entry(8), strict=True) for _ in range(2))
    assert_round_trip(net.graph(net.merge(kind, a, b)))


# --- neurons -------------------------------------------------------------------------------
# --- states and names ----------------------------------------------------------------------


def remembering() -> Graph:
    """Start values of every kind, and a state that the network does not return."""
    net = NetworkBuilder()
    net.constants["start"] = np.array([0.25, 0.5, 0.125], np.float32)
    y = net.neuron(net.neuron(net.entry(3)))
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
