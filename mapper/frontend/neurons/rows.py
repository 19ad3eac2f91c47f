"""What forms of a neuron's thresholds say of its level, and thresholds that are read alone.

All comparisons of a neuron of several levels follow from its level. What reads them reads the
level, where each step of it counts alike; where one counts more or less than the others, that
threshold is read alone: by a neuron that keeps nothing and compares the level with it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mapper.frontend.algebra.forms import ONE, Atom, Counts, Fires, Form, Monomial
from mapper.frontend.neurons.resets import close
from mapper.ir.core import SPIKE, Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a comparison tells of a level: how far it is between two ends, less ``zero``."""

    low: float
    high: float
    zero: float = 0.0

    def of(self, level: Array | float) -> Array:
        """Return the outcome at a level."""
        return np.asarray(np.clip(level, self.low, self.high) - self.zero)


Row = Mapping[Fires, Part]
"""The comparisons of a neuron: thresholds, and what is rounded within other bounds."""


def reaching(level: int) -> Part:
    """Return what a threshold tells: whether a level is reached."""
    return Part(low=level - 1, high=level, zero=level - 1)


def in_levels(
    form: Form, event: Fires, row: Row, ends: tuple[int, int], alone: Callable[[int], Atom]
) -> Form:
    """Say a form of comparisons in terms of the level, and of thresholds that are read alone.

    Args:
        form: Any form.
        event: Stands for the level.
        row: The other comparisons of the same neuron.
        ends: The lowest and the highest level.
        alone: Returns the atom of a threshold: above 0 of ``level >= k``, below it and at 0 of
            ``level < k``.
    """
    own = {event, *row}
    if own.isdisjoint(row.keys() & set(form.atoms())):
        return form
    kept: dict[Monomial, Array] = {}
    shared: dict[Monomial, list[tuple[Monomial, Array]]] = {}
    for monomial, coefficient in form.terms.items():
        mine = monomial & own
        if mine:
            shared.setdefault(monomial - mine, []).append((mine, coefficient))
        else:
            kept[monomial] = coefficient
    for rest, parts in shared.items():
        for atoms, coefficient in _split(parts, event, row, ends, alone):
            monomial = rest | atoms
            kept[monomial] = kept.get(monomial, np.zeros(())) + coefficient
    return Form(form.shape, {m: c for m, c in kept.items() if np.any(c != 0) or m == ONE})


def _split(
    parts: Sequence[tuple[Monomial, Array]],
    event: Fires,
    row: Row,
    ends: tuple[int, int],
    alone: Callable[[int], Atom],
) -> list[tuple[Monomial, Array]]:
    """Return a function of the level as terms: a constant, the level, and thresholds alone."""
    low, high = ends

    def at(level: int) -> Array:
        known: dict[Atom, Array] = {e: part.of(level) for e, part in row.items()}
        known[event] = np.asarray(float(level))
        terms = (c * np.prod([known[atom] for atom in atoms]) for atoms, c in parts)
        return np.asarray(sum(terms, np.zeros(())))

    values = [at(level) for level in range(low, high + 1)]
    rises = {low + 1 + k: b - a for k, (a, b) in enumerate(pairwise(values))}
    common = _of_most(list(rises.values()))
    found: list[tuple[Monomial, Array]] = [(ONE, values[-low]), (frozenset([event]), common)]
    for level, rise in rises.items():
        if not close(rise, common):
            more = rise - common if level > 0 else common - rise
            found.append((frozenset([alone(level)]), more))
    return [(atoms, coefficient) for atoms, coefficient in found if np.any(coefficient != 0)]


def _of_most(rises: Sequence[Array]) -> Array:
    """Return what more than half of the steps of a level count; 0 where there is no such."""
    for rise in rises:
        if 2 * sum(close(rise, other) for other in rises) > len(rises):
            return rise
    return np.zeros(())


def threshold_event(event: Fires, row: Row, level: int) -> Fires:
    """Return the comparison that says whether a level is reached, or, from 0 down, is not."""
    if level > 0:
        for other, part in row.items():
            if part == reaching(level) and not isinstance(other, Counts):
                return other
    name = f"{event.tensor}.{'reaches' if level > 0 else 'is.below'}.{level}"
    return Fires(
        name=name,
        shape=event.shape,
        type=SPIKE,
        loc=event.loc,
        level=event.level,
        strict=False,
        tensor=name,
    )
