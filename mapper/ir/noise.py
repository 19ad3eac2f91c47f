"""Noise of single reads, as an integer function of a counter.

Each read of a bitline takes 16 bits of a hash (``mapper.ir.counter``) of a key, its layer's stream
and its place among the layer's reads of a time step. They choose one of 65,536 numbers that stand
in ascending order in a table, and the sum is read with that number added. Nothing is drawn one
after the other, so every engine gets the same bits however it cuts up the work.
"""

from collections.abc import Iterator
from math import prod
from typing import Protocol

import numpy as np

from mapper.ir.core import Array, Const, Constants, Graph, IntType, Value
from mapper.ir.counter import LANE_BITS, read_lanes

KEY_TYPE = IntType(62, signed=False)
"""Of the key of a time step and sample."""
NOISE_LEVELS = 1 << LANE_BITS
_MOST_NOISE = (1 << 31) - 1


def key_inputs(graph: Graph) -> tuple[Value, ...]:
    """Return the inputs of a die that noise of reads follows from: no recording has them."""
    keys = {key.name for op in graph.ops if (key := getattr(op, "key", None)) is not None}
    return tuple(value for value in graph.inputs if value.name in keys)


def recorded_inputs(graph: Graph) -> tuple[Value, ...]:
    """Return the inputs that a recording has: all but keys of noise."""
    keys = key_inputs(graph)
    return tuple(value for value in graph.inputs if value not in keys)


class NoisyRead(Protocol):
    """A readout that may have noise."""

    @property
    def partial_sum(self) -> Value: ...
    @property
    def key(self) -> Value | None: ...
    @property
    def noise(self) -> Const | None: ...
    @property
    def stream(self) -> int: ...


def noise_problems(read: NoisyRead, constants: Constants) -> Iterator[str]:
    """Yield why a readout's noise is not what engines take."""
    if (read.noise is None) != (read.key is None):
        yield "noise needs a key, and only then: it has one of the two"
        return
    if read.noise is None or read.key is None:
        if read.stream:
            yield f"stream {read.stream} of noise, but there is none"
        return
    if read.key.type != KEY_TYPE or read.key.shape:
        yield f"the key of noise is one {KEY_TYPE} a sample, got {read.key}"
    table = constants[read.noise.name]
    if table.shape != (NOISE_LEVELS,) or table.dtype.kind != "i":
        yield f"noise is {NOISE_LEVELS} integers, got {table.dtype} of shape {table.shape}"
    elif (np.diff(table) < 0).any():
        yield "noise must ascend"
    elif max(-int(table[0]), int(table[-1])) > _MOST_NOISE:
        yield f"noise reaches {table[0]}..{table[-1]}, past {_MOST_NOISE}"


def noise_reach(read: NoisyRead, constants: Constants) -> int:
    """Return the greatest magnitude that noise adds to a sum."""
    if read.noise is None:
        return 0
    table = constants[read.noise.name]
    return max(-int(table[0]), int(table[-1]))


def noisy(read: NoisyRead, constants: Constants, operands: tuple[Array, ...]) -> Array:
    """Return the sums ``[B, planes, G, S, N, *P]`` as they are read; the key comes last."""
    sums = operands[0]
    if read.noise is None:
        return sums
    planes, blocks, slices, outputs, *positions = read.partial_sum.shape
    grid = (planes, blocks, slices, outputs, prod(positions))
    lanes = read_lanes(operands[-1], read.stream, grid)
    found: Array = constants[read.noise.name].astype(np.int64)[lanes].reshape(sums.shape)
    return sums + found
