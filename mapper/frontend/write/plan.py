"""Decide what is written in which order, once every neuron is known."""

from collections.abc import Iterator
from functools import partial
from graphlib import CycleError, TopologicalSorter

from mapper.diagnostics import MappingError, refuse
from mapper.frontend.algebra import forms
from mapper.frontend.algebra.forms import Atom, Form
from mapper.frontend.neurons.fit import Fitted
from mapper.frontend.neurons.rows import in_levels
from mapper.frontend.neurons.stateless import alone
from mapper.frontend.neurons.states import Dynamics, expressed
from mapper.frontend.onnx.layers import Layer
from mapper.frontend.onnx.trace import Trace
from mapper.frontend.write.writer import refuse_nameless

Unit = Layer | Fitted


class Plan:
    """Layers and neurons in order, and which results they write."""

    def __init__(self, trace: Trace, dynamics: Dynamics) -> None:
        self.trace = trace
        self.dynamics = dynamics
        self.pairs = dynamics.pairs
        self.spikes = {n: _spike_of(n) for n in dynamics.neurons if n.firing is not None}
        self._events: dict[Atom, Fitted] = {
            event: neuron for neuron in self.spikes for event in neuron.events
        }
        self.written_by = {
            atom: neuron for neuron in dynamics.neurons for atom in self._results(neuron)
        }
        returned = {p.output for p in self.pairs} | {e.output for e in dynamics.echoes}
        self.ports = [n for n in trace.outputs if n not in returned] or self._readable()
        self.alone: dict[tuple[Fitted, int], Fitted] = {}
        """Neurons that read one threshold of another one alone, by that and its level."""
        self.remembered: set[Fitted] = set()
        """Neurons whose spike of the step before is a state, because this step's input needs it."""
        self.units = self._ordered()

    def _readable(self) -> list[str]:
        """Return the outputs to read where all are states.

        Spikes, and membranes that never fire; where there are none, the last membrane.

        Raises:
            MappingError: ``no-neurons`` where nothing but states goes through.
        """
        fed_back = {echo.output for echo in self.dynamics.echoes}
        silent = {n.membrane.output for n in self.dynamics.neurons if n.firing is None}
        last = {n.membrane.output for n in self.dynamics.neurons[-1:]}
        told = set(self.trace.outputs) & (fed_back | silent) or last
        found = [name for name in self.trace.outputs if name in told]
        if not found:
            raise refuse(
                "no-neurons",
                "the model hands its states on and computes nothing",
                loc=self.trace.path.name,
            )
        return found

    def rewritten(self, form: Form) -> Form:
        """Say a form in terms of what neurons write: their spikes and next states."""
        known = expressed(form, self.pairs)
        for neuron in {self._events[a]: None for a in known.atoms() if a in self._events}:
            assert neuron.firing is not None  # it has spikes
            spike = forms.of_atom(self.spikes[neuron], form.shape)
            if neuron.firing.levels.is_spike:
                known = forms.substitute(known, dict.fromkeys(neuron.events, spike))
                continue
            event, levels = neuron.firing.event, neuron.firing.levels
            ends, threshold = (levels.low, levels.high), partial(self._threshold, neuron)
            known = in_levels(known, event, neuron.row, ends, threshold)
            known = forms.substitute(known, {event: spike})
        return known

    def _threshold(self, neuron: Fitted, level: int) -> Atom:
        """Return the spike of what reads one threshold of a neuron alone."""
        if (neuron, level) not in self.alone:
            own = alone(neuron, level)
            self.alone[neuron, level] = own
            self.spikes[own] = _spike_of(own)
            self.written_by |= dict.fromkeys(self._results(own), own)
        return self.spikes[self.alone[neuron, level]]

    def _results(self, neuron: Fitted) -> Iterator[Atom]:
        if neuron in self.spikes:
            yield self.spikes[neuron]
        yield from (pair.after for pair in neuron.pairs or [neuron.membrane])

    def _ordered(self) -> list[Unit]:
        """Order units so that each finds its inputs written.

        A neuron that fires on the membrane it finds may drive itself within one step. Its spike
        is then kept from the step before, which is the same spike.
        """
        while True:
            try:
                return list(TopologicalSorter(self._needs()).static_order())
            except CycleError as error:
                neurons = [unit for unit in error.args[1] if isinstance(unit, Fitted)]
                late = next((n for n in neurons if n.spike_phase == "next"), None)
                if late is None or late in self.remembered:
                    raise _circular(neurons, self.trace) from error
                self.remembered.add(late)
                del self.written_by[self.spikes[late]]

    def _needs(self) -> dict[Unit, list[Unit]]:
        """Map every unit that the outputs need to the units it reads, the oldest first."""
        returned = (*self.ports, *(echo.output for echo in self.dynamics.echoes))
        roots = [self.rewritten(self.trace.form(name)) for name in returned]
        waiting: list[Unit] = [unit for form in roots for unit in self._writers(form)]
        waiting.extend(self.dynamics.neurons)
        needs: dict[Unit, list[Unit]] = {}
        while waiting:
            unit = waiting.pop()
            if unit not in needs:
                needs[unit] = [w for form in self._reads(unit) for w in self._writers(form)]
                waiting.extend(needs[unit])
        return dict(sorted(needs.items(), key=lambda item: _age(item[0])))

    def _reads(self, unit: Unit) -> list[Form]:
        if isinstance(unit, Fitted):
            return [self.rewritten(unit.drive)]
        return [self.rewritten(operand.form) for operand in unit.operands]

    def _writers(self, form: Form) -> list[Unit]:
        atoms = form.atoms()
        refuse_nameless(atoms)
        layers: list[Unit] = [atom for atom in atoms if isinstance(atom, Layer)]
        return layers + [self.written_by[atom] for atom in atoms if atom in self.written_by]


def _spike_of(neuron: Fitted) -> Atom:
    assert neuron.firing is not None
    event = neuron.firing.event
    type = neuron.firing.levels.type
    return Atom(name=event.tensor, shape=neuron.membrane.read.shape, type=type, loc=event.loc)


def _age(unit: Unit) -> int:
    return unit.order if isinstance(unit, Layer) else unit.membrane.read.order


def _circular(neurons: list[Fitted], trace: Trace) -> MappingError:
    return refuse(
        "unsupported-neuron",
        "a neuron's input depends on its own spike of the same step",
        loc=neurons[0].loc if neurons else trace.path.name,
    )
