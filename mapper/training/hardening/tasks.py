"""Tasks: classification and optical flow, by what the output says over time."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass
class Classification:
    """Recordings with one label each; the class is the greatest output summed over time.

    ``train`` and ``test`` are ``(x[T, B, ...], labels[B])``; ``shift`` moves training images by up
    to so many pixels, a new move for each batch.
    """

    name: str
    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    batch: int = 40
    shift: int = 0
    greater_is_better: bool = True

    def batches(self, epoch: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield shuffled batches; the last, incomplete one is left out."""
        x, labels = self.train
        drawn = _draws(epoch, seed)
        for chosen in _shuffled(len(labels), self.batch, drawn):
            yield self._moved(x[:, chosen].float(), drawn), labels[chosen]

    def _moved(self, x: Tensor, drawn: torch.Generator) -> Tensor:
        if not self.shift:
            return x
        down, across = torch.randint(-self.shift, self.shift + 1, (2,), generator=drawn).tolist()
        return x.roll((down, across), (-2, -1))

    def held_out(self) -> Iterator[tuple[Tensor, Tensor]]:
        x, labels = self.test
        for chosen in torch.split(torch.arange(len(labels)), 100):
            yield x[:, chosen].float(), labels[chosen]

    def loss(self, output: Tensor, wanted: Tensor) -> Tensor:
        return functional.cross_entropy(output.sum(dim=0), wanted.to(output.device))

    def score(self, output: Tensor, wanted: Tensor) -> tuple[float, int]:
        right = output.sum(dim=0).argmax(dim=1) == wanted.to(output.device)
        return float(right.sum()), len(wanted)


@dataclass
class Flow:
    """Scenes with their optical flow; the flow is the output summed over time, in pixels.

    ``train`` and ``test`` are ``(x[T, B, 4, H, W], flow[B, 2, H, W], mask[B, H, W])``, flow in
    pixels an interval, to the right and down. Only pixels in the mask count, in the loss and
    in the score. The loss is the mean endpoint error, ``sqrt(du^2 + dv^2)``; the score is that
    error over all masked pixels together.
    """

    name: str
    train: tuple[Tensor, Tensor, Tensor]
    test: tuple[Tensor, Tensor, Tensor]
    batch: int = 8
    greater_is_better: bool = False

    def batches(self, epoch: int, seed: int) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor]]]:
        """Yield shuffled batches; the last, incomplete one is left out."""
        x, flow, mask = self.train
        for chosen in _shuffled(len(flow), self.batch, _draws(epoch, seed)):
            yield x[:, chosen].float(), (flow[chosen], mask[chosen])

    def held_out(self) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor]]]:
        x, flow, mask = self.test
        for chosen in torch.split(torch.arange(len(flow)), self.batch):
            yield x[:, chosen].float(), (flow[chosen], mask[chosen])

    def loss(self, output: Tensor, wanted: tuple[Tensor, Tensor]) -> Tensor:
        errors = endpoint_errors(output, *wanted)
        return errors.sum() / max(len(errors), 1)

    def score(self, output: Tensor, wanted: tuple[Tensor, Tensor]) -> tuple[float, int]:
        errors = endpoint_errors(output, *wanted)
        return float(errors.double().sum()), len(errors)


def endpoint_errors(output: Tensor, flow: Tensor, mask: Tensor) -> Tensor:
    """Return the endpoint error in pixels of each masked pixel of an output ``[T, B, 2, H, W]``."""
    missed = output.sum(dim=0) - flow.to(output.device)
    # The root has no slope at 0; 1e-6 pixels are nothing against any flow.
    return (missed.square().sum(dim=1) + 1e-12).sqrt()[mask.to(output.device)]


def _draws(epoch: int, seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed * 100_003 + epoch)


def _shuffled(samples: int, batch: int, drawn: torch.Generator) -> Iterator[Tensor]:
    """Yield indices in a drawn order, a whole batch at a time; all of them if they are fewer."""
    batch = min(batch, samples)
    order = torch.randperm(samples, generator=drawn)
    yield from (chosen for chosen in torch.split(order, batch) if len(chosen) == batch)
