"""A file under construction, and a file being read: names, numbers, constants."""

import math
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import FunctionProto, NodeProto, TensorProto, helper, numpy_helper

from mapper.diagnostics import MappingError, refuse
from mapper.exchange.canonical.functions import DOMAIN, function_named
from mapper.executor.onnx.lowered import UniqueNames
from mapper.executor.onnx.nodes import Nodes
from mapper.ir.core import Array, Const, Graph, Op, Scalar, Value

DEQUANTISED = frozenset({np.dtype(kind) for kind in ("int8", "uint8", "int16", "uint16", "int32")})


@dataclass(kw_only=True)
class Writing:
    """What has been written so far; every tensor has a name of its own."""

    graph: Graph
    names: UniqueNames
    tensors: dict[str, str]
    """By name of the value."""
    constants: dict[str, str]
    """By name of the constant."""
    nodes: Nodes = field(default_factory=Nodes)
    functions: dict[str, FunctionProto] = field(default_factory=dict)
    _numbers: dict[bytes, str] = field(default_factory=dict)
    _dequantised: dict[str, str] = field(default_factory=dict)

    def of(self, value: Value) -> str:
        return self.tensors[value.name]

    def op(self, kind: str, op: Op, *inputs: str, **attributes: Any) -> None:
        """Write the node of an op, named after its first result."""
        results = [self.of(value) for value in op.results]
        self.nodes.remark = op.loc
        self.nodes.ops(kind, inputs, results, name=results[0], **attributes)

    def call(self, function: str, op: Op, *inputs: str, **attributes: Any) -> None:
        """Write the call of a function of the domain."""
        if function not in self.functions:
            self.functions[function] = function_named(function)
        self.op(function, op, *inputs, domain=DOMAIN, **attributes)

    def helper(self, kind: str, op: Op, what: str, *inputs: str, **attributes: Any) -> str:
        """Write a node that belongs to the node of an op; return its result."""
        name = self.names.take(f"{self.of(op.results[0])}.{what}")
        self.nodes.remark = op.loc
        return self.nodes.op(kind, *inputs, result=name, name=name, **attributes)

    def integers(self, op: Op, what: str, numbers: list[int]) -> str:
        return self.helper("Constant", op, what, value_ints=numbers)

    def number(self, scalar: Scalar) -> str:
        """Return a parameter: a stored array, or a number in a ``Constant`` node."""
        if isinstance(scalar, Const):
            return self.constants[scalar.name]
        single = np.float32(scalar)
        key = struct.pack("<f", single)
        if key not in self._numbers:
            self._numbers[key] = name = self.names.take(f"{single:.9g}")
            self.nodes.remark = ""
            self.nodes.op("Constant", result=name, name=name, value_float=float(single))
        return self._numbers[key]

    def dequantised(self, constant: str, op: Op) -> str:
        """Return stored integers as floats, in units of 1."""
        if constant not in self._dequantised:
            one = self.number(1.0)
            name = self.names.take(f"{constant}.dequantised")
            self.nodes.remark = op.loc
            self.nodes.op("DequantizeLinear", constant, one, result=name, name=name)
            self._dequantised[constant] = name
        return self._dequantised[constant]

    def refused(self, op: Op, reason: str) -> MappingError:
        return refuse("not-exportable", reason, loc=op.loc, help="compile the model as it is")


@dataclass(kw_only=True)
class Reading:
    """A file, by name; whatever is not there is a ``KeyError``."""

    values: dict[str, Value]
    """By tensor."""
    made_by: dict[str, NodeProto]
    """Which node writes a tensor."""
    constants: dict[str, str]
    """Name of the constant by tensor."""

    def constant(self, tensor: str) -> Const:
        return Const(self.constants[tensor])

    def number(self, tensor: str) -> Scalar:
        if tensor in self.constants:
            return self.constant(tensor)
        number = float(self.made_by[tensor].attribute[0].f)
        if not math.isfinite(number):
            raise ValueError(f"{tensor!r} is no number")
        return number

    def integers(self, tensor: str) -> list[int]:
        return [int(n) for n in self.made_by[tensor].attribute[0].ints]

    def source(self, tensor: str, kind: str) -> str:
        """Return what a node of this kind made a tensor of; empty where none did."""
        node = self.made_by.get(tensor)
        return node.input[0] if node is not None and node.op_type == kind else ""


def to_tensor(array: Array, name: str) -> TensorProto:
    return numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)


def described(array: Array, name: str) -> TensorProto:
    """Return what ``to_tensor`` does, but for the numbers."""
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    return TensorProto(name=name, data_type=kind, dims=array.shape)
