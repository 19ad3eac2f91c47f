"""Whether two graphs are equal: the same ops on the same values with the same numbers."""

from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from mapper.ir.core import Array, Const, Constants, Graph, Op, Part, State, param


def first_difference(a: Graph, b: Graph) -> str | None:
    """Return what differs first, or None.

    Names of values count; the order of states, the order of ops that do not read each other, the
    names of constants and the places ops come from do not. Numbers are compared bit for bit.
    """
    return next(_differences(a, b), None)


def _differences(a: Graph, b: Graph) -> Iterator[str]:
    if a.name != b.name:
        yield "name"
    for what in ("inputs", "outputs"):
        if sorted(map(str, getattr(a, what))) != sorted(map(str, getattr(b, what))):
            yield what.removesuffix("s")
    states = {s.read.name: s for s in b.states}
    if {s.read.name for s in a.states} != set(states):
        yield "state"
    for state in a.states:
        if not _same_state(state, states.get(state.read.name), a, b):
            yield f"state {state.read.name!r}"
    ops = {op.results[0].name: op for op in b.ops}
    if {op.results[0].name for op in a.ops} != set(ops):
        missing = sorted({op.results[0].name for op in a.ops} ^ set(ops))
        yield f"layer {missing[0]!r}"
    for op in a.ops:
        other = ops.get(op.results[0].name)
        if other is None or not _same(op, other, a.constants, b.constants):
            yield f"layer {op.results[0].name!r}"


def _same_state(one: State, other: State | None, a: Graph, b: Graph) -> bool:
    if other is None or (one.read, one.next, one.output) != (other.read, other.next, other.output):
        return False
    kind = one.read.type
    initials = param(a.constants, one.initial, kind), param(b.constants, other.initial, kind)
    return np.array_equal(*initials)


def _same(one: object, other: object, a: Constants, b: Constants) -> bool:
    if isinstance(one, Const | float | int) and isinstance(other, Const | float | int):
        return _same_numbers(_array(one, a), _array(other, b))
    if isinstance(one, Op | Part) and type(one) is type(other):
        named = (f.name for f in fields(one) if f.name != "loc")
        return all(_same(getattr(one, name), getattr(other, name), a, b) for name in named)
    return one == other


def _array(item: Const | float, constants: Constants) -> Array:
    return np.asarray(constants[item.name] if isinstance(item, Const) else item)


def _same_numbers(one: Array, other: Array) -> bool:
    if one.ndim and other.ndim and (one.dtype.kind in "iu") != (other.dtype.kind in "iu"):
        return False  # integer weights are integers on purpose
    try:
        pair = np.broadcast_arrays(one, other)
    except ValueError:
        return False
    return np.array_equal(pair[0].astype(np.float32), pair[1].astype(np.float32))
