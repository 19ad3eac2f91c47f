"""Turn the network into integers: neurons, thresholds, and everything between."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from mapper.diagnostics import Diagnostic, MappingError, refuse
from mapper.ir.core import (
    EXACT_DOUBLE,
    FLOAT,
    Array,
    Coding,
    Const,
    Graph,
    IntType,
    Op,
    Scalar,
    State,
    Value,
)
from mapper.ir.infer import infer_types, substitute
from mapper.ir.leaks import Decay
from mapper.ir.network import FakeQuantize, Reshape, Scale
from mapper.ir.neurons import IntegerNeuron, Neuron
from mapper.ir.waiting import waiting_sums
from passes.base import Pass, RefusedGraphError
from passes.facts import CODED_INPUTS, INTEGER_WEIGHTS, NO_MEANS, Fact
from passes.integers import meaning
from passes.integers.differences import differences
from passes.integers.filters import Filters, FilterUnits
from passes.integers.meaning import FORMS, Form, Meaning
from passes.integers.neuron_units import (
    STAND_IN,
    Leak,
    NeuronUnits,
    excess_bits,
    fit_neuron,
    neuron_problems,
)
from passes.integers.waiting import Waiting, with_bias
from passes.shared.rewrite import number, pruned, simplest
from targets import Target


@dataclass(frozen=True, kw_only=True)
class QuantizeNeurons(Pass):
    """Turn the network into integers: scales and biases go into thresholds and membranes.

    A value's scale and offset are followed to the neuron that reads it, which takes a membrane
    unit per channel, so that its threshold, reset and bias are integers. Inexact: those integers
    are rounded, inputs that count finer than a membrane can are brought to a coarser step, a leak
    becomes one the target has, sums of different scales are aligned by integer multipliers, and
    the rounding of quantised activations (``net.fake_quantize``) is left out.
    """

    name: ClassVar[str] = "quantize-neurons"
    exact: ClassVar[bool] = False
    needs: ClassVar[tuple[Fact, ...]] = (CODED_INPUTS, NO_MEANS, INTEGER_WEIGHTS)
    gone: ClassVar[tuple[type[Op], ...]] = (Neuron, Scale, FakeQuantize)
    refuses: ClassVar[bool] = True

    def run(self, graph: Graph, target: Target) -> Graph:
        if all(v.type != FLOAT for op in graph.ops for v in (*op.operands, *op.results)):
            return graph  # trained in integers
        return _Rewriter(Filters.of(graph, target)).run()

    def warnings(self, graph: Graph, target: Target) -> tuple[str, ...]:
        """Return which inputs and leaks are rounded, which levels are lost, what saturates."""
        if not any(isinstance(op, Neuron) for op in graph.ops):
            return ()
        rewriter = _Rewriter(Filters.of(graph, target))
        rewriter.run()
        return tuple(rewriter.told)


@dataclass
class _Rewriter:
    """The walk over one graph: what each value means so far, and the new ops."""

    filters: Filters
    meanings: dict[str, Meaning] = field(default_factory=dict)
    ops: list[Op] = field(default_factory=list)
    states: list[State] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    refused: list[Diagnostic] = field(default_factory=list)
    """What does not fit; stand-ins are in its place, so that all of it is found."""
    entering: set[str] = field(default_factory=set)
    """Values that wait in states for later steps."""
    told: list[str] = field(default_factory=list)
    """What is rounded, and how neurons come out otherwise than the model's."""
    whole: dict[str, Meaning] = field(default_factory=dict)
    """Membranes of which others read the highest bits."""

    @property
    def graph(self) -> Graph:
        return self.filters.graph

    @property
    def target(self) -> Target:
        return self.filters.target

    def run(self) -> Graph:
        graph = self.graph
        self.constants = dict(graph.constants)
        self.meanings = {v.name: meaning.plain(v) for v in graph.inputs}
        for state in graph.states:
            if state.read.type != FLOAT:
                self.meanings[state.read.name] = meaning.plain(state.read)
                self.states.append(replace(state, output=""))
        self._wait()
        for op in graph.ops:
            self._rewrite(op)
        self.states = [self._written(state) for state in self.states]
        done = replace(
            graph,
            outputs=tuple(self._output(v) for v in graph.outputs),
            states=tuple(self.states),
            ops=tuple(self.ops),
            constants=self.constants,
            codings={**graph.codings, **self._output_codings()},
        )
        done = infer_types(pruned(done)) if waiting_sums(done) else pruned(done)
        if self.refused:
            raise RefusedGraphError(self.refused, done)
        return done

    def _wait(self) -> None:
        """Let sums of layers wait in the states that had reals wait."""
        waiting = Waiting(self.graph, self.meanings)
        self.entering = waiting.entering
        for state in waiting.states:
            known, start = waiting.meaning(state)
            self.meanings[state.read.name] = known
            name = f"{state.read.name}.initial"
            self.constants[name] = start
            initial = Const(name) if start.ndim else int(start)
            self.states.append(replace(state, read=known.value, initial=initial, output=""))

    def _written(self, state: State) -> State:
        """Return a state with the integers that are written to it: scales are gone."""
        known = self.whole.get(state.next) or self.meanings.get(state.next)
        return state if known is None else replace(state, next=known.value.name)

    def _output(self, value: Value) -> Value:
        """Give the integers behind an output its name: others find it by that."""
        held = (self.whole.get(value.name) or self._meaning(value, "output")).value
        if held.name == value.name:
            return held
        named = replace(held, name=value.name)
        taken = {v.name for v in (*self.graph.inputs, *self.graph.outputs)}
        taken |= {state.read.name for state in self.graph.states}
        taken |= {op.spike.name for op in self.graph.ops if isinstance(op, Neuron) and op.spike}
        if held.name in taken:  # it has a name of its own to keep
            self.ops.append(Reshape(x=held, result=named))
            return named
        rename = {held.name: named}
        self.ops = [substitute(op, rename) for op in self.ops]
        self.states = [
            replace(s, next=named.name) if s.next == held.name else s for s in self.states
        ]
        for name, known in self.meanings.items():
            if known.value.name == held.name:
                self.meanings[name] = replace(known, value=named)
        return named

    def _meaning(self, value: Value, loc: str) -> Meaning:
        """Return what an operand means; a membrane from before its neuron has no meaning."""
        if value.name not in self.meanings:
            raise refuse(
                "unsupported-on-hardware",
                f"the membrane {value.name!r} of the step before is used outside its neuron",
                loc=loc,
                help="let other layers use the neuron's spikes",
            )
        return self.meanings[value.name]

    def _rewrite(self, op: Op) -> None:
        if isinstance(op, Neuron):
            self._neuron(op)
            return
        known = [self._meaning(v, op.loc) for v in op.operands]
        try:
            form = self._integer_form(op, known)
        except MappingError as error:
            self.refused += error.diagnostics
            form = self._integer_form(op, [meaning.plain(m.value) for m in known])
        self.ops += [*form.before, *([] if form.op is None else [form.op])]
        self.constants.update(form.tables)
        self.meanings[op.results[0].name] = form.meaning
        if op.results[0].name in self.entering:
            self._let_wait(op)

    def _let_wait(self, op: Op) -> None:
        """Add its bias to what waits for later steps."""
        name = op.results[0].name
        form = with_bias(self.meanings[name], name, op.loc)
        self.ops += [] if form.op is None else [form.op]
        self.constants.update(form.tables)
        self.meanings[name] = form.meaning

    def _integer_form(self, op: Op, known: list[Meaning]) -> Form:
        rule = FORMS.entry(type(op))
        if rule is None:
            told = refuse(
                "unsupported-on-hardware",
                f"'{op.mnemonic}' has no integer form",
                loc=op.loc,
                help="networks run on crossbars and spiking neurons; remove this operation",
            )
            raise MappingError([*self.refused, *told.diagnostics])
        return rule(op, known, self.graph)

    def _neuron(self, op: Neuron) -> None:
        upwards = self._counting_upwards(op, self._meaning(op.x, op.loc))
        x = self._as_coarse_as_needed(op, upwards)
        problems = neuron_problems(self.graph, op, x, self.target.neuron)
        self.refused += problems
        own = self.filters.units(op, x)
        fraction = None if own is None else own.fraction_bits
        units = STAND_IN
        if not problems:
            units = fit_neuron(self.graph, op, x, self.target.neuron, fraction)
        self.told += [
            f"{op.loc or op.results[0].name}: {text}"
            for text in differences(self.graph, op, units, self.target.neuron)
        ]
        bits = self.target.neuron.membrane_bits if own is None else own.bits
        held = IntType(bits, signed=True)
        values = (op.membrane, op.membrane_next, op.current, op.current_next)
        typed = {v.name: replace(v, type=held) for v in values if v is not None}

        spike = None if op.spike is None else replace(op.spike, type=units.levels.type)
        read, units = self._read(op, x, typed[op.membrane.name], units)

        def integer(value: Value | None) -> Value | None:
            return None if value is None else typed[value.name]

        self.ops.append(
            IntegerNeuron(
                x=read,
                membrane=typed[op.membrane.name],
                membrane_next=typed[op.membrane_next.name],
                current=integer(op.current),
                current_next=integer(op.current_next),
                spike=spike,
                fraction_bits=units.fraction_bits,
                decay=self._decay(op, "leak", units.decay),
                current_decay=self._decay(op, "current_leak", units.current_decay),
                bias=self._integers(op, "bias", units.bias),
                threshold=self._thresholds(op, units),
                strict=op.strict and units.levels.is_spike,
                levels=units.levels,
                reset=replace(op.reset, amount=self._integers(op, "reset", units.reset_amount)),
                spike_phase=op.spike_phase,
                floor=None if units.floor is None else self._integers(op, "floor", units.floor),
                loc=op.loc,
            )
        )
        if spike is not None:
            self.meanings[spike.name] = meaning.plain(spike)
        self._neuron_states(op, typed, units)
        if own is not None:
            self._let_weigh(op, own)

    def _read(
        self, op: Neuron, x: Meaning, membrane: Value, units: NeuronUnits
    ) -> tuple[Value, NeuronUnits]:
        """Return what a neuron reads, and its units: a leak that is switched is part of it."""
        switch = self.filters.switch_of(op)
        if switch is None or units is STAND_IN:
            return x.value, units
        by = self._meaning(switch, op.loc)
        drive = self.filters.drive(op, x, by, membrane, units.fraction_bits)
        self.ops += drive.ops
        self.constants |= drive.tables
        return drive.x, replace(units, fraction_bits=0, decay=Leak())

    def _let_weigh(self, op: Neuron, own: FilterUnits) -> None:
        """Let weights read the highest bits of a filter, and say what is lost."""
        name = op.membrane_next.name
        held = self.meanings[name]
        told = self.filters.told(op, own, float(np.max(held.scale)))
        self.told += [f"{op.loc or name}: {text}" for text in told]
        if (codes := self.filters.codes(op, held, own)) is not None:
            cut, self.meanings[name] = codes
            self.whole[name] = held
            self.ops.append(cut)

    def _counting_upwards(self, op: Neuron, x: Meaning) -> Meaning:
        """Turn the codes that a neuron reads where they fall as its membrane rises."""
        gain = number(self.graph, op.gain) * x.scale
        if op.current is not None or (gain == 0).any() or (gain > 0).all():
            return x
        form = meaning.turned(x, np.sign(gain), f"{op.results[0].name}.turned", op.loc)
        assert form.op is not None
        self.ops.append(form.op)
        self.constants |= form.tables
        return form.meaning

    def _as_coarse_as_needed(self, op: Neuron, x: Meaning) -> Meaning:
        """Round the input of a neuron that counts finer than the target's membranes can."""
        bits = excess_bits(self.graph, op, x, self.target.neuron)
        if not bits:
            return x
        form = meaning.coarser(x, bits, f"{op.results[0].name}.x", op.loc)
        assert form.op is not None
        self.ops.append(form.op)
        self.told.append(
            f"{op.loc or op.results[0].name}: its input of {x.type.bits} bits is rounded to "
            f"multiples of {1 << bits} steps, for membranes of {self.target.neuron.membrane_bits} "
            "bits do not hold twice its threshold in its steps"
        )
        return form.meaning

    def _neuron_states(self, op: Neuron, typed: dict[str, Value], units: NeuronUnits) -> None:
        """States keep their names; what they hold before the first step changes its unit."""
        starts = {op.membrane.name: units.unit}
        if op.current is not None:
            starts[op.current.name] = units.current_unit
        for state in self.graph.states:
            unit = starts.get(state.read.name)
            if unit is None:
                continue
            start = np.rint(np.asarray(number(self.graph, state.initial) / unit))
            initial = self._integers(op, f"{state.read.name}.initial", start)
            read = typed[state.read.name]
            assert isinstance(read.type, IntType)
            if not read.type.holds(int(start.min()), int(start.max())):
                raise refuse(
                    "membrane-too-narrow",
                    f"'{read.name}' starts at {start.min():g}..{start.max():g} steps of its unit, "
                    f"the target holds {read.type.min}..{read.type.max}",
                    loc=op.loc,
                    help="start it nearer to zero, or take a target of wider membranes",
                )
            self.states.append(replace(state, read=read, initial=initial, output=""))
        for value, unit in ((op.membrane_next, units.unit), (op.current_next, units.current_unit)):
            if value is not None:
                self.meanings[value.name] = Meaning(
                    value=typed[value.name], scale=unit, offset=np.asarray(0.0)
                )

    def _decay(self, op: Op, what: str, leak: Leak) -> Decay:
        if leak.multiplier is None:
            return leak.decay
        return replace(leak.decay, multiplier=self._integers(op, what, leak.multiplier))

    def _thresholds(self, op: Neuron, units: NeuronUnits) -> int | Const:
        """Return one threshold, or a table where neurons differ or have several levels."""
        if units.levels.is_spike:
            return self._integers(op, "threshold", units.threshold)
        name = f"{op.results[0].name}.threshold"
        self.constants[name] = units.threshold.astype(np.int64)
        return Const(name)

    def _integers(self, op: Op, what: str, table: Array) -> int | Const:
        """Return one integer, or a new constant where neurons differ."""
        small = simplest(table)
        if not (np.abs(small) < EXACT_DOUBLE).all():
            raise refuse(
                "membrane-too-narrow",
                f"the {what} of this neuron is {np.abs(small).max():g} steps of its membrane",
                loc=op.loc,
                help="the network was not trained to work with such numbers",
            )
        if small.ndim == 0:
            return int(small)
        name = f"{op.results[0].name}.{what}"
        self.constants[name] = small.astype(np.int64)
        return Const(name)

    def _output_codings(self) -> dict[str, Coding]:
        codings = {}
        for value in self.graph.outputs:
            known = self.whole.get(value.name) or self.meanings[value.name]
            if (known.scale == 1).all() and not known.offset.any():
                continue
            scale = self._real(f"{value.name}.coding.scale", known.scale)
            offset = self._real(f"{value.name}.coding.offset", known.offset)
            codings[value.name] = Coding(scale=scale, offset=offset)
        return codings

    def _real(self, name: str, table: Array) -> Scalar:
        if table.ndim == 0:
            return float(table)
        self.constants[name] = table.astype(np.float64)
        return Const(name)
