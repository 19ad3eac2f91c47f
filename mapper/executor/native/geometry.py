"""Which channels of which pixels drive which wordlines: tables for the native kernels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mapper.executor.native.held import layout, words
from mapper.ir.core import Array, Span
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.windows import Window

POINT = Window(kernel=(1, 1))
"""A linear layer is a window of one element over one pixel."""

Segment = tuple[int, int, int, int, int]
"""Rows down and columns right of the anchor, first channel, channels, first wordline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Where row blocks look, in padded and stuffed pixels."""

    window: Window
    size: tuple[int, int]
    """Height and width of the input."""
    positions: tuple[int, int]
    rowmap: Array
    """Input row at each padded row, or -1: ``int32 [PH]``."""
    colmap: Array
    combos: tuple[tuple[Segment, ...], ...]
    """What distinct row blocks see, relative to their anchors."""
    blocks: tuple[tuple[int, int, int], ...]
    """Combination, and the anchor's row and column, of each group's row blocks in turn."""
    pitch: int
    """Bits a pixel takes where channels of neighbouring pixels follow each other."""


def geometry(mvm: CrossbarMvm) -> Geometry:
    """Describe what the wordlines of a layer's crossbars see."""
    channels, height, width = layout(mvm.x.shape)
    if mvm.window is None:
        channels, height, width = channels * height * width, 1, 1
    window = mvm.window or POINT
    positions = (mvm.positions[0], mvm.positions[1]) if mvm.window else (1, 1)
    pitch = channels if channels < 64 else 64 * words(channels)
    combos: dict[tuple[Segment, ...], int] = {}
    blocks = []
    for group in range(mvm.groups):
        for rows in mvm.rows:
            segments = list(_segments(rows, window, channels // mvm.groups, group))
            if channels == pitch and window.dilation[1] == 1:
                segments = _merged(segments, channels)
            ay, ax = min(s[0] for s in segments), min(s[1] for s in segments)
            combo = tuple((y - ay, x - ax, *rest) for y, x, *rest in segments)
            number = combos.setdefault(combo, len(combos))  # type: ignore[arg-type]  # a Segment
            blocks.append((number, ay, ax))
    return Geometry(
        window=window,
        size=(height, width),
        positions=positions,
        rowmap=padded_to_input(window, 0, height, positions[0]),
        colmap=padded_to_input(window, 1, width, positions[1]),
        combos=tuple(combos),
        blocks=tuple(blocks),
        pitch=pitch,
    )


def _segments(rows: Span, window: Window, channels: int, group: int) -> Iterator[Segment]:
    """Cut a row block where the window's element changes; channels are those of one group."""
    at = rows.start
    while at < rows.stop:
        element, first = divmod(at, channels)
        i, j = divmod(element, window.kernel[1])
        count = min(channels - first, rows.stop - at)
        place = (i * window.dilation[0], j * window.dilation[1])
        yield (*place, group * channels + first, count, at - rows.start)
        at += count


def _merged(segments: list[Segment], channels: int) -> list[Segment]:
    """Join what goes on in the pixel to the right, from its first channel."""
    merged = segments[:1]
    for row, column, first, count, base in segments[1:]:
        y, x, c, so_far, start = merged[-1]
        if (y, x * channels + c + so_far) == (row, column * channels + first):
            merged[-1] = (y, x, c, so_far + count, start)
        else:
            merged.append((row, column, first, count, base))
    return merged


def padded_to_input(window: Window, axis: int, size: int, positions: int) -> Array:
    """Return the input row (or column) at each padded and stuffed one that is seen, or -1."""
    reach = (window.kernel[axis] - 1) * window.dilation[axis] + 1
    padded = np.arange((positions - 1) * window.stride[axis] + reach)
    inside, between = np.divmod(padded - window.padding[axis], window.stuffing[axis])
    real = (between == 0) & (inside >= 0) & (inside < size)
    return np.where(real, inside, -1).astype(np.int32)
