"""The file form of a graph: JSON for structure, ``.npz`` (no pickles) for constants.

The JSON is read back against the dataclasses' own annotations: a field that is missing,
unknown or of another type is refused, so a hand-made file cannot smuggle anything in.
"""

import re
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mapper.diagnostics import refuse
from mapper.ir import hardware, network, neurons, products, synapses
from mapper.ir.assignment import UNASSIGNED, Assignment, Choice
from mapper.ir.core import (
    FLOAT,
    Array,
    Coding,
    Const,
    FloatType,
    Graph,
    IntType,
    Op,
    State,
    Value,
)
from mapper.ir.frozen import is_default

FORMAT = 1
"""Version of the file form of a graph whose layers are all left to the compiler."""

ASSIGNED = 2
"""Version that also says what is decided for layers. A reader refuses any other."""

_MODULES = (synapses, network, products, neurons, hardware)
OPS: Mapping[str, type[Op]] = {
    kind.mnemonic: kind
    for module in _MODULES
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Op) and kind.mnemonic
}
"""Every op by mnemonic."""

_INTEGER_TYPE = re.compile("[iu][0-9]{1,2}")


def to_json(graph: Graph) -> dict[str, Any]:
    """Return the structure of a graph as plain JSON data, without its constants."""
    decided = graph.assignment
    assigned = {} if decided == UNASSIGNED else {"assignment": _dump_assignment(decided)}
    return {
        "format": ASSIGNED if assigned else FORMAT,
        **assigned,
        "name": graph.name,
        "inputs": [_dump(v) for v in graph.inputs],
        "outputs": [_dump(v) for v in graph.outputs],
        "states": [_dump(s) for s in graph.states],
        "codings": {name: _dump(coding) for name, coding in sorted(graph.codings.items())},
        "ops": [{"op": op.mnemonic, **_dump(op)} for op in graph.ops],
    }


def from_json(data: Mapping[str, Any], constants: Mapping[str, Array], where: str) -> Graph:
    """Rebuild a graph; raise ``MappingError`` (``bad-mapping``) naming ``where`` if not."""
    try:
        return _graph(data, constants)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise refuse(
            "bad-mapping",
            f"not a graph this version can read: {error}",
            loc=where,
            help="compile the model again",
        ) from error


def _graph(data: Mapping[str, Any], constants: Mapping[str, Array]) -> Graph:
    if data["format"] not in (FORMAT, ASSIGNED):
        raise ValueError(f"format {data['format']}, this version reads {FORMAT} and {ASSIGNED}")
    assigned = data["format"] == ASSIGNED
    return Graph(
        name=load(str, data["name"]),
        inputs=load(tuple[Value, ...], data["inputs"]),
        outputs=load(tuple[Value, ...], data["outputs"]),
        states=load(tuple[State, ...], data["states"]),
        codings={str(name): load(Coding, c) for name, c in data["codings"].items()},
        ops=tuple(_load_op(item) for item in data["ops"]),
        constants=constants,
        assignment=_load_assignment(data["assignment"]) if assigned else UNASSIGNED,
    )


def _dump_assignment(assignment: Assignment) -> dict[str, Any]:
    layers = {name: _dump(choice) for name, choice in sorted(assignment.layers.items())}
    spread = assignment.spread_steps
    spreads = {} if spread is None else {"spread_steps": spread}
    return {"weight_bits": assignment.weight_bits, **spreads, "layers": layers}


def _load_assignment(data: Mapping[str, Any]) -> Assignment:
    return Assignment(
        layers={str(name): load(Choice, choice) for name, choice in data["layers"].items()},
        weight_bits=load(int | None, data["weight_bits"]),
        spread_steps=load(bool | None, data.get("spread_steps")),
    )


def _dump(item: Any) -> Any:
    if isinstance(item, IntType | FloatType):
        return str(item)
    if isinstance(item, Const):
        return {"const": item.name}
    if is_dataclass(item) and not isinstance(item, type):
        return {
            spec.name: _dump(getattr(item, spec.name))
            for spec in fields(item)
            if not is_default(spec, getattr(item, spec.name))
        }
    if isinstance(item, tuple):
        return [_dump(part) for part in item]
    return item


def _load_op(data: Mapping[str, Any]) -> Op:
    kind = OPS.get(data["op"])
    if kind is None:
        raise ValueError(f"unknown op {data['op']!r}")
    op: Op = load(kind, {name: item for name, item in data.items() if name != "op"})
    return op


def load(hint: Any, data: Any) -> Any:
    """Make what an annotation asks for of plain data; raise ``ValueError`` and its like if not."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _load_union(get_args(hint), data)
    if origin is tuple:
        return _load_tuple(get_args(hint), data)
    if origin is Literal:
        if data not in get_args(hint):
            raise ValueError(f"{data!r} is none of {get_args(hint)}")
        return data
    if hint is Const:
        if not isinstance(data, dict) or set(data) != {"const"}:
            raise ValueError(f"expected a constant, got {data!r}")
        return Const(load(str, data["const"]))
    if isinstance(hint, type) and issubclass(hint, IntType | FloatType):
        return _load_type(hint, data)
    if is_dataclass(hint):
        return _load_fields(hint, data)
    return _load_plain(hint, data)


def _load_plain(hint: Any, data: Any) -> Any:
    if hint is float and type(data) is int:
        return float(data)
    if type(data) is not hint:
        raise ValueError(f"expected {getattr(hint, '__name__', hint)}, got {data!r}")
    return data


def _load_union(options: tuple[Any, ...], data: Any) -> Any:
    if data is None and type(None) in options:
        return None
    if isinstance(data, dict) and "const" in data and Const in options:
        return load(Const, data)
    if type(data) in options:
        return data
    for option in options:
        if option not in (int, float, str, Const, type(None)):
            try:
                return load(option, data)
            except (ValueError, TypeError):
                continue  # the next option may fit
    names = ", ".join("None" if o is type(None) else o.__name__ for o in options)
    raise ValueError(f"{data!r} is none of {names}")


def _load_tuple(items: tuple[Any, ...], data: Any) -> tuple[Any, ...]:
    if not isinstance(data, list):
        raise ValueError(f"expected a list, got {data!r}")
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(load(items[0], part) for part in data)
    if len(items) != len(data):
        raise ValueError(f"expected {len(items)} items, got {len(data)}")
    return tuple(load(hint, part) for hint, part in zip(items, data, strict=True))


def _load_type(hint: type, data: Any) -> IntType | FloatType:
    if data == str(FLOAT) and hint is FloatType:
        return FLOAT
    if hint is IntType and isinstance(data, str) and _INTEGER_TYPE.fullmatch(data):
        return IntType(int(data[1:]), signed=data[0] == "i")
    raise ValueError(f"{data!r} is not a type")


def _load_fields(kind: Any, data: Any) -> Any:
    if not isinstance(data, dict):
        raise ValueError(f"expected the fields of {kind.__name__}, got {data!r}")
    hints = get_type_hints(kind)
    known = {spec.name for spec in fields(kind)}
    if unknown := sorted(set(data) - known):
        raise ValueError(f"{kind.__name__} has no field {unknown[0]!r}")
    return kind(**{name: load(hints[name], item) for name, item in data.items()})
