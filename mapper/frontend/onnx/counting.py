"""Rounding of analogue values: how neurons that give several spikes a step are written.

What is rounded becomes one atom, a count (``forms.Counts``), with the bounds that stand around it,
inside and outside. A neuron has to explain it, as it has to explain every comparison.
"""

from dataclasses import dataclass

import numpy as np

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import (
    Clamp,
    Counts,
    Fires,
    Form,
    Magnitude,
    NotAffineError,
    Opaque,
    of_array,
)
from mapper.frontend.onnx.node import Node
from mapper.frontend.onnx.refusals import ONE_SPIKE_HELP
from mapper.ir.core import Array


@dataclass(frozen=True, eq=False, repr=False, slots=True, kw_only=True)
class Floored(Opaque):
    """Its one operand rounded down: only bounding it at 0 leads on to a count."""


def magnitude(node: Node, x: Form) -> Form:
    atom = Magnitude(
        name=node.name,
        shape=node.inner(x.shape),
        loc=node.loc,
        operands=(x,),
        reason=f"{node.op}: computes more than sums and products with constants",
    )
    return forms.of_atom(atom, x.shape)


def nearest(node: Node, x: Form) -> Form:
    """``Round``: to the nearest whole number, of two to the even one."""
    inside, low, high = _unbounded(x)
    return _counted(node, inside, np.rint(low), np.rint(high), nearest=True)


def rounded_down(node: Node, x: Form) -> Form:
    """``Floor``, of what is 0 or more: rounded toward zero."""
    (atom, factor) = alone(x)
    if isinstance(atom, Magnitude):
        (inside,) = atom.operands
        whole = toward_zero(node, forms.scale(inside, factor))
        (count, _) = alone(whole)
        if isinstance(count, Counts) and count.above is not None:
            positive = forms.of_atom(count.above, x.shape)
            return forms.subtract(forms.scale(positive, 2.0), whole)
    inside, low, high = _unbounded(x)
    if low >= 0:
        return _counted(node, inside, np.floor(low), np.floor(high), nearest=False)
    way = "up" if node.op == "Ceil" else "down"
    floored = Floored(
        name=node.name,
        shape=node.inner(x.shape),
        loc=node.loc,
        operands=(x,),
        reason=f"{node.op}: rounds an analogue value {way}, below zero as well",
        in_neuron=f"it rounds its state {way}, below zero as well ({node.op})",
        instead=ONE_SPIKE_HELP,
        telling=True,
    )
    return forms.of_atom(floored, x.shape)


def rounded_up(node: Node, x: Form) -> Form:
    """``Ceil``: rounded down on the other side of 0; of what is 0 or more, numbers passed."""
    inside, low, high = _unbounded(x)
    if np.ceil(low) >= 0:
        passed = forms.add(inside, of_array(np.ones(())))
        return _counted(node, passed, np.ceil(low), np.ceil(high), nearest=False, strict=True)
    return forms.negate(rounded_down(node, forms.negate(x)))


def chosen_by_sign(node: Node) -> Form | None:
    """``Where(x >= 0, Floor(x), Ceil(x))``, or the other way round: rounded toward zero."""
    condition, *ends = (node.form(k) for k in range(3))
    (down, one), (up, other) = map(alone, ends)
    if isinstance(up, Floored) and np.all(one == -1):
        (down, one), (up, other) = (up, other), (down, one)
        condition = forms.subtract(forms.of_array(np.ones(())), condition)
    if not (isinstance(down, Floored) and isinstance(up, Floored)):
        return None
    (x,), (negated,) = down.operands, up.operands
    alike = forms.key_of(forms.negate(negated)) == forms.key_of(x)
    if not alike or not (np.all(one == 1) and np.all(other == -1)):
        return None
    return toward_zero(node, x) if _tells_sign(condition, x) else None


def _tells_sign(condition: Form, x: Form) -> bool:
    """Say whether a condition is on above 0 and off below: it compares some multiple of ``x``."""
    (event, factor) = alone(condition)
    if not isinstance(event, Fires) or not np.all(factor == 1):
        return False
    (state, share), (other, part) = alone(event.level), alone(x)
    return state is other and state is not None and bool(np.all(share * part > 0))


def toward_zero(node: Node, x: Form) -> Form:
    """Leave the fraction out: ``Cast`` to integers."""
    inside, low, high = _unbounded(x)
    return _counted(node, inside, np.trunc(low), np.trunc(high), nearest=False)


def _counted(
    node: Node, inside: Form, low: float, high: float, *, nearest: bool, strict: bool = False
) -> Form:
    if forms.is_at_least_zero(inside):  # a bound at 0 was left out, for it bounds nothing
        low = max(low, 0.0)
    if 0 < low < high and not (nearest and low % 2):  # counted from there; ties stay even
        moved = of_array(np.asarray(low))
        rest = forms.subtract(inside, moved)
        counted = _counted(node, rest, 0.0, high - low, nearest=nearest, strict=strict)
        return forms.add(counted, moved)
    if not low <= 0 <= high:
        raise NotAffineError(f"gives whole numbers of {low:g} to {high:g}, and never 0")
    shape = node.inner(inside.shape)
    return node.comparisons.counted(
        inside, (low, high), nearest, name=node.name, shape=shape, loc=node.loc, strict=strict
    )


def narrowed(node: Node, x: Form, bound: Array) -> Form | None:
    """Return ``max(x, bound)`` of a count, or from 0 of what is rounded; None where ``x`` is none.

    A whole number may be added to either.
    """
    if np.all(bound == 0) and (counted := _from_zero(node, x)) is not None:
        return counted
    more = of_array(x.constant)
    (count, factor) = alone(forms.subtract(x, more))
    if not isinstance(count, Counts) or factor.ndim or bound.ndim or more.constant.ndim:
        return None
    bound = (bound - more.constant) / factor
    if np.any(more.constant) and not _may_move(count, float(bound), float(factor)):
        return None
    low, high = count.wanted
    level, strict, moved = forms.reshape(count.level, x.shape), count.strict, 0.0
    if factor < 0:
        high = min(high, float(np.floor(bound)))
    elif np.any(more.constant) and bound > 0:  # counted from there
        moved, high = float(bound), high - float(bound)
        level = forms.subtract(level, of_array(bound))
    else:
        low = max(low, float(np.ceil(bound)))
    kept = _counted(node, level, low, high, nearest=count.nearest, strict=strict)
    return forms.add(forms.scale(kept, factor), of_array(more.constant + factor * moved))


def _may_move(count: Counts, bound: float, factor: float) -> bool:
    """Say whether a count may be taken up to a whole number, or counted from there."""
    return bound.is_integer() and abs(factor) == 1 and not count.nearest and count.wanted[0] == 0


def _from_zero(node: Node, x: Form) -> Form | None:
    """Return ``max(x, 0)`` of what is rounded down or up, and a whole number; None of others."""
    (clamp, _) = alone(x)
    held = clamp.inside if isinstance(clamp, Clamp) else x
    if not any(isinstance(atom, Floored) for atom in held.atoms()):
        return None
    inner, least, most = _unbounded(x)
    (floored, factor) = alone(forms.subtract(inner, of_array(inner.constant)))
    more = inner.constant
    whole = not more.ndim and float(more).is_integer()
    if not isinstance(floored, Floored) or not whole or not (np.all(np.abs(factor) == 1)):
        return None
    inside, low, high = _unbounded(forms.reshape(floored.operands[0], x.shape))
    up = bool(np.all(factor < 0))
    if up:  # -Floor(-u) is Ceil(u): k or more where u passes k - 1
        inside, low, high = forms.negate(inside), float(np.ceil(-high)), float(np.ceil(-low))
    else:
        low, high = float(np.floor(low)), float(np.floor(high))
    level = forms.add(inside, of_array(more + float(up)))
    ends = max(low + float(more), least, 0.0), min(high + float(more), np.floor(most))
    return _counted(node, level, *ends, nearest=False, strict=up)


def alone(x: Form) -> tuple[forms.Atom | None, Array]:
    """Return the one atom that a form is a multiple of, with the factor; None else."""
    if len(x.terms) == 1:
        ((monomial, factor),) = x.terms.items()
        if len(monomial) == 1 and np.all(factor != 0):
            return next(iter(monomial)), factor
    return None, np.ones(())


def _unbounded(x: Form) -> tuple[Form, float, float]:
    """Take the bounds off a form: what is inside, the lowest and the highest.

    A number may be added outside them.
    """
    low, high = -np.inf, np.inf
    while True:
        more = of_array(x.constant)
        (clamp, factor) = alone(forms.subtract(x, more))
        if not isinstance(clamp, Clamp):
            return x, low, high
        bounds = np.unique(factor * clamp.bound + x.constant)
        if len(bounds) != 1:
            raise NotAffineError("rounds what is bounded otherwise from neuron to neuron")
        if np.all(factor > 0):
            low = min(max(low, float(bounds[0])), high)
        elif np.all(factor < 0):
            high = max(min(high, float(bounds[0])), low)
        else:
            raise NotAffineError("rounds what is bounded from above here and from below there")
        x = forms.add(forms.scale(forms.reshape(clamp.inside, x.shape), factor), more)
