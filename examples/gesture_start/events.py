"""Event recordings of a toy hand moving before a 32x32 event camera.

The sensor is modelled as an event camera works: each pixel remembers the brightness at its last
event, and sends an ON or OFF event when it has moved away from that by more than a contrast step.
"""

import numpy as np
from numpy.typing import NDArray

CLASSES = ("left", "right", "up", "down", "clockwise", "counter-clockwise")

SIZE = 32  # pixels a side
STEPS = 20  # time steps (frames) a recording
STEP_US = 15_000  # one time step, microseconds
SUBSTEPS = 5  # moments at which the sensor is sampled within a time step
DURATION_US = STEPS * STEP_US

CONTRAST = 0.25  # brightness change that makes an event; the hand is 1, the background 0
NOISE_HZ = 0.4  # background events a second, pixel and polarity

OFF, ON = 0, 1  # also the channel of a frame
EVENT = np.dtype([("t_us", "<i4"), ("x", "u1"), ("y", "u1"), ("polarity", "u1")])

_CROSSINGS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}  # y points down


def record(label: str, rng: np.random.Generator) -> NDArray[np.void]:
    """Return one recording of the gesture, events of dtype ``EVENT`` in order of time."""
    video = _hand(_path(label, rng), rng)
    events = np.concatenate([_contrast_events(video, rng), _noise_events(rng)])
    return events[np.argsort(events["t_us"], kind="stable")]


def bin_events(events: NDArray[np.void]) -> NDArray[np.uint8]:
    """Return frames ``[STEPS, 2, SIZE, SIZE]``: 1 where a pixel sent an event of that polarity."""
    frames = np.zeros((STEPS, 2, SIZE, SIZE), np.uint8)
    frames[events["t_us"] // STEP_US, events["polarity"], events["y"], events["x"]] = 1
    return frames


def make_dataset(count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return frames ``[STEPS, count, 2, SIZE, SIZE]`` and labels ``[count]``, classes in turn."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % len(CLASSES)
    recordings = [bin_events(record(CLASSES[label], rng)) for label in labels]
    return np.stack(recordings, axis=1), labels


def _path(label: str, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return where the hand's centre is at each sampled moment, pixels ``[moments, 2]`` (x, y)."""
    seconds_of_gesture = np.linspace(0, 1, STEPS * SUBSTEPS)
    start = rng.uniform(0, 1)
    middle = (SIZE - 1) / 2

    if label in _CROSSINGS:
        # The hand leaves on one side and comes back on the other, as in repeated swipes.
        sweep = SIZE + 16
        travelled = (start + rng.uniform(0.7, 1.4) * seconds_of_gesture) % 1 * sweep - sweep / 2
        path = middle + np.outer(travelled, _CROSSINGS[label])
        return path + rng.uniform(-6, 6) * np.array(_CROSSINGS[label])[::-1]

    direction = 1 if label == "clockwise" else -1
    angle = 2 * np.pi * (start + direction * rng.uniform(0.8, 1.5) * seconds_of_gesture)
    circle = rng.uniform(6, 10) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return middle + rng.uniform(-3, 3, size=2) + circle


def _hand(path: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the brightness 0..1 ``[moments, SIZE, SIZE]`` of a soft-edged ellipse on the path."""
    y, x = np.mgrid[:SIZE, :SIZE]
    along, across = rng.uniform(4, 7), rng.uniform(2, 3.5)  # half axes, pixels
    tilt = rng.uniform(0, np.pi)
    dx, dy = x - path[:, 0, None, None], y - path[:, 1, None, None]
    u = (dx * np.cos(tilt) + dy * np.sin(tilt)) / along
    v = (dy * np.cos(tilt) - dx * np.sin(tilt)) / across
    return 1 / (1 + np.exp(8 * (np.hypot(u, v) - 1)))


def _contrast_events(video: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.void]:
    """Return the events of pixels that compare each moment with their last event."""
    contrast = CONTRAST * rng.normal(1, 0.1, size=(SIZE, SIZE))  # no two pixels are equal
    remembered = video[0].copy()
    found = []
    for moment, brightness in enumerate(video):
        change = brightness - remembered
        y, x = np.nonzero(np.abs(change) > contrast)
        remembered[y, x] = brightness[y, x]
        t_us = moment * (STEP_US // SUBSTEPS) + rng.integers(STEP_US // SUBSTEPS, size=len(x))
        found.append(_events(t_us, x, y, change[y, x] > 0))
    return np.concatenate(found)


def _noise_events(rng: np.random.Generator) -> NDArray[np.void]:
    """Return events that nothing caused, spread evenly over pixels, polarities and time."""
    count = rng.poisson(NOISE_HZ * DURATION_US * 1e-6 * 2 * SIZE * SIZE)
    x, y = rng.integers(SIZE, size=(2, count))
    return _events(rng.integers(DURATION_US, size=count), x, y, rng.integers(2, size=count))


def _events(
    t_us: NDArray[np.int64],
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    polarity: NDArray[np.bool] | NDArray[np.int64],
) -> NDArray[np.void]:
    events = np.empty(len(x), EVENT)
    events["t_us"], events["x"], events["y"], events["polarity"] = t_us, x, y, polarity
    return events
