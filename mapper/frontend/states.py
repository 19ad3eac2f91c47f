"""Find which inputs of a step model are its state, and which outputs are their next values.

Candidates come from the dataflow: a next membrane is computed from the membrane by elementwise
nodes. Where that leaves a choice, equal names and positions order the attempts, and the first
one under which every neuron fits is taken. Spikes that a network feeds back are found last: an
output that is a neuron's spike, and an input of its shape.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from mapper.diagnostics import MappingError, refuse
from mapper.frontend import forms
from mapper.frontend.fit import Fitted, Pair, UnfitError, fit
from mapper.frontend.forms import Atom, Fires, Form, Input
from mapper.frontend.layers import Layer
from mapper.frontend.trace import Trace

MAX_ATTEMPTS = 64

Choice = dict[str, str]
"""Output name to input name."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Echo:
    """What one step returns and the next one reads as ``read``: mostly a spike, fed back."""

    read: Input
    output: str


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Dynamics:
    """Everything a step model remembers."""

    neurons: tuple[Fitted, ...]
    echoes: tuple[Echo, ...]
    kept: tuple[Pair, ...] = ()
    """States that a step returns unchanged."""

    @property
    def pairs(self) -> list[Pair]:
        own = [p for n in self.neurons for p in (n.membrane, n.current) if p is not None]
        return [*own, *self.kept]


def find_dynamics(trace: Trace) -> Dynamics:
    """Return neurons and states; refuse ``unsupported-neuron`` with the first reason found."""
    named = _named_echoes(trace)
    if any(not echo.read.is_spike for echo in named if _is_spike(echo.output, trace)):
        return find_dynamics(retyped(trace, named))
    neurons: list[Fitted] = []
    kept: list[Pair] = []
    for component in _components(trace, {echo.output for echo in named}):
        found, unchanged = _solve(component, trace, named)
        neurons.extend(found)
        kept.extend(unchanged)
    result = Dynamics(neurons=tuple(neurons), echoes=named, kept=tuple(kept))
    more = _unnamed_echoes(trace, result)
    return replace(result, echoes=(*named, *more))


# --- candidates ----------------------------------------------------------------------------


def _components(trace: Trace) -> list[Mapping[str, list[str]]]:
    """Group outputs that share candidate inputs; each maps outputs to their candidates."""
    edges = {name: _candidates(name, trace) for name in trace.outputs}
    groups: list[dict[str, list[str]]] = []
    for output, inputs in edges.items():
        if not inputs:
            continue
        joined = [g for g in groups if any(set(inputs) & set(held) for held in g.values())]
        merged = {name: held for g in joined for name, held in g.items()}
        groups = [g for g in groups if g not in joined]
        groups.append({**merged, output: inputs})
    return sorted(groups, key=lambda g: min(trace.outputs.index(name) for name in g))  # type: ignore[return-value]


def _candidates(output: str, trace: Trace) -> list[str]:
    form = trace.form(output)
    if forms.is_binary(form):
        return []
    reached = {atom.name for atom in forms.depends_on(form) if isinstance(atom, Input)}
    return [
        name
        for name in trace.inputs
        if name in reached and trace.shapes[name] == form.shape
    ]


def _choices(component: Mapping[str, list[str]], trace: Trace) -> Iterator[Choice]:
    """Yield assignments of inputs to outputs, best first: many pairs, equal names, late inputs."""
    every = list(islice(_assignments(list(component.items())), 4096))
    every.sort(key=lambda choice: _merit(choice, trace), reverse=True)
    most = max(len(choice) for choice in every)
    yield from (choice for choice in every if choice and len(choice) >= min(most, 1))


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
    names = sum(_same_name(i, o) for o, i in choice.items())
    inputs, outputs = list(trace.inputs), list(trace.outputs)
    places = sum(
        len(inputs) - inputs.index(i) == len(outputs) - outputs.index(o) for o, i in choice.items()
    )
    spare = len(trace.inputs) > len(choice)
    late = sum(inputs.index(i) for i in choice.values()) + sum(outputs.index(o) for o in choice)
    return (names, spare, len(choice), places, late)


_NOISE = re.compile(r"(?i)(^|[_./:\-\s])(out|output|in|input|next|new|prev|old|nxt|o|i|n)(?=$|[_./:\-\s])")


def _same_name(read: str, written: str) -> bool:
    """Say whether two names differ only in words such as ``out`` or ``next``."""
    a, b = (re.sub(r"[_./:\-\s]", "", _NOISE.sub("", name)).lower() for name in (read, written))
    return bool(a) and a == b


# --- solving -------------------------------------------------------------------------------


def _solve(component: Mapping[str, list[str]], trace: Trace) -> tuple[list[Fitted], list[Pair]]:
    """Return the neurons under the first assignment that makes neurons of all it touches."""
    first: UnfitError | None = None
    for choice in islice(_choices(component, trace), MAX_ATTEMPTS):
        try:
            return _fit_all(choice, trace)
        except UnfitError as error:
            first = first or error
        except forms.NotAffineError as error:
            first = first or UnfitError(str(error))
    assert first is not None
    raise refuse(
        "unsupported-neuron",
        f"the neuron with state {_reads(component)} cannot be mapped: {first}",
        loc=first.loc or trace.path.name,
        help="neurons that leak, add, fire at a threshold and reset are read (docs/frontend.md)",
    )


def _reads(component: Mapping[str, list[str]]) -> str:
    names = sorted({name for inputs in component.values() for name in inputs})
    return ", ".join(repr(name) for name in names)


def _fit_all(choice: Choice, trace: Trace) -> tuple[list[Fitted], list[Pair]]:
    pairs = [_pair(output, name, trace) for output, name in choice.items()]
    kept = [pair for pair in pairs if pair.form.alias is pair.read]
    groups = _groups([pair for pair in pairs if pair not in kept])
    used = used_comparisons(trace, pairs)
    neurons = [fit(group, trace.comparisons.all, used) for group in groups]
    events = {event for neuron in neurons for event in neuron.events}
    reads = {pair.read for pair in pairs}
    for event in trace.comparisons.all:
        touched = [a.name for a in forms.depends_on(event.level) if a in reads]
        if touched and event not in events:
            raise UnfitError(f"{touched[0]!r} is compared outside its neuron", event.loc)
    return neurons, kept


def _pair(output: str, name: str, trace: Trace) -> Pair:
    read, form = trace.inputs[name], trace.form(output)
    after = Atom(name=output, shape=read.shape, loc=read.loc)
    return Pair(read=read, output=output, form=form, after=after)


def _groups(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """Put states together that are read in one another's updates."""
    groups: list[list[Pair]] = []
    for pair in pairs:
        reads = {a for a in forms.depends_on(pair.form) if isinstance(a, Input)}
        linked = [
            g
            for g in groups
            if any(p.read in reads or pair.read in set(forms.depends_on(p.form)) for p in g)
        ]
        groups = [g for g in groups if g not in linked]
        groups.append([*(p for g in linked for p in g), pair])
    return groups


def used_comparisons(trace: Trace, pairs: Sequence[Pair]) -> set[Fires]:
    """Return the comparisons whose outcome anything but a membrane's own update reads."""
    states = {pair.output for pair in pairs}
    roots = [trace.form(name) for name in trace.outputs if name not in states]
    roots += [operand.form for layer in _layers(trace) for operand in layer.operands]
    used = {a for form in roots for a in expressed(form, pairs).atoms() if isinstance(a, Fires)}
    for pair in pairs:
        for atom in pair.form.atoms():
            if isinstance(atom, Fires) and pair.read not in set(forms.depends_on(atom.level)):
                used.add(atom)
    return used


def _layers(trace: Trace) -> list[Layer]:
    """Return every layer that the outputs depend on."""
    waiting: list[Form] = [trace.form(name) for name in trace.outputs]
    found: dict[Layer, None] = {}
    seen: set[Atom] = set()
    while waiting:
        for atom in forms.depends_on(waiting.pop()):
            if atom in seen:
                continue
            seen.add(atom)
            if isinstance(atom, Layer):
                found[atom] = None
                waiting.extend(operand.form for operand in atom.operands)
            elif isinstance(atom, Fires):
                waiting.append(atom.level)
    return list(found)


def expressed(form: Form, pairs: Sequence[Pair]) -> Form:
    """Rewrite what follows from a next state as that next state."""
    for pair in sorted(pairs, key=lambda p: -len(p.form.terms)):
        own = frozenset([pair.read])
        if own not in form.terms or own not in pair.form.terms or pair.form.alias is pair.read:
            continue
        divisor = pair.form.terms[own]
        if np.any(divisor == 0):
            continue
        factor = form.terms[own] / divisor
        update = forms.reshape(pair.form, form.shape) if _fits(pair.form, form) else None
        if update is None:
            continue
        factor = forms.view(factor, form.shape, form.shape)
        rest = forms.subtract(form, forms.scale(update, factor))
        if len(rest.terms) < len(form.terms) and own not in rest.terms:
            form = forms.add(rest, forms.scale(forms.of_atom(pair.after, form.shape), factor))
    return form


def _fits(update: Form, form: Form) -> bool:
    return int(np.prod(update.shape)) == int(np.prod(form.shape))


# --- spikes fed back -----------------------------------------------------------------------


def _spike_states(
    trace: Trace, neurons: Sequence[Fitted], inputs: set[str], outputs: set[str]
) -> list[SpikeState]:
    events = {event for neuron in neurons for event in neuron.events}
    spikes = [
        name
        for name in trace.outputs
        if name not in outputs and trace.form(name).alias in events
    ]
    free = [name for name in trace.inputs if name not in inputs]
    found: list[SpikeState] = []
    for named in (True, False):
        for output in list(spikes):
            matching = [
                name
                for name in reversed(free)
                if trace.shapes[name] == trace.form(output).shape
                and (_same_name(name, output) if named else _plausible(free, spikes))
            ]
            if matching:
                found.append(SpikeState(read=trace.inputs[matching[0]], output=output))
                free.remove(matching[0])
                spikes.remove(output)
    return found


def _plausible(free: Sequence[str], spikes: Sequence[str]) -> bool:
    """Without a name to go by, a network keeps one input for data and one output for results."""
    return len(free) > 1 and len(spikes) > 1


def stateless(trace: Trace, dynamics: Dynamics) -> MappingError | None:
    """Return the refusal of comparisons that no neuron explains."""
    events = {event for neuron in dynamics.neurons for event in neuron.events}
    loose = [event for event in trace.comparisons.all if event not in events]
    needed = {
        a
        for form in (trace.form(name) for name in trace.outputs)
        for a in form.atoms()
        if isinstance(a, Fires)
    }
    for layer in _layers(trace):
        for operand in layer.operands:
            needed.update(a for a in operand.form.atoms() if isinstance(a, Fires))
    for event in loose:
        if event in needed:
            return refuse(
                "missing-state",
                "a neuron fires here, but no input and output of the model hold its state",
                loc=event.loc,
                help="pass the neuron's state as an input and return it as an output",
            )
    return None
