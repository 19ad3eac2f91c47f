"""Neurons by hand, their gradients, and how layers of one step run over many."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from mapper.training import LIF, over_time
from mapper.training.nets.gradients import fire
from mapper.training.nets.neurons import nearest_leak
from passes.integers.neuron_units import nearest_leak as compiled_leak
from targets import load_target


def drive(*numbers):
    return torch.tensor(numbers).reshape(-1, 1, 1)


def run(neuron, *numbers):
    return neuron(drive(*numbers)).flatten().tolist()


def test_a_soft_reset_takes_the_threshold_away():
    # v: 0.75, then 0.375 + 0.75 = 1.125 fires and 0.125 stays, then 0.8125, then 1.15625 fires.
    assert run(LIF(leak=0.5), 0.75, 0.75, 0.75, 0.75) == [0, 1, 0, 1]


def test_a_hard_reset_sets_the_membrane_to_zero():
    # v: 3 fires and nothing stays; a soft reset would leave 2 and fire again.
    assert run(LIF(leak=1.0, reset="value"), 3.0, 0.0) == [1, 0]
    assert run(LIF(leak=1.0, reset="subtract"), 3.0, 0.0) == [1, 1]


def test_no_reset_fires_as_long_as_the_membrane_is_high():
    assert run(LIF(leak=0.5, reset="none"), 2.0, 0.0, 0.0) == [1, 1, 0]


def test_a_threshold_that_is_reached_fires():
    assert run(LIF(leak=1.0, threshold=1.0), 1.0) == [1]


def test_an_integrator_returns_its_membrane():
    assert run(LIF(leak=0.5, spiking=False), 1.0, 1.0, 0.0) == [1, 1.5, 0.75]


def test_a_synaptic_current_has_its_own_leak():
    # i: 1, 0.5, 0.25; v = v + i.
    neuron = LIF(leak=1.0, current_leak=0.5, spiking=False)
    assert run(neuron, 1.0, 0.0, 0.0) == [1, 1.5, 1.75]


def test_the_surrogate_is_the_slope_of_an_arctangent():
    level = torch.linspace(-2, 2, 41, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(fire(level, 1.5).sum(), level)

    def smooth(z):
        return torch.atan(torch.pi * 1.5 * z) / (torch.pi * 1.5)

    finite = (smooth(level + 1e-6) - smooth(level - 1e-6)) / 2e-6
    torch.testing.assert_close(slope, finite, rtol=1e-6, atol=1e-8)


def test_leak_threshold_and_current_leak_learn_when_asked():
    neuron = LIF(current_leak=0.5, learn=("leak", "threshold", "current_leak"))
    neuron(torch.rand(5, 2, 3)).sum().backward()
    assert all(p.grad is not None and float(p.grad) != 0 for p in neuron.parameters())
    assert not any(p.requires_grad for p in LIF(current_leak=0.5).parameters())


@pytest.mark.parametrize(
    ("name", "past", "way_back"),
    [
        ("threshold", -0.5, -1),
        ("leak", -0.1, -1),
        ("leak", 1.1, 1),
        ("current_leak", -0.1, -1),
        ("current_leak", 1.1, 1),
    ],
)
def test_what_learned_past_its_limit_learns_the_way_back(name, past, way_back):
    neuron = LIF(current_leak=0.5, learn=(name,), spiking=name == "threshold")
    number = getattr(neuron, name)
    with torch.no_grad():
        number.fill_(past)
    x = torch.rand(5, 2, 3)
    (rising,) = torch.autograd.grad(neuron(x).sum(), number)
    (falling,) = torch.autograd.grad(-neuron(x).sum(), number)
    # One of the two losses wants it further out, and gets nothing.
    assert sorted([float(rising) == 0, float(falling) == 0]) == [False, True]
    assert float(rising + falling) * way_back > 0  # a step against it leads back


def test_a_twin_has_the_leaks_of_its_hardware():
    own = load_target("adcless-64").neuron
    shifts = replace(own, leaks=("none", "shift"), leak_bits=0)
    neuron = LIF(leak=0.9, current_leak=0.6, learn=("leak",))
    neuron.unit = shifts
    assert float(neuron.bounded()[0].detach()) == 0.875  # 1 - 1/8
    assert float(neuron.bounded_current_leak().detach()) == 0.5
    neuron(torch.rand(5, 2, 3)).sum().backward()
    assert float(neuron.leak.grad) != 0
    neuron.unit = own  # 12 fraction bits
    assert float(neuron.bounded()[0].detach()) == pytest.approx(
        3686 / 4096, abs=1e-7
    )  # single precision
    assert float(LIF(leak=1.0).bounded()[0]) == 1


def test_neurons_may_differ_by_channel():
    leaks, thresholds = torch.tensor([0.5, 1.0, 0.9]), torch.tensor([0.4, 1.0, 0.7])
    neuron = LIF(leaks[:, None, None], thresholds[:, None, None], learn=("leak", "threshold"))
    x = torch.rand(6, 2, 3, 2, 2)
    found = neuron(x)
    for channel, (leak, threshold) in enumerate(zip(leaks, thresholds, strict=True)):
        own = LIF(float(leak), float(threshold))(x[:, :, channel])
        assert (found[:, :, channel] == own).all()
    found.sum().backward()
    assert neuron.leak.grad.shape == (3, 1, 1)
    assert "leak=0.5..1, threshold=0.4..1" in str(neuron)
    with pytest.raises(ValueError, match="leak is a share from 0 to 1"):
        LIF(torch.tensor([0.5, 1.5]))


def test_steps_and_samples_do_not_mix():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), LIF(), nn.Flatten(), nn.Linear(8, 3), LIF())
    x = torch.rand(5, 4, 1, 4, 4) * 3
    whole = over_time(model, x)
    assert whole.shape == (5, 4, 3)
    for sample in range(4):
        assert (over_time(model, x[:, sample : sample + 1]) == whole[:, sample : sample + 1]).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"leak": 1.5}, "leak is a share from 0 to 1, got 1.5"),
        ({"current_leak": -0.1}, "current_leak is a share from 0 to 1, got -0.1"),
        ({"threshold": 0}, "threshold must be above 0, got 0"),
        ({"reset": "soft"}, "reset is 'subtract', 'value' or 'none', got 'soft'"),
        ({"learn": ("bias",)}, r"learn names \['bias'\], which no neuron has"),
    ],
)
def test_impossible_neurons_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LIF(**arguments)


def test_inputs_without_time_are_refused():
    with pytest.raises(ValueError, match=r"inputs are \[T, B, ...\], got a tensor of shape \(3, 4"):
        over_time(nn.Linear(4, 2), torch.zeros(3, 4))


@pytest.mark.parametrize("leaks", [("shift",), ("multiply",), ("shift", "multiply"), ()])
def test_leaks_are_those_that_compiling_chooses(leaks):
    unit = replace(load_target("adcless-64").neuron, leaks=leaks, leak_bits=5)
    for leak in torch.linspace(0, 1, 301):
        assert float(nearest_leak(leak, unit)) == compiled_leak(float(leak), unit)
