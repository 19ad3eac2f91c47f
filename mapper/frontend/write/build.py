"""Write the graph of a traced model whose neurons are known."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from mapper.diagnostics import refuse
from mapper.frontend.algebra.coefficients import view
from mapper.frontend.algebra.forms import Atom, Form, Shape
from mapper.frontend.neurons.fit import Fitted, Pair
from mapper.frontend.neurons.states import Dynamics
from mapper.frontend.onnx.layers import Layer, PlainLayer, SynapseLayer
from mapper.frontend.onnx.located import Located, readable
from mapper.frontend.onnx.trace import Trace
from mapper.frontend.write.names import unit_names, unused, with_weights_named
from mapper.frontend.write.plan import Plan
from mapper.frontend.write.writer import OpWriter
from mapper.ir.core import FLOAT, Array, Graph, Scalar, State, Type, Value
from mapper.ir.infer import settled, substitute
from mapper.ir.levels import RoundedLevels
from mapper.ir.network import Scale
from mapper.ir.neurons import Neuron, Reset


def build_graph(trace: Trace, dynamics: Dynamics) -> tuple[Graph, dict[str, Located]]:
    """Return the float network graph of one time step, and where its values are in the model."""
    builder = _Builder(trace, dynamics)
    graph = builder.graph()
    returned = {s.next: Located(tensor=s.output) for s in graph.states if s.output}
    return graph, returned | builder.located


class _Builder:
    def __init__(self, trace: Trace, dynamics: Dynamics) -> None:
        self.trace = trace
        self.dynamics = dynamics
        self.plan = Plan(trace, dynamics)
        self.names = self._claimed_names()
        neurons = (*dynamics.neurons, *self.plan.alone.values())
        self.unkept = [n.membrane for n in neurons if n.keeps_nothing]
        own = [pair.read.name for pair in self.unkept]
        self.out = OpWriter(trace.path.stem, {*trace.inputs, *trace.outputs, *own})
        self.memories: list[State] = []
        self.called = unit_names(self.plan.units, trace)
        self.taken = {name.text for name in self.called.values()}
        self.numbers = Counter[str]()
        self.located: dict[str, Located] = {}
        """Which tensor of the model holds which value."""
        self.readable = readable(
            (name, tensor) for name, tensor in trace.tensors.items() if isinstance(tensor, Form)
        )

    def graph(self) -> Graph:
        inputs = [self._read_input(name) for name in self._data_inputs()]
        self._read_states()
        for unit in self.plan.units:
            start = len(self.out.ops)
            own = self._write_layer(unit) if isinstance(unit, Layer) else self._write_neuron(unit)
            self._locate(start, own, self.called[unit].text)
        outputs = [self._output(name) for name in self.plan.ports]
        self.located = {v.name: Located(tensor=v.name) for v in outputs} | self.located
        self.out.inputs.extend(inputs)
        self.out.states.extend(self._states())
        return self.out.graph(*outputs, checked=False)  # the importer checks what it returns

    # --- names -----------------------------------------------------------------------------

    def _claimed_names(self) -> dict[Atom, str]:
        """Name results after the model's outputs that they are."""
        names: dict[Atom, str] = {}
        for name in (*self.plan.ports, *(e.output for e in self.dynamics.echoes)):
            form = self.plan.rewritten(self.trace.form(name))
            atom = form.alias
            if isinstance(atom, Layer) or atom in self.plan.written_by:
                assert atom is not None
                if atom.shape == self.trace.inner(form.shape):
                    names.setdefault(atom, name)
        for pair in self.plan.pairs:
            names.setdefault(pair.after, pair.output)
        return names

    def _new(self, atom: Atom, type: Type, shape: Shape, name: str) -> Value:
        """Return the value of a result; it is named after an output where it is one."""
        claimed = self.names.get(atom)
        name = self.out.unique(name) if claimed is None else claimed
        self.out.values[atom] = Value(name, type, shape)
        return self.out.values[atom]

    def _locate(self, start: int, own: int, name: str) -> None:
        """Give ops that were written together a name each: that of their unit, and more of it.

        Args:
            start: Where they begin: with what combines the unit's inputs.
            own: Where those of the unit itself begin. The last of them has its name; what scales
                behind it does not.
            name: Of the unit.
        """
        ops = self.out.ops[own:]
        main = next((op for op in reversed(ops) if not isinstance(op, Scale)), ops[-1])
        for index, op in enumerate(self.out.ops[start:], start):
            told = name
            if op is not main:
                told = f"{name}.{op.mnemonic.rpartition('.')[2]}"
                if told in self.taken:
                    self.numbers[told] = max(self.numbers[told], 1)  # the first has none
                    told = unused(told, self.taken, self.numbers)
                self.taken.add(told)
            self.out.ops[index] = replace(op, loc=f"{self.trace.path.name}:{told}")

    # --- inputs ----------------------------------------------------------------------------

    def _data_inputs(self) -> list[str]:
        held = {p.read.name for p in self.plan.pairs} | {e.read for e in self.dynamics.echoes}
        unused = [n for n in self.trace.inputs if n not in held and not self.trace.readers[n]]
        self.trace.warnings.extend(f"input {name!r} is not used" for name in unused)
        read = [n for n in self.trace.inputs if n not in held and n not in unused]
        if not read:
            raise refuse(
                "no-input",
                "nothing in the model depends on an input that is no state",
                loc=self.trace.path.name,
                help="export the network with the data it runs on as an input",
            )
        return read

    def _read_input(self, name: str) -> Value:
        atom = self.trace.inputs[name]
        self.out.values[atom] = Value(name, FLOAT, atom.shape)
        return self.out.values[atom]

    def _read_states(self) -> None:
        for pair in self.plan.pairs:
            self.out.values[pair.read] = Value(pair.read.name, FLOAT, pair.read.shape)
        for pair in self.unkept:
            self.out.values[pair.read] = Value(pair.read.name, FLOAT, pair.read.shape)
        for echo in self.dynamics.echoes:
            atom = self.trace.inputs[echo.read]
            self.out.values[atom] = Value(atom.name, atom.type, atom.shape)
        for neuron in self.dynamics.neurons:
            if neuron in self.plan.remembered:
                spike = self.plan.spikes[neuron]
                self.out.values[spike] = self.out.fresh(spike.name, spike.type, spike.shape)

    # --- ops -------------------------------------------------------------------------------

    def _write_layer(self, layer: Layer) -> int:
        """Write a layer, what combines its inputs first; return where its own ops begin."""
        name = self.called[layer]
        operands = tuple(
            self.out.value_of(
                self.plan.rewritten(o.form), o.shape, name.of_value("input", o.name), layer.loc
            )
            for o in layer.operands
        )
        own = len(self.out.ops)
        result = self._new(layer, layer.type, layer.shape, name.of_value("", layer.name))
        with_weights_named(layer, name).write(operands, result, self.out)
        if not isinstance(layer, SynapseLayer):
            result = self._settle(layer, own)
        if layer in self.readable:
            terms = layer.offset_terms if isinstance(layer, PlainLayer) else None
            self.located[result.name] = replace(self.readable[layer], offset_terms=terms)
        return own

    def _settle(self, layer: Layer, own: int) -> Value:
        """Give a layer's ops the types that follow from the values that they read.

        Those that it has from the walk may be others: several comparisons were read as one neuron.
        """
        known: dict[str, Value] = {}
        for index, op in enumerate(self.out.ops[own:], own):
            op = settled(substitute(op, known), {})
            self.out.ops[index] = op
            known |= {value.name: value for value in op.results}
        name = self.out.values[layer].name
        self.out.values[layer] = known.get(name, self.out.values[layer])
        return self.out.values[layer]

    def _write_neuron(self, neuron: Fitted) -> int:
        """Write a neuron, what it adds up first; return where it stands."""
        current, shape = neuron.current, neuron.membrane.read.shape
        name = self.called[neuron].text
        drive = self.plan.rewritten(neuron.drive)

        def number(field: str, array: Array) -> Scalar:
            return self.out.parameter(f"{name}.{field}", view(array, neuron.shape, shape))

        def after(pair: Pair) -> Value:
            return self._new(pair.after, FLOAT, shape, pair.after.name)

        firing, gains = neuron.firing, neuron.gains
        late = neuron.spike_phase == "next" and neuron not in self.plan.remembered
        self.out.add(
            Neuron(
                loc=neuron.loc,
                x=self.out.value_of(drive, shape, f"{name}.drive", neuron.loc),
                membrane=self.out.values[neuron.membrane.read],
                current=None if current is None else self.out.values[current.read],
                spike=self._spike(neuron),
                membrane_next=after(neuron.membrane),
                current_next=None if current is None else after(current),
                leak=number("leak", neuron.leak),
                leak_rounding=neuron.rounding,
                gain=number("gain", gains.gain),
                bias=number("bias", gains.bias),
                current_leak=number("current_leak", gains.current_leak),
                current_rounding=neuron.current_rounding,
                current_input=number("current_input", gains.current_input),
                current_gain=number("current_gain", gains.current_gain),
                threshold=1.0 if firing is None else number("threshold", firing.threshold),
                strict=False if firing is None else firing.strict,
                levels=RoundedLevels() if firing is None else firing.levels,
                reset=Reset(
                    kind=neuron.reset,
                    amount=number("reset", neuron.amount) if neuron.reset != "none" else 0,
                    phase=neuron.reset_phase,
                ),
                spike_phase="next" if late else "same",
                floor=None if neuron.floor is None else number("floor", neuron.floor),
            )
        )
        return len(self.out.ops) - 1

    def _spike(self, neuron: Fitted) -> Value | None:
        if neuron not in self.plan.spikes:
            return None
        assert neuron.firing is not None  # those without have no spikes
        atom, place = self.plan.spikes[neuron], self.readable.get(neuron.firing.event)
        if neuron not in self.plan.remembered:
            name = self.called[neuron].of_value("", atom.name)
            spike = self._new(atom, atom.type, atom.shape, name)
            self.located |= {} if place is None else {spike.name: place}
            return spike
        read = self.out.values[atom]
        self.located |= {} if place is None else {read.name: place}
        spike = self.out.fresh(f"{read.name}.next", read.type, read.shape)
        self.memories.append(State(read=read, next=spike.name))
        return spike

    # --- outputs ---------------------------------------------------------------------------

    def _output(self, name: str) -> Value:
        form = self.plan.rewritten(self.trace.form(name))
        atom = form.alias
        if atom is not None and self.names.get(atom) == name:
            return self.out.values[atom]
        loc = f"{self.trace.path.name}:{name}"
        return self.out.port_of(form, self.trace.inner(form.shape), name, loc)

    def _states(self) -> Iterator[State]:
        by_name = {pair.read.name: self._state(pair) for pair in self.plan.pairs}
        by_name |= {e.read: self._echo(e.read, e.output) for e in self.dynamics.echoes}
        yield from (by_name[name] for name in self.trace.inputs if name in by_name)
        for pair in self.unkept:
            yield State(read=self.out.values[pair.read], next=self.out.values[pair.after].name)
        yield from self.memories

    def _state(self, pair: Pair) -> State:
        read = self.out.values[pair.read]
        return State(read=read, next=self.out.values.get(pair.after, read).name, output=pair.output)

    def _echo(self, read: str, output: str) -> State:
        form = self.plan.rewritten(self.trace.form(output))
        before = self.out.values[self.trace.inputs[read]]
        loc = f"{self.trace.path.name}:{output}"
        value = self.out.value_of(form, before.shape, output, loc)
        return State(read=before, next=value.name, output=output)
