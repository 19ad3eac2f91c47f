"""Steps that a gradient can pass: rounding, firing, and reading one bit of a sum."""

import math
from typing import Any

import torch
from torch import Tensor


def rounded(x: Tensor) -> Tensor:
    """Round to the nearest integer; the gradient passes as if nothing had happened."""
    return x + (x.round() - x).detach()


def signs(x: Tensor) -> Tensor:
    """Return -1 below 0 and 1 elsewhere; the gradient passes as if nothing had happened."""
    return x + (torch.where(x < 0, -1.0, 1.0).to(x.dtype) - x).detach()


def limited_step(step: Tensor, weights: int, greatest: int) -> Tensor:
    """Return a step whose gradient is divided by ``sqrt(weights per step * greatest)``.

    Steps of layers of any size then learn about as fast as weights (LSQ, Esser et al., ICLR 2020,
    arXiv 1902.08153).
    """
    scaled = step * float((weights / step.numel() * greatest) ** -0.5)
    return scaled + (step - scaled).detach()


class _Held(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, least: float, greatest: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.least, ctx.greatest = least, greatest
        return x.clamp(least, greatest)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        (gradient,) = gradients  # steps go against it
        shut = ((x < ctx.least) & (gradient > 0)) | ((x > ctx.greatest) & (gradient < 0))
        return gradient * ~shut, None, None


def held(x: Tensor, least: float, greatest: float = math.inf) -> Tensor:
    """Return ``x`` within its limits; outside, the gradient passes where it leads back.

    The gradient of ``clamp`` does not: a number that learned past its limit would stay there.
    """
    limited: Tensor = _Held.apply(x, least, greatest)  # type: ignore[no-untyped-call]
    return limited


def quantised(
    weight: Tensor, step: Tensor, greatest: int, *, inward: bool = False, zero: bool = True
) -> Tensor:
    """Return the integers ``round(weight / step)`` within ``-greatest .. greatest``, as floats.

    Both the weight and the step learn. ``step * quantised(weight, step, greatest)`` has the
    gradients of LSQ: for the step, what rounding leaves over and ends of the range in full.

    Args:
        weight: Latent weights, any shape.
        step: One number above zero, or one that broadcasts (a step per output).
        greatest: Largest integer, 1 for 2 bits up to 127 for 8 bits.
        inward: Whether a weight beyond the ends learns where that leads back, instead of never.
        zero: Whether 0 is one of the integers; if not, they are the signs, and that of 0 is 1.
    """
    to_whole = rounded if zero else signs
    if not inward:
        return to_whole((weight / step).clamp(-greatest, greatest))
    inside = held(weight / step.detach(), -greatest, greatest)
    of_step = (weight.detach() / step).clamp(-greatest, greatest)
    return to_whole(inside + (of_step - of_step.detach()))


class _Fire(torch.autograd.Function):
    """1 where the level reaches zero; backwards ``1 / (1 + (pi * level * sharpness)**2)``."""

    @staticmethod
    def forward(ctx: Any, level: Tensor, sharpness: float, strict: bool) -> Tensor:
        ctx.save_for_backward(level)
        ctx.sharpness = sharpness
        return (level > 0 if strict else level >= 0).to(level.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (level,) = ctx.saved_tensors
        return gradients[0] / (1 + (torch.pi * ctx.sharpness * level) ** 2), None, None


def fire(level: Tensor, sharpness: float = 1.0, *, strict: bool = False) -> Tensor:
    """Return spikes: 1 where ``level`` (membrane potential minus threshold) is zero or more.

    Where ``strict``, only where it is more. The surrogate gradient is that of an arctangent (Fang
    et al., ICCV 2021, arXiv 2007.05785).
    """
    spikes: Tensor = _Fire.apply(level, sharpness, strict)  # type: ignore[no-untyped-call]
    return spikes
