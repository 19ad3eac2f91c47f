"""Neurons over all time steps in compiled kernels, forwards and backwards, where torch is on a CPU.

The definition is ``LIF`` of ``mapper.training.nets.neurons``; products and sums are rounded one
by one as there, so that spikes are the same.
"""

import math
from typing import Any, Literal

import torch
from torch import Tensor

from mapper.kernels import core
from mapper.training.backends.native import in_shares


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
    fields = {
        "T": len(x),
        "N": x[0].numel(),
        "reset": ("subtract", "value", "none").index(reset),
        "spiking": int(spiking),
        "has_current": int(current_leak is not None),
    }
    numbers = torch.stack([leak, threshold, third]).float()
    result: Tensor = _Walk.apply(  # type: ignore[no-untyped-call]
        x, numbers, math.pi * sharpness, fields
    )
    return result


class _Walk(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, numbers: Tensor, sharpness: float, fields: dict[str, int]
    ) -> Tensor:
        order = _order(x)
        dense = x.permute(order).contiguous()
        spiking, has_current = fields["spiking"], fields["has_current"]
        arrays = {
            "numbers": torch.cat([numbers, numbers.new_tensor([sharpness])]),
            "x": dense,
            "membranes": torch.empty_like(dense),
        }
        if spiking:
            arrays["spikes"] = torch.empty_like(dense)
        if has_current:
            arrays["currents"] = torch.empty_like(dense)
        in_shares(core.walk_forward, fields["N"], 1, fields, arrays, {})
        membranes, currents = arrays["membranes"], arrays.get("currents")
        ctx.save_for_backward(arrays["numbers"], membranes, currents)
        ctx.fields, ctx.order = fields, order
        return _back(arrays["spikes"] if spiking else membranes.clone(), order)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        numbers, membranes, currents = ctx.saved_tensors
        arrays = {
            "numbers": numbers,
            "membranes": membranes,
            "gradient": gradients[0].permute(ctx.order).contiguous(),
            "found": torch.empty_like(membranes),
        }
        if currents is not None:
            arrays["currents"] = currents
        totals = {"learned": torch.zeros(3, dtype=torch.float64)}
        found = in_shares(core.walk_backward, ctx.fields["N"], 1, ctx.fields, arrays, totals)
        return _back(arrays["found"], ctx.order), found["learned"].float(), None, None


def _order(x: Tensor) -> list[int]:
    """Return the axes from the widest stride to the narrowest, time first: no copy is needed."""
    strides = x.stride()
    return [0, *sorted(range(1, x.dim()), key=lambda axis: -strides[axis])]


def _back(dense: Tensor, order: list[int]) -> Tensor:
    """Undo ``permute(order)``."""
    return dense.permute([order.index(axis) for axis in range(len(order))])
