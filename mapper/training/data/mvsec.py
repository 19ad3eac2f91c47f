"""MVSEC (Zhu et al. 2018): events, grey images' times and flow from the published HDF5 files."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mapper.diagnostics import refuse
from mapper.ir.core import Array
from mapper.training.data.camera import EVENT
from mapper.training.data.files import check_on_sensor, damaged, room_for
from mapper.training.data.frames import FLOW_STEPS, flow_frames

WIDTH, HEIGHT = 346, 260

_LEFT = "davis/left"
_MOST_EVENTS = 5_000_000
"""Between two grey images: ten times what the sensor can send in 1/30 s (12 million a second)."""

_LARGEST_S = 1e12
"""Seconds since 1970, with room: microseconds of it fit 63 bits."""


def read_flow(
    data: Path, truth: Path, size: int = 256, *, most: int = 500, binary: bool = False
) -> tuple[Array, Array, Array]:
    """Return the central ``size x size`` pixels of intervals between consecutive grey images.

    Args:
        data: ``*_data.hdf5``: ``davis/left/{events, image_raw_ts, image_raw_event_inds}``.
        truth: ``*_gt.hdf5``: ``davis/left/{flow_dist, flow_dist_ts}``.
        size: Pixels a side, up to 256.
        most: Intervals, evenly spread over those that the truth covers.
        binary: Whether an event cell is 0 or 1, or a count.

    Returns:
        As ``flow.make``: ``x uint8 [5, N, 4, size, size]``, ``flow float32 [N, 2, size, size]`` in
        pixels an interval, ``mask [N, size, size]``: an event, and a true flow that is known.

    Raises:
        MappingError: ``bad-events`` for files that are no such HDF5, ``missing-extra`` for h5py.
    """
    if not 1 <= size <= 256:
        raise ValueError(f"size is 1..256, got {size}")
    with opened(data) as held, opened(truth) as true:
        images = _numbers(data, held, "image_raw_ts", (None,))
        indices = _numbers(data, held, "image_raw_event_inds", (None,))
        events = _dataset(data, held, "events", (None, 4))
        times = _numbers(truth, true, "flow_dist_ts", (None,))
        flows = _dataset(truth, true, "flow_dist", (len(times), 2, HEIGHT, WIDTH))
        _check_order(data, images, indices, len(events))
        if len(times) < 2 or not (np.diff(times) > 0).all():
            raise damaged(truth, f"{len(times)} times of flow, 2 or more that rise are needed")
        known = np.flatnonzero((images[:-1] >= times[0]) & (images[1:] <= times[-1]))
        spread = np.linspace(0, len(known) - 1, min(most, len(known))).astype(int)
        chosen = known[spread]
        each = (4 * FLOW_STEPS + 9, size, size)  # flow of 8 bytes and a mask beside the frames
        room_for(data, len(chosen), each)
        x = np.empty((FLOW_STEPS, len(chosen), 4, size, size), np.uint8)
        flow = np.empty((len(chosen), 2, size, size), np.float32)
        mask = np.empty((len(chosen), size, size), bool)
        for n, i in enumerate(chosen):
            span = (float(images[i]), float(images[i + 1]))
            rows = events[int(indices[i]) : int(indices[i + 1])]
            x[:, n] = _frames(data, rows, span, size, binary)
            moved, valid = flow_between(times, flows, span)
            flow[n], mask[n] = _cropped(moved, size), _cropped(valid, size)
        mask &= x.max(axis=(0, 2)) > 0
    return x, flow, mask


def flow_between(times: Array, flows: Any, span: tuple[float, float]) -> tuple[Array, Array]:
    """Return the flow ``[2, H, W]`` over a span of seconds, and where it is known ``[H, W]``.

    Pixels are followed through the intervals of the truth that the span meets, each by its share
    of that interval (as Zhu et al. 2018, EV-FlowNet). Flow is unknown where a pixel passes what is
    0 (how MVSEC marks it) or not finite, or leaves the image.

    Args:
        times: When each true flow begins, seconds, ``[K]``; it lasts until the next.
        flows: ``[K, 2, H, W]``, pixels an interval; read one at a time.
        span: Start and end, within ``times``.
    """
    start, end = span
    height, width = flows.shape[2:]
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    x, y = columns.copy(), rows.copy()
    valid = np.ones((height, width), bool)
    first = max(int(np.searchsorted(times, start, "right")) - 1, 0)
    for k in range(first, len(times) - 1):
        begun, over = max(start, times[k]), min(end, times[k + 1])
        if over <= begun:
            break
        share = (over - begun) / (times[k + 1] - times[k])
        true = np.asarray(flows[k], np.float64)
        at_x, at_y = np.rint(x).astype(int), np.rint(y).astype(int)
        valid &= (at_x >= 0) & (at_x < width) & (at_y >= 0) & (at_y < height)
        u, v = true[:, np.clip(at_y, 0, height - 1), np.clip(at_x, 0, width - 1)]
        # No pixel crosses the image many times in an interval; what says so is damaged.
        seen = (np.abs(u) < 10 * width) & (np.abs(v) < 10 * height) & ((u != 0) | (v != 0))
        valid &= seen
        x += np.where(seen, u, 0.0) * share
        y += np.where(seen, v, 0.0) * share
    return np.where(valid, np.stack([x - columns, y - rows]), 0.0), valid


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file; what goes wrong within is reported as ``bad-events``."""
    try:
        import h5py
    except ImportError as error:
        raise refuse(
            "missing-extra", "MVSEC files need h5py", loc=str(path), help="install h5py"
        ) from error
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError, TypeError) as error:
        raise damaged(path, f"not a readable HDF5 file: {error}") from error


def _dataset(path: Path, file: Any, name: str, shape: tuple[int | None, ...]) -> Any:
    """Return a dataset of numbers of the file itself, of a shape where None is any length."""
    import h5py

    place = file
    for part in (*_LEFT.split("/"), name):
        link = place.get(part, getlink=True) if isinstance(place, h5py.Group) else None
        if not isinstance(link, h5py.HardLink):
            raise damaged(path, f"no {_LEFT}/{name} in the file itself")
        place = place[part]
    if not isinstance(place, h5py.Dataset) or place.dtype.kind not in "iuf":
        raise damaged(path, f"{_LEFT}/{name} is no array of numbers")
    if place.external or place.is_virtual:
        raise damaged(path, f"{_LEFT}/{name} is in another file")
    fits = place.ndim == len(shape) and all(
        wanted in (None, held) for wanted, held in zip(shape, place.shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if side is None else str(side) for side in shape)
        raise damaged(path, f"{_LEFT}/{name} has shape {place.shape}, expected ({wanted})")
    return place


def _numbers(path: Path, file: Any, name: str, shape: tuple[int | None, ...]) -> Array:
    """Return a whole dataset of finite numbers."""
    held = _dataset(path, file, name, shape)
    room_for(path, len(held), shape[1:], held.dtype.itemsize)  # type: ignore[arg-type]
    values: Array = held[()]
    if not np.isfinite(values).all() or (np.abs(values) > _LARGEST_S).any():
        raise damaged(path, f"{_LEFT}/{name} holds what is no number below {_LARGEST_S:g}")
    return values


def _check_order(path: Path, images: Array, indices: Array, events: int) -> None:
    if len(images) != len(indices):
        raise damaged(path, f"{len(images)} times of images, {len(indices)} indices of events")
    if not (np.diff(images) > 0).all():
        raise damaged(path, "times of images do not rise")
    steps = np.diff(indices.astype(np.int64))
    if indices.min() < 0 or indices.max() > events or (len(steps) and steps.min() < 0):
        raise damaged(
            path,
            f"indices {indices.min()}..{indices.max()} of events must rise within 0..{events}",
        )
    if len(steps) and steps.max() > _MOST_EVENTS:
        raise damaged(
            path, f"{steps.max()} events between two images, at most {_MOST_EVENTS} are read"
        )


def _frames(path: Path, rows: Array, span: tuple[float, float], size: int, binary: bool) -> Array:
    """Return the frames of events ``[N, 4]``: x, y, seconds, polarity above 0 or not."""
    if not np.isfinite(rows).all():
        raise damaged(path, f"{_LEFT}/events holds NaN or infinity")
    check_on_sensor(path, rows[:, 0], rows[:, 1], WIDTH, HEIGHT)
    left, top = (WIDTH - size) // 2, (HEIGHT - size) // 2
    x, y = rows[:, 0].astype(np.int64) - left, rows[:, 1].astype(np.int64) - top
    since = np.rint((rows[:, 2] - span[0]) * 1e6)
    length = max(round((span[1] - span[0]) * 1e6), 1)
    inside = (x >= 0) & (x < size) & (y >= 0) & (y < size) & (since >= 0) & (since < length)
    events = np.empty(int(inside.sum()), EVENT)
    events["t_us"], events["x"], events["y"] = since[inside], x[inside], y[inside]
    events["polarity"] = rows[inside, 3] > 0
    return flow_frames(events, size, (0, length), binary=binary)


def _cropped(image: Array, size: int) -> Array:
    top, left = (HEIGHT - size) // 2, (WIDTH - size) // 2
    return image[..., top : top + size, left : left + size]
