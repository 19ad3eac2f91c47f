"""Write the graph of a traced model whose neurons are known."""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

from mapper.diagnostics import refuse
from mapper.frontend import forms
from mapper.frontend.fit import Fitted, Pair
from mapper.frontend.forms import Atom, Form, Shape
from mapper.frontend.layers import Layer
from mapper.frontend.states import Dynamics, expressed
from mapper.frontend.trace import Trace
from mapper.frontend.write import OpWriter, refuse_nameless
from mapper.ir.core import FLOAT, SPIKE, Array, Graph, Scalar, State, Type, Value
from mapper.ir.neurons import Neuron, Reset

Unit = Layer | Fitted


def build_graph(trace: Trace, dynamics: Dynamics) -> Graph:
    """Return the float network graph of one time step."""
    return _Builder(trace, dynamics).graph()


class _Builder:
    def __init__(self, trace: Trace, dynamics: Dynamics) -> None:
        self.trace = trace
        self.dynamics = dynamics
        self.pairs = dynamics.pairs
        self.spikes = {n: _spike_of(n) for n in dynamics.neurons if n.firing is not None}
        self.written_by: dict[Atom, Fitted] = {}
        for neuron in dynamics.neurons:
            self.written_by.update((atom, neuron) for atom in self._results(neuron))
        self.states = {p.output for p in self.pairs} | {e.output for e in dynamics.echoes}
        self.ports = [name for name in trace.outputs if name not in self.states]
        self.names = self._claimed_names()
        self.out = OpWriter(self._reserved())

    def graph(self) -> Graph:
        inputs = [self._read_input(name) for name in self._data_inputs()]
        self._read_states()
        for unit in self._units():
            if isinstance(unit, Layer):
                self._write_layer(unit)
            else:
                self._write_neuron(unit)
        outputs = tuple(self._output(name) for name in self.ports)
        states = tuple(self._states())
        return Graph(
            name=self.trace.path.stem,
            inputs=tuple(inputs),
            outputs=outputs,
            states=states,
            ops=tuple(self.out.ops),
            constants=self.out.constants,
        )

    # --- names -----------------------------------------------------------------------------

    def _results(self, neuron: Fitted) -> Iterator[Atom]:
        if neuron in self.spikes:
            yield self.spikes[neuron]
        yield neuron.membrane.after
        if neuron.current is not None:
            yield neuron.current.after

    def _claimed_names(self) -> dict[Atom, str]:
        """Name results after the model's outputs that they are."""
        names: dict[Atom, str] = {}
        for name in (*self.ports, *(e.output for e in self.dynamics.echoes)):
            form = self.rewritten(self.trace.form(name))
            atom = form.alias
            if isinstance(atom, Layer) or atom in self.written_by:
                assert atom is not None
                if atom.shape == self.trace.inner(form.shape):
                    names.setdefault(atom, name)
        for pair in self.pairs:
            names.setdefault(pair.after, pair.output)
        return names

    def _reserved(self) -> set[str]:
        return {*self.trace.inputs, *self.trace.outputs}

    def _named(self, atom: Atom) -> str:
        """Return the name of a result: claimed by an output, else made unique."""
        claimed = self.names.get(atom)
        return claimed if claimed is not None else self.out.unique(atom.name)

    # --- order -----------------------------------------------------------------------------

    def rewritten(self, form: Form) -> Form:
        """Say a form in terms of what neurons write: their spikes and next states."""
        replacements = {
            event: forms.of_atom(self.spikes[neuron], ())
            for neuron in self.dynamics.neurons
            if neuron in self.spikes
            for event in neuron.events
        }
        known = expressed(form, self.pairs)
        seen: dict[Atom, Form] = {
            event: Form(form.shape, f.terms) for event, f in replacements.items()
        }
        return forms.substitute(known, seen)

    def _units(self) -> list[Unit]:
        """Return layers and neurons in an order in which each finds its inputs written."""
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
        ordered = dict(sorted(needs.items(), key=lambda item: _age(item[0])))
        try:
            return list(TopologicalSorter(ordered).static_order())
        except CycleError as error:
            neuron = next((unit for unit in error.args[1] if isinstance(unit, Fitted)), None)
            raise refuse(
                "unsupported-neuron",
                "a neuron's input depends on its own spike of the same step",
                loc=neuron.loc if neuron else self.trace.path.name,
            ) from error

    def _reads(self, unit: Unit) -> list[Form]:
        if isinstance(unit, Fitted):
            return [self.rewritten(unit.drive)]
        return [self.rewritten(operand.form) for operand in unit.operands]

    def _writers(self, form: Form) -> list[Unit]:
        atoms = form.atoms()
        refuse_nameless(atoms)
        layers: list[Unit] = [atom for atom in atoms if isinstance(atom, Layer)]
        return layers + [self.written_by[atom] for atom in atoms if atom in self.written_by]

    # --- ops -------------------------------------------------------------------------------

    def _data_inputs(self) -> list[str]:
        held = {p.read.name for p in self.pairs} | {e.read for e in self.dynamics.echoes}
        unused = [n for n in self.trace.inputs if n not in held and not self.trace.readers[n]]
        self.trace.warnings.extend(f"input {name!r} is not used" for name in unused)
        return [n for n in self.trace.inputs if n not in held and n not in unused]

    def _read_input(self, name: str) -> Value:
        atom = self.trace.inputs[name]
        value = Value(name, FLOAT, atom.shape)
        self.out.values[atom] = value
        return value

    def _read_states(self) -> None:
        for pair in self.pairs:
            self.out.values[pair.read] = Value(pair.read.name, FLOAT, pair.read.shape)
        for echo in self.dynamics.echoes:
            atom = self.trace.inputs[echo.read]
            self.out.values[atom] = Value(atom.name, atom.type, atom.shape)

    def _write_layer(self, layer: Layer) -> None:
        operands = tuple(
            self.out.value_of(self.rewritten(o.form), o.shape, o.name, layer.loc)
            for o in layer.operands
        )
        result = Value(self._named(layer), layer.type, layer.shape)
        layer.write(operands, result, self.out)
        self.out.values[layer] = result

    def _write_neuron(self, neuron: Fitted) -> None:
        membrane = neuron.membrane.read
        current = neuron.current
        shape = membrane.shape
        label = self.trace.path.name
        name = neuron.loc.removeprefix(f"{label}:")
        drive = self.out.value_of(self.rewritten(neuron.drive), shape, f"{name}.drive", neuron.loc)

        def number(field: str, array: Array) -> Scalar:
            return self.out.parameter(f"{name}.{field}", forms.view(array, neuron.shape, shape))

        firing, gains = neuron.firing, neuron.gains
        spike = None if firing is None else self._new(self.spikes[neuron], SPIKE, shape)
        self.out.add(
            Neuron(
                loc=neuron.loc,
                x=drive,
                membrane=Value(membrane.name, FLOAT, shape),
                current=None if current is None else Value(current.read.name, FLOAT, shape),
                spike=spike,
                membrane_next=self._new(neuron.membrane.after, FLOAT, shape),
                current_next=None if current is None else self._new(current.after, FLOAT, shape),
                leak=number("leak", neuron.leak),
                gain=number("gain", gains.gain),
                bias=number("bias", gains.bias),
                current_leak=number("current_leak", gains.current_leak),
                current_input=number("current_input", gains.current_input),
                current_gain=number("current_gain", gains.current_gain),
                threshold=1.0 if firing is None else number("threshold", firing.threshold),
                strict=False if firing is None else firing.strict,
                reset=Reset(
                    kind=neuron.reset,
                    amount=number("reset", neuron.amount) if neuron.reset != "none" else 0.0,
                    phase=neuron.reset_phase,
                ),
                spike_phase=neuron.spike_phase,
                floor=None if neuron.floor is None else number("floor", neuron.floor),
            )
        )

    def _new(self, atom: Atom, type: Type, shape: Shape) -> Value:
        value = Value(self._named(atom), type, shape)
        self.out.values[atom] = value
        return value

    # --- ports -----------------------------------------------------------------------------

    def _output(self, name: str) -> Value:
        form = self.rewritten(self.trace.form(name))
        shape = self.trace.inner(form.shape)
        atom = form.alias
        if atom is not None and self.names.get(atom) == name:
            return self.out.values[atom]
        loc = f"{self.trace.path.name}:{name}"
        return self.out.port_of(form, shape, name, loc)

    def _states(self) -> Iterator[State]:
        for name in self.trace.inputs:
            for pair in self.pairs:
                if pair.read.name == name:
                    yield self._state(pair)
            for echo in self.dynamics.echoes:
                if echo.read == name:
                    yield self._echo(echo.read, echo.output)

    def _state(self, pair: Pair) -> State:
        read = Value(pair.read.name, FLOAT, pair.read.shape)
        after = self.out.values.get(pair.after, read)
        return State(read=read, next=after.name, output=pair.output)

    def _echo(self, read: str, output: str) -> State:
        form = self.rewritten(self.trace.form(output))
        atom = self.trace.inputs[read]
        loc = f"{self.trace.path.name}:{output}"
        value = self.out.value_of(form, atom.shape, output, loc)
        return State(read=Value(read, value.type, atom.shape), next=value.name, output=output)


def _spike_of(neuron: Fitted) -> Atom:
    assert neuron.firing is not None
    event = neuron.firing.event
    return Atom(name=event.tensor, shape=neuron.membrane.read.shape, type=SPIKE, loc=event.loc)


def _age(unit: Unit) -> int:
    return unit.order if isinstance(unit, Layer) else unit.membrane.read.order
