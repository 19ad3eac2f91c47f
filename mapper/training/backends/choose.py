"""Which backend trains a layer or its neurons: our own programs where they can, else torch's."""

import os
from collections.abc import Callable

from torch import Tensor

from mapper.training.backends import fused, fused_neurons, native, native_neurons
from mapper.training.backends.noise import Draw
from mapper.training.backends.sums import Grid, LayerSums

FUSED = os.environ.get("SPIKELOOM_FUSED", "1") != "0"
"""Whether programs of our own may compute: ``fused`` on a GPU, ``native`` on a CPU;
``SPIKELOOM_FUSED=0`` says no."""

Walk = Callable[..., Tensor]
"""Neurons over all time steps: ``walk`` of ``native_neurons`` and ``fused_neurons``."""


def sums_backend(
    x: Tensor, weight: Tensor, grid: Grid, draw: Draw | None = None
) -> tuple[type[LayerSums], Tensor]:
    """Return what does a layer's arithmetic, our own programs where they can, else torch's.

    With it comes the input as it takes it: what its methods are given for ``x``.
    """
    if not FUSED or (draw is not None and draw.noise.varies_cells):
        return LayerSums, x
    if draw is None and fused.supports(weight, grid):
        return fused.FusedSums, x
    driven = native.driven(x, weight, grid)
    return (LayerSums, x) if driven is None else (native.NativeSums, driven)


def neurons_backend(x: Tensor) -> Walk | None:
    """Return what runs neurons over all time steps of ``x[T, B, ...]``; None for torch's own."""
    if FUSED and fused_neurons.supports(x):
        return fused_neurons.walk
    return native_neurons.walk if FUSED and native_neurons.supports(x) else None
