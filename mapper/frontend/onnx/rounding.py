"""Quantising operators for the ONNX reference implementation, which lacks those of old opsets."""

from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun

from mapper.frontend.algebra.forms import Shape
from mapper.ir.core import Array


class QuantizeLinear(OpRun):
    """Codes of reals; they stay in floats, whose range is never left here."""

    op_domain = ""

    def _run(
        self, x: Array, step: Array, zero: Array | None = None, axis: int = 1, **_: Any
    ) -> tuple[Array]:
        offset = np.zeros(()) if zero is None else zero
        limits = np.iinfo(np.uint8 if zero is None else _container(zero))
        codes = np.rint(x / _along(axis, step, x.shape)) + _along(axis, offset, x.shape)
        return (np.clip(codes, limits.min, limits.max).astype(np.float32),)


class DequantizeLinear(OpRun):
    """Reals of codes."""

    op_domain = ""

    def _run(
        self, x: Array, step: Array, zero: Array | None = None, axis: int = 1, **_: Any
    ) -> tuple[Array]:
        offset = np.zeros(()) if zero is None else zero.astype(np.float32)
        codes = x.astype(np.float32) - _along(axis, offset, x.shape).astype(np.float32)
        return (codes * _along(axis, step, x.shape).astype(np.float32),)


class MicrosoftQuantizeLinear(QuantizeLinear):
    """The same under the name that ONNX Runtime gives it for wide codes."""

    op_domain = "com.microsoft"


class MicrosoftDequantizeLinear(DequantizeLinear):
    """The same under the name that ONNX Runtime gives it for wide codes."""

    op_domain = "com.microsoft"


MicrosoftQuantizeLinear.__name__ = "QuantizeLinear"
MicrosoftDequantizeLinear.__name__ = "DequantizeLinear"

ROUNDING = [QuantizeLinear, DequantizeLinear, MicrosoftQuantizeLinear, MicrosoftDequantizeLinear]


def _container(zero: Array) -> Any:
    return zero.dtype if zero.dtype.kind in "iu" else np.int8


def _along(axis: int, part: Array, shape: Shape) -> Array:
    if part.size == 1:
        return part.reshape(())
    return part.reshape([-1 if k == axis % len(shape) else 1 for k in range(len(shape))])
