"""Hardware graph to steps in an order: what the native executor runs.

Layers are run one after the other over many time steps, so that a layer's weights and membranes
stay in cache. Only what feeds back into itself is run step by step, as one component.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mapper.executor.native.bounds import NotNativeError
from mapper.executor.native.counted import is_counted_apart, taken_back, without_offset
from mapper.executor.native.digital import as_crossbars
from mapper.executor.native.layers import NativeLayer
from mapper.executor.native.logic import logic
from mapper.executor.native.neurons import NeuronTables
from mapper.executor.native.order import in_order
from mapper.executor.native.steps import (
    CountedStep,
    DelayStep,
    Ends,
    LayerStep,
    LogicStep,
    NeuronStep,
    Step,
    numpy_step,
)
from mapper.ir.core import Constants, Graph, State, Value
from mapper.ir.evaluate import recorded_names
from mapper.ir.neurons import IntegerNeuron
from mapper.ir.synapses import Synapse
from mapper.ir.units import CrossbarLayer, Unit, units


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An op that runs on NumPy, and why."""

    op: str
    loc: str
    reason: str

    def __str__(self) -> str:
        return f"{self.op} at {self.loc} runs on NumPy: {self.reason}"


@dataclass(frozen=True, slots=True)
class Component:
    """Steps that run together: one over many time steps, or a loop step by step."""

    steps: tuple[Step, ...]
    recurrent: bool
    dead: tuple[str, ...] = ()
    """Values that nothing reads afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything the native executor needs to run a graph."""

    graph: Graph
    components: tuple[Component, ...]
    notes: tuple[Note, ...]
    outputs: Mapping[str, str]
    """Value recorded under each name that a run returns."""

    @property
    def steps(self) -> Iterator[Step]:
        return (step for component in self.components for step in component.steps)


def make_plan(graph: Graph, level: int, watch: Sequence[str] = ()) -> Plan:
    """Plan a hardware graph for kernels of a level; what they cannot take goes to NumPy."""
    outputs = recorded_names(graph, watch)
    work = units(graph, watch)
    planner = _Planner(graph, level, work, outputs)
    steps = planner.steps()
    delays = [
        DelayStep(state=s.read, following=s.next, reads=(s.next,), makes=(s.read.name,))
        for s in graph.states
        if s.read.name not in {name for step in steps for name in step.private}
    ]
    components = list(_components(steps, delays))
    return Plan(
        graph=graph,
        components=tuple(_with_dead(components, set(outputs.values()))),
        notes=tuple(planner.notes),
        outputs=outputs,
    )


class _Planner:
    """Chooses a step for each unit, or for two."""

    def __init__(
        self, graph: Graph, level: int, work: Sequence[Unit], outputs: Mapping[str, str]
    ) -> None:
        self.graph, self.level, self.work = graph, level, work
        self.notes: list[Note] = []
        self.uses = Counter([v.name for unit in work for v in unit.operands])
        self.uses.update(outputs.values())
        self.by_state: dict[str, State] = {s.read.name: s for s in graph.states}
        self.uses.update(state.next for state in graph.states)
        self.behind = {unit.x.name: unit for unit in work if isinstance(unit, IntegerNeuron)}

    def steps(self) -> list[Step]:
        found: list[Step] = []
        fused: set[str] = set()
        for unit in self.work:
            if unit.results[0].name in fused:
                continue
            step = self._step(unit, fused)
            found.append(step)
        return found

    def _step(self, unit: Unit, fused: set[str]) -> Step:
        try:
            return self._native(unit, fused)
        except NotNativeError as reason:
            kind = "crossbar layer" if isinstance(unit, CrossbarLayer) else unit.mnemonic
            self.notes.append(Note(op=kind, loc=_place(unit), reason=str(reason)))
            return numpy_step(self.graph, unit)

    def _native(self, unit: Unit, fused: set[str]) -> Step:
        constants = self.graph.constants
        weights: Constants = constants
        crossbars = unit
        if isinstance(unit, Synapse):
            crossbars, weights = as_crossbars(unit, constants)
        if isinstance(crossbars, CrossbarLayer) and is_counted_apart(crossbars):
            return self._counted(crossbars)
        if isinstance(crossbars, CrossbarLayer):
            layer = NativeLayer.make(crossbars, weights, self.level)
            neurons = self._fusible(crossbars)
            digital = crossbars is not unit
            if neurons is None:
                ends = _ends(unit.operands, unit.results)
                return LayerStep(layer=layer, digital=digital, **ends)
            fused.add(neurons.op.results[0].name)
            ends = _ends(unit.operands, neurons.op.results, neurons.op)
            return LayerStep(layer=layer, neurons=neurons, digital=digital, **ends)
        assert not isinstance(unit, CrossbarLayer)
        if isinstance(unit, IntegerNeuron):
            self._check_private(unit)
            tables = NeuronTables.make(unit, constants, self._read_elsewhere(unit))
            ends = _ends((unit.x,), unit.results, unit)
            return NeuronStep(neurons=tables, level=self.level, **ends)
        ends = _ends(unit.operands, unit.results)
        return LogicStep(result=unit.results[0], logic=logic(unit), **ends)

    def _counted(self, layer: CrossbarLayer) -> Step:
        constants = self.graph.constants
        own, matrix = taken_back(layer, constants)
        return CountedStep(
            whole=layer,
            cells=NativeLayer.make(without_offset(layer), constants, self.level),
            taken_back=NativeLayer.make(own, matrix, self.level),
            **_ends(layer.operands, layer.results),
        )

    def _fusible(self, layer: CrossbarLayer) -> NeuronTables | None:
        """Return the neurons that alone read a layer's sums, if the kernels take them."""
        result = layer.add.result.name
        neuron = self.behind.get(result)
        if neuron is None or self.uses[result] != 1:
            return None
        try:
            self._check_private(neuron)
            return NeuronTables.make(neuron, self.graph.constants, self._read_elsewhere(neuron))
        except NotNativeError:
            return None  # said where the neurons are planned

    def _check_private(self, op: IntegerNeuron) -> None:
        """Refuse neurons whose states are not theirs alone."""
        pairs = ((op.membrane, op.membrane_next), (op.current, op.current_next))
        for read, following in pairs:
            if read is None or following is None:
                continue
            state = self.by_state.get(read.name)
            if state is None or state.next != following.name or self.uses[read.name] != 1:
                raise NotNativeError(f"the state '{read.name}' is not these neurons' alone")

    def _read_elsewhere(self, op: IntegerNeuron) -> set[str]:
        following = (v.name for v in (op.membrane_next, op.current_next) if v is not None)
        return {name for name in following if self.uses[name] > 1}


def _ends(
    operands: Sequence[Value], results: Sequence[Value], neurons: IntegerNeuron | None = None
) -> Ends:
    """Return what a step reads and makes, and the states of its neurons."""
    own = () if neurons is None else (neurons.membrane, neurons.current)
    return {
        "reads": tuple(v.name for v in operands),
        "makes": tuple(v.name for v in results),
        "private": tuple(v.name for v in own if v is not None),
    }


def _place(unit: Unit) -> str:
    return unit.loc or unit.results[0].name


def _components(steps: Sequence[Step], delays: Sequence[DelayStep]) -> Iterator[Component]:
    """Group steps into loops and put the groups in order."""
    everything: list[Step] = [*delays, *steps]
    maker = {name: i for i, step in enumerate(everything) for name in step.makes}
    into = [[maker[name] for name in step.reads if name in maker] for step in everything]
    for members in in_order(into):
        recurrent = len(members) > 1 or members[0] in into[members[0]]
        yield Component(tuple(everything[i] for i in members), recurrent)


def _with_dead(components: Sequence[Component], kept: set[str]) -> Iterator[Component]:
    last: dict[str, int] = {}
    for i, component in enumerate(components):
        for step in component.steps:
            last.update({name: i for name in (*step.makes, *step.reads)})
    for i, component in enumerate(components):
        dead = tuple(name for name, at in last.items() if at == i and name not in kept)
        yield Component(component.steps, component.recurrent, dead)
