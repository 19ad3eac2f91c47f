"""Read what a run traced and weigh it with a layer's cells. Standard library only.

``mapper.cost.measure`` does the same with NumPy and checks more; here a generated ``cost.py`` does
it alone. A trace is an ``.npz`` of integers, read without unpickling anything.
"""

import struct
import zipfile
from ast import literal_eval
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from mapper.cost.model import Activity, Events

MAX_VALUES = 1 << 26
FORMATS = {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What a layer's counts of driven wordlines mean in cells; no name: not on crossbars."""

    name: str
    groups: int
    row_blocks: int
    blocks: list[int]
    """``[groups]``: crossbars side by side that a wordline of the group drives."""
    outputs_per_group: int
    cells_per_weight: int
    slices: int
    levels: list[list[int]]
    """``[groups][wordlines]``: conductance levels of all cells on a wordline, summed."""


class Table(NamedTuple):
    """An array of integers."""

    shape: tuple[int, ...]
    values: tuple[int, ...]


def read_tables(path: str) -> dict[str, Table]:
    """Read all integer arrays of an ``.npz``.

    Raises:
        ValueError: where an array is not one of integers in C order, or is too large.
    """
    with zipfile.ZipFile(path) as archive:
        return {
            entry.filename.removesuffix(".npy"): _table(archive.open(entry).read(), entry.filename)
            for entry in archive.infolist()
        }


def _table(content: bytes, name: str) -> Table:
    if content[:6] != b"\x93NUMPY":
        raise ValueError(f"{name} is not a NumPy array")
    wide = content[6] > 1
    start = 12 if wide else 10
    (length,) = struct.unpack("<I" if wide else "<H", content[8:start])
    header = literal_eval(content[start : start + length].decode("latin-1"))
    kind = str(header["descr"])
    shape = tuple(int(size) for size in header["shape"])
    if kind[1:] not in FORMATS or kind[0] not in "<|" or header["fortran_order"]:
        raise ValueError(f"{name} holds {kind!r}, expected integers in C order")
    if prod(shape) > MAX_VALUES:
        raise ValueError(f"{name} has {prod(shape)} values, at most {MAX_VALUES} are read")
    form = f"<{prod(shape)}{FORMATS[kind[1:]]}"
    data = content[start + length :]
    if len(data) != struct.calcsize(form):
        raise ValueError(f"{name} has {len(data)} bytes for shape {shape}")
    return Table(shape, struct.unpack(form, data))


def activity_of_trace(wirings: tuple[Wiring, ...], path: str) -> Activity:
    """Weigh a trace that was recorded with the executor of the same build folder.

    Raises:
        ValueError: where the trace lacks an array, or its sizes do not fit.
    """
    tables = read_tables(path)
    runs = {_found(tables, wiring.name).shape for wiring in wirings if wiring.name}
    runs = runs or {table.shape for table in tables.values() if len(table.shape) == 2}
    if len(runs) != 1 or len(next(iter(runs))) != 2:
        raise ValueError(
            f"the arrays have sizes {sorted(runs)}, expected one of time steps and samples"
        )
    ((steps, samples),) = runs
    events = tuple(_weighed(wiring, tables) for wiring in wirings)
    return Activity(steps=steps, samples=samples, events=events)


def _found(tables: dict[str, Table], name: str) -> Table:
    if name not in tables:
        raise ValueError(f"the trace has no array {name!r}")
    return tables[name]


def _weighed(wiring: Wiring, tables: dict[str, Table]) -> Events:
    if not wiring.name:
        return Events(0, 0, 0, 0, 0)
    driven = _found(tables, f"{wiring.name}.wordlines")
    heard = _found(tables, f"{wiring.name}.reads")
    wordlines = len(wiring.levels[0])
    if driven.shape != (wiring.groups, wordlines) or min(driven.values) < 0:
        raise ValueError(f"{wiring.name}.wordlines is {driven.shape} or counts below 0")
    if heard.shape != (wiring.groups, wiring.row_blocks) or min(heard.values) < 0:
        raise ValueError(f"{wiring.name}.reads is {heard.shape} or counts below 0")
    flat = [level for group in wiring.levels for level in group]
    return Events(
        wordlines=_by_group(wiring, driven.values),
        cells=sum(driven.values) * wiring.outputs_per_group * wiring.cells_per_weight,
        levels=sum(count * level for count, level in zip(driven.values, flat, strict=True)),
        reads=_by_group(wiring, heard.values),
        conversions=sum(heard.values) * wiring.outputs_per_group * wiring.slices,
    )


def _by_group(wiring: Wiring, counts: tuple[int, ...]) -> int:
    """Add up ``[groups, any]`` counts, each as often as its group has crossbars side by side."""
    each = len(counts) // wiring.groups
    spread = (block for block in wiring.blocks for _ in range(each))
    return sum(count * block for count, block in zip(counts, spread, strict=True))
