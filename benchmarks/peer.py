"""The arithmetic of a bit-sliced crossbar simulator of today, in NumPy, as something to race.

Published simulators (CrossSim among them) multiply whole batches by the cells of each crossbar and
each slice as floating-point matrices, convert the sums with vectorised clipping and rounding, and
shift and add; wide inputs go bit by bit. This is that, with nothing around it: no device model, no
checks. It is ours, not theirs; what a given simulator takes is measured with that simulator.
"""

import numpy as np

from mapper.ir.core import Array, Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.readout import AdcRead, ShiftAndAdd


class PeerLayer:
    """A linear layer read by ADCs, ready to run on codes ``[B, K]``."""

    def __init__(self, graph: Graph) -> None:
        mvm, read, add = graph.ops
        assert isinstance(mvm, CrossbarMvm)
        assert isinstance(read, AdcRead)
        assert isinstance(add, ShiftAndAdd)
        assert mvm.encoding is not None
        assert isinstance(read.step, int)
        assert read.first == read.step
        assert read.base == 0
        weight = graph.constants[mvm.weight.name].astype(np.int64)
        digits = mvm.encoding.digits(weight).astype(np.float32)
        self._cells = [np.ascontiguousarray(digits[:, rows.slice]) for rows in mvm.rows]
        self._rows = mvm.rows
        self._signs = [np.float32(s) for s in mvm.encoding.significances]
        self._planes = mvm.planes
        self._step, self._top = np.float32(read.step), np.float32((1 << read.bits) - 1)

    def run(self, codes: Array) -> Array:
        """Return ``[B, N]``, whole numbers as floats."""
        y = np.zeros((len(codes), self._cells[0].shape[2]), np.float32)
        for plane in range(self._planes):
            driven = ((codes >> plane) & 1).astype(np.float32)
            for rows, cells in zip(self._rows, self._cells, strict=True):
                part = driven[:, rows.slice]
                for sign, cell in zip(self._signs, cells, strict=True):
                    sums = part @ cell
                    sums /= self._step
                    np.floor(sums, out=sums)
                    np.clip(sums, 0, self._top, out=sums)
                    sums *= sign * self._step * (1 << plane)
                    y += sums
        return y
