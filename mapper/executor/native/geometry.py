"""Which channels of which pixels drive which wordlines: tables for the native kernels."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import gcd

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
class Axis:
    """One axis of the output positions ``first, first + step, ...``, and what they see.

    Position ``k`` of them sees padded coordinate ``k * stride + offsets[i]`` at kernel element
    ``i``; elements that are not in ``offsets`` meet none but inserted zeros.
    """

    size: int
    """Of the input."""
    positions: int
    first: int
    step: int
    stride: int
    offsets: Mapping[int, int]
    seen: Array
    """Input at each padded coordinate, -1 for none: ``int32``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """Where row blocks look, for output positions that see the same kernel elements."""

    rows: Axis
    columns: Axis
    positions: tuple[int, int]
    """Of the whole layer."""
    combos: tuple[tuple[Segment, ...], ...]
    """What distinct row blocks see, relative to their anchors."""
    blocks: tuple[tuple[int, int, int], ...]
    """Combination, and the anchor's row and column, of each group's present row blocks in turn."""
    present: tuple[int, ...]
    """Row blocks that see any input."""
    pitch: int
    """Bits a pixel takes where channels of neighbouring pixels follow each other."""


def geometries(mvm: CrossbarMvm, *, split: bool) -> list[Geometry]:
    """Describe what the wordlines of a layer's crossbars see.

    ``split`` gives a transposed convolution a phase for each set of positions that meet the same
    kernel elements: most elements meet inserted zeros, and most row blocks see nothing.
    """
    channels, height, width = layout(mvm.x.shape)
    if mvm.window is None:
        channels, height, width = channels * height * width, 1, 1
    window = mvm.window or POINT
    positions = (mvm.positions[0], mvm.positions[1]) if mvm.window else (1, 1)
    found = [
        [_stuffed(window, 0, height, positions[0])],
        [_stuffed(window, 1, width, positions[1])],
    ]
    if split and window.stuffing != (1, 1):
        phases = [_split(window, 0, height, positions[0]), _split(window, 1, width, positions[1])]
        if all(axis.offsets for axes in phases for axis in axes):
            found = phases
    return [_phase(mvm, window, channels, positions, *axes) for axes in product(*found)]


def _stuffed(window: Window, axis: int, size: int, positions: int) -> Axis:
    """Return all positions at once, inserted zeros as what they are."""
    return Axis(
        size=size,
        positions=positions,
        first=0,
        step=1,
        stride=window.stride[axis],
        offsets={i: i * window.dilation[axis] for i in range(window.kernel[axis])},
        seen=padded_to_input(window, axis, size, positions),
    )


def _split(window: Window, axis: int, size: int, positions: int) -> list[Axis]:
    """Return an axis for each phase in which positions meet the inputs between inserted zeros."""
    stride, between = window.stride[axis], window.stuffing[axis]
    period = between // gcd(stride, between)
    return [
        _one_phase(window, axis, size, range(first, positions, period), period)
        for first in range(min(period, positions))
    ]


def _one_phase(window: Window, axis: int, size: int, places: range, period: int) -> Axis:
    between = window.stuffing[axis]
    start = places.start * window.stride[axis] - window.padding[axis]
    reached = {i: start + i * window.dilation[axis] for i in range(window.kernel[axis])}
    inputs = {i: at // between for i, at in reached.items() if at % between == 0}
    lowest = min(inputs.values(), default=0)
    stride = period * window.stride[axis] // between
    reach = max(inputs.values(), default=0) - lowest + 1
    inside = np.arange((len(places) - 1) * stride + reach) + lowest
    return Axis(
        size=size,
        positions=len(places),
        first=places.start,
        step=period,
        stride=stride,
        offsets={i: at - lowest for i, at in inputs.items()},
        seen=np.where((inside >= 0) & (inside < size), inside, -1).astype(np.int32),
    )


def _phase(
    mvm: CrossbarMvm,
    window: Window,
    channels: int,
    positions: tuple[int, int],
    rows: Axis,
    columns: Axis,
) -> Geometry:
    pitch = channels if channels < 64 else 64 * words(channels)
    combos: dict[tuple[Segment, ...], int] = {}
    blocks = []
    present: dict[int, None] = {}
    for group in range(mvm.groups):
        for g, span in enumerate(mvm.rows):
            segments = [
                (y, x, c, n, base + k * len(span))
                for k, member in enumerate(_adding(mvm, group))
                for y, x, c, n, base in _segments(
                    span, window, channels // mvm.groups, member, rows, columns
                )
            ]
            if not segments:
                continue
            if channels == pitch:
                segments = _merged(segments, channels)
            present[g] = None
            ay, ax = min(s[0] for s in segments), min(s[1] for s in segments)
            combo = tuple((y - ay, x - ax, c, n, base) for y, x, c, n, base in segments)
            blocks.append((combos.setdefault(combo, len(combos)), ay, ax))
    return Geometry(
        rows=rows,
        columns=columns,
        positions=positions,
        combos=tuple(combos),
        blocks=tuple(blocks),
        present=tuple(present),
        pitch=pitch,
    )


def _adding(mvm: CrossbarMvm, group: int) -> range:
    """Return the groups whose wordlines add to the columns of one: on a die all of its crossbar."""
    if mvm.cell_rows == mvm.rows:
        return range(group, group + 1)
    first = group - group % mvm.packed
    return range(first, min(first + mvm.packed, mvm.groups))


def _segments(
    span: Span, window: Window, channels: int, group: int, rows: Axis, columns: Axis
) -> Iterator[Segment]:
    """Cut a row block where the window's element changes; channels are those of one group."""
    at = span.start
    while at < span.stop:
        element, first = divmod(at, channels)
        i, j = divmod(element, window.kernel[1])
        count = min(channels - first, span.stop - at)
        if i in rows.offsets and j in columns.offsets:
            place = (rows.offsets[i], columns.offsets[j])
            yield (*place, group * channels + first, count, at - span.start)
        at += count


def _merged(segments: list[Segment], channels: int) -> list[Segment]:
    """Join what goes on in the pixel to the right, from its first channel."""
    merged = segments[:1]
    for row, column, first, count, base in segments[1:]:
        y, x, c, so_far, start = merged[-1]
        follows = (y, x * channels + c + so_far) == (row, column * channels + first)
        if follows and start + so_far == base:
            merged[-1] = (y, x, c, so_far + count, start)
        else:
            merged.append((row, column, first, count, base))
    return merged


@lru_cache(maxsize=256)
def padded_to_input(window: Window, axis: int, size: int, positions: int) -> Array:
    """Return the input row (or column) at each padded and stuffed one that is seen, or -1."""
    reach = (window.kernel[axis] - 1) * window.dilation[axis] + 1
    padded = np.arange((positions - 1) * window.stride[axis] + reach)
    inside, between = np.divmod(padded - window.padding[axis], window.stuffing[axis])
    real = (between == 0) & (inside >= 0) & (inside < size)
    found = np.where(real, inside, -1).astype(np.int32)
    found.flags.writeable = False  # every caller gets the same array
    return found
