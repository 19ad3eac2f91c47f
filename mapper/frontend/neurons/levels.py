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
from mapper.frontend.neurons.rows import Part, Row, reaching
from mapper.ir.core import Array
from mapper.ir.levels import RoundedLevels, Rounding

_LOOKED_AT = 8
"""Levels above and below 0 that an update is looked at for; the check on numbers has them all."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Joint:
    """Comparisons that say one level together."""

    rule: ResetRule
    firing: Firing
    row: Row
    """What the others tell of the level that the event of its firing stands for."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class _Row:
    """Thresholds of one membrane, and what is rounded of it within other bounds."""

    event: Counts
    levels: RoundedLevels
    parts: Row

    def outcome(self, form: Form, level: int) -> Form:
        """Return a form for one level."""
        on = {event: float(part.of(level)) for event, part in self.parts.items()}
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
    if len(levels) < 2:
        return None
    row = _row(update, levels, read)
    if row is None:
        return None
    rest = row.outcome(update, 0)
    firing = read_firing(
        row.event, forms.reshape(row.event.level, update.shape), rest, read, "same"
    )
    if firing is None:
        return None
    rule = _reset(row, update, rest, firing)
    return None if rule is None else Joint(rule=rule, firing=firing, row=row.parts)


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


def _row(update: Form, levels: Levels, read: Input) -> _Row | None:
    """Find the one rule that all thresholds follow."""
    pivot: Monomial = frozenset([read])
    counts = [event for event in levels if isinstance(event, Counts)]
    first: Fires | None = widest(counts) if counts else next(iter(levels))
    if first is None:
        return None
    scale = levels[first].terms.get(pivot)
    if scale is None:
        return None
    ref = levels[first]  # thresholds are where what the first one compares or rounds passes them
    starts: dict[Fires, tuple[Array, bool]] = {}
    for event, level in levels.items():
        if pivot not in level.terms or np.any(scale == 0):
            return None
        factor = level.terms[pivot] / scale
        rest = forms.subtract(level, forms.scale(ref, factor))
        if not np.all(factor > 0) or not is_constant(rest, level):
            return None
        starts[event] = (compress(np.asarray(-rest.constant / factor)), event.strict)
    if not isinstance(first, Counts):
        return _row_of_thresholds(ref, starts, update, read)
    parts = parts_of(first, starts)
    if parts is None:
        return None
    return _Row(event=first, levels=levels_of(first), parts=parts)


def widest(counts: Sequence[Counts]) -> Counts | None:
    """Return the count whose bounds are around those of all others; None where there is none."""
    for count in counts:
        low, high = count.wanted
        if all(
            low <= other.wanted[0] and other.wanted[1] <= high and _is_alike(other, count)
            for other in counts
        ):
            return count
    return None


def _is_alike(count: Counts, other: Counts) -> bool:
    return (count.nearest, count.strict) == (other.nearest, other.strict)


def parts_of(count: Counts, starts: Mapping[Fires, tuple[Array, bool]]) -> Row | None:
    """Return what comparisons beside a count tell of its level; None where one tells another.

    Args:
        count: What is rounded, ``starts[count]`` with it.
        starts: Where each begins to be above 0, in what the count rounds, and whether past that
            only.
    """
    levels = levels_of(count)
    parts: dict[Fires, Part] = {}
    for event, (start, past) in starts.items():
        if isinstance(event, Counts):
            if np.any(start != 0) or not _is_alike(event, count):
                return None
            if event is not count:
                parts[event] = Part(low=event.wanted[0], high=event.wanted[1])
            continue
        for level, (at, passed) in enumerate(levels.starts(count.strict), levels.low + 1):
            if passed == past and close(start, np.asarray(at)):
                parts[event] = reaching(level)
        if event not in parts:
            return None
    return parts


def _row_of_thresholds(
    ref: Form, starts: Mapping[Fires, tuple[Array, bool]], update: Form, read: Input
) -> _Row | None:
    """Thresholds in a row, of both signs or of one, are multiples of the first above 0.

    How many of them are on at level 0 is what they all fit.
    """
    ordered = sorted(starts, key=lambda event: float(np.mean(starts[event][0])))
    for below in range(len(ordered)):
        known: dict[Atom, Form] = {
            event: Form(update.shape, {ONE: np.asarray(float(place < below))})
            for place, event in enumerate(ordered)
        }
        rest = forms.substitute(update, known)
        share = np.asarray(rest.coefficient(read))
        if np.any(share == 0):
            continue  # a value is what it is set to there, and not level 0
        offset = np.asarray(rest.constant * ref.coefficient(read) / share - ref.constant)
        measured = {e: (compress(start + offset), past) for e, (start, past) in starts.items()}
        whole = forms.add(ref, forms.of_array(offset))
        if (row := _row_from(ordered, below, measured, whole)) is not None:
            return row
    return None


def _row_from(
    ordered: Sequence[Fires],
    on: int,
    starts: Mapping[Fires, tuple[Array, bool]],
    ref: Form,
) -> _Row | None:
    """Read thresholds of a membrane, of which so many are on at level 0."""
    below, above = ordered[:on], ordered[on:]
    if not all(np.all(starts[event][0] > 0) for event in above):
        return None
    first, past = starts[above[0]]
    ways: tuple[tuple[Rounding, Array, bool], ...] = (
        ("toward-zero", first, past),
        ("half-even", 2 * first, False),
        ("half-up", 2 * first, False),
        ("half-down", 2 * first, True),
    )
    for rounding, unit, strict in ways:
        if rounding in ("half-up", "half-down") and below:
            continue  # which no rounding of a count says
        levels = RoundedLevels(low=-len(below), high=len(above), rounding=rounding)
        wanted = list(levels.starts(strict))
        given = [starts[event] for event in ordered]
        pairs = list(zip(given, wanted, strict=True))
        if all(p == q and close(start, at * unit) for (start, p), (at, q) in pairs):
            parts = {event: reaching(levels.low + 1 + k) for k, event in enumerate(ordered)}
            return _Row(
                event=_event(ordered, ref, unit, levels, strict), levels=levels, parts=parts
            )
    return None


def _event(
    ordered: Sequence[Fires], ref: Form, unit: Array, levels: RoundedLevels, strict: bool
) -> Counts:
    """Make the one event that thresholds in a row are together."""
    first, before = ordered[0], 0.5 if levels.rounding in ("half-up", "half-down") else 0.0
    return Counts(
        name=first.name,
        shape=first.shape,
        type=levels.type,
        loc=first.loc,
        level=forms.add(forms.scale(ref, 1.0 / unit), forms.of_array(np.asarray(before))),
        strict=strict,
        tensor=first.tensor,
        low=levels.low,
        high=levels.high,
        wanted=(levels.low, levels.high),
        nearest=levels.rounding == "half-even",
    )


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
