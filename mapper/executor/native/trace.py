"""What was active: spikes and driven wordlines, counted from packed values."""

from functools import lru_cache

import numpy as np

from mapper.executor.native import core
from mapper.executor.native.geometry import POINT, padded_to_input
from mapper.executor.native.held import Held, layout
from mapper.ir.core import Array
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.crossbar import driven_wordlines as _driven
from mapper.ir.windows import Window

_MOST_CLASSES = 256
"""Of rows or columns: a class is a byte."""


def spike_counts(held: Held) -> Array:
    """Return how many elements are not zero: ``[T, B]``."""
    packed = held.as_packed()
    on = packed[0] if len(packed) == 1 else np.bitwise_or.reduce(packed, axis=0)
    counts: Array = np.bitwise_count(on).reshape(*on.shape[:2], -1).sum(axis=2, dtype=np.int64)
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


def driven_wordlines(mvm: CrossbarMvm, x: Held) -> tuple[Array, Array]:
    """Count driven wordlines: ``[T, B]``, and ``[groups, K]`` over all steps and samples.

    Each pixel is counted once, with the pixels that the same kernel elements see.
    """
    window = mvm.window or POINT
    held = x if mvm.window else x.flat()
    packed = np.ascontiguousarray(held.as_packed())
    planes, steps, batch, height, width, size = packed.shape
    positions = mvm.positions or (1, 1)
    seen_rows, rows = _classes(window, 0, height, positions[0])
    seen_columns, columns = _classes(window, 1, width, positions[1])
    if max(len(seen_rows), len(seen_columns)) > _MOST_CLASSES:
        return _counted_one_by_one(mvm, x)
    out = np.zeros((planes, steps, batch, len(seen_rows), len(seen_columns), size * 64), np.int32)
    arrays = {"x": packed, "rows": rows, "columns": columns, "out": out}
    core.count_regions(
        arrays, planes * steps * batch, height, width, size, len(seen_rows), len(seen_columns)
    )
    channels = layout(held.value.shape)[0]
    totals = out[..., :channels].sum(axis=0, dtype=np.int64)
    times = np.outer(seen_rows.sum(axis=1), seen_columns.sum(axis=1))
    by_sample = np.einsum("tbrqc,rq->tb", totals, times)
    per_element = np.einsum("rqc,ri,qj->ijc", totals.sum(axis=(0, 1)), seen_rows, seen_columns)
    grouped = per_element.reshape(*window.kernel, mvm.groups, -1)
    return by_sample, grouped.transpose(2, 0, 1, 3).reshape(mvm.groups, -1)


def _counted_one_by_one(mvm: CrossbarMvm, x: Held) -> tuple[Array, Array]:
    """Count as the definition does: for kernels of a hundred elements and more."""
    steps = [_driven(codes, mvm).sum(axis=(1, 4)) for codes in x.as_dense()]  # [B, groups, K]
    driven = np.stack(steps)
    return driven.sum(axis=(2, 3)), driven.sum(axis=(0, 1))


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
