"""Functions of spikes as gates, and the type that a form has in the graph."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Atom, Form, of_array
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
    """Return what carries a form: spikes, small integers or floats."""
    if (atom := form.alias) is not None:
        return atom.type
    if gates_of(form) is not None:
        return SPIKE
    if (total := count_of(form)) is not None:
        return IntType.spanning(
            sum(atom.type.min for atom in total if isinstance(atom.type, IntType)),
            sum(atom.type.max for atom in total if isinstance(atom.type, IntType)),
        )
    return FLOAT


def count_of(form: Form) -> list[Atom] | None:
    """Return the integer atoms whose plain sum a form is, or None."""
    monomials = list(form.terms)
    if len(monomials) < 2 or any(len(monomial) != 1 for monomial in monomials):
        return None
    if not all(np.all(c == 1) for c in form.terms.values()):
        return None
    atoms = form.atoms()
    return atoms if all(isinstance(atom.type, IntType) for atom in atoms) else None


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
