"""What a NIR file leaves open: options, metadata, what its numbers imply, and warnings."""

import nir
import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.frontend import NirOptions, import_model
from mapper.ir.neurons import Neuron
from tests.files import DEMO_MODEL
from tests.frontend.nir_models import chain, cuba, end, full, iaf, lif, net, port, run, saved


def read(tmp_path, *nodes, metadata=None, **options):
    graph = chain([1], *nodes, metadata=metadata or {})
    imported = import_model(saved(tmp_path, graph), NirOptions(**options))
    found = [op for op in imported.graph.ops if isinstance(op, Neuron)]
    return imported, found[0]


def seconds(**changed):
    """Return a neuron of 20 ms whose gain gives no time step away."""
    return lif(**({"tau": full(0.02, 1), "r": full(1, 1)} | changed))


def said(imported, *words):
    return any(all(word in text for word in words) for text in imported.warnings)


def test_an_assumed_time_step_is_said(tmp_path):
    imported, neuron = read(tmp_path, seconds(), reset="zero")
    assert neuron.leak == np.float32(1 - 1e-4 / 0.02)
    assert said(imported, "time step", "0.0001", "--dt")
    assert len(imported.warnings) == 1


def test_a_given_time_step_needs_no_warning(tmp_path):
    imported, neuron = read(tmp_path, seconds(), dt=1e-3, reset="zero")
    assert neuron.leak == np.float32(0.95)
    assert imported.warnings == ()


def test_an_assumed_reset_is_said(tmp_path):
    imported, neuron = read(tmp_path, seconds(), dt=1e-3)
    assert (neuron.reset.kind, neuron.reset.amount) == ("value", 0.0)
    assert said(imported, "reset", "v_reset", "--reset")


@pytest.mark.parametrize("dt", [1e-4, 1e-3, 1.0])
def test_an_integrate_and_fire_neuron_gives_the_time_step_away(dt, tmp_path):
    imported, neuron = read(tmp_path, iaf(r=full(1 / dt, 1)), reset="zero")
    assert neuron.gain == 1.0
    assert imported.warnings == ()


def test_gains_of_one_give_the_time_step_away(tmp_path):
    """SnnTorch and SpikingJelly choose r = tau / dt and w_in = tau_syn / dt."""
    node = cuba(tau_mem=full(1e-3, 1), r=full(10, 1), tau_syn=full(2e-4, 1), w_in=full(2, 1))
    imported, neuron = read(tmp_path, node, reset="zero")
    assert (neuron.leak, neuron.current_leak) == (np.float32(0.9), 0.5)
    assert imported.warnings == ()
    assert any("imply a time step" in note for note in imported.notes)


def test_one_time_constant_alone_gives_nothing_away(tmp_path):
    imported, _ = read(tmp_path, seconds(r=full(2, 1)), reset="zero")  # 0.01 would fit as well
    assert said(imported, "time step")


def test_an_integrate_and_fire_neuron_speaks_for_the_whole_file(tmp_path):
    imported, _ = read(tmp_path, iaf(r=full(1e4, 1)), seconds(), reset="zero")
    leaky = [op for op in imported.graph.ops if isinstance(op, Neuron)][1]
    assert leaky.leak == np.float32(0.995)
    assert imported.warnings == ()


def test_nodes_that_disagree_on_the_time_step_are_refused(tmp_path):
    graph = chain([1], iaf(), seconds())
    with pytest.raises(MappingError, match="nir-time-step"):
        import_model(saved(tmp_path, graph))
    neurons = import_model(saved(tmp_path, graph), NirOptions(library="norse")).graph.ops
    assert [op.gain for op in neurons if isinstance(op, Neuron)] == [1.0, np.float32(0.05)]


def test_a_time_step_that_scales_down_impulses_is_questioned(tmp_path):
    imported, neuron = read(tmp_path, iaf(), dt=1e-3, reset="zero")
    assert neuron.gain == np.float32(1e-3)
    assert said(imported, "dt*r")


def test_a_step_longer_than_a_time_constant_is_said(tmp_path):
    imported, neuron = read(tmp_path, seconds(), dt=0.04, reset="zero")
    assert neuron.leak == -1.0
    assert said(imported, "shorter", "overshoots")


@pytest.mark.parametrize("key", ["producer", "library", "framework"])
def test_a_library_named_in_the_metadata_counts(key, tmp_path):
    imported, neuron = read(tmp_path, seconds(), metadata={key: "Norse 1.1.0"})
    assert (neuron.leak, neuron.reset.kind) == (np.float32(0.95), "value")
    assert imported.warnings == ()
    assert any("Norse" in note for note in imported.notes)


def test_time_step_reset_and_integration_in_the_metadata_count(tmp_path):
    metadata = {"dt": 0.01, "reset_mechanism": "subtract", "integration": "exponential"}
    imported, neuron = read(tmp_path, seconds(), metadata=metadata)
    assert (neuron.leak, neuron.reset.kind) == (np.float32(np.exp(-0.5)), "subtract")
    assert imported.warnings == ()


def test_an_option_outweighs_the_metadata(tmp_path):
    metadata = {"dt": 0.01, "reset": "subtract", "library": "sinabs"}
    _, neuron = read(tmp_path, seconds(), metadata=metadata, dt=0.002, reset="zero")
    assert neuron.leak == np.float32(np.exp(-0.1))  # sinabs' integration is left
    assert neuron.reset.kind == "value"


@pytest.mark.parametrize("metadata", [{"dt": -1.0}, {"dt": "soon"}, {"dt": np.zeros(3)}])
def test_metadata_that_says_nothing_usable_is_passed_over(metadata, tmp_path):
    imported, _ = read(tmp_path, seconds(), metadata=metadata)
    assert said(imported, "time step")


@pytest.mark.parametrize(
    ("library", "leak", "strict", "reset"),
    [
        ("norse", 0.95, True, "value"),
        ("snntorch", 0.995, True, "value"),
        ("spikingjelly", 0.995, False, "value"),
    ],
)
def test_what_libraries_do_with_a_leaky_neuron(library, leak, strict, reset, tmp_path):
    imported, neuron = read(tmp_path, seconds(), library=library)
    assert (neuron.leak, neuron.strict, neuron.reset.kind) == (np.float32(leak), strict, reset)
    assert imported.warnings == ()


def test_sinabs_counts_in_steps_and_keeps_membranes_above_a_floor(tmp_path):
    _, neuron = read(tmp_path, iaf(v_threshold=full(2, 1)), library="sinabs")
    assert (neuron.gain, neuron.strict, neuron.floor) == (1.0, False, -2.0)
    assert (neuron.reset.kind, neuron.reset.amount) == ("subtract", 2.0)
    _, leaky = read(tmp_path, lif(tau=full(10, 1), r=full(1, 1)), library="sinabs")
    assert leaky.leak == np.float32(np.exp(-0.1))
    assert leaky.floor is None


def test_spyx_fires_one_step_late_and_adds_its_input_as_it_is(tmp_path):
    path = saved(tmp_path, chain([1], lif(tau=full(2, 1), r=full(0.5, 1))))
    found = run(path, [[1.5], [0], [0]], library="spyx")
    assert found["output"].ravel().tolist() == [0, 1, 0]
    assert found["n0.v_next"].ravel().tolist() == [1.5, -0.25, -0.125]  # 0.75 - 1
    synaptic = saved(tmp_path, chain([1], cuba(v_threshold=full(1, 1))), "cuba.nir")
    found = run(synaptic, [[1.5], [0], [0]], library="spyx")
    # v = 1.5, then (1.5 - 1)/2 + 0.75 = 1, then 1/2 + 0.375
    assert found["n0.v_next"].ravel().tolist() == [1.5, 1.0, 0.875]


def test_recurrent_layers_of_spyx_are_refused(tmp_path):
    nodes = {"input": port(1), "n": lif(), "w": nir.Linear(weight=np.ones((1, 1)))}
    edges = [("input", "n"), ("n", "w"), ("w", "n"), ("n", "output")]
    path = saved(tmp_path, net({**nodes, "output": end(1)}, edges))
    with pytest.raises(MappingError, match="unsupported-cycle"):
        import_model(path, NirOptions(library="spyx"))


@pytest.mark.parametrize(
    "options",
    [
        {"dt": 0.0},
        {"dt": float("nan")},
        {"reset": "soft"},
        {"integration": "rk4"},
        {"library": "x"},
    ],
)
def test_an_option_that_cannot_be_is_refused(options, tmp_path):
    with pytest.raises(MappingError, match="nir-option"):
        read(tmp_path, seconds(), **options)


def test_options_for_nir_are_refused_for_an_onnx_file():
    with pytest.raises(MappingError, match="nir-option"):
        import_model(DEMO_MODEL, NirOptions(dt=1e-3))
