"""Elementwise nodes as rules on forms.

A rule returns the form of a node's result or raises ``NotAffineError`` with the reason why no
form can say it. Which operator has which rule stands in ``operators``.
"""

from collections.abc import Callable
from functools import reduce

import numpy as np
from onnx import TensorProto

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Clamp, Counts, Fires, Form, NotAffineError, of_array
from mapper.frontend.onnx import counting
from mapper.frontend.onnx.constants import Constant
from mapper.frontend.onnx.node import Node, Tensor
from mapper.ir.core import Array

FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)
HALVES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)

ElementRule = Callable[[Node], Form]


# --- comparisons ---------------------------------------------------------------------------


def greater(node: Node) -> Form:
    return node.above_zero(forms.subtract(node.form(0), node.form(1)), True)


def greater_or_equal(node: Node) -> Form:
    return node.above_zero(forms.subtract(node.form(0), node.form(1)), False)


def less(node: Node) -> Form:
    return node.above_zero(forms.subtract(node.form(1), node.form(0)), True)


def less_or_equal(node: Node) -> Form:
    return node.above_zero(forms.subtract(node.form(1), node.form(0)), False)


def sign(node: Node) -> Form:
    """``Sign(Relu(x))`` and ``Relu(Sign(x))`` are how some surrogates write ``x > 0``."""
    x = node.form(0)
    (clamp, factor) = counting.alone(x)
    if isinstance(clamp, Clamp) and np.all(clamp.bound == 0) and np.all(factor > 0):
        inside = forms.scale(forms.reshape(clamp.inside, x.shape), factor)
        return node.above_zero(inside, True)
    above = node.above_zero(x, True)
    if forms.is_at_least_zero(x):
        return above
    below = node.above_zero(forms.negate(x), True)
    return forms.subtract(above, below)


def equal(node: Node) -> Form:
    """Equal is what neither is greater than the other: ``heaviside`` asks for that."""
    left, right = node.form(0), node.form(1)
    if forms.of_spikes(left) and forms.of_spikes(right):
        return forms.of_function(np.equal, [left, right])
    level = forms.subtract(left, right)
    above = node.above_zero(level, True)
    return forms.subtract(node.above_zero(level, False), above)


# --- logic ---------------------------------------------------------------------------------


def both(node: Node) -> Form:
    return forms.multiply(node.form(0), node.form(1))


def either(node: Node) -> Form:
    a, b = node.form(0), node.form(1)
    return forms.subtract(forms.add(a, b), forms.multiply(a, b))


def exclusive(node: Node) -> Form:
    a, b = node.form(0), node.form(1)
    return forms.subtract(forms.add(a, b), forms.scale(forms.multiply(a, b), 2.0))


def inverted(node: Node) -> Form:
    return forms.subtract(of_array(np.ones(())), node.form(0))


def where(node: Node) -> Form:
    cut = counting.chosen_by_sign(node)
    return forms.choose(node.form(0), node.form(1), node.form(2)) if cut is None else cut


# --- arithmetic ----------------------------------------------------------------------------


def added(node: Node) -> Form:
    return forms.add(node.form(0), node.form(1))


def subtracted(node: Node) -> Form:
    return forms.subtract(node.form(0), node.form(1))


def negated(node: Node) -> Form:
    return forms.negate(node.form(0))


def summed(node: Node) -> Form:
    return reduce(forms.add, node.forms())


def averaged(node: Node) -> Form:
    return forms.scale(summed(node), 1.0 / len(node.forms()))


def divided(node: Node) -> Form:
    divisor = node.form(1)
    if not divisor.is_constant:
        raise NotAffineError("divides by a computed value")
    if np.any(divisor.constant == 0):
        raise NotAffineError("divides by zero")
    inverse = Form(divisor.shape, {forms.ONE: 1.0 / divisor.constant})
    quotient = forms.multiply(node.form(0), inverse)
    given = node.inputs[1]
    if not isinstance(given, Constant) or given.array.dtype.kind not in "iu":
        return quotient
    if forms.of_spikes(quotient):  # integers are divided toward zero
        return forms.of_function(np.trunc, [quotient])
    return counting.toward_zero(node, quotient)


def raised(node: Node) -> Form:
    base, exponent = node.form(0), node.form(1)
    if exponent.is_constant and np.all(exponent.constant == 1):
        return forms.add(base, Form(exponent.shape, {}))
    if exponent.is_constant and np.all(exponent.constant == 2):
        return forms.multiply(forms.add(base, Form(exponent.shape, {})), base)
    return forms.of_function(np.power, [base, exponent])


def multiplied(node: Node) -> Form:
    a, b = node.form(0), node.form(1)
    for factor, size in ((a, b), (b, a)):
        if _is_sign_of(factor, size):
            return size
    return forms.multiply(a, b)


def _is_sign_of(factor: Form, size: Form) -> bool:
    """Say whether a form is the sign of one that is never negative: their product is the latter.

    Some pools come back from a mean of powers that way.
    """
    event = factor.alias
    if not isinstance(event, Fires) or not event.strict or factor.shape != size.shape:
        return False
    level = forms.reshape(event.level, size.shape)
    return forms.is_at_least_zero(size) and forms.key_of(level) == forms.key_of(size)


def absolute(node: Node) -> Form:
    x = node.form(0)
    if forms.is_at_least_zero(x):
        return x
    if forms.of_spikes(x):
        return forms.of_function(np.abs, [x])
    if isinstance(x.alias, Counts):  # turned where it is below 0
        above = forms.scale(node.above_zero(x, False), 2.0)
        return forms.multiply(x, forms.subtract(above, of_array(np.ones(()))))
    return counting.magnitude(node, x)


def rounded(
    function: Callable[..., Array], of_analogue: Callable[[Node, Form], Form] | None = None
) -> ElementRule:
    def rule(node: Node) -> Form:
        x = node.form(0)
        if forms.is_whole(x):
            return x
        if forms.of_spikes(x):
            return forms.of_function(function, [x])
        if of_analogue is None:
            raise NotAffineError("rounds an analogue value")
        return of_analogue(node, x)

    return rule


def same(node: Node) -> Form:
    return node.form(0)


def cast(node: Node) -> Form:
    x, target = node.form(0), node.attribute("to", TensorProto.FLOAT)
    if target in HALVES and not forms.is_whole(x):
        raise NotAffineError("rounds to half precision")
    if target in FLOATS or forms.is_whole(x):
        return _not_zero(node, x) if target == TensorProto.BOOL else x
    if target == TensorProto.BOOL:
        return _not_zero(node, x)
    if not forms.of_spikes(x):
        return counting.toward_zero(node, x)
    return forms.of_function(np.trunc, [x])


def _not_zero(node: Node, x: Form) -> Form:
    if forms.is_binary(x):
        return x
    if forms.of_spikes(x) or not isinstance(x.alias, Counts):
        return forms.of_function(lambda v: v != 0, [x])
    below = forms.subtract(of_array(np.ones(())), node.above_zero(x, False))
    return forms.add(node.above_zero(x, True), below)


def cast_like(node: Node) -> Tensor:
    tensor = node.inputs[0]
    if isinstance(tensor, Constant):
        return tensor  # numbers are the same in whatever type the network computes
    x = node.form(0)
    if not forms.of_spikes(x):
        raise NotAffineError("makes another type of an analogue value")
    return x


# --- bounds and tables ---------------------------------------------------------------------


def relu(node: Node) -> Form:
    return at_least(node.form(0), of_array(np.zeros(())), node)


def clip(node: Node) -> Form:
    x = node.form(0)
    low, high = node.setting("min", 1), node.setting("max", 2)
    if low is not None and np.any(np.isfinite(low)):
        x = at_least(x, of_array(low), node)
    if high is not None and np.any(np.isfinite(high)):
        x = _at_most(x, of_array(high), node)
    return x


def maximum(node: Node) -> Form:
    return reduce(lambda a, b: _greater_of(a, b, node), node.forms())


def _greater_of(a: Form, b: Form, node: Node) -> Form:
    if b.is_constant:
        return at_least(a, b, node)
    return at_least(b, a, node) if a.is_constant else forms.of_function(np.maximum, [a, b])


def minimum(node: Node) -> Form:
    return reduce(lambda a, b: _lesser_of(a, b, node), node.forms())


def _lesser_of(a: Form, b: Form, node: Node) -> Form:
    if b.is_constant:
        return _at_most(a, b, node)
    return _at_most(b, a, node) if a.is_constant else forms.of_function(np.minimum, [a, b])


def at_least(x: Form, bound: Form, node: Node) -> Form:
    """Return ``max(x, bound)`` for a known bound."""
    if forms.of_spikes(x):
        return forms.of_function(np.maximum, [x, bound])
    if forms.is_at_least_zero(x) and np.all(bound.constant <= 0):
        return x
    if (count := counting.narrowed(node, x, bound.constant)) is not None:
        return count
    shape = forms.joint_shape(x, bound)
    clamp = Clamp(
        name=node.name,
        shape=node.inner(shape),
        loc=node.loc,
        inside=forms.reshape(x, shape),
        bound=bound.constant,
        nonnegative=bool(np.all(bound.constant >= 0)),
    )
    return forms.of_atom(clamp, shape)


def _at_most(x: Form, bound: Form, node: Node) -> Form:
    return forms.negate(at_least(forms.negate(x), forms.negate(bound), node))


def leaky_relu(node: Node) -> Form:
    x = node.form(0)
    if forms.is_at_least_zero(x):
        return x
    alpha = float(node.attribute("alpha", 0.01))
    return forms.of_function(lambda v: np.where(v < 0, alpha * v, v), [x])


def tabulated(function: Callable[..., Array]) -> ElementRule:
    """Return the rule of any function: of spikes it is a table, of analogue values nothing."""
    return lambda node: forms.of_function(function, node.forms())


def logistic(values: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-values)))
