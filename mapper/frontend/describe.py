"""What was recognised in a model, as data: ``spikeloom inspect`` prints it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from math import prod
from typing import Any

import numpy as np

from mapper.frontend.result import Imported
from mapper.ir.core import Const, Constants, IntType, Op, Scalar, State, Value
from mapper.ir.crossbar import CountActive, CrossbarMvm
from mapper.ir.edges import Edge, carries, edges
from mapper.ir.hardware import ScaledAdd
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
from mapper.ir.neurons import Decay, IntegerNeuron, Neuron
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
        MaxPool2d: DIGITAL,
        Merge: DIGITAL,
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


def describe(imported: Imported) -> dict[str, Any]:
    """Return the layers, neurons and ports of a model as plain JSON data."""
    graph = imported.graph
    carried = edges(graph)
    layers = [_layer(op, graph.constants, carried) for op in graph.ops]
    return {
        "name": graph.name,
        "producer": imported.producer,
        "opset": imported.opset,
        "time_form": imported.time_form,
        "steps": imported.steps,
        "inputs": [_port(value, carried) for value in graph.inputs],
        "outputs": [_port(value, carried) for value in graph.outputs],
        "states": [_state(state, graph.constants, carried) for state in graph.states],
        "readout": [_readout(name, imported) for name in imported.readouts],
        "layers": layers,
        "totals": {
            "parameters": sum(array.size for array in graph.constants.values()),
            "weights": sum(layer.get("weights", 0) for layer in layers),
            "neurons": sum(layer.get("neurons", 0) for layer in layers),
            "bytes": sum(array.nbytes for array in graph.constants.values()),
        },
        "warnings": list(imported.warnings),
        "notes": list(imported.notes),
    }


def _port(value: Value, carried: Mapping[str, Edge]) -> dict[str, Any]:
    return {
        "name": value.name,
        "shape": list(value.shape),
        "carries": carries(value.type),
        "edge": carried[value.name].as_dict(),
    }


def _readout(name: str, imported: Imported) -> dict[str, Any]:
    """Say how an output of a model of many time steps is made of those of one."""
    readout = imported.readouts[name]
    return {
        "name": name,
        "of": readout.source,
        "over_time": readout.reduction,
        "scale": readout.scale,
        "time_axis": readout.axis,
    }


def _state(state: State, constants: Constants, carried: Mapping[str, Edge]) -> dict[str, Any]:
    return {
        **_port(state.read, carried),
        "returned_as": state.output,
        "initial": _number(state.initial, constants),
    }


def _layer(op: Op, constants: Constants, carried: Mapping[str, Edge]) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": op.loc.partition(":")[2] or op.loc or op.results[0].name,
        "op": op.mnemonic,
        "runs_on": PLACES.entry(type(op)),
        "reads": [_port(value, carried) for value in op.operands],
        "writes": [_port(value, carried) for value in op.results],
        "parameters_stored": sum(constants[c.name].size for c in set(op.constants)),
    }
    more = FACTS.entry(type(op))
    return facts if more is None else facts | more(op, constants)


def _window(window: Window) -> dict[str, Any]:
    return {spec.name: list(getattr(window, spec.name)) for spec in fields(window)}


def _matrix(op: Synapse | CrossbarMvm, constants: Constants) -> dict[str, Any]:
    weight = constants[op.weight.name]
    kind, bits = "floats", None
    if weight.dtype.kind in "iu":
        kind = f"integers {weight.min()}..{weight.max()}"
        bits = IntType.spanning(min(-1, int(weight.min())), int(weight.max())).bits
    wordlines, columns = (op.matrix(weight) if isinstance(op, Synapse) else weight).shape
    return {
        "weights": int(weight.size),
        "weight_name": op.weight.name,
        "weight_shape": list(weight.shape),
        "weight_values": kind,
        "weight_bits": bits,
        "wordlines": int(wordlines),
        "columns": int(columns),
    }


def _crossbars(op: CrossbarMvm, constants: Constants) -> dict[str, Any]:
    facts = {**_matrix(op, constants), "positions": prod(op.partial_sum.shape[4:])}
    if op.window is not None:
        facts["window"] = _window(op.window) | {"groups": op.groups}
    return facts


def _pool(op: MaxPool2d | SumPool2d | AvgPool2d, constants: Constants) -> dict[str, Any]:
    return {"window": _window(op.window)}


def _merge(op: Merge, constants: Constants) -> dict[str, Any]:
    return {"kind": op.kind}


def _grid(op: FakeQuantize, constants: Constants) -> dict[str, Any]:
    return {"codes": [op.low, op.high]}


def _synapse(op: Synapse, constants: Constants) -> dict[str, Any]:
    return {
        **_matrix(op, constants),
        "bias": op.bias is not None,
        "positions": prod(op.result.shape[1:]) if op.window is not None else 1,
    }


def _convolution(op: Conv2d | ConvTranspose2d, constants: Constants) -> dict[str, Any]:
    names = ("kernel", "stride", "padding", "dilation")
    shape = {name: list(getattr(op, name)) for name in names} | {"groups": op.groups}
    return _synapse(op, constants) | shape


def _neuron(op: Neuron | IntegerNeuron, constants: Constants) -> dict[str, Any]:
    if isinstance(op, IntegerNeuron):
        parameters = dict(_whole_parameters(op, constants))
    else:
        parameters = dict(_parameters(op, constants))
    return {
        "neurons": prod(op.x.shape),
        "neuron": kind_of(op),
        "parameters": parameters,
        "fires_at": _fires_at(op),
        "reset": {
            "kind": op.reset.kind,
            "amount": _number(op.reset.amount, constants),
            "phase": op.reset.phase,
        },
        "spike_phase": op.spike_phase,
    }


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
    return "membrane > threshold" if op.strict else "membrane >= threshold"


def _parameters(op: Neuron, constants: Constants) -> Iterator[tuple[str, Any]]:
    for name in _NEURON_FIELDS:
        scalar = getattr(op, name)
        if scalar is None or (name.startswith("current") and op.current is None):
            continue
        if name == "threshold" and op.spike is None:
            continue
        yield name, _number(scalar, constants)


def _whole_parameters(op: IntegerNeuron, constants: Constants) -> Iterator[tuple[str, Any]]:
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


def _kept(decay: Decay, constants: Constants) -> float | dict[str, Any]:
    """Return what a leak leaves, but for rounding."""
    if decay.kind == "none":
        return 1.0
    if decay.kind == "shift":
        return 1 - 2.0**-decay.shift
    found = _number(decay.multiplier, constants)
    unit = 2.0**-decay.shift
    if isinstance(found, float):
        return found * unit
    return found | {end: found[end] * unit for end in ("min", "max")}


def _number(scalar: Scalar, constants: Constants) -> float | dict[str, Any]:
    """Return a parameter: one number, or the range of several."""
    if not isinstance(scalar, Const):
        return float(scalar)
    array = constants[scalar.name]
    return {
        "name": scalar.name,
        "shape": list(array.shape),
        "min": float(np.min(array)),
        "max": float(np.max(array)),
    }


_PORTS_SAY_IT = "its ports say what it does"

FACTS: OpTable[Callable[[Any, Constants], dict[str, Any]]] = OpTable(
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
        Move: _PORTS_SAY_IT,
        Scale: "its factors are folded into what follows",
        AdcRead: "its numbers belong to the layer it is part of",
        CountActive: "its numbers belong to the layer it is part of",
        SenseAmpRead: "its numbers belong to the layer it is part of",
        ShiftAndAdd: "its numbers belong to the layer it is part of",
        ScaledAdd: "its scales are stored parameters, which are counted",
    },
)
"""What is said of an op beside its name, place and ports."""
