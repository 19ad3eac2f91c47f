"""Several comparisons of one membrane, read as the levels of one neuron.

A neuron that gives several spikes a step compares its membrane with a row of thresholds, or rounds
it. Which of these are on follows from the level alone, so an update is looked at level by level.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.coefficients import compress
from mapper.frontend.algebra.forms import ONE, Atom, Counts, Fires, Form, Input, Monomial
from mapper.frontend.neurons.resets import (
    Firing,
    Levels,
    ResetRule,
    close,
    is_constant,
    levels_of,
    read_firing,
)
from mapper.ir.core import Array
from mapper.ir.levels import RoundedLevels

_LOOKED_AT = 8
"""Levels above and below 0 that an update is looked at for; the check on numbers has them all."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Joint:
    """Comparisons that say one level together."""

    rule: ResetRule
    firing: Firing
    told: Mapping[Atom, Form]
    """Comparisons in terms of the level; those that need one another are told by one of them."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class _Row:
    """Thresholds of one membrane: each ``least[event]`` and what is above it turns it on."""

    event: Counts
    levels: RoundedLevels
    least: Mapping[Fires, int]

    def outcome(self, form: Form, level: int) -> Form:
        """Return a form for one level."""
        on = {event: float(level >= least) for event, least in self.least.items()}
        on[self.event] = float(level)
        known: dict[Atom, Form] = {
            event: Form(form.shape, {ONE: np.asarray(value)}) for event, value in on.items()
        }
        return forms.substitute(form, known)


def joint_of(update: Form, read: Input, levels: Levels) -> Joint | None:
    """Return what several comparisons of the new membrane do together; None where they do not.

    Args:
        update: The next membrane.
        read: The membrane before.
        levels: What each comparison of the neuron compares with zero, or rounds.
    """
    plain = [event for event in levels if not isinstance(event, Counts)]
    if len(levels) < 2 or not plain:
        return None
    row = _row(update.shape, levels, read)
    if row is None:
        return None
    rest = row.outcome(update, 0)
    firing = read_firing(
        row.event, forms.reshape(row.event.level, update.shape), rest, read, "same"
    )
    if firing is None:
        return None
    rule = _reset(row, update, rest, firing)
    return None if rule is None else Joint(rule=rule, firing=firing, told=_told(row, update.shape))


def unlimited(firing: Firing | None) -> Iterator[str]:
    """Say which limits a neuron gets that the model has none of."""
    if firing is None or not isinstance(firing.event, Counts):
        return
    event, levels = firing.event, firing.levels
    if not np.isfinite(event.wanted).all():
        yield (
            f"{event.tensor!r} is rounded without a limit: {levels.low} to {levels.high} spikes a "
            "step are held, and results differ where the model gives more"
        )


def _row(shape: forms.Shape, levels: Levels, read: Input) -> _Row | None:
    """Find the one rule that all thresholds follow."""
    counts = [event for event in levels if isinstance(event, Counts)]
    pivot: Monomial = frozenset([read])
    first = counts[0] if counts else next(iter(levels))
    scale = levels[first].terms.get(pivot)
    if scale is None or len(counts) > 1:
        return None
    ref = Form(shape, {m: c for m, c in levels[first].terms.items() if m != ONE})
    starts: dict[Fires, tuple[Array, bool]] = {}
    for event, level in levels.items():
        if pivot not in level.terms or np.any(scale == 0):
            return None
        factor = level.terms[pivot] / scale
        rest = forms.subtract(level, forms.scale(ref, factor))
        if not np.all(factor > 0) or not is_constant(rest, level):
            return None
        starts[event] = (compress(np.asarray(-rest.constant / factor)), event.strict)
    if counts:
        return _row_of_count(counts[0], starts)
    return _row_of_thresholds(ref, starts)


def _row_of_count(count: Counts, starts: Mapping[Fires, tuple[Array, bool]]) -> _Row | None:
    """Thresholds beside what is rounded are where some of its levels begin."""
    if np.any(starts[count][0] != 0):
        return None
    levels = levels_of(count)
    least: dict[Fires, int] = {}
    for event, (start, past) in starts.items():
        if event is count:
            continue
        for level, (at, passed) in enumerate(levels.starts(False), levels.low + 1):
            if passed == past and close(start, np.asarray(at)):
                least[event] = level
        if event not in least:
            return None
    return _Row(event=count, levels=levels, least=least)


def _row_of_thresholds(ref: Form, starts: Mapping[Fires, tuple[Array, bool]]) -> _Row | None:
    """Thresholds in a row, of both signs or of one, are multiples of the first above 0."""
    ordered = sorted(starts, key=lambda event: float(np.mean(starts[event][0])))
    above = [event for event in ordered if np.all(starts[event][0] > 0)]
    below = [event for event in ordered if np.all(starts[event][0] < 0)]
    if not above or len(above) + len(below) < len(ordered):
        return None
    first, past = starts[above[0]]
    for rounding, unit, strict in (("toward-zero", first, past), ("half-even", 2 * first, False)):
        levels = RoundedLevels(low=-len(below), high=len(above), rounding=rounding)  # type: ignore[arg-type]
        wanted = list(levels.starts(strict))
        given = [starts[event] for event in ordered]
        pairs = list(zip(given, wanted, strict=True))
        if all(p == q and close(start, at * unit) for (start, p), (at, q) in pairs):
            least = {event: levels.low + 1 + k for k, event in enumerate(ordered)}
            return _Row(
                event=_event(ordered, ref, unit, levels, strict), levels=levels, least=least
            )
    return None


def _event(
    ordered: Sequence[Fires], ref: Form, unit: Array, levels: RoundedLevels, strict: bool
) -> Counts:
    """Make the one event that thresholds in a row are together."""
    first = ordered[0]
    return Counts(
        name=first.name,
        shape=first.shape,
        type=levels.type,
        loc=first.loc,
        level=forms.scale(ref, 1.0 / unit),
        strict=strict,
        tensor=first.tensor,
        low=levels.low,
        high=levels.high,
        wanted=(levels.low, levels.high),
        nearest=levels.rounding == "half-even",
    )


def _told(row: _Row, shape: forms.Shape) -> dict[Atom, Form]:
    """Say the lowest threshold by the level and the others, so that sums of all say the level."""
    if len(row.least) < row.levels.thresholds:
        return {}
    lowest, *others = sorted(row.least, key=lambda event: row.least[event])
    told = forms.of_atom(row.event, shape)
    told = forms.subtract(told, forms.of_array(np.full((), float(row.levels.low))))
    for event in others:
        told = forms.subtract(told, forms.of_atom(event, shape))
    return {lowest: told}


def _reset(row: _Row, update: Form, rest: Form, firing: Firing) -> ResetRule | None:
    """Read what every level does to the membrane; None where they do not do the same."""
    low, high = max(row.levels.low, -_LOOKED_AT), min(row.levels.high, _LOOKED_AT)
    at = {level: row.outcome(update, level) for level in range(low, high + 1) if level}
    changes = {level: forms.subtract(form, rest) for level, form in at.items()}
    zero = np.zeros(())
    none = ResetRule(kind="none", amount=zero, firing=firing, fired_by=rest, rest=rest)
    if all(is_constant(change, rest) for change in changes.values()):
        each = [np.asarray(-change.constant / level) for level, change in changes.items()]
        if all(close(amount, each[0]) for amount in each):
            return none.changed("subtract", each[-1]) if np.any(each[-1]) else none
    if all(is_constant(form, rest) for form in at.values()):
        values = [form.constant for form in at.values()]
        if all(close(value, values[0]) for value in values):
            return none.changed("value", values[0])
    return None
