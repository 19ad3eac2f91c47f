"""Sliding windows: which inputs meet which wordlines at each output position.

A convolution, a transposed convolution and a linear layer all become the same thing for
a crossbar: at every output position a vector of ``K`` inputs, one per wordline. Wordlines
are ordered ``(kernel row, kernel column, input channel)``, channel fastest.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from mapper.ir.core import Array, Part
from mapper.ir.limits import MOST_ELEMENTS, MOST_PLACES, MOST_SIDE

Pair = tuple[int, int]
Sides = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window(Part):
    """Geometry of a two-dimensional window.

    ``padding`` is (top, left, bottom, right) in input elements, and may be negative (a crop).
    ``stuffing`` puts ``stuffing - 1`` zeros between neighbouring inputs before the window
    slides: the transposed convolution, seen as a convolution.
    """

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Sides = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    stuffing: Pair = (1, 1)

    @property
    def mixed_axes(self) -> tuple[int, ...]:
        """The axes, -2 and -1, along which elements are added up, left out or moved on."""
        top, left, bottom, right = self.padding
        pads = ((top, bottom), (left, right))
        sizes = zip(self.kernel, self.stride, self.stuffing, pads, strict=True)
        return tuple(k - 2 for k, size in enumerate(sizes) if size != (1, 1, 1, (0, 0)))

    def output_size(self, height: int, width: int) -> Pair:
        """Return the number of output positions down and across (0 or less: no output)."""
        top, left, bottom, right = self.padding
        return (
            _positions(height, self, 0, top + bottom),
            _positions(width, self, 1, left + right),
        )

    def size_problems(self, x: tuple[int, ...]) -> Iterator[str]:
        """Yield why a window cannot slide over ``x[C, H, W]``, or gives too much to look at.

        A window that has ``problems`` is not looked at.
        """
        padded = []
        for axis, size in enumerate(x[1:]):
            stuffed = (size - 1) * self.stuffing[axis] + 1
            before, after = self.padding[axis], self.padding[axis + 2]
            if max(0, -before) + max(0, -after) > stuffed:
                yield f"padding {self.padding} crops more than {x[1:]}"
            padded.append(stuffed + max(0, before) + max(0, after))
        if max(padded) > MOST_SIDE or x[0] * prod(padded) > MOST_ELEMENTS:
            yield (
                f"padded maps are {x[0]} of {padded}: sizes are at most {MOST_SIDE}, "
                f"{MOST_ELEMENTS} together"
            )
        places = prod(self.output_size(*x[1:])) * prod(self.kernel)
        if places > MOST_PLACES:
            yield f"windows look at {places} places of a channel, at most {MOST_PLACES}"

    def problems(self) -> list[str]:
        """Say what makes the geometry impossible, if anything."""
        named = {
            "kernel": self.kernel,
            "stride": self.stride,
            "dilation": self.dilation,
            "stuffing": self.stuffing,
        }
        return [
            f"{name} {pair} must be at least 1" for name, pair in named.items() if min(pair) < 1
        ]


def _positions(size: int, window: Window, axis: int, padding: int) -> int:
    stuffed = (size - 1) * window.stuffing[axis] + 1
    reach = (window.kernel[axis] - 1) * window.dilation[axis] + 1
    return (stuffed + padding - reach) // window.stride[axis] + 1


def sliding(x: Array, window: Window, fill: float = 0) -> Array:
    """Return every window of ``x[B, C, H, W]`` as a view ``[B, C, Ho, Wo, kh, kw]``.

    Elements outside the input read ``fill``.
    """
    padded = pad(stuff(x, window.stuffing), window.padding, fill)
    reach = tuple((k - 1) * d + 1 for k, d in zip(window.kernel, window.dilation, strict=True))
    views = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(2, 3))
    (sy, sx), (dy, dx) = window.stride, window.dilation
    return views[:, :, ::sy, ::sx, ::dy, ::dx]


def stuff(x: Array, stuffing: Pair) -> Array:
    """Put zeros between neighbours of ``x[B, C, H, W]``."""
    if stuffing == (1, 1):
        return x
    batch, channels, height, width = x.shape
    size = ((height - 1) * stuffing[0] + 1, (width - 1) * stuffing[1] + 1)
    stuffed = np.zeros((batch, channels, *size), x.dtype)
    stuffed[:, :, :: stuffing[0], :: stuffing[1]] = x
    return stuffed


def pad(x: Array, padding: Sides, fill: float = 0) -> Array:
    """Pad or, where a side is negative, crop ``x[B, C, H, W]``."""
    top, left, bottom, right = padding
    height, width = x.shape[2:]
    cropped = x[:, :, max(0, -top) : height - max(0, -bottom)]
    cropped = cropped[:, :, :, max(0, -left) : width - max(0, -right)]
    sides = ((max(0, top), max(0, bottom)), (max(0, left), max(0, right)))
    return np.pad(cropped, ((0, 0), (0, 0), *sides), constant_values=fill)


def wordline_inputs(x: Array, window: Window | None, groups: int = 1) -> Array:
    """Return what every wordline sees: ``[B, groups, K, *positions]``.

    ``x`` is ``[B, C, H, W]`` with a window, where ``K = kh * kw * C / groups``, or
    ``[B, groups * K]`` without one, where there is a single position.
    """
    if window is None:
        return x.reshape(len(x), groups, -1)
    views = sliding(x, window)
    batch, channels, height, width, kh, kw = views.shape
    grouped = views.reshape(batch, groups, channels // groups, height, width, kh, kw)
    ordered = grouped.transpose(0, 1, 5, 6, 2, 3, 4)
    return ordered.reshape(batch, groups, -1, height, width)


def transposed_window(
    kernel: Pair, stride: Pair, padding: Sides, dilation: Pair, output_padding: Pair
) -> Window:
    """Return the window that makes a transposed convolution a plain one.

    The kernel has to be turned by 180 degrees as well.
    """
    reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
    top, left, bottom, right = padding
    sides = (
        reach[0] - top,
        reach[1] - left,
        reach[0] - bottom + output_padding[0],
        reach[1] - right + output_padding[1],
    )
    return Window(kernel=kernel, padding=sides, dilation=dilation, stuffing=stride)
