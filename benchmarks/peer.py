"""A bit-sliced crossbar simulator to race: CrossSim where it is installed, else its arithmetic.

    python -m benchmarks.executor --parts peer --json

CrossSim (https://github.com/sandialabs/cross-sim, the package ``simulator``) is set up for the same
work: offset cells in bit-slices, arrays of as many wordlines, ADCs over the full range of a
bitline, wide inputs bit by bit. It rounds to its own levels, so its results are checked to follow
ours and not to equal them.

Elsewhere the peer is a reconstruction in NumPy of what such simulators do, with nothing around it:
whole batches times the cells of each crossbar and slice as floating-point matrices, sums converted
with vectorised clipping and rounding, shift and add. It is ours, so it is checked to the bit.
"""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from mapper.ir.core import Array, Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.readout import AdcRead, ShiftAndAdd

RECONSTRUCTION = "reconstruction in NumPy"
_ALIKE = 0.99
"""Least correlation of CrossSim's results with ours; another matrix would give none."""


def make_peer(graph: Graph) -> tuple[str, Callable[[Array], Array]]:
    """Return a name, and what takes codes ``[B, K]`` of a linear layer to ``[B, N]``."""
    try:
        import simulator  # noqa: F401
    except ImportError:
        return RECONSTRUCTION, PeerLayer(graph).run
    try:
        release = version("cross-sim")
    except PackageNotFoundError:
        release = "of unknown version"
    return f"CrossSim {release}", cross_sim(graph)


def check_peer(name: str, theirs: Array, ours: Array) -> None:
    """Raise where a peer does not compute the layer."""
    if name == RECONSTRUCTION:
        if not np.array_equal(theirs, ours):
            raise AssertionError("the peer's arithmetic is not the layer's")
        return
    alike = float(np.corrcoef(theirs.ravel(), ours.ravel())[0, 1])
    if not alike >= _ALIKE:
        raise AssertionError(f"CrossSim's results correlate {alike:.3f} with ours, under {_ALIKE}")


def cross_sim(graph: Graph) -> Callable[[Array], Array]:
    """Program a layer's weights into CrossSim's cores."""
    from simulator import AnalogCore, CrossSimParameters

    mvm, read, _ = layer_of(graph)
    assert mvm.encoding is not None
    bits, wordlines = mvm.planes, max(len(rows) for rows in mvm.rows)
    params = CrossSimParameters()
    params.core.update(
        {
            "style": "BITSLICED",
            "rows_max": wordlines,
            "cols_max": wordlines,
            "weight_bits": mvm.encoding.weight_bits,
            "bit_sliced.style": "OFFSET",
            "bit_sliced.num_slices": len(mvm.encoding.significances),
            "mapping.inputs.mvm.min": 0.0,
            "mapping.inputs.mvm.max": float((1 << bits) - 1),
        }
    )
    params.xbar.device.infinite_on_off_ratio = True
    dac, adc = params.xbar.dac.mvm, params.xbar.adc.mvm
    dac.update({"model": "QuantizerDAC", "bits": bits, "signed": False})
    adc.update({"bits": read.bits, "signed": False, "adc_range_option": "MAX"})
    if bits > 1:
        dac.update({"input_bitslicing": True, "slice_size": 1})
        adc.update({"adc_per_ibit": True})
    adc.model = "QuantizerADC"
    core = AnalogCore(graph.constants[mvm.weight.name].T.astype(np.float64), params)
    return lambda codes: np.asarray(core.dot(codes.T.astype(np.float64))).T


def layer_of(graph: Graph) -> tuple[CrossbarMvm, AdcRead, ShiftAndAdd]:
    """Return the ops of a graph that is one layer read by ADCs."""
    mvm, read, add = graph.ops
    assert isinstance(mvm, CrossbarMvm)
    assert isinstance(read, AdcRead)
    assert isinstance(add, ShiftAndAdd)
    return mvm, read, add


class PeerLayer:
    """A linear layer read by ADCs, ready to run on codes ``[B, K]``."""

    def __init__(self, graph: Graph) -> None:
        mvm, read, _ = layer_of(graph)
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
