"""Layers on crossbars as a function that gradients pass: partial sums, readout, shift-and-add.

What computes it is chosen by ``backends.choose``; the layer's integers are the same on each.
Nothing but the layer's input is kept for the backward pass, which computes the partial sums of a
chunk again: they are ``row blocks x slices`` times as many as the layer's outputs.
"""

from typing import Any

import torch
from torch import Tensor

from mapper.training.backends.choose import sums_backend
from mapper.training.backends.noise import Draw
from mapper.training.backends.readout import Comparators, Reading
from mapper.training.backends.sums import Grid, LayerSums, joined, total


def read_sums(
    x: Tensor,
    weight: Tensor,
    grid: Grid,
    reading: Reading,
    block_scale: Tensor | None = None,
    draw: Draw | None = None,
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

    Returns:
        ``[B, N, Ho, Wo]`` or ``[B, N]``, whole numbers.
    """
    learned = reading.thresholds if isinstance(reading, Comparators) else reading.step
    if block_scale is None:
        block_scale = torch.ones(1, dtype=weight.dtype, device=weight.device)
    sums: Tensor = _ReadSums.apply(  # type: ignore[no-untyped-call]
        x, weight, learned, block_scale, grid, reading, draw
    )
    return sums


class _ReadSums(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        learned: Tensor,
        block_scale: Tensor,
        grid: Grid,
        reading: Reading,
        draw: Draw | None,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, block_scale)
        ctx.grid, ctx.reading, ctx.draw = grid, reading, draw
        ctx.kind = sums_backend(x, weight, grid, draw)
        layer: LayerSums = ctx.kind(grid, reading, weight, block_scale, draw)
        return layer.all_outputs(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, block_scale = ctx.saved_tensors
        layer = ctx.kind(ctx.grid, ctx.reading, weight, block_scale, ctx.draw)
        parts = list(layer.parts(x))
        upstream = torch.split(gradients[0], [len(part) for part, _ in parts])
        found = [
            layer.backward(
                part,
                gradient,
                first,
                wants_x=ctx.needs_input_grad[0],
                wants_scale=ctx.needs_input_grad[3],
            )
            for (part, first), gradient in zip(parts, upstream, strict=True)
        ]
        pieces = [back.x for back in found if back.x is not None]
        scales = [back.block_scale for back in found if back.block_scale is not None]
        return (
            joined(pieces) if pieces else None,
            total(back.weight for back in found),
            total(back.learned for back in found) * ctx.reading.share(layer.count(x)),
            total(scales) if scales else None,
            None,
            None,
            None,
        )


def spread_of_sums(x: Tensor, weight: Tensor, grid: Grid, reading: Reading) -> Tensor:
    """Return ``[S]``: how partial sums of driven row blocks spread, in counts."""
    one = torch.ones(1, dtype=weight.dtype, device=weight.device)
    return LayerSums(grid, reading, weight, one).spread(x)
