"""Neurons over all time steps in one GPU program, forwards and backwards.

The definition is ``LIF`` of ``mapper.training.nets.neurons``; products and sums are rounded one
by one as there (no fused multiply-add), so that spikes are the same.
"""

from typing import Any, Literal

import torch
from torch import Tensor

from mapper.training.backends.fused import interpreted, on_device

_BLOCK = 256
"""Neurons of one program."""


def supports(x: Tensor) -> bool:
    return x.dtype == torch.float32 and 0 < x.numel() < 1 << 31 and on_device(x)


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
    numbers = torch.stack([leak, threshold, third])
    flags = {
        "RESET": ("subtract", "value", "none").index(reset),
        "SPIKING": spiking,
        "CURRENT": current_leak is not None,
    }
    result: Tensor = _Walk.apply(  # type: ignore[no-untyped-call]
        x, numbers.float(), sharpness, flags
    )
    return result


class _Walk(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, numbers: Tensor, sharpness: float, flags: dict[str, Any]
    ) -> Tensor:
        from mapper.training.backends import kernels

        x = x.contiguous()
        steps, each = len(x), x[0].numel()
        membranes = torch.empty_like(x)
        currents = torch.empty_like(x) if flags["CURRENT"] else membranes
        spikes = torch.empty_like(x) if flags["SPIKING"] else membranes
        kernels.neurons_forward[(-(-each // _BLOCK),)](
            x, numbers, spikes, membranes, currents, steps, each, **flags, **_options()
        )
        ctx.save_for_backward(numbers, membranes, currents)
        ctx.sharpness, ctx.flags = sharpness, flags
        return spikes if flags["SPIKING"] else membranes.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        from mapper.training.backends import kernels

        numbers, membranes, currents = ctx.saved_tensors
        steps, each = len(membranes), membranes[0].numel()
        programs = -(-each // _BLOCK)
        found, shares = torch.empty_like(membranes), numbers.new_empty(3, programs)
        kernels.neurons_backward[(programs,)](
            gradients[0].contiguous(),
            numbers,
            membranes,
            currents,
            found,
            shares,
            steps,
            each,
            ctx.sharpness,
            **ctx.flags,
            **_options(),
        )
        return found, shares.sum(dim=1), None, None


def _options() -> dict[str, Any]:
    options: dict[str, Any] = {"BLOCK": _BLOCK, "num_warps": 4}
    return options if interpreted() else {**options, "enable_fp_fusion": False}
