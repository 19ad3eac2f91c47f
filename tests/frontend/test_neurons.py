"""Neurons of the libraries, exported with torch: recognised, and equal to ONNX Runtime."""

from functools import partial

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.ir.core import SPIKE, Const
from mapper.ir.neurons import Neuron, Reset
from tests.frontend import zoo
from tests.frontend.export import exported
from tests.frontend.models import assert_equal_to_reference
from tests.frontend.nets import Case, Net, mlp
from tests.frontend.zoo import nn

LEAKY, JELLY, NORSE = zoo.SnnTorchLeaky, zoo.SpikingJelly, zoo.Norse
PER_NEURON = [0.08 * k for k in range(1, 13)]

NEURONS = {
    "leaky-subtract": mlp(LEAKY),
    "leaky-zero": mlp(partial(LEAKY, reset="zero")),
    "leaky-none": mlp(partial(LEAKY, reset="none")),
    "leaky-zero-at-once": mlp(partial(LEAKY, reset="zero", delay=False)),
    "leaky-zero-after-the-input": mlp(partial(LEAKY, reset="zero", late=True)),
    "leaky-subtract-at-once": mlp(partial(LEAKY, delay=False)),
    "leaky-subtract-at-once-low": mlp(partial(LEAKY, delay=False, threshold=0.2)),
    "leaky-per-neuron": mlp(partial(LEAKY, beta=PER_NEURON, threshold=PER_NEURON)),
    "leaky-graded": mlp(partial(LEAKY, factor=2.0)),
    "synaptic": mlp(zoo.SnnTorchSynaptic),
    "synaptic-zero": mlp(partial(zoo.SnnTorchSynaptic, reset="zero")),
    "recurrent": mlp(lambda: zoo.SnnTorchRecurrent(nn.Linear(12, 12)), "spk", "mem", "mem2"),
    "recurrent-one-to-one": mlp(
        lambda: zoo.SnnTorchRecurrent(zoo.OneToOne(PER_NEURON)), "spk", "mem", "mem2"
    ),
    "recurrent-without-names": mlp(lambda: zoo.SnnTorchRecurrent(nn.Linear(12, 12)), *"abc"),
    "lapicque": mlp(zoo.Lapicque),
    "if-hard": mlp(JELLY),
    "if-soft": mlp(partial(JELLY, v_reset=None)),
    "if-to-value": mlp(partial(JELLY, v_reset=-0.3)),
    "lif-decaying-input": mlp(partial(JELLY, tau=3.0)),
    "lif-full-input": mlp(partial(JELLY, tau=3.0, decay_input=False)),
    "lif-rest": mlp(partial(JELLY, tau=1.7, v_reset=-0.2, v_threshold=0.4)),
    "lif-where": mlp(partial(JELLY, tau=2.0, v_reset=0.1, where=True)),
    "plif": mlp(zoo.Parametric),
    "floor": mlp(zoo.Floored),
    "bounded-before-firing": mlp(partial(zoo.Floored, before=True)),
    "norse": mlp(NORSE),
    "norse-rest": mlp(partial(NORSE, leak=0.1, reset=-0.2)),
    "norse-box": mlp(partial(NORSE, boxed=True)),
    "norse-recurrent": mlp(lambda: zoo.NorseRecurrent(12), "z", "v", "i", "mem"),
    "spyx": mlp(zoo.Spyx),
    "spyx-recurrent": mlp(lambda: zoo.SpyxRecurrent(12)),
    "by-hand": mlp(zoo.ByHand, "mem", "spk", "mem2"),
    "by-hand-without-names": mlp(zoo.ByHand, *"abc"),
    "by-hand-soft": mlp(partial(zoo.ByHand, soft=True), "mem", "spk", "mem2"),
    "upside-down": mlp(zoo.Upside),
    "first-layer": Case(lambda: Net(LEAKY(), nn.Linear(12, 4), LEAKY()), (1, 12)),
    "equal-widths": Case(
        lambda: Net(nn.Linear(8, 8), LEAKY(), nn.Linear(8, 8), LEAKY()), (1, 8), ("a", "b")
    ),
    "integrating-readout": Case(
        lambda: Net(nn.Linear(20, 9), NORSE(), nn.Linear(9, 4), zoo.Integrator()), (1, 20)
    ),
}


@pytest.mark.parametrize("case", NEURONS.values(), ids=NEURONS)
def test_a_neuron_computes_what_the_legacy_export_computes(case, tmp_path):
    imported = assert_equal_to_reference(exported(case, "legacy", tmp_path))
    assert sum(isinstance(op, Neuron) for op in imported.graph.ops) == 2


@pytest.mark.campaign(14)
@pytest.mark.slow
@pytest.mark.parametrize("case", NEURONS.values(), ids=NEURONS)
def test_a_neuron_computes_what_the_dynamo_export_computes(case, tmp_path):
    imported = assert_equal_to_reference(exported(case, "dynamo", tmp_path))
    assert sum(isinstance(op, Neuron) for op in imported.graph.ops) == 2


def first_neuron(case, folder):
    graph = import_model(exported(case, "legacy", folder)).graph
    return next(op for op in graph.ops if isinstance(op, Neuron)), graph


def test_leaky_resets_by_the_spike_of_the_step_before(tmp_path):
    neuron, _ = first_neuron(NEURONS["leaky-subtract"], tmp_path)
    assert (neuron.leak, neuron.threshold, neuron.strict) == (pytest.approx(0.8), 1.0, True)
    assert neuron.reset == Reset(kind="subtract", amount=1.0, phase="next")
    assert neuron.spike_phase == "same"


def test_a_reset_that_wipes_out_the_input_too_is_late(tmp_path):
    neuron, _ = first_neuron(NEURONS["leaky-zero-after-the-input"], tmp_path)
    assert neuron.reset == Reset(kind="value", amount=0.0, phase="late")


def test_a_delayed_subtraction_that_is_made_up_for_guards_the_threshold(tmp_path):
    neuron, _ = first_neuron(NEURONS["leaky-subtract-at-once-low"], tmp_path)
    assert neuron.reset == Reset(kind="subtract", amount=pytest.approx(0.2), phase="guarded")


def test_lif_rests_at_its_reset_value_and_fires_at_the_threshold(tmp_path):
    neuron, _ = first_neuron(NEURONS["lif-rest"], tmp_path)
    assert neuron.leak == pytest.approx(1 - 1 / 1.7)
    assert neuron.gain == pytest.approx(1 / 1.7)
    assert neuron.bias == pytest.approx(-0.2 / 1.7)
    assert neuron.strict is False
    assert neuron.reset == Reset(kind="value", amount=pytest.approx(-0.2), phase="same")


def test_a_current_jumps_before_it_acts(tmp_path):
    neuron, _ = first_neuron(NEURONS["norse"], tmp_path)
    assert (neuron.leak, neuron.gain) == (pytest.approx(0.8), pytest.approx(0.2))
    assert neuron.current_gain == pytest.approx(0.2)
    assert (neuron.current_leak, neuron.current_input) == (pytest.approx(0.7), pytest.approx(0.7))


def test_a_neuron_that_fires_on_the_old_membrane_is_one_step_late(tmp_path):
    neuron, _ = first_neuron(NEURONS["spyx"], tmp_path)
    assert (neuron.spike_phase, neuron.reset.phase) == ("next", "next")


def test_a_spike_that_drives_its_own_step_is_kept_from_the_step_before(tmp_path):
    neuron, graph = first_neuron(NEURONS["spyx-recurrent"], tmp_path)
    (memory,) = (state for state in graph.states if not state.output)
    assert (memory.read.type, memory.next) == (SPIKE, neuron.spike.name)
    assert neuron.spike_phase == "same"


def test_parameters_per_neuron_become_constants(tmp_path):
    neuron, graph = first_neuron(NEURONS["leaky-per-neuron"], tmp_path)
    assert isinstance(neuron.leak, Const)
    assert graph.constants[neuron.leak.name].tolist() == pytest.approx(PER_NEURON)


def test_a_bound_below_is_a_floor(tmp_path):
    neuron, _ = first_neuron(NEURONS["floor"], tmp_path)
    assert neuron.floor == -1.0


def test_a_spike_fed_back_is_a_state_of_spikes(tmp_path):
    _, graph = first_neuron(NEURONS["recurrent"], tmp_path)
    state = next(s for s in graph.states if s.read.name == "spk")
    assert state.read.type == SPIKE
    assert (state.next, state.output) == ("spk_out", "spk_out")


def test_an_integrator_never_fires(tmp_path):
    graph = import_model(exported(NEURONS["integrating-readout"], "legacy", tmp_path)).graph
    (readout,) = (op for op in graph.ops if isinstance(op, Neuron) and op.spike is None)
    assert (readout.reset.kind, readout.gain) == ("none", pytest.approx(0.1))
    assert graph.outputs[0].name == "y"
    assert next(s for s in graph.states if s.output == "s2_out").next == "y"


def test_what_a_reading_takes_for_granted_is_noted(tmp_path):
    (note,) = import_model(exported(NEURONS["by-hand"], "legacy", tmp_path)).notes
    assert note == "'spk' must start as 1 where 'mem' starts above its threshold, else 0"


REFUSED = {
    "quadratic": (zoo.Quadratic, "it multiplies two computed values (Mul)"),
    "exponential": (zoo.Exponential, "it computes an exponential (Exp) of its state"),
    "adaptive": (zoo.Adaptive, "its threshold depends on 's1' (adaptive or refractory)"),
    "noise": (zoo.Noisy, "it adds random noise (RandomNormalLike)"),
}


@pytest.mark.parametrize("leak", [np.inf, -np.inf, np.nan])
def test_a_leak_that_is_no_finite_number_is_said_to_be(leak, tmp_path):
    path = exported(mlp(zoo.Spyx), "legacy", tmp_path)
    model = onnx.load(path)
    constants = [node.attribute[0].t for node in model.graph.node if node.op_type == "Constant"]
    (factor,) = (t for t in constants if numpy_helper.to_array(t) == np.float32(0.9))
    factor.CopyFrom(numpy_helper.from_array(np.float32(leak)))
    onnx.save(model, path)
    with pytest.raises(MappingError) as caught:
        import_model(path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.message.endswith(f"cannot be mapped: its leak is {leak:g}")


@pytest.mark.parametrize(("neuron", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_neuron_that_is_none_of_ours_is_refused_with_the_reason(neuron, reason, tmp_path):
    path = exported(mlp(neuron), "legacy", tmp_path)
    with pytest.raises(MappingError) as caught:
        import_model(path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "unsupported-neuron"
    assert diagnostic.message.endswith(f"cannot be mapped: {reason}")
    assert diagnostic.loc.startswith("model.onnx:/parts.1/")
