"""Find which inputs of a step model are its state, and which outputs are their next values.

Candidates come from the dataflow: a next membrane is computed from the membrane by elementwise
nodes. Where that leaves a choice, equal names and positions order the attempts, and the first
one under which every neuron fits is taken.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from mapper.diagnostics import MappingError, refuse
from mapper.frontend.algebra import forms
from mapper.frontend.algebra.coefficients import compress
from mapper.frontend.algebra.forms import Atom, Clamp, Counts, Fires, Form, Input, Monomial, Opaque
from mapper.frontend.neurons.echoes import Echo, candidates, same_name
from mapper.frontend.neurons.fit import Fitted, Pair, fit
from mapper.frontend.neurons.leaks import rounded_shares
from mapper.frontend.neurons.needed import live_comparisons, needed_layers
from mapper.frontend.neurons.resets import UnfitError
from mapper.frontend.neurons.stateless import keeping_nothing
from mapper.frontend.onnx.constants import Constant
from mapper.frontend.onnx.counting import Floored
from mapper.frontend.onnx.layers import Layer, PlainLayer
from mapper.frontend.onnx.refusals import STATE_HELP, lost_state
from mapper.frontend.onnx.trace import Trace

MAX_ATTEMPTS = 64
NEURON_HELP = "neurons may leak, add, fire at a threshold and reset (docs/frontend.md)"

Candidates = Mapping[str, list[str]]
"""Inputs that may be the state of each output."""
Choice = dict[str, str]
"""Output name to input name."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Dynamics:
    """Everything a step model remembers."""

    neurons: tuple[Fitted, ...]
    echoes: tuple[Echo, ...]
    kept: tuple[Pair, ...]
    """States that a step returns unchanged."""

    @property
    def pairs(self) -> list[Pair]:
        return [*(pair for neuron in self.neurons for pair in neuron.pairs), *self.kept]


def find_dynamics(trace: Trace, echoes: Sequence[Echo]) -> Dynamics:
    """Return neurons and states; refuse ``unsupported-neuron`` or ``missing-state``."""
    neurons: list[Fitted] = []
    kept: list[Pair] = []
    for component in _components(trace, echoes):
        found, unchanged = _solve(component, trace, echoes)
        neurons.extend(found)
        kept.extend(unchanged)
    explained = _explained(neurons)
    loose = [event for event in live_comparisons(trace) if event not in explained]
    neurons.extend(keeping_nothing(loose, trace) or [])
    _refuse_loose_comparisons(trace, neurons)
    return Dynamics(neurons=tuple(neurons), echoes=tuple(echoes), kept=tuple(kept))


# --- candidates ----------------------------------------------------------------------------


def _components(trace: Trace, echoes: Sequence[Echo]) -> list[Candidates]:
    """Group outputs that share candidate inputs; each maps outputs to their candidates."""
    taken = {echo.read for echo in echoes}
    if trace.fed_back:
        held = {o: [i] for o, i in trace.fed_back.items() if i not in taken}
        return [held] if held else []
    groups: list[dict[str, list[str]]] = []
    found = {output: candidates(output, trace) for output in trace.outputs}
    taken |= _data({name for inputs in found.values() for name in inputs} | taken, trace)
    for output, every in found.items():
        inputs = [name for name in every if name not in taken]
        if not inputs:
            continue
        joined = [g for g in groups if any(set(inputs) & set(held) for held in g.values())]
        merged = {name: held for g in joined for name, held in g.items()}
        groups = [g for g in groups if g not in joined]
        groups.append({**merged, output: inputs})
    return list(groups)


def _data(held: set[str], trace: Trace) -> set[str]:
    """Return the input that is taken for data where every input might be a state.

    It is the first for whose name no output is called: a residual block hands on its input.
    """
    if set(trace.inputs) - held:
        return set()
    named = (n for n in trace.inputs if not any(same_name(n, o) for o in trace.outputs))
    return {next(named, next(iter(trace.inputs)))}


def _choices(component: Candidates, trace: Trace) -> list[Choice]:
    """Return assignments of inputs to outputs, the most plausible first.

    All of them pair as many names, and as many states, as possible: an unsupported neuron must
    not pass for a simpler one whose other states are data.
    """
    if trace.fed_back:
        return [{output: inputs[0] for output, inputs in component.items()}]
    every = [choice for choice in islice(_assignments(list(component.items())), 4096) if choice]
    ranked = sorted(every, key=lambda choice: _merit(choice, trace), reverse=True)
    best = max(_same_names(choice) for choice in ranked)
    ranked = [choice for choice in ranked if _same_names(choice) == best]
    longest = max(map(len, ranked))
    return [choice for choice in ranked if len(choice) == longest]


def _same_names(choice: Choice) -> int:
    return sum(same_name(i, o) for o, i in choice.items())


def _assignments(items: Sequence[tuple[str, list[str]]]) -> Iterator[Choice]:
    if not items:
        yield {}
        return
    (output, inputs), rest = items[0], items[1:]
    for later in _assignments(rest):
        for name in inputs:
            if name not in later.values():
                yield {**later, output: name}
        yield later


def _merit(choice: Choice, trace: Trace) -> tuple[float, ...]:
    """Rank by equal names, an input left for data, many pairs, matching and late places."""
    names = _same_names(choice)
    inputs, outputs = list(trace.inputs), list(trace.outputs)
    places = sum(
        len(inputs) - inputs.index(i) == len(outputs) - outputs.index(o) for o, i in choice.items()
    )
    spare = len(trace.inputs) > len(choice)
    late = sum(inputs.index(i) + outputs.index(o) for o, i in choice.items())
    return (names, spare, len(choice), places, late)


# --- solving -------------------------------------------------------------------------------


def _solve(
    component: Candidates, trace: Trace, echoes: Sequence[Echo]
) -> tuple[list[Fitted], list[Pair]]:
    """Return the neurons under the first assignment that makes neurons of all it touches."""
    first: UnfitError | None = None
    for choice in _choices(component, trace)[:MAX_ATTEMPTS]:
        try:
            return _fit_all(choice, trace, echoes)
        except UnfitError as error:
            first = first or error
        except forms.NotAffineError as error:
            first = first or UnfitError(str(error), help=error.help)
    assert first is not None
    names = ", ".join(sorted({repr(name) for inputs in component.values() for name in inputs}))
    raise refuse(
        "unsupported-neuron",
        f"the neuron with state {names} cannot be mapped: {first}",
        loc=first.loc or trace.path.name,
        help=first.help or NEURON_HELP,
    )


def _fit_all(
    choice: Choice, trace: Trace, echoes: Sequence[Echo]
) -> tuple[list[Fitted], list[Pair]]:
    pairs = [_pair(output, name, trace) for output, name in choice.items()]
    kept = [pair for pair in pairs if pair.form.alias is pair.read]
    used = _used_comparisons(trace, pairs)
    heard = _heard(trace, echoes)
    groups = _groups([pair for pair in pairs if pair not in kept])
    live = live_comparisons(trace)
    neurons = [fit(group, live, used, heard) for group in groups]
    explained = _explained(neurons)
    reads = {pair.read for pair in pairs}
    for event in live:
        touched = [a.name for a in forms.depends_on(event.level) if a in reads]
        if touched and event not in explained:
            raise UnfitError(f"{touched[0]!r} is compared outside its neuron", event.loc)
    return neurons, kept


def _heard(trace: Trace, echoes: Sequence[Echo]) -> dict[Atom, Fires]:
    aliases = {echo.read: trace.form(echo.output).alias for echo in echoes}
    return {trace.inputs[n]: a for n, a in aliases.items() if isinstance(a, Fires)}


def _pair(output: str, name: str, trace: Trace) -> Pair:
    read, form = trace.inputs[name], trace.form(output)
    after = Atom(name=output, shape=read.shape, loc=read.loc)
    return Pair(read=read, output=output, form=form, after=after)


def _groups(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Group states that are used in one another's updates."""
    groups: list[list[Pair]] = []
    for pair in pairs:
        reads = set(forms.depends_on(pair.form))
        linked = [
            group
            for group in groups
            if any(p.read in reads or pair.read in set(forms.depends_on(p.form)) for p in group)
        ]
        groups = [group for group in groups if group not in linked]
        groups.append([*(p for group in linked for p in group), pair])
    return groups


# --- who reads what ------------------------------------------------------------------------


def _used_comparisons(trace: Trace, pairs: Sequence[Pair]) -> set[Fires]:
    """Return the comparisons whose outcome anything but a membrane's own update reads."""
    states = {pair.output for pair in pairs}
    roots = [trace.form(name) for name in trace.outputs if name not in states]
    roots += [operand.form for layer in needed_layers(trace) for operand in layer.operands]
    used = {a for form in roots for a in expressed(form, pairs).atoms() if isinstance(a, Fires)}
    shares = rounded_shares([pair.form for pair in pairs], [pair.read for pair in pairs])
    leaks = {a for p in pairs for a in p.form.atoms() if a in shares and shares[a].read is p.read}
    for pair in pairs:  # a membrane reads what is left of its current, too
        for atom in pair.form.atoms():
            if not isinstance(atom, Fires) or atom in leaks:
                continue
            if pair.read not in set(forms.depends_on(atom.level)):
                used.add(atom)
    return used


def expressed(form: Form, pairs: Sequence[Pair]) -> Form:
    """Rewrite what follows from a next state as that next state."""
    for pair in sorted(pairs, key=lambda p: -len(p.form.terms)):
        own = _hallmark(pair)
        mentioned = own in form.terms and own in pair.form.terms
        if not mentioned or np.any(pair.form.terms[own] == 0) or pair.form.alias is pair.read:
            continue
        factor = compress(np.asarray(form.terms[own] / pair.form.terms[own]))
        whole = forms.scale(forms.reshape(pair.form, form.shape), factor)
        rest = forms.subtract(form, whole)
        if len(rest.terms) < len(form.terms) and own not in rest.terms:
            form = forms.add(rest, forms.scale(forms.of_atom(pair.after, form.shape), factor))
    return form


def _hallmark(pair: Pair) -> Monomial:
    """Return the term that nothing but a next state has: the state, its bound, its rounded leak."""
    atoms = pair.form.atoms()
    bounds = (a for a in atoms if isinstance(a, Clamp))
    shares = (a for a in atoms if pair.read not in atoms and _is_share(a, pair.read))
    return frozenset([next(bounds, next(shares, pair.read))])


def _is_share(atom: Atom, read: Input) -> bool:
    """Say whether an atom rounds what a leak leaves of a state."""
    return isinstance(atom, Counts | Floored) and any(
        read in forms.depends_on(form) for form in atom.operands
    )


def _explained(neurons: Iterable[Fitted]) -> set[Atom]:
    """Return the comparisons that belong to some neuron."""
    return {event for neuron in neurons for event in neuron.events | neuron.rounds}


def _refuse_loose_comparisons(trace: Trace, neurons: Sequence[Fitted]) -> None:
    """Refuse a comparison that decides something and belongs to no neuron."""
    explained = _explained(neurons)
    read = [trace.form(name) for name in trace.outputs]
    read += [operand.form for layer in needed_layers(trace) for operand in layer.operands]
    for form in read:
        for atom in form.atoms():
            if isinstance(atom, Fires) and atom not in explained:
                raise missing_state(atom, trace)


def missing_state(event: Fires, trace: Trace) -> MappingError:
    """Return the refusal of a comparison that no state explains."""
    rounded = [
        atom
        for atom in event.level.atoms()
        if isinstance(atom, PlainLayer) and atom.rounds and _reads_input(atom)
    ]
    if rounded:
        return refuse(
            "unsupported-neuron",
            "its membrane is rounded to a few bits inside the model (QuantizeLinear)",
            loc=rounded[0].loc,
            help="quantise the layers of weights only, and leave the neurons in floats",
        )
    if (unread := _next_value(event, trace)) is not None:
        name, atom = unread
        return refuse(
            "unsupported-neuron",
            f"the neuron with state {name!r} cannot be mapped: {atom.in_neuron or atom.reason}",
            loc=atom.loc,
            help=atom.instead or NEURON_HELP,
        )
    inside = any(
        isinstance(tensor, Constant)
        and tensor.shape == event.level.shape
        and tensor.array.size > 1
        and not tensor.array.any()
        for tensor in trace.tensors.values()
    )
    if inside:
        return lost_state("a neuron fires here whose state is", event.loc)
    return refuse(
        "missing-state",
        "a neuron fires here, but no input and output of the model hold its state",
        loc=event.loc,
        help=STATE_HELP,
    )


def _next_value(event: Fires, trace: Trace) -> tuple[str, Opaque] | None:
    """Return an input that is compared and is a state by its name, and what makes its next value.

    None where no output is called like it, or ops of ours compute that.
    """
    held = [atom.name for atom in event.level.atoms() if isinstance(atom, Input)]
    for name, output in ((n, o) for n in held for o in trace.outputs if same_name(n, o)):
        found = [a for a in forms.depends_on(trace.form(output)) if isinstance(a, Opaque)]
        if found:
            return name, min(found, key=lambda atom: (not atom.telling, atom.order))
    return None


def _reads_input(layer: Layer) -> bool:
    return any(
        isinstance(atom, Input) or (isinstance(atom, PlainLayer) and atom.rounds)
        for operand in layer.operands
        for atom in operand.form.atoms()
    )
