"""Chunks of HDF5 files, looked at before the library unpacks them.

HDF5 unpacks a compressed chunk whole and only then looks how long it is; a chunk of some hundred
kilobytes that says it holds three numbers may thus take hundreds of megabytes.
"""

import math
import zlib
from itertools import product
from typing import Any

DEFLATE, SHUFFLE, FLETCHER32, LZF = 1, 2, 3, 32000
"""Filters by their numbers in the file (the specification of HDF5's file format, IV.A.2.l)."""

ORDERS = ((SHUFFLE, DEFLATE, FLETCHER32), (SHUFFLE, LZF, FLETCHER32))
"""As writers apply them; each once, some left out. A byte of lzf unpacks to 88 at most."""

MOST_INFLATED = 1032
"""Bytes that one byte of a deflate stream unpacks to at most (zlib's technical details)."""

HARMLESS = 16 << 20
"""Bytes that a chunk may unpack to before it is looked into."""


def filters_of(dataset: Any) -> list[int]:
    """Return what an ``h5py.Dataset`` is packed with: filters by number, first applied first."""
    plan = dataset.id.get_create_plist()
    return [plan.get_filter(k)[0] for k in range(plan.get_nfilters())]


def check_chunks(dataset: Any, first: int = 0, over: int | None = None) -> None:
    """Look at the chunks of rows ``first`` to ``over - 1`` of an ``h5py.Dataset``; all by default.

    Takes as much memory as one chunk has by its shape, and ``HARMLESS``.

    Raises:
        ValueError: A chunk unpacks to more bytes than its shape has, is stored in more than twice
            as many, or filters are none of ``ORDERS``.
    """
    if dataset.chunks is None:
        return
    filters = filters_of(dataset)
    if all(filters != [code for code in order if code in filters] for order in ORDERS):
        raise ValueError(f"it is packed with filters {filters}, known are {ORDERS[0]}, {ORDERS[1]}")
    if DEFLATE not in filters:
        return
    room = math.prod(dataset.chunks) * dataset.dtype.itemsize
    step = dataset.chunks[0]
    rows = range(first // step * step, dataset.shape[0] if over is None else over, step)
    others = (range(0, n, k) for n, k in zip(dataset.shape[1:], dataset.chunks[1:], strict=True))
    for corner in product(rows, *others):
        _check_chunk(dataset, corner, room, filters.index(DEFLATE))


def _check_chunk(dataset: Any, corner: tuple[int, ...], room: int, place: int) -> None:
    """Check the chunk at a corner, of ``room`` bytes; ``place`` is deflate's among its filters."""
    stored = dataset.id.get_chunk_info_by_coord(corner)
    if stored.byte_offset is None or stored.filter_mask >> place & 1:
        return  # never written, or not compressed
    if stored.size > 2 * room + HARMLESS:
        raise ValueError(f"a chunk of {room} bytes is stored in {stored.size}")
    if stored.size * MOST_INFLATED <= max(room, HARMLESS):
        return
    _, packed = dataset.id.read_direct_chunk(corner)
    if len(zlib.decompressobj().decompress(packed, room + 1)) > room:
        raise ValueError(f"a chunk of {room} bytes unpacks to more")
