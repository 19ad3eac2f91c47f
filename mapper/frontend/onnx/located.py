"""Which tensor of a model file holds which value of its graph."""

from collections.abc import Iterable
from dataclasses import dataclass

from mapper.frontend.algebra.forms import Atom, Form
from mapper.ir.core import Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A tensor of the file that a value of the graph can be read off, element by element."""

    tensor: str
    inverted: bool = False
    """It is 1 where the value is 0: a comparison the other way round."""
    offset_terms: Array | None = None
    """Of a batch norm: the magnitudes of the terms that its offset is the sum of, added up. They
    may cancel, and their rounding then costs more than the offset tells. Broadcasts to the value.
    """


def readable(tensors: Iterable[tuple[str, Form]]) -> dict[Atom, Located]:
    """Return the first tensor that holds each atom as it is, or else the first that inverts it."""
    found: dict[Atom, Located] = {}
    for name, form in tensors:
        atom = form.alias
        inverted = None if atom is not None else _inverted(form)
        if atom is not None and (atom not in found or found[atom].inverted):
            found[atom] = Located(tensor=name)
        elif inverted is not None:
            found.setdefault(inverted, Located(tensor=name, inverted=True))
    return found


def _inverted(form: Form) -> Atom | None:
    """Return the spike that a form is 1 minus, or None."""
    if len(form.terms) != 2 or not (form.constant == 1).all():
        return None
    (atom, *others) = form.atoms()
    alone = not others and atom.is_spike and bool((form.coefficient(atom) == -1).all())
    return atom if alone else None
