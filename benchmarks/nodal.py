"""Exact currents of a crossbar behind the resistance of its wires: all nodes, in NumPy alone.

Wordlines are driven from the left and bitlines end in virtual ground below the last row, with one
segment of resistance ``r`` before each cell of a wordline and behind each of a bitline. A row that
is not driven is cut off by its transistors. Voltages are shares of the read voltage, conductances
are counts.

Along one wire the equations are tridiagonal, and between the two sets of wires there are only
cells, which are weak beside segments. So conjugate gradients with all wires solved exactly as their
preconditioner come to rest in some tens of steps.
"""

from collections.abc import Callable

import numpy as np

from mapper.ir.core import Array

_CLOSE = 1e-11
_MOST_STEPS = 1000


def currents(cells: Array, x: Array, r: float, supply: str) -> Array:
    """Return what each bitline carries, in counts.

    Args:
        cells: Conductances, ``[R, B]``.
        x: Which rows are driven, ``[samples, R]`` of 0 and 1.
        r: Resistance of a segment, in units of one over a count; above 0.
        supply: ``gates``, where cells are at the read voltage, or ``rows``, where wordlines are.

    Returns:
        ``[samples, B]``.
    """
    driven = cells * x[..., None]  # [samples, R, B]
    bitlines = _Wires(driven.swapaxes(-1, -2), r, grounded_first=False)
    if supply == "gates":
        return _ends(bitlines.solve(driven.swapaxes(-1, -2)), r)
    wordlines = _Wires(driven, r, grounded_first=True)
    source = np.zeros_like(driven)
    source[..., 0] = 1 / r
    # Bitlines see the wordlines that are solved for: (B - G W^-1 G) v = G W^-1 source.
    right = (driven * wordlines.solve(source)).swapaxes(-1, -2)

    def apply(v: Array) -> Array:
        fed = driven * wordlines.solve(driven * v.swapaxes(-1, -2))
        return bitlines.times(v) - fed.swapaxes(-1, -2)

    return _ends(_conjugate(apply, bitlines.solve, right), r)


def _ends(v: Array, r: float) -> Array:
    """Return what flows through the last segment of bitlines ``[samples, B, R]``."""
    return np.asarray(v[..., -1] / r)


def _conjugate(
    apply: Callable[[Array], Array], precondition: Callable[[Array], Array], right: Array
) -> Array:
    """Solve a symmetric positive system for each sample, to a share of ``1e-11``."""
    v = np.zeros_like(right)
    rest = right.copy()
    ready = precondition(rest)
    way = ready.copy()
    size = _inner(rest, ready)
    enough = size * _CLOSE**2
    for _ in range(_MOST_STEPS):
        if (size <= enough).all():
            return v
        moved = apply(way)
        step = size / np.maximum(_inner(way, moved), 1e-300)
        v += step * way
        rest -= step * moved
        ready = precondition(rest)
        size, before = _inner(rest, ready), size
        way = ready + size / np.maximum(before, 1e-300) * way
    raise ArithmeticError(f"no solution to {_CLOSE} in {_MOST_STEPS} steps")


def _inner(a: Array, b: Array) -> Array:
    return np.asarray((a * b).sum(axis=(-1, -2), keepdims=True))


class _Wires:
    """Wires of segments of resistance ``r`` with a cell to somewhere else at each node.

    One end of a wire is held at 0 through a segment, the other hangs. Nodes are on the last axis.
    """

    def __init__(self, cells: Array, r: float, *, grounded_first: bool) -> None:
        self.link = 1 / r
        self.diagonal = cells + 2 / r
        open_end = -1 if grounded_first else 0
        self.diagonal[..., open_end] -= 1 / r
        self.pivot = np.empty_like(self.diagonal)
        self.pivot[..., 0] = self.diagonal[..., 0]
        for i in range(1, cells.shape[-1]):
            self.pivot[..., i] = self.diagonal[..., i] - self.link**2 / self.pivot[..., i - 1]

    def times(self, v: Array) -> Array:
        out = self.diagonal * v
        out[..., 1:] -= self.link * v[..., :-1]
        out[..., :-1] -= self.link * v[..., 1:]
        return np.asarray(out)

    def solve(self, right: Array) -> Array:
        v = right.copy()
        for i in range(1, v.shape[-1]):
            v[..., i] += self.link / self.pivot[..., i - 1] * v[..., i - 1]
        v[..., -1] /= self.pivot[..., -1]
        for i in range(v.shape[-1] - 2, -1, -1):
            v[..., i] = (v[..., i] + self.link * v[..., i + 1]) / self.pivot[..., i]
        return v
