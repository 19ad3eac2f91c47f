"""SpikingJelly's own operators, in a model of one step."""

import numpy as np
import pytest

from mapper.diagnostics import MappingError
from mapper.frontend import import_model
from mapper.ir.neurons import Neuron, Reset
from mapper.verify.model import verify_model
from tests.frontend.models import model, node, saved

TRAINING = "no no no no"
"""Whether to detach the reset, the surrogate's slope, ...: read by nobody here."""


def with_operator(domain, inputs, steps=1, **numbers):
    forward = node("forward", f"x v {inputs} {TRAINING}", "s v_out h")
    forward.domain = domain
    return model(
        [forward],
        {"x": [steps, 1, 4], "v": [1, 4]},
        {"s": [steps, 1, 4], "v_out": [1, 4]},
        {"no": 0.0, **numbers},
        domains=[domain],
    )


def neuron_of(proto, folder) -> Neuron:
    (op,) = (op for op in import_model(saved(proto, folder)).graph.ops if isinstance(op, Neuron))
    return op


def test_integrate_and_fire(tmp_path):
    neuron = neuron_of(with_operator("sj_if", "th reset", th=1.5, reset=-0.5), tmp_path)
    assert (neuron.leak, neuron.gain, neuron.threshold, neuron.strict) == (1.0, 1.0, 1.5, False)
    assert neuron.reset == Reset(kind="value", amount=-0.5)


@pytest.mark.parametrize(("decays", "gain"), [(True, 0.25), (False, 1.0)])
def test_leaky(decays, gain, tmp_path):
    proto = with_operator(
        "sj_lif", "tau decays th reset", tau=4.0, decays=np.array(decays), th=1.0, reset=0.0
    )
    neuron = neuron_of(proto, tmp_path)
    assert (neuron.leak, neuron.gain) == (0.75, gain)


def test_parametric_without_reset_value_subtracts(tmp_path):
    proto = with_operator("sj_plif", "w decays th reset", w=0.0, decays=np.array(True), th=2.0)
    proto.graph.node[0].input[5] = ""
    neuron = neuron_of(proto, tmp_path)
    assert (neuron.leak, neuron.gain) == (0.5, 0.5)
    assert neuron.reset == Reset(kind="subtract", amount=2.0)


def test_several_steps_at_once_are_taken_one_by_one(tmp_path):
    path = saved(with_operator("sj_if", "th reset", steps=4, th=1.0, reset=0.0), tmp_path)
    imported = import_model(path)
    assert imported.steps == 4
    x = np.full((4, 1, 4), 0.5, np.float32)
    # 0.5, 1.0 fires and goes back to 0, 0.5, 1.0 fires
    spikes = np.zeros((4, 1, 4), np.float32)
    spikes[[1, 3]] = 1
    verified = verify_model(path, {"x": x, "expected_s": spikes}, "x.npz")
    assert {r.name: r.status for r in verified.rings}["3-expected-outputs"] == "equal"


def test_a_sequence_for_a_membrane_of_another_shape_is_refused(tmp_path):
    proto = with_operator("sj_if", "th reset", steps=4, th=1.0, reset=0.0)
    proto.graph.input[1].type.tensor_type.shape.dim[1].dim_value = 3
    with pytest.raises(MappingError) as caught:
        import_model(saved(proto, tmp_path))
    assert caught.value.diagnostics[0].code == "unsupported-time-form"


def test_several_samples_at_once_are_read_side_by_side(tmp_path):
    """``[T, 3, 4]``: no engine here runs one sample of them alone, so they stay three rows."""
    forward = node("forward", f"i v th reset {TRAINING}", "s v_out h")
    forward.domain = "sj_if"
    numbers = {"no": 0.0, "th": 1.0, "reset": 0.0, "v": np.zeros((3, 4), np.float32)}
    proto = model(
        [node("MatMul", "x w", "i"), forward],
        {"x": [5, 3, 4]},
        {"s": [5, 3, 4]},
        {**numbers, "w": 0.5 * np.eye(4, dtype=np.float32)},
        domains=["sj_if"],
    )
    path = saved(proto, tmp_path)
    assert neuron_of(proto, tmp_path).spike.shape == (3, 4)
    spikes = np.zeros((5, 3, 4), np.float32)
    spikes[[1, 3]] = 1  # 0.5, 1.0 fires and goes back to 0
    verified = verify_model(path, {"x": np.ones((5, 3, 4), np.float32), "expected_s": spikes}, "x")
    assert {r.name: r.status for r in verified.rings}["3-expected-outputs"] == "equal"
