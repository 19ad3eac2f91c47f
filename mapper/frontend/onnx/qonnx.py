"""Quantising operators of QONNX, as brevitas exports them: ``Quant`` and ``BipolarQuant``.

Known tensors become integers, whatever the rounding. Of what the network computes only the grid
that ``net.fake_quantize`` has is read: nearest, ties to even, no zero point. Any other would differ
at ties or by the rounding of a sum, so it is refused. Source of the semantics: the operator pages
in ``docs/qonnx-custom-ops`` of the QONNX repository.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Shape
from mapper.frontend.onnx.constants import Constant, Quantised
from mapper.frontend.onnx.node import Node, Tensor
from mapper.frontend.onnx.scaling import narrowest, rounded, snapped
from mapper.ir.core import Array

DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
MAX_BITS = 24
"""Wider codes are not exact in single precision, in which QONNX computes."""

_HELP = "quantise to nearest, ties to even, and without a zero point"


def _nearest(values: Array, ties: Callable[[Array], Array]) -> Array:
    """Round to nearest; ``ties`` rounds what lies halfway."""
    whole = np.trunc(values)
    halfway = np.abs(values - whole) == 0.5
    return np.where(halfway, ties(values), np.rint(values))


def _away(values: Array) -> Array:
    return np.copysign(np.ceil(np.abs(values)), values)


ROUNDINGS: Mapping[str, Callable[[Array], Array]] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": _away,
    "DOWN": np.trunc,
    "ROUND_TO_ZERO": np.trunc,
    "HALF_UP": lambda values: _nearest(values, _away),
    "HALF_DOWN": lambda values: _nearest(values, np.trunc),
}
TO_EVEN = frozenset({"ROUND", "HALF_EVEN"})


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class _Grid:
    step: Array
    zero: Array
    low: int
    high: int
    rounding: str

    def codes(self, values: Array) -> Array:
        """Return codes without zero point, computed in single precision and QONNX's order."""
        scaled = np.asarray(values, np.float32) / self.step + self.zero
        whole = ROUNDINGS[self.rounding](np.clip(scaled, self.low, self.high))
        return (whole - self.zero).astype(np.int64)

    def reals(self, values: Array) -> Array:
        return (self.codes(values).astype(np.float32) * self.step).astype(np.float32)


def quant(node: Node) -> Tensor:
    """``Quant``: ``(round(clip(x / scale + zero, low, high)) - zero) * scale``."""
    tensor = node.inputs[0]
    grid = _grid(node, node.form(0).shape)
    if isinstance(tensor, Constant):
        return _known(tensor, grid.codes(tensor.array), grid.step)
    x = node.form(0)
    if forms.of_spikes(x):
        if grid.step.size != 1 or grid.zero.size != 1:
            raise node.unsupported("spikes are quantised with one step for each channel")
        return snapped(forms.of_function(lambda v: grid.reals(v).reshape(np.shape(v)), [x]))
    if grid.rounding not in TO_EVEN:
        raise node.unsupported(
            f"computed values are rounded in mode {grid.rounding}, only ROUND is exact here", _HELP
        )
    if np.any(grid.zero != 0):
        raise node.unsupported("computed values are rounded with a zero point", _HELP)
    ends = (grid.low, grid.high)
    return rounded(node, x, grid.step.astype(np.float64), grid.zero.astype(np.float64), ends)


def bipolar_quant(node: Node) -> Tensor:
    """``BipolarQuant``: ``scale`` where ``x >= 0``, else ``-scale``."""
    tensor = node.inputs[0]
    if not isinstance(tensor, Constant):
        raise node.unsupported(
            "computed values are cut to two levels outside of a neuron",
            "let neurons fire instead, or quantise weights only",
        )
    step = _step(node, tensor.shape)
    return _known(tensor, np.where(tensor.array >= 0, 1, -1), step)


def _known(tensor: Constant, codes: Array, step: Array) -> Constant:
    reals = codes.astype(np.float32) * step
    kept = Quantised(codes=narrowest(codes), step=step.astype(np.float64))
    return Constant(array=reals.astype(np.float32), name=tensor.name, quantised=kept)


def _grid(node: Node, shape: Shape) -> _Grid:
    bits = _bits(node)
    signed, narrow = bool(node.attribute("signed", 1)), bool(node.attribute("narrow", 0))
    if bits == 1 and signed:
        raise node.unsupported("one signed bit has no zero", "use BipolarQuant")
    mode = bytes(node.attribute("rounding_mode", b"ROUND")).decode("ascii", "replace").upper()
    if mode not in ROUNDINGS:
        raise node.unsupported(f"there is no rounding mode {mode[:40]!r}")
    zero = _spread(node, 2, shape)
    if np.any(zero != np.rint(zero)):
        raise node.unsupported("the zero point is not a whole number")
    high = (1 << (bits - signed)) - 1 - (narrow and not signed)
    low = -(1 << (bits - 1)) + narrow if signed else 0
    return _Grid(step=_step(node, shape), zero=zero, low=low, high=high, rounding=mode)


def _bits(node: Node) -> int:
    held = node.constant(3).array
    if held.size != 1 or not 1 <= held.reshape(-1)[0] <= MAX_BITS:
        raise node.unsupported(f"the width must be one number, 1..{MAX_BITS} bits")
    bits = float(held.reshape(-1)[0])
    if bits != int(bits):
        raise node.unsupported(f"a width of {bits:g} bits is not a whole number")
    return int(bits)


def _step(node: Node, shape: Shape) -> Array:
    step = _spread(node, 1, shape)
    if not np.all(np.isfinite(step)) or np.any(step <= 0):
        raise node.unsupported("a quantisation step is not a positive number")
    return step


def _spread(node: Node, index: int, shape: Shape) -> Array:
    """Return a parameter with as many axes as the tensor, 1 wide where it is the same for all."""
    held = node.constant(index).array.astype(np.float32)
    if held.size == 1:
        return held.reshape((1,) * len(shape))
    if held.ndim > len(shape) or np.broadcast_shapes(held.shape, shape) != shape:
        raise node.unsupported(f"a parameter of shape {held.shape} does not fit {shape}")
    return held.reshape((1,) * (len(shape) - held.ndim) + held.shape)
