"""The comparisons of a model: each is one atom that is 0 or 1."""

import numpy as np

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import (
    Atom,
    Counts,
    Fires,
    Form,
    Input,
    Magnitude,
    Monomial,
    NotAffineError,
    Shape,
    of_array,
)
from mapper.ir.core import SPIKE, Array, IntType
from mapper.ir.levels import MOST_SPIKES, Rounding, start_of


class Comparisons:
    """Every comparison of the model that depends on more than spikes, each once."""

    def __init__(self) -> None:
        self.all: list[Fires] = []
        self._by_key: dict[object, Fires] = {}

    def above_zero(self, level: Form, strict: bool, *, name: str, shape: Shape, loc: str) -> Form:
        """Return the form of ``level > 0`` (``level >= 0`` where not ``strict``).

        Args:
            level: What is compared.
            strict: A level of exactly 0 is not above.
            name: The model's tensor that holds the outcome.
            shape: Of ``level``, without the batch axis.
            loc: The node that compares.
        """
        if forms.of_spikes(level):
            return forms.of_function(lambda v: v > 0 if strict else v >= 0, [level])
        if isinstance(count := _count_in(level), Counts) and not count.operands:
            return self._count_above(count, level, strict, loc)
        if isinstance(count, Magnitude):
            return self._far_from_zero(count, level, strict, name=name, shape=shape, loc=loc)
        if _falls(level):
            above = self.above_zero(
                forms.negate(level), not strict, name=name, shape=shape, loc=loc
            )
            return forms.subtract(of_array(np.ones(())), above)
        key = (forms.key_of(level), strict)
        fires = self._by_key.get(key)
        if fires is None:
            fires = Fires(
                name=name,
                shape=shape,
                type=SPIKE,
                loc=loc,
                level=level,
                strict=strict,
                tensor=name,
            )
            self._by_key[key] = fires
            self.all.append(fires)
        return forms.of_atom(fires, level.shape)

    def _far_from_zero(
        self, size: Magnitude, level: Form, strict: bool, *, name: str, shape: Shape, loc: str
    ) -> Form:
        """Compare how far something is from 0: one of both signs reaches that, or passes it."""
        factor, (inside,) = level.coefficient(size), size.operands
        if np.all(factor < 0):
            negated = forms.negate(level)
            far = self._far_from_zero(size, negated, not strict, name=name, shape=shape, loc=loc)
            return forms.subtract(of_array(np.ones(())), far)
        least = -level.constant / factor
        if not np.all(factor > 0) or not (np.all(least > 0) or least.ndim == 0):
            raise NotAffineError("compares how far numbers are from 0 with one for each neuron")
        if np.all(least < 0) or (np.all(least == 0) and not strict):
            return Form(level.shape, {forms.ONE: np.ones(())})
        inside = forms.reshape(inside, level.shape)
        ways = (inside, forms.negate(inside))
        above, below = (
            self.above_zero(
                forms.subtract(way, of_array(least)), strict, name=name, shape=shape, loc=loc
            )
            for way in ways
        )
        return forms.add(above, below)

    def _count_above(self, count: Counts, level: Form, strict: bool, loc: str) -> Form:
        """Compare a count with a number: its level reaches, or passes, where the count begins."""
        factor, offset = level.coefficient(count), level.constant
        if np.all(factor < 0):
            above = self._count_above(count, forms.negate(level), not strict, loc)
            return forms.subtract(of_array(np.ones(())), above)
        bound = -offset / factor
        least = np.floor(bound) + 1 if strict else np.ceil(bound)
        if least.ndim or not np.all(factor > 0):
            raise NotAffineError("compares counts with a number for each neuron")
        low, high = count.wanted
        if not low < least <= high:
            return Form(level.shape, {forms.ONE: np.asarray(float(least <= low))})
        rounding: Rounding = "half-even" if count.nearest else "toward-zero"
        start, past = start_of(int(least), rounding, strict=count.strict)
        reached = forms.subtract(
            forms.reshape(count.level, level.shape), of_array(np.asarray(start))
        )
        name = f"{count.tensor}.reaches.{int(least)}"  # of no tensor that there is
        return self.above_zero(reached, past, name=name, shape=count.shape, loc=loc)

    def counted(
        self,
        level: Form,
        ends: tuple[float, float],
        nearest: bool,
        *,
        name: str,
        shape: Shape,
        loc: str,
        strict: bool = False,
    ) -> Form:
        """Return the form of ``level`` rounded to a whole number, within ``ends``.

        Args:
            level: What is rounded.
            ends: The lowest and the highest number; infinite where there is none.
            nearest: To the nearest, of two to the even one; toward zero else.
            name: The model's tensor that holds the number.
            shape: Of ``level``, without the batch axis.
            loc: The node that rounds.
            strict: A whole number is passed, and not reached; the lowest is 0 then.
        """
        low, high = ends
        if low == high == 0:
            return Form(level.shape, {})
        if low == 0 and high == 1:
            half = forms.subtract(level, of_array(np.asarray(0.5 if nearest else 1.0)))
            return self.above_zero(half, nearest or strict, name=name, shape=shape, loc=loc)
        key = (forms.key_of(level), *ends, nearest, strict)
        count = self._by_key.get(key)
        if not isinstance(count, Counts):
            whole = int(max(low, -MOST_SPIKES)), int(min(high, MOST_SPIKES))
            above = None
            if low < 0 < high:
                held = self.counted(level, (0, high), nearest, name=name, shape=shape, loc=loc)
                above = held.alias if isinstance(held.alias, Fires) else None
            count = Counts(
                name=name,
                shape=shape,
                type=IntType.spanning(*whole),
                loc=loc,
                level=level,
                strict=strict,
                tensor=name,
                low=whole[0],
                high=whole[1],
                wanted=ends,
                nearest=nearest,
                above=above,
                operands=(level,) if _is_share(level, ends) else (),
            )
            self._by_key[key] = count
            self.all.append(count)
        return forms.of_atom(count, level.shape)


def nested(form: Form) -> Form:
    """Return a form in which no two comparisons of one number multiply each other.

    Where the number passes the higher of two thresholds it has passed the lower one, and where it
    counts anything it has passed all below its first level.
    """
    if not any(sum(isinstance(a, Fires) for a in m) > 1 for m in form.terms):
        return form
    terms: dict[Monomial, Array] = {}
    for monomial, coefficient in form.terms.items():
        least = monomial - _passed(monomial)
        terms[least] = terms.get(least, np.zeros(())) + coefficient
    return Form(form.shape, {m: c for m, c in terms.items() if np.any(c != 0) or m == forms.ONE})


def _passed(monomial: Monomial) -> set[Atom]:
    """Return thresholds in a product that lie below others of the same number."""
    rows: dict[object, list[Fires]] = {}
    for atom in sorted(monomial, key=lambda atom: atom.order):
        if isinstance(atom, Fires) and not (isinstance(atom, Counts) and atom.wanted[0] < 0):
            moving = forms.subtract(atom.level, of_array(atom.level.constant))
            rows.setdefault(forms.key_of(moving), []).append(atom)
    passed: set[Atom] = set()
    for row in rows.values():
        counts = [event for event in row if isinstance(event, Counts)]
        highest = max(counts or row, key=_highest)
        passed |= {event for event in row if event not in counts and _below(event, highest)}
    return passed


def _highest(event: Fires) -> tuple[float, bool]:
    """Return what thresholds are ordered by."""
    start, past = _begins(event)
    return float(np.max(start)), past


def _below(event: Fires, other: Fires) -> bool:
    """Say whether a comparison is on wherever another one, of the same number, is."""
    (start, strict), (at, past) = _begins(event), _begins(other)
    alike = (start == at) & (past or not strict)
    return event is not other and bool(np.all((start < at) | alike))


def _begins(event: Fires) -> tuple[Array, bool]:
    """Return where a comparison comes on, in what moves it, and whether past that only."""
    start, past = 0.0, event.strict
    if isinstance(event, Counts):
        start, past = start_of(1, "half-even" if event.nearest else "toward-zero", past)
    return np.asarray(start - event.level.constant), past


def _count_in(level: Form) -> Atom | None:
    """Return the count that a level is a multiple of, but for a constant."""
    (monomial, *more) = [m for m in level.terms if m != forms.ONE] or [forms.ONE]
    return next(iter(monomial)) if not more and len(monomial) == 1 else None


def _is_share(level: Form, ends: tuple[float, float]) -> bool:
    """Say whether a level is one state times a number, or that rounded, and has no bounds."""
    of = _count_in(level)
    return (
        of is not None
        and _is_of_state(of)
        and forms.ONE not in level.terms
        and ends == (-np.inf, np.inf)
    )


def _is_of_state(atom: Atom) -> bool:
    """Say whether an atom is a state, or a share of one that is rounded."""
    return isinstance(atom, Input) or (isinstance(atom, Counts) and bool(atom.operands))


def _falls(level: Form) -> bool:
    """Say whether a level sinks as the state rises: then not firing is what it compares."""
    direct = [
        float(np.mean(coefficient))
        for monomial, coefficient in level.terms.items()
        if len(monomial) == 1 and _is_of_state(next(iter(monomial)))
    ]
    return sum(direct) < 0
