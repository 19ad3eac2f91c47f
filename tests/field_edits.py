"""Every field of every op of a graph, edited by its type: what a forger would write into a file.

Fields are found by the annotations of their dataclasses, so that those of a new op are edited
without being named here. An edit is of the file form: plain data, and constants beside it.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from mapper.ir.core import Array, Const, FloatType, Graph, IntType, Value
from mapper.ir.serialize import OPS, _dump, to_json

FORGED = "forged"
"""The constant that an edit brings."""

EDGES = (
    *(-(1 << 63), -(1 << 62), -(1 << 53), -(1 << 40) - 5, -(1 << 31) - 1, -(1 << 31), -65, -1),
    *(0, 1, 2, 3, 5, 16, 25, 31, 32, 61, 63, 64, 128, 1 << 16, 1 << 24, (1 << 24) + 1),
    *((1 << 31) - 1, 1 << 31, (1 << 40) + 5, (1 << 53) - 1, 1 << 53, 1 << 62, (1 << 63) - 1),
    *(1 << 63, 10**11, 10**30),
)
"""Ends of ranges that engines have, numbers beside them, and numbers that no engine takes."""

REALS = (float("nan"), float("inf"), -float("inf"), 1e308, 1e30, 3.5e38, 0.5, -0.0, 2.0)
TYPES = ("u1", "i1", "i2", "u8", "i12", "i32", "u32", "i33", "i40", "i41", "i54", "u54", "i55")
WIDE = ("i62", "i63", "u63", "i64", "u64", "i99", "i0", "u0", "i99999999999", "f32", "f64", "")


FileForm = tuple[Mapping[str, Any], Mapping[str, Array]]
"""Of a graph: its structure as plain data, and its constants."""


@dataclass(frozen=True)
class Edit:
    """A graph in its file form, with one thing in it that its maker did not write."""

    label: str
    made: Callable[[], FileForm]


def edits(graph: Graph) -> Iterator[Edit]:
    """Yield the graph with every field of its ops, states and ports edited, one at a time."""
    whole = to_json(graph)
    for index, op in enumerate(graph.ops):
        kind = OPS[op.mnemonic]
        for change in _of_part(kind, _whole_dump(op), graph.constants):
            yield _made(whole, graph, f"{op.mnemonic}[{index}]", ("ops", index), change)
    parts: list[tuple[Any, Any, Any]] = [("states", i, s) for i, s in enumerate(graph.states)]
    parts += [("codings", name, coding) for name, coding in graph.codings.items()]
    for key, index, item in parts:
        for change in _of_part(type(item), _whole_dump(item), graph.constants):
            yield _made(whole, graph, f"{key}[{index}]", (key, index), change)
    yield from _of_values(whole, graph)


@dataclass(frozen=True)
class _Change:
    where: str
    field: str
    new: Any
    array: "Made | None"


def _made(
    whole: Mapping[str, Any], graph: Graph, name: str, path: tuple[Any, ...], change: _Change
) -> Edit:
    def made() -> FileForm:
        data = deepcopy(dict(whole))
        at: Any = data
        for step in path:
            at = at[step]
        at[change.field] = change.new
        more = {} if change.array is None else {FORGED: change.array()}
        return data, {**graph.constants, **more}

    return Edit(f"{name}{change.where}", made)


def _whole_dump(item: Any) -> dict[str, Any]:
    """Return the file form with the fields that have their default values."""
    return {spec.name: _dump(getattr(item, spec.name)) for spec in fields(item)}


def _of_part(
    kind: Any, held: Mapping[str, Any], constants: Mapping[str, Array]
) -> Iterator[_Change]:
    hints = get_type_hints(kind)
    for spec in fields(kind):
        if spec.name in ("loc", "output", "macro"):
            continue  # words for people; hostile names have tests of their own
        hint, name = hints[spec.name], spec.name
        for label, new, array in _others(hint, held.get(name), constants):
            yield _Change(f".{name}{label}", name, new, array)


Made = Callable[[], Array]
Other = tuple[str, Any, Made | None]


def _others(hint: Any, held: Any, constants: Mapping[str, Array]) -> Iterator[Other]:
    """Yield what a field of this type might hold instead, with what it is called."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        for option in get_args(hint):
            yield from _others(option, held, constants)
    elif origin is tuple:
        yield from _tuples(get_args(hint), held, constants)
    elif origin is Literal:
        yield from ((f" = {word}", word, None) for word in get_args(hint))
    elif hint is type(None):
        yield " = None", None, None
    elif hint is bool:
        yield from ((f" = {word}", word, None) for word in (False, True))
    elif hint is int:
        yield from ((f" = {n}", n, None) for n in EDGES)
    elif hint is float:
        yield from ((f" = {x}", x, None) for x in REALS)
    elif hint is Const:
        yield from _constants(held, constants)
    elif hint is Value or hint is str or hint in (IntType, FloatType):
        return  # values are edited wherever they stand, see _of_values
    elif is_dataclass(hint):
        yield from _parts(hint, held, constants)
    else:
        raise AssertionError(f"no edits are known for {hint}")


def _parts(hint: Any, held: Any, constants: Mapping[str, Array]) -> Iterator[Other]:
    if not isinstance(held, dict):
        held = _EXAMPLES.get(hint.__name__)
        if held is None:
            return
        yield f" = {held}", held, None
    hints = get_type_hints(hint)
    for spec in fields(hint):
        for label, new, array in _others(hints[spec.name], held.get(spec.name), constants):
            yield f".{spec.name}{label}", {**held, spec.name: new}, array


_EXAMPLES: Mapping[str, dict[str, Any]] = {
    "Window": {"kernel": [1, 1]},
    "Encoding": {"kind": "differential", "weight_bits": 4, "cell_bits": 1},
}
"""Parts in place of None."""


def _tuples(items: tuple[Any, ...], held: Any, constants: Mapping[str, Array]) -> Iterator[Other]:
    held = list(held or ())
    yield " = ()", [], None
    yield " shorter", held[:-1], None
    yield " longer", [*held, *held[-1:]], None
    yield " turned", held[::-1], None
    for index in sorted({0, len(held) - 1}) if held else ():
        hint = items[0] if len(items) == 2 and items[1] is Ellipsis else items[index]
        for label, new, array in _others(hint, held[index], constants):
            yield f"[{index}]{label}", [*held[:index], new, *held[index + 1 :]], array


def _constants(held: Any, constants: Mapping[str, Array]) -> Iterator[Other]:
    name = held.get("const") if isinstance(held, dict) else None
    before = np.asarray(constants.get(str(name), 0))
    for label, make in _arrays(before):
        yield f" holds {label}", {"const": FORGED}, make
    yield " is missing", {"const": "nowhere"}, None


def _arrays(before: Array) -> Iterator[tuple[str, Made]]:
    wide = before.astype(np.int64 if before.dtype.kind in "iu" else np.float64)
    for edge in EDGES:
        if -(1 << 63) <= edge < 1 << 63 and wide.size:
            yield f"{edge} at its end", partial(_with, wide, -1, edge)
    for edge in (-(1 << 63), -(1 << 31) - 1, 0, 1, 1 << 31, (1 << 53) - 1):
        yield f"{edge} everywhere", partial(_with, wide, slice(None), edge)
    yield "halves", lambda: before + np.float64(0.5)
    yield "singles", lambda: before.astype(np.float32)
    yield "doubles past singles", lambda: np.full(before.shape, 1e300)
    for shape in ((0,), (1,), (2,), (7,), (1, 1), (1, 1, 1), (1, 1, 1, 1), (2, 1), (1, 5, 1, 1, 1)):
        yield f"shape {shape}", partial(np.ones, shape, wide.dtype)
    yield "one axis more", lambda: wide[None]
    if wide.ndim:
        yield "its first axis turned", lambda: wide[::-1]
        yield "one axis less", lambda: wide[0]


def _with(array: Array, where: int | slice, number: int) -> Array:
    forged = np.array(array)
    forged.reshape(-1)[where] = number
    return forged


def _of_values(whole: Mapping[str, Any], graph: Graph) -> Iterator[Edit]:
    """Edit the type and the shape of a value, everywhere alike and in its first place alone."""
    values = {v.name: v for v in (*graph.inputs, *(s.read for s in graph.states))}
    values |= {v.name: v for op in graph.ops for v in op.results}
    for name, value in values.items():
        others = [("type", type) for type in (*TYPES, *WIDE)]
        others += [("shape", list(shape)) for shape in _shapes(value.shape)]
        for key, new in others:
            for once in (False, True) if key == "shape" else (False,):
                label = f"%{name}.{key} = {new}{' once' if once else ''}"
                yield Edit(label, partial(_revalued, whole, graph, name, key, new, once))


def _revalued(
    whole: Mapping[str, Any], graph: Graph, name: str, key: str, new: Any, once: bool
) -> FileForm:
    data = deepcopy(dict(whole))
    found = list(_places(data, name))
    for place in found[:1] if once else found:
        place[key] = new
    return data, graph.constants


def _shapes(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    yield ()
    yield shape[:-1]
    yield (*shape, 1)
    yield (1, *shape)
    yield shape[::-1]
    yield shape + (1,) * 20
    for axis in sorted({0, len(shape) - 1}) if shape else ():
        for size in (-1, 0, 1, shape[axis] - 1, shape[axis] + 1, 2 * shape[axis], 1 << 24, 10**12):
            yield (*shape[:axis], size, *shape[axis + 1 :])


def _places(data: Any, name: str) -> Iterator[dict[str, Any]]:
    if isinstance(data, dict):
        if data.get("name") == name and "shape" in data:
            yield data
        for item in data.values():
            yield from _places(item, name)
    elif isinstance(data, list):
        for item in data:
            yield from _places(item, name)
