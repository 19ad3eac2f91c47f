"""Leaks that a model rounds: read as they are without, and checked on numbers as they are with.

Integer networks round what is left of a membrane before they add to it, ``trunc(v * 3681 / 4096)``,
or what is taken of it, ``v - floor(v / 4)``. Either is one rounded atom of the old membrane alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.coefficients import compress
from mapper.frontend.algebra.forms import ONE, Atom, Counts, Form, Input, Shape
from mapper.frontend.neurons.resets import UnfitError
from mapper.frontend.onnx.counting import Floored
from mapper.frontend.onnx.layers import SynapseLayer
from mapper.ir.core import Array
from mapper.ir.leaks import NOT_ROUNDED, LeakRounding, Rounding


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Rounded:
    """What a rounded atom stands for."""

    read: Input
    """The state that it rounds a share of."""
    share: Array
    """Of the state it is rounded from."""
    rounding: Rounding
    cuts: bool
    """The state itself is cut to a whole number before."""


def rounded_shares(all_forms: Iterable[Form], reads: Sequence[Input]) -> dict[Atom, Rounded]:
    """Return the atoms that round a multiple of one state, and nothing else with it."""
    found: dict[Atom, Rounded] = {}
    atoms = {atom for form in all_forms for atom in forms.depends_on(form)}
    for atom in sorted(atoms, key=lambda a: a.order):
        inside = _inside(atom)
        if inside is None or len(inside.terms) != 1:
            continue
        ((monomial, share),) = inside.terms.items()
        alone = next(iter(monomial)) if len(monomial) == 1 else None
        how = _rounding(atom)
        if isinstance(alone, Input) and alone in reads:
            found[atom] = Rounded(read=alone, share=share, rounding=how, cuts=False)
        elif alone in found and np.all(found[alone].share == 1):
            found[atom] = Rounded(read=found[alone].read, share=share, rounding=how, cuts=True)
    return found


def _inside(atom: Atom | None) -> Form | None:
    """Return what is rounded without bounds; None of any other atom."""
    told = isinstance(atom, Counts | Floored) and atom.operands
    return told[0] if told else None


def _rounding(atom: Atom) -> Rounding:
    if isinstance(atom, Counts):
        return "nearest" if atom.nearest else "toward-zero"
    return "floor"


def read_rounding(
    update: Form, read: Input, shares: Mapping[Atom, Rounded], what: str
) -> tuple[Form, LeakRounding, bool]:
    """Read the update of a state as if nothing of that were rounded in it.

    Returns:
        It without rounding, how its leak is rounded, and whether the state is cut to whole numbers
        before.
    """
    own = [atom for atom in update.atoms() if atom in shares and shares[atom].read is read]
    if not own:
        return update, NOT_ROUNDED, False
    whole = [atom for atom in own if np.all(shares[atom].share == 1) and not shares[atom].cuts]
    cut = bool(whole) and len(own) > len(whole)  # an integer, and what its leak takes of it
    if cut:
        state = forms.of_atom(read, update.shape)
        update = forms.substitute(update, dict.fromkeys(whole, state))
        own = [atom for atom in own if atom not in whole]
    (atom, *more) = own
    rounded = shares[atom]
    beside, factor = (compress(update.coefficient(a)) for a in (read, atom))
    plain = unrounded(update, shares)
    kept, taken = bool(np.all(beside == 0)), bool(np.all(beside == 1))
    positive = factor > 0 if kept else factor < 0
    leaks = bool(np.all(plain.coefficient(read) > 0) and np.all(rounded.share > 0))
    if more or factor.ndim or not (kept or taken) or not positive or not leaks:
        raise UnfitError(
            f"it rounds its {what} otherwise than a leak does",
            atom.loc,
            help="round what the leak leaves of the state, or what it takes, to one unit",
        )
    part = "kept" if kept else "taken"
    unit = abs(float(factor))
    how = LeakRounding(unit=unit, rounding=rounded.rounding, part=part)  # type: ignore[arg-type]
    return plain, how, rounded.cuts or cut


def unrounded(form: Form, shares: Mapping[Atom, Rounded]) -> Form:
    """Return a form with the shares of states that are rounded in it as they are without."""
    plain = {
        atom: forms.scale(forms.of_atom(rounded.read, form.shape), rounded.share)
        for atom, rounded in shares.items()
    }
    return forms.substitute(form, plain)


def check_whole(drive: Form, gain: Array, bias: Array, unit: float, loc: str) -> None:
    """Refuse a membrane that is cut to whole numbers and need not be one.

    It is one where all that is added to it is: whole weights times whole inputs.
    """
    whole = [np.asarray(bias)]
    for monomial, coefficient in drive.terms.items():
        layers = [atom for atom in monomial if not atom.is_spike]
        factor = coefficient * gain
        if monomial == ONE or not layers:
            whole.append(factor)
        elif len(layers) == 1 and isinstance(layer := layers[0], SynapseLayer) and not factor.ndim:
            whole.append(factor * _reals(layer))
            whole += [] if layer.bias is None else [factor * layer.bias]
        else:
            whole.append(np.full((), np.nan))
    if not all(bool(np.all(part / unit == np.rint(part / unit))) for part in whole):
        raise _not_whole(loc)


def check_whole_current(factor: Array, current: LeakRounding, unit: float, loc: str) -> None:
    """Refuse a membrane that is cut and takes ``factor`` times a current that need not be whole."""
    added = factor * current.unit / unit
    if not current.unit or not np.all(added == np.rint(added)):
        raise _not_whole(loc)


def _not_whole(loc: str) -> UnfitError:
    return UnfitError(
        "its membrane is cut to a whole number, but what is added to it is none",
        loc,
        help="let weights, biases and thresholds be whole numbers, or leave the cast out",
    )


def _reals(layer: SynapseLayer) -> Array:
    """Return weights, or the steps that their codes count: one is whole where the other is."""
    return layer.weights.array if layer.weights.step is None else layer.weights.step


def edges_of(how: LeakRounding, leak: Array, v: Array, shape: Shape) -> Array:
    """Say where what a leak rounds is so near an edge that its product's own rounding decides.

    At an edge itself, where states are whole, it does not: such products are exact.

    Args:
        how: How it is rounded.
        leak: Of the shape of ``v``, or one number.
        v: The state.
        shape: Of the result.
    """
    if not how.unit:
        return np.zeros(shape, dtype=bool)
    steps = how.steps(leak, v)
    edge = steps - 0.5 if how.rounding == "nearest" else steps
    apart = np.abs(edge - np.rint(edge))
    return np.asarray(((apart > 0) & (apart <= _NEAR * np.abs(steps))).reshape(shape))


_NEAR = 2.0**-21
"""Relative: some roundings of single precision."""
