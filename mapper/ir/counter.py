"""Random numbers that depend on a key and a counter alone: the same bits on every machine.

``hashed(key, i)`` is the ``i``-th output of SplitMix64 (Steele, Lea and Flood, "Fast splittable
pseudorandom number generators", 2014) that starts at ``key``. Whoever needs a number names its
place, so that no draw depends on those before it, and work can be cut up in any way.
"""

import numpy as np

from mapper.ir.core import Array

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2**64 over the golden ratio, odd: the step of SplitMix64."""
LANES, LANE_BITS = 4, 16
"""A hash of 64 bits serves four neighbouring columns, its lowest bits the first of them."""


def mixed(z: Array) -> Array:
    """Return the output that SplitMix64 makes of its state, ``uint64``."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


@np.errstate(over="ignore")  # it is meant to wrap
def hashed(key: Array | int, counter: Array | int) -> Array:
    """Return 64 bits for each counter, ``uint64``; keys and counters broadcast.

    >>> [hex(int(hashed(0, i))) for i in range(2)]  # the first two numbers of the seed 0
    ['0xe220a8397b1dcdaf', '0x6e789e6aa1b965f4']
    """
    keys, counters = np.asarray(key).astype(np.uint64), np.asarray(counter).astype(np.uint64)
    return mixed(keys + (counters + np.uint64(1)) * _GOLDEN)


def read_keys(seed: int, steps: int, samples: int) -> Array:
    """Return a key of noise for each time step and sample, ``[T, B]`` of 62 bits.

    A sample's keys depend on the seed of the run and its number alone, however a batch is cut.
    """
    of_sample = hashed(hashed(0, seed), np.arange(samples))
    return (hashed(of_sample, np.arange(steps)[:, None]) >> np.uint64(2)).astype(np.int64)


def read_counters(planes: int, blocks: int, slices: int, outputs: int, positions: int) -> Array:
    """Return the counter of every four columns in a time step: ``[planes, G, S, N / 4, P]``."""
    grid = (positions, planes, blocks, slices, -(-outputs // LANES))
    counter = np.arange(np.prod(grid), dtype=np.uint64).reshape(grid)
    return counter.transpose(1, 2, 3, 4, 0)


def read_lanes(key: Array, stream: int, grid: tuple[int, int, int, int, int]) -> Array:
    """Return the 16 bits that choose the noise of every read of a layer in a time step.

    Args:
        key: A number per sample, ``[B]`` of ``int64``.
        stream: Of the layer: what two layers draw has nothing in common.
        grid: Planes, row blocks, bit-slices, outputs, positions.

    Returns:
        ``[B, planes, G, S, N, P]`` of ``int64``, from 0 to 65535.
    """
    planes, blocks, slices, outputs, positions = grid
    keys = hashed(key.astype(np.int64).view(np.uint64), stream).reshape(-1, 1, 1, 1, 1, 1)
    fours = hashed(keys, read_counters(planes, blocks, slices, outputs, positions))
    column = np.arange(outputs)
    shift = (LANE_BITS * (column % LANES)).astype(np.uint64)[:, None]
    lanes = (fours[:, :, :, :, column // LANES] >> shift) & np.uint64((1 << LANE_BITS) - 1)
    return lanes.astype(np.int64)
