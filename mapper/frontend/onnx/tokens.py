"""``MatMul``: one matrix of weights on each of several tokens is a convolution of one element.

Tokens are all axes but the last, ``[1, N, C]``: channels are turned to the front, every token is a
position of a plane one element high, and the result is turned back.
"""

from math import prod
from typing import TypeGuard

import numpy as np

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Form, of_atom
from mapper.frontend.onnx.constants import Constant
from mapper.frontend.onnx.layers import Operand, SynapseLayer, Weights
from mapper.frontend.onnx.node import Node, Tensor
from mapper.frontend.onnx.products import computed_product
from mapper.frontend.onnx.shaping import turned
from mapper.frontend.onnx.synapses import input_name, matrix_product, oriented
from mapper.ir.synapses import Conv2d


def product(node: Node) -> Form:
    """``MatMul`` of one vector or of several tokens with known weights, or of computed tensors."""
    left, right = node.input(0), node.input(1)
    if _is_matrix(right):
        x = node.form(0)
        if len(x.shape) > 2 and x.shape[0] == 1 < prod(x.shape[:-1]):
            return _per_token(node, x, oriented(node, right, transposed=True))
    elif _is_matrix(left):
        x = node.form(1)
        if len(x.shape) == 3 and x.shape[0] == 1 < x.shape[2]:
            return _convolved(node, x, oriented(node, left, transposed=False), operand=1)
    elif isinstance(left, Form) and isinstance(right, Form):
        return computed_product(node, left, right)
    return matrix_product(node)


def _is_matrix(tensor: Tensor | None) -> TypeGuard[Constant]:
    return isinstance(tensor, Constant) and tensor.array.ndim == 2


def _per_token(node: Node, x: Form, weights: Weights) -> Form:
    """Return ``weights[K, C]`` times the last axis of ``x[1, ..., C]``."""
    tokens = forms.reshape(x, (1, prod(x.shape[:-1]), x.shape[-1]))
    columns = _convolved(node, turned(node, tokens, (0, 2, 1)), weights, operand=0)
    rows = turned(node, columns, (0, 2, 1))
    return forms.reshape(rows, (*x.shape[:-1], weights.array.shape[0]))


def _convolved(node: Node, x: Form, weights: Weights, operand: int) -> Form:
    """Return ``weights[K, C]`` times each column of ``x[1, C, N]``."""
    outputs, channels = weights.array.shape
    if x.shape[1] != channels:
        raise node.unsupported(f"tokens of {x.shape[1]} numbers do not fit weights of {channels}")
    tokens = x.shape[2]
    node.check_size((outputs, tokens))
    ones = (1, 1)
    layer = SynapseLayer(
        name=node.name,
        shape=(outputs, 1, tokens),
        loc=node.loc,
        operands=(Operand(form=x, shape=(channels, 1, tokens), name=node.proto.input[operand]),),
        kind=Conv2d,
        weights=Weights(
            name=weights.name,
            array=np.ascontiguousarray(weights.array)[:, :, None, None],
            step=weights.step,
        ),
        bias_name=input_name(node, 2, "bias"),
        geometry={
            "kernel": ones,
            "stride": ones,
            "padding": (0, 0, 0, 0),
            "dilation": ones,
            "groups": 1,
        },
    )
    return of_atom(layer, (1, outputs, tokens))
