"""Every NIR node, with numbers that can be checked by hand."""

import nir
import numpy as np
import pytest

from mapper.cost import count_actions
from mapper.diagnostics import MappingError
from mapper.frontend import NirOptions, import_model
from mapper.ir.core import IntType
from mapper.ir.neurons import Neuron
from mapper.ir.waiting import waiting_states
from mapper.pipeline import make_passes, run_passes
from targets import load_target
from tests.engines import run_everywhere
from tests.frontend.nir_models import answer, chain, cuba, full, iaf, lif, run, saved

ONES = [[1.0]] * 4


def test_an_integrator_adds_r_times_its_input_each_step(tmp_path):
    graph = chain([1], nir.I(r=full(2, 1)))
    assert answer(tmp_path, graph, ONES, dt=0.25).ravel().tolist() == [0.5, 1.0, 1.5, 2.0]


def test_a_leaky_integrator_goes_half_of_the_way_to_its_rest(tmp_path):
    graph = chain([1], nir.LI(tau=full(2, 1), r=full(3, 1), v_leak=full(1, 1)))
    assert answer(tmp_path, graph, ONES, dt=1).ravel().tolist() == [2.0, 3.0, 3.5, 3.75]


def test_an_exponential_step_is_exact_for_a_constant_input(tmp_path):
    graph = chain([1], nir.LI(tau=full(2, 1), r=full(3, 1), v_leak=full(0, 1)))
    found = answer(tmp_path, graph, ONES, dt=1, integration="exponential").ravel()
    exact = 3 * (1 - np.exp(-np.arange(1, 5) / 2))
    assert np.allclose(found, exact, rtol=1e-6)  # single precision


def test_integrate_and_fire_fires_above_its_threshold_and_goes_to_v_reset(tmp_path):
    node = iaf(v_threshold=full(2, 1), v_reset=full(-1, 1))
    found = run(saved(tmp_path, chain([1], node)), [[1.0]] * 7, dt=1)
    assert found["output"].ravel().tolist() == [0, 0, 1, 0, 0, 0, 1]
    assert found["n0.v_next"].ravel().tolist() == [1, 2, -1, 0, 1, 2, -1]


@pytest.mark.parametrize(
    ("reset", "spikes", "last"),
    [("value", [0, 1, 0, 1], 0.25), ("zero", [0, 1, 0, 1], 0.0), ("subtract", [0, 1, 1, 1], 0.5)],
)
def test_what_a_spike_does_to_the_membrane(reset, spikes, last, tmp_path):
    # Leak 1/2, gain 1, input 1: the membrane is 1, then 1.5 and fires. From 0.25 or 0 it is at
    # 1.125 or 1.0; from 0.5 at 1.25. So 0 needs another step, and 0.25 does not.
    node = lif(v_threshold=full(1.2, 1), v_reset=full(0.25, 1))
    found = run(saved(tmp_path, chain([1], node)), ONES, dt=1, reset=reset)
    v = 0.0
    for t in range(4):
        v = v + 0.5 * (-v + 2)
        fired = v > 1.2
        v = {"value": 0.25, "zero": 0.0, "subtract": v - 1.2}[reset] if fired else v
        assert found["output"][t, 0] == fired
        assert found["n0.v_next"][t, 0] == pytest.approx(v, rel=1e-6)  # 1.2 in single precision


def test_the_membrane_reads_the_new_synaptic_current(tmp_path):
    found = run(saved(tmp_path, chain([1], cuba(v_threshold=full(9, 1)))), [[1.0], [0], [0]], dt=1)
    assert found["n0.i_next"].ravel().tolist() == [1.0, 0.5, 0.25]
    assert found["n0.v_next"].ravel().tolist() == [1.0, 1.0, 0.75]  # v/2 + i


def test_a_current_based_integrator_never_fires(tmp_path):
    node = nir.CubaLI(
        tau_syn=full(2, 1), tau_mem=full(4, 1), r=full(4, 1), v_leak=full(0, 1), w_in=full(2, 1)
    )
    found = answer(tmp_path, chain([1], node), [[1.0], [0], [0]], dt=1)
    assert found.ravel().tolist() == [1.0, 1.25, 1.1875]  # 3v/4 + i, i = 1, 1/2, 1/4


def test_every_neuron_may_have_constants_of_its_own(tmp_path):
    node = lif(2, tau=np.array([2.0, 4.0]), r=np.array([2.0, 4.0]), v_threshold=full(9, 2))
    found = run(saved(tmp_path, chain([2], node)), [[1.0, 1.0]] * 2, dt=1)
    assert found["n0.v_next"].tolist() == [[1.0, 1.0], [1.5, 1.75]]


def test_a_constant_of_one_number_serves_the_layer(tmp_path):
    """SnnTorch writes them so."""
    graph = chain([3], nir.Linear(weight=np.eye(3)), lif(1))
    assert answer(tmp_path, graph, [[1.0, 2.0, 3.0]], dt=1).tolist() == [[0, 1, 1]]


def test_a_threshold_compares_and_keeps_nothing(tmp_path):
    graph = chain([3], nir.Threshold(threshold=np.array([0.0, 1.0, 2.0])))
    assert answer(tmp_path, graph, [[1.0, 1.0, 3.0], [0, 2, 0]]).tolist() == [[1, 0, 1], [0, 1, 0]]


def test_a_threshold_makes_the_integrator_before_it_fire_without_a_reset(tmp_path):
    leaky = nir.LI(tau=full(2, 1), r=full(2, 1), v_leak=full(0, 1))
    path = saved(tmp_path, chain([1], leaky, nir.Threshold(threshold=full(1.6, 1))))
    assert run(path, ONES, dt=1)["output"].ravel().tolist() == [0, 0, 1, 1]  # 1, 1.5, 1.75, 1.875
    (neuron,) = [op for op in import_model(path).graph.ops if isinstance(op, Neuron)]
    assert (neuron.reset.kind, neuron.strict) == ("none", True)


def test_weights_and_scales(tmp_path):
    graph = chain(
        [2],
        nir.Affine(weight=np.array([[1.0, 2.0], [3.0, 4.0]]), bias=np.array([1.0, 0.0])),
        nir.Scale(scale=np.array([2.0, 0.5])),
        nir.Linear(weight=np.array([[1.0, -1.0]])),
        nir.I(r=full(1, 1)),
    )
    assert answer(tmp_path, graph, [[1.0, 1.0]], dt=1).tolist() == [[2 * 4 - 0.5 * 7]]


def conv2d(weight, size=(3, 3), **changed):
    fields = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    bias = np.zeros(len(weight))
    return nir.Conv2d(input_shape=size, weight=weight, bias=bias, **(fields | changed))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, [[8, 12], [20, 24]]),
        ({"padding": (1, 1), "stride": (2, 2)}, [[0, 3], [9, 24]]),
        ({"padding": 1, "stride": 2}, [[0, 3], [9, 24]]),
        ({"padding": "valid"}, [[8, 12], [20, 24]]),
        ({"padding": "same"}, [[8, 12, 7], [20, 24, 13], [13, 15, 8]]),
        ({"dilation": (2, 2)}, [[16]]),
    ],
)
def test_a_convolution(changed, expected, tmp_path):
    image = np.arange(9.0).reshape(1, 3, 3)
    size = np.shape(expected)
    graph = chain([1, 3, 3], conv2d(np.ones((1, 1, 2, 2)), **changed), nir.I(r=full(1, 1, *size)))
    assert answer(tmp_path, graph, image[None], dt=1)[0, 0].tolist() == expected


def test_a_convolution_in_groups(tmp_path):
    weight = np.array([2.0, 3.0]).reshape(2, 1, 1, 1)
    graph = chain([2, 1, 1], conv2d(weight, (1, 1), groups=2), nir.I(r=full(1, 2, 1, 1)))
    assert answer(tmp_path, graph, [[[[1.0]], [[10.0]]]], dt=1).ravel().tolist() == [2, 30]


def test_a_convolution_over_one_axis(tmp_path):
    conv = nir.Conv1d(
        input_shape=4,
        weight=np.array([[[1.0, 10.0]]]),
        stride=2,
        padding=1,
        dilation=1,
        groups=1,
        bias=np.array([0.5]),
    )
    graph = chain([1, 4], conv, nir.I(r=full(1, 1, 3)))
    assert answer(tmp_path, graph, [[[1.0, 2, 3, 4]]], dt=1).tolist() == [[[10.5, 32.5, 4.5]]]


@pytest.mark.parametrize(("kind", "expected"), [(nir.SumPool2d, 10), (nir.AvgPool2d, 2.5)])
def test_pools(kind, expected, tmp_path):
    pool = kind(kernel_size=np.array([2, 2]), stride=np.array([2, 2]), padding=np.array([0, 0]))
    graph = chain([1, 2, 2], pool, nir.Flatten(np.array([1, 1, 1]), 0, -1), nir.I(r=full(1, 1)))
    assert answer(tmp_path, graph, [[[[1.0, 2], [3, 4]]]], dt=1).tolist() == [[expected]]


def test_flattening_some_axes(tmp_path):
    graph = chain([2, 2, 3], nir.Flatten(np.array([2, 2, 3]), 1, 2), nir.I(r=full(1, 2, 6)))
    assert answer(tmp_path, graph, np.zeros((1, 2, 2, 3)), dt=1).shape == (1, 2, 6)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_delay_holds_its_input_for_whole_steps(steps, tmp_path):
    delay = nir.Delay(delay=full(steps * 0.1, 1))
    graph = chain([1], iaf(v_threshold=full(0.5, 1)), delay, nir.I(r=full(10, 1)))
    found = answer(tmp_path, graph, [[20.0], [0.0], [0.0], [0.0], [0.0]], dt=0.1)
    assert found.ravel().tolist() == [float(t >= steps) for t in range(5)]


@pytest.mark.parametrize("behind", [False, True])
def test_neurons_wait_as_long_as_each_is_told(behind, tmp_path):
    """Spikes wait 0, 2 and 1 steps, or currents behind weights do; on hardware as many bits."""
    delay = nir.Delay(delay=np.array([0.0, 0.2, 0.1]))
    first, layer = iaf(3, v_threshold=full(0.5, 3)), nir.Linear(weight=np.eye(3))
    order = [first, layer, delay] if behind else [first, delay, layer]
    graph = chain([3], *order, iaf(3, v_threshold=full(0.05, 3)))
    x = [[20.0, 20.0, 20.0], *[[0.0] * 3] * 4]
    found = answer(tmp_path, graph, x, dt=0.1)
    assert found.reshape(5, 3).argmax(axis=0).tolist() == [0, 2, 1]
    network = import_model(saved(tmp_path, graph), NirOptions(dt=0.1)).graph
    target = load_target("ideal-128")
    made, _ = run_passes(network, target, make_passes())
    spikes = (np.random.default_rng(0).random((6, 2, 3)) < 0.5).astype(np.int64)
    run_everywhere(made, {made.inputs[0].name: spikes})
    waiting = {s.read.type for s in waiting_states(made)}
    (width,) = {type.bits for type in waiting if isinstance(type, IntType)}
    assert (width > 1) == behind
    stored = sum(layer.skip_stored_bits for layer in count_actions(made, target).layers)
    assert stored == (0 + 2 + 1) * width


@pytest.mark.parametrize(
    ("node", "code", "words"),
    [
        (nir.Delay(delay=full(0.25, 1)), "unsupported-op", "2.5 time steps"),
        (nir.Delay(delay=np.array([0.1, 0.2, 0.1])), "invalid-model", "(3,)"),
        (lif(3), "invalid-model", "(3,)"),
        (lif(tau=full(0, 1)), "invalid-model", "above 0"),
        (lif(r=full(np.inf, 1)), "nan-weights", "'r'"),
        (nir.Linear(weight=np.ones((1, 3))), "invalid-model", "take 3 inputs"),
        (nir.Linear(weight=np.ones((2, 1, 3))), "unsupported-op", "two axes"),
        (conv2d(np.ones((1, 1, 2, 2))), "invalid-model", "do not fit"),
    ],
)
def test_a_node_that_cannot_be_read_is_named(node, code, words, tmp_path):
    with pytest.raises(MappingError) as caught:
        answer(tmp_path, chain([2], node, iaf(2)), [[0.0, 0.0]], dt=0.1)
    (found,) = caught.value.diagnostics
    assert found.code == code
    assert words in found.message
    assert found.loc.startswith("net.nir:n0")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"padding": "same", "stride": (2, 2)}, "unsupported-op"),
        ({"stride": (-1, 1)}, "invalid-model"),
        ({"padding": (-1, 0)}, "invalid-model"),
        ({"dilation": (9, 9)}, "invalid-model"),
        ({"groups": 2}, "invalid-model"),
        ({"padding": (1 << 30, 1 << 30)}, "model-too-large"),
        ({"padding": (1 << 16, 1 << 16)}, "model-too-large"),
    ],
)
def test_windows_that_cannot_be_are_refused(changed, code, tmp_path):
    graph = chain([1, 3, 3], conv2d(np.ones((1, 1, 2, 2)), **changed), iaf(1))
    with pytest.raises(MappingError) as caught:
        import_model(saved(tmp_path, graph))
    assert caught.value.diagnostics[0].code == code


def test_a_network_without_neurons_is_refused(tmp_path):
    with pytest.raises(MappingError, match="no-neurons"):
        import_model(saved(tmp_path, chain([1], nir.Linear(weight=np.ones((1, 1))))))
