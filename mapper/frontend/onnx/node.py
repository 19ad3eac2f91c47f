"""One node of the model, with the questions that handlers ask about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from onnx import NodeProto, helper

from mapper.diagnostics import MappingError, refuse
from mapper.frontend.algebra.forms import Form, Shape, of_array
from mapper.frontend.onnx.comparisons import Comparisons
from mapper.frontend.onnx.constants import MAX_ELEMENTS, Constant
from mapper.ir.core import Array
from mapper.ir.windows import Window

Tensor = Constant | Form
"""What is known of a tensor of the model."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Node:
    """A node and its inputs; an input that was left out is None."""

    proto: NodeProto
    inputs: tuple[Tensor | None, ...]
    loc: str
    opset: int
    batched: bool
    """The first axis of every port is the batch axis."""
    comparisons: Comparisons
    """Those of the model so far."""
    alone: frozenset[str] = frozenset()
    """Names of inputs that nothing else reads."""

    @property
    def op(self) -> str:
        return self.proto.op_type

    @property
    def name(self) -> str:
        """The name of the first result."""
        return next((name for name in self.proto.output if name), "")

    def attribute(self, name: str, default: Any = None) -> Any:
        for attribute in self.proto.attribute:
            if attribute.name == name:
                return helper.get_attribute_value(attribute)
        return default

    def input(self, index: int) -> Tensor | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def form(self, index: int) -> Form:
        """Return an input as a form; refuse a model that leaves it out."""
        tensor = self.input(index)
        if tensor is None:
            raise self.unsupported(f"input {index} is missing")
        return as_form(tensor)

    def forms(self) -> list[Form]:
        return [as_form(tensor) for tensor in self.inputs if tensor is not None]

    def constant(self, index: int) -> Constant:
        """Return an input that must be known; refuse one that is computed."""
        tensor = self.input(index)
        if isinstance(tensor, Constant):
            return tensor
        state = "is missing" if tensor is None else "is computed from the network's input"
        raise self.unsupported(f"input {index} {state}; it must be a constant")

    def setting(self, name: str, index: int) -> Array | None:
        """Return what older opsets hold in an attribute and newer ones in an input."""
        tensor = self.input(index)
        if tensor is not None:
            return self.constant(index).array
        held = self.attribute(name)
        return None if held is None else of_array(held).constant

    def integers(self, name: str, index: int) -> tuple[int, ...] | None:
        held = self.setting(name, index)
        return None if held is None else tuple(int(n) for n in held.reshape(-1))

    def above_zero(self, level: Form, strict: bool) -> Form:
        """Return the comparison ``level > 0`` (``level >= 0`` where not ``strict``)."""
        shape = self.inner(level.shape)
        return self.comparisons.above_zero(level, strict, name=self.name, shape=shape, loc=self.loc)

    def inner(self, shape: Sequence[int]) -> Shape:
        """Return a shape of the model as the graph says it: without the batch axis."""
        whole = tuple(int(n) for n in shape)
        return whole[1:] if self.batched and whole[:1] == (1,) else whole

    def check_size(self, shape: Sequence[int]) -> None:
        """Refuse a result that would fill the memory."""
        if prod(shape) > MAX_ELEMENTS:
            raise refuse(
                "model-too-large",
                f"{self.op} gives {tuple(shape)}, at most {MAX_ELEMENTS} elements are computed",
                loc=self.loc,
            )

    def check_window(self, window: Window, plane: Shape) -> None:
        """Refuse a window that cannot slide over ``[C, H, W]``, or would look at too much."""
        if problems := window.problems():
            raise self.unsupported(problems[0])
        if problem := next(window.size_problems(plane), ""):
            raise refuse("model-too-large", f"{self.op}: {problem}", loc=self.loc)

    def unsupported(self, reason: str, help: str = "") -> MappingError:
        return refuse("unsupported-op", f"{self.op}: {reason}", loc=self.loc, help=help)


def as_form(tensor: Tensor) -> Form:
    return tensor if isinstance(tensor, Form) else of_array(tensor.array)
