"""Neurons over all time steps in compiled kernels, forwards and backwards, where torch is on a CPU.

The definition is ``LIF`` of ``mapper.training.nets.neurons``; products and sums are rounded one
by one as there, so that spikes are the same.
"""

import math
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from mapper.kernels import core
from mapper.kernels.arrays import Reset
from mapper.kernels.training_structs import Walk, WalkTotals
from mapper.training.backends.native import in_shares

_RESETS: dict[str, Reset] = {"subtract": "SUBTRACT", "value": "TO_VALUE", "none": "NO_RESET"}


def supports(x: Tensor) -> bool:
    single = x.device.type == "cpu" and x.dtype == torch.float32
    return single and x.numel() > 0 and not core.unavailable()


def walk(
    x: Tensor,
    leak: Tensor,
    threshold: Tensor,
    current_leak: Tensor | None,
    reset: Literal["subtract", "value", "none"],
    sharpness: float,
    *,
    spiking: bool,
) -> Tensor:
    """Return spikes, or membrane potentials where ``spiking`` is false, ``[T, ...]``."""
    third = leak.detach() if current_leak is None else current_leak
    numbers = torch.stack([leak, threshold, third]).float()
    kind = _Kind(_RESETS[reset], spiking, current_leak is not None)
    result: Tensor = _Walk.apply(  # type: ignore[no-untyped-call]
        x, numbers, math.pi * sharpness, kind
    )
    return result


class _Kind(NamedTuple):
    reset: Reset
    spiking: bool
    has_current: bool


class _Walk(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, numbers: Tensor, sharpness: float, kind: _Kind) -> Tensor:
        order = _order(x)
        dense = x.permute(order).contiguous()
        numbers = torch.cat([numbers, numbers.new_tensor([sharpness])])
        membranes = torch.empty_like(dense)
        spikes = torch.empty_like(dense) if kind.spiking else None
        currents = torch.empty_like(dense) if kind.has_current else None
        walk = replace(
            _walk(kind, numbers, membranes, currents),
            x=dense.numpy(),
            spikes=None if spikes is None else spikes.numpy(),
        )
        in_shares(core.walk_forward, walk.N, 1, walk)
        ctx.save_for_backward(numbers, membranes, currents)
        ctx.kind, ctx.order = kind, order
        return _back(membranes.clone() if spikes is None else spikes, order)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        numbers, membranes, currents = ctx.saved_tensors
        upstream = gradients[0].permute(ctx.order).contiguous()
        for_x = torch.empty_like(membranes)
        walk = replace(
            _walk(ctx.kind, numbers, membranes, currents),
            gradient=upstream.numpy(),
            found=for_x.numpy(),
        )
        totals = WalkTotals(learned=torch.zeros(3, dtype=torch.float64).numpy())
        found = in_shares(core.walk_backward, walk.N, 1, walk, totals)
        return _back(for_x, ctx.order), found["learned"].float(), None, None


def _walk(kind: _Kind, numbers: Tensor, membranes: Tensor, currents: Tensor | None) -> Walk:
    return Walk(
        T=len(membranes),
        N=membranes[0].numel(),
        reset=kind.reset,
        spiking=kind.spiking,
        has_current=kind.has_current,
        numbers=numbers.numpy(),
        membranes=membranes.numpy(),
        currents=None if currents is None else currents.numpy(),
    )


def _order(x: Tensor) -> list[int]:
    """Return the axes from the widest stride to the narrowest, time first: no copy is needed."""
    strides = x.stride()
    return [0, *sorted(range(1, x.dim()), key=lambda axis: -strides[axis])]


def _back(dense: Tensor, order: list[int]) -> Tensor:
    """Undo ``permute(order)``."""
    return dense.permute([order.index(axis) for axis in range(len(order))])
