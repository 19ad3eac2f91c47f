"""Networks of files as modules: they compute the same, train, harden and go back to a file."""

import doctest
import random
import re
import shutil
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mapper.diagnostics import MappingError
from mapper.exchange.canonical import to_model
from mapper.exchange.canonical.functions import named_neuron
from mapper.frontend import import_model
from mapper.ir.assignment import layer_name
from mapper.ir.core import SPIKE, Const, Graph, Value
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.evaluate import evaluate
from mapper.ir.network import FakeQuantize, SumPool2d, Transpose
from mapper.ir.neurons import Neuron, Reset
from mapper.ir.windows import Window
from mapper.training import LIF, ImportedLIF, export_onnx, from_onnx, harden, over_time
from mapper.training.hardening.stages import staged
from mapper.training.hardening.tasks import Classification
from mapper.training.hardening.trainer import Options, Run
from mapper.training.importing import names
from mapper.training.importing.neurons import Wishes, neurons
from mapper.training.nets.geometry import Weighted
from mapper.training.nets.imported import FrozenNorm, Rearranged
from mapper.training.nets.modules import Gate
from tests.campaigns import examples
from tests.epilogue.heads import step_model
from tests.exchange.test_canonical_neurons import neuron_names, one_neuron
from tests.frontend.models import saved
from tests.networks import NetworkBuilder, float_networks
from tests.networks import spikes as spikes_for
from tests.training.small import a_network, a_target, spikes
from tests.training.test_random_models import network
from tests.training.twins import assert_same_as_compiled, branches

PAGE = Path(__file__).resolve().parents[2] / "docs" / "training.md"
CLOSE = 1e-5
"""Sums are added in another order than the definition's, which rounds them once: they differ by
some units of single precision of terms around 1. Spikes are compared with ``==``."""


def written(graph: Graph, folder: Path) -> Path:
    single = {name: array.astype(np.float32) for name, array in graph.constants.items()}
    onnx.save(to_model(replace(graph, constants=single)), folder / "m.onnx")
    return folder / "m.onnx"


def answers(model: nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return over_time(model, torch.from_numpy(np.ascontiguousarray(x))).numpy()


def assert_equal(found: np.ndarray, wanted: np.ndarray) -> None:
    if np.isin(wanted, (0, 1)).all():
        assert (found == wanted).all()
    else:
        np.testing.assert_allclose(found, wanted, rtol=CLOSE, atol=CLOSE)


def defined(graph: Graph, x: np.ndarray) -> np.ndarray:
    """Return what the only output of a graph is, by the definition."""
    (source,), (result,) = graph.inputs, graph.outputs
    return evaluate(graph, {source.name: x})[result.name]


def problems(path: Path, **options) -> list[tuple[str, str]]:
    with pytest.raises(MappingError) as caught:
        from_onnx(path, **options)
    return [(d.code, d.message) for d in caught.value.diagnostics]


# --- what it computes ----------------------------------------------------------------------------


def test_a_small_network_by_hand(tmp_path):
    # u = 0.5 * v + x - r; r, which is u > 1 of the step before, takes 1 away one step late.
    net = NetworkBuilder()
    x = net.linear(net.entry(1), net.constant("w", [[0.75]]), name="fc")
    delayed = Reset(kind="subtract", amount=1.0, phase="next")
    y = net.neuron(x, leak=0.5, threshold=1.0, strict=True, reset=delayed)
    model = from_onnx(written(net.graph(y), tmp_path))
    # v: 0.75, 1.125 fires, 0.5625 + 0.75 - 1 = 0.3125, 0.90625, 1.203125 fires
    inputs = np.ones((5, 1, 1), np.float32)
    assert answers(model, inputs).flatten().tolist() == [0, 1, 0, 0, 1]


def test_every_form_of_neurons_is_the_same_to_the_bit(tmp_path, campaign):
    rng = np.random.default_rng(0)
    x = rng.choice([0.0, 0.5, 0.7, -0.3], (12, 2, 6)).astype(np.float32)
    trained = [name for name in neuron_names() if knows(named_neuron(name))]
    for name in campaign(trained, 20):
        for per_neuron in (False, True):
            graph = one_neuron(named_neuron(name), per_neuron)
            model = from_onnx(written(graph, tmp_path))
            wanted = defined(graph, x)
            assert (answers(model, x) == wanted).all(), name
            export_onnx(model, tmp_path / "again.onnx", torch.from_numpy(x))
            assert (answers(from_onnx(tmp_path / "again.onnx"), x) == wanted).all(), name


UNKNOWN = r"leak is rounded|training knows one spike"


def knows(kind: Neuron) -> bool:
    """Say whether training has gradients for a form of neurons."""
    rounds = kind.leak_rounding.unit or kind.current_rounding.unit
    return kind.levels.is_spike and not rounds


def test_forms_of_neurons_that_training_does_not_know_are_refused(tmp_path):
    unknown = [name for name in neuron_names() if not knows(named_neuron(name))]
    assert len(unknown) == 21
    for name in unknown:
        with pytest.raises(MappingError, match=UNKNOWN):
            from_onnx(written(one_neuron(named_neuron(name), per_neuron=False), tmp_path))


@settings(max_examples=examples(60), deadline=None, derandomize=True)  # no membrane on an edge
@given(float_networks(), st.integers(0, 99))
def test_random_networks_are_the_same(tmp_path_factory, graph, seed):
    path = written(graph, tmp_path_factory.mktemp("random"))
    if not all(knows(op) for op in graph.ops if isinstance(op, Neuron)):
        with pytest.raises(MappingError, match=UNKNOWN):
            from_onnx(path)
        return
    (x,) = spikes_for(graph, seed=seed).values()
    assert_equal(answers(from_onnx(path), x), defined(graph, x))


@pytest.mark.parametrize("seed", range(8))
def test_a_random_model_goes_to_a_file_and_back(tmp_path, seed):
    rng = random.Random(seed)
    torch.manual_seed(seed)
    model, x = network(rng, 2), spikes(4, 3, 2, 6, 6)
    over_time(model, x)  # the lazy layer gets its size, norms their moments
    model.eval()
    export_onnx(model, tmp_path / "m.onnx", x)
    again = from_onnx(tmp_path / "m.onnx")
    assert_equal(answers(again, x.numpy()), answers(model, x.numpy()))
    assert [type(m) for m in again.modules() if isinstance(m, LIF)] == [
        type(m) for m in model.modules() if isinstance(m, LIF)
    ]
    export_onnx(again, tmp_path / "again.onnx", x)
    assert (
        answers(from_onnx(tmp_path / "again.onnx"), x.numpy()) == answers(again, x.numpy())
    ).all()


def test_modules_may_be_called_as_the_ports_are(tmp_path):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.x, self.y = nn.Linear(2, 3), LIF()

        def forward(self, data):
            return self.y(self.x(data))

    torch.manual_seed(0)
    model, x = Net(), torch.ones(3, 1, 2)
    export_onnx(model, tmp_path / "m.onnx", x)
    graph = import_model(tmp_path / "m.onnx").graph
    assert ([v.name for v in graph.inputs], [v.name for v in graph.outputs]) == (["x"], ["y"])
    assert (answers(from_onnx(tmp_path / "m.onnx"), x.numpy()) == answers(model, x.numpy())).all()


def test_branches_gates_and_currents(tmp_path):
    model, x = branches().eval(), spikes(4, 3, 2, 6, 6)
    export_onnx(model, tmp_path / "m.onnx", x)
    again = from_onnx(tmp_path / "m.onnx")
    assert_equal(answers(again, x.numpy()), answers(model, x.numpy()))
    assert sum(isinstance(module, Gate) for module in again.modules()) == 1


@pytest.mark.parametrize("kind", ["and", "or", "xor", "iand"])
def test_gates_are_those_of_the_definition(tmp_path, kind):
    net = NetworkBuilder()
    x = net.entry(8)
    y = net.merge(kind, net.neuron(net.dense(x, 40)), net.neuron(net.dense(x, 40)))
    graph = net.graph(y)
    (inputs,) = spikes_for(graph).values()
    model = from_onnx(written(graph, tmp_path))
    assert (answers(model, inputs) == defined(graph, inputs)).all()
    assert 0 < answers(model, inputs).mean() < 1


def test_elements_at_other_places_are_the_same_to_the_bit(tmp_path):
    net = NetworkBuilder()
    s = net.neuron(net.conv(net.transpose(net.entry(5, 6, 2), (2, 0, 1)), 3))
    s = net.take(net.reshape(s, (4, 3, 3)), (2, 0, 0, 1), axis=1)
    graph = net.graph(net.neuron(net.dense(net.flatten(s), 40)))
    (x,) = spikes_for(graph).values()
    model = from_onnx(written(graph, tmp_path))
    assert (answers(model, x) == defined(graph, x)).all()
    assert 0 < answers(model, x).mean() < 1
    twin = harden(model, a_target(), example=torch.from_numpy(x).float())
    assert_same_as_compiled(twin, torch.from_numpy(x).float())
    with pytest.raises(MappingError, match=r"\[5, 6, 2\] are rearranged, not \[4, 6, 2\]"):
        over_time(model, spikes(2, 1, 4, 6, 2))


def test_attention_trains_and_hardens(tmp_path):
    """Two heads of ``q (k^T v)``, a sum over tokens, and a mask: products of computed tensors."""
    net = NetworkBuilder()
    x = net.entry(2, 3, 4)
    q, k, v = (net.neuron(net.conv(x, 4, 1)) for _ in range(3))
    heads = [net.reshape(s, (2, 2, 12)) for s in (q, k, v)]
    pairs = net.matmul(heads[1], net.transpose(heads[2], (0, 2, 1)))
    sums = net.neuron(net.scale(net.matmul(pairs, heads[0]), 0.125))
    counts = net.sum_pool2d(net.reshape(q, (4, 12, 1)), Window(kernel=(12, 1)))
    masked = net.multiply(net.take(counts, (0,) * 12, axis=1), net.reshape(sums, (4, 12, 1)))
    graph = net.graph(net.dense(net.flatten(net.neuron(masked)), 3))
    (x,) = spikes_for(graph).values()
    model, given = from_onnx(written(graph, tmp_path)), torch.from_numpy(x).float()
    assert np.abs(answers(model, x) - defined(graph, x)).max() < CLOSE
    over_time(model, given).sum().backward()
    assert model.get_parameter("conv0.weight").grad.abs().sum() > 0
    assert_same_as_compiled(harden(model, a_target(), example=given), given)


def test_sums_of_windows_train_and_harden(tmp_path):
    layers = [nn.Conv2d(2, 4, 3), nn.AvgPool2d(2, divisor_override=1), LIF(), nn.Flatten()]
    model, x = nn.Sequential(*layers, nn.Linear(16, 3)), spikes(4, 3, 2, 6, 6)
    export_onnx(model, tmp_path / "m.onnx", x)
    graph = import_model(tmp_path / "m.onnx").graph
    assert any(isinstance(op, SumPool2d) for op in graph.ops)
    again = from_onnx(tmp_path / "m.onnx")
    assert_equal(answers(again, x.numpy()), answers(model, x.numpy()))
    assert_same_as_compiled(harden(again, a_target(), example=x), x)


# --- what it is ----------------------------------------------------------------------------------


def test_small_factors_move_into_the_layer_as_a_power_of_two(tmp_path):
    net = NetworkBuilder()
    sums = net.linear(net.entry(2), net.constant("w", [[7.0, -3.0], [2.0, 5.0]]), name="fc")
    y = net.neuron(net.scale(sums, 0.003, 0.1, name="fc.scale"), threshold=0.01)
    model = from_onnx(written(net.graph(y), tmp_path))
    (norm,) = (module for module in model.modules() if isinstance(module, FrozenNorm))
    assert norm.weight.tolist() == [np.float32(0.003) * 256] * 2
    assert model.get_submodule("fc").weight.tolist() == [[7 / 256, -3 / 256], [2 / 256, 5 / 256]]
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    over_time(model.train(), spikes(3, 4, 2))
    assert all((tensor == before[name]).all() for name, tensor in model.state_dict().items())


def scaled(factors: list[float], folder: Path) -> nn.Module:
    """Return a network of one layer with a factor for each of its neurons, as of a file."""
    net = NetworkBuilder()
    weight = net.constant("w", [[7.0, 7.0]] * len(factors))
    sums = net.linear(net.entry(2), weight, name="fc")
    factor = net.constant("f", factors)
    y = net.neuron(net.scale(sums, factor, 0.1, name="fc.scale"), threshold=0.01)
    return from_onnx(written(net.graph(y), folder))


@pytest.mark.parametrize(
    ("factors", "power"),
    [
        ([0.003, 0.003], -8),
        ([0.001, 50.0, 60.0], -4),  # the middle one would not do: 0.001 * 16 is above 0.01
        ([0.02, 1.0, 1.0], 0),
        ([0.02, 100.0, 100.0], 0),  # not made smaller still
    ],
)
def test_factors_that_move_are_never_below_what_training_keeps(tmp_path, factors, power):
    model = scaled(factors, tmp_path)
    (norm,) = (module for module in model.modules() if isinstance(module, FrozenNorm))
    assert norm.weight.tolist() == [np.float32(f) * 2.0**-power for f in factors]
    assert set(model.get_submodule("fc").weight.flatten().tolist()) == {7 * 2.0**power}
    twin = harden(model, a_target())
    (held,) = (module for module in twin.modules() if isinstance(module, FrozenNorm))
    assert (held.weight == norm.weight).all()


def test_a_factor_that_hardening_would_change_is_refused(tmp_path):
    for factors in ([0.0, 1.0], [1.0, -0.0]):
        with pytest.raises(MappingError) as caught:
            harden(scaled(factors, tmp_path), a_target())
        (found,) = caught.value.diagnostics
        assert found.code == "small-scale"
        assert "have sizes from 0, training keeps them at 0.01 or more" in found.message


def test_many_layers_of_one_name_take_no_longer_each():
    tried = 0

    def count(frame, event, argument):
        nonlocal tried
        tried += event == "call" and frame.f_code.co_name == "clashes"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        found = names.module_paths(dict.fromkeys(range(300), "net.0.conv"))
    finally:
        sys.setprofile(before)
    assert list(found.values())[:3] == ["net.0.conv", "net_0_conv", "net_0_conv_2"]
    assert len(set(found.values())) == 300
    assert 300 <= tried < 4 * 300


def test_a_threshold_that_is_no_number_is_refused():
    net = NetworkBuilder()
    y = net.neuron(net.dense(net.entry(2), 2), threshold=float("nan"))
    graph = net.graph(y, checked=False)
    (op,) = (op for op in graph.ops if isinstance(op, Neuron))
    with pytest.raises(MappingError, match=r"threshold is nan\.\.nan, training keeps it at"):
        neurons(op, graph.constants, Wishes())


def test_names_of_layers_are_those_of_inspect(tmp_path):
    model, x = branches(), spikes(4, 3, 2, 6, 6)
    export_onnx(model, tmp_path / "m.onnx", x)
    again = from_onnx(tmp_path / "m.onnx")
    layers = {name for name, m in model.named_modules() if hasattr(m, "weight")}
    assert {name for name, m in again.named_modules() if hasattr(m, "weight")} == layers
    twin = harden(again, "adcless-64", digital=["up.0", "a"])
    assert [name for name, m in twin.network.named_modules() if getattr(m, "digital", False)] == [
        "a",
        "up.0",
    ]


@pytest.mark.parametrize(
    "name",
    [
        'a"] + str(1) + ["',
        "a\\",
        "class",
        "forward",
        "_modules",
        "",
        "a..b",
        "é",
        "a:b",
        ".".join("a" * 999),
    ],
)
def test_names_that_are_no_paths_become_some(tmp_path, name):
    net = NetworkBuilder()
    y = net.neuron(
        net.linear(net.entry(2), net.constant("w", [[1.0, 2.0]]), name="fc", loc=f"m:{name}")
    )
    graph = net.graph(y)
    model = from_onnx(written(graph, tmp_path))
    assert "import" not in model.code
    twin = harden(model, a_target(), example=spikes(3, 2, 2))
    assert twin.eval()(spikes(3, 2, 2)).shape == (3, 2, 1)


def test_the_example_of_names_runs():
    tried = doctest.testmod(names)
    assert (tried.attempted, tried.failed) == (2, 0)


def test_numbers_of_neurons_learn_when_asked(tmp_path):
    graph = one_neuron(named_neuron("Neuron_current_subtract_next_strict"), per_neuron=True)
    path = written(graph, tmp_path)
    assert not any(p.requires_grad for p in from_onnx(path).parameters())
    model = from_onnx(path, learn=("leak", "threshold", "current_leak"), sharpness=0.5)
    over_time(model, torch.rand(12, 4, 6) * 2).sum().backward()
    learned = {name.rpartition(".")[2] for name, p in model.named_parameters() if p.grad.any()}
    assert learned == {"leak", "threshold", "current_leak"}


def test_a_current_that_leaks_at_once_has_a_gradient(tmp_path):
    current = torch.tensor([0.0, 0.5])
    own = ImportedLIF(current_leak=current, current_gain=1.0, learn=("current_leak",))
    over_time(nn.Sequential(own), torch.rand(6, 2, 2) * 2).sum().backward()
    assert own.current_leak.grad.isfinite().all()
    assert own.current_leak.grad[1] != 0
    assert own.numbers()["current_gain"].tolist() == [1, 1]


def test_tables_of_elements_are_made_where_they_are_used():
    big = Value(name="x", type=SPIKE, shape=(1 << 12, 1 << 12))
    op = Transpose(loc="", x=big, order=(1, 0), result=replace(big, name="y"))
    tracemalloc.start()
    modules = [Rearranged(op) for _ in range(100)]
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert held < 1 << 20  # a table alone has 128 MiB
    assert not any(True for module in modules for _ in module.buffers())


def test_elements_that_were_moved_without_gradients_first_have_them_later():
    x = Value(name="x", type=SPIKE, shape=(2, 3))
    op = Transpose(loc="", x=x, order=(1, 0), result=replace(x, name="y", shape=(3, 2)))
    module, given = Rearranged(op), torch.arange(6.0).reshape(1, 2, 3).requires_grad_()
    with torch.inference_mode():
        assert module(given).tolist() == [[[0, 3], [1, 4], [2, 5]]]
    (module(given) * torch.arange(6.0).reshape(3, 2)).sum().backward()
    assert given.grad.tolist() == [[[0, 2, 4], [1, 3, 5]]]


def test_a_state_dict_goes_into_another_of_the_same_file(tmp_path):
    path = written(one_neuron(named_neuron("Neuron_value_late_floor"), per_neuron=True), tmp_path)
    model, other = from_onnx(path), from_onnx(path)
    with torch.no_grad():
        for index, tensor in enumerate(model.state_dict().values()):
            tensor.mul_(1 + 0.3 * index)
    other.load_state_dict(model.state_dict())
    x = np.random.default_rng(0).normal(size=(8, 2, 6)).astype(np.float32)
    assert (answers(model, x) == answers(other, x)).all()
    assert (answers(model, x) != answers(from_onnx(path), x)).any()


@pytest.mark.parametrize(
    ("kind", "bits"),
    [
        ("Neuron_current_subtract_next_strict", {"current_input": 1.0, "current_gain": 0.6 * 0.9}),
        ("Neuron_value_late_delayed", {}),
        ("Neuron_subtract_guarded_floor", {}),
    ],
)
def test_hardened_neurons_of_files_compute_the_integers_that_are_compiled(kind, bits):
    neuron = named_neuron(kind)
    numbers = {"amount": 0.3} if neuron.reset.kind == "value" else {}
    if neuron.current is not None:
        numbers |= {"current_leak": 0.6, **bits}
    if neuron.floor is not None:
        numbers["floor"] = -0.25
    lif = ImportedLIF(
        0.75,
        torch.tensor([0.4, 0.5, 0.6, 0.7]).reshape(4, 1, 1),
        neuron.reset.kind,
        gain=0.9,
        strict=neuron.strict,
        phase=neuron.reset.phase,
        spike_phase=neuron.spike_phase,
        **numbers,
    )
    model = nn.Sequential(nn.Conv2d(2, 4, 3), lif, nn.Flatten(), nn.Linear(64, 3))
    x = spikes(6, 3, 2, 6, 6, density=0.5)
    assert 0.05 < over_time(model[:2], x).mean() < 0.95
    twin = harden(model, a_target(), example=x)
    twin.train()(x).sum().backward()
    assert_same_as_compiled(twin, x)


# --- what is refused -----------------------------------------------------------------------------


def test_everything_that_does_not_train_is_said_at_once(tmp_path, golden):
    net = NetworkBuilder()
    x = net.entry(2, 6, 6)
    s = net.neuron(net.conv(x, 3, padding=(0, 0, 1, 1)), leak=1.5, threshold=0.0)
    s = net.max_pool2d(s, Window(kernel=(2, 2), dilation=(2, 2)), name="wide")
    s = net.avg_pool2d(s, Window(kernel=(2, 2), padding=(2, 2, 2, 2)), name="far")
    net.constants["start"] = np.array([0.5, 0, 0], np.float32).reshape(3, 1, 1)
    y = net.neuron(net.conv(s, 3))
    graph = net.graph(net.concat(y, y, axis=2))
    first, last = graph.states
    graph = replace(graph, states=(first, replace(last, initial=Const("start"))))
    with pytest.raises(MappingError) as caught:
        from_onnx(written(graph, tmp_path))
    golden(f"{caught.value}\n")


def test_a_network_with_several_outputs_trains_one_of_them(tmp_path):
    net = NetworkBuilder()
    x = net.entry(3)
    hidden = net.neuron(net.dense(x, 5))
    out = net.neuron(net.dense(hidden, 2))
    graph = net.graph(hidden, out)
    path = written(graph, tmp_path)
    (found,) = problems(path)
    assert found == (
        "not-trainable",
        f"a network that is trained has one output, the file has 2: {[hidden.name, out.name]}",
    )
    assert problems(path, output="y")[0][0] == "bad-argument"
    inputs = spikes_for(graph)
    wanted = evaluate(graph, inputs)
    for name in (hidden.name, out.name):
        assert (answers(from_onnx(path, output=name), inputs["x0"]) == wanted[name]).all()
    assert len(list(from_onnx(path, output=hidden.name).children())) == 2  # the others are left out


def test_a_network_with_two_inputs_is_refused(tmp_path):
    net = NetworkBuilder()
    y = net.neuron(net.sum(net.dense(net.entry(3), 2), net.dense(net.entry(4), 2)))
    (found,) = problems(written(net.graph(y), tmp_path))
    assert found[1] == "a network that is trained has one input, the file has 2: ['x0', 'x1']"


def test_what_feeds_back_and_membranes_that_are_read_are_refused(tmp_path):
    net = NetworkBuilder()
    x = net.entry(3)
    before = net.state("before", (2,), SPIKE)
    y = net.neuron(net.sum(net.dense(x, 2), net.dense(before, 2)))
    net.follow(before, y)
    (found,) = problems(written(net.graph(y), tmp_path))
    assert found[1].endswith("reads 'before' of the step before: no module feeds back")
    net = NetworkBuilder()
    net.neuron(net.dense(net.entry(3), 2))
    (membrane,) = (op.membrane_next for op in net.ops if isinstance(op, Neuron))
    (found,) = problems(written(net.graph(membrane), tmp_path))
    assert "the output reads" in found[1]
    assert found[1].endswith("spikes alone go on")


def test_what_is_rounded_to_a_grid_is_refused(tmp_path):
    net = NetworkBuilder()
    x = net.entry(3)
    grid = FakeQuantize(x=x, step=0.1, low=-8, high=7, result=replace(x, name="q"), loc="m:q")
    y = net.neuron(net.dense(net.add(grid), 2))
    (found,) = problems(written(net.graph(y), tmp_path))
    assert found[1].startswith("round to grid: values that are rounded to a grid are not trained")


def test_a_transposed_convolution_that_torch_has_not_is_refused(tmp_path):
    net = NetworkBuilder()
    y = net.conv_transpose(net.entry(2, 4, 4), 2, 3, output_padding=(1, 0))
    (found,) = problems(written(net.graph(net.neuron(y)), tmp_path))
    assert found[1].startswith("output padding is (1, 0), torch has less than stride or dilation")


def test_factors_within_a_channel_are_refused(tmp_path):
    net = NetworkBuilder()
    y = net.conv(net.entry(2, 2, 2), 2, kernel=1)
    factor = net.constant("f", np.arange(1, 9).reshape(2, 2, 2))
    (found,) = problems(written(net.graph(net.neuron(net.scale(y, factor, 0.0))), tmp_path))
    assert found[1].startswith("a factor or an offset differs within a channel")


def test_a_network_in_integers_is_refused(tmp_path):
    x = spikes(4, 2, 2, 6, 6)
    twin = harden(a_network(), "adcless-64", example=x)
    export_onnx(twin, tmp_path / "m.onnx", x)
    (found,) = problems(tmp_path / "m.onnx")
    assert found[1].startswith("the file holds the integers of a network for 'adcless-64'")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learn": ("bias",)}, "learn names ['bias']"),
        ({"learn": "leak"}, "learn is 'leak', a str: it takes names of numbers"),
        ({"sharpness": 0}, "sharpness is above 0, got 0"),
        ({"output": 1}, "output is 1, a int: it takes text"),
    ],
)
def test_wrong_options_are_refused_by_name(tmp_path, options, message):
    (found,) = problems(tmp_path / "m.onnx", **options)
    assert found[0] == "bad-argument"
    assert found[1].startswith(message)


# --- networks of libraries -----------------------------------------------------------------------

REFUSED = {
    "models/flow_analogdec_step_dynamo": "one output, the file has 4",
    "models/norse_lifrec_unroll_legacy": "feeds back",
    "models/qdq_ort_convfc_s8s8_perch": "rounded to a grid",
    "models/rockpool_lif_single_btn_dynamo": "feeds back",
    "models/snntorch_rleaky_step_legacy": "feeds back",
    "models/spyx_conv_step": "padding at top, left, bottom and right is (0, 0, 1, 1)",
    "models2/ann_sj2_channel_thresholds_image_dynamo": "starts at 0.5",
    "models2/int_ilif_sj2_conv_step_dynamo": "training knows one spike",
    "models2/int_ternary_sj2_step_dynamo": "training knows one spike",
    "models2/q_loihi_trunc_lif_step_dynamo": "leak is rounded",
    "models2/real_firenet_weights_step_legacy": "feeds back",
    "models2/real_lava_oxford_layer_step_legacy": "leak is rounded",
    "models2/real_lava_pilotnet_conv_step_legacy": "leak is rounded",
    "models2/rec_delay_axon_gather_step_dynamo": "feeds back",
    "models2/rec_firenet_step_legacy": "feeds back",
}


def test_models_of_libraries_are_modules_that_do_the_same(shared, campaign, tmp_path):
    cases = sorted(path.parent for path in shared.glob("models*/*/model.onnx"))
    taken = 0
    for case in campaign(cases, 8):
        name = f"{case.parent.name}/{case.name}"
        try:
            imported = import_model(case / "model.onnx")
        except MappingError as error:
            found = [(d.code, d.message) for d in error.diagnostics]
            assert problems(case / "model.onnx") == found
            continue
        if name in REFUSED:
            assert REFUSED[name] in problems(case / "model.onnx")[0][1], name
            continue
        model = from_onnx(case / "model.onnx")
        (source,) = imported.graph.inputs
        with np.load(case / "io.npz") as io:
            x = imported.port(source.name).to_graph(io[f"in_{source.name}"].astype(np.float32))
        assert_equal(answers(model, x), defined(imported.graph, x))
        export_onnx(model, tmp_path / "m.onnx", torch.from_numpy(np.ascontiguousarray(x)))
        again = from_onnx(tmp_path / "m.onnx")
        assert (answers(again, x) == answers(model, x)).all(), name
        assert list(again.state_dict()) == list(model.state_dict())
        taken += 1
    assert taken > 2


LIBRARIES = {
    "snntorch": "snntorch_csnn34_step_legacy",
    "spikingjelly": "sj2_dvsgesture_32_step_dynamo",
    "norse": "norse_conv_lif_li_step_dynamo",
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_network_of_a_library_trains_by_the_recipe(shared, library, tmp_path, monkeypatch):
    follow_the_recipe(shared / "models" / LIBRARIES[library] / "model.onnx", tmp_path, monkeypatch)


def test_a_network_as_sinabs_writes_it_trains_by_the_recipe(tmp_path, monkeypatch):
    net = NetworkBuilder()
    iaf = {
        "leak": 1.0,
        "threshold": 0.3,
        "floor": -0.3,
        "reset": Reset(kind="subtract", amount=0.3),
    }
    s = net.neuron(net.conv(net.entry(2, 8, 8), 4), **iaf)
    y = net.neuron(net.dense(net.flatten(s), 3), **iaf)
    follow_the_recipe(written(net.graph(y), tmp_path), tmp_path, monkeypatch)


def test_averages_before_layers_are_for_floats_alone(shared):
    model = from_onnx(shared / "models" / "sinabs_iaf_single_seq_dynamo" / "model.onnx")
    with pytest.raises(
        MappingError, match="linear layer takes spikes, 0 to 1, and is given analog"
    ):
        harden(model)


def follow_the_recipe(file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run what docs/training.md shows on a file, for one epoch a stage."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    (recipe,) = (block for block in blocks if "= from_onnx(" in block)
    graph = import_model(file).graph
    ((source,), (result,)) = graph.inputs, graph.outputs
    shutil.copy(file, folder / "network.onnx")
    monkeypatch.chdir(folder)
    x, labels = spikes(4, 6, *source.shape), torch.arange(6) % result.shape[0]
    task = Classification("six", train=(x, labels), test=(x, labels), batch=3)
    held = {"over_time": over_time, "export_onnx": export_onnx, "staged": staged}
    held |= {"Run": Run, "Options": Options}
    space = {**held, "task": task, "x": x}
    exec(re.sub(r"target=\d", "target=1", recipe), space)
    start = from_onnx(file)
    assert_equal(answers(start, x.numpy()), defined(graph, x.numpy()))
    hardened = import_model(folder / "hardened.onnx")
    assert hardened.trained_for == "adcless-64"
    weights = {name for name, module in start.named_modules() if isinstance(module, Weighted)}
    crossbars = [op for op in hardened.graph.ops if isinstance(op, CrossbarMvm)]
    assert {layer_name(op.loc) for op in crossbars} == weights


def test_an_output_of_the_host_is_not_trained(tmp_path):
    path = saved(step_model("softmax"), tmp_path)
    assert from_onnx(path, output="z")
    told = r"'y' is computed on the host \(Softmax\), of \['z'\]"
    with pytest.raises(MappingError, match=told) as caught:
        from_onnx(path, output="y")
    assert caught.value.diagnostics[0].code == "not-trainable"
