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


def folded_back(
    gradient: Tensor, window: Window | None, groups: int, shape: torch.Size | tuple[int, ...]
) -> Tensor:
    """Return the gradient of ``x`` from that of ``wordline_inputs(x, window, groups)``.

    What several wordlines saw is added in a fixed order, in single precision, one element of the
    kernel after the other: nothing of the size of all windows is made.
    """
    batch, channels = shape[:2]
    if window is None:
        return gradient.transpose(0, 1).reshape(shape).float()
    height, width = window.output_size(int(shape[-2]), int(shape[-1]))
    (kh, kw), (sy, sx), (dy, dx) = window.kernel, window.stride, window.dilation
    (fy, fx), (top, left, bottom, right) = window.stuffing, window.padding
    stuffed = (shape[2] - 1) * fy + 1, (shape[3] - 1) * fx + 1
    size = stuffed[0] + top + bottom, stuffed[1] + left + right
    total = gradient.new_zeros(batch, *size, groups, channels // groups, dtype=torch.float32)
    views = gradient.reshape(groups, batch, height, width, kh, kw, -1).permute(4, 5, 1, 2, 3, 0, 6)
    for i in range(kh):
        for j in range(kw):
            ends = i * dy + (height - 1) * sy + 1, j * dx + (width - 1) * sx + 1
            total[:, i * dy : ends[0] : sy, j * dx : ends[1] : sx] += views[i, j]
    return taken_back(total.flatten(3), window, shape)


def laid_out(x: Tensor, window: Window | None) -> Tensor:
    """Return the image that windows slide over, ``[B, H, W, C]``; ``x[B, K]`` without a window."""
    if window is None:
        return x.reshape(len(x), -1).contiguous()
    return _padded(_stuffed(x, window.stuffing), window).permute(0, 2, 3, 1).contiguous()


def taken_back(image: Tensor, window: Window | None, shape: torch.Size | tuple[int, ...]) -> Tensor:
    """Return the gradient of ``x`` from that of ``laid_out(x, window)``."""
    if window is None:
        return image.reshape(shape)
    top, left, bottom, right = window.padding
    inner = functional.pad(image.permute(0, 3, 1, 2), (-left, -right, -top, -bottom))
    return inner[:, :, :: window.stuffing[0], :: window.stuffing[1]]


def convolved(x: Tensor, weight: Tensor, window: Window, groups: int) -> Tensor:
    """Return ``wordline_inputs(x) @ weight[K, N]`` as ``[B, N, Ho, Wo]``, by torch's convolution.

    Several times as fast on a CPU, and rounded as torch pleases: for training alone.
    """
    image = _padded(_stuffed(x, window.stuffing), window)
    apart = weight.reshape(*window.kernel, x.shape[1] // groups, -1).permute(3, 2, 0, 1)
    wide = torch.channels_last
    return functional.conv2d(
        image.contiguous(memory_format=wide),
        apart.contiguous(memory_format=wide),
        stride=window.stride,
        dilation=window.dilation,
        groups=groups,
    )


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
