"""What a model answers: in training, and measured on held-out samples."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mapper.proportions import Score
from mapper.training.hardening.harden import HardwareModel
from mapper.training.hardening.tasks import Task
from mapper.training.nets.steps import over_time


def placed(model: nn.Module, device: str) -> nn.Module:
    """Bring a model to a device, its numbers laid out as it computes fastest with them."""
    model = model.to(device)
    if device == "cpu":  # convolutions of few channels are faster so
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def run_model(model: nn.Module, x: Tensor) -> Tensor:
    """Run a float or hardened model over ``x[T, B, ...]``."""
    if isinstance(model, HardwareModel):
        result: Tensor = model(x)
        return result
    return over_time(model, x)


def evaluation(model: nn.Module, example: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what computes a model's answers, a twin's compiled once for all batches.

    The model is put into evaluation. Inputs are ``[T, B, ...]`` of the example's sizes but for B.
    """
    model.eval()
    if isinstance(model, HardwareModel):
        return model.compiled(example)
    return partial(over_time, model)


@torch.no_grad()
def held_out(model: nn.Module, task: Task, device: str) -> tuple[float, int]:
    """Return the sum of the scores of all held-out samples, and how many there are."""
    total, count = 0.0, 0
    run: Callable[[Tensor], Tensor] | None = None
    for x, wanted in task.held_out():
        x = x.to(device)
        if run is None:
            run = evaluation(model, x)
        score, samples = task.score(run(x), wanted)
        total, count = total + score, count + samples
    return total, count


def measured(model: nn.Module, task: Task, device: str) -> dict[str, Any]:
    """Return what a row of the history says of the held-out samples.

    Of a task that counts right answers these are ``metric``, ``metric_right``, ``metric_of``
    and its 95 % interval, ``metric_interval``; of others the metric alone.
    """
    total, count = held_out(model, task, device)
    if not getattr(task, "counts_right", False):
        return {"metric": total / count}
    return Score(round(total), count).as_dict("metric")


@torch.no_grad()
def remember_moments(model: nn.Module, inputs: Iterable[Tensor]) -> None:
    """Set the moments that batch norms are folded with from one more pass over all batches.

    Those of training are of its last ten batches or so, while weights still moved. What is
    computed in integers depends on them, training does not (arXiv 2105.07576, section 3).
    """
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
    model.train()
    seen = 0
    for x in inputs:
        seen += x.shape[1]
        for norm in norms:
            norm.momentum = x.shape[1] / seen  # a mean over samples: the last batch is short
        run_model(model, x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
