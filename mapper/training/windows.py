"""What every wordline sees, as ``mapper.ir.windows`` says it, for torch tensors."""

import torch
from torch import Tensor
from torch.nn import functional

from mapper.ir.windows import Window


def wordline_inputs(x: Tensor, window: Window | None, groups: int = 1) -> Tensor:
    """Return ``[groups, B * positions, K]`` for ``x[B, C, H, W]``, or ``x[B, K]`` without a window.

    Wordlines are ordered (kernel row, kernel column, channel), channel fastest.
    """
    if window is None:
        return x.reshape(len(x), groups, -1).transpose(0, 1)
    views = _sliding(x, window)  # [B, C, Ho, Wo, kh, kw]
    batch, channels, height, width, kh, kw = views.shape
    grouped = views.reshape(batch, groups, channels // groups, height, width, kh, kw)
    ordered = grouped.permute(1, 0, 3, 4, 5, 6, 2)
    return ordered.reshape(groups, batch * height * width, -1)


def _sliding(x: Tensor, window: Window) -> Tensor:
    padded = _padded(_stuffed(x, window.stuffing), window)
    (sy, sx), (dy, dx) = window.stride, window.dilation
    reach_y, reach_x = ((k - 1) * d + 1 for k, d in zip(window.kernel, (dy, dx), strict=True))
    views = padded.unfold(2, reach_y, sy).unfold(3, reach_x, sx)
    return views[..., ::dy, ::dx]


def _stuffed(x: Tensor, stuffing: tuple[int, int]) -> Tensor:
    if stuffing == (1, 1):
        return x
    batch, channels, height, width = x.shape
    stuffed = x.new_zeros(
        batch, channels, (height - 1) * stuffing[0] + 1, (width - 1) * stuffing[1] + 1
    )
    stuffed[:, :, :: stuffing[0], :: stuffing[1]] = x
    return stuffed


def _padded(x: Tensor, window: Window) -> Tensor:
    top, left, bottom, right = window.padding
    return functional.pad(x, (left, right, top, bottom)) if any(window.padding) else x


def outputs_image(
    sums: Tensor, batch: int, window: Window | None, shape: torch.Size | tuple[int, ...]
) -> Tensor:
    """Return ``sums[B * positions, N]`` as ``[B, N, Ho, Wo]``, or ``[B, N]`` without a window.

    ``shape`` is that of the input the window slides over.
    """
    if window is None:
        return sums
    height, width = window.output_size(int(shape[-2]), int(shape[-1]))
    return sums.reshape(batch, height, width, -1).permute(0, 3, 1, 2)
