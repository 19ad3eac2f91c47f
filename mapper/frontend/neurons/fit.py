"""Read a neuron's parameters off the forms of its next states.

With every comparison a spike ``s`` and everything else affine, the next membrane is
``v' = A + s*B``. ``A`` says leak, gain and bias; what ``s`` compares says the threshold and
whether the old or the new membrane fires; ``B`` says the reset. Whatever is left over is a
reason to refuse.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.coefficients import compress
from mapper.frontend.algebra.forms import (
    ONE,
    Atom,
    Clamp,
    Counts,
    Fires,
    Form,
    Input,
    Monomial,
    Opaque,
    Shape,
)
from mapper.frontend.neurons.leaks import (
    Rounded,
    check_whole,
    check_whole_current,
    read_rounding,
    rounded_shares,
    unrounded,
)
from mapper.frontend.neurons.levels import joint_of
from mapper.frontend.neurons.resets import (
    Firing,
    UnfitError,
    all_firings,
    close,
    is_constant,
    read_comparisons,
    reset_of,
    spike_phase,
)
from mapper.frontend.neurons.rows import Row
from mapper.ir.core import Array
from mapper.ir.leaks import NOT_ROUNDED, LeakRounding
from mapper.ir.neurons import Phase, ResetKind, ResetPhase


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Pair:
    """A state: its value at the start, its output of the model, and the form of that output.

    A membrane that nothing is kept of has no output: it is the hardware's alone.
    """

    read: Input
    output: str
    form: Form
    after: Atom
    """Stands for the next state where other nodes read it."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Gains:
    """How a drive acts on the states; arrays broadcast to the neuron's shape."""

    gain: Array
    bias: Array
    current_leak: Array
    current_input: Array
    current_gain: Array


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Fitted:
    """A neuron in canonical form; arrays broadcast to ``shape`` (the model's, with batch axis)."""

    shape: Shape
    membrane: Pair
    current: Pair | None
    drive: Form
    leak: Array
    rounding: LeakRounding
    current_rounding: LeakRounding
    rounds: frozenset[Atom]
    """Atoms that round a share of a state: part of its leak."""
    cut: tuple[Input, ...]
    """States that are cut to whole numbers before, which they are already."""
    gains: Gains
    firing: Firing | None
    reset: ResetKind
    amount: Array
    reset_phase: ResetPhase
    spike_phase: Phase
    floor: Array | None
    events: frozenset[Fires]
    """Comparisons that are this neuron's."""
    row: Row
    """What some of them tell of the level, where its firing has one."""
    echoes: Mapping[Atom, Firing]
    """Inputs that hold its own spike of the step before, read off the old membrane instead."""
    starts_below: bool
    """Read for membranes that do not start where they would fire."""
    loc: str

    def outcomes(self, given: Array) -> dict[Atom, Array]:
        """Return what its comparisons tell where it gives this level, or fires or not."""
        assert self.firing is not None  # else it gives nothing
        return {self.firing.event: given, **{e: part.of(given) for e, part in self.row.items()}}

    @property
    def keeps_nothing(self) -> bool:
        """Whether the model has no state of it."""
        return not self.membrane.output

    @property
    def pairs(self) -> list[Pair]:
        """Return its states in the model."""
        if self.keeps_nothing:
            return []
        return [self.membrane, *([] if self.current is None else [self.current])]


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
    unread = [pair.form for pair in pairs if not _touches(pair.form, reads)]
    reset_by = {atom for form in unread for atom in form.atoms()}  # nothing is kept of these
    touching = [c for c in comparisons if c in reset_by or _touches(c.level, reads)]
    read_in = [pair.form for pair in pairs] + [c.level for c in touching]
    shares = {a: s for a, s in rounded_shares(read_in, reads).items() if a not in used}
    own = [c for c in touching if c not in shares]
    _refuse_opaque(read_in, reads, known=shares)
    _refuse_infinite(pairs)
    membrane, current = _roles(pairs, own, shares)
    update, floor = _without_clamp(membrane.form)
    plain, current_rounding, cuts_current = current, NOT_ROUNDED, False
    if current is not None and (late := _shares_of(current.read, shares)):
        update = unrounded(update, late)
        form, current_rounding, cuts_current = read_rounding(
            current.form, current.read, late, "synaptic current"
        )
        plain = replace(current, form=form)
    update, rounding, cuts = read_rounding(update, membrane.read, shares, "membrane")
    levels = {c: unrounded(_without_clamps(forms.reshape(c.level, shape)), shares) for c in own}
    seen = read_comparisons(update, membrane.read, levels, echoes, used)
    joint = joint_of(seen.update, membrane.read, seen.levels)
    if joint is None:
        rule = reset_of(seen.update, membrane.read, seen.levels)
        firings = all_firings(seen.levels, rule, membrane.read)
        spoken = [f for f in firings if f.event in used]
    else:
        rule, firings = joint.rule, [joint.firing]
        spoken = firings if used.intersection(own) else []
    switches = _may_switch if current is None and not own else _never
    drive, gains = _drive(rule.rest, membrane, plain, switches)
    if all(membrane.read in monomial for monomial in drive.terms):
        raise UnfitError("nothing drives it")
    if current_rounding.unit and not _takes_current_as_it_is(gains):
        raise UnfitError(
            "its membrane takes its rounded current otherwise than as it is after its update",
            membrane.read.loc,
            help="let the membrane take the current that is handed on, times a number",
        )
    if cuts:
        check_whole(drive, gains.gain, gains.bias, rounding.unit, membrane.read.loc)
        if current is not None:
            factor = gains.gain / np.where(gains.current_input == 0, 1.0, gains.current_input)
            check_whole_current(factor, current_rounding, rounding.unit, membrane.read.loc)
    if cuts_current:
        unit = current_rounding.unit
        check_whole(drive, gains.current_input, np.zeros(()), unit, membrane.read.loc)
    firing = next(iter(spoken or firings), None)
    return Fitted(
        shape=shape,
        membrane=membrane,
        current=current,
        drive=drive,
        leak=rule.rest.coefficient(membrane.read),
        rounding=rounding,
        current_rounding=current_rounding,
        rounds=frozenset(shares),
        cut=(
            *([membrane.read] if cuts else []),
            *([current.read] if current is not None and cuts_current else []),
        ),
        gains=gains,
        firing=firing,
        reset=rule.kind,
        amount=rule.amount,
        reset_phase=rule.phase,
        spike_phase=spike_phase(spoken),
        floor=floor,
        events=frozenset([*own, *(f.event for f in spoken)]),
        row={} if joint is None else joint.row,
        echoes=seen.echoes,
        starts_below=seen.starts_below,
        loc=firing.event.loc if firing else membrane.read.loc,
    )


def _touches(form: Form, reads: Sequence[Input]) -> bool:
    return any(atom in reads for atom in forms.depends_on(form))


def _refuse_opaque(
    all_forms: Sequence[Form], reads: Sequence[Input], known: Collection[Atom]
) -> None:
    """Refuse the most telling node of an update that no form can say."""
    found = {a for form in all_forms for a in forms.depends_on(form) if isinstance(a, Opaque)}
    found -= set(known)
    own = [a for a in found if not a.operands or any(_touches(f, reads) for f in a.operands)]
    if own:
        first = min(own, key=lambda atom: (not atom.telling, atom.order))
        raise UnfitError(first.in_neuron or first.reason, first.loc, first.instead or first.help)


def _refuse_infinite(pairs: Sequence[Pair]) -> None:
    """Refuse a leak that is no finite number: beside it nothing else can be read."""
    for pair in pairs:
        leak = np.asarray(pair.form.coefficient(pair.read))
        wrong = leak[~np.isfinite(leak)]
        if wrong.size:
            raise UnfitError(f"its leak is {wrong.flat[0]:g}", pair.read.loc)


def _takes_current_as_it_is(gains: Gains) -> bool:
    """Say whether a membrane takes the next current, times a number."""
    given, gain = gains.current_input, gains.gain
    return bool(np.all(given != 0)) and close(gains.current_gain * given, gains.current_leak * gain)


def _shares_of(read: Input, shares: Mapping[Atom, Rounded]) -> dict[Atom, Rounded]:
    """Return the atoms that round a share of one state."""
    return {atom: rounded for atom, rounded in shares.items() if rounded.read is read}


def _roles(
    pairs: Sequence[Pair], own: Sequence[Fires], shares: Mapping[Atom, Rounded]
) -> tuple[Pair, Pair | None]:
    """Say which state is the membrane and which its synaptic current."""
    if len(pairs) > 2:
        names = ", ".join(pair.read.name for pair in pairs)
        raise UnfitError(f"it has {len(pairs)} states ({names}), at most two are supported")
    if len(pairs) == 1:
        return pairs[0], None
    first, second = pairs
    for membrane, current in ((first, second), (second, first)):
        others = {membrane.read, *own, *_shares_of(membrane.read, shares)}
        if others.isdisjoint(current.form.atoms()):
            return membrane, current
    for membrane, current in ((first, second), (second, first)):
        rounded = [a for a in current.form.atoms() if isinstance(a, Counts) and a in own]
        alone = all(not _touches(atom.level, [membrane.read]) for atom in rounded)
        if rounded and alone and membrane.read not in current.form.atoms():
            raise _rounds_current(current, rounded[0])
    raise UnfitError(
        f"its states {first.read.name!r} and {second.read.name!r} depend on each other "
        "(an adaptive threshold, or a resonator)"
    )


def _rounds_current(current: Pair, atom: Atom) -> UnfitError:
    return UnfitError(
        f"it rounds its synaptic current {current.read.name!r}, "
        "and what is rounded is read elsewhere",
        atom.loc,
        help="let other layers read the spikes of a neuron",
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
    """Read a comparison as if the membrane had no bound; the check on numbers follows."""
    clamps: dict[Atom, Form] = {a: a.inside for a in form.atoms() if isinstance(a, Clamp)}
    return forms.substitute(form, clamps) if clamps else form


def _drive(
    rest: Form, membrane: Pair, current: Pair | None, switches: Callable[[Atom], bool]
) -> tuple[Form, Gains]:
    """Split an update into its states and one drive common to both of them.

    Products of a membrane and what switches its leak are part of its drive.
    """
    states = {membrane.read, *([] if current is None else [current.read])}
    into_v = _others(rest, states, membrane, switches)
    zero = np.zeros(())
    if current is None:
        gain = common_factor(into_v)
        gains = Gains(
            gain=gain, bias=rest.constant, current_leak=zero, current_input=zero, current_gain=zero
        )
        return forms.scale(into_v, 1.0 / gain), gains
    into_i = _others(current.form, states, current)
    source = into_i if into_i.terms else into_v
    factor = common_factor(source)
    drive = forms.scale(source, 1.0 / factor)
    if into_i.terms and np.any(current.form.constant != 0):
        drive = forms.add(drive, forms.of_array(np.asarray(current.form.constant / factor)))
    elif np.any(current.form.constant != 0):
        raise UnfitError(f"its current {current.read.name!r} is driven by a constant alone")
    gain = _ratio(into_v, drive)
    return drive, Gains(
        gain=gain,
        bias=compress(np.asarray(rest.constant - gain * drive.constant)),
        current_leak=current.form.coefficient(current.read),
        current_input=factor if into_i.terms else zero,
        current_gain=rest.coefficient(current.read),
    )


def _may_switch(atom: Atom) -> bool:
    """Say whether an atom may switch the leak of a membrane that never fires: spikes, and data."""
    return atom.is_spike or isinstance(atom, Input)


def _never(atom: Atom) -> bool:
    return False


def _others(
    form: Form, states: set[Input], pair: Pair, switches: Callable[[Atom], bool] = _never
) -> Form:
    """Return the terms without states, and products of one and what switches its leak.

    Products of a state and anything else are refused.
    """
    kept: dict[Monomial, Array] = {}
    for monomial, coefficient in form.terms.items():
        touched = [atom for atom in monomial if atom in states]
        beside = [atom for atom in monomial if atom not in touched]
        switched = len(touched) == 1 and bool(beside) and all(map(switches, beside))
        if switched or (not touched and monomial != ONE):
            kept[monomial] = coefficient
        elif len(monomial) > 1:
            other = next(atom for atom in monomial if atom is not touched[0])
            raise UnfitError(f"it multiplies its state by {other.name!r}", pair.read.loc)
    return Form(form.shape, kept)


def common_factor(form: Form) -> Array:
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
    gain = compress(np.asarray(form.terms[monomial] / other))
    left = forms.subtract(form, forms.scale(drive, gain))
    if not is_constant(left, form):
        raise UnfitError("its membrane and its current are driven by different inputs")
    return gain
