"""Eleven synthetic gestures before an event camera, the classes of DVS128 Gesture (Amir, 2017).

A subject of random size, place and clothes moves two bare arms, at a random pace from a random
phase, before a resting background. Skin is the brightest thing in the image, as under a lamp: the
front of a hand sends ON and its back OFF. Circles that differ in their sense alone leave the same
image when time is summed, so a network must see where things go.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from mapper.ir.core import Array
from mapper.training.data.camera import Camera
from mapper.training.data.frames import polarity_frames

CLASSES = (
    "hand-clap",
    "right-wave",
    "left-wave",
    "right-clockwise",
    "right-counter-clockwise",
    "left-clockwise",
    "left-counter-clockwise",
    "arm-roll",
    "air-drums",
    "air-guitar",
    "other",
)
"""Right is the right of the image, and clockwise as the image shows it."""

STEP_US = 50_000
"""A time step: in it a hand in a circle moves 1 to 4 of 32 pixels, so that its way can be seen."""

_MOMENTS = 6
"""Images a step: the fastest hand moves about a pixel and a half between two at size 64."""

_REST = {"right": (0.9, 2.1), "left": (-0.9, 2.1)}
"""Where a hand hangs. Lengths are in half the width of the shoulders; y points down."""


def make(
    count: int,
    size: int = 64,
    steps: int = 20,
    seed: int = 0,
    *,
    binary: bool = True,
    camera: Camera | None = None,
    classes: Sequence[str] = CLASSES,
) -> tuple[Array, Array]:
    """Return frames ``uint8 [steps, count, 2, size, size]`` and labels ``int64 [count]``.

    Classes come in turn, so that each has as many as the next, in an order that the seed shuffles.
    Labels are places in ``classes``, any of ``CLASSES``. A step is ``STEP_US`` long.
    Recording ``i`` depends on the seed, ``i``, the size, its steps and the camera alone. Channels
    are OFF, ON.
    """
    labels = np.random.default_rng([seed, 0]).permutation(np.arange(count) % len(classes))
    frames = np.empty((steps, count, 2, size, size), np.uint8)
    span_us = (0, steps * STEP_US)
    for index, label in enumerate(labels):
        rng = np.random.default_rng([seed, 1, index])
        events = record(classes[label], size, steps, rng, camera)
        frames[:, index] = polarity_frames(events, size, steps, span_us, binary=binary)
    return frames, labels


def record(
    gesture: str, size: int, steps: int, rng: np.random.Generator, camera: Camera | None = None
) -> Array:
    """Return the events of so many steps of a gesture of ``CLASSES``, dtype ``camera.EVENT``."""
    times = np.linspace(0, steps * STEP_US, steps * _MOMENTS + 1).astype(np.int64)
    video = render(gesture, size, times * 1e-6, rng)
    return (camera or Camera()).record(video, times, rng)


def render(gesture: str, size: int, seconds: Array, rng: np.random.Generator) -> Array:
    """Return log intensity ``float32 [moments, size, size]`` at given seconds."""
    hands = dict(zip(("right", "left"), _hands(gesture, seconds, rng), strict=True))
    unit = size * rng.uniform(0.17, 0.22)
    sway = rng.uniform(0, 0.06) * _wave(seconds, rng.uniform(0.2, 0.6), rng)
    middle = np.array([0.5, 0.38]) + rng.uniform(-0.05, 0.05, 2)
    origin = middle * size + unit * np.stack([sway, np.zeros_like(sway)], axis=1)
    thick = unit * rng.uniform(0.2, 0.3)
    clothes, skin = rng.uniform(-0.4, 0.4), rng.uniform(0.6, 1.2)

    down = unit * np.array([0.0, 1.0])
    dressed = _capsule(origin + 0.5 * down, origin + 2.2 * down, 2.6 * thick, size)
    bare = _capsule(origin - 0.9 * down, None, 1.8 * thick, size)
    for side, hand in hands.items():
        shoulder = np.broadcast_to(np.array([1.0 if side == "right" else -1.0, 0.0]), hand.shape)
        elbow = (shoulder + hand) / 2 + np.array([0.3 if side == "right" else -0.3, 0.3])
        points = [origin + unit * joint for joint in (shoulder, elbow, hand)]
        for a, b in itertools.pairwise(points):
            bare = np.maximum(bare, _capsule(a, b, thick, size))
        bare = np.maximum(bare, _capsule(points[-1], None, 1.4 * thick, size))
    video = _background(size, rng)
    for cover, shade in ((dressed, clothes), (bare, skin)):
        video = video + cover * (shade - video)
    return video.astype(np.float32)


def _hands(gesture: str, seconds: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the paths of the right and the left hand, ``[moments, 2]`` each."""
    turns = rng.uniform(1.1, 2.0) * seconds + rng.uniform()
    angle = 2 * np.pi * (turns + 0.04 * np.sin(2 * np.pi * (seconds + rng.uniform())))
    reach = rng.uniform(0.8, 1.2)
    resting = {side: _still(place, seconds, rng) for side, place in _REST.items()}
    sin, cos = np.sin(angle), np.cos(angle)
    if gesture == "hand-clap":
        gap = 0.15 + 0.4 * reach * (1 + cos)
        height = np.full_like(gap, rng.uniform(0.6, 1.1))
        return _path(gap, height), _path(-gap, height)
    if gesture == "arm-roll":
        x, y, sense = 0.55 * reach * cos, 0.45 * reach * sin, rng.choice([-1, 1])
        return _path(0.15 + sense * x, 0.9 + y), _path(-0.15 - sense * x, 0.9 - y)
    if gesture == "air-drums":
        lift = 0.5 * reach
        return _path(0.7 + 0 * sin, 1 + lift * sin), _path(-0.7 + 0 * sin, 1 - lift * sin)
    if gesture == "air-guitar":
        strum = _path(0.3 + 0.1 * cos, 1.1 + 0.5 * reach * sin)
        return strum, _still((-1.7, rng.uniform(0.0, 0.4)), seconds, rng)
    if gesture == "other":
        return _wander(seconds, 1.0, rng), _wander(seconds, -1.0, rng)
    side, motion = gesture.split("-", 1)
    out = 1.0 if side == "right" else -1.0
    if motion == "wave":
        moved = _path(out * 1.2 + 0.7 * reach * sin, -0.9 - 0.15 * np.abs(cos))
    else:
        sense = 1.0 if motion == "clockwise" else -1.0  # y points down
        moved = _path(out * 1.2 + 0.8 * reach * cos, 0.2 + 0.8 * reach * sense * sin)
    return (moved, resting["left"]) if side == "right" else (resting["right"], moved)


def _wander(seconds: Array, out: float, rng: np.random.Generator) -> Array:
    """Return a hand that goes where none of the other gestures goes: three waves each way."""
    waves = [
        np.sum([rng.uniform(0.15, 0.45) * _wave(seconds, h, rng) for h in hertz], axis=0)
        for hertz in rng.uniform(0.5, 3, (2, 3))
    ]
    return _path(out * 1.1 + waves[0], rng.uniform(-0.3, 1.2) + waves[1])


def _still(place: tuple[float, float], seconds: Array, rng: np.random.Generator) -> Array:
    """Return a hand that rests but for a tremble."""
    trembling = [0.04 * _wave(seconds, rng.uniform(0.5, 2), rng) for _ in range(2)]
    return _path(place[0] + trembling[0], place[1] + trembling[1])


def _wave(seconds: Array, hertz: float, rng: np.random.Generator) -> Array:
    wave: Array = np.sin(2 * np.pi * (hertz * seconds + rng.uniform()))
    return wave


def _path(x: Array, y: Array) -> Array:
    return np.stack([x, y], axis=1)


def _background(size: int, rng: np.random.Generator) -> Array:
    """Return a resting background of soft bars in two directions, log intensity."""
    y, x = np.mgrid[:size, :size] / size
    bars = [
        rng.uniform(0, 0.15) * np.sin(2 * np.pi * (a * x + b * y + rng.uniform()))
        for a, b in rng.uniform(-4, 4, (3, 2))
    ]
    background: Array = np.sum(bars, axis=0)
    return background


def _capsule(start: Array, end: Array | None, radius: float, size: int) -> Array:
    """Return how far pixels are covered, 0..1, ``float32 [moments, size, size]``.

    A line from ``start`` to ``end`` (``[moments, 2]``, pixels) with round ends, or a disc; its edge
    is as soft as one and a half pixels.
    """
    start = start.astype(np.float32)[:, :, None, None]
    y, x = np.mgrid[:size, :size].astype(np.float32)
    dx, dy = x - start[:, 0], y - start[:, 1]
    if end is not None:
        along = end.astype(np.float32)[:, :, None, None] - start
        length = np.maximum((along**2).sum(axis=1), np.float32(1e-6))
        share = np.clip((dx * along[:, 0] + dy * along[:, 1]) / length, 0, 1)
        dx -= share * along[:, 0]
        dy -= share * along[:, 1]
    distance = np.sqrt(dx * dx + dy * dy)
    cover: Array = np.clip((np.float32(radius) - distance) / 1.5 + 0.5, 0, 1)
    return cover
