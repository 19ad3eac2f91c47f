"""Which reads of a row block have a driven wordline: the ones that event gating cannot skip."""

from collections.abc import Iterator

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
        any_driven = np.zeros(seen.shape, bool)
        for element, first, last in _segments(mvm.rows[block], channels):
            part = (group * channels + first, group * channels + last)
            any_driven |= seen.through(*divmod(element, window.kernel[1]), part)
        counts[group, block] = np.count_nonzero(any_driven)
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
        self._window = window
        self._positions = positions
        self._rows = padded_to_input(window, 0, height, positions[0])
        self._columns = padded_to_input(window, 1, width, positions[1])
        self._maps: dict[Channels, Array] = {}
        self.shape = (*self._packed.shape[:3], *positions)

    def through(self, row: int, column: int, channels: Channels) -> Array:
        """Return where a kernel element sees a driven channel: ``bool [planes, T, B, Ho, Wo]``."""
        if channels not in self._maps:
            self._maps[channels] = self._driven(channels)
        down, across = (
            slice(first, first + (count - 1) * stride + 1, stride)
            for first, count, stride in zip(
                (row * self._window.dilation[0], column * self._window.dilation[1]),
                self._positions,
                self._window.stride,
                strict=True,
            )
        )
        seen: Array = self._maps[channels][..., down, across]
        return seen

    def _driven(self, channels: Channels) -> Array:
        """Return where any of the channels is on, padded: ``bool [planes, T, B, Hp, Wp]``."""
        on = np.zeros(self._packed.shape[:-1], bool)
        for word in range(channels[0] // 64, -(-channels[1] // 64)):
            first, last = max(channels[0] - 64 * word, 0), min(channels[1] - 64 * word, 64)
            mask = np.uint64(((1 << last) - 1) ^ ((1 << first) - 1))
            on |= (self._packed[..., word] & mask) != 0
        padded = on[..., self._rows, :][..., self._columns]
        padded &= (self._rows >= 0)[:, None] & (self._columns >= 0)
        return padded
