"""Elementwise nodes as rules on forms.

A rule returns the form of a node's result or raises ``NotAffineError`` with the reason why no
form can say it.
"""

from collections.abc import Callable
from functools import reduce

import numpy as np
from onnx import TensorProto

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Clamp, Fires, Form, Input, NotAffineError, of_array
from mapper.frontend.onnx.node import Node, as_form
from mapper.ir.core import SPIKE, Array

FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)
HALVES = (TensorProto.FLOAT16, TensorProto.BFLOAT16)


class Comparisons:
    """Every comparison of the model that depends on more than spikes, each once."""

    def __init__(self) -> None:
        self.all: list[Fires] = []
        self._by_key: dict[object, Fires] = {}

    def above_zero(self, level: Form, strict: bool, node: Node) -> Form:
        """Return the form of ``level > 0`` (``level >= 0`` where not ``strict``)."""
        if forms.of_spikes(level):
            return forms.of_function(lambda v: v > 0 if strict else v >= 0, [level])
        if _falls(level):
            return _not(self.above_zero(forms.negate(level), not strict, node))
        key = (forms.key_of(level), strict)
        fires = self._by_key.get(key)
        if fires is None:
            fires = Fires(
                name=node.name,
                shape=node.inner(level.shape),
                type=SPIKE,
                loc=node.loc,
                level=level,
                strict=strict,
                tensor=node.name,
            )
            self._by_key[key] = fires
            self.all.append(fires)
        return forms.of_atom(fires, level.shape)


def _falls(level: Form) -> bool:
    """Say whether a level sinks as the state rises: then not firing is what it compares."""
    direct = [
        float(np.mean(coefficient))
        for monomial, coefficient in level.terms.items()
        if len(monomial) == 1 and isinstance(next(iter(monomial)), Input)
    ]
    return sum(direct) < 0


def elementwise(node: Node, comparisons: Comparisons) -> Form:
    """Return the form of an elementwise node; raise ``NotAffineError`` if there is none."""
    if node.op in _COMPARED:
        left, right, strict = _COMPARED[node.op]
        level = forms.subtract(node.form(left), node.form(right))
        return comparisons.above_zero(level, strict, node)
    if node.op in _JUDGED:
        return _JUDGED[node.op](node, comparisons)
    return _RULES[node.op](node)


def is_elementwise(op: str) -> bool:
    return op in _RULES or op in _COMPARED or op in _JUDGED


_COMPARED = {
    "Greater": (0, 1, True),
    "GreaterOrEqual": (0, 1, False),
    "Less": (1, 0, True),
    "LessOrEqual": (1, 0, False),
}
"""Inputs whose difference is compared with zero, and whether a tie is left out."""


def _sign(node: Node, comparisons: Comparisons) -> Form:
    """``Sign(Relu(x))`` and ``Relu(Sign(x))`` are how some surrogates write ``x > 0``."""
    x = node.form(0)
    clamp = x.alias
    if isinstance(clamp, Clamp) and np.all(clamp.bound == 0):
        return comparisons.above_zero(forms.reshape(clamp.inside, x.shape), True, node)
    above = comparisons.above_zero(x, True, node)
    if forms.is_at_least_zero(x):
        return above
    below = comparisons.above_zero(forms.negate(x), True, node)
    return forms.subtract(above, below)


def _equal(node: Node, comparisons: Comparisons) -> Form:
    """Equal is what neither is greater than the other: ``heaviside`` asks for that."""
    left, right = node.form(0), node.form(1)
    if forms.of_spikes(left) and forms.of_spikes(right):
        return forms.of_function(np.equal, [left, right])
    level = forms.subtract(left, right)
    above = comparisons.above_zero(level, True, node)
    return forms.subtract(comparisons.above_zero(level, False, node), above)


_JUDGED: dict[str, Callable[[Node, Comparisons], Form]] = {"Equal": _equal, "Sign": _sign}
"""Operators that ask on which side of zero a value is, without being comparisons."""


def _tabulated(function: Callable[..., Array]) -> Callable[[Node], Form]:
    return lambda node: forms.of_function(function, node.forms())


def _divide(node: Node) -> Form:
    divisor = node.form(1)
    if not divisor.is_constant:
        raise NotAffineError("divides by a computed value")
    if np.any(divisor.constant == 0):
        raise NotAffineError("divides by zero")
    inverse = Form(divisor.shape, {forms.ONE: 1.0 / divisor.constant})
    return forms.multiply(node.form(0), inverse)


def _power(node: Node) -> Form:
    base, exponent = node.form(0), node.form(1)
    if exponent.is_constant and np.all(exponent.constant == 1):
        return forms.add(base, Form(exponent.shape, {}))
    if exponent.is_constant and np.all(exponent.constant == 2):
        return forms.multiply(forms.add(base, Form(exponent.shape, {})), base)
    return forms.of_function(np.power, [base, exponent])


def _multiply(node: Node) -> Form:
    a, b = node.form(0), node.form(1)
    for sign, size in ((a, b), (b, a)):
        if _is_sign_of(sign, size):
            return size
    return forms.multiply(a, b)


def _is_sign_of(sign: Form, size: Form) -> bool:
    """Say whether a form is the sign of one that is never negative: their product is the latter.

    Some pools come back from a mean of powers that way.
    """
    event = sign.alias
    if not isinstance(event, Fires) or not event.strict or sign.shape != size.shape:
        return False
    level = forms.reshape(event.level, size.shape)
    return forms.is_at_least_zero(size) and forms.key_of(level) == forms.key_of(size)


def _absolute(node: Node) -> Form:
    x = node.form(0)
    return x if forms.is_at_least_zero(x) else forms.of_function(np.abs, [x])


def _rounded(function: Callable[..., Array]) -> Callable[[Node], Form]:
    def rule(node: Node) -> Form:
        x = node.form(0)
        if forms.is_whole(x):
            return x
        if forms.of_spikes(x):
            return forms.of_function(function, [x])
        raise NotAffineError("rounds an analogue value")

    return rule


def _cast(node: Node) -> Form:
    x, target = node.form(0), node.attribute("to", TensorProto.FLOAT)
    if target in HALVES and not forms.is_whole(x):
        raise NotAffineError("rounds to half precision")
    if target in FLOATS or forms.is_whole(x):
        if target == TensorProto.BOOL and not forms.is_binary(x):
            return forms.of_function(lambda v: v != 0, [x])
        return x
    if target == TensorProto.BOOL:
        return forms.of_function(lambda v: v != 0, [x])
    if not forms.of_spikes(x):
        raise NotAffineError("makes an integer of an analogue value (several spikes a step)")
    return forms.of_function(np.trunc, [x])


def _relu(node: Node) -> Form:
    return at_least(node.form(0), of_array(np.zeros(())), node)


def _clip(node: Node) -> Form:
    x = node.form(0)
    low, high = node.setting("min", 1), node.setting("max", 2)
    if low is not None and np.any(np.isfinite(low)):
        x = at_least(x, of_array(low), node)
    if high is not None and np.any(np.isfinite(high)):
        x = _at_most(x, of_array(high), node)
    return x


def _maximum(node: Node) -> Form:
    return reduce(lambda a, b: _greater_of(a, b, node), node.forms())


def _greater_of(a: Form, b: Form, node: Node) -> Form:
    if b.is_constant:
        return at_least(a, b, node)
    return at_least(b, a, node) if a.is_constant else forms.of_function(np.maximum, [a, b])


def _minimum(node: Node) -> Form:
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


def _where(node: Node) -> Form:
    return forms.choose(node.form(0), node.form(1), node.form(2))


def _not(x: Form) -> Form:
    return forms.subtract(of_array(np.ones(())), x)


def _sum(node: Node) -> Form:
    return reduce(forms.add, node.forms())


def _mean(node: Node) -> Form:
    return forms.scale(_sum(node), 1.0 / len(node.forms()))


def _either(a: Form, b: Form) -> Form:
    return forms.subtract(forms.add(a, b), forms.multiply(a, b))


def _exclusive(a: Form, b: Form) -> Form:
    return forms.subtract(forms.add(a, b), forms.scale(forms.multiply(a, b), 2.0))


def _binary(rule: Callable[[Form, Form], Form]) -> Callable[[Node], Form]:
    return lambda node: rule(node.form(0), node.form(1))


def _leaky_relu(node: Node) -> Form:
    x = node.form(0)
    if forms.is_at_least_zero(x):
        return x
    alpha = float(node.attribute("alpha", 0.01))
    return forms.of_function(lambda v: np.where(v < 0, alpha * v, v), [x])


def _same(node: Node) -> Form:
    return as_form(node.inputs[0]) if node.inputs[0] is not None else node.form(0)


def _cast_like(node: Node) -> Form:
    x = node.form(0)
    if not forms.of_spikes(x):
        raise NotAffineError("makes another type of an analogue value")
    return x


_RULES: dict[str, Callable[[Node], Form]] = {
    "Abs": _absolute,
    "Add": _binary(forms.add),
    "And": _binary(forms.multiply),
    "Cast": _cast,
    "CastLike": _cast_like,
    "Ceil": _rounded(np.ceil),
    "Clip": _clip,
    "Div": _divide,
    "Dropout": _same,
    "Exp": _tabulated(np.exp),
    "Floor": _rounded(np.floor),
    "Identity": _same,
    "LeakyRelu": _leaky_relu,
    "Max": _maximum,
    "Mean": _mean,
    "Min": _minimum,
    "Mul": _multiply,
    "Neg": lambda node: forms.negate(node.form(0)),
    "Not": lambda node: _not(node.form(0)),
    "Or": _binary(_either),
    "Pow": _power,
    "Reciprocal": _tabulated(np.reciprocal),
    "Relu": _relu,
    "Round": _rounded(np.rint),
    "Sigmoid": _tabulated(lambda v: 1.0 / (1.0 + np.exp(-v))),
    "Sqrt": _tabulated(np.sqrt),
    "Sub": _binary(forms.subtract),
    "Sum": _sum,
    "Tanh": _tabulated(np.tanh),
    "Where": _where,
    "Xor": _binary(_exclusive),
}


REASONS = {
    "ArgMax": "only the greatest of several neurons fires (ArgMax)",
    "ArgMin": "its state is looked up in a table (ArgMin)",
    "Ceil": "it fires more than once a step (Ceil)",
    "Div": "it divides by a computed value (Div)",
    "Exp": "it computes an exponential (Exp) of its state",
    "Floor": "it fires more than once a step (Floor)",
    "Mul": "it multiplies two computed values (Mul)",
    "Pow": "it raises its state to a power (Pow)",
    "Round": "it rounds its state (Round)",
}
"""What telling operators say about a neuron."""


def reason_for(op: str, otherwise: str) -> str:
    """Say in the words of the field what keeps a node from being a neuron's arithmetic."""
    if op.startswith(("Random", "Bernoulli", "Multinomial")):
        return f"it adds random noise ({op})"
    return REASONS.get(op, otherwise)
