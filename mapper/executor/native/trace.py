"""What was active: spikes, driven wordlines and reads, counted from packed values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from mapper.executor.base import Traced
from mapper.executor.native.geometry import POINT, padded_to_input
from mapper.executor.native.held import Held, layout
from mapper.ir.activity import READS, WORDLINES, count_driven
from mapper.ir.core import SPIKE, Array
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.windows import Window, sliding
from mapper.kernels import core

_MOST_CLASSES = 256
"""Of rows or columns: a class is a byte."""


@dataclass(slots=True)
class Trace:
    """What was active in the steps that ran so far."""

    level: int
    """Index into ``core.VARIANTS``."""
    _parts: dict[str, list[Array]] = field(default_factory=dict)
    """Counts by name: of some time steps each."""
    _sums: dict[str, list[Array]] = field(default_factory=dict)
    """Counts by name: to be added up."""
    _packed: dict[str, list[Array]] = field(default_factory=dict)
    """Spikes by name: of some time steps each."""

    def traced(self, outputs: dict[str, Array]) -> Traced:
        """Return what was active, beside the outputs of the same run."""
        added = {name: np.sum(parts, axis=0) for name, parts in self._sums.items()}
        return Traced(
            outputs=outputs,
            counts=joined_parts(self._parts) | added,
            spikes=joined_parts(self._packed),
        )

    def note_spikes(self, held: Held) -> None:
        """Count what is not zero, and keep spikes."""
        name = held.value.name
        self._parts.setdefault(name, []).append(_spike_counts(held, self.level))
        if held.value.type == SPIKE:
            self._packed.setdefault(name, []).append(packed_spikes(held))

    def note_reads(self, mvm: CrossbarMvm, driven: Array, heard: Array) -> None:
        """Take driven wordlines ``[T, B]`` and heard reads ``[groups, row blocks]``."""
        name = mvm.partial_sum.name
        self._parts.setdefault(name, []).append(driven)
        self._sums.setdefault(name + READS, []).append(heard)

    def note_wordlines(self, mvm: CrossbarMvm, x: Held) -> None:
        """Count how often each wordline was driven."""
        found = _by_regions(mvm, x, self.level)
        if found is None:
            _, found, _ = count_driven(mvm, x.as_dense())
        self._sums.setdefault(mvm.partial_sum.name + WORDLINES, []).append(found)

    def note_crossbars(self, mvm: CrossbarMvm, x: Held) -> None:
        """Count everything of crossbars that no kernel ran, as the definition does."""
        driven, wordlines, heard = count_driven(mvm, x.as_dense())
        self.note_reads(mvm, driven, heard)
        self._sums.setdefault(mvm.partial_sum.name + WORDLINES, []).append(wordlines)


def joined_parts(parts: Mapping[str, list[Array]]) -> dict[str, Array]:
    """Put time steps one after the other."""
    return {
        name: arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
        for name, arrays in parts.items()
    }


def _spike_counts(held: Held, level: int) -> Array:
    """Return how many elements are not zero: ``[T, B]``."""
    packed = np.ascontiguousarray(held.as_packed())
    counts = np.empty(packed.shape[1:3], np.int64)
    words = packed[0].size // counts.size
    core.count_on(level, {"x": packed, "out": counts}, len(packed), counts.size, words)
    return counts


def packed_spikes(held: Held) -> Array:
    """Return spikes as ``uint8 [T, B, H, W, ceil(C / 8)]``, channel 0 in the lowest bit."""
    size = -(-layout(held.value.shape)[0] // 8)
    packed = held.as_packed()[0]
    if size in (1, 2, 4):  # the low bytes of one word, many at once
        low: Array = packed.astype(f"<u{size}").view(np.uint8)
        return low
    octets = np.ascontiguousarray(packed).view(np.uint8)
    return np.ascontiguousarray(octets[..., :size])


def heard_by_pack(mvm: CrossbarMvm, x: Held) -> Array:
    """Count the reads of crossbars in which a wordline of any of their groups is driven.

    Returns ``[packs, 1]``. A step at a time, as images are unpacked for it.
    """
    window, found = mvm.window or POINT, np.zeros(mvm.packs, np.int64)
    for t in range(x.leading[0]):
        codes = x.steps(t, t + 1).as_dense()[0]
        codes = codes if mvm.window else codes.reshape(len(codes), -1, 1, 1)
        starts = np.arange(0, codes.shape[1], codes.shape[1] // mvm.groups * mvm.packed)
        for plane in mvm.bit_planes:
            driven = np.logical_or.reduceat(plane.digit(codes) > 0, starts, axis=1)
            found += sliding(driven, window).any(axis=(4, 5)).sum(axis=(0, 2, 3))
    return found[:, None]


def _by_regions(mvm: CrossbarMvm, x: Held, level: int) -> Array | None:
    """Count driven wordlines, ``[groups, K]``; None for kernels of a hundred elements and more.

    Each pixel is counted once, with the pixels that the same kernel elements see.
    """
    window = mvm.window or POINT
    held = x if mvm.window else x.flat()
    packed = held.as_read(mvm.bit_planes)
    planes, steps, batch, height, width, size = packed.shape
    positions = mvm.positions or (1, 1)
    seen_rows, rows = _classes(window, 0, height, positions[0])
    seen_columns, columns = _classes(window, 1, width, positions[1])
    kinds = (len(seen_rows), len(seen_columns))
    if max(kinds) > _MOST_CLASSES:
        return None
    counts = np.zeros((*kinds, size * 64), np.int64)
    arrays = {"x": packed, "rows": rows, "columns": columns, "out": counts}
    core.count_regions(level, arrays, planes * steps * batch, height, width, size, *kinds)
    channels = layout(held.value.shape)[0]
    by_row = seen_rows.T @ counts[..., :channels].reshape(len(seen_rows), -1)
    per_element = seen_columns.T @ by_row.reshape(-1, len(seen_columns), channels)
    grouped = per_element.reshape(*window.kernel, mvm.groups, -1)
    by_wordline: Array = grouped.transpose(2, 0, 1, 3).reshape(mvm.groups, -1)
    return by_wordline


@lru_cache(maxsize=256)
def _classes(window: Window, axis: int, size: int, positions: int) -> tuple[Array, Array]:
    """Sort rows (columns) by which kernel elements see them, and how often.

    Returns ``[classes, kernel]`` and the class of each row.
    """
    inside = padded_to_input(window, axis, size, positions)
    seen = np.zeros((size, window.kernel[axis]), np.int64)
    for element in range(window.kernel[axis]):
        first = element * window.dilation[axis]
        rows = inside[
            first : first + (positions - 1) * window.stride[axis] + 1 : window.stride[axis]
        ]
        np.add.at(seen[:, element], rows[rows >= 0], 1)
    kinds, which = np.unique(seen, axis=0, return_inverse=True)
    return kinds, which.reshape(-1).astype(np.uint8)
