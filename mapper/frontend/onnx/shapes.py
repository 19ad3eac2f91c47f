"""What shape a node gives that keeps its elements in order, or repeats them.

Both walks of the frontend ask: over one time step (``trace``) and over many (``time``).
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Protocol

import numpy as np

from mapper.frontend.algebra.forms import Shape


class Settings(Protocol):
    """A node's attributes, and those of its inputs that are known integers."""

    def attribute(self, name: str, default: Any = None) -> Any: ...

    def integers(self, name: str, index: int) -> Sequence[int] | None:
        """Return what older opsets hold in an attribute and newer ones in input ``index``."""


MAX_RANK = 32
"""Axes of a tensor; NumPy broadcasts no more."""

ShapeRule = Callable[[Settings, Shape], Shape]
"""Returns the shape of the result for that of the first input; ``ValueError`` for bad axes."""


def reshape(node: Settings, shape: Shape) -> Shape:
    wanted = list(node.integers("shape", 1) or ())
    if not node.attribute("allowzero", 0):
        wanted = [shape[k] if n == 0 and k < len(shape) else n for k, n in enumerate(wanted)]
    if -1 in wanted:
        known = prod(n for n in wanted if n != -1)
        wanted[wanted.index(-1)] = prod(shape) // max(1, known)
    return tuple(wanted)


def flatten(node: Settings, shape: Shape) -> Shape:
    axis = int(node.attribute("axis", 1))
    axis += len(shape) if axis < 0 else 0
    return (prod(shape[:axis]), prod(shape[axis:]))


def squeeze(node: Settings, shape: Shape) -> Shape:
    axes = node.integers("axes", 1)
    if axes is None:
        return tuple(n for n in shape if n != 1)
    gone = {axis_of(axis, len(shape)) for axis in axes}
    return tuple(n for k, n in enumerate(shape) if k not in gone)


def unsqueeze(node: Settings, shape: Shape) -> Shape:
    axes = node.integers("axes", 1) or ()
    rank = len(shape) + len(axes)
    new = {axis_of(axis, rank) for axis in axes}
    if len(new) < len(axes):
        raise ValueError(f"axes {axes} name one twice")
    rest = iter(shape)
    return tuple(1 if k in new else next(rest) for k in range(rank))


def expand(node: Settings, shape: Shape) -> Shape:
    wanted = tuple(node.integers("shape", 1) or ())
    if len(wanted) > MAX_RANK:  # NumPy has an error of its own kind for them
        return wanted
    return np.broadcast_shapes(shape, wanted)


def tile(node: Settings, shape: Shape) -> Shape:
    repeats = node.integers("repeats", 1) or ()
    return tuple(n * r for n, r in zip(shape, repeats, strict=True))


def axis_of(axis: int, rank: int) -> int:
    """Return an axis counted from the front; raise ``ValueError`` where there is none."""
    if not -rank <= axis < rank:
        raise ValueError(f"there is no axis {axis} among {rank}")
    return axis % rank
