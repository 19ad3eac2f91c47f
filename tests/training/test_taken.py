"""What harden takes, evaluation and export take."""

import doctest
import importlib
import random

import pytest
import torch
from torch import nn

from mapper.diagnostics import MappingError
from mapper.training import LIF, Iand, export_onnx, harden, over_time
from tests.training.small import a_network, a_target, spikes
from tests.training.test_refusals import problems


class Random(nn.Module):
    """Modules in any order, each on what any of those before it gives."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        kinds = (
            *(lambda: nn.Conv2d(4, 4, 3, padding=1),) * 4,
            *(lambda: LIF(threshold=0.3),) * 5,
            *(lambda: nn.BatchNorm2d(4), lambda: nn.MaxPool2d(3, 1, 1), Iand),
            *(lambda: LIF(spiking=False), lambda: LIF(current_leak=0.5)),
            *(lambda: nn.AvgPool2d(3, 1, 1), nn.Dropout, nn.Identity),
        )
        self.first, self.modules_ = nn.Conv2d(2, 4, 1), nn.ModuleList()
        self.sources: list[tuple[int, int, bool]] = []
        for step in range(rng.randint(2, 6)):
            self.modules_.append(rng.choice(kinds)())
            mostly_last = step if rng.random() < 0.8 else rng.randrange(step + 1)
            self.sources.append((mostly_last, rng.randrange(step + 1), rng.random() < 0.2))

    def forward(self, x):
        seen = [self.first(x)]
        for module, (a, b, adds) in zip(self.modules_, self.sources, strict=True):
            if isinstance(module, Iand):
                seen.append(module(seen[a], seen[b]))
            else:
                seen.append(module(seen[a] + seen[b] if adds else seen[a]))
        return seen[-1]


def test_what_harden_takes_evaluation_and_export_take(tmp_path, campaign):
    taken = 0
    for seed in campaign(range(600), 40):
        rng = random.Random(seed)
        torch.manual_seed(seed)
        bits, readout = rng.choice([1, 1, 3]), rng.choice(["sense-amp", "flash"])
        x = torch.randint(0, 2**bits, (2, 2, 2, 5, 5)).float()
        try:
            twin = harden(Random(rng), a_target(readout), input_bits=bits, example=x)
        except MappingError:
            continue
        twin.train()(x).sum().backward()
        try:
            assert twin.eval()(x).isfinite().all()
        except MappingError as error:  # a threshold that training moves is left to it
            if [found.code for found in error.diagnostics] != ["membrane-too-narrow"]:
                raise
            continue
        export_onnx(twin, tmp_path / "m.onnx", x)
        taken += 1
    assert taken > 5


def test_a_batch_norm_that_is_frozen_stays_so():
    model, x = a_network().train(), spikes(3, 2, 2, 6, 6)
    model[1].eval()
    over_time(model, x)
    assert (model.training, model[1].training, model[0].training) == (True, False, True)
    twin = harden(model, a_target()).train()
    twin.network.get_submodule("1").eval()
    twin(x)
    assert not twin.network.get_submodule("1").training
    assert twin.network.get_submodule("0").training


def test_a_norm_of_two_layers_cannot_be_turned_for_one():
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.norm = nn.Linear(4, 4), nn.Linear(4, 4), nn.BatchNorm1d(4)
            self.fire, self.out = LIF(), LIF()

        def forward(self, x):
            return self.out(self.norm(self.b(self.fire(self.norm(self.a(x))))))

    model = Shared()
    harden(model)
    with torch.no_grad():
        model.norm.weight[0] = -1
    assert problems(harden, model) == [("negative-scale", "norm")]


@pytest.mark.parametrize(
    "module",
    [
        "mapper.training.nets.steps",
        "mapper.training.hardening.tasks",
        "mapper.training.hardening.harden",
    ],
)
def test_examples_run_as_they_stand(module):
    tried = doctest.testmod(importlib.import_module(module), optionflags=doctest.ELLIPSIS)
    assert tried.attempted > 0
    assert tried.failed == 0
