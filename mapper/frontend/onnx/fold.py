"""Compute nodes whose inputs are all known.

Exporters leave chains such as ``Clip(beta)``, ``Exp(Neg(Reciprocal(tau)))`` or
``Shape -> Gather -> Concat``. They are computed with the operators of the ONNX reference
implementation, after a check that the result cannot be absurdly large.
"""

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto, TensorProto, helper

from mapper.frontend.onnx.constants import MAX_ELEMENTS
from mapper.frontend.onnx.operators import operator_of
from mapper.frontend.onnx.sizes import SizeRule
from mapper.ir.core import Array


class CannotFoldError(Exception):
    """A node with known inputs that is not computed; the text is the reason."""


def fold(node: NodeProto, arrays: Sequence[Array | None], opset: int) -> list[Array]:
    """Compute a node; ``arrays`` are its inputs in order, None for one left out."""
    size_rule = operator_of(node).folds
    if size_rule is None:
        raise CannotFoldError(f"{node.op_type} of constants is not computed")
    known = {name: a for name, a in zip(node.input, arrays, strict=True) if a is not None}
    largest = max(MAX_ELEMENTS, sum(a.size for a in known.values()))
    if _result_elements(size_rule, node, [a for a in arrays if a is not None]) > largest:
        raise CannotFoldError(f"its result has more than {largest} elements")
    from onnx.reference import ReferenceEvaluator  # takes a while to load; few models need it

    try:
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(_model_of(node, list(known), opset)).run(None, known)
    except Exception as error:  # the reference raises whatever its NumPy code meets
        raise CannotFoldError(f"it cannot be computed: {str(error)[:200]}") from error
    return [np.asarray(result) for result in results]


def _result_elements(size_rule: SizeRule, node: NodeProto, arrays: Sequence[Array]) -> float:
    try:
        return float(size_rule(node, arrays))
    except (IndexError, ValueError, TypeError, OverflowError) as error:
        raise CannotFoldError(f"its inputs do not fit: {error}") from error


def _model_of(node: NodeProto, inputs: list[str], opset: int) -> object:
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inputs]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in node.output]
    graph = helper.make_graph([node], "node", ports, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
