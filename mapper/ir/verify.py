"""Rules of a whole graph that no single op can check, and the error for breaking them."""

from collections.abc import Iterator

import numpy as np

from mapper.ir.core import Const, Constants, Graph, IntType, Op, State, Value
from mapper.ir.network import broadcast_problems
from mapper.ir.text import print_op


class InvalidIR(Exception):  # noqa: N818  a statement about the graph, as ``IR`` is a noun
    """A bug of ours: a pass or a reader made a graph that breaks the rules."""


def check_graph(graph: Graph, made_by: str) -> None:
    """Raise ``InvalidIR`` naming ``made_by`` (a pass or a reader) if any rule is broken."""
    problems = list(graph_problems(graph))
    if problems:
        shown = "\n".join(f"  {problem}" for problem in problems[:20])
        raise InvalidIR(f"{made_by} made an invalid graph; please report this as a bug\n{shown}")


def graph_problems(graph: Graph) -> Iterator[str]:
    """Yield every broken rule of the graph, its states and its ops, in order."""
    yield from _constant_problems(graph.constants)
    defined: dict[str, Value] = {}
    for value in (*graph.inputs, *(state.read for state in graph.states)):
        yield from _define(value, defined, "graph")
    for op in graph.ops:
        yield from _op_problems(op, defined, graph.constants)
        for value in op.results:
            yield from _define(value, defined, print_op(op))
    for value in graph.outputs:
        yield from _use_problems(value, defined, "output")
    for state in graph.states:
        yield from _state_problems(state, defined, graph.constants)


def _constant_problems(constants: Constants) -> Iterator[str]:
    for name, array in constants.items():
        if array.dtype.kind not in "iuf":
            yield f"constant @{name} has dtype {array.dtype}"
        elif not np.isfinite(array).all():
            yield f"constant @{name} holds NaN or infinity"


def _define(value: Value, defined: dict[str, Value], where: str) -> Iterator[str]:
    if value.name in defined:
        yield f"%{value.name} is defined twice: {where}"
    if isinstance(value.type, IntType) and not 1 <= value.type.bits <= 63:
        yield f"%{value.name} is {value.type}: widths are 1..63 bits"
    defined[value.name] = value


def _op_problems(op: Op, defined: dict[str, Value], constants: Constants) -> Iterator[str]:
    before = list(_reference_problems(op, defined, constants))
    yield from before
    if not before:  # rules of the op assume that what it refers to exists
        yield from (f"{problem}: {print_op(op)}" for problem in op.verify(constants))


def _reference_problems(op: Op, defined: dict[str, Value], constants: Constants) -> Iterator[str]:
    for value in op.operands:
        yield from _use_problems(value, defined, print_op(op))
    for const in op.constants:
        if const.name not in constants:
            yield f"{const} does not exist: {print_op(op)}"


def _use_problems(value: Value, defined: dict[str, Value], where: str) -> Iterator[str]:
    known = defined.get(value.name)
    if known is None:
        yield f"%{value.name} is used before it is defined: {where}"
    elif known != value:
        yield f"{value} is used, but {known} was defined: {where}"


def _state_problems(state: State, defined: dict[str, Value], constants: Constants) -> Iterator[str]:
    written = defined.get(state.next)
    if written is None:
        yield f"state {state.read} is never written: %{state.next} does not exist"
    elif (written.type, written.shape) != (state.read.type, state.read.shape):
        yield f"state {state.read} is written with {written}"
    if isinstance(state.initial, Const) and state.initial.name not in constants:
        yield f"{state.initial} does not exist: state {state.read}"
        return
    problems = broadcast_problems("initial value", state.initial, state.read.shape, constants)
    yield from (f"{problem}: state {state.read}" for problem in problems)
