"""What a column's readout makes of a partial sum, and how gradients pass it.

The integers are those of ``mapper.ir.readout``. A sense amplifier's step has no slope, so its
gradient is a triangle of unit area around the threshold, as wide as partial sums spread
(``half_width``). An ADC is a staircase: its gradient is 1 within its range and 0 outside.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Comparators:
    """A sense amplifier (one threshold) or a ternary readout (two).

    ``thresholds[L, G | 1, S | 1, N | 1]`` are real; a sum reaches one where it is at least its
    ceiling, which for integers is the same as reaching the real number.
    """

    thresholds: Tensor
    levels: tuple[int, ...]
    half_width: Tensor
    """``[S]`` in counts: half of the window in which a gradient passes."""
    below: float = 0.0
    """How far below its threshold a reference lies: between two counts where sums are none."""

    def references(self) -> Tensor:
        """Return what sums are compared with, of the shape of the thresholds."""
        return self.thresholds.ceil() - self.below

    def codes(self, sums: Tensor, groups: int) -> Tensor:
        """Decode ``sums[A, G, V, S, n]``, the axes of ``LayerSums``."""
        found = torch.full_like(sums, self.levels[0])
        for reference, gap in zip(self.references(), self.gaps(), strict=True):
            found += gap * (sums >= _spread(reference.to(sums.dtype), groups))
        return found

    def share(self, count: int) -> float:
        """Return what the thresholds' gradient is scaled by, where ``count`` sums are read."""
        return 1.0

    def slope(self, sums: Tensor, gradient: Tensor, groups: int) -> tuple[Tensor, Tensor]:
        """Return the gradient of the sums, and that of the thresholds."""
        half = self.half_width.to(sums.dtype)[:, None]
        window: Tensor | None = None
        pulls = []
        for threshold, gap in zip(self.thresholds, self.gaps(), strict=True):
            distance = (sums - _spread(threshold.to(sums.dtype), groups)).abs_()
            inside = (half - distance).clamp_(min=0).mul_(gap / half.square()).mul_(gradient)
            pulls.append(-_gathered(inside, threshold))
            window = inside if window is None else window.add_(inside)
        assert window is not None
        return window, torch.stack(pulls)

    def gaps(self) -> list[int]:
        """Return how far each level lies above the one before."""
        return [b - a for a, b in zip(self.levels[:-1], self.levels[1:], strict=True)]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Converter:
    """An ADC: ``base + step * clip(floor((p - first) / step) + 1, 0, 2**bits - 1)``.

    ``step`` is a whole number above zero, held as a real that learns; ``first`` and ``base``
    follow from it.
    """

    step: Tensor
    bits: int
    signed: bool

    @property
    def whole_step(self) -> Tensor:
        return self.step.round().clamp(min=1)

    @property
    def base(self) -> Tensor:
        """The lowest decoded value: zero is always one of the decoded values."""
        return -self.whole_step * (1 << (self.bits - 1)) if self.signed else self.whole_step * 0

    def codes(self, sums: Tensor, groups: int) -> Tensor:
        """Decode ``sums[A, G, V, S, n]``, the axes of ``LayerSums``."""
        step, base = self.whole_step.to(sums.dtype), self.base.to(sums.dtype)
        return base + step * self._raw(sums).clamp(0, self.top)

    def share(self, count: int) -> float:
        """Return what LSQ scales the step's gradient by, where ``count`` sums are read."""
        return float((count * (1 << self.bits)) ** -0.5)

    def slope(self, sums: Tensor, gradient: Tensor, groups: int) -> tuple[Tensor, Tensor]:
        """Return the gradient of the sums, and that of the step before its ``share``."""
        within, drift = self.slopes(sums)
        return gradient * within, (gradient * drift).sum()

    def slopes(self, sums: Tensor) -> tuple[Tensor, Tensor]:
        """Return whether sums are within the range, and how what is decoded follows the step."""
        raw, codes = self._raw(sums), self.codes(sums, 1)
        within = (raw >= 0) & (raw <= self.top)
        return within, torch.where(within, codes - sums, codes) / self.whole_step.to(sums.dtype)

    @property
    def top(self) -> int:
        return (1 << self.bits) - 1

    def _raw(self, sums: Tensor) -> Tensor:
        step, base = self.whole_step.to(sums.dtype), self.base.to(sums.dtype)
        return torch.floor((sums - (base + torch.ceil(step / 2))) / step) + 1


Reading = Comparators | Converter


def _spread(threshold: Tensor, groups: int) -> Tensor:
    """Bring ``[G | 1, S | 1, N | 1]`` to the axes of sums, ``[A | 1, G | 1, 1, S | 1, n | 1]``."""
    blocks, slices, outputs = threshold.shape
    split = threshold.reshape(blocks, slices, groups if outputs > 1 else 1, -1)
    return split.permute(2, 0, 1, 3)[:, :, None]


def _gathered(gradient: Tensor, threshold: Tensor) -> Tensor:
    """Sum ``[A, G, V, S, n]`` over what a threshold of ``[G | 1, S | 1, N | 1]`` serves."""
    total = gradient.sum(dim=2, dtype=torch.float32)
    per_output = total.permute(1, 2, 0, 3).flatten(2)  # [G, S, N]
    axes = [axis for axis, size in enumerate(threshold.shape) if size == 1]
    return per_output.sum(dim=axes, keepdim=True) if axes else per_output
