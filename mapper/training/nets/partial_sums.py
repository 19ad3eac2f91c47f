"""Layers on crossbars as a function that gradients pass: partial sums, readout, shift-and-add.

What computes it is chosen by ``backends.choose``; the layer's integers are the same on each.
Nothing but the layer's input is kept for the backward pass, which computes the partial sums of a
chunk again: they are ``row blocks x slices`` times as many as the layer's outputs.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from mapper.training.backends.choose import sums_backend
from mapper.training.backends.native import NativeSums
from mapper.training.backends.noise import Draw
from mapper.training.backends.readout import Comparators, Reading
from mapper.training.backends.sums import Grid, LayerSums, joined, total


class Worth(NamedTuple):
    """What one unit of a layer's integers is worth, ``[N]`` or ``[1]``, and its biases ``[N]``."""

    gain: Tensor
    bias: Tensor

    def of(self, sums: Tensor) -> Tensor:
        """Return what integers ``[B, N, ...]`` are worth."""
        shape = (1, -1) + (1,) * (sums.dim() - 2)
        return (self.gain.reshape(shape) * sums).add_(self.bias.reshape(shape))


def read_sums(
    x: Tensor,
    weight: Tensor,
    grid: Grid,
    reading: Reading,
    block_scale: Tensor | None = None,
    draw: Draw | None = None,
    worth: Worth | None = None,
) -> Tensor:
    """Return ``sum_g m[g] * sum_s significance_s * code[g, s]``, one bit plane of input.

    Args:
        x: ``[B, C, H, W]`` or ``[B, K]`` of 0 and 1.
        weight: Whole numbers ``[K, N]``; its gradient is the least-squares merge of those of its
            slices.
        grid: The crossbars.
        reading: What reads a column.
        block_scale: ``m``, a whole number per row block; 1 where None.
        draw: What disturbs cells and sums, if anything.
        worth: What these whole numbers are multiplied by, and what is added to them.

    Returns:
        ``[B, N, Ho, Wo]`` or ``[B, N]``, whole numbers, or what they are worth.
    """
    learned = reading.thresholds if isinstance(reading, Comparators) else reading.step
    if block_scale is None:
        block_scale = torch.ones(1, dtype=weight.dtype, device=weight.device)
    kind, driven = sums_backend(x, weight, grid, draw)
    layer = _Layer(kind, grid, reading, draw)
    given = x, driven, weight, learned, block_scale
    if worth is not None and issubclass(kind, NativeSums):
        result: Tensor = _ReadWorth.apply(*given, *worth, layer)  # type: ignore[no-untyped-call]
        return result
    sums: Tensor = _ReadSums.apply(*given, layer)  # type: ignore[no-untyped-call]
    return sums if worth is None else worth.of(sums)


class _Layer(NamedTuple):
    kind: type[LayerSums]
    grid: Grid
    reading: Reading
    draw: Draw | None

    def sums(self, weight: Tensor, block_scale: Tensor) -> Any:
        return self.kind(self.grid, self.reading, weight, block_scale, self.draw)


class _ReadSums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        driven: Tensor,
        weight: Tensor,
        learned: Tensor,
        block_scale: Tensor,
        layer: _Layer,
    ) -> Tensor:
        ctx.save_for_backward(driven, weight, block_scale)
        ctx.layer = layer
        result: Tensor = layer.sums(weight, block_scale).all_outputs(driven)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        driven, weight, block_scale = ctx.saved_tensors
        layer = ctx.layer.sums(weight, block_scale)
        parts = list(layer.parts(driven))
        upstream = torch.split(gradients[0], [len(part) for part, _ in parts])
        found = [
            layer.backward(
                part,
                gradient,
                first,
                wants_x=ctx.needs_input_grad[0],
                wants_scale=ctx.needs_input_grad[4],
            )
            for (part, first), gradient in zip(parts, upstream, strict=True)
        ]
        pieces = [back.x for back in found if back.x is not None]
        scales = [back.block_scale for back in found if back.block_scale is not None]
        return (
            joined(pieces) if pieces else None,
            None,
            total(back.weight for back in found),
            total(back.learned for back in found) * ctx.layer.reading.share(layer.count(driven)),
            total(scales) if scales else None,
            None,
        )


class _ReadWorth(torch.autograd.Function):
    """The same in compiled kernels, with what integers are worth."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        driven: Tensor,
        weight: Tensor,
        learned: Tensor,
        block_scale: Tensor,
        gain: Tensor,
        bias: Tensor,
        layer: _Layer,
    ) -> Tensor:
        result: Tensor = layer.sums(weight, block_scale).worth(driven, gain, bias)
        ctx.save_for_backward(driven, weight, block_scale, gain, bias, result)
        ctx.layer = layer
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        driven, weight, block_scale, *worth = ctx.saved_tensors
        layer = ctx.layer.sums(weight, block_scale)
        found, gain, bias = layer.backward_worth(
            driven,
            gradients[0],
            worth,
            wants_x=ctx.needs_input_grad[0],
            wants_scale=ctx.needs_input_grad[4],
        )
        learned = found.learned * ctx.layer.reading.share(layer.count(driven))
        return found.x, None, found.weight, learned, found.block_scale, gain, bias, None


def spread_of_sums(x: Tensor, weight: Tensor, grid: Grid, reading: Reading) -> Tensor:
    """Return ``[S]``: how partial sums of driven row blocks spread, in counts."""
    one = torch.ones(1, dtype=weight.dtype, device=weight.device)
    return LayerSums(grid, reading, weight, one).spread(x)
