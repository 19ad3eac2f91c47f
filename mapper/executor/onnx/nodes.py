"""A small writer of ONNX graphs: names never clash, and equal arrays are stored once."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import NodeProto, TensorProto, ValueInfoProto, helper

from mapper.ir.core import Array

OPSET = 18
INT64 = TensorProto.INT64


def elem_type(dtype: npt.DTypeLike) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def tensor_type(name: str, shape: Sequence[int | str] | None, elem: int = INT64) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, elem, shape)


@dataclass
class Nodes:
    """The nodes of one graph or subgraph; tensors are referred to by name."""

    reserved: frozenset[str] = frozenset()
    """Names of inputs and outputs, which no node may take."""
    outer: "Nodes | None" = None
    nodes: list[NodeProto] = field(default_factory=list)
    stored: dict[tuple[Any, ...], tuple[str, Array]] = field(default_factory=dict)
    """Name and content of every array, by what tells arrays apart."""
    remark: str = ""
    """Put on the nodes that follow, for people who look at the model."""
    names: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        root = self.outer
        self.names = root.names if root else (n for n in _numbered() if n not in self.reserved)

    def subgraph(self) -> "Nodes":
        """Return a writer of the body of a node; it may refer to every tensor made so far."""
        return Nodes(outer=self, remark=self.remark)

    def name(self) -> str:
        return next(self.names)

    def op(self, kind: str, *inputs: str, result: str = "", **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        (name,) = self.ops(kind, inputs, [result or self.name()], **attributes)
        return name

    def ops(
        self, kind: str, inputs: Sequence[str], results: Sequence[str], **attributes: Any
    ) -> Sequence[str]:
        """Add a node and return the names of its outputs."""
        node = helper.make_node(kind, inputs, results, doc_string=self.remark, **attributes)
        self.nodes.append(node)
        return results

    def array(self, array: Any) -> str:
        """Store an array with the model, once, and return its name."""
        if self.outer is not None:
            return self.outer.array(array)
        array = np.asarray(array, order="C")
        key = (array.dtype.str, array.shape, hashlib.sha256(array).digest())
        if key not in self.stored:
            self.stored[key] = (self.name(), array)
        return self.stored[key][0]

    def integers(self, *numbers: int) -> str:
        return self.array(np.asarray(numbers, np.int64))

    def number(self, value: int, dtype: npt.DTypeLike = np.int64) -> str:
        return self.array(np.asarray(value, dtype))

    def cast(self, x: str, dtype: npt.DTypeLike) -> str:
        return self.op("Cast", x, to=elem_type(dtype))

    def reshape(self, x: str, *shape: int) -> str:
        return self.op("Reshape", x, self.integers(*shape))

    def transpose(self, x: str, *order: int) -> str:
        return self.op("Transpose", x, perm=order)

    def unsqueeze(self, x: str, axis: int) -> str:
        return self.op("Unsqueeze", x, self.integers(axis))

    def sum(self, x: str, axis: int) -> str:
        return self.op("ReduceSum", x, self.integers(axis), keepdims=0)

    def floor_divide(self, x: str, divisor: str) -> str:
        """Divide int64 by positive int64 and round down; ONNX's own Div rounds towards zero."""
        return self.op("Div", self.op("Sub", x, self.op("Mod", x, divisor)), divisor)

    def shift_right(self, x: str, bits: int) -> str:
        return self.floor_divide(x, self.number(1 << bits)) if bits else x

    def clip(self, x: str, low: int, high: int) -> str:
        return self.op("Max", self.op("Min", x, self.number(high)), self.number(low))

    def graph(
        self, name: str, inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto]
    ) -> onnx.GraphProto:
        """Return the graph of the nodes, without the arrays that they refer to."""
        return helper.make_graph(self.nodes, name, inputs, outputs)


def _numbered() -> Iterator[str]:
    number = 0
    while True:
        yield f"t{number}"
        number += 1
