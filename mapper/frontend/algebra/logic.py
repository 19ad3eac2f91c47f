"""Functions of spikes as gates, and the type that a form has in the graph."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

import numpy as np

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import ONE, Atom, Form, Monomial, of_array
from mapper.ir.core import FLOAT, SPIKE, IntType, Type

GateKind = Literal["and", "or", "xor", "iand"]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Gate:
    """``a kind b``; ``iand`` is ``b and not a``."""

    kind: GateKind
    a: "Logic"
    b: "Logic"


Logic = Atom | Gate

_NOTHING = of_array(np.zeros(()))
_ONE = of_array(np.ones(()))


def type_of(form: Form) -> Type:
    """Return what carries a form: spikes, small integers or floats.

    What is known while a model is walked: a row of comparisons that turns out to be one neuron is
    floats here. Written values have the last word (``write/``).
    """
    if (atom := form.alias) is not None:
        return atom.type
    if gates_of(form) is not None:
        return SPIKE
    if (total := count_of(form)) is not None:
        ends = [_range(monomial) for monomial in total]
        return IntType.spanning(sum(low for low, _ in ends), sum(high for _, high in ends))
    return FLOAT


def count_of(
    form: Form, carrier: Callable[[Atom], Type] = attrgetter("type")
) -> list[Monomial] | None:
    """Return the products of integer atoms, oldest first, whose plain sum a form is, or None.

    Args:
        form: Any form.
        carrier: The type of an atom.
    """
    if not form.terms or form.is_constant or ONE in form.terms:
        return None
    if not all(np.all(c == 1) for c in form.terms.values()):
        return None
    if not all(isinstance(carrier(atom), IntType) for atom in form.atoms()):
        return None
    return sorted(form.terms, key=age)


def age(monomial: Monomial) -> tuple[int, ...]:
    """Return what products are ordered by: how old their atoms are."""
    return tuple(sorted(atom.order for atom in monomial))


def _range(monomial: Monomial) -> tuple[int, int]:
    """Return bounds of a product of integer atoms."""
    low = high = 1
    for atom in monomial:
        assert isinstance(atom.type, IntType)
        ends = [end * other for end in (low, high) for other in (atom.type.min, atom.type.max)]
        low, high = min(ends), max(ends)
    return low, high


def gates_of(form: Form) -> Logic | None:
    """Return the gates that compute a 0-or-1 form of spikes, or None.

    Gates give 0 where every input is 0, so a form that does not is none of them.
    """
    if form.is_constant or not forms.is_binary(form) or np.any(form.constant != 0):
        return None
    if form.alias is not None:
        return form.alias
    for atom in form.atoms():
        if (gate := _gate_at(atom, form)) is not None:
            return gate
    return None


def _gate_at(atom: Atom, form: Form) -> Gate | None:
    """Split a function into one gate of ``atom`` and of a function without it, if that is all."""
    off, on = _cofactor(form, atom, False), _cofactor(form, atom, True)
    if _equal(on, _ONE):
        return _gate("or", atom, off)
    if _equal(off, _NOTHING):
        return _gate("and", atom, on) or _inhibited(on, atom)
    if _equal(on, _NOTHING):
        return _gate("iand", atom, off)
    if _equal(on, forms.subtract(_ONE, off)):
        return _gate("xor", atom, off)
    return None


def _gate(kind: GateKind, atom: Atom, rest: Form) -> Gate | None:
    other = gates_of(rest)
    return None if other is None else Gate(kind=kind, a=atom, b=other)


def _inhibited(allowed: Form, atom: Atom) -> Gate | None:
    other = gates_of(forms.subtract(_ONE, allowed))
    return None if other is None else Gate(kind="iand", a=other, b=atom)


def _cofactor(form: Form, atom: Atom, value: bool) -> Form:
    replacement = _ONE if value else _NOTHING
    zero = Form(form.shape, {})
    return forms.substitute(form, {atom: forms.add(zero, replacement)})


def _equal(a: Form, b: Form) -> bool:
    return not forms.subtract(a, b).terms
