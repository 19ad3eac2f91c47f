"""Coefficients of forms: arrays that broadcast to a tensor's shape, as small as they can be."""

import numpy as np

from mapper.ir.core import Array


def compress(array: Array) -> Array:
    """Make every axis along which nothing changes 1 wide; one number becomes a scalar."""
    if array.ndim == 0:
        return array
    if array.size == 0 or np.all(array == array.flat[0]):
        return array.reshape(-1)[:1].reshape(()) if array.size else array
    for axis in range(array.ndim):
        first = array.take([0], axis)
        if np.array_equal(np.broadcast_to(first, array.shape), array):
            array = first
    return array


def view(coefficient: Array, old: tuple[int, ...], new: tuple[int, ...]) -> Array:
    """Reshape a coefficient that broadcasts to ``old`` into one that broadcasts to ``new``."""
    if coefficient.size == 1:
        return coefficient.reshape(())
    return compress(np.broadcast_to(coefficient, old).reshape(new))
