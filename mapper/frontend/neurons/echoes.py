"""Find spikes that a network feeds back, and say which inputs may be a state at all.

An ``Echo`` is an output that says whether a neuron fires, and an input that reads it in the
next step. Dataflow alone cannot tell it from data, so names are asked first, then what nothing
else explains, then positions.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Counts, Form, Input
from mapper.frontend.neurons.needed import unread_inputs
from mapper.frontend.onnx.layers import Layer, PlainLayer
from mapper.frontend.onnx.trace import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """What one step returns and the next one reads unchanged: mostly a spike, fed back."""

    read: str
    output: str


def candidates(output: str, trace: Trace) -> list[str]:
    """Return the inputs from which elementwise nodes compute an output of the same shape.

    One of the same name that nothing reads is such, too: a state of which nothing is kept.
    """
    form = trace.form(output)
    if is_spiking(form) or form.is_constant:
        return []
    if trace.fed_back:
        return [trace.fed_back[output]] if output in trace.fed_back else []
    rounded = [atom.level for atom in form.atoms() if isinstance(atom, Counts)]
    reached = {
        atom.name
        for each in (form, *rounded)
        for atom in forms.depends_on(each)
        if isinstance(atom, Input)
    }
    shaped = [name for name in trace.inputs if trace.shapes[name] == form.shape]
    if any(name not in reached and same_name(name, output) for name in shaped):
        reached |= {name for name in unread_inputs(trace) if same_name(name, output)}
    return [name for name in shaped if name in reached]


def has_states(trace: Trace) -> bool:
    """Say whether any output may be the next value of an input."""
    return any(candidates(output, trace) for output in trace.outputs)


def likely_echoes(trace: Trace) -> list[Echo]:
    """Return echoes with matching names, then those of inputs that no membrane adds up.

    What waits need not be spikes: a line of currents is handed on, too.
    """
    lines = _lines(trace)
    if trace.fed_back:
        return [
            Echo(read=read, output=output)
            for output, read in trace.fed_back.items()
            if is_spiking(trace.form(output)) or output in lines
        ]
    spikes = _spikes(trace)
    waits = [Echo(read=read, output=o) for o, read in lines.items() if o not in spikes]
    free = [name for name in trace.inputs if name not in {echo.read for echo in waits}]
    found = [
        _take(matching[0], output, free, spikes)
        for output in list(spikes)
        if len(free) > 1
        and (matching := [n for n in _fitting(output, free, trace) if same_name(n, output)])
    ]
    summed = {name for output in trace.outputs for name in candidates(output, trace)}
    rest = _leftovers(trace, spikes, free, [n for n in free if n not in summed])
    return [*waits, *found, *rest]


def _lines(trace: Trace) -> dict[str, str]:
    """Return inputs whose next value is moved along, by output: their own or another one's.

    So is an input whose value is handed on to another one, whatever its own next value is.
    """
    named = {
        output: read
        for output in trace.outputs
        if (read := trace.fed_back.get(output) or _named_like(output, trace)) is not None
        and trace.inputs[read] not in forms.depends_on(trace.form(output))
    }
    found, handed = {}, set()
    for output, read in named.items():
        moved = _moved(trace.form(output)) & {trace.inputs[name] for name in named.values()}
        if trace.form(output).alias is not trace.inputs[read] and moved:
            found[output] = read
            handed |= {atom.name for atom in moved}
    return found | {output: read for output, read in named.items() if read in handed}


def _moved(form: Form) -> set[Input]:
    """Return the inputs whose elements a form holds, behind layers without weights."""
    waiting, seen = [form.alias], {form.alias}
    while waiting:
        atom = waiting.pop()
        if isinstance(atom, PlainLayer) and not atom.rounds:
            fresh = {operand.form.alias for operand in atom.operands} - seen
            seen |= fresh
            waiting.extend(fresh)
    return {atom for atom in seen if isinstance(atom, Input)}


def waiting(trace: Trace) -> dict[str, str]:
    """Return inputs that may hold spikes on their way, by the output that is their next value.

    Such a line (an axonal delay) is moved along, and spikes join it, whole or in part. Whether it
    holds nothing but spikes can be told only where that is taken for granted.
    """
    found = {}
    for output in trace.outputs:
        form = trace.form(output)
        if isinstance(form.alias, Input | Layer) and not is_spiking(form):
            read = trace.fed_back.get(output) if trace.fed_back else _named_like(output, trace)
            if read is not None and form.alias is not trace.inputs[read]:
                found[output] = read
    return found


def _named_like(output: str, trace: Trace) -> str | None:
    shape = trace.form(output).shape
    reads = (n for n in trace.inputs if trace.shapes[n] == shape and same_name(n, output))
    return next(reads, None)


def leftover_echoes(trace: Trace, known: Sequence[Echo], reads: set[str]) -> list[Echo]:
    """Return echoes among inputs that turned out to be neither ``known`` nor states."""
    if trace.fed_back:
        return []
    taken = {echo.output for echo in known}
    spikes = [name for name in _spikes(trace) if name not in taken]
    free = [name for name in trace.inputs if name not in reads]
    return _leftovers(trace, spikes, free, list(free))


def placed_echoes(trace: Trace, known: Sequence[Echo]) -> list[Echo]:
    """Return echoes by position alone: as far from the end among inputs as among outputs."""
    if trace.fed_back:
        return []
    taken = {e.output for e in known} | {e.read for e in known}
    inputs, outputs = list(trace.inputs), list(trace.outputs)
    found: list[Echo] = []
    for output in (name for name in _spikes(trace) if name not in taken):
        place = len(inputs) - len(outputs) + outputs.index(output)
        if place > 0 and inputs[place] in _fitting(output, inputs, trace):
            found.append(Echo(read=inputs[place], output=output))
    return [echo for echo in found if echo.read not in taken]


def _leftovers(
    trace: Trace, spikes: list[str], free: list[str], allowed: Sequence[str]
) -> list[Echo]:
    """Match by shape, keeping one input for data and one output for results."""
    found: list[Echo] = []
    for output in list(spikes):
        matching = [name for name in _fitting(output, free, trace) if name in allowed]
        if matching and len(free) > 1 and len(spikes) > 1:
            found.append(_take(matching[0], output, free, spikes))
    return found


def _take(read: str, output: str, free: list[str], spikes: list[str]) -> Echo:
    free.remove(read)
    spikes.remove(output)
    return Echo(read=read, output=output)


def _spikes(trace: Trace) -> list[str]:
    return [name for name in trace.outputs if is_spiking(trace.form(name))]


def is_spiking(form: Form) -> bool:
    """Say whether a form is what neurons give: spikes, or how many of them."""
    if isinstance(form.alias, Counts):
        return True
    return not form.is_constant and forms.of_spikes(form)


def _fitting(output: str, inputs: Sequence[str], trace: Trace) -> list[str]:
    """Return inputs of an output's shape, late ones first: data mostly comes first."""
    shape = trace.form(output).shape
    return [name for name in reversed(inputs) if trace.shapes[name] == shape]


_SEPARATOR = r"[_./:\-\s]"
_NOISE = re.compile(
    rf"(?i)(?:^|(?<={_SEPARATOR}))"
    rf"(?:out|output|in|input|next|new|prev|previous|old|o|i|n)(?=$|{_SEPARATOR})"
)


def same_name(read: str, written: str) -> bool:
    """Say whether two names differ only in words such as ``out`` or ``next``."""
    a, b = (re.sub(_SEPARATOR, "", _NOISE.sub("", name)).lower() for name in (read, written))
    return bool(a) and a == b
