"""Noise of reads in standard ONNX operators: the counter and hash of ``mapper.ir.counter``.

Products of int64 wrap around in ONNX Runtime, as two's complement does; a test holds that. Shifts
to the right are of uint64, which bring in zeros.
"""

import numpy as np

from mapper.executor.onnx.nodes import Nodes
from mapper.ir.core import Array, Constants, Span
from mapper.ir.counter import LANE_BITS, LANES
from mapper.ir.readout import BitlineRead

_GOLDEN, _FIRST, _SECOND = (
    int(np.uint64(number).astype(np.int64))
    for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


def hashed(n: Nodes, key: str, counter: str) -> str:
    """Return 64 bits, as int64, for keys and counters of int64 that broadcast."""
    steps = n.op("Mul", n.op("Add", counter, n.number(1)), n.number(_GOLDEN))
    z = n.op("Add", key, steps)
    z = n.op("Mul", _folded(n, z, 30), n.number(_FIRST))
    z = n.op("Mul", _folded(n, z, 27), n.number(_SECOND))
    return _folded(n, z, 31)


def _folded(n: Nodes, z: str, bits: int) -> str:
    return n.op("BitwiseXor", z, _shifted(n, z, n.number(bits, np.uint64)))


def _shifted(n: Nodes, z: str, bits: str) -> str:
    right = n.op("BitShift", n.cast(z, np.uint64), bits, direction="RIGHT")
    return n.cast(right, np.int64)


def noisy(
    n: Nodes,
    sums: str,
    read: BitlineRead,
    key: str,
    constants: Constants,
    dtype: str,
    band: Span,
    block: str,
) -> str:
    """Add noise to sums ``[B * planes, G, S, N, P]`` in ``dtype``.

    Args:
        n: Where to write.
        sums: Partial sums of row blocks.
        read: What reads them.
        key: One number a sample, ``[B]``.
        constants: Of the graph.
        dtype: Type of the sums.
        band: The output positions of the sums.
        block: Numbers of the row blocks, ``[G]``.
    """
    assert read.noise is not None
    planes, blocks, slices, outputs = read.partial_sum.shape[:4]
    fours = -(-outputs // LANES)

    def along(axis: int, numbers: range, stride: int) -> Array:
        shape = [1] * 5
        shape[axis] = len(numbers)
        return np.array(numbers, np.int64).reshape(shape) * stride

    of_block = n.op("Mul", n.reshape(block, 1, -1, 1, 1, 1), n.number(slices * fours))
    per_position = planes * blocks * slices * fours
    counter = n.op("Add", n.array(along(4, range(band.start, band.stop), per_position)), of_block)
    for axis, count, stride in (
        (0, planes, blocks * slices * fours),
        (2, slices, fours),
        (3, fours, 1),
    ):
        if count > 1:
            counter = n.op("Add", counter, n.array(along(axis, range(count), stride)))
    keys = hashed(n, n.reshape(key, -1, 1, 1, 1, 1, 1), n.number(read.stream))
    word = n.unsqueeze(hashed(n, keys, n.unsqueeze(counter, 0)), 5)  # [B, planes, G, S, N/4, 1, P]
    shifts = np.arange(LANES, dtype=np.uint64).reshape(-1, 1) * np.uint64(LANE_BITS)
    lane = n.op("BitwiseAnd", _shifted(n, word, n.array(shifts)), n.number((1 << LANE_BITS) - 1))
    lanes = n.op("Reshape", lane, n.integers(0, 0, 0, 0, fours * LANES, len(band)))
    if fours * LANES > outputs:
        lanes = n.op("Slice", lanes, n.integers(0), n.integers(outputs), n.integers(4))
    found = n.op("Gather", n.array(constants[read.noise.name].astype(dtype)), lanes, axis=0)
    merged = n.op("Reshape", found, n.op("Shape", sums))
    return n.op("Add", sums, merged)
