"""Read thresholds and resets off the comparisons of one neuron."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.coefficients import compress
from mapper.frontend.algebra.forms import ONE, Atom, Counts, Fires, Form, Input, Monomial
from mapper.frontend.onnx.refusals import LEVELS_HELP
from mapper.ir.core import Array
from mapper.ir.levels import MOST_SPIKES, ONE_TRAINED_SPIKE, RoundedLevels, Rounding
from mapper.ir.neurons import Phase, ResetKind, ResetPhase

TOLERANCE = 1e-6
"""Relative; parameters are single precision numbers combined by a few operations."""

Levels = Mapping[Fires, Form]
"""What each comparison of a neuron compares with zero."""


class UnfitError(Exception):
    """Why an update is not the canonical neuron."""

    def __init__(self, reason: str, loc: str = "", help: str = "") -> None:
        super().__init__(reason)
        self.loc, self.help = loc, help


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Firing:
    """A comparison as a threshold on the membrane of the step before (``next``) or of this one."""

    event: Fires
    threshold: Array
    strict: bool
    phase: Phase
    levels: RoundedLevels = ONE_TRAINED_SPIKE

    def same_as(self, other: "Firing") -> bool:
        alike = (self.strict, self.levels) == (other.strict, other.levels)
        return alike and close(self.threshold, other.threshold)

    def fired_at(self, membrane: Array) -> Array:
        """Return what neurons give at this membrane, which broadcasts to the threshold."""
        if not self.levels.is_spike:
            return self.levels.of(membrane / self.threshold, self.strict)
        reached = membrane > self.threshold if self.strict else membrane >= self.threshold
        return np.asarray(reached).astype(np.int64)

    def is_quiet_at(self, membrane: Array) -> bool:
        """Say whether no neuron fires at this membrane."""
        return not np.any(self.fired_at(membrane))

    def compared(self, membrane: Form) -> Form:
        """Return what its event compares with zero, or rounds, of another membrane."""
        if self.levels.is_spike:
            return forms.subtract(membrane, forms.of_array(self.threshold))
        return forms.scale(membrane, 1.0 / self.threshold)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class ResetRule:
    """What firing does to the membrane."""

    kind: ResetKind
    amount: Array
    firing: Firing | None
    fired_by: Form
    """The membrane that this step's spike compares with the threshold."""
    rest: Form
    """The membrane where no reset happens."""
    phase: ResetPhase = "same"

    def changed(self, kind: ResetKind, amount: Array) -> "ResetRule":
        return replace(self, kind=kind, amount=amount)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Rewritten:
    """An update and its comparisons, with what had to be assumed to read them."""

    update: Form
    levels: Levels
    echoes: Mapping[Atom, Firing]
    """Inputs read as what the old membrane compares to."""
    starts_below: bool = False
    """No membrane starts where it would fire; none ever gets there again."""


def read_comparisons(
    update: Form, read: Input, levels: Levels, echoes: Mapping[Atom, Fires], used: set[Fires]
) -> Rewritten:
    """Bring an update into terms of one comparison, where that changes nothing."""
    heard = _heard(update, read, levels, echoes)
    return _settled(heard, read, used)


def _heard(update: Form, read: Input, levels: Levels, echoes: Mapping[Atom, Fires]) -> Rewritten:
    """Replace a neuron's own spike of the step before by the comparison it came from.

    Networks written by hand keep the spike to reset with, ``v * (1 - spike)``, instead of
    comparing the old membrane again.
    """
    resets = [atom for atom in update.atoms() if atom in levels]
    for echo in (atom for atom in update.atoms() if echoes.get(atom) in levels):
        event = echoes[echo]
        gates = frozenset([read, echo]) in update.terms
        takes = not resets and bool(np.all(update.coefficient(echo) < 0))
        firing = read_firing(event, levels[event], update, read, "same")
        if firing is None or not (gates or takes):
            continue
        old = firing.compared(forms.of_atom(read, update.shape))
        again = replace(event, level=old, order=forms.next_order())
        replacement: dict[Atom, Form] = {echo: forms.of_atom(again, update.shape)}
        seen = {e: forms.substitute(level, replacement) for e, level in levels.items()}
        return Rewritten(
            update=forms.substitute(update, replacement),
            levels={**seen, again: old},
            echoes={echo: replace(firing, event=again, phase="next")},
        )
    return Rewritten(update=update, levels=levels, echoes={})


def _settled(found: Rewritten, read: Input, used: set[Fires]) -> Rewritten:
    """Drop a comparison of the old membrane that never comes true.

    A neuron that is set below its threshold whenever it fires never starts a step above it.
    """
    inside = [atom for atom in found.update.atoms() if isinstance(atom, Fires)]
    old = forms.of_atom(read, found.update.shape)
    for event in (atom for atom in inside if atom in found.levels and len(inside) > 1):
        before = read_firing(event, found.levels[event], old, read, "next")
        if before is None or event in used:
            continue
        update = with_outcome(found.update, event, 0.0)
        others = ((e, with_outcome(f, event, 0.0)) for e, f in found.levels.items())
        levels = {e: level for e, level in others if e is not event}
        rule = reset_of(update, read, levels)
        if rule.firing is None or not (rule.kind == "value" and rule.firing.same_as(before)):
            continue
        if rule.firing.phase == "same" and before.is_quiet_at(rule.amount):
            return replace(found, update=update, levels=levels, starts_below=True)
    return found


def reset_of(update: Form, read: Input, levels: Levels) -> ResetRule:
    """Return what the one comparison inside an update does to the membrane."""
    inside = [atom for atom in update.atoms() if atom in levels]
    zero = np.zeros(())
    if not inside:
        return ResetRule(kind="none", amount=zero, firing=None, fired_by=update, rest=update)
    if len(inside) > 1:
        raise UnfitError(
            "its reset depends on several comparisons (several spikes a step, or of both signs)",
            inside[-1].loc,
            help=LEVELS_HELP,
        )
    (event,) = inside
    assert isinstance(event, Fires)
    rest, fired = (with_outcome(update, event, value) for value in (0.0, 1.0))
    old = read_firing(event, levels[event], forms.of_atom(read, update.shape), read, "next")
    if old is not None:
        return _delayed_reset(update, rest, fired, old, read)
    new = read_firing(event, levels[event], rest, read, "same")
    if new is not None:
        return _immediate_reset(rest, fired, new)
    guarded = _guarded_reset(rest, fired, event, levels, read)
    if guarded is not None:
        return guarded
    raise UnfitError(_why_unfit(event, levels[event], update, rest, read), event.loc)


def with_outcome(form: Form, event: Atom, value: float) -> Form:
    """Return a form for one outcome of a comparison."""
    return forms.substitute(form, {event: Form(form.shape, {ONE: np.asarray(value)})})


def _immediate_reset(rest: Form, fired: Form, firing: Firing) -> ResetRule:
    rule = ResetRule(kind="none", amount=np.zeros(()), firing=firing, fired_by=rest, rest=rest)
    change = forms.subtract(fired, rest)
    if is_constant(change, rest):
        return replace(rule, kind="subtract", amount=-change.constant)
    if is_constant(fired, rest):
        return replace(rule, kind="value", amount=fired.constant)
    raise UnfitError("its reset is neither a subtraction nor a value", firing.event.loc)


def _guarded_reset(
    rest: Form, fired: Form, event: Fires, levels: Levels, read: Input
) -> ResetRule | None:
    """Read a subtraction whose comparison is that much harder where the old membrane fires."""
    earlier = [atom for atom in levels[event].atoms() if atom in levels and atom is not event]
    if len(earlier) != 1 or not isinstance(earlier[0], Fires):
        return None
    calm, raised = (with_outcome(levels[event], earlier[0], value) for value in (0.0, 1.0))
    old = forms.of_atom(read, rest.shape)
    before = read_firing(earlier[0], levels[earlier[0]], old, read, "next")
    now = read_firing(event, calm, rest, read, "same")
    harder = read_firing(event, raised, rest, read, "same")
    if before is None or now is None or harder is None or not now.same_as(before):
        return None
    rule = _immediate_reset(rest, fired, now)
    if rule.kind != "subtract" or not close(harder.threshold - now.threshold, rule.amount):
        return None
    return replace(rule, phase="guarded")


def _delayed_reset(update: Form, rest: Form, fired: Form, firing: Firing, read: Input) -> ResetRule:
    rule = ResetRule(
        kind="none", amount=np.zeros(()), firing=firing, fired_by=update, rest=rest, phase="next"
    )
    change = forms.subtract(fired, rest)
    if is_constant(change, rest):
        return replace(rule, kind="subtract", amount=-change.constant)
    leak = rest.coefficient(read)
    to_value = forms.add(change, Form(change.shape, {frozenset([read]): leak}))
    if is_constant(to_value, rest) and np.all(leak != 0):
        return replace(rule, kind="value", amount=np.asarray(to_value.constant / leak))
    if is_constant(fired, rest):
        return replace(rule, kind="value", amount=fired.constant, phase="late")
    raise UnfitError("its delayed reset is neither a subtraction nor a value", firing.event.loc)


def all_firings(levels: Levels, rule: ResetRule, read: Input) -> list[Firing]:
    """Read every comparison of a neuron as a threshold; all must be one and the same."""
    found = [] if rule.firing is None else [rule.firing]
    old = forms.of_atom(read, rule.rest.shape)
    for event, level in levels.items():
        if rule.firing is not None and event is rule.firing.event:
            continue
        firing = read_firing(event, level, rule.fired_by, read, "same") or read_firing(
            event, level, old, read, "next"
        )
        if firing is None:
            by = rule.fired_by
            raise UnfitError(_why_unfit(event, level, by, by, read), event.loc)
        if found and not firing.same_as(found[0]):
            raise UnfitError("it fires at more than one threshold", event.loc)
        found.append(firing)
    return found


def _why_unfit(event: Fires, level: Form, update: Form, membrane: Form, read: Input) -> str:
    """Say why a comparison is none of the membrane, or what is added before that is rounded."""
    rest = _beside(level, membrane, read) if isinstance(event, Counts) else None
    if rest is None:
        return _other_level(level, update, read)
    return (
        f"it rounds its membrane with {float(np.mean(rest.constant)):g} of a level added to it, "
        "where 0 may be, or 0.5 to what is rounded down"
    )


def _beside(level: Form, target: Form, read: Input) -> Form | None:
    """Return what is in a level beside a multiple of a membrane: a constant, or None."""
    factor = _factor(level, target, read)
    if factor is None:
        return None
    rest = forms.subtract(level, forms.scale(target, factor))
    return rest if np.all(factor > 0) and is_constant(rest, level) else None


def _factor(level: Form, target: Form, read: Input) -> Array | None:
    """Return how often a level has what moves a membrane."""
    pivot: Monomial = frozenset([read])
    if pivot not in target.terms:
        pivot = next((m for m in target.terms if m != ONE), ONE)
    divisor = target.terms.get(pivot)
    if divisor is None or pivot == ONE or np.any(divisor == 0) or pivot not in level.terms:
        return None
    return np.asarray(level.terms[pivot] / divisor)


def read_firing(
    event: Fires, level: Form, target: Form, read: Input, phase: Phase
) -> Firing | None:
    """Read ``level > 0`` as a threshold on ``target``, where one is a multiple of the other.

    What a count rounds has to be such a multiple, with nothing beside it.
    """
    factor, rest = _factor(level, target, read), _beside(level, target, read)
    if factor is None or rest is None:
        return None
    if isinstance(event, Counts):
        levels = _rounded_with(event, rest.constant)
        if levels is None:
            return None  # rounded with a fraction of a spike before it
        return Firing(
            event=event,
            threshold=compress(np.asarray(1.0 / factor)),
            strict=event.strict and levels.rounding == "toward-zero",
            phase=phase,
            levels=levels,
        )
    threshold = compress(np.asarray(-rest.constant / factor))
    return Firing(event=event, threshold=threshold, strict=event.strict, phase=phase)


def _rounded_with(count: Counts, before: Array) -> RoundedLevels | None:
    """Return the levels of a count of the membrane and what is added before: nothing, or a half.

    A half makes the nearest of what is rounded down, and of whole numbers that are passed the
    nearest with halves downwards. Of anything else there are no levels.
    """
    levels = levels_of(count)
    if np.all(np.abs(before) <= TOLERANCE):
        return levels
    half = bool(np.all(np.abs(before - 0.5) <= TOLERANCE))
    if count.nearest or levels.low or not half:
        return None  # below 0 what is rounded toward zero is not the nearest
    return replace(levels, rounding="half-down" if count.strict else "half-up")


def levels_of(count: Counts) -> RoundedLevels:
    """Return the levels of a count; one without limits has as many as a neuron may have.

    Raises:
        UnfitError: for limits beyond what a neuron may have.
    """
    low, high = (min(max(end, -MOST_SPIKES - 1), MOST_SPIKES + 1) for end in count.wanted)
    if np.isinf(count.wanted).all():
        low, high = -(MOST_SPIKES // 2), MOST_SPIKES // 2
    elif np.isinf(count.wanted[0]):
        low = high - MOST_SPIKES
    elif np.isinf(count.wanted[1]):
        high = low + MOST_SPIKES
    if high - low > MOST_SPIKES or not low <= 0 < high:
        raise UnfitError(_not_held(count), count.loc, _LIMIT_HELP)
    rounding: Rounding = "half-even" if count.nearest else "toward-zero"
    return RoundedLevels(low=int(low), high=int(high), rounding=rounding)


_LIMIT_HELP = f"bound what is rounded, such as Clip(u, 0, D) with D of 1 to {MOST_SPIKES}"


def _not_held(count: Counts) -> str:
    """Say why no neuron has the levels of a count."""
    low, high = (f"{end + 0.0:.0f}" for end in count.wanted)  # no -0
    if count.wanted[1] <= 0:
        return f"it gives {low} to {high} spikes a step, and none above 0"
    return (
        f"it gives {low} to {high} spikes a step, highest less lowest is at most {MOST_SPIKES} "
        "in a neuron"
    )


def spike_phase(spoken: Iterable[Firing]) -> Phase:
    """Say whether the network reads the spikes of this step or of the one before."""
    phases = {f.phase for f in spoken}
    if len(phases) > 1:
        raise UnfitError("the network uses both the spikes of this step and of the one before")
    return phases.pop() if phases else "same"


def _other_level(level: Form, membrane: Form, read: Input) -> str:
    """Say why a comparison is not one of the membrane with a threshold."""
    extra = [a for a in level.atoms() if a not in membrane.atoms() and a is not read]
    foreign = [a.name for a in extra if isinstance(a, Input)]
    if foreign and read not in level.atoms():
        return f"what it compares is a sum of states ({', '.join(foreign)}), not one membrane"
    if foreign:
        return f"its threshold depends on {foreign[0]!r} (adaptive or refractory)"
    if any(isinstance(a, Counts) and read in a.level.atoms() for a in extra):
        return "it rounds its membrane, and compares what its reset leaves of it as well"
    if any(isinstance(a, Counts) for a in (*extra, *membrane.atoms())):
        return "what it rounds is not its membrane potential"
    if any(isinstance(a, Fires) for a in extra):
        return "it fires after a delayed reset, but resets at once"
    return "what it compares is not its membrane potential"


def is_constant(form: Form, like: Form) -> bool:
    """Say whether a form has no atoms, but for rounding beside the terms of ``like``.

    A term that ``like`` has is rounding beside its own coefficient only: next to a leak of 1e30
    an input of 1 would look like nothing, and is all there is while the membrane is zero.
    """
    sizes = {m: float(np.abs(c).max()) for m, c in like.terms.items() if m != ONE}
    scale = max(sizes.values(), default=1.0)
    return all(
        bool(np.all(np.abs(c) <= TOLERANCE * sizes.get(m, scale)))
        for m, c in form.terms.items()
        if m != ONE
    )


def close(a: Array, b: Array) -> bool:
    """Say whether parameters are the same but for rounding."""
    scale = np.maximum(np.abs(a), np.abs(b))
    return bool(np.all(np.abs(a - b) <= TOLERANCE * np.maximum(scale, 1e-12)))
