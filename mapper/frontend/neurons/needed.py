"""What the outputs of a step depend on: layers, comparisons, inputs."""

from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Atom, Fires, Form, Input
from mapper.frontend.onnx.layers import Layer
from mapper.frontend.onnx.trace import Trace


def live_comparisons(trace: Trace) -> list[Fires]:
    """Return the comparisons that anything still depends on, in the model's order."""
    waiting = [trace.form(name) for name in trace.outputs]
    waiting += [operand.form for layer in needed_layers(trace) for operand in layer.operands]
    live: set[Fires] = set()
    while waiting:
        atoms = forms.depends_on(waiting.pop())
        fresh = {atom for atom in atoms if isinstance(atom, Fires)} - live
        live |= fresh
        waiting.extend(event.level for event in fresh)
    return [event for event in trace.comparisons.all if event in live]


def needed_layers(trace: Trace) -> list[Layer]:
    """Return every layer that the outputs depend on."""
    waiting: list[Form] = [trace.form(name) for name in trace.outputs]
    found: list[Layer] = []
    seen: set[Atom] = set()
    while waiting:
        for atom in forms.depends_on(waiting.pop()):
            if atom in seen:
                continue
            seen.add(atom)
            if isinstance(atom, Layer):
                found.append(atom)
                waiting.extend(operand.form for operand in atom.operands)
            elif isinstance(atom, Fires):
                waiting.append(atom.level)
    return found


def unread_inputs(trace: Trace) -> list[str]:
    """Return the inputs that no output depends on."""
    roots = [trace.form(name) for name in trace.outputs]
    roots += [operand.form for layer in needed_layers(trace) for operand in layer.operands]
    roots += [event.level for event in live_comparisons(trace)]
    read = {a.name for form in roots for a in forms.depends_on(form) if isinstance(a, Input)}
    return [name for name in trace.inputs if name not in read]
