"""A bit-sliced crossbar simulator to race: CrossSim where it is there, else its arithmetic.

    PYTHONPATH=cross-sim python -m benchmarks.executor --parts peer --json

CrossSim (https://github.com/sandialabs/cross-sim, the package ``simulator``, see crosssim_core.py)
is set up for the same work: offset cells in bit-slices, arrays of as many wordlines, ADCs whose
codes are the same counts, wide inputs bit by bit. Its results are floats beside whole numbers;
those numbers must be ours, every one.

Elsewhere the peer is a reconstruction in NumPy of what such simulators do, with nothing around it:
whole batches times the cells of each crossbar and slice as floating-point matrices, sums converted
with vectorised clipping and rounding, shift and add. It is ours, and checked alike.
"""

from collections.abc import Callable

import numpy as np

from benchmarks import crosssim_core
from mapper.ir.core import Array, Graph
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.readout import AdcRead, ShiftAndAdd

RECONSTRUCTION = "reconstruction in NumPy"
_ROUNDED = 1e-6
"""How far a result may lie from a whole number: sums of floats that stand for one."""


def make_peer(graph: Graph) -> tuple[str, Callable[[Array], Array]]:
    """Return a name, and what takes codes ``[B, K]`` of a linear layer to ``[B, N]``."""
    if crosssim_core.is_there():
        return f"CrossSim {crosssim_core.release()}", cross_sim(graph)
    return RECONSTRUCTION, PeerLayer(graph).run


def check_peer(name: str, theirs: Array, ours: Array) -> None:
    """Raise where a peer's results are not the layer's integers.

    Raises:
        AssertionError: saying how many differ, and by how much at most.
    """
    whole = np.rint(theirs)
    if np.abs(theirs - whole).max(initial=0) > _ROUNDED:
        raise AssertionError(f"{name} gives numbers that are not whole")
    if differ := np.count_nonzero(whole != ours):
        most = np.abs(whole - ours).max()
        raise AssertionError(f"{differ} of {ours.size} results of {name} differ, by up to {most}")


def cross_sim(graph: Graph) -> Callable[[Array], Array]:
    """Program a layer's weights into CrossSim's cores."""
    mvm, read, _ = layer_of(graph)
    assert mvm.encoding is not None
    weight = graph.constants[mvm.weight.name].astype(np.int64)
    assert mvm.encoding.kind == "offset-binary"
    assert weight.min() >= -mvm.encoding.weight_max  # CrossSim cuts one more off
    assert read.first == read.step == 1
    core = crosssim_core.sliced(
        weight, mvm.encoding, max(map(len, mvm.rows)), read.bits, mvm.planes
    )
    return lambda codes: np.asarray(core.dot(codes.T.astype(np.float64))).T


def layer_of(graph: Graph) -> tuple[CrossbarMvm, AdcRead, ShiftAndAdd]:
    """Return the ops of a graph that is one layer read by ADCs."""
    mvm, read, *counts, add = graph.ops
    assert isinstance(mvm, CrossbarMvm)
    assert isinstance(read, AdcRead)
    assert all(isinstance(count, CountActive) for count in counts)
    assert isinstance(add, ShiftAndAdd)
    return mvm, read, add


class PeerLayer:
    """A linear layer read by ADCs, ready to run on codes ``[B, K]``."""

    def __init__(self, graph: Graph) -> None:
        mvm, read, add = layer_of(graph)
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
        self._offset = np.float32(add.offset)
        self._step, self._top = np.float32(read.step), np.float32((1 << read.bits) - 1)

    def run(self, codes: Array) -> Array:
        """Return ``[B, N]``, whole numbers as floats."""
        y = np.zeros((len(codes), self._cells[0].shape[2]), np.float32)
        y += self._offset * codes.sum(axis=1, keepdims=True, dtype=np.float32)
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
