"""Nodes that are not elementwise: what they read, and the ops that are written for them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mapper.frontend.algebra.forms import Atom, Form, Shape
from mapper.ir.core import FLOAT, Array, Const, Op, Scalar, Type, Value
from mapper.ir.network import Scale
from mapper.ir.synapses import Synapse


class Writer(Protocol):
    """Where layers put their ops and constants."""

    def add(self, op: Op) -> Value: ...

    def constant(self, name: str, array: Array) -> Const: ...

    def parameter(self, name: str, array: Array) -> Scalar: ...

    def fresh(self, name: str, type: Type, shape: Shape) -> Value: ...


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Operand:
    """What a layer reads, under the shape it reads it in (no batch axis)."""

    form: Form
    shape: Shape
    name: str
    """The model's tensor."""


@dataclass(frozen=True, eq=False, repr=False, slots=True, kw_only=True)
class Layer(Atom, ABC):
    """The result of a layer, with all that is needed to write the layer's ops."""

    operands: tuple[Operand, ...]

    @abstractmethod
    def write(self, operands: tuple[Value, ...], result: Value, out: Writer) -> None:
        """Add the ops that compute ``result`` from ``operands``."""


@dataclass(frozen=True, eq=False, repr=False, slots=True, kw_only=True)
class PlainLayer(Layer):
    """A layer written by a function."""

    how: Callable[[tuple[Value, ...], Value, Writer], None]
    rounds: bool = False
    """It rounds to a grid."""
    offset_terms: Array | None = None
    """Of one that adds a folded offset: the magnitudes of that offset's terms, added up."""

    def write(self, operands: tuple[Value, ...], result: Value, out: Writer) -> None:
        self.how(operands, result, out)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Weights:
    """A layer's weights: floats, or integer codes that count in units of ``step``."""

    name: str
    array: Array
    step: Array | None = None
    """One number, or one per output."""


@dataclass(frozen=True, eq=False, repr=False, slots=True, kw_only=True)
class SynapseLayer(Layer):
    """A matrix or a convolution.

    Quantised weights stay integers: the op sums codes, and a ``Scale`` after it turns sums
    into the reals they stand for and adds the bias.
    """

    kind: type[Synapse]
    weights: Weights
    bias: Array | None = None
    bias_name: str = ""
    geometry: Mapping[str, Any]

    def write(self, operands: tuple[Value, ...], result: Value, out: Writer) -> None:
        weight = out.constant(self.weights.name, self.weights.array)
        parts = {"loc": self.loc, "x": operands[0], "weight": weight, **self.geometry}
        if self.weights.step is None:
            bias = None if self.bias is None else out.constant(self.bias_name, self.bias)
            out.add(self.kind(**parts, bias=bias, result=result))
            return
        total = out.fresh(f"{result.name}.sum", FLOAT, result.shape)
        out.add(self.kind(**parts, result=total))
        bias_array = np.zeros(()) if self.bias is None else self.bias
        out.add(
            Scale(
                loc=self.loc,
                x=total,
                factor=out.parameter(f"{self.weights.name}.step", self._column(self.weights.step)),
                offset=out.parameter(self.bias_name, self._column(bias_array)),
                result=result,
            )
        )

    def _column(self, array: Array) -> Array:
        """Put one number per output on the axis of the outputs."""
        if array.size == 1:
            return array.reshape(())
        return array.reshape(-1, *(1 for _ in self.shape[1:]))
