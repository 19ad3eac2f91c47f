"""Optical flow as a task: displacements read off the output, summed over time."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Flow:
    """Recordings with a displacement for each pixel; the metric is the average endpoint error.

    ``train`` and ``test`` are ``(x[T, B, 4, H, W], flow[B, 3, H, W])``: displacement across and
    down in pixels, and 1 where it counts, which is where there were events.
    """

    name: str
    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    batch: int = 20
    greater_is_better: bool = False

    def batches(self, epoch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield shuffled batches; the last, incomplete one is left out."""
        x, flow = self.train
        drawn = torch.Generator().manual_seed(seed * 100_003 + epoch)
        order = torch.randperm(len(flow), generator=drawn)
        for chosen in torch.split(order, self.batch):
            if len(chosen) == self.batch:
                yield x[:, chosen].float(), flow[chosen].float()

    def held_out(self) -> Iterator[tuple[Tensor, Tensor]]:
        x, flow = self.test
        for chosen in torch.split(torch.arange(len(flow)), 50):
            yield x[:, chosen].float(), flow[chosen].float()

    def loss(self, output: Tensor, wanted: Tensor) -> Tensor:
        errors, counts = _errors(output, wanted)
        return (errors * counts).sum() / counts.sum()

    def score(self, output: Tensor, wanted: Tensor) -> tuple[float, int]:
        errors, counts = _errors(output, wanted)
        per_sample = (errors * counts).sum(dim=(1, 2)) / counts.sum(dim=(1, 2)).clamp(min=1)
        return float(per_sample.sum()), len(wanted)


def _errors(output: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Return endpoint errors ``[B, H, W]`` in pixels, and where they count."""
    wanted = wanted.to(output.device)
    apart = output.sum(dim=0) - wanted[:, :2]
    return (apart.square().sum(dim=1) + 1e-6).sqrt(), wanted[:, 2]
