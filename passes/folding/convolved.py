"""What layers of weights compute together, in a row or side by side: one convolution.

A convolution of a convolution is one, and so is the sum of two. The border needs care: what a layer
reads outside the map of the layer before is a constant, while that layer, slid on over the border,
may still read some of its own input there. It does not where its kernel has one element, whatever
is put around its results, and it is no matter where the second layer looks at no border.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import gcd

import numpy as np

from mapper.ir.core import Array, Value
from mapper.ir.windows import Pair, Window

Table = Callable[[], Array]
Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolved:
    """A value that is a convolution of another one, plus what the layers give of zeros alone."""

    source: Value
    """``[C, H, W]``, or a vector ``[C]``, which is a map of one element."""
    window: Window
    groups: int
    weights: Table
    """``[N, C / groups, kh, kw]`` in double precision, made when it is asked for."""
    shape: Shape
    """``[N, H, W]`` of the sums."""
    order: tuple[int, ...] = (0, 1, 2)
    """Of the value's axes among these."""
    layers: int = 0
    """Of weights that take part."""

    @property
    def wordlines(self) -> int:
        """Weights of one output."""
        kernel = self.window.kernel
        return plane(self.source)[0] // self.groups * kernel[0] * kernel[1]

    @property
    def products(self) -> int:
        """Weights that are met in one time step."""
        outputs, height, width = self.shape
        return self.wordlines * outputs * height * width


def plane(value: Value) -> Shape:
    """Return the shape of a map ``[C, H, W]``, or of a vector as one."""
    channels, height, width = (*value.shape, 1, 1)[:3]
    return channels, height, width


def as_it_is(value: Value) -> Convolved | None:
    """Return a map or a vector as a convolution of itself."""
    if len(value.shape) not in (1, 3):
        return None
    channels = value.shape[0]
    return Convolved(
        source=value,
        window=Window(kernel=(1, 1)),
        groups=channels,
        weights=lambda: np.ones((channels, 1, 1, 1)),
        shape=plane(value),
    )


def transposed(x: Convolved, order: tuple[int, ...]) -> Convolved:
    """Return the same sums under another order of axes."""
    return replace(x, order=tuple(x.order[axis] for axis in order))


def scaled(x: Convolved, factor: Array) -> Convolved | None:
    """Multiply by a table of the value's shape; None where a channel has several numbers.

    Sums whose windows lie outside the map are constants: what they are multiplied by is no matter.
    """
    if factor.strides[1:] == (0,) * (factor.ndim - 1) and x.order == (0, 1, 2):
        alive = factor.reshape(x.shape)[:, :1, :1].reshape(-1, 1)  # nothing to look through
    else:
        table = factor.reshape([x.shape[axis] for axis in x.order]).transpose(np.argsort(x.order))
        alive = table[:, _alive(x, 0)][:, :, _alive(x, 1)].reshape(x.shape[0], -1)
    if not alive.size or (alive != alive[:, :1]).any():
        return None
    each = alive[:, 0].reshape(-1, 1, 1, 1)
    return replace(x, weights=lambda: x.weights() * each)


def summed(
    x: Convolved, window: Window, groups: int, weights: Table, shape: Shape
) -> Convolved | None:
    """Return a layer's sums of ``x``; None where they are no convolution of what ``x`` is made of.

    Args:
        x: What it reads.
        window: Of the layer.
        groups: Of the layer.
        weights: ``[N, C / groups, kh, kw]`` of the layer.
        shape: ``[N, H, W]`` of its sums.
    """
    if x.order != (0, 1, 2) or (x.window.stuffing, window.stuffing) != ((1, 1), (1, 1)):
        return None
    down, across = (_in_a_row(x, window, axis, shape[axis + 1]) for axis in (0, 1))
    if down is None or across is None:
        return None
    together = gcd(x.groups, groups)
    return replace(
        x,
        window=_window((down, across), plane(x.source), shape),
        groups=together,
        weights=lambda: _product(x, window, groups, weights(), (down, across)),
        shape=shape,
    )


def added(parts: Sequence[Convolved]) -> Convolved | None:
    """Return the sum of several convolutions of one value; None where their steps differ."""
    first = parts[0]
    alike = all(
        (p.source, p.shape, p.order, p.window.stride, p.window.stuffing)
        == (first.source, first.shape, first.order, first.window.stride, first.window.stuffing)
        for p in parts
    )
    if not alike:
        return None
    taps = (_side_by_side(parts, 0), _side_by_side(parts, 1))
    together = gcd(*(part.groups for part in parts))

    def weights() -> Array:
        channels = plane(first.source)[0] // together
        total = np.zeros((first.shape[0], channels, *(t.count for t in taps)))
        for part in parts:
            down, across = (t.indices(_places(part.window, k)) for k, t in enumerate(taps))
            own = _in_groups(part.weights(), part.groups, together)
            total[:, :, down[:, None], across] += own.reshape(*total.shape[:2], *own.shape[-2:])
        return total

    return replace(
        first,
        window=_window(taps, plane(first.source), first.shape),
        groups=together,
        weights=weights,
        layers=sum(part.layers for part in parts),
    )


# --- one axis ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Taps:
    """Where a window reads on one axis: ``stride * p + start + step * k`` for ``k < count``."""

    stride: int
    start: int
    step: int
    count: int

    def indices(self, places: Array) -> Array:
        """Return which of its taps read at these places, for ``p = 0``."""
        return np.asarray((places - self.start) // self.step)


def _places(window: Window, axis: int) -> Array:
    """Return where a window reads, for its first position."""
    return np.arange(window.kernel[axis]) * window.dilation[axis] - window.padding[axis]


def _taps(stride: int, places: Array) -> _Taps:
    start, end = int(places.min()), int(places.max())
    step = int(np.gcd.reduce(places - start)) or 1
    return _Taps(stride, start, step, (end - start) // step + 1)


def _alive(x: Convolved, axis: int) -> Array:
    """Return which positions of an axis read anything of the map."""
    read = np.arange(x.shape[axis + 1])[:, None] * x.window.stride[axis] + _places(x.window, axis)
    return np.asarray(((read >= 0) & (read < plane(x.source)[axis + 1])).any(axis=1))


def _in_a_row(x: Convolved, window: Window, axis: int, positions: int) -> _Taps | None:
    """Return where a window over ``x`` reads the source; None where its border is no constant."""
    own, stride = _places(window, axis), x.window.stride[axis]
    read = np.unique(np.arange(positions)[:, None] * window.stride[axis] + own)
    outside = read[(read < 0) | (read >= x.shape[axis + 1])]
    meant = outside[:, None] * stride + _places(x.window, axis)
    if ((meant >= 0) & (meant < plane(x.source)[axis + 1])).any():
        return None
    places = (own[:, None] * stride + _places(x.window, axis)).ravel()
    return _taps(stride * window.stride[axis], places)


def _side_by_side(parts: Sequence[Convolved], axis: int) -> _Taps:
    places = np.concatenate([_places(part.window, axis) for part in parts])
    return _taps(parts[0].window.stride[axis], places)


def _window(taps: tuple[_Taps, _Taps], source: Shape, shape: Shape) -> Window:
    """Return the window that reads there; it crops nothing that it can as well leave unread."""
    before = [-t.start for t in taps]
    after = [
        t.stride * (n - 1) + t.start + t.step * (t.count - 1) + 1 - size
        for t, n, size in zip(taps, shape[1:], source[1:], strict=True)
    ]
    after = [0 if -t.stride < a < 0 else a for t, a in zip(taps, after, strict=True)]
    return Window(
        kernel=_pair([t.count for t in taps]),
        stride=_pair([t.stride for t in taps]),
        padding=(before[0], before[1], after[0], after[1]),
        dilation=_pair([t.step for t in taps]),
    )


def _pair(numbers: Sequence[int]) -> Pair:
    return numbers[0], numbers[1]


# --- weights ----------------------------------------------------------------------------------


def _product(
    x: Convolved, window: Window, groups: int, outer: Array, taps: tuple[_Taps, _Taps]
) -> Array:
    """Return the weights of a layer over ``x``: products added up over the channels between."""
    if x.groups == x.shape[0] == plane(x.source)[0] and x.window.kernel == (1, 1):
        factors = x.weights().reshape(groups, 1, -1, 1, 1)
        own = outer.reshape(groups, -1, *outer.shape[1:]) * factors
        return np.asarray(own.reshape(outer.shape))
    inner = _in_groups(x.weights(), x.groups, gcd(x.groups, groups))
    blocks, _, channels, *kernel = inner.shape
    inner = inner.reshape(blocks, groups // blocks, x.shape[0] // groups, -1)
    parts = outer.reshape(blocks, groups // blocks, len(outer) // groups, *outer.shape[1:])
    total = np.zeros((len(outer), channels, *(t.count for t in taps)))
    down, across = (_places(window, axis) * x.window.stride[axis] for axis in (0, 1))
    for i, j in np.ndindex(*window.kernel):
        rows = taps[0].indices(_places(x.window, 0) + down[i])
        columns = taps[1].indices(_places(x.window, 1) + across[j])
        product = np.ascontiguousarray(parts[..., i, j]) @ inner
        total[:, :, rows[:, None], columns] += product.reshape(len(outer), channels, *kernel)
    return total


def _in_groups(weights: Array, groups: int, fewer: int) -> Array:
    """Return ``weights[M, C / groups, kh, kw]`` as ``[fewer, M / fewer, C / fewer, kh, kw]``."""
    outputs, channels, *kernel = weights.shape
    each = groups // fewer
    own = weights.reshape(fewer, each, outputs // groups, channels, *kernel)
    wide = np.zeros((fewer, each, outputs // groups, each, channels, *kernel))
    for k in range(each):
        wide[:, k, :, k] = own[:, k]
    return wide.reshape(fewer, outputs // fewer, each * channels, *kernel)
