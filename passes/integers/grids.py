"""Find the step that stored weights are whole multiples of, before a new one is fitted.

Networks that were trained in integers (Loihi-style layers, brevitas, shifts) keep them in floats:
``code * step``, rounded once to single precision. Such codes are kept as they are.
"""

import numpy as np

from mapper.ir.core import Array
from mapper.ir.encoding import greatest_weight

GRID = 2.0**-22
"""How far from a whole number a weight may lie, relative: weight and step were each rounded to
single precision, and so was the step that is found."""

_LOOK = 8
"""Weights of a column that a step is tried on before it is tried on all."""

_PIECE = 1 << 16
"""Weights of a layer that are worked on at once."""

_COLUMNS = 1 << 10
"""Columns that are looked at together."""


def common_step(weights: Array, bits: int) -> float:
    """Return the greatest step that all weights are multiples of, in codes of ``bits`` bits.

    NaN where there is none, or where all weights are 0.

    >>> common_step(np.float32([0.1, -0.3, 0.7]), bits=4)
    0.1
    >>> common_step(np.float32([0.1, -0.3, 0.71]), bits=4)
    nan
    """
    some = weights[:: max(1, len(weights) // _PIECE)]
    there = some[some != 0]
    few = there[:: max(1, len(there) // _LOOK), None]
    if not _fitting(few, _peaks(weights[:, None]), bits).any():
        return float("nan")
    sizes = _sizes(weights)
    steps = sizes[-1] / np.arange(1.0, greatest_weight(bits) + 1)
    return next((_shortest(step) for step in steps if _are_multiples(sizes, step)), float("nan"))


def column_steps(matrix: Array, bits: int) -> Array:
    """Return ``common_step`` of each column of ``matrix[K, N]``."""
    steps = np.full(matrix.shape[1], np.nan)
    few = matrix[:: max(1, len(matrix) // _LOOK)][:_LOOK]
    for start in range(0, len(steps), _COLUMNS):
        some = slice(start, start + _COLUMNS)
        hopeful = _fitting(few[:, some], _peaks(matrix[:, some]), bits).any(axis=0)
        for column in start + np.flatnonzero(hopeful):
            steps[column] = common_step(matrix[:, column], bits)
    return steps


def on_grid(matrix: Array, bits: int) -> Array:
    """Say which columns of ``matrix[K, N]`` are codes of ``bits`` bits, times a step: ``[N]``."""
    return ~np.isnan(column_steps(matrix, bits))


def binary_step(step: float, weights: Array, bits: int) -> float:
    """Return a step over its odd factor, where codes still fit: 3 becomes 1, 96 becomes 32."""
    odd = int(np.frexp(step)[0] * 2.0**53)
    odd //= odd & -odd
    if float(np.abs(weights).max()) / step * odd > greatest_weight(bits) + 0.5:
        return step
    return step / odd


def _sizes(weights: Array) -> Array:
    """Return the magnitudes of weights that are not 0, each once: few where they are on a grid."""
    pieces = (weights[at : at + _PIECE] for at in range(0, len(weights), _PIECE))
    sizes = np.unique(np.concatenate([np.unique(np.abs(piece)) for piece in pieces]))
    return sizes[sizes > 0]


def _peaks(matrix: Array) -> Array:
    highest, lowest = matrix.max(axis=0), matrix.min(axis=0)
    return np.asarray(np.maximum(highest.astype(np.float64), -lowest.astype(np.float64)))


def _fitting(few: Array, peaks: Array, bits: int) -> Array:
    """Say which steps ``peak / k`` fit a few weights of each column: ``[greatest code, N]``."""
    steps = peaks / np.arange(1.0, greatest_weight(bits) + 1)[:, None]
    fitting = np.broadcast_to(peaks > 0, steps.shape)
    for row in np.abs(few).astype(np.float64):
        codes = row / np.where(steps > 0, steps, 1.0)
        fitting = fitting & (np.abs(codes - np.rint(codes)) <= GRID * codes)
    return fitting


def _are_multiples(sizes: Array, step: float) -> bool:
    codes = sizes.astype(np.float64) / step
    return bool((np.abs(codes - np.rint(codes)) <= GRID * codes).all())


def _shortest(step: float) -> float:
    """Return the shortest number within the rounding of a step: that is what was meant."""
    return float(str(np.float32(step)))
