"""Textured scenes that move before an event camera, with the optical flow that moved them.

A background turns, grows and drifts smoothly; textured objects cross it on their own ways. The
flow follows from the parameters, so it is exact.
"""

from dataclasses import dataclass

import numpy as np

from mapper.ir.core import Array
from mapper.training.data.camera import Camera
from mapper.training.data.frames import FLOW_STEPS, flow_frames

INTERVAL_US = 32_000
"""Between two grey images: 31 a second, as MVSEC's."""

_MOMENTS = 20


def make(
    count: int,
    size: int = 64,
    seed: int = 0,
    *,
    speed: float = 4.0,
    objects: int = 3,
    binary: bool = False,
    camera: Camera | None = None,
) -> tuple[Array, Array, Array]:
    """Return events, flow and mask of ``count`` scenes; scene ``i`` depends on seed and ``i``.

    Args:
        count: Scenes.
        size: Pixels a side.
        seed: Of everything that is drawn.
        speed: Greatest drift of the background, pixels an interval; objects go on top of it, and
            turning and growing add up to half of it at the rim.
        objects: Most objects in a scene.
        binary: Whether an event cell is 0 or 1, or how many events it had.
        camera: The sensor.

    Returns:
        ``x uint8 [5, count, 4, size, size]`` (see ``flow_frames``), ``flow float32 [count, 2, size,
        size]``: pixels to the right and down that what is seen at a pixel at the start moves until
        the end, and ``mask bool [count, size, size]``: pixels with an event.
    """
    x = np.empty((FLOW_STEPS, count, 4, size, size), np.uint8)
    flow = np.empty((count, 2, size, size), np.float32)
    for index in range(count):
        rng = np.random.default_rng([seed, 2, index])
        events, flow[index] = record(size, rng, speed, objects, camera)
        x[:, index] = flow_frames(events, size, (0, INTERVAL_US), binary=binary)
    return x, flow, x.max(axis=(0, 2)) > 0


def record(
    size: int,
    rng: np.random.Generator,
    speed: float = 4.0,
    objects: int = 3,
    camera: Camera | None = None,
) -> tuple[Array, Array]:
    """Return the events of one interval, dtype ``EVENT``, and the flow ``[2, size, size]``."""
    layers = scene(size, rng, speed, objects)
    times = np.linspace(0, INTERVAL_US, _MOMENTS + 1).astype(np.int64)
    video = np.stack([render(layers, size, share) for share in times / INTERVAL_US])
    return (camera or Camera(refractory_us=500)).record(video, times, rng), true_flow(layers, size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A textured plane and its motion over the interval: ``shift``, ``turn``, ``growth``."""

    texture: Array
    """Log intensity, periodic, ``[side, side]``."""
    centre: tuple[float, float]
    """x, y at the start, pixels; the plane turns and grows about it."""
    shift: tuple[float, float]
    turn: float
    """Radians, clockwise in the image."""
    growth: float
    """Logarithm of the factor."""
    axes: tuple[float, float] | None = None
    """Half axes of the ellipse an object covers, pixels; everything where None."""

    def at_rest(self, x: Array, y: Array, share: float) -> tuple[Array, Array]:
        """Return from the centre where what is seen at pixels was at the start."""
        dx = x - self.centre[0] - share * self.shift[0]
        dy = y - self.centre[1] - share * self.shift[1]
        shrink = np.exp(-share * self.growth)
        cos, sin = np.cos(share * self.turn) * shrink, np.sin(share * self.turn) * shrink
        return cos * dx + sin * dy, cos * dy - sin * dx

    def flow(self, x: Array, y: Array) -> Array:
        """Return where pixels go in the interval, ``[2, ...]``."""
        dx, dy = x - self.centre[0], y - self.centre[1]
        grow = np.exp(self.growth)
        cos, sin = np.cos(self.turn) * grow, np.sin(self.turn) * grow
        return np.stack(
            [cos * dx - sin * dy - dx + self.shift[0], sin * dx + cos * dy - dy + self.shift[1]]
        )

    def cover(self, u: Array, v: Array) -> Array:
        """Return how far the plane covers places of its own, 0..1; an edge is two pixels soft."""
        if self.axes is None:
            return np.ones_like(u)
        inside = 1 - np.hypot(u / self.axes[0], v / self.axes[1])
        return np.clip(inside * min(self.axes) / 2 + 0.5, 0, 1)


def scene(size: int, rng: np.random.Generator, speed: float, objects: int) -> list[Layer]:
    """Draw a background and up to ``objects`` objects, the nearest last."""
    middle = (size - 1) / 2
    rim = 0.5 * speed / size  # of a turn or growth: half of `speed` in pixels at the rim
    layers = [
        Layer(
            texture=_texture(size, rng),
            centre=(middle, middle),
            shift=_direction(rng, speed),
            turn=rng.uniform(-rim, rim),
            growth=rng.uniform(-rim, rim),
        )
    ]
    for _ in range(rng.integers(0, objects + 1)):
        carried, own = layers[0].shift, _direction(rng, speed / 2)
        layers.append(
            Layer(
                texture=_texture(size, rng),
                centre=(rng.uniform(0, size), rng.uniform(0, size)),
                shift=(carried[0] + own[0], carried[1] + own[1]),
                turn=rng.uniform(-rim, rim),
                growth=0.0,
                axes=(size * rng.uniform(0.1, 0.25), size * rng.uniform(0.1, 0.25)),
            )
        )
    return layers


def render(layers: list[Layer], size: int, share: float) -> Array:
    """Return log intensity ``[size, size]`` at a share 0..1 of the interval."""
    y, x = np.mgrid[:size, :size].astype(np.float64)
    image = np.zeros((size, size))
    for layer in layers:
        u, v = layer.at_rest(x, y, share)
        cover = layer.cover(u, v)
        image += cover * (_sampled(layer.texture, u, v) - image)
    return image


def true_flow(layers: list[Layer], size: int) -> Array:
    """Return the flow ``float32 [2, size, size]`` of the nearest plane at each pixel."""
    y, x = np.mgrid[:size, :size].astype(np.float64)
    flow = np.zeros((2, size, size))
    for layer in layers:
        seen = layer.cover(*layer.at_rest(x, y, 0.0)) >= 0.5
        flow = np.where(seen, layer.flow(x, y), flow)
    return flow.astype(np.float32)


def _direction(rng: np.random.Generator, greatest: float) -> tuple[float, float]:
    angle, length = rng.uniform(0, 2 * np.pi), greatest * np.sqrt(rng.uniform())
    return float(length * np.cos(angle)), float(length * np.sin(angle))


def _texture(size: int, rng: np.random.Generator) -> Array:
    """Return periodic noise, amplitude falling with frequency, bent so that edges stand out."""
    side = 2 * size
    fy, fx = np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij")
    radius = np.hypot(fx, fy)
    # Falls with frequency as natural images do; nothing finer than about five pixels, which
    # bilinear sampling would blur, or broader than 40.
    gain = np.where((radius > 1 / 40) & (radius < 0.2), 1 / np.maximum(radius, 1e-9), 0.0)
    noise = np.fft.irfft2(gain * np.fft.rfft2(rng.standard_normal((side, side))), (side, side))
    texture: Array = rng.uniform(0.4, 0.8) * np.tanh(1.5 * noise / noise.std())
    return texture


def _sampled(texture: Array, u: Array, v: Array) -> Array:
    """Read a periodic texture between its points, bilinearly."""
    side = len(texture)
    left, top = np.floor(u), np.floor(v)
    a, b = u - left, v - top
    x, y = left.astype(np.int64) % side, top.astype(np.int64) % side
    right, below = (x + 1) % side, (y + 1) % side
    upper = texture[y, x] * (1 - a) + texture[y, right] * a
    lower = texture[below, x] * (1 - a) + texture[below, right] * a
    sampled: Array = upper * (1 - b) + lower * b
    return sampled
