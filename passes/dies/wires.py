"""Currents behind the resistance of wires, linear about the mean activity of wordlines.

The cells of a bitline share its segments, so what one of them loses depends on which others are
driven. Each is taken with its own row driven and the others at their mean activity, and the tangent
there is what a die adds: a net cell, and a constant that moves the reference. Running sums alone:
no matrix is solved, and every machine gets the same bits. ``docs/validation.md`` has the error
against exact solves of all nodes: some hundredths of a count where a bitline loses up to half.
"""

from dataclasses import dataclass

import numpy as np

from mapper.ir.core import Array
from mapper.kernels import core, structs
from targets.devices.circuit import WireSupply

_ROUNDS = 12
"""Of the two ladders feeding each other; each halves the distance to where they rest."""


@dataclass(frozen=True, slots=True)
class Wired:
    """What a crossbar adds to its bitlines behind its wires."""

    cells: Array
    """``[..., R, B]``, counts for a driven wordline."""
    constant: Array
    """``[..., B]``, counts whatever is driven."""


def behind_wires(cells: Array, activity: Array, segment: float, supply: WireSupply) -> Wired:
    """Return what is left of a crossbar's cells behind the resistance of its wires.

    The sense end of bitlines is behind the last row. Where ``supply`` is ``rows``, wordlines carry
    the current of their cells from the first bitline on, through segments like those of bitlines;
    ``gates`` is an input without current.

    Args:
        cells: Conductances in counts, ``[..., R, B]``, as they lie in the crossbar.
        activity: What each wordline carries on average, ``[R]``, or ``[C, R]`` for each of
            ``cells [C, R, B]``; from 0 on.
        segment: Resistance from one cell to the next, in units of one over a count.
        supply: What wordlines are.
    """
    mean = activity[..., None]
    carried, others = ladders(cells, activity, segment, supply)
    lost = carried * others
    return Wired(carried - lost, np.asarray((mean * lost).sum(axis=-2)))


def ladders(
    cells: Array, activity: Array, segment: float, supply: WireSupply
) -> tuple[Array, Array]:
    """Return what each cell carries, and what the others raise its bitline by, ``[..., R, B]``."""
    if not core.unavailable() and cells.size:
        if activity.ndim == 1:
            return _ladders_by_kernels(cells, activity, segment, supply)
        found = [
            _ladders_by_kernels(one, mean, segment, supply)
            for one, mean in zip(cells, activity, strict=True)
        ]
        return np.stack([carried for carried, _ in found]), np.stack([by for _, by in found])
    mean = activity[..., None]
    segments = np.arange(cells.shape[-2], 0, -1.0)[:, None]  # from each row to the sense end
    wordline, bitline = np.ones_like(cells), np.zeros_like(cells)
    others = np.zeros_like(cells)
    for _ in range(_ROUNDS):
        current = cells * np.maximum(wordline - bitline, 0.0)
        if supply == "rows":
            wordline = 0.5 * (wordline + 1.0 - segment * _along_row(current))
        own = segments * current
        others = segment * (_along_column(mean * current) - mean * own)
        bitline = 0.5 * (bitline + others + segment * own)
    return cells * (wordline - bitline), others


def _ladders_by_kernels(
    cells: Array, activity: Array, segment: float, supply: WireSupply
) -> tuple[Array, Array]:
    """Return the same bits, several times faster."""
    rows, bitlines = cells.shape[-2:]
    held = np.ascontiguousarray(cells, np.float64)
    carried, others = np.empty_like(held), np.empty_like(held)
    call = structs.Wires(
        C=held.size // (rows * bitlines),
        R=rows,
        B=bitlines,
        rounds=_ROUNDS,
        supplied=supply == "rows",
        cells=held,
        mean=np.ascontiguousarray(activity, np.float64),
        segment=np.array([segment], np.float64),
        behind=np.empty(bitlines),
        wordline=np.empty((rows, bitlines)),
        bitline=np.empty((rows, bitlines)),
        carried=carried,
        others=others,
    )
    core.behind_wires(*structs.as_read(call))
    return carried, others


def _along_row(current: Array) -> Array:
    """Return what a wordline has lost at each cell, in segments times counts."""
    return np.cumsum(np.cumsum(current[..., ::-1], axis=-1)[..., ::-1], axis=-1)


def _along_column(current: Array) -> Array:
    """Return what a bitline has risen by at each cell, in segments times counts."""
    return np.cumsum(np.cumsum(current, axis=-2)[..., ::-1, :], axis=-2)[..., ::-1, :]
