"""An event camera: what its pixels send while log intensity moves (after ESIM, Rebecq et al. 2018).

A pixel remembers the log intensity of its last event and sends the next one where the intensity
has moved away by its contrast threshold. Between two images intensity runs straight, so several
events of one pixel lie between them, each at its own time.
"""

from dataclasses import dataclass

import numpy as np

from mapper.ir.core import Array

EVENT = np.dtype([("t_us", "<i8"), ("x", "<u2"), ("y", "<u2"), ("polarity", "u1")])
"""Time in microseconds, column, row (0 at the top), 1 for ON and 0 for OFF."""

_LEAST_THRESHOLD = 0.01
"""Contrast; a mismatch drawn below it would make a pixel send without end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """The pixels of a sensor; defaults are of the order that v2e (Hu et al. 2021) gives."""

    on: float = 0.2
    """Rise of log intensity that makes an ON event."""
    off: float = 0.2
    """Fall of log intensity that makes an OFF event."""
    mismatch: float = 0.03
    """Standard deviation of thresholds from pixel to pixel, in log intensity."""
    refractory_us: int = 1000
    """A pixel is silent so long after an event; what it would have sent is lost."""
    leak_hz: float = 0.1
    """ON events a second of a pixel that sees no change: its memory leaks."""
    shot_hz: float = 0.2
    """Events a second and pixel that nothing caused, either polarity."""

    def record(self, video: Array, times_us: Array, rng: np.random.Generator) -> Array:
        """Return the events of a video, dtype ``EVENT``, in order of time.

        Args:
            video: Log intensity ``[moments, H, W]``.
            times_us: Time of each image, integers that rise, ``[moments]``.
            rng: Draws thresholds, phases of the leak and noise.
        """
        height, width = video.shape[1:]
        pixels = height * width
        on, off = (self._thresholds(nominal, pixels, rng) for nominal in (self.on, self.off))
        parts = [self._shot(pixels, int(times_us[0]), int(times_us[-1]), rng)]
        before = video[0].reshape(-1).astype(np.float64)
        # A leak does not start for all pixels at once: each is somewhere within its first event.
        memory = before - (on * rng.random(pixels) if self.leak_hz else 0.0)
        sinking = self.leak_hz * on * 1e-6  # memory that sinks sees an intensity that rises
        for image, start, end in zip(video[1:], times_us, times_us[1:], strict=False):
            now = image.reshape(-1) + sinking * (end - times_us[0])
            parts.append(_crossings(before, now, memory, (on, off), (int(start), int(end))))
            before = now
        candidates = np.concatenate(parts)
        kept = self._awake(candidates[np.lexsort((candidates[:, 0], candidates[:, 1]))])
        kept = kept[np.lexsort((kept[:, 1], kept[:, 0]))]
        return _as_events(kept, width)

    def _thresholds(self, nominal: float, pixels: int, rng: np.random.Generator) -> Array:
        drawn = nominal + self.mismatch * rng.standard_normal(pixels)
        return np.maximum(drawn, _LEAST_THRESHOLD)

    def _shot(self, pixels: int, start: int, end: int, rng: np.random.Generator) -> Array:
        count = rng.poisson(self.shot_hz * (end - start) * 1e-6 * pixels)
        drawn = [rng.integers(start, end, count), rng.integers(0, pixels, count)]
        return np.stack([*drawn, rng.integers(0, 2, count)], axis=1)

    def _awake(self, candidates: Array) -> Array:
        """Drop events within the refractory period of one that was sent; sorted by pixel, time."""
        if not len(candidates) or not self.refractory_us:
            return candidates
        time, pixel = candidates[:, 0], candidates[:, 1]
        first = np.flatnonzero(np.diff(pixel, prepend=-1))
        count = np.diff(first, append=len(pixel))
        sent = np.zeros(len(pixel), bool)
        last = np.full(len(first), time.min() - self.refractory_us)
        for rank in range(int(count.max())):  # the rank-th event of every pixel at once
            left = count > rank
            first, count, last = first[left], count[left], last[left]
            at = first + rank
            awake = time[at] - last >= self.refractory_us
            sent[at] = awake
            last = np.where(awake, time[at], last)
        return candidates[sent]


def _crossings(
    before: Array, now: Array, memory: Array, thresholds: tuple[Array, Array], span: tuple[int, int]
) -> Array:
    """Return crossings between two images as ``[N, 3]``: time, pixel, polarity; moves memory."""
    start, end = span
    found = []
    for polarity, sign, threshold in ((1, 1.0, thresholds[0]), (0, -1.0, thresholds[1])):
        # A pixel that has moved by n thresholds exactly has sent n events; 1e-9 is for rounding.
        count = np.floor(sign * (now - memory) / threshold + 1e-9).astype(np.int64)
        pixel = np.flatnonzero(count > 0)
        count = count[pixel]
        rank = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + 1
        each = np.repeat(pixel, count)
        level = memory[each] + sign * rank * threshold[each]
        share = np.clip((level - before[each]) / (now[each] - before[each]), 0, 1)
        time = start + np.rint(share * (end - start)).astype(np.int64)
        found.append(np.stack([time, each, np.full(len(each), polarity)], axis=1))
        memory[pixel] += sign * count * threshold[pixel]
    return np.concatenate(found)


def _as_events(rows: Array, width: int) -> Array:
    events = np.empty(len(rows), EVENT)
    events["t_us"], events["polarity"] = rows[:, 0], rows[:, 2]
    events["y"], events["x"] = np.divmod(rows[:, 1], width)
    return events
