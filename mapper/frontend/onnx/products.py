"""Matrix products of two computed tensors, as attention has them: done on the digital unit."""

from math import prod

import numpy as np

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Form, of_atom
from mapper.frontend.algebra.logic import type_of
from mapper.frontend.onnx.layers import Operand, PlainLayer, Writer
from mapper.frontend.onnx.node import Node
from mapper.frontend.onnx.picking import repeated
from mapper.ir.core import FLOAT, IntType, Type, Value
from mapper.ir.products import MatMul, product_range


def computed_product(node: Node, a: Form, b: Form) -> Form:
    """Return ``a[.., n, k]`` times ``b[.., k, m]``; axes before the last two are broadcast.

    A number that either is multiplied by goes behind the product, so that whole numbers stay whole.
    """
    if min(len(a.shape), len(b.shape)) < 2 or a.shape[-1] != b.shape[-2]:
        raise node.unsupported(f"{a.shape} times {b.shape} is no product of matrices")
    try:
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError as error:
        raise node.unsupported(f"{a.shape} and {b.shape} do not broadcast") from error
    (a, of_a), (b, of_b) = (
        _without_factor(repeated(node, x, (*lead, *x.shape[-2:]), operand))
        for operand, x in enumerate((a, b))
    )
    shape = (*lead, a.shape[-2], b.shape[-1])
    node.check_size(shape)
    loc = node.loc

    def write(values: tuple[Value, ...], result: Value, out: Writer) -> None:
        left, right = values
        out.add(MatMul(loc=loc, a=left, b=right, result=result))

    layer = PlainLayer(
        name=node.name,
        shape=node.inner(shape),
        type=_type_of(type_of(a), type_of(b), a.shape[-1]),
        loc=loc,
        nonnegative=forms.is_at_least_zero(a) and forms.is_at_least_zero(b),
        operands=tuple(
            Operand(form=x, shape=node.inner(x.shape), name=name)
            for x, name in zip((a, b), node.proto.input, strict=False)
        ),
        how=write,
    )
    assert prod(layer.shape) == prod(shape)
    return forms.scale(of_atom(layer, shape), of_a * of_b)


def _type_of(a: Type, b: Type, length: int) -> Type:
    if not isinstance(a, IntType) or not isinstance(b, IntType):
        return FLOAT
    low, high = product_range(a, b)
    return IntType.spanning(length * low, length * high)


def _without_factor(x: Form) -> tuple[Form, float]:
    """Split off the one number that all of a form is multiplied by."""
    factors = list(x.terms.values())
    if not factors or any(c.size != 1 or c.flat[0] != factors[0].flat[0] for c in factors):
        return x, 1.0
    factor = float(factors[0].flat[0])
    return forms.scale(x, 1.0 / factor), factor
