"""Which reads of a row block have a driven wordline: the ones that event gating cannot skip."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from mapper.executor.native.geometry import POINT, padded_to_input
from mapper.executor.native.held import Held
from mapper.ir.core import Array, Span
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.windows import Window

Channels = tuple[int, int]
"""First and last but one channel of an input."""


def heard_reads(mvm: CrossbarMvm, x: Held) -> Array:
    """Count, over steps, samples, bit planes and positions: ``int64 [groups, row blocks]``."""
    window = mvm.window or POINT
    seen = _Seen(x if mvm.window else x.flat(), window, mvm.positions or (1, 1))
    elements = window.kernel[0] * window.kernel[1]
    channels = sum(len(span) for span in mvm.rows) // elements
    counts = np.zeros((mvm.groups, len(mvm.rows)), np.int64)
    for group, block in np.ndindex(counts.shape):
        parts = [
            seen.through(element, (group * channels + first, group * channels + last))
            for element, first, last in _segments(mvm.rows[block], channels)
        ]
        heard = parts[0] if len(parts) == 1 else parts[0] | parts[1]
        for part in parts[2:]:
            heard |= part
        counts[group, block] = np.count_nonzero(heard)
    return counts


def _segments(span: Span, channels: int) -> Iterator[tuple[int, int, int]]:
    """Yield kernel element, first and last but one channel of a row block's wordlines."""
    for element in range(span.start // channels, -(-span.stop // channels)):
        first = element * channels
        yield element, max(span.start - first, 0), min(span.stop - first, channels)


class _Seen:
    """Packed pixels with the border and the inserted zeros of a window around them."""

    def __init__(self, x: Held, window: Window, positions: tuple[int, ...]) -> None:
        self._packed = np.ascontiguousarray(x.as_packed())
        height, width = self._packed.shape[3:5]
        self._rows = padded_to_input(window, 0, height, positions[0])
        self._columns = padded_to_input(window, 1, width, positions[1])
        self._maps: dict[Channels, Array] = {}
        down, across = (
            [
                slice(
                    first,
                    first + (positions[axis] - 1) * window.stride[axis] + 1,
                    window.stride[axis],
                )
                for first in range(
                    0, window.kernel[axis] * window.dilation[axis], window.dilation[axis]
                )
            ]
            for axis in (0, 1)
        )
        self._elements = list(product(down, across))

    def through(self, element: int, channels: Channels) -> Array:
        """Return where a kernel element sees a driven channel: ``bool [planes, T, B, Ho, Wo]``."""
        if channels not in self._maps:
            self._maps[channels] = self._driven(channels)
        seen: Array = self._maps[channels][(..., *self._elements[element])]
        return seen

    def _driven(self, channels: Channels) -> Array:
        """Return where any of the channels is on, padded: ``bool [planes, T, B, Hp, Wp]``."""
        on = np.zeros(self._packed.shape[:-1], bool)
        for word in range(channels[0] // 64, -(-channels[1] // 64)):
            first, last = max(channels[0] - 64 * word, 0), min(channels[1] - 64 * word, 64)
            mask = np.uint64(((1 << last) - 1) ^ ((1 << first) - 1))
            on |= (self._packed[..., word] & mask) != 0
        padded = np.zeros((*on.shape[:-2], self._rows.size, self._columns.size), bool)
        (down, height), (across, width) = _copied(self._rows), _copied(self._columns)
        padded[..., down, across] = on[..., height, width]
        return padded


def _copied(seen: Array) -> tuple[slice, slice]:
    """Return where a padded axis holds inputs, and which: evenly spaced, one after the other."""
    (places,) = np.nonzero(seen >= 0)
    if not places.size:
        return slice(0), slice(0)
    step = int(places[1] - places[0]) if places.size > 1 else 1
    first, last = int(seen[places[0]]), int(seen[places[-1]])
    return slice(int(places[0]), int(places[-1]) + 1, step), slice(first, last + 1)
