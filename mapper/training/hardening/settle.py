"""Set references, steps and scales from data when a layer's readout changes."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mapper.ir.core import INT64, Array, Const, IntType, Value
from mapper.training.backends.readout import Comparators
from mapper.training.backends.windows import wordline_inputs
from mapper.training.hardening.crossbars import crossbars_of, whole_numbers
from mapper.training.nets.layers import Awareness, Hardened
from mapper.training.nets.modules import evaluating
from mapper.training.nets.partial_sums import spread_of_sums
from mapper.training.nets.refused import refused
from passes.readout.calibrate import Calibration, calibrate
from targets import Readout

_VECTORS = 256
"""Vectors of wordlines that references are set from, as in ``passes.readout.activity``."""

_WINDOW = 2.0
"""Half-width of the gradient's window, in standard deviations of the partial sum."""

_LEAST_GAIN = 0.05
"""Least scale of a column, in weight steps: a smaller one makes thresholds of tens of thousands
of counts, wider than a membrane."""


@torch.no_grad()
def settle(layer: Hardened, awareness: Awareness, x: Tensor, seed: int = 0) -> None:
    """Raise a layer's awareness, and bring its output back to what it was before on ``x``.

    References and steps come from ``passes.readout.calibrate``, as for a network that was never
    trained with them; the scale and the bias from least squares against the output before the
    change. Windows of gradients are left to ``set_window``.

    Args:
        layer: Changed in place.
        awareness: What it feels from now on.
        x: Input codes ``[B, ...]`` as the layers before it now send them.
        seed: Of the vectors drawn.

    Raises:
        TrainingError: What reaches the layer is not a code of its width.
    """
    check_codes(x, layer.input_bits, f"this {layer.geometry.kind}")
    with evaluating(layer):  # without noise
        _settle(layer, awareness, x, seed)


def _settle(layer: Hardened, awareness: Awareness, x: Tensor, seed: int) -> None:
    before = layer(x)
    layer.awareness = awareness
    if layer.is_exact:
        return
    settings = _calibrated(layer, x, seed)
    if settings.thresholds.size:
        found = torch.from_numpy(settings.thresholds).to(layer.thresholds)
        layer.thresholds.copy_(found.expand_as(layer.thresholds))
    layer.converter_step.fill_(float(settings.step))
    layer.calibrated.fill_(True)
    _fit_scale(layer, x, before)


@torch.no_grad()
def set_window(layer: Hardened, x: Tensor) -> None:
    """Set the window of a comparison's gradient to how partial sums spread on codes ``x[B, ...]``.

    A layer whose columns are not compared has none, and is left as it is.
    """
    reading = None if layer.is_exact else layer.reading()
    if isinstance(reading, Comparators):
        plane = layer.planes(x)[-1]
        deviation = spread_of_sums(plane, layer.whole_weights(), layer.grid, reading)
        layer.half_width.copy_((_WINDOW * deviation).clamp(min=1.0))


def check_codes(x: Tensor, bits: int, where: str) -> None:
    """Raise ``TrainingError`` (``input-range``) unless all are whole numbers of so many bits."""
    top = (1 << bits) - 1
    x = x if x.is_floating_point() else x.float()
    (low, high), (_, part) = torch.aminmax(x), torch.aminmax(x.frac())
    if bool((low >= 0) & (high <= top) & (part == 0)):  # so written, it is false of NaN
        return
    wrong = ~((x == x.round()) & (x >= 0) & (x <= top))
    raise refused(
        "input-range",
        f"{where} layer takes {'spikes' if top == 1 else 'codes'}, 0 to {top}, "
        f"got {float(x[wrong][0]):g}; only neurons, max-pools and the input drive wordlines",
        help="input_bits=8, for one, takes counts and levels of 0 to 255; scale and round "
        "analogue inputs to such codes",
    )


def _calibrated(layer: Hardened, x: Tensor, seed: int) -> Calibration:
    matrix = whole_numbers(layer.whole_weights())
    type = IntType(layer.input_bits, signed=False)
    image = Value("x", type, tuple(x.shape[1:]))
    window = layer.geometry.window
    positions = () if window is None else window.output_size(x.shape[-2], x.shape[-1])
    sums = Value("layer.sums", INT64, (matrix.shape[1], *positions))
    op = crossbars_of(layer, image, sums, Const("weight"), "")
    return calibrate(op, {"weight": matrix}, _readout(layer), _vectors(layer, x, seed))


def _readout(layer: Hardened) -> Readout:
    own = layer.macro.readout
    if layer.awareness.reading == "target":
        return own
    bits = layer.awareness.bits
    return replace(own, kind="flash", bits=bits, reference="constant", levels=())


def _vectors(layer: Hardened, x: Tensor, seed: int) -> Array:
    """Draw ``[M, groups, K]`` bits from samples, positions and bit planes."""
    rng = np.random.default_rng(seed)
    codes = x.detach().round().to(torch.int64)
    frames = torch.from_numpy(rng.permutation(len(codes))[:64]).to(codes.device)
    inputs = wordline_inputs(codes[frames], layer.geometry.window, layer.geometry.groups)
    chosen = torch.from_numpy(rng.integers(0, inputs.shape[1], _VECTORS)).to(codes.device)
    drawn = inputs[:, chosen].transpose(0, 1)
    planes = torch.cat([plane.digit(drawn) for plane in layer.bit_planes])
    return planes.to(torch.uint8).cpu().numpy()


def _fit_scale(layer: Hardened, x: Tensor, wanted: Tensor) -> None:
    """Set scale and bias by least squares; the scale stays above zero."""
    sums = layer.sums(x)
    axes = [axis for axis in range(sums.dim()) if axis != 1]
    mean, aim = sums.mean(dim=axes, keepdim=True), wanted.mean(dim=axes, keepdim=True)
    joint = ((sums - mean) * (wanted - aim)).sum(dim=axes)
    spread = (sums - mean).square().sum(dim=axes)
    if layer.granularity != "column":
        joint, spread = joint.sum()[None], spread.sum()[None]
    step = layer.learned_step()
    sensible = (joint > 0) & (spread > 0)
    gain = torch.where(sensible, joint / spread.clamp(min=1e-12), step)
    gain = gain.clamp(min=_LEAST_GAIN * step)
    layer.log_scale.copy_((gain / layer.unit()).log())
    layer.bias.copy_(aim.flatten() - gain * mean.flatten())
