"""Whether two graphs are the same: every answer there is.

- ``a == b``: the same in every field and every bit, the types of constants included.
- ``digest(a) == digest(b)``: the same, but constants may be stored in integers of another width.
  A build folder keeps them as narrow as they fit, and its graph is the one that was compiled.
- ``first_difference(a, b) is None``: the same network. Names of constants, the order of
  statements, the places ops come from and what is decided for layers may differ, as after a trip
  through another format.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, get_args

import numpy as np

from mapper.ir.core import Array, Coding, Const, Constants, Graph, Op, Part, State, param
from mapper.ir.frozen import exactly
from mapper.ir.serialize import to_json
from mapper.ir.weights import narrow


def digest(graph: Graph) -> str:
    """Return the SHA-256 of everything in a graph, in hexadecimal.

    It does not depend on the order of constants, nor on the width of integers that hold them.

    Raises:
        MappingError: ``bad-weights`` for integers that no file of ours can hold.
    """
    return _sha256({"graph": to_json(graph), "constants": _contents(graph.constants)})


def digest_of_arrays(arrays: Mapping[str, Array]) -> str:
    """Return the SHA-256 of arrays by name, as ``digest`` sees constants."""
    return _sha256(_contents(arrays))


def _sha256(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _contents(arrays: Mapping[str, Array]) -> dict[str, list[Any]]:
    """Describe each array by type, shape and the SHA-256 of its bytes."""
    stored = {name: narrow(array) for name, array in arrays.items()}
    return {
        name: [array.dtype.str, array.shape, hashlib.sha256(array.data).hexdigest()]
        for name, array in stored.items()
    }


# --- the same network under other names -------------------------------------------------------


def first_difference(a: Graph, b: Graph) -> str | None:
    """Return what differs first between two valid networks, or None.

    Names of values count; the order of ports, states and ops, the names of constants and ``loc``
    do not. Numbers are compared to the last bit, as the ops take them: a parameter of a float op
    in single precision, everything else as it is.
    """
    return next(_differences(a, b), None)


def _differences(a: Graph, b: Graph) -> Iterator[str]:
    """Yield what differs, up to and with the first: what comes after it may not make sense."""
    if a.name != b.name:
        yield "name"
    for what in ("inputs", "outputs"):
        if set(getattr(a, what)) != set(getattr(b, what)):
            yield what.removesuffix("s")
    if a.codings.keys() != b.codings.keys():
        yield "coding"
    for name, coding in a.codings.items():
        if not _same_fields(coding, b.codings[name], a.constants, b.constants):
            yield f"coding {name!r}"
    states = {s.read.name: s for s in b.states}
    if {s.read.name for s in a.states} != set(states):
        yield "state"
    for state in a.states:
        if not _same_state(state, states[state.read.name], a, b):
            yield f"state {state.read.name!r}"
    ops = {op.results[0].name: op for op in b.ops}
    if missing := sorted({op.results[0].name for op in a.ops} ^ set(ops)):
        yield f"layer {missing[0]!r}"
    for op in a.ops:
        if not _same(op, ops[op.results[0].name], a.constants, b.constants):
            yield f"layer {op.results[0].name!r}"


def _same_state(one: State, other: State, a: Graph, b: Graph) -> bool:
    if (one.read, one.next, one.output) != (other.read, other.next, other.output):
        return False
    kind = one.read.type
    return _same_numbers(
        param(a.constants, one.initial, kind), param(b.constants, other.initial, kind)
    )


def _same(one: object, other: object, a: Constants, b: Constants, single: bool = False) -> bool:
    if isinstance(one, Const | float | int) and isinstance(other, Const | float | int):
        return _same_numbers(_array(one, a, single), _array(other, b, single))
    if isinstance(one, tuple) and isinstance(other, tuple):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(_same(x, y, a, b) for x, y in pairs)
    if isinstance(one, Op | Part) and type(one) is type(other):
        return _same_fields(one, other, a, b)
    return exactly(one, other)


def _same_fields(one: Op | Part | Coding, other: object, a: Constants, b: Constants) -> bool:
    return all(
        _same(getattr(one, spec.name), getattr(other, spec.name), a, b, _is_single(one, spec.type))
        for spec in fields(one)
        if spec.name != "loc"
    )


def _is_single(owner: object, hint: object) -> bool:
    """Say whether a field is a parameter of a float op, which takes it in single precision."""
    return float in get_args(hint) and not isinstance(owner, Coding)


def _array(item: Const | float, constants: Constants, single: bool) -> Array:
    array = np.asarray(constants[item.name] if isinstance(item, Const) else item)
    return array.astype(np.float32) if single and array.dtype.kind == "f" else array


def _same_numbers(one: Array, other: Array) -> bool:
    """Compare numbers that may be spread over a layer; an integer array is never a float one."""
    integer = [array.dtype.kind in "iub" for array in (one, other)]
    if one.ndim and other.ndim and integer[0] is not integer[1]:
        return False
    try:
        one, other = np.broadcast_arrays(one, other)
    except ValueError:
        return False
    if all(integer):
        return np.array_equal(one, other)
    wide = np.result_type(one, other)
    return exactly(one.astype(wide), other.astype(wide))
