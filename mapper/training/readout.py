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

    def codes(self, sums: Tensor) -> Tensor:
        """Decode ``sums[V, G, S, N]``."""
        found = torch.full_like(sums, self.levels[0])
        for threshold, gap in zip(self.thresholds, self._gaps(), strict=True):
            found += gap * (sums >= threshold.ceil().to(sums.dtype))
        return found

    def slope(self, sums: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradient of the sums, and that of the thresholds."""
        half = self.half_width.to(sums.dtype)[:, None]
        total = torch.zeros_like(sums)
        pulls = []
        for threshold, gap in zip(self.thresholds, self._gaps(), strict=True):
            distance = (sums - threshold.to(sums.dtype)).abs() / half
            passed = gradient * (gap * (1 - distance).clamp(min=0) / half)
            total += passed
            pulls.append(-_summed_to(passed, threshold))
        return total, torch.stack(pulls)

    def _gaps(self) -> list[int]:
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

    def codes(self, sums: Tensor) -> Tensor:
        """Decode ``sums[V, G, S, N]``."""
        step, base = self.whole_step.to(sums.dtype), self.base.to(sums.dtype)
        return base + step * self._raw(sums).clamp(0, self._top)

    def slope(self, sums: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradient of the sums, and that of the step (LSQ's, over all codes)."""
        raw = self._raw(sums)
        within = (raw >= 0) & (raw <= self._top)
        step = self.whole_step.to(sums.dtype)
        drift = torch.where(within, (self.codes(sums) - sums) / step, self.codes(sums) / step)
        share = (sums.numel() * (1 << self.bits)) ** -0.5
        return gradient * within, (gradient * drift).sum() * share

    @property
    def _top(self) -> int:
        return (1 << self.bits) - 1

    def _raw(self, sums: Tensor) -> Tensor:
        step, base = self.whole_step.to(sums.dtype), self.base.to(sums.dtype)
        return torch.floor((sums - (base + torch.ceil(step / 2))) / step) + 1


Reading = Comparators | Converter


def _summed_to(gradient: Tensor, threshold: Tensor) -> Tensor:
    """Sum ``[V, G, S, N]`` over what a threshold of ``[G | 1, S | 1, N | 1]`` serves."""
    total = gradient.sum(dim=0)
    axes = [axis for axis, size in enumerate(threshold.shape) if size == 1]
    return total.sum(dim=axes, keepdim=True) if axes else total
