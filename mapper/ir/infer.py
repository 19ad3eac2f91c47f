"""Types and shapes of integer values, worked out from what feeds them.

A pass that changes how a layer is cut or read changes the range of its sums, and so the types of
everything up to the next neuron. Passes build ops with whatever types they find and let
``infer_types`` settle them in one walk.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Any, TypeVar, cast

from mapper.ir.core import FLOAT, Constants, Graph, IntType, Op, State, Type, Value, holds_values
from mapper.ir.crossbar import CountActive, CrossbarMvm
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
from mapper.ir.neurons import IntegerNeuron, Neuron
from mapper.ir.products import MatMul, Multiply
from mapper.ir.readout import AdcRead, BitlineRead, SenseAmpRead, ShiftAndAdd
from mapper.ir.synapses import Synapse, matrix_range
from mapper.ir.tables import OpTable
from mapper.ir.waiting import is_wire, start_type, starting_within, waiting_sums, with_types

AnyOp = TypeVar("AnyOp", bound=Op)


def infer_types(graph: Graph) -> Graph:
    """Return the graph with the narrowest proved type of every integer result.

    States that hold wider integers than spikes, and are no neuron's own, are as wide as what is
    written to them: sums that wait, whose types a pass may have changed.
    """
    waiting = waiting_sums(graph)
    if not waiting:
        return _walked(graph)
    types: dict[str, Type] = {state.read.name: start_type(state, graph) for state in waiting}
    for _ in range(len(waiting) + 2):
        found = _walked(with_types(graph, types))
        before, types = types, _handed_on(found, waiting, types)
        if types == before:
            return starting_within(found)
    return _walked(graph)


def _handed_on(
    graph: Graph, waiting: Sequence[State], types: Mapping[str, Type]
) -> dict[str, Type]:
    """Return the types of states once all that they hand to each other has gone round."""
    found = dict(types)
    made_by = {value.name: op for op in graph.ops for value in op.results}
    given = {value.name: value.type for value in graph.inputs}
    given |= {state.read.name: state.read.type for state in graph.states}

    def written(name: str) -> Type:
        op = made_by.get(name)
        if op is None:
            return found.get(name, given.get(name, FLOAT))
        if not is_wire(op):
            return next(value.type for value in op.results if value.name == name)
        return _joint([written(value.name) for value in op.operands])

    for _ in waiting:
        before = dict(found)
        for state in (*waiting, *reversed(waiting)):
            found[state.read.name] = written(state.next)
        if found == before:
            break
    return found


def _joint(types: Sequence[Type]) -> Type:
    whole = [type for type in types if isinstance(type, IntType)]
    if len(whole) < len(types):
        return FLOAT
    return IntType.spanning(min(t.min for t in whole), max(t.max for t in whole))


def _walked(graph: Graph) -> Graph:
    known = {v.name: v for v in (*graph.inputs, *(s.read for s in graph.states))}
    layers: dict[str, CrossbarMvm] = {}
    ops = []
    for op in graph.ops:
        op = _settle(substitute(op, known), graph.constants, layers)
        known.update({v.name: v for v in op.results})
        ops.append(op)
    outputs = tuple(known[v.name] for v in graph.outputs)
    return replace(graph, ops=tuple(ops), outputs=outputs)


def settled(op: AnyOp, constants: Constants) -> AnyOp:
    """Return one op with the narrowest proved type of its integer result."""
    rule = TYPES.entry(type(op))
    return op if rule is None else cast(AnyOp, rule(op, constants))


def substitute(op: Op, values: Mapping[str, Value]) -> Op:
    """Return the op with every operand and result replaced that ``values`` has by name."""
    changed: dict[str, Any] = {}
    for name in _fields_of_values(cast(Any, type(op))):
        held = new = getattr(op, name)
        if isinstance(held, Value):
            new = values.get(held.name, held)
        elif held:
            new = tuple(values.get(item.name, item) for item in held)
        if new is not held and new != held:
            changed[name] = new
    return replace(op, **changed) if changed else op


@cache
def _fields_of_values(kind: type[Any]) -> tuple[str, ...]:
    return tuple(spec.name for spec in fields(kind) if holds_values(spec))


def _settle(op: Op, constants: Constants, layers: dict[str, CrossbarMvm]) -> Op:
    """Settle one op; ``layers`` has the crossbars behind each partial sum and code."""
    if isinstance(op, CrossbarMvm):
        layers[op.partial_sum.name] = op
    elif isinstance(op, BitlineRead) and op.partial_sum.name in layers:
        layers[op.result.name] = layers[op.partial_sum.name]
    elif isinstance(op, ShiftAndAdd) and op.codes.name in layers:
        found = planes_of(layers[op.codes.name])
        op = op if found["planes"] == op.planes else replace(op, **found)
    return settled(op, constants)


def planes_of(layer: CrossbarMvm) -> dict[str, Any]:
    """Return the fields of a shift-and-add that follow from what drives the crossbars."""
    weights = tuple(plane.weight for plane in layer.bit_planes)
    return {"planes": () if weights == tuple(1 << b for b in range(len(weights))) else weights}


def _crossbar(op: CrossbarMvm, constants: Constants) -> Op:
    weight = constants[op.weight.name]
    slices = 1 if op.encoding is None else len(op.encoding.significances)
    shape = (op.planes, len(op.rows), slices, weight.shape[1], *op.positions)
    type = IntType.spanning(*op.sum_range(constants))
    return _with_result(op, "partial_sum", type, shape)


def _count_active(op: CountActive, constants: Constants) -> Op:
    shape = (len(op.bit_planes), len(op.rows), op.groups, *op.active.shape[3:])
    type = IntType.spanning(0, op.most_active)
    return _with_result(op, "active", type, shape)


def _read(op: BitlineRead, constants: Constants) -> Op:
    type = IntType.spanning(*op.ends(constants))
    return _with_result(op, "result", type, op.partial_sum.shape)


def _ranged(op: ShiftAndAdd | ScaledAdd, constants: Constants) -> Op:
    type = IntType.spanning(*op.range(constants))
    return _with_result(op, "result", type, op.result.shape)


def _with_result(op: Op, name: str, type: Type, shape: tuple[int, ...]) -> Op:
    held: Value = getattr(op, name)
    if held.type == type and held.shape == shape:
        return op
    changed: dict[str, Any] = {name: replace(held, type=type, shape=shape)}
    return replace(op, **changed)


def _passed(op: Op, constants: Constants) -> Op:
    """The result has the type of the one operand it comes from."""
    (x,), (result,) = op.operands, op.results
    return substitute(op, {result.name: replace(result, type=x.type)})


def _summed(op: Add | SumPool2d | Multiply | MatMul, constants: Constants) -> Op:
    if not all(isinstance(value.type, IntType) for value in op.operands):
        return op
    return replace(op, result=replace(op.result, type=IntType.spanning(*op.range())))


def _concat(op: Concat, constants: Constants) -> Op:
    type = _joint([part.type for part in op.parts])
    if type == FLOAT:
        return op
    return replace(op, result=replace(op.result, type=type))


def _synapse(op: Synapse, constants: Constants) -> Op:
    if not isinstance(op.result.type, IntType) or not isinstance(op.x.type, IntType):
        return op
    type = IntType.spanning(*matrix_range(op.matrix(constants[op.weight.name]), op.x.type))
    return replace(op, result=replace(op.result, type=type))


_REALS = "its results are real numbers"
_GIVEN = "its types are given with it"

TYPES: OpTable[Callable[[Any, Constants], Op]] = OpTable(
    what="types of results",
    entries={
        CrossbarMvm: _crossbar,
        CountActive: _count_active,
        SenseAmpRead: _read,
        AdcRead: _read,
        ShiftAndAdd: _ranged,
        ScaledAdd: _ranged,
        MaxPool2d: _passed,
        Move: _passed,
        SumPool2d: _summed,
        Add: _summed,
        Multiply: _summed,
        MatMul: _summed,
        Concat: _concat,
        Synapse: _synapse,
    },
    without={
        AvgPool2d: _REALS,
        FakeQuantize: _REALS,
        Neuron: _REALS,
        Scale: _REALS,
        IntegerNeuron: _GIVEN,
        Merge: _GIVEN,
    },
)
"""How the types and shapes of an op's integer results follow from its operands."""
