"""What was recognised in a model, as data: ``spikeloom inspect`` prints it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from mapper.epilogue.model import host_of
from mapper.frontend.info import (
    CrossbarInfo,
    Facts,
    Geometry,
    GridInfo,
    LayerInfo,
    MatrixInfo,
    MergeInfo,
    ModelInfo,
    NeuronInfo,
    Parameter,
    PoolInfo,
    PortInfo,
    ReadoutInfo,
    ResetInfo,
    Spread,
    StateInfo,
    SynapseInfo,
    Totals,
)
from mapper.frontend.limits import analogue_layers
from mapper.frontend.result import Imported
from mapper.ir.assignment import DIGITAL as ON_DIGITAL_UNIT
from mapper.ir.assignment import layer_name
from mapper.ir.core import Const, Constants, Graph, IntType, Op, Scalar, State, Value
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.edges import Edge, carries, edges
from mapper.ir.hardware import ScaledAdd
from mapper.ir.leaks import Decay
from mapper.ir.levels import RoundedLevels
from mapper.ir.network import (
    Add,
    AvgPool2d,
    Concat,
    FakeQuantize,
    MaxPool2d,
    Merge,
    Move,
    Scale,
    SumPool2d,
)
from mapper.ir.neurons import IntegerNeuron, Neuron
from mapper.ir.products import MatMul, Multiply
from mapper.ir.readout import AdcRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Conv2d, ConvTranspose2d, Linear, Synapse
from mapper.ir.tables import OpTable
from mapper.ir.windows import Window

CROSSBARS = "crossbars"
DIGITAL = "digital unit"
FOLDED = "folded"
WIRING = "wiring"
PLACES: OpTable[str] = OpTable(
    what="places that ops run on",
    entries={
        Synapse: CROSSBARS,
        CrossbarMvm: CROSSBARS,
        CountActive: CROSSBARS,
        SenseAmpRead: CROSSBARS,
        AdcRead: CROSSBARS,
        Scale: FOLDED,  # into weights, thresholds and biases
        FakeQuantize: FOLDED,
        Move: WIRING,
        Concat: WIRING,
        Add: DIGITAL,
        AvgPool2d: DIGITAL,
        IntegerNeuron: DIGITAL,
        MatMul: DIGITAL,
        MaxPool2d: DIGITAL,
        Merge: DIGITAL,
        Multiply: DIGITAL,
        Neuron: DIGITAL,
        ScaledAdd: DIGITAL,
        ShiftAndAdd: DIGITAL,
        SumPool2d: DIGITAL,
    },
    without={},
)
"""Where an op runs on hardware, as ``runs_on`` says it."""

_NEURON_FIELDS = (
    "leak",
    "gain",
    "bias",
    "current_leak",
    "current_input",
    "current_gain",
    "threshold",
    "floor",
)


def describe(imported: Imported) -> ModelInfo:
    """Return the layers, neurons and ports of a model."""
    graph = imported.graph
    carried = edges(graph)
    layers = tuple(_layer(op, graph, carried) for op in graph.ops)
    return ModelInfo(
        name=graph.name,
        producer=imported.producer,
        opset=imported.opset,
        time_form=imported.time_form,
        steps=imported.steps,
        inputs=_ports(graph.inputs, carried),
        outputs=_ports(graph.outputs, carried),
        states=tuple(_state(state, graph.constants, carried) for state in graph.states),
        readout=tuple(_readout(name, imported) for name in imported.readouts),
        layers=layers,
        totals=Totals(
            parameters=sum(array.size for array in graph.constants.values()),
            weights=sum(layer.matrix.weights for layer in layers if layer.matrix is not None),
            neurons=sum(layer.neuron.neurons for layer in layers if layer.neuron is not None),
            bytes=sum(array.nbytes for array in graph.constants.values()),
        ),
        warnings=(*imported.warnings, *analogue_layers(graph, carried)),
        notes=imported.notes,
        host=None if imported.epilogue is None else host_of(imported.epilogue),
        presented=imported.presented,
    )


def _ports(values: Iterable[Value], carried: Mapping[str, Edge]) -> tuple[PortInfo, ...]:
    return tuple(_port(value, carried) for value in values)


def _port(value: Value, carried: Mapping[str, Edge]) -> PortInfo:
    return PortInfo(
        name=value.name,
        shape=value.shape,
        carries=carries(value.type),
        edge=carried[value.name],
    )


def _readout(name: str, imported: Imported) -> ReadoutInfo:
    """Say how an output of a model of many time steps follows from those of one."""
    readout = imported.readouts[name]
    return ReadoutInfo(
        name=name,
        of=readout.source,
        over_time=readout.reduction,
        scale=readout.scale,
        time_axis=readout.axis,
        step=readout.step,
    )


def _state(state: State, constants: Constants, carried: Mapping[str, Edge]) -> StateInfo:
    return StateInfo(
        port=_port(state.read, carried),
        returned_as=state.output,
        initial=_number(state.initial, constants),
    )


def _place(op: Op, graph: Graph) -> str | None:
    """Say what an op runs on; a network that comes with its crossbars has its layers there."""
    if isinstance(op, Synapse):
        trained = any(isinstance(other, CrossbarMvm) for other in graph.ops)
        if trained or graph.assignment.of(op.loc).macro == ON_DIGITAL_UNIT:
            return DIGITAL
    return PLACES.entry(type(op))


def _layer(op: Op, graph: Graph, carried: Mapping[str, Edge]) -> LayerInfo:
    constants = graph.constants
    place, rule = _place(op, graph), FACTS.entry(type(op))
    assert place is not None  # every op has one
    return LayerInfo(
        name=layer_name(op.loc, op.results[0].name),
        op=op.mnemonic,
        runs_on=place,
        reads=_ports(op.operands, carried),
        writes=_ports(op.results, carried),
        parameters_stored=sum(constants[c.name].size for c in set(op.constants)),
        facts=None if rule is None else rule(op, constants),
    )


def _window(window: Window, groups: int | None = None) -> Geometry:
    """Describe the window that a crossbar or a pool sees."""
    return Geometry(
        kernel=window.kernel,
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
        stuffing=window.stuffing,
        groups=groups,
    )


def _matrix(op: Synapse | CrossbarMvm, constants: Constants) -> MatrixInfo:
    weight = constants[op.weight.name]
    kind, bits = "floats", None
    if weight.dtype.kind in "iu":
        kind = f"integers {weight.min()}..{weight.max()}"
        bits = IntType.spanning(min(-1, int(weight.min())), int(weight.max())).bits
    wordlines, columns = (op.matrix(weight) if isinstance(op, Synapse) else weight).shape
    return MatrixInfo(
        weights=int(weight.size),
        name=op.weight.name,
        shape=weight.shape,
        values=kind,
        bits=bits,
        wordlines=int(wordlines),
        columns=int(columns),
    )


def _crossbars(op: CrossbarMvm, constants: Constants) -> CrossbarInfo:
    return CrossbarInfo(
        matrix=_matrix(op, constants),
        positions=prod(op.partial_sum.shape[4:]),
        geometry=None if op.window is None else _window(op.window, op.groups),
    )


def _pool(op: MaxPool2d | SumPool2d | AvgPool2d, constants: Constants) -> PoolInfo:
    return PoolInfo(geometry=_window(op.window))


def _merge(op: Merge, constants: Constants) -> MergeInfo:
    return MergeInfo(kind=op.kind)


def _grid(op: FakeQuantize, constants: Constants) -> GridInfo:
    return GridInfo(low=op.low, high=op.high)


def _synapse(op: Synapse, constants: Constants) -> SynapseInfo:
    return SynapseInfo(
        matrix=_matrix(op, constants),
        bias=op.bias is not None,
        positions=prod(op.result.shape[1:]) if op.window is not None else 1,
    )


def _convolution(op: Conv2d | ConvTranspose2d, constants: Constants) -> SynapseInfo:
    geometry = Geometry(
        kernel=op.kernel,
        stride=op.stride,
        padding=op.padding,
        dilation=op.dilation,
        groups=op.groups,
    )
    return replace(_synapse(op, constants), geometry=geometry)


def _neuron(op: Neuron | IntegerNeuron, constants: Constants) -> NeuronInfo:
    if isinstance(op, IntegerNeuron):
        parameters = dict(_whole_parameters(op, constants))
    else:
        parameters = dict(_parameters(op, constants))
    return NeuronInfo(
        neurons=prod(op.x.shape),
        kind=kind_of(op),
        parameters=parameters,
        fires_at=_fires_at(op),
        reset=ResetInfo(
            kind=op.reset.kind,
            amount=_number(op.reset.amount, constants),
            phase=op.reset.phase,
        ),
        spike_phase=op.spike_phase,
    )


def kind_of(op: Neuron | IntegerNeuron) -> str:
    """Name a neuron in the words of the field."""
    leaky = op.decay.kind != "none" if isinstance(op, IntegerNeuron) else op.leak != 1.0
    if op.spike is None:
        return "leaky integrator" if leaky else "integrator"
    if op.current is not None:
        return "current-based leaky integrate-and-fire"
    return "leaky integrate-and-fire" if leaky else "integrate-and-fire"


def _fires_at(op: Neuron | IntegerNeuron) -> str:
    if op.spike is None:
        return "never"
    compare, levels = ">" if op.strict else ">=", op.levels
    if levels.is_spike:
        return f"membrane {compare} threshold"
    told = f"{levels.low}..{levels.high} a step"
    if not isinstance(levels, RoundedLevels):
        return f"{told}: thresholds that the membrane {'passes' if op.strict else 'reaches'}"
    if levels.rounding == "half-even":
        return f"{told}: membrane / threshold to the nearest, ties to even"
    if levels.rounding == "half-up":
        return f"{told}: membrane / threshold to the nearest, halves upwards"
    if levels.rounding == "half-down":
        return f"{told}: membrane / threshold to the nearest, halves downwards"
    return f"{told}: level k where membrane {compare} k * threshold"


def _parameters(op: Neuron, constants: Constants) -> Iterator[tuple[str, Parameter]]:
    for name in _NEURON_FIELDS:
        scalar = getattr(op, name)
        if scalar is None or (name.startswith("current") and op.current is None):
            continue
        if name == "threshold" and op.spike is None:
            continue
        yield name, _number(scalar, constants)


def _whole_parameters(op: IntegerNeuron, constants: Constants) -> Iterator[tuple[str, Parameter]]:
    """Yield what integer neurons have: potentials in units of their membrane."""
    yield "leak", _kept(op.decay, constants)
    if op.current is not None:
        yield "current_leak", _kept(op.current_decay, constants)
        yield "current_gain", _kept(op.input_decay, constants)
    yield "bias", _number(op.bias, constants)
    if op.spike is not None:
        yield "threshold", _number(op.threshold, constants)
    if op.floor is not None:
        yield "floor", _number(op.floor, constants)
    yield "fraction_bits", op.fraction_bits
    assert isinstance(op.membrane.type, IntType)
    yield "membrane_bits", op.membrane.type.bits


def _kept(decay: Decay, constants: Constants) -> float | Spread:
    """Return what a leak leaves, but for rounding."""
    if decay.kind == "none":
        return 1.0
    if decay.kind == "shift":
        return 1 - 2.0**-decay.shift
    found = _number(decay.multiplier, constants)
    unit = 2.0**-decay.shift
    if isinstance(found, float):
        return found * unit
    return replace(found, min=found.min * unit, max=found.max * unit)


def _number(scalar: Scalar, constants: Constants) -> float | Spread:
    """Return a parameter: one number, or the range of several."""
    if not isinstance(scalar, Const):
        return float(scalar)
    array = constants[scalar.name]
    return Spread(
        name=scalar.name,
        shape=array.shape,
        min=float(np.min(array)),
        max=float(np.max(array)),
    )


_PORTS_SAY_IT = "its ports say what it does"

FACTS: OpTable[Callable[[Any, Constants], Facts]] = OpTable(
    what="facts of ops",
    entries={
        Linear: _synapse,
        Conv2d: _convolution,
        ConvTranspose2d: _convolution,
        CrossbarMvm: _crossbars,
        Neuron: _neuron,
        IntegerNeuron: _neuron,
        MaxPool2d: _pool,
        SumPool2d: _pool,
        AvgPool2d: _pool,
        Merge: _merge,
        FakeQuantize: _grid,
    },
    without={
        Add: _PORTS_SAY_IT,
        Concat: _PORTS_SAY_IT,
        MatMul: _PORTS_SAY_IT,
        Move: _PORTS_SAY_IT,
        Multiply: _PORTS_SAY_IT,
        Scale: "its factors are folded into what follows",
        AdcRead: "its numbers belong to the layer it is part of",
        CountActive: "its numbers belong to the layer it is part of",
        SenseAmpRead: "its numbers belong to the layer it is part of",
        ShiftAndAdd: "its numbers belong to the layer it is part of",
        ScaledAdd: "its scales are stored parameters, which are counted",
    },
)
"""What is said of an op beside its name, place and ports."""
