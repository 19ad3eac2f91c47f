"""What is drawn for a place on a die: normal and uniform numbers that depend on it alone.

A draw belongs to a site, a crossbar slot and a wordline and bitline in it, and to a kind of
imperfection. So a die is the same on every machine and in whatever order it is drawn, and a layer
that is placed elsewhere finds the faults of that place.
"""

from functools import cache, lru_cache
from importlib import resources
from typing import Literal, get_args

import numpy as np

from mapper.ir.core import Array
from mapper.ir.counter import hashed

CellKind = Literal["programming", "replica"]
"""Cells of weights, and those that references are made of."""
Drawn = Literal["stuck", "programming", "replica", "offset", "drift", "gain", "read"]
_NUMBERS = {kind: number for number, kind in enumerate(get_args(Drawn))}

QUANTILES = 1 << 16
"""Parts of a distribution that a draw chooses among: 16 bits of a hash."""
MOST_SLOTS, MOST_LINES = 1 << 24, 1 << 20
"""Crossbar slots of a chip, and lines of a crossbar, that sites can tell apart."""
REPLICAS = 2
"""Columns of replica cells in a crossbar; the last of its lines are theirs."""


@cache
def normal_quantiles() -> Array:
    """Return the quantiles of the normal distribution at ``(j + 1/2) / 65536``, ascending.

    They are stored, rounded to the nearest double, as logarithms differ between machines.
    """
    file = resources.files("passes.dies").joinpath("normal.npz")
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as held:
        upper: Array = held["quantiles"]
    found = np.concatenate([-upper[::-1], upper])
    found.flags.writeable = False
    return found


@lru_cache(maxsize=256)
def stream(seed: int, kind: Drawn, round: int = 0) -> int:
    """Return the key of a kind of imperfection of the die with this seed.

    What is programmed anew in each round of weights has a key by round; the rest keeps that of 0.
    """
    return int(hashed(hashed(hashed(0, seed), _NUMBERS[kind]), round))


def site(slot: Array, wordline: Array | int, bitline: Array | int) -> Array:
    """Return the number of a place, ``uint64``: 24 bits of slot, 20 of wordline, 20 of bitline."""
    return np.asarray(
        (np.asarray(slot).astype(np.uint64) << np.uint64(40))
        | (np.asarray(wordline).astype(np.uint64) << np.uint64(20))
        | np.asarray(bitline).astype(np.uint64)
    )


def places(key: int, at: Array) -> Array:
    """Return which of 65,536 equally likely parts of a distribution each site draws."""
    return (hashed(key, at) >> np.uint64(48)).astype(np.int64)


def normal(key: int, at: Array) -> Array:
    """Return a draw of the normal distribution for each site."""
    return np.asarray(normal_quantiles()[places(key, at)])


def uniform(key: int, at: Array) -> Array:
    """Return a draw of 0 to below 1 for each site."""
    return (hashed(key, at) >> np.uint64(11)).astype(np.float64) * 2.0**-53
