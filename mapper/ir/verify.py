"""Rules of a whole graph that no single op can check, and the error for breaking them."""

import sys
from collections.abc import Iterator
from itertools import islice
from math import prod

import numpy as np

from mapper.ir.core import Coding, Const, Constants, Graph, Op, Scalar, State, Value
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.limits import MOST_ELEMENTS, MOST_FACTOR
from mapper.ir.merging import merging_problems
from mapper.ir.network import broadcast_problems
from mapper.ir.ranges import (
    Reals,
    Whole,
    op_range_problems,
    range_problems,
    state_range_problems,
    value_problems,
)
from mapper.ir.readout import BitlineRead
from mapper.ir.text import print_op
from mapper.ir.units import held_values

_ANY = Reals(-sys.float_info.max, sys.float_info.max)
_BITS = Whole(-MOST_FACTOR, MOST_FACTOR)
"""Decided by whoever compiles; passes refuse those that a target has not."""


class InvalidIR(Exception):  # noqa: N818  a statement about the graph, as ``IR`` is a noun
    """A graph breaks the rules: a bug of the pass, the reader or the program that wrote it."""


def check_graph(graph: Graph, made_by: str, *, midway: bool = False) -> None:
    """Raise ``InvalidIR`` naming ``made_by`` (a pass or a reader) if any rule is broken.

    ``midway`` through the passes partial sums have no readout yet. Nothing runs such a graph, and
    with their readout they are worked through piece by piece: there may be more than are held.
    """
    if shown := broken_rules(graph, midway=midway):
        raise InvalidIR(f"{made_by} made an invalid graph; please report this as a bug\n{shown}")


def broken_rules(graph: Graph, *, midway: bool = False) -> str:
    """Return the first 20 broken rules, one an indented line; empty for a valid graph."""
    return "\n".join(f"  {problem}" for problem in islice(graph_problems(graph, midway=midway), 20))


def graph_problems(graph: Graph, *, midway: bool = False) -> Iterator[str]:
    """Yield every broken rule of the graph, its states and its ops, in order."""
    broken = False
    for problem in _rule_problems(graph):
        broken = True
        yield problem
    if not broken:  # what is held together is known of graphs that fit together alone
        yield from _size_problems(graph, midway)
        yield from merging_problems(graph)
        yield from _copy_problems(graph)


def _copy_problems(graph: Graph) -> Iterator[str]:
    """Yield every readout with tables for another number of copies than its crossbars have."""
    made_by = {op.partial_sum.name: op for op in graph.ops if isinstance(op, CrossbarMvm)}
    for read in graph.ops:
        mvm = made_by.get(read.partial_sum.name) if isinstance(read, BitlineRead) else None
        if mvm is None:
            continue
        assert isinstance(read, BitlineRead)
        own, copies = read.copies(graph.constants), mvm.placement.copies
        if own not in (1, copies):
            yield f"%{read.result.name} has references of {own} copies, its crossbars {copies}"


def _rule_problems(graph: Graph) -> Iterator[str]:
    for what, values in (("input", graph.inputs), ("output", graph.outputs)):
        if not values:
            yield f"the graph has no {what}"
    yield from _constant_problems(graph.constants)
    defined: dict[str, Value] = {}
    for value in (*graph.inputs, *(state.read for state in graph.states)):
        yield from _define(value, defined, None)
    for op in graph.ops:
        yield from _op_problems(op, defined, graph.constants)
        for value in op.results:
            yield from _define(value, defined, op)
    for value in graph.outputs:
        yield from _use_problems(value, defined, None)
    for state in graph.states:
        yield from _state_problems(state, defined, graph.constants)
    yield from _coding_problems(graph)
    yield from _assignment_problems(graph)


def _constant_problems(constants: Constants) -> Iterator[str]:
    for name, array in constants.items():
        if array.dtype.kind not in "iuf":
            yield f"constant @{name} has dtype {array.dtype}"
        elif array.dtype.kind == "f" and not np.isfinite(array).all():
            yield f"constant @{name} holds NaN or infinity"


def _define(value: Value, defined: dict[str, Value], op: Op | None) -> Iterator[str]:
    if value.name in defined:
        yield f"%{value.name} is defined twice: {'graph' if op is None else print_op(op)}"
    if op is None:  # results of ops are looked at with them
        yield from value_problems(value)
    defined[value.name] = value


def _size_problems(graph: Graph, midway: bool) -> Iterator[str]:
    columns = {v.name for op in graph.ops if midway and op.inside_layer for v in op.results}
    for value in held_values(graph):
        if value.name not in columns and prod(value.shape) > MOST_ELEMENTS:
            yield f"{value} has {prod(value.shape)} elements, at most {MOST_ELEMENTS} are held"


def _op_problems(op: Op, defined: dict[str, Value], constants: Constants) -> Iterator[str]:
    before = list(_reference_problems(op, defined, constants))
    if not before:  # ranges assume that what the op refers to exists, its rules assume ranges
        before = [f"{problem}: {print_op(op)}" for problem in op_range_problems(op, constants)]
    yield from before
    if not before:
        yield from (f"{problem}: {print_op(op)}" for problem in op.verify(constants))


def _reference_problems(op: Op, defined: dict[str, Value], constants: Constants) -> Iterator[str]:
    for value in op.operands:
        yield from _use_problems(value, defined, op)
    for const in op.constants:
        if const.name not in constants:
            yield f"{const} does not exist: {print_op(op)}"


def _use_problems(value: Value, defined: dict[str, Value], op: Op | None) -> Iterator[str]:
    known = defined.get(value.name)
    if known == value:
        return  # almost always; the text of an op takes longer than all of its rules
    where = "output" if op is None else print_op(op)
    if known is None:
        yield f"%{value.name} is used before it is defined: {where}"
    else:
        yield f"{value} is used, but {known} was defined: {where}"


def _state_problems(state: State, defined: dict[str, Value], constants: Constants) -> Iterator[str]:
    written = defined.get(state.next)
    if written is None:
        yield f"state {state.read} is never written: %{state.next} does not exist"
    elif (written.type, written.shape) != (state.read.type, state.read.shape):
        yield f"state {state.read} is written with {written}"
    if isinstance(state.initial, Const) and state.initial.name not in constants:
        yield f"{state.initial} does not exist: state {state.read}"
    elif not any(value_problems(state.read)):
        name = f"initial value of %{state.read.name}"
        yield from broadcast_problems(name, state.initial, state.read.shape, constants)
        yield from state_range_problems(state, constants)


def _coding_problems(graph: Graph) -> Iterator[str]:
    ports = {v.name: v for v in (*graph.inputs, *graph.outputs)}
    for name, coding in graph.codings.items():
        if name not in ports:
            yield f"%{name} has a coding, and is no input or output"
            continue
        for what, scalar in (("scale", coding.scale), ("offset", coding.offset)):
            yield from _coding_number(f"{what} of %{name}", scalar, ports[name], graph)
    for value in graph.inputs:
        scale = graph.codings.get(value.name, Coding()).scale
        if isinstance(scale, Const) or not 0 < scale < np.inf:
            yield f"the scale of input %{value.name} is {scale}, it must be one number above zero"


def _coding_number(what: str, scalar: Scalar, port: Value, graph: Graph) -> Iterator[str]:
    if isinstance(scalar, Const) and scalar.name not in graph.constants:
        yield f"{scalar} does not exist: {what}"
    elif isinstance(scalar, Const):
        yield from broadcast_problems(what, scalar, port.shape, graph.constants)
    else:
        yield from range_problems(what, _ANY, scalar, graph.constants)


def _assignment_problems(graph: Graph) -> Iterator[str]:
    decided = graph.assignment
    widths = {name: choice.weight_bits for name, choice in decided.layers.items()}
    for name, bits in (*widths.items(), ("all layers", decided.weight_bits)):
        yield from range_problems(f"the width decided for {name}", _BITS, bits, {})
