"""The operators that an epilogue may have, and what each element of a result costs.

The list is closed: a build may come from a stranger. None of these runs a graph inside it, reads a
file, gives random numbers, or gives a tensor whose size depends on numbers that are computed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import prod

import numpy as np
from onnx import AttributeProto, NodeProto, TensorProto, helper

from mapper.ir.core import Array

Shape = tuple[int, ...]
Work = Callable[[NodeProto, Sequence[Shape], Sequence[Shape]], int]
"""Returns operations from the shapes that a node reads and those that it gives."""

FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)
TYPES = (*FLOATS, TensorProto.BOOL, TensorProto.INT32, TensorProto.INT64)
"""Element types of its tensors."""

ATTRIBUTES = (
    AttributeProto.FLOAT,
    AttributeProto.FLOATS,
    AttributeProto.INT,
    AttributeProto.INTS,
    AttributeProto.STRING,
)
"""Types of attributes: none holds a graph or a tensor."""


def _each(node: NodeProto, reads: Sequence[Shape], gives: Sequence[Shape]) -> int:
    return sum(map(prod, (*reads, *gives)))


def _product(node: NodeProto, reads: Sequence[Shape], gives: Sequence[Shape]) -> int:
    left = reads[0]
    turned = next((a.i for a in node.attribute if a.name == "transA"), 0)
    return _each(node, reads, gives) + prod(gives[0]) * left[0 if turned else -1]


def _convolution(node: NodeProto, reads: Sequence[Shape], gives: Sequence[Shape]) -> int:
    return _each(node, reads, gives) + prod(gives[0]) * prod(reads[1][1:])


def _window(node: NodeProto, reads: Sequence[Shape], gives: Sequence[Shape]) -> int:
    kernel = next((a.ints for a in node.attribute if a.name == "kernel_shape"), ())
    return _each(node, reads, gives) + prod(gives[0]) * prod(kernel)


_ELEMENTWISE = (
    "Abs", "Acos", "Add", "And", "Asin", "Atan", "Cast", "Ceil", "Celu", "Clip", "Cos", "Cosh",
    "Div", "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu", "Greater", "GreaterOrEqual",
    "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN", "LeakyRelu", "Less", "LessOrEqual",
    "Log", "Max", "Mean", "Min", "Mish", "Mul", "Neg", "Not", "Or", "PRelu", "Pow", "Reciprocal",
    "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt",
    "Sub", "Sum", "Tan", "Tanh", "ThresholdedRelu", "Where", "Xor",
)  # fmt: skip
_ALONG_AXES = (
    "ArgMax", "ArgMin", "CumSum", "Hardmax", "LogSoftmax", "LpNormalization", "ReduceL1",
    "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
    "ReduceProd", "ReduceSum", "ReduceSumSquare", "Softmax", "TopK",
)  # fmt: skip
_MOVING = (
    "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Pad",
    "Reshape", "Resize", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose",
    "Unsqueeze",
)  # fmt: skip

OPERATORS: Mapping[str, Work] = {
    **dict.fromkeys((*_ELEMENTWISE, *_ALONG_AXES, *_MOVING), _each),
    "AveragePool": _window,
    "Conv": _convolution,
    "Gemm": _product,
    "GlobalAveragePool": _each,
    "GlobalMaxPool": _each,
    "MatMul": _product,
    "MaxPool": _window,
}
"""By name, with how much work a node is."""


MOST_DECODED = 1 << 12
"""Weights of a layer on the host, all of them whole numbers: such as 0..n-1, by which bins are
counted. Others were trained, and belong on a crossbar."""


def is_decoded(weights: Iterable[Array]) -> bool:
    """Say whether the constants of a layer are such numbers."""
    return all(w.size <= MOST_DECODED and bool(np.all(w == np.rint(w))) for w in weights)


def node_problem(node: NodeProto) -> str:
    """Say why a node may not be in an epilogue, whatever it reads; empty where it may."""
    if node.domain not in ("", "ai.onnx"):
        return f"{node.domain}::{node.op_type} is no standard operator"
    if node.op_type not in OPERATORS:
        return f"{node.op_type} is not among the operators that a host runs"
    for held in node.attribute:
        if held.type not in ATTRIBUTES or held.ref_attr_name:
            return f"{node.op_type}: attribute {held.name!r} is neither numbers nor text"
        if held.name == "to" and held.i not in TYPES:
            return f"{node.op_type}: to {_type(held.i)}"
        if held.name == "batch_dims" and helper.get_attribute_value(held) != 0:
            return f"{node.op_type}: batch_dims is not 0"
    mode = next((helper.get_attribute_value(a) for a in node.attribute if a.name == "mode"), b"")
    if node.op_type == "Pad" and mode not in (b"", b"constant"):
        return "Pad: of other numbers than a constant"
    return ""


def _type(kind: int) -> str:
    return str(TensorProto.DataType.Name(kind)) if kind in TensorProto.DataType.values() else "?"
