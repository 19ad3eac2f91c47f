"""Compute nodes whose inputs are all known.

Exporters leave chains such as ``Clip(beta)``, ``Exp(Neg(Reciprocal(tau)))`` or
``Shape -> Gather -> Concat``. They are computed with the operators of the ONNX reference
implementation, after a check that neither the result nor the work can be absurdly large: a few
hundred bytes of a file may ask for hours.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper

from mapper.diagnostics import refuse
from mapper.frontend.onnx.constants import MAX_ELEMENTS, SPREAD_ELEMENTS
from mapper.frontend.onnx.engine import engine
from mapper.frontend.onnx.operators import operator_of
from mapper.frontend.onnx.sizes import SizeRule
from mapper.ir.core import Array

WORK = 5e9
"""Nanoseconds that all nodes of a file may take together, beside ``WORK_OF_STORED``.

Work is estimated in nanoseconds of one core, so that no clock decides what is refused. On one
machine, most operators took 0.2 to 20 ns a number, ``Erf`` 600 and scatters 1800 to 2000; a
multiplication of integers 2.5, of half precision 12.
"""

WORK_OF_STORED = 200
"""The same for each number that the file stores: a few passes over the weights."""

WORK_OF_NODE = 2.5e4
"""Of a node, whatever it computes."""

WORK_OF_ELEMENT = 10
"""Of a number that a node reads or makes."""

WORK_OF_SLOW_ELEMENT = 2000
"""The same where the reference implementation walks through elements in Python."""

WORK_OF_MAC = {"f4": 1 / 16, "f8": 1 / 16}
"""Of a multiplication and an addition in a matrix product of numbers that BLAS has ..."""

WORK_OF_SLOW_MAC = 16
"""... and of all others."""

CACHED_BYTES = 1 << 12
"""Of the attributes of a node whose evaluator is kept for the next one like it."""


class CannotFoldError(Exception):
    """A node with known inputs that is not computed; the text is the reason."""


@dataclass(slots=True)
class Folder:
    """Computes nodes of known inputs, with a budget for all those of a file."""

    opset: int
    stored: int = 0
    """Numbers that the file stores."""
    most_made: float = math.inf
    """Elements that everything that is computed may have."""
    made: float = 0.0
    work: float = 0.0
    """Nanoseconds that it took, as estimated."""

    def fold(self, node: NodeProto, arrays: Sequence[Array | None], loc: str) -> list[Array]:
        """Compute a node; ``arrays`` are its inputs in order, None for one left out.

        Raises:
            CannotFoldError: It is not computed.
            MappingError: ``model-too-large``, before the work is done that would be too much.
        """
        there = [array for array in arrays if array is not None]
        elements = result_elements(node, there)
        if elements > max(MAX_ELEMENTS, sum(array.size for array in there)):
            raise CannotFoldError(f"its result has more than {MAX_ELEMENTS} elements")
        if operator_of(node).kind == "elementwise" and there and all(map(is_one_number, there)):
            shape = np.broadcast_shapes(*(array.shape for array in there))
            ones = [None if array is None else np.asarray(array.flat[0]) for array in arrays]
            return [np.broadcast_to(result, shape) for result in self.fold(node, ones, loc)]
        self._count(node, there, elements, loc)
        known = {name: a for name, a in zip(node.input, arrays, strict=True) if a is not None}
        results = [of_one_number(array) for array in _computed(node, known, self.opset)]
        self.made -= sum(array.size for array in results if is_one_number(array))
        return results

    def _count(self, node: NodeProto, arrays: Sequence[Array], elements: float, loc: str) -> None:
        """Refuse constants that grow without end, or take for ever: not one alone, but all."""
        self.made += elements
        self.work += work_of(node, arrays, elements)
        if self.made > self.most_made:
            raise _too_large(
                f"computed constants have more than {self.most_made:.0f} elements", loc
            )
        if self.work > WORK + WORK_OF_STORED * self.stored:
            raise _too_large(
                f"computing its constants takes about {self.work / 1e9:.3g} s, at most "
                f"{(WORK + WORK_OF_STORED * self.stored) / 1e9:.3g} s are spent on them",
                loc,
            )


def of_one_number(array: Array) -> Array:
    """Hold a large array of one number once: states of zeros are as large as activations."""
    if array.size <= SPREAD_ELEMENTS or array.dtype.kind not in "biuf" or is_one_number(array):
        return array
    bits = array.view(f"u{array.itemsize}")  # 0 is not -0
    one = bits.flat[0]
    if bits.flat[-1] != one or (bits != one).any():
        return array
    return np.broadcast_to(array[(0,) * array.ndim].copy(), array.shape)


def is_one_number(array: Array) -> bool:
    """Say whether a large array is one number that is held once."""
    return array.size > SPREAD_ELEMENTS and not any(array.strides)


def _too_large(message: str, loc: str) -> Exception:
    return refuse(
        "model-too-large",
        message,
        loc=loc,
        help="export with constants folded (do_constant_folding, or onnxsim)",
    )


def result_elements(node: NodeProto, arrays: Sequence[Array]) -> float:
    """Return how many elements a node gives, or a little more.

    Raises:
        CannotFoldError: It is not computed of known inputs, or they do not fit.
    """
    size_rule: SizeRule | None = operator_of(node).folds
    if size_rule is None:
        raise CannotFoldError(f"{node.op_type} of constants is not computed")
    try:
        return float(size_rule(node, arrays))
    except (IndexError, ValueError, TypeError, OverflowError) as error:
        raise CannotFoldError(f"its inputs do not fit: {error}") from error


def work_of(node: NodeProto, arrays: Sequence[Array], elements: float) -> float:
    """Estimate the nanoseconds that a node takes which gives that many elements."""
    operator = operator_of(node)
    touched = elements + sum(array.size for array in arrays)
    each = WORK_OF_SLOW_ELEMENT if operator.is_slow else WORK_OF_ELEMENT
    work = WORK_OF_NODE + each * touched
    if operator.terms is not None:
        macs = elements * operator.terms(arrays)
        work += macs * WORK_OF_MAC.get(arrays[0].dtype.str[1:], WORK_OF_SLOW_MAC)
    return work


def _computed(node: NodeProto, known: dict[str, Array], opset: int) -> list[Array]:
    alike = NodeProto()
    alike.CopyFrom(node)
    names = {name: f"i{index}" for index, name in enumerate(known)}
    for index, name in enumerate(node.input):
        alike.input[index] = names.get(name, "")
    for index, name in enumerate(node.output):
        alike.output[index] = f"o{index}" if name else ""
    alike.name = alike.doc_string = ""
    del alike.metadata_props[:]
    text = alike.SerializeToString(deterministic=True)
    start = _evaluator if len(text) <= CACHED_BYTES else _evaluator.__wrapped__
    try:
        with np.errstate(all="ignore"):
            results = start(text, opset)(dict(zip(names.values(), known.values(), strict=True)))
    except Exception as error:  # the reference raises whatever its NumPy code meets
        raise CannotFoldError(f"it cannot be computed: {str(error)[:200]}") from error
    return [np.asarray(result) for result in results]


@lru_cache(maxsize=256)
def _evaluator(text: bytes, opset: int) -> Callable[[Mapping[str, Array]], Iterable[Array]]:
    """Return what runs a node: making it takes longer than most nodes of constants do."""
    from onnx.reference import ReferenceEvaluator  # takes a while to load; few models need it

    node = NodeProto.FromString(text)
    ports, outputs = (
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
        for names in (dict.fromkeys(filter(None, node.input)), filter(None, node.output))
    )
    graph = helper.make_graph([node], "node", ports, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    if operator_of(node).is_run:
        run = engine(model)
        return lambda known: run(known).values()
    reference: Any = ReferenceEvaluator(model)
    return lambda known: reference.run(None, dict(known))
