"""Batch normalisation and quantisation of the model."""

import math
from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from mapper.diagnostics import refuse
from mapper.frontend.algebra import forms
from mapper.frontend.algebra.coefficients import compress, view
from mapper.frontend.algebra.forms import Form, Shape, of_array, of_atom
from mapper.frontend.onnx.constants import Constant, Quantised
from mapper.frontend.onnx.layers import Operand, PlainLayer, Writer
from mapper.frontend.onnx.node import Node, Tensor
from mapper.frontend.onnx.shapes import axis_of
from mapper.ir.core import Array, Value
from mapper.ir.network import FakeQuantize, Scale

DOMAINS = ("", "com.microsoft")
"""ONNX Runtime has grids under a name of its own, for codes that the standard lacked."""

RANGES = {
    np.dtype(np.int8): (-128, 127),
    np.dtype(np.uint8): (0, 255),
    np.dtype(np.int16): (-32768, 32767),
    np.dtype(np.uint16): (0, 65535),
    np.dtype(np.int32): (-(1 << 31), (1 << 31) - 1),
}
NARROW = {"int4": (-8, 7), "uint4": (0, 15), "int2": (-2, 1), "uint2": (0, 3)}


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Grid:
    """What a computed tensor is rounded to, and where; parameters have the axes of ``x``."""

    node: Node
    x: Form
    step: Array
    zero: Array
    ends: tuple[int, int]


@dataclass(frozen=True, eq=False, repr=False, slots=True, kw_only=True)
class RoundingLayer(PlainLayer):
    """A layer that rounds to a grid and back."""

    grid: Grid


def batch_norm(node: Node) -> Form:
    """``BatchNormalization`` at inference: a factor and an offset per channel."""
    x = node.form(0)
    if node.attribute("training_mode", 0) or sum(1 for name in node.proto.output if name) > 1:
        raise refuse(
            "training-batch-norm",
            "batch normalisation was exported in training mode, so it depends on the whole batch",
            loc=node.loc,
            help="call model.eval() before exporting",
        )
    gain, bias, mean, variance = (node.constant(k).array.astype(np.float64) for k in range(1, 5))
    epsilon = float(node.attribute("epsilon", 1e-5))
    if len(x.shape) < 2 or gain.shape != (x.shape[1],):
        raise node.unsupported(f"{x.shape} does not have {gain.shape} channels")
    if not (variance + epsilon > 0).all():
        raise refuse(
            "invalid-model",
            f"batch normalisation has a variance of {variance.min():g}",
            loc=node.loc,
            help="training diverged, or the file is damaged",
        )
    factor = gain / np.sqrt(variance + epsilon)
    shift = mean * factor
    return scaled(node, x, factor, bias - shift, np.abs(bias) + np.abs(shift))


def scaled(node: Node, x: Form, factor: Array, offset: Array, offset_terms: Array) -> Form:
    """Return a layer that multiplies and adds one number per channel."""
    shape, loc = node.inner(x.shape), node.loc
    column = (-1,) + (1,) * (len(x.shape) - 2)

    def write(values: tuple[Value, ...], result: Value, out: Writer) -> None:
        out.add(
            Scale(
                loc=loc,
                x=values[0],
                factor=out.parameter(f"{result.name}.factor", factor.reshape(column)),
                offset=out.parameter(f"{result.name}.offset", offset.reshape(column)),
                result=result,
            )
        )

    layer = PlainLayer(
        name=node.name,
        shape=shape,
        loc=node.loc,
        operands=(Operand(form=x, shape=shape, name=node.proto.input[0]),),
        how=write,
        offset_terms=offset_terms.reshape(column),
    )
    return of_atom(layer, x.shape)


def quantise(node: Node) -> Tensor:
    """``QuantizeLinear``: codes of a known tensor, or a rounded one as codes."""
    step, zero, axis = _grid(node)
    low, high = _range(node)
    tensor = node.inputs[0]
    if isinstance(tensor, Constant):
        step, zero = (_along(axis, part, tensor.shape) for part in (step, zero))
        codes = _codes(tensor.array, step) + zero
        return Constant(array=np.clip(codes, low, high).astype(np.int64), name=tensor.name)
    x = node.form(0)
    step, zero = (_along(axis, part, x.shape) for part in (step, zero))
    if forms.of_spikes(x):  # a grid that holds 0 and 1 leaves spikes what they are
        return forms.of_function(lambda v: np.clip(_codes(v, step) + zero, low, high), [x])
    return _in_codes(rounded(node, x, step, zero, (low, high)), step, zero)


def _in_codes(real: Form, step: Array, zero: Array) -> Form:
    return forms.add(forms.multiply(real, of_array(1.0 / step)), of_array(zero))


def narrowed(node: Node) -> Form | None:
    """Return a rounded tensor on fewer codes where ``Clip`` bounds the codes, else None.

    How grids of fewer than eight bits are exported: round to eight, clip, back to reals.
    """
    codes = node.form(0)
    rounding = [atom for atom in codes.atoms() if isinstance(atom, RoundingLayer)]
    if len(rounding) != 1:
        return None
    grid = rounding[0].grid
    real = of_atom(rounding[0], codes.shape)
    bounds = [node.setting("min", 1), node.setting("max", 2)]
    if any(bound is not None and bound.size != 1 for bound in bounds):
        return None
    if forms.key_of(codes) != forms.key_of(_in_codes(real, grid.step, grid.zero)):
        return None
    low, high = (None if bound is None else float(bound.reshape(())) for bound in bounds)
    ends = (
        grid.ends[0] if low is None else max(grid.ends[0], math.ceil(low)),
        grid.ends[1] if high is None else min(grid.ends[1], math.floor(high)),
    )
    if ends[0] >= ends[1]:
        raise node.unsupported(f"no two codes are left between {ends[0]} and {ends[1]}")
    return _in_codes(rounded(grid.node, grid.x, grid.step, grid.zero, ends), grid.step, grid.zero)


def dequantise(node: Node) -> Tensor:
    """``DequantizeLinear``: the reals that codes stand for; known codes stay beside them."""
    step, zero, axis = _grid(node)
    tensor = node.inputs[0]
    if isinstance(tensor, Constant):
        step, zero = (_along(axis, part, tensor.shape) for part in (step, zero))
        codes = tensor.array.astype(np.int64) - zero.astype(np.int64)
        reals = codes.astype(np.float32) * step.astype(np.float32)
        kept = Quantised(codes=narrowest(codes), step=step)
        return Constant(array=reals, name=tensor.name, quantised=kept)
    x = node.form(0)
    step, zero = (_along(axis, part, x.shape) for part in (step, zero))
    return snapped(forms.multiply(forms.subtract(x, of_array(zero)), of_array(step)))


def _codes(values: Array, step: Array) -> Array:
    """Divide in single precision, as every engine does, and round ties to even."""
    quotient = np.asarray(values, dtype=np.float32) / np.asarray(step, dtype=np.float32)
    return np.rint(quotient).astype(np.float64)


def snapped(form: Form) -> Form:
    """Make 1 of what is 1 in single precision, and nothing of a constant that rounding left."""
    terms = {m: np.where(np.float32(c) == 1, 1.0, c) for m, c in form.terms.items()}
    greatest = max((float(np.abs(c).max()) for m, c in terms.items() if m != forms.ONE), default=0)
    if np.all(np.abs(form.constant) <= 1e-7 * greatest):
        terms.pop(forms.ONE, None)
    return Form(form.shape, {m: compress(c) for m, c in terms.items()})


def narrowest(codes: Array) -> Array:
    """Return integers in the narrowest signed type that holds them."""
    for dtype in (np.int8, np.int16, np.int32):
        limits = np.iinfo(dtype)
        if codes.size and limits.min <= codes.min() and codes.max() <= limits.max:
            return codes.astype(dtype)
    return codes


def rounded(node: Node, x: Form, step: Array, zero: Array, ends: tuple[int, int]) -> Form:
    """Return a layer that rounds to a grid and back; parameters have the axes of ``x``."""
    shape, loc = node.inner(x.shape), node.loc

    def narrow(part: Array) -> Array:
        return view(compress(part), x.shape, shape)

    def write(values: tuple[Value, ...], result: Value, out: Writer) -> None:
        out.add(
            FakeQuantize(
                loc=loc,
                x=values[0],
                step=out.parameter(f"{result.name}.step", narrow(step)),
                zero=out.parameter(f"{result.name}.zero", narrow(zero)),
                low=ends[0],
                high=ends[1],
                result=result,
            )
        )

    layer = RoundingLayer(
        grid=Grid(node=node, x=x, step=step, zero=zero, ends=ends),
        name=node.name,
        shape=shape,
        loc=node.loc,
        operands=(Operand(form=x, shape=shape, name=node.proto.input[0]),),
        nonnegative=bool(np.all(zero <= ends[0])),
        how=write,
        rounds=True,
    )
    return of_atom(layer, x.shape)


def _grid(node: Node) -> tuple[Array, Array, int]:
    step = node.constant(1).array.astype(np.float64)
    if node.attribute("block_size", 0):
        raise node.unsupported("blocked quantisation is not supported")
    held = node.input(2)
    zero = np.zeros(()) if held is None else node.constant(2).array.astype(np.float64)
    if not np.all(np.isfinite(step)) or np.any(step <= 0):
        raise node.unsupported("a quantisation step is not a positive number")
    return step, zero, int(node.attribute("axis", 1))


def _range(node: Node) -> tuple[int, int]:
    if node.input(2) is not None:
        dtype = node.constant(2).array.dtype
        known = RANGES.get(dtype) or NARROW.get(dtype.name)
        if known is None:
            raise node.unsupported(f"codes of type {dtype} are not supported")
        return known
    target = node.attribute("output_dtype", TensorProto.UINT8) or TensorProto.UINT8
    if target == TensorProto.INT8:
        return RANGES[np.dtype(np.int8)]
    if target == TensorProto.UINT8:
        return RANGES[np.dtype(np.uint8)]
    raise node.unsupported("codes of this type are not supported")


def _along(axis: int, part: Array, shape: Shape) -> Array:
    """Give a parameter as many axes as the tensor; one number per element of ``axis``."""
    if part.size == 1:
        return part.reshape((1,) * len(shape))
    axis = axis_of(axis, len(shape))
    if part.shape != (shape[axis],):
        raise forms.NotAffineError(f"quantises axis {axis} of {shape} with {part.shape} steps")
    return part.reshape([-1 if k == axis else 1 for k in range(len(shape))])
