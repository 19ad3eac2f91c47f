"""Batch norms whose factors are, or become, zero or less."""

import copy

import pytest
import torch
from torch import nn

from mapper.training import export_onnx, harden, over_time
from mapper.training.nets.modules import traced
from mapper.training.nets.norms import LEAST_FACTOR, keep_factors_positive
from tests.training.small import a_network, a_target, spikes


def disordered(norm):
    with torch.no_grad():
        norm.weight.copy_(torch.randn(norm.num_features))
        norm.weight[0] = -0.5
        norm.bias.copy_(torch.randn(norm.num_features))
        norm.running_mean.copy_(torch.randn(norm.num_features))
        norm.running_var.copy_(torch.rand(norm.num_features) + 0.5)
    return norm


@pytest.mark.parametrize(
    ("layers", "shape"),
    [
        ([nn.Conv2d(2, 6, 3), disordered(nn.BatchNorm2d(6))], (3, 5, 2, 6, 6)),
        ([nn.Conv2d(2, 6, 3, groups=2), disordered(nn.BatchNorm2d(6))], (3, 5, 2, 6, 6)),
        (
            [nn.ConvTranspose2d(4, 6, 3, groups=2), disordered(nn.BatchNorm2d(6))],
            (3, 5, 4, 6, 6),
        ),
        ([nn.Linear(8, 6), disordered(nn.BatchNorm1d(6))], (3, 5, 8)),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_a_turned_channel_is_the_same_function(layers, shape, training):
    model = nn.Sequential(*layers).train(training)
    network = traced(copy.deepcopy(model))
    with torch.no_grad():
        model[1].weight[model[1].weight.abs() < LEAST_FACTOR] = 0.5
        network.get_submodule("1").weight.copy_(model[1].weight)
    keep_factors_positive(network)
    assert (network.get_submodule("1").weight > 0).all()
    x = spikes(*shape)
    # Signs are exact, and so is everything after them.
    assert (over_time(model, x) == over_time(network, x)).all()


def test_a_model_with_turned_and_silent_channels_becomes_a_twin(tmp_path):
    model = a_network()
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([-1.0, 1.0, 0.0, 1e-6]))
    before = copy.deepcopy(model.state_dict())
    x = spikes(4, 3, 2, 6, 6)
    twin = harden(model, a_target(), example=x)
    assert twin.eval()(x).isfinite().all()
    export_onnx(twin, tmp_path / "model.onnx", x)
    after = model.state_dict()
    assert all((before[name] == after[name]).all() for name in before)


def test_a_factor_that_learned_below_zero_learns_the_way_back():
    x = spikes(4, 3, 2, 6, 6)
    twin = harden(a_network(), a_target(), example=x)
    norm = twin.network.get_submodule("1")
    latent = norm.parametrizations.weight.original
    with torch.no_grad():
        latent.fill_(-1.0)
    assert norm.weight.tolist() == pytest.approx([LEAST_FACTOR] * 4)
    assert twin.eval()(x).isfinite().all()
    for sign, learns in ((1, False), (-1, True)):
        (gradient,) = torch.autograd.grad(sign * norm.weight.sum(), latent)
        assert bool((gradient != 0).all()) is learns


def test_a_factor_below_zero_that_no_layer_can_take_is_refused():
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.MaxPool2d(2), disordered(nn.BatchNorm2d(4)))
    with pytest.raises(ValueError, match="'2' scales a channel by a factor below zero"):
        harden(model, a_target())
