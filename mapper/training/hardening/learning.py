"""How the parameters of a model move over a stage: which learn how fast, and when."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from mapper.training.hardening.stages import Stage
from mapper.training.nets.layers import Hardened

_WARM_UP = 10
"""Steps over which the learning rate rises at the start of a stage."""

_REFERENCE_RATE = 10.0
"""References are counts, hundreds of times as large as weights: they learn that much faster."""

_SCALE_RATE = 2.0


class Learning:
    """The optimiser of one stage of ``batches`` steps an epoch, and where it stands."""

    def __init__(self, model: nn.Module, stage: Stage, batches: int) -> None:
        self._stage = stage
        self._parameters = list(model.parameters())
        self._means: list[Tensor] = []
        self.optimiser = torch.optim.Adam(_groups(model, stage.rate))
        self.rates = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, lambda step: _share(step, stage.epochs * batches)
        )

    def step(self, loss: Tensor) -> None:
        """Move all parameters against the gradient of a loss."""
        self.optimiser.zero_grad()
        torch.autograd.backward(loss)
        self.optimiser.step()
        self.rates.step()

    @torch.no_grad()
    def end_epoch(self, done: int) -> None:
        """Take the weights after so many epochs into their mean, which the last one sets them to.

        Only where the stage is averaged, over its last epochs (arXiv 1803.05407).
        """
        first = max(self._stage.epochs - self._stage.averaged, 0)
        if done <= first:
            return
        if not self._means:
            self._means = [torch.zeros_like(parameter) for parameter in self._parameters]
        for mean, parameter in zip(self._means, self._parameters, strict=True):
            mean += (parameter - mean) / (done - first)
            if done == self._stage.epochs:
                parameter.copy_(mean)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint holds of it."""
        return {
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.rates.state_dict(),
            "means": self._means,
        }

    def go_on(self, kept: dict[str, Any]) -> None:
        """Stand where a checkpoint says."""
        self.optimiser.load_state_dict(kept["optimiser"])
        self.rates.load_state_dict(kept["schedule"])
        pairs = zip(kept["means"], self._parameters, strict=False)  # none before the last epochs
        self._means = [mean.to(parameter.device) for mean, parameter in pairs]


def _groups(model: nn.Module, rate: float) -> list[dict[str, Any]]:
    """Sort parameters by how fast they learn."""
    references: list[nn.Parameter] = []
    scales: list[nn.Parameter] = []
    for module in model.modules():
        if isinstance(module, Hardened):
            references += [module.thresholds, module.converter_step]
            scales += [module.log_scale, module.bias, module.block_scale, module.log_step]
        elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            scales += list(module.parameters())
    sorted_out = {id(p) for p in (*references, *scales)}
    weights = [p for p in model.parameters() if id(p) not in sorted_out]
    return [
        {"params": weights, "lr": rate},
        {"params": scales, "lr": rate * _SCALE_RATE},
        {"params": references, "lr": rate * _REFERENCE_RATE},
    ]


def _share(step: int, total: int) -> float:
    """Return the learning rate's share at a step: a short rise, then a cosine to zero."""
    rise = min(1.0, (step + 1) / _WARM_UP)
    return rise * 0.5 * (1 + math.cos(math.pi * min(step / max(total, 1), 1.0)))


def random_state() -> dict[str, Any]:
    """Return the state of torch's generators: dropout and noise draw from them."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def set_random_state(held: dict[str, Any]) -> None:
    """Let torch's generators go on from a state that was kept."""
    torch.set_rng_state(held["cpu"])
    if torch.cuda.is_available() and held["cuda"]:
        torch.cuda.set_rng_state_all(held["cuda"])
