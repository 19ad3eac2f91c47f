"""Read a neuron's parameters off the forms of its next states.

With every comparison a spike ``s`` and everything else affine, the next membrane is
``v' = A + s*B``. ``A`` says leak, gain and bias; what ``s`` compares says the threshold and
whether the old or the new membrane fires; ``B`` says the reset. Whatever is left over is a
reason to refuse.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mapper.frontend import forms
from mapper.frontend.elementwise import REASONS, reason_for
from mapper.frontend.forms import ONE, Atom, Clamp, Fires, Form, Input, Monomial, Opaque, Shape
from mapper.ir.core import Array
from mapper.ir.neurons import Phase, ResetKind

TOLERANCE = 1e-6
"""Relative; parameters are single precision numbers combined by a few operations."""


class UnfitError(Exception):
    """Why an update is not the canonical neuron."""

    def __init__(self, reason: str, loc: str = "") -> None:
        super().__init__(reason)
        self.loc = loc


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Pair:
    """A state: what is read, what the model returns for it, and what that computes."""

    read: Input
    output: str
    form: Form
    after: Atom
    """Stands for the next state where other nodes read it."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Fitted:
    """A neuron in canonical form; arrays broadcast to ``shape`` (the model's, with batch axis)."""

    shape: Shape
    membrane: Pair
    current: Pair | None
    drive: Form
    leak: Array
    gain: Array
    bias: Array
    current_leak: Array
    current_input: Array
    current_gain: Array
    firing: "Firing | None"
    reset: ResetKind = "none"
    amount: Array
    reset_phase: Phase = "same"
    spike_phase: Phase = "same"
    floor: Array | None = None
    events: frozenset[Fires]
    """Comparisons that are this neuron's."""
    loc: str


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Firing:
    """A comparison as a threshold on the membrane before (``next``) or in this step."""

    event: Fires
    threshold: Array
    strict: bool
    phase: Phase

    def same_as(self, other: "Firing") -> bool:
        return self.strict == other.strict and _close(self.threshold, other.threshold)


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class _Reset:
    kind: ResetKind
    amount: Array
    firing: Firing | None
    fired_by: Form
    """The membrane that this step's spike compares with the threshold."""
    rest: Form
    """The membrane where no reset happens."""


def fit(
    pairs: Sequence[Pair],
    comparisons: Iterable[Fires],
    used: set[Fires],
    echoes: Mapping[Atom, Fires],
) -> Fitted:
    """Return the neuron with these states; raise ``UnfitError`` if it is none.

    Args:
        pairs: One state, or two: a membrane and its synaptic current.
        comparisons: Those of the model.
        used: Comparisons whose outcome the rest of the network reads.
        echoes: Inputs that hold the outcome of a comparison in the step before.
    """
    shape = pairs[0].form.shape
    reads = [pair.read for pair in pairs]
    own = [c for c in comparisons if _touches(c.level, reads)]
    _refuse_opaque([pair.form for pair in pairs] + [c.level for c in own], reads)
    membrane, current = _roles(pairs, own)
    update, floor = _without_clamp(membrane.form)
    levels = {c: _without_clamps(forms.reshape(c.level, shape)) for c in own}
    update, levels = _heard(update, membrane.read, levels, echoes)
    reset = _reset_of(update, membrane.read, levels)
    firings = _firings(levels, reset, membrane.read, used)
    leak = reset.rest.coefficient(membrane.read)
    drive, gains = _drive(reset.rest, membrane, current)
    if not drive.terms:
        raise UnfitError("nothing drives it")
    spoken = [f for f in firings if f.event in used]
    firing = next(iter(spoken or firings), None)
    loc = firing.event.loc if firing else membrane.read.loc
    return Fitted(
        shape=shape,
        membrane=membrane,
        current=current,
        drive=drive,
        leak=leak,
        gain=gains.gain,
        bias=gains.bias,
        current_leak=gains.current_leak,
        current_input=gains.current_input,
        current_gain=gains.current_gain,
        firing=firing,
        reset=reset.kind,
        amount=reset.amount,
        reset_phase="same" if reset.firing is None else reset.firing.phase,
        spike_phase=_spike_phase(spoken),
        floor=floor,
        events=frozenset(levels),
        loc=loc,
    )


def _touches(form: Form, reads: Sequence[Input]) -> bool:
    return any(atom in reads for atom in forms.depends_on(form))


def _refuse_opaque(all_forms: Sequence[Form], reads: Sequence[Input]) -> None:
    """Refuse the first node of an update that no form can say."""
    found = {a for form in all_forms for a in forms.depends_on(form) if isinstance(a, Opaque)}
    own = [a for a in found if not a.operands or any(_touches(f, reads) for f in a.operands)]
    if own:
        first = min(own, key=lambda atom: (atom.op not in REASONS, atom.order))
        raise UnfitError(reason_for(first.op, first.reason), first.loc)


def _roles(pairs: Sequence[Pair], own: Sequence[Fires]) -> tuple[Pair, Pair | None]:
    """Say which state is the membrane and which its synaptic current."""
    if len(pairs) > 2:
        names = ", ".join(pair.read.name for pair in pairs)
        raise UnfitError(f"it has {len(pairs)} states ({names}), at most two are read")
    if len(pairs) == 1:
        return pairs[0], None
    first, second = pairs
    for membrane, current in ((first, second), (second, first)):
        atoms = current.form.atoms()
        if membrane.read not in atoms and not any(atom in own for atom in atoms):
            return membrane, current
    raise UnfitError(
        f"its states {first.read.name!r} and {second.read.name!r} depend on each other "
        "(an adaptive threshold, or a resonator)"
    )


def _without_clamp(form: Form) -> tuple[Form, Array | None]:
    """Split a lower bound off the end of an update."""
    clamps = [atom for atom in form.atoms() if isinstance(atom, Clamp)]
    if not clamps:
        return form, None
    clamp = clamps[0]
    factor = form.coefficient(clamp)
    if len(clamps) > 1 or not np.all(factor > 0):
        raise UnfitError("its membrane is bounded from above", clamp.loc)
    floor = factor * clamp.bound + form.constant
    inside = forms.substitute(form, {clamp: clamp.inside})
    if any(isinstance(atom, Clamp) for atom in inside.atoms()):
        raise UnfitError("its membrane is bounded more than once", clamp.loc)
    return inside, floor


def _without_clamps(form: Form) -> Form:
    """Read a comparison as if the membrane were not bounded below; validation has the last word."""
    clamps: dict[Atom, Form] = {a: a.inside for a in form.atoms() if isinstance(a, Clamp)}
    return forms.substitute(form, clamps) if clamps else form


def _heard(
    update: Form, read: Input, levels: dict[Fires, Form], echoes: Mapping[Atom, Fires]
) -> tuple[Form, dict[Fires, Form]]:
    """Replace a neuron's own spike of the step before by the comparison it came from.

    Networks written by hand keep the spike to reset with, ``v * (1 - spike)``, instead of
    comparing the old membrane again.
    """
    resets = [atom for atom in update.atoms() if atom in levels]
    for echo in (atom for atom in update.atoms() if echoes.get(atom) in levels):
        gates = frozenset([read, echo]) in update.terms
        takes = not resets and np.all(update.coefficient(echo) < 0)
        firing = _firing(echoes[echo], levels[echoes[echo]], update, read, "same")
        if firing is None or not (gates or takes):
            continue
        old = forms.subtract(forms.of_atom(read, update.shape), forms.of_array(firing.threshold))
        again = replace(firing.event, level=old, order=forms.next_order())
        replacement = {echo: forms.of_atom(again, update.shape)}
        levels = {e: forms.substitute(level, replacement) for e, level in levels.items()}
        return forms.substitute(update, replacement), {**levels, again: old}
    return update, levels


def _reset_of(update: Form, read: Input, levels: dict[Fires, Form]) -> _Reset:
    shape = update.shape
    inside = [atom for atom in update.atoms() if atom in levels]
    zero = np.zeros(())
    if not inside:
        return _Reset(kind="none", amount=zero, firing=None, fired_by=update, rest=update)
    if len(inside) > 1:
        raise UnfitError("its reset depends on several comparisons", inside[-1].loc)
    (event,) = inside
    assert isinstance(event, Fires)
    rest, fired = (_with(update, event, value) for value in (0.0, 1.0))
    old = _firing(event, levels[event], forms.of_atom(read, shape), read, "next")
    if old is not None:
        return _delayed_reset(update, rest, fired, old, read)
    new = _firing(event, levels[event], rest, read, "same")
    if new is not None:
        return _immediate_reset(rest, fired, new)
    raise UnfitError(_other_level(levels[event], update, read), event.loc)


def _with(form: Form, event: Atom, value: float) -> Form:
    return forms.substitute(form, {event: Form(form.shape, {ONE: np.asarray(value)})})


def _immediate_reset(rest: Form, fired: Form, firing: Firing) -> _Reset:
    change = forms.subtract(fired, rest)
    if _is_constant(change, rest):
        return _Reset(
            kind="subtract", amount=-change.constant, firing=firing, fired_by=rest, rest=rest
        )
    if _is_constant(fired, rest):
        return _Reset(kind="value", amount=fired.constant, firing=firing, fired_by=rest, rest=rest)
    raise UnfitError("its reset is neither a subtraction nor a value", firing.event.loc)


def _delayed_reset(update: Form, rest: Form, fired: Form, firing: Firing, read: Input) -> _Reset:
    change = forms.subtract(fired, rest)
    parts = {"firing": firing, "fired_by": update, "rest": rest}
    if _is_constant(change, rest):
        return _Reset(kind="subtract", amount=-change.constant, **parts)  # type: ignore[arg-type]
    leak = rest.coefficient(read)
    to_value = forms.add(change, Form(change.shape, {frozenset([read]): leak}))
    if _is_constant(to_value, rest) and np.all(leak != 0):
        return _Reset(kind="value", amount=to_value.constant / leak, **parts)  # type: ignore[arg-type]
    if _is_constant(fired, rest):
        raise UnfitError(
            "a spike of the step before wipes out this step's input as well", firing.event.loc
        )
    raise UnfitError("its delayed reset is neither a subtraction nor a value", firing.event.loc)


def _firings(
    levels: dict[Fires, Form], reset: _Reset, read: Input, used: set[Fires]
) -> list[Firing]:
    """Read every comparison as a threshold; all must be one and the same."""
    found = [] if reset.firing is None else [reset.firing]
    old = forms.of_atom(read, reset.rest.shape)
    for event, level in levels.items():
        if reset.firing is not None and event is reset.firing.event:
            continue
        firing = _firing(event, level, reset.fired_by, read, "same") or _firing(
            event, level, old, read, "next"
        )
        if firing is None:
            raise UnfitError(_other_level(level, reset.fired_by, read), event.loc)
        if found and not firing.same_as(found[0]):
            raise UnfitError("it fires at more than one threshold", event.loc)
        found.append(firing)
    return found


def _firing(event: Fires, level: Form, target: Form, read: Input, phase: Phase) -> Firing | None:
    """Read ``level > 0`` as a threshold on ``target``, where one is a multiple of the other."""
    pivot: Monomial = frozenset([read])
    if pivot not in target.terms:
        pivot = next((m for m in target.terms if m != ONE), ONE)
    divisor = target.terms.get(pivot)
    if divisor is None or pivot == ONE or np.any(divisor == 0) or pivot not in level.terms:
        return None
    factor = level.terms[pivot] / divisor
    rest = forms.subtract(level, forms.scale(target, factor))
    if not np.all(factor > 0) or not _is_constant(rest, level):
        return None
    threshold = forms.compress(-rest.constant / factor)
    return Firing(event=event, threshold=threshold, strict=event.strict, phase=phase)


def _spike_phase(spoken: Sequence[Firing]) -> Phase:
    phases = {f.phase for f in spoken}
    if len(phases) > 1:
        raise UnfitError("the network reads both the spikes of this step and of the one before")
    return phases.pop() if phases else "same"


def _other_level(level: Form, membrane: Form, read: Input) -> str:
    """Say why a comparison is not one of the membrane with a threshold."""
    extra = [a for a in level.atoms() if a not in membrane.atoms() and a is not read]
    foreign = [a.name for a in extra if isinstance(a, Input)]
    if foreign:
        return f"its threshold depends on {foreign[0]!r} (adaptive or refractory)"
    if any(isinstance(a, Fires) for a in extra):
        return "it fires after a delayed reset, but resets at once"
    return "what it compares is not its membrane potential"


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class _Gains:
    gain: Array
    bias: Array
    current_leak: Array
    current_input: Array
    current_gain: Array


def _drive(rest: Form, membrane: Pair, current: Pair | None) -> tuple[Form, _Gains]:
    """Split an update into its states and one drive common to both of them."""
    states = {membrane.read, *([] if current is None else [current.read])}
    into_v = _others(rest, states, membrane)
    zero = np.zeros(())
    if current is None:
        gain = _common_factor(into_v)
        drive = forms.scale(into_v, 1.0 / gain)
        return drive, _Gains(
            gain=gain, bias=rest.constant, current_leak=zero, current_input=zero, current_gain=zero
        )
    into_i = _others(current.form, states, current)
    factor = _common_factor(into_i if into_i.terms else into_v)
    drive = forms.scale(into_i if into_i.terms else into_v, 1.0 / factor)
    offset = current.form.constant
    if np.any(offset != 0):
        drive = forms.add(drive, forms.of_array(np.asarray(offset / factor)))
    gain = _ratio(into_v, drive)
    return drive, _Gains(
        gain=gain,
        bias=forms.compress(np.asarray(rest.constant - gain * drive.constant)),
        current_leak=current.form.coefficient(current.read),
        current_input=factor if into_i.terms else zero,
        current_gain=rest.coefficient(current.read),
    )


def _others(form: Form, states: set[Input], pair: Pair) -> Form:
    """Return the terms without states; refuse products of a state and anything else."""
    kept: dict[Monomial, Array] = {}
    for monomial, coefficient in form.terms.items():
        touched = [atom for atom in monomial if atom in states]
        if not touched and monomial != ONE:
            kept[monomial] = coefficient
        elif len(monomial) > 1:
            other = next(atom for atom in monomial if atom is not touched[0])
            raise UnfitError(f"it multiplies its state by {other.name!r}", pair.read.loc)
    return Form(form.shape, kept)


def _common_factor(form: Form) -> Array:
    """Return the factor that leaves most terms with 1: that of the oldest single atom."""
    singles = [m for m in form.terms if len(m) == 1]
    for monomial in sorted(singles, key=lambda m: next(iter(m)).order):
        factor = form.terms[monomial]
        if (factor.ndim == 0 or len(form.terms) == 1) and np.all(factor != 0):
            return factor
    return np.ones(())


def _ratio(form: Form, drive: Form) -> Array:
    """Return the gain with which ``drive`` makes up ``form``."""
    if not form.terms:
        return np.zeros(())
    monomial = next(iter(form.terms))
    other = drive.terms.get(monomial)
    if other is None or np.any(other == 0):
        raise UnfitError("its membrane and its current are driven by different inputs")
    gain = forms.compress(np.asarray(form.terms[monomial] / other))
    left = forms.subtract(form, forms.scale(drive, gain))
    if not _is_constant(left, form):
        raise UnfitError("its membrane and its current are driven by different inputs")
    return gain


def _is_constant(form: Form, like: Form) -> bool:
    """Say whether a form has no atoms, but for rounding beside the terms of ``like``."""
    scale = max((float(np.abs(c).max()) for m, c in like.terms.items() if m != ONE), default=1.0)
    return all(
        bool(np.all(np.abs(c) <= TOLERANCE * scale)) for m, c in form.terms.items() if m != ONE
    )


def _close(a: Array, b: Array) -> bool:
    scale = np.maximum(np.abs(a), np.abs(b))
    return bool(np.all(np.abs(a - b) <= TOLERANCE * np.maximum(scale, 1e-12)))
