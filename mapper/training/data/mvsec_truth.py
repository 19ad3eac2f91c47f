"""True flow of MVSEC: from ``*_gt.hdf5`` or ``*_gt_flow_dist.npz``, an image of it at a time."""

import math
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from mapper.ir.core import Array
from mapper.npz import UNREADABLE, regular_size
from mapper.training.data.files import damaged
from mapper.training.data.hdf5 import (
    AGAIN,
    check_count,
    check_finite,
    check_shape,
    dataset,
    numbers,
    opened,
    read_rows,
)

WIDTH, HEIGHT = 346, 260

_LEFT = "davis/left"
_LOCAL_HEADER = 30
"""Bytes before the name of a member of a zip file (APPNOTE.TXT, 4.3.7)."""
_ELSEWHERE = "*_gt_flow_dist.npz of the same page has it"
_HEADERS = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
"""Readers of a .npy header by its version."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Times at which true flows begin, and how one is read."""

    times: Array
    """Seconds, ``[K]``, none before the last; a flow lasts until the next."""
    image: Callable[[int], Array]
    """Return a flow, ``float64 [2, H, W]``: pixels right and down in its interval."""


@contextmanager
def opened_truth(path: Path) -> Iterator[Truth]:
    """Open a truth of either layout; nothing but its times is read.

    Raises:
        MappingError: ``bad-events`` where it is none, ``missing-extra`` for h5py.
    """
    open_it = _opened_npz if path.suffix == ".npz" else _opened_hdf5
    with open_it(path) as truth:
        if len(truth.times) < 2 or (np.diff(truth.times) < 0).any():
            raise damaged(
                path, f"{len(truth.times)} times of flow, 2 or more are needed, none before another"
            )
        yield truth


def flow_between(truth: Truth, span: tuple[float, float]) -> tuple[Array, Array]:
    """Return the flow ``[2, H, W]`` over a span of seconds, 0 where unknown, and where it is known.

    As EV-FlowNet evaluates it (Zhu et al. 2018, its estimate_corresponding_gt_flow). Where the
    interval of the truth that the span starts in is longer than the span, it is that flow times
    their ratio, even where the span goes on into the next interval. Else pixels are followed
    through the intervals that the span meets, each by its share of them, and a component that is
    0 on the way is 0. Flow is unknown where both components are 0 (how MVSEC marks it), not finite
    or absurd, and where a pixel that is followed leaves the image.

    Args:
        truth: What ``opened_truth`` gives.
        span: Start and end, within its times.
    """
    times, (start, end) = truth.times, span
    first = max(int(np.searchsorted(times, start, "right")) - 1, 0)
    flow, lasts = truth.image(first), times[first + 1] - times[first]
    if lasts > end - start:
        moved = np.where(_plausible(flow), flow, 0.0) * ((end - start) / lasts)
    else:
        moved = _followed(truth, first, flow, span)
    return moved, (moved != 0).any(axis=0)


def _followed(truth: Truth, first: int, flow: Array, span: tuple[float, float]) -> Array:
    """Return how far pixels move when they are followed from the interval ``first`` on."""
    times, (start, end) = truth.times, span
    height, width = flow.shape[1:]
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    x, y = columns.copy(), rows.copy()
    known = np.ones(flow.shape, bool)
    for k in range(first, len(times) - 1):
        begun, over = max(start, times[k]), min(end, times[k + 1])
        if times[k] >= end:
            break
        if over <= begun:
            continue
        flow = flow if k == first else truth.image(k)
        at_x, at_y = np.rint(x).astype(int), np.rint(y).astype(int)
        inside = (at_x >= 0) & (at_x < width) & (at_y >= 0) & (at_y < height)
        here = flow[:, np.clip(at_y, 0, height - 1), np.clip(at_x, 0, width - 1)]
        here = np.where(inside & _plausible(here), here, 0.0)
        known &= here != 0
        share = (over - begun) / (times[k + 1] - times[k])
        x += here[0] * share
        y += here[1] * share
    return np.where(known, np.stack([x - columns, y - rows]), 0.0)


def _plausible(flow: Array) -> Array:
    """Return where a flow ``[2, H, W]`` is finite and crosses the image less than ten times."""
    height, width = flow.shape[1:]
    plausible: Array = (np.abs(flow[0]) < 10 * width) & (np.abs(flow[1]) < 10 * height)
    return plausible


@contextmanager
def _opened_hdf5(path: Path) -> Iterator[Truth]:
    with opened(path) as file:
        times = numbers(path, file, f"{_LEFT}/flow_dist_ts")
        shape = (len(times), 2, HEIGHT, WIDTH)
        flows = dataset(path, file, f"{_LEFT}/flow_dist", shape, _ELSEWHERE)
        yield Truth(times, lambda k: read_rows(path, flows, k, k + 1)[0])


@contextmanager
def _opened_npz(path: Path) -> Iterator[Truth]:
    """Open what np.savez wrote: three arrays, stored as they are, so that an image can be sought.

    Published by the authors of MVSEC; keys as in their tools/gt_flow.
    """
    with ExitStack() as stack:
        try:
            size = regular_size(path)
            file = stack.enter_context(path.open("rb"))
            archive = stack.enter_context(zipfile.ZipFile(file))
            stamps = _member(path, file, archive, "timestamps", (None,))
            x, y = (
                _member(path, file, archive, f"{side}_flow_dist", (None, HEIGHT, WIDTH))
                for side in "xy"
            )
        except UNREADABLE as error:
            raise damaged(path, f"not a readable .npz file: {error}", AGAIN) from error
        for member in (stamps, x, y):
            if member.end > size:
                raise damaged(
                    path, f"{member.name} ends at byte {member.end}, the file has {size}", AGAIN
                )
        (count,) = stamps.shape
        check_count(path, "timestamps", count)
        times = check_finite(path, "timestamps", stamps.read(0, count))
        for side in (x, y):
            check_shape(path, side.name, side.shape, (count, HEIGHT, WIDTH))
        yield Truth(times, lambda k: np.concatenate([x.read(k, 1), y.read(k, 1)]))


@dataclass(frozen=True, slots=True)
class _Member:
    """An array within an .npz file, of which rows are read on their own."""

    path: Path
    name: str
    file: IO[bytes]
    start: int
    """Where its numbers begin in the file."""
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def end(self) -> int:
        """Where they end."""
        return self.start + math.prod(self.shape) * self.dtype.itemsize

    def read(self, first: int, count: int) -> Array:
        """Return rows as ``float64``."""
        size = count * int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize
        try:
            self.file.seek(self.start + first * (size // count))
            held = self.file.read(size)
        except OSError as error:
            raise damaged(self.path, f"{self.name} cannot be read: {error.strerror}") from error
        if len(held) < size:
            raise damaged(
                self.path,
                f"{self.name} ends within row {first + count - 1} of {self.shape[0]}",
                AGAIN,
            )
        shape = (count, *self.shape[1:])
        with np.errstate(over="ignore"):  # what is beyond float64 becomes infinite
            return np.frombuffer(held, self.dtype).reshape(shape).astype(np.float64)


def _member(
    path: Path, file: IO[bytes], archive: zipfile.ZipFile, name: str, shape: tuple[int | None, ...]
) -> _Member:
    """Find an array by the headers before it; its numbers are not read."""
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type != zipfile.ZIP_STORED:
        raise damaged(path, f"{name} is compressed, as published it is not", "use np.savez")
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER)
    if header[:4] != b"PK\3\4" or len(header) < _LOCAL_HEADER:
        raise damaged(path, f"no member begins at byte {info.header_offset}, where {name} is")
    begin = info.header_offset + _LOCAL_HEADER + sum(struct.unpack("<HH", header[26:30]))
    file.seek(begin)
    major, _ = np.lib.format.read_magic(file)
    read = _HEADERS.get(major)
    if read is None:
        raise damaged(path, f"{name} has version {major} of .npy, 1 and 2 are read")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Python 2 wrote what is published
        sides, by_columns, dtype = read(file)
    check_shape(path, name, sides, shape)
    if by_columns and len(sides) > 1:
        raise damaged(path, f"{name} is written column by column, as published by rows")
    if dtype.kind not in "iuf":
        raise damaged(path, f"{name} is no array of numbers")
    asked = file.tell() - begin + math.prod(sides) * dtype.itemsize
    if asked != info.file_size:
        raise damaged(path, f"{name} takes {asked} bytes, its member has {info.file_size}")
    return _Member(path, name, file, file.tell(), sides, dtype)
