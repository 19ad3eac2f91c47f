"""Network ops with weights: convolution, transposed convolution, linear.

The same ops serve trained floats and quantised integers; the types of the values say which.
Floats are summed in double precision and rounded once to single precision, so the result
does not depend on the order a library adds in. Integers are summed exactly.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mapper.ir.core import EXACT_DOUBLE, Array, Const, Constants, IntType, Op, Type, Value, dtype_of
from mapper.ir.limits import MOST_SUM, MOST_WHOLE
from mapper.ir.windows import Pair, Sides, Window, transposed_window, wordline_inputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Synapse(Op):
    """A layer of weights between neurons; every subclass is a matrix per output position."""

    x: Value
    weight: Const
    bias: Const | None = None
    """One number per output channel, floats only; integers carry it in the neuron."""
    result: Value

    @property
    def window(self) -> Window | None:
        """The window the matrix slides over, or None where there is one position."""
        return None

    @property
    def group_count(self) -> int:
        return 1

    def matrix(self, weight: Array) -> Array:
        """Return the weights as ``[K, N]``: a row per wordline of a group, a column per output."""
        raise NotImplementedError  # every synapse knows its layout

    def from_matrix(self, matrix: Array) -> Array:
        """Undo ``matrix``."""
        raise NotImplementedError  # every synapse knows its layout

    def verify(self, constants: Constants) -> Iterator[str]:
        weight = constants[self.weight.name]
        yield from self._shape_problems(weight)
        if isinstance(self.result.type, IntType):
            yield from self._integer_problems(weight)
        if self.bias is not None and constants[self.bias.name].shape != self.result.shape[:1]:
            yield (
                f"{self.result.shape[0]} output channels, but the bias has shape "
                f"{constants[self.bias.name].shape}"
            )

    def _shape_problems(self, weight: Array) -> Iterator[str]:
        raise NotImplementedError  # every synapse knows its layout

    def _integer_problems(self, weight: Array) -> Iterator[str]:
        if not isinstance(self.x.type, IntType) or weight.dtype.kind not in "iu":
            yield f"result is {self.result.type}, so input and weight must be integers"
            return
        if self.bias is not None:
            yield "an integer layer has no bias: its neuron carries it"
        least, most = int(weight.min()), int(weight.max())
        if max(-least, most) > MOST_WHOLE:
            yield f"weights span {least}..{most}, past {MOST_WHOLE}"
        low, high = matrix_range(self.matrix(weight), self.x.type)
        if max(-low, high) > MOST_SUM:
            yield f"sum spans {low}..{high}, past {MOST_SUM}"
        if isinstance(self.result.type, IntType) and not self.result.type.holds(low, high):
            yield f"sum spans {low}..{high}, too wide for {self.result.type}"

    def evaluate(self, constants: Constants, *operands: Array) -> tuple[Array, ...]:
        inputs = wordline_inputs(operands[0], self.window, self.group_count)
        matrix = self.matrix(constants[self.weight.name])
        total = group_products(inputs, matrix, self.result.type)
        if self.bias is not None:
            column = (-1,) + (1,) * (total.ndim - 2)
            total = total + constants[self.bias.name].astype(total.dtype).reshape(column)
        return (total.astype(dtype_of(self.result.type)),)


def group_products(inputs: Array, matrix: Array, type: Type) -> Array:
    """Multiply ``inputs[B, groups, K, *P]`` by ``matrix[K, N]``: ``[B, N, *P]``.

    Output ``n`` belongs to group ``n // (N / groups)``. Integer sums are exact int64.
    """
    batch, groups, rows = inputs.shape[:3]
    positions = inputs.shape[3:]
    exact = isinstance(type, IntType) and type.max >= EXACT_DOUBLE
    wide = np.int64 if exact else np.float64  # doubles hold narrower sums, and are far faster
    columns = np.ascontiguousarray(matrix.T.reshape(groups, -1, rows), dtype=wide)
    flat = inputs.reshape(batch, groups, rows, -1).astype(wide)
    return (columns @ flat).reshape(batch, -1, *positions)


def matrix_range(matrix: Array, x: IntType) -> tuple[int, int]:
    """Return the least and greatest sum of any column of ``matrix[K, N]`` over inputs in ``x``."""
    greatest = max(int(matrix.max(initial=0)), -int(matrix.min(initial=0)))
    bound = len(matrix) * greatest
    wide = np.int32 if bound < 1 << 31 else np.int64 if bound < 1 << 63 else object  # half the work
    exact = np.int64 if bound * max(-x.min, x.max) <= MOST_SUM else object  # which cannot wrap
    positive = np.maximum(matrix, 0).sum(axis=0, dtype=wide).astype(exact)
    negative = np.minimum(matrix, 0).sum(axis=0, dtype=wide).astype(exact)
    low = min(0, int((positive * x.min + negative * x.max).min(initial=0)))
    high = max(0, int((positive * x.max + negative * x.min).max(initial=0)))
    return low, high


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(Synapse):
    """``result[n] = sum_k weight[n, k] * x[k] + bias[n]``."""

    mnemonic: ClassVar[str] = "net.linear"

    def matrix(self, weight: Array) -> Array:
        return weight.T

    def from_matrix(self, matrix: Array) -> Array:
        return matrix.T

    def _shape_problems(self, weight: Array) -> Iterator[str]:
        if len(self.x.shape) != 1 or len(self.result.shape) != 1:
            yield f"input {self.x.shape} and result {self.result.shape} must be vectors"
        elif weight.shape != (expected := (self.result.shape[0], self.x.shape[0])):
            yield f"weight has shape {weight.shape}, expected {expected}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2d(Synapse):
    """Cross-correlation; ``weight[N, C / groups, kh, kw]``, ``x[C, H, W]``, zero padding."""

    mnemonic: ClassVar[str] = "net.conv2d"
    label: ClassVar[str] = "conv"

    stride: Pair = (1, 1)
    padding: Sides = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    kernel: Pair

    @property
    def window(self) -> Window:
        return Window(
            kernel=self.kernel, stride=self.stride, padding=self.padding, dilation=self.dilation
        )

    @property
    def group_count(self) -> int:
        return self.groups

    def matrix(self, weight: Array) -> Array:
        return weight.transpose(2, 3, 1, 0).reshape(-1, weight.shape[0])

    def from_matrix(self, matrix: Array) -> Array:
        channels = self.x.shape[0] // self.groups
        return matrix.reshape(*self.kernel, channels, -1).transpose(3, 2, 0, 1)

    def _shape_problems(self, weight: Array) -> Iterator[str]:
        yield from window_problems(self.x, self.result, self.window)
        channels = self.x.shape[0]
        if channels % self.groups or self.result.shape[0] % self.groups:
            yield f"{channels} channels and {self.result.shape[0]} outputs in {self.groups} groups"
        expected = (self.result.shape[0], channels // self.groups, *self.kernel)
        if weight.shape != expected:
            yield f"weight has shape {weight.shape}, expected {expected}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvTranspose2d(Synapse):
    """Transposed convolution; ``weight[C, N / groups, kh, kw]``, ``x[C, H, W]``.

    Equal to a convolution with the turned kernel over ``x`` with ``stride - 1`` zeros put
    between neighbours, which is how the crossbar computes it.
    """

    mnemonic: ClassVar[str] = "net.conv_transpose2d"
    label: ClassVar[str] = "conv transpose"

    stride: Pair = (1, 1)
    padding: Sides = (0, 0, 0, 0)
    output_padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    kernel: Pair

    @property
    def window(self) -> Window:
        return transposed_window(
            self.kernel, self.stride, self.padding, self.dilation, self.output_padding
        )

    @property
    def group_count(self) -> int:
        return self.groups

    def matrix(self, weight: Array) -> Array:
        outputs = weight.shape[1]
        turned = weight[:, :, ::-1, ::-1].reshape(self.groups, -1, outputs, *self.kernel)
        ordered = turned.transpose(3, 4, 1, 0, 2)
        return ordered.reshape(-1, self.groups * outputs)

    def from_matrix(self, matrix: Array) -> Array:
        channels = self.x.shape[0] // self.groups
        ordered = matrix.reshape(*self.kernel, channels, self.groups, -1)
        turned = ordered.transpose(3, 2, 4, 0, 1)
        outputs = turned.shape[2]
        return turned.reshape(self.x.shape[0], outputs, *self.kernel)[:, :, ::-1, ::-1]

    def _shape_problems(self, weight: Array) -> Iterator[str]:
        yield from window_problems(self.x, self.result, self.window)
        channels = self.x.shape[0]
        if channels % self.groups or self.result.shape[0] % self.groups:
            yield f"{channels} channels and {self.result.shape[0]} outputs in {self.groups} groups"
        expected = (channels, self.result.shape[0] // self.groups, *self.kernel)
        if weight.shape != expected:
            yield f"weight has shape {weight.shape}, expected {expected}"


def window_problems(x: Value, result: Value, window: Window) -> Iterator[str]:
    """Yield what is wrong with a window from ``x[C, H, W]`` to ``result[N, Ho, Wo]``."""
    if len(x.shape) != 3 or len(result.shape) != 3:
        yield f"input {x.shape} and result {result.shape} must be [channels, height, width]"
        return
    if problems := window.problems():
        yield from problems
        return
    yield from window.size_problems(x.shape)
    size = window.output_size(*x.shape[1:])
    if min(size) < 1:
        yield f"window {window.kernel} does not fit into {x.shape[1:]}"
    elif result.shape[1:] != size:
        yield f"window gives {size} positions, but the result has {result.shape[1:]}"
