"""What was recognised in a model, for people and for ``spikeloom inspect``."""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from mapper.frontend.result import Imported
from mapper.ir.core import SPIKE, Const, Constants, FloatType, Graph, Op, Scalar, Type, Value
from mapper.ir.neurons import Neuron
from mapper.ir.synapses import Synapse

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
    layers = [_layer(op, graph.constants) for op in graph.ops]
    return {
        "name": graph.name,
        "producer": imported.producer,
        "opset": imported.opset,
        "time_form": imported.time_form,
        "inputs": [_port(value) for value in graph.inputs],
        "outputs": [_port(value) for value in graph.outputs],
        "states": [_state(graph, name) for name in (s.read.name for s in graph.states)],
        "readout": [_readout(name, imported) for name in imported.readouts],
        "layers": layers,
        "totals": {
            "parameters": sum(array.size for array in graph.constants.values()),
            "weights": sum(layer.get("weights", 0) for layer in layers),
            "neurons": sum(layer.get("neurons", 0) for layer in layers),
        },
        "warnings": list(imported.warnings),
        "notes": list(imported.notes),
    }


def _port(value: Value) -> dict[str, Any]:
    return {"name": value.name, "shape": list(value.shape), "carries": carries(value.type)}


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


def _state(graph: Graph, name: str) -> dict[str, Any]:
    state = next(s for s in graph.states if s.read.name == name)
    return {**_port(state.read), "returned_as": state.output}


def carries(type: Type) -> str:
    """Say in a word what a value holds."""
    if type == SPIKE:
        return "spikes"
    return "analogue values" if isinstance(type, FloatType) else f"integers ({type})"


def _layer(op: Op, constants: Constants) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": op.loc.partition(":")[2] or op.loc,
        "op": op.mnemonic,
        "reads": [_port(value) for value in op.operands],
        "writes": [_port(value) for value in op.results],
    }
    if isinstance(op, Synapse):
        facts.update(_synapse(op, constants))
    elif isinstance(op, Neuron):
        facts.update(_neuron(op, constants))
    return facts


def _synapse(op: Synapse, constants: Constants) -> dict[str, Any]:
    weight = constants[op.weight.name]
    kind = "floats"
    if weight.dtype.kind in "iu":
        kind = f"integers {weight.min()}..{weight.max()}"
    window = op.window
    return {
        "weights": int(weight.size),
        "weight_name": op.weight.name,
        "weight_values": kind,
        "bias": op.bias is not None,
        "wordlines": int(op.matrix(weight).shape[0]),
        "columns": int(op.matrix(weight).shape[1]),
        "positions": prod(op.result.shape[1:]) if window is not None else 1,
    }


def _neuron(op: Neuron, constants: Constants) -> dict[str, Any]:
    return {
        "neurons": prod(op.x.shape),
        "neuron": kind_of(op),
        "parameters": dict(_parameters(op, constants)),
        "fires_at": _fires_at(op),
        "reset": {
            "kind": op.reset.kind,
            "amount": _number(op.reset.amount, constants),
            "phase": op.reset.phase,
        },
        "spike_phase": op.spike_phase,
    }


def kind_of(op: Neuron) -> str:
    """Name a neuron in the words of the field."""
    leaky = op.leak != 1.0
    if op.spike is None:
        return "leaky integrator" if leaky else "integrator"
    if op.current is not None:
        return "current-based leaky integrate-and-fire"
    return "leaky integrate-and-fire" if leaky else "integrate-and-fire"


def _fires_at(op: Neuron) -> str:
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
