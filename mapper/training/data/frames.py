"""Events into frames: what a network is given at each time step."""

import numpy as np

from mapper.ir.core import Array

FLOW_STEPS = 5

_MOST = 255
"""Events counted in one cell of a frame; more read as so many."""


def polarity_frames(
    events: Array, size: int, steps: int, span_us: tuple[int, int], *, binary: bool = True
) -> Array:
    """Return ``uint8 [steps, 2, size, size]``, channels OFF and ON, of equal lengths of time.

    Args:
        events: dtype ``camera.EVENT``, on ``size x size`` pixels.
        size: Pixels a side.
        steps: Frames.
        span_us: First microsecond, and the one after the last; other events are left out.
        binary: 1 where there is an event; otherwise how many, 255 at most.
    """
    return _binned(events, (steps, 2, size, size), span_us, binary)


def flow_frames(
    events: Array, size: int, span_us: tuple[int, int], *, binary: bool = False
) -> Array:
    """Return ``uint8 [5, 4, size, size]`` of the events between two grey images.

    Ten bins of equal length. Step k has bin k of the former half and bin k of the latter, in the
    channels former ON, former OFF, latter ON, latter OFF (Lee et al. 2020, Spike-FlowNet).
    """
    bins = _binned(events, (2 * FLOW_STEPS, 2, size, size), span_us, binary)[:, ::-1]
    halves = bins.reshape(2, FLOW_STEPS, 2, size, size)
    return np.concatenate([halves[0], halves[1]], axis=1)


def on_fewer_pixels(events: Array, factor: int) -> Array:
    """Return events of a sensor whose ``factor x factor`` neighbours send as one pixel."""
    events = events.copy()
    events["x"] //= factor
    events["y"] //= factor
    return events


def _binned(
    events: Array, shape: tuple[int, int, int, int], span_us: tuple[int, int], binary: bool
) -> Array:
    start, end = span_us
    inside = events[(events["t_us"] >= start) & (events["t_us"] < end)]
    bins, _, height, width = shape
    step = (inside["t_us"] - start) * bins // (end - start)
    flat = ((step * 2 + inside["polarity"]) * height + inside["y"]) * width + inside["x"]
    counts = np.bincount(flat, minlength=bins * 2 * height * width)
    return np.minimum(counts, 1 if binary else _MOST).astype(np.uint8).reshape(shape)
