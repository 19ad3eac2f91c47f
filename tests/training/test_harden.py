"""The hardware-aware twin of a float model, and that it computes what is compiled."""

import numpy as np
import pytest
import torch
from torch import nn

from mapper.ir.core import SPIKE
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.evaluate import evaluate
from mapper.training import LIF, Awareness, Hardened, harden, over_time
from mapper.training.hardening.settle import settle
from mapper.training.nets.gradients import quantised
from mapper.training.nets.partial_sums import spread_of_sums
from tests.training.small import a_macro, a_network, a_target, settled, spikes
from tests.training.twins import VARIANTS, assert_same_as_compiled, branches, disordered


@pytest.mark.campaign(9)
@pytest.mark.parametrize(("readout", "macro", "options"), VARIANTS)
def test_evaluation_is_what_is_compiled(readout, macro, options):
    x = spikes(4, 6, 2, 6, 6)
    model = harden(a_network(), a_target(readout, **macro), example=x, **options)
    assert_same_as_compiled(disordered(model), x)


@pytest.mark.parametrize("weight_bits", range(2, 9))
def test_weights_of_every_width_are_compiled(weight_bits):
    x = spikes(3, 4, 2, 6, 6)
    model = harden(a_network(), a_target(), weight_bits=weight_bits, example=x)
    assert_same_as_compiled(disordered(model), x)


@pytest.mark.parametrize("readout", ["sense-amp", "flash"])
@pytest.mark.parametrize("input_bits", [2, 3])
def test_inputs_of_several_bits(readout, input_bits):
    x = torch.randint(0, 2**input_bits, (3, 4, 2, 6, 6)).float()
    model = harden(a_network(), a_target(readout), input_bits=input_bits, example=x)
    assert_same_as_compiled(disordered(model), x)


@pytest.mark.parametrize(
    "target", ["adcless-64", "adcless-diff-32", "ternary-diff-64", "hpadc-flash5-64", "mixed-64"]
)
def test_shipped_targets(target):
    x = spikes(3, 4, 2, 6, 6)
    assert_same_as_compiled(disordered(harden(a_network(), target, example=x)), x)


@pytest.mark.parametrize("target", ["hpadc-flash5-64", "hpadc-flash5-128"])
def test_sums_that_single_precision_does_not_hold(target):
    model = nn.Sequential(nn.Flatten(), nn.Linear(8192, 2))
    nn.init.uniform_(model[1].weight, 0.5, 1.5)
    x = (torch.rand(2, 2, 8192, 1, 1) < 0.9).float()
    twin = disordered(harden(model, target, weight_bits=8, scale="block", example=x))
    with torch.no_grad():
        next(twin.layers()).converter_step.fill_(3)
    assert_same_as_compiled(twin, x)
    sums = evaluate(twin.hardware(x), {"x": x.numpy().astype(np.int64)})["y"]
    assert (sums > 2**24).all()
    assert (sums % 2 == 1).any()


@pytest.mark.parametrize("readout", ["sense-amp", "flash"])
def test_branches_that_meet(readout):
    x = spikes(3, 4, 2, 6, 6)
    model = harden(branches(), a_target(readout), example=x)
    assert_same_as_compiled(disordered(model), x)


@pytest.mark.parametrize(
    "awareness",
    [Awareness(reading="exact"), *(Awareness(reading="converter", bits=b) for b in (5, 2))],
)
@pytest.mark.parametrize("target", ["adcless-64", "adcless-diff-64", "ideal-128"])
def test_evaluation_is_integers_at_every_awareness(awareness, target):
    x = spikes(4, 6, 2, 6, 6)
    model = harden(a_network(), target)
    model.raise_awareness(awareness, x)
    assert_same_as_compiled(model, x)
    nearly_exact = awareness.reading == "exact" or awareness.bits == 5
    if nearly_exact:
        agreement = (model(x) - over_time(model.network, x)).abs().max()
        assert agreement < 0.5 * model(x).abs().max()  # the same network, thresholds rounded


# --- what harden gives ---------------------------------------------------------------------


@pytest.mark.parametrize("target", ["adcless-64", "adcless-diff-64", "hpadc-flash5-64"])
@pytest.mark.parametrize("training", [True, False])
def test_a_twin_works_as_it_is(target, training):
    model, x = harden(a_network(), target).train(training), spikes(4, 6, 2, 6, 6)
    assert not model.settled
    y = model(x)
    assert y.shape == (4, 6, 3)
    assert model.settled
    assert all(layer.awareness == Awareness() for layer in model.layers())
    assert y.requires_grad == training


def test_evaluation_does_not_depend_on_what_was_evaluated_before():
    x, others = spikes(4, 6, 2, 6, 6), spikes(4, 6, 2, 6, 6, density=0.8)
    model = harden(a_network(), "adcless-64", example=x).eval()
    first = model(x)
    model(others)
    assert (model(x) == first).all()
    assert (model(x[:, :1]) == first[:, :1]).all()


def test_the_float_model_is_left_as_it_is():
    model, x = a_network(), spikes(4, 6, 2, 6, 6)
    before = over_time(model.eval(), x)
    harden(model, "adcless-64", example=x)
    assert (over_time(model, x) == before).all()
    assert not any(isinstance(m, Hardened) for m in model.modules())


def test_a_twin_is_kept_with_its_awareness():
    x = spikes(4, 6, 2, 6, 6)
    model = harden(a_network(), "adcless-64")
    model.raise_awareness(Awareness(reading="converter", bits=3), x)
    again = harden(a_network(), "adcless-64")
    again.load_state_dict(model.state_dict())
    assert [layer.awareness.bits for layer in again.layers()] == [3, 3, 3]
    assert again.settled
    assert (again.train()(x) == model.train()(x)).all()


def test_weights_of_other_hardware_are_refused():
    model = harden(a_network(), "adcless-64")
    with pytest.raises(ValueError, match=r"trained with encoding 'offset-binary', not 'diff"):
        harden(a_network(), "adcless-diff-64").load_state_dict(model.state_dict())


def test_the_first_layer_runs_where_counts_are_taken():
    model = harden(a_network(), "mixed-64", input_bits=4)
    first, *others = model.layers()
    assert first.macro.readout.is_adc
    assert not any(layer.macro.readout.is_adc for layer in others)


def test_training_and_evaluation_nearly_agree():
    """Thresholds and leaks are rounded for evaluation; few spikes change."""
    x = spikes(6, 20, 2, 6, 6)
    model = harden(a_network()[:3], a_target(), example=x)
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()  # running statistics, as in evaluation
    trained, compiled = model(x), model.eval()(x)
    assert (trained == compiled).float().mean() > 0.98  # leak 0.75 is exact, a threshold rounds


@pytest.mark.parametrize("readout", ["sense-amp", "half-active", "ternary", "flash"])
def test_settling_keeps_the_scale_of_a_layers_output(readout):
    encoding = "offset-binary" if readout == "half-active" else "differential"
    x, linear = spikes(200, 40), nn.Linear(40, 5)
    layer = settled(linear, a_macro(readout, encoding=encoding), x)
    before, after = linear(x).detach(), layer(x).detach()
    slope = ((after - after.mean(0)) * (before - before.mean(0))).sum()
    slope = slope / (before - before.mean(0)).square().sum()
    # Least squares: the part of the spread that a readout explains, never more than all.
    assert 0.1 < float(slope) < 1.1
    assert (after.mean(0) - before.mean(0)).abs().max() < 0.5


def test_a_converter_of_many_bits_is_almost_exact():
    x, linear = spikes(200, 40), nn.Linear(40, 5)
    layer = Hardened(linear, a_macro())
    exact = layer(x)
    settle(layer, Awareness(reading="converter", bits=8), x)
    torch.testing.assert_close(layer(x), exact, rtol=1e-3, atol=1e-3)


def test_the_step_of_weights_has_the_gradient_of_lsq():
    linear, x = nn.Linear(6, 2, bias=False), torch.rand(5, 6)
    layer = Hardened(linear, a_macro(), weight_bits=3)
    upstream = torch.randn(5, 2)
    loss = (layer(x) * upstream).sum()
    log_step, weight = torch.autograd.grad(loss, [layer.log_step, layer.weight])
    w, s = layer.weight.detach(), layer.step.detach()
    per_weight = upstream.t() @ x
    inside = (w / s).abs() <= 3
    q = quantised(w, s, 3)
    expected = (per_weight * torch.where(inside, q - w / s, q)).sum() / (12 * 3) ** 0.5
    torch.testing.assert_close(log_step, s * expected)
    torch.testing.assert_close(weight, per_weight * inside)


@pytest.mark.parametrize("encoding", ["offset-binary", "twos-complement"])
def test_weights_at_the_ends_learn_where_that_leads_back(encoding):
    linear, x = nn.Linear(4, 1, bias=False), torch.ones(1, 4)
    layer = Hardened(linear, a_macro(encoding=encoding), weight_bits=3)
    with torch.no_grad():
        layer.log_step.fill_(0.0)  # a step of 1: the range ends at 3
        layer.weight.copy_(torch.tensor([[2.0, 5.0, -5.0, -1.0]]))
    for sign, learns in ((1, [1, 1, 0, 1]), (-1, [1, 0, 1, 1])):
        loss = sign * layer(x).sum()
        weight, log_step = torch.autograd.grad(loss, [layer.weight, layer.log_step])
        assert weight.tolist() == [[sign * learn for learn in learns]]
        # As in LSQ whatever the ends do: 0 from whole numbers within, 3 and -3 from the ends.
        torch.testing.assert_close(log_step, torch.tensor(0.0))


def test_an_optimiser_moves_a_step_by_a_share_of_itself():
    layer = Hardened(nn.Linear(8, 4), a_macro())
    start = float(layer.step.detach())
    optimiser = torch.optim.Adam([layer.log_step], lr=4e-3)
    for _ in range(500):
        optimiser.zero_grad()
        torch.autograd.backward(layer.step.log())
        optimiser.step()
    # Adam moves what always has the same sign by its rate: here e^-2, and never past zero.
    assert 0.12 * start < float(layer.step.detach()) < 0.15 * start


def test_thresholds_of_a_ternary_readout_stay_in_order():
    layer = settled(nn.Linear(8, 2), a_macro("ternary"), spikes(9, 8))
    with torch.no_grad():
        layer.thresholds[0] += 10
    assert (layer.ordered_thresholds().diff(dim=0) >= 0).all()


def test_grids_are_those_of_the_target():
    x = spikes(2, 3, 2, 6, 6)
    for rows, blocks in ((9, [2, 4, 4]), (18, [1, 2, 2]), (64, [1, 1, 1])):
        graph = harden(a_network(), a_target(wordlines=rows), example=x).hardware(x)
        grids = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
        assert [len(op.rows) for op in grids] == blocks
        assert grids[1].x.type == SPIKE


def test_windows_are_those_of_sums_that_training_sees():
    """The first readout silences the neurons after it; batch norm wakes them in training."""
    model = nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), LIF(), nn.Conv2d(8, 3, 3, padding=1)
    )
    model[1].running_mean.fill_(50.0)
    twin, x = harden(model, "adcless-64"), spikes(4, 8, 2, 6, 6)
    norm = twin.network.get_submodule("1")
    twin.train().raise_awareness(Awareness(), x)
    assert (norm.running_mean == 50).all()
    assert norm.num_batches_tracked == 0
    assert norm.training
    assert norm.track_running_stats
    last = list(twin.layers())[1]
    assert not twin._input_of(last, x).any()
    seen = []
    last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    twin(x)
    expected = 2 * spread_of_sums(seen[0], last.whole_weights(), last.grid, last.reading())
    assert torch.equal(last.half_width, expected.clamp(min=1))
    assert (last.half_width > 1).all()


def test_one_sample_of_one_step_settles_a_model_with_batch_norm():
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), LIF(), nn.Linear(4, 2))
    x = spikes(1, 1, 6)
    assert harden(model, "adcless-64", example=x).eval()(x).isfinite().all()


@pytest.mark.parametrize("training", [True, False])
def test_spikes_may_be_true_and_false(training):
    model = nn.Sequential(nn.Conv2d(2, 4, 3), LIF(), nn.Flatten(), nn.Linear(4 * 36, 5))
    x = spikes(3, 2, 2, 8, 8)
    twin = harden(model, a_target(), example=x.bool()).train(training)
    found = twin(x.bool())
    assert (found == twin(x)).all()
    assert found.abs().sum() > 0
