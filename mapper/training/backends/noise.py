"""What real columns add to a partial sum, in its first form: normal and independent.

Used in training only; evaluation computes the integers of the mapping.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How much every training step disturbs crossbars and readouts; drawn anew each time.

    Args:
        cells: Standard deviation of a cell's conductance, as a share of it.
        offset: Of a readout's threshold, in counts: one draw per row block, slice and column.
        read: Of every single read, in counts.
    """

    cells: float = 0.0
    offset: float = 0.0
    read: float = 0.0

    def __post_init__(self) -> None:
        if min(self.cells, self.offset, self.read) < 0:
            raise ValueError(f"standard deviations are zero or more, got {self}")


@dataclass(frozen=True, eq=False, slots=True)
class Draw:
    """The noise of one training step; the backward pass draws the same again."""

    noise: Noise
    seed: int

    @classmethod
    def of(cls, noise: Noise | None) -> "Draw | None":
        """Draw a seed from torch's own generator; None where there is no noise."""
        if noise is None or noise == Noise():
            return None
        return cls(noise, int(torch.randint(0, 2**40, ())))

    def cells(self, cells: Tensor) -> Tensor:
        """Return cells of ``[A, G, R, S * n]`` with conductances that vary."""
        return cells * (1 + self.noise.cells * self._normal(cells.shape, cells, 0))

    def sums(self, sums: Tensor, chunk: int) -> Tensor:
        """Return sums ``[A, G, V, S, n]`` of one chunk of the batch as they are read."""
        column = (*sums.shape[:2], 1, *sums.shape[3:])
        offset = self.noise.offset * self._normal(column, sums, 1)
        return sums + offset + self.noise.read * self._normal(sums.shape, sums, 2 + chunk)

    def _normal(self, shape: tuple[int, ...], like: Tensor, stream: int) -> Tensor:
        generator = torch.Generator(like.device).manual_seed(self.seed * 4099 + stream)
        return torch.randn(shape, generator=generator, device=like.device, dtype=like.dtype)
