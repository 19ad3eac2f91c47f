"""What cells conduct on a die, in counts: stuck, programmed, aged. A count is a step of levels.

Everything is made of ``+ - * /`` and square roots, which give the same bits everywhere. Powers and
exponentials go through tables of 65,536 whole numbers in units of ``2**-20`` counts.
"""

import numpy as np

from mapper.ir.core import Array
from passes.dies.draws import CellKind, normal, normal_quantiles, places, stream, uniform
from passes.dies.measured import Measured
from targets.devices import CellCounts

_UNIT = 1 << 20


def conductances(
    facts: CellCounts,
    level: Array,
    at: Array,
    seed: int,
    kind: CellKind,
    round: int = 0,
    measured: Measured | None = None,
) -> Array:
    """Return what cells conduct, in counts.

    In this order: a stuck cell has the highest or the lowest level; a cell is programmed with an
    error of its level; it drifts with an exponent of its own.

    Args:
        facts: Of the device, in counts.
        level: Nominal levels, from 0 to ``facts.levels - 1``.
        at: Sites; levels broadcast to them.
        seed: Of the die.
        kind: ``programming`` for cells, ``replica`` for those of references.
        round: In which weights are programmed; faults stay from round to round.
        measured: What is known of the chip.
    """
    level, at = np.broadcast_arrays(level, at)
    level = stuck_levels(facts, level, at, seed, measured)
    g = _programmed(facts, level, at, stream(seed, kind, round))
    g = _drifted(facts, level, g, at, stream(seed, "drift", round))
    return g if measured is None else measured.conductance(at, g)


def stuck_levels(
    facts: CellCounts, level: Array, at: Array, seed: int, measured: Measured | None = None
) -> Array:
    """Return the levels that cells have which may be stuck; arguments as of ``conductances``."""
    if not (facts.stuck_on or facts.stuck_off or measured):
        return level
    on, off = stuck_cells(facts, at, seed, measured)
    return np.where(on, facts.levels - 1, np.where(off, 0, level))


def stuck_cells(
    facts: CellCounts, at: Array, seed: int, measured: Measured | None = None
) -> tuple[Array, Array]:
    """Say of each site whether its cell is stuck on, and whether it is stuck off."""
    drawn = uniform(stream(seed, "stuck"), at)
    on = drawn < (facts.stuck_on or 0.0)
    off = ~on & (drawn >= 1 - (facts.stuck_off or 0.0))
    return (on, off) if measured is None else measured.faults(at, on, off)


def _programmed(facts: CellCounts, level: Array, at: Array, key: int) -> Array:
    mean = np.asarray(facts.level, np.float64)[level]
    if facts.quantiles is not None:
        table = np.asarray(facts.quantiles, np.float64)
        return np.asarray(table[level, places(key, at) * table.shape[1] >> 16])
    if facts.log_sigma is not None:
        factor = np.rint(np.exp(facts.log_sigma * normal_quantiles()) * _UNIT) / _UNIT
        return np.asarray(mean * factor[places(key, at)])
    if facts.sigma is None or not any(facts.sigma):
        return mean
    sigma = np.asarray(facts.sigma, np.float64)[level]
    return np.maximum(0.0, mean + sigma * normal(key, at))


def _drifted(facts: CellCounts, level: Array, g: Array, at: Array, key: int) -> Array:
    if not drifts(facts):
        return g
    left = drift_table(facts)  # [levels, 65536] or [levels, 1]
    column = places(key, at) if left.shape[1] > 1 else 0
    return np.asarray(g * left[level, column])


def drifts(facts: CellCounts) -> bool:
    """Say whether cells have drifted: their law is known, and the chip is older than its start."""
    if facts.nu is None or facts.t0_s is None or facts.age_s is None:
        return False
    return facts.age_s > facts.t0_s


def drift_table(facts: CellCounts) -> Array:
    """Return the share that is left at an age, by level and quantile of the exponent."""
    assert facts.nu is not None
    assert facts.age_s is not None
    assert facts.t0_s is not None
    sigma = np.asarray(facts.nu_sigma or [0.0] * len(facts.nu), np.float64)[:, None]
    drawn = normal_quantiles()[None] if sigma.any() else np.zeros((1, 1))
    nu = np.maximum(0.0, np.asarray(facts.nu, np.float64)[:, None] + sigma * drawn)
    return np.asarray(np.rint((facts.age_s / facts.t0_s) ** -nu * _UNIT) / _UNIT)
