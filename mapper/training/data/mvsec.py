"""MVSEC (Zhu et al. 2018): events between grey images, and their true flow, as published.

Files are of 6 to 42 GB. What is read at a time is one interval: its events, and the images of the
truth that it meets.
"""

from collections.abc import Sequence as Ordered
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR

import numpy as np

from mapper.ir.core import Array
from mapper.training.data.camera import EVENT
from mapper.training.data.files import check_on_sensor, damaged, room_for
from mapper.training.data.frames import FLOW_STEPS, flow_frames
from mapper.training.data.hdf5 import dataset, numbers, opened, read_rows
from mapper.training.data.mvsec_truth import HEIGHT, WIDTH, flow_between, opened_truth
from mapper.training.data.published import MVSEC, absent, check_there, first_with, is_there

TRAINED = "outdoor_day2"
TESTED = ("outdoor_day1", "indoor_flying1", "indoor_flying2", "indoor_flying3")
"""The split of Zhu et al. 2018 (EV-FlowNet) and Lee et al. 2020 (Spike-FlowNet)."""

PARTS: dict[str, tuple[float, float]] = {
    "outdoor_day1": (222.4, 240.4),
    "indoor_flying1": (4.0, np.inf),
    "indoor_flying2": (9.0, np.inf),
    "indoor_flying3": (7.0, np.inf),
    "outdoor_day2": (45.0, np.inf),
}
"""Seconds that a sequence is used from and to, counted from its first image of the left camera.
They are EV-FlowNet's: its data/extract_all_bags.sh (before, the drone is not in the air), but for
outdoor_day1. Its 222.4 to 240.4 are quoted from memory of Zhu et al. 2018; no source was at hand
to check them. Spike-FlowNet evaluates on other images, by their indices."""

_BONNET = 192
"""Row of the sensor from which a car's bonnet covers outdoor images: EV-FlowNet's eval_utils.py
evaluates the upper 190 rows of 256, which begin at row 2. Spike-FlowNet leaves out none."""

_EVENTS = "davis/left/events"
_TIMES, _INDICES = "davis/left/image_raw_ts", "davis/left/image_raw_event_inds"
MOST_EVENTS = 5_000_000
"""Between two grey images: ten times what the sensor can send in 1/30 s (12 million a second).
Where images are missing there may be more, and such an interval is left out."""

MOST_APART = 8
"""Images; published errors are of 1 and 4. Events of an interval are read at once."""


@dataclass(frozen=True)
class Sequence:
    """The intervals of a sequence of which the flow is known; ``read`` gives some of them.

    Args:
        data: ``*_data.hdf5``: ``davis/left/{events, image_raw_ts, image_raw_event_inds}``.
        truth: ``*_gt.hdf5`` with ``davis/left/{flow_dist, flow_dist_ts}``, or
            ``*_gt_flow_dist.npz`` with ``timestamps``, ``x_flow_dist`` and ``y_flow_dist``.
        size: Pixels a side of the central crop, up to 256.
        apart: Grey images from the start to the end of an interval: 1, or 4 for ``dt=4``; 8 at
            most.
        part: Seconds after the first image that intervals start from and end before.
        bonnet: Whether flow from the sensor's row 192 on is left out, as on outdoor scenes.
        binary: Whether an event cell is 0 or 1, or a count.

    Raises:
        MappingError: ``bad-events`` for files that are no such thing, ``missing-extra`` for h5py.
    """

    data: Path
    truth: Path
    size: int = 256
    apart: int = 1
    part: tuple[float, float] = (0.0, np.inf)
    bonnet: bool = False
    binary: bool = False
    starts: Array = field(init=False, repr=False, compare=False)
    """Number of the image that each interval starts at."""
    crowded: int = field(init=False, compare=False)
    """Intervals of the part that are left out: 5 million events or more an image."""
    _spans: Array = field(init=False, repr=False, compare=False)
    _rows: Array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.size <= 256:
            raise ValueError(f"size is 1..256, got {self.size}")
        if not 1 <= self.apart <= MOST_APART:
            raise ValueError(f"images are 1..{MOST_APART} apart, got {self.apart}")
        with opened(self.data) as held, opened_truth(self.truth) as truth:
            images = numbers(self.data, held, _TIMES)
            indices = numbers(self.data, held, _INDICES)
            events = len(dataset(self.data, held, _EVENTS, (None, 4)))
            known = truth.times[[0, -1]]
        self._check_order(images, indices, events)
        begin, end = images[: -self.apart], images[self.apart :]
        since = images[0] + np.array(self.part)
        used = (end > begin) & (begin >= max(known[0], since[0])) & (end <= min(known[1], since[1]))
        # Before the first event an index is -1; it is that of the nearest event, so one more is
        # read at the end, and times decide.
        at = np.clip(indices.astype(np.int64), 0, events)
        first, over = at[: -self.apart], np.minimum(at[self.apart :] + 1, events)
        few = over - first <= MOST_EVENTS * self.apart
        starts = np.flatnonzero(used & few)
        object.__setattr__(self, "starts", starts)
        object.__setattr__(self, "crowded", int((used & ~few).sum()))
        object.__setattr__(self, "_spans", np.stack([begin, end], axis=1)[starts])
        object.__setattr__(self, "_rows", np.stack([first, over], axis=1)[starts])

    def __len__(self) -> int:
        return len(self.starts)

    def spread(self, most: int) -> Array:
        """Return the numbers of up to ``most`` intervals, evenly spread."""
        return np.linspace(0, len(self) - 1, min(most, len(self))).astype(np.int64)

    def read(self, chosen: Ordered[int] | Array) -> tuple[Array, Array, Array]:
        """Return intervals by their numbers, 0 to ``len(self) - 1``.

        Returns:
            As ``flow.make``: ``x uint8 [5, N, 4, size, size]``, ``flow float32 [N, 2, size, size]``
            in pixels an interval, ``mask [N, size, size]``: an event, and a true flow that is
            known.

        Raises:
            MappingError: ``bad-events`` for events or flow that are none.
        """
        size, count = self.size, len(chosen)
        # Flow of 8 bytes and a mask beside the frames.
        room_for(self.data, count, (4 * FLOW_STEPS + 9, size, size))
        x = np.empty((FLOW_STEPS, count, 4, size, size), np.uint8)
        flow = np.empty((count, 2, size, size), np.float32)
        mask = np.empty((count, size, size), bool)
        with opened(self.data) as held, opened_truth(self.truth) as truth:
            events = dataset(self.data, held, _EVENTS, (None, 4))
            for n, number in enumerate(chosen):
                first, over = self._rows[number]
                span = (float(self._spans[number, 0]), float(self._spans[number, 1]))
                x[:, n] = self._frames(read_rows(self.data, events, first, over), span)
                moved, valid = flow_between(truth, span)
                if self.bonnet:
                    valid[_BONNET:] = False
                flow[n], mask[n] = self._cropped(moved), self._cropped(valid)
        mask &= x.max(axis=(0, 2)) > 0
        return x, flow, mask

    def _check_order(self, images: Array, indices: Array, events: int) -> None:
        if len(images) != len(indices):
            raise damaged(
                self.data, f"{len(images)} times of images, {len(indices)} indices of events"
            )
        if len(images) <= self.apart or (np.diff(images) < 0).any():
            raise damaged(
                self.data,
                f"{len(images)} times of images, {self.apart + 1} or more are needed, none before "
                "another",
            )
        if indices.max() > events or (np.diff(indices) < 0).any():
            raise damaged(
                self.data,
                f"indices {indices.min():.0f}..{indices.max():.0f} of events must rise within "
                f"0..{events}",
            )

    def _frames(self, held: Array, span: tuple[float, float]) -> Array:
        """Return the frames of events ``[N, 4]``: x, y, seconds, polarity above 0 or not."""
        if not np.isfinite(held).all():
            raise damaged(self.data, f"{_EVENTS} holds NaN or infinity")
        check_on_sensor(self.data, held[:, 0], held[:, 1], WIDTH, HEIGHT)
        size, left, top = self.size, (WIDTH - self.size) // 2, (HEIGHT - self.size) // 2
        x, y = held[:, 0].astype(np.int64) - left, held[:, 1].astype(np.int64) - top
        since = np.rint((held[:, 2] - span[0]) * 1e6)
        length = max(round((span[1] - span[0]) * 1e6), 1)
        inside = (x >= 0) & (x < size) & (y >= 0) & (y < size) & (since >= 0) & (since < length)
        events = np.empty(int(inside.sum()), EVENT)
        events["t_us"], events["x"], events["y"] = since[inside], x[inside], y[inside]
        events["polarity"] = held[inside, 3] > 0
        return flow_frames(events, size, (0, length), binary=self.binary)

    def _cropped(self, image: Array) -> Array:
        top, left = (HEIGHT - self.size) // 2, (WIDTH - self.size) // 2
        return image[..., top : top + self.size, left : left + self.size]


def read_flow(
    data: Path, truth: Path, size: int = 256, *, most: int = 500, binary: bool = False
) -> tuple[Array, Array, Array]:
    """Return up to ``most`` intervals of a ``Sequence`` at once, evenly spread.

    Raises:
        MappingError: As ``Sequence``; where the truth covers no interval, too.
    """
    sequence = Sequence(data, truth, size, binary=binary)
    return sequence.read(sequence.spread(most))


def published(folder: Path, names: Ordered[str], size: int, apart: int = 1) -> list[Sequence]:
    """Return sequences of a folder by their published names, each in its published part.

    Files lie in the folder itself, or below it as they are published: ``outdoor_day/``,
    ``indoor_flying/`` (or ``outdoor_day1/``, as others sort them). Of a sequence with both
    ``*_gt.hdf5`` and ``*_gt_flow_dist.npz`` the latter is read.

    Raises:
        MappingError: ``no-data-set`` for files that are not there, all at once, with what to
            download; ``bad-events`` where no flow is known in a part; and as ``Sequence``.
    """
    if not is_there(folder, MVSEC, S_ISDIR):
        raise absent(folder, "there is no such folder", MVSEC)
    pairs = {name: (_found(folder, name, "_data.hdf5"), _truth(folder, name)) for name in names}
    check_there(folder, [path for pair in pairs.values() for path in pair], MVSEC)
    sequences = []
    for name, pair in pairs.items():
        part, outdoors = PARTS.get(name, (0.0, np.inf)), name.startswith("outdoor")
        found = Sequence(*pair, size=size, apart=apart, part=part, bonnet=outdoors)
        if not len(found):
            raise damaged(
                found.data,
                f"no interval of known flow {part[0]:g} to {part[1]:g} s after its first image"
                + (f"; {found.crowded} with too many events" if found.crowded else ""),
            )
        sequences.append(found)
    return sequences


def _truth(folder: Path, name: str) -> Path:
    saved = _found(folder, name, "_gt_flow_dist.npz")
    return saved if is_there(saved, MVSEC) else _found(folder, name, "_gt.hdf5")


def _found(folder: Path, name: str, end: str) -> Path:
    file = f"{name}{end}"
    below = name.rstrip("0123456789"), name
    return (first_with(folder, file, MVSEC, below) or folder) / file
