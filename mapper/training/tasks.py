"""Tasks: classification by what the output says over time."""

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
        drawn = torch.Generator().manual_seed(seed * 100_003 + epoch)
        order = torch.randperm(len(labels), generator=drawn)
        for chosen in torch.split(order, min(self.batch, len(labels))):
            if len(chosen) == min(self.batch, len(labels)):
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
