"""Compute nodes whose inputs are all known.

Exporters leave chains such as ``Clip(beta)``, ``Exp(Neg(Reciprocal(tau)))`` or
``Shape -> Gather -> Concat``. They are computed with the operators of the ONNX reference
implementation, after a check that the result cannot be absurdly large.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, TensorProto, helper

from mapper.frontend.algebra.forms import Shape
from mapper.ir.core import Array

MAX_ELEMENTS = 1 << 26
"""Of one tensor: a few bytes in a file must not fill the memory."""

MAX_MADE = 1 << 25
"""Elements that all constants of a file may grow by, beside eight for each that it stores."""

ELEMENTWISE = frozenset(
    """
    Abs Add And BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Clip Cos
    Cosh Div Elu Equal Erf Exp Floor Greater GreaterOrEqual HardSigmoid HardSwish Identity IsInf
    IsNaN LeakyRelu Less LessOrEqual Log Max Mean Min Mod Mul Neg Not Or PRelu Pow Reciprocal
    Relu Round Selu Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Sub Sum Tan Tanh
    ThresholdedRelu Where Xor
    """.split()  # noqa: SIM905 - a list of sixty quoted words is harder to read
)
OTHERS = frozenset(
    """
    ArgMax ArgMin BatchNormalization Compress Concat Constant ConstantOfShape CumSum Dropout
    Expand EyeLike Flatten Gather GatherElements GatherND Gemm MatMul NonZero OneHot Pad Range
    ReduceL1 ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
    Reshape ScatterElements ScatterND Shape Size Slice Softmax Split Squeeze Tile Transpose
    Trilu Unsqueeze
    """.split()  # noqa: SIM905 - a list of sixty quoted words is harder to read
)
FOLDABLE = ELEMENTWISE | OTHERS


class CannotFoldError(Exception):
    """A node with known inputs that is not computed; the text is the reason."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Quantised:
    """Where a constant comes from: ``codes * step``, zero point already taken away."""

    codes: Array
    step: Array
    """As many axes as ``codes``; 1 wide where one step serves all."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Constant:
    """A known tensor."""

    array: Array
    name: str = ""
    quantised: Quantised | None = None

    @property
    def shape(self) -> Shape:
        return self.array.shape


def fold(node: NodeProto, arrays: Sequence[Array | None], opset: int) -> list[Array]:
    """Compute a node; ``arrays`` are its inputs in order, None for one left out."""
    if node.op_type not in FOLDABLE:
        raise CannotFoldError(f"{node.op_type} of constants is not computed")
    known = {name: a for name, a in zip(node.input, arrays, strict=True) if a is not None}
    largest = max(MAX_ELEMENTS, sum(a.size for a in known.values()))
    if _result_elements(node, [a for a in arrays if a is not None]) > largest:
        raise CannotFoldError(f"its result has more than {largest} elements")
    from onnx.reference import ReferenceEvaluator  # takes a while to load; few models need it

    try:
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(_model_of(node, list(known), opset)).run(None, known)
    except Exception as error:  # the reference raises whatever its NumPy code meets
        raise CannotFoldError(f"it cannot be computed: {str(error)[:200]}") from error
    return [np.asarray(result) for result in results]


def _model_of(node: NodeProto, inputs: list[str], opset: int) -> object:
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inputs]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in node.output]
    graph = helper.make_graph([node], "node", ports, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def _result_elements(node: NodeProto, arrays: Sequence[Array]) -> float:
    """Return how many elements the result has, or a little more."""
    if node.op_type in _SIZES:
        try:
            return float(_SIZES[node.op_type](node, arrays))
        except (IndexError, ValueError, TypeError, OverflowError) as error:
            raise CannotFoldError(f"its inputs do not fit: {error}") from error
    if node.op_type in ELEMENTWISE:
        try:
            return math.prod(np.broadcast_shapes(*(a.shape for a in arrays)))
        except ValueError as error:
            raise CannotFoldError(f"its inputs do not fit: {error}") from error
    return sum(a.size for a in arrays)


def _product(values: Array) -> float:
    return float(math.prod(float(v) for v in np.asarray(values).reshape(-1).tolist()))


def _matmul(node: NodeProto, arrays: Sequence[Array]) -> float:
    inner = max(1, min(arrays[0].shape[-1:], default=1))
    return float(arrays[0].size) * arrays[1].size / inner**2


def _expand(node: NodeProto, arrays: Sequence[Array]) -> float:
    target = tuple(int(n) for n in arrays[1].reshape(-1))
    return float(math.prod(np.broadcast_shapes(arrays[0].shape, target)))


def _gather(node: NodeProto, arrays: Sequence[Array]) -> float:
    axis = next((int(a.i) for a in node.attribute if a.name == "axis"), 0)
    return float(arrays[0].size / max(1, arrays[0].shape[axis])) * arrays[1].size


def _range(node: NodeProto, arrays: Sequence[Array]) -> float:
    start, limit, delta = (float(a.reshape(-1)[0]) for a in arrays)
    return abs(limit - start) / abs(delta) if delta else math.inf


def _pad(node: NodeProto, arrays: Sequence[Array]) -> float:
    return float(arrays[0].size + 1) * _product(1.0 + np.abs(arrays[1].astype(np.float64)))


_SIZES = {
    "ConstantOfShape": lambda node, arrays: _product(arrays[0]),
    "Expand": _expand,
    "Tile": lambda node, arrays: arrays[0].size * _product(arrays[1]),
    "Range": _range,
    "Pad": _pad,
    "OneHot": lambda node, arrays: arrays[0].size * float(arrays[1].reshape(-1)[0]),
    "Gather": _gather,
    "GatherND": lambda node, arrays: float(arrays[0].size) * arrays[1].size,
    "NonZero": lambda node, arrays: float(arrays[0].size) * max(1, arrays[0].ndim),
    "EyeLike": lambda node, arrays: arrays[0].size,
    "MatMul": _matmul,
    "Gemm": _matmul,
}
