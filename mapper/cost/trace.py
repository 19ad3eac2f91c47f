"""Check what a run traced, and weigh it with the cells of each layer. Standard library only.

One text for both users of it: ``mapper.cost.measure``, which hands over the arrays of a run in
memory, and a generated ``cost.py``, which reads an ``.npz`` alone. It is read without unpickling
anything, and never more of it than its header was allowed to claim.
"""

import struct
import sys
import zipfile
from array import array
from ast import literal_eval
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import IO, NamedTuple

from mapper.cost.actions import Activity
from mapper.cost.model import Events

MAX_VALUES = 1 << 26
"""Integers of all arrays of a trace together; each takes at most eight bytes in memory."""

INTEGERS = {"i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}
KINDS = {"b": "bool", "i": "int", "u": "uint", "f": "float", "c": "complex"}

LONGEST_HEADER = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What a layer's counts of driven wordlines mean in cells; no name: not on crossbars."""

    name: str
    groups: int
    row_blocks: list[list[int]]
    """``[row blocks][2]``: the first wordline of each, and the one after its last."""
    blocks: list[int]
    """``[groups]``: crossbars side by side that a wordline of the group drives."""
    outputs_per_group: int
    cells_per_weight: int
    slices: int
    levels: list[list[int]]
    """``[groups][wordlines]``: conductance levels of all cells on a wordline, summed."""
    most_driven: list[int]
    """``[wordlines]``: how often one time step can drive each of them, the same in all groups."""
    most_reads: list[int]
    """``[row blocks]``: reads of a time step that can have a driven wordline."""
    packed: int = 1
    """Groups that share a crossbar, and so are read together: a pack."""
    positions: int = 1
    neurons: int = 0
    """That its events alone reach; 0: all are updated in every step."""
    spike: str = ""
    """Name of their spikes, where a neuron that fired is updated in the next step, too."""


class Table(NamedTuple):
    """An array of a trace."""

    shape: tuple[int, ...]
    kind: str
    """Its element type in NumPy's words."""
    values: Sequence[int] | None
    """In C order; None for an array that does not hold integers."""


def read_tables(path: str) -> dict[str, Table]:
    """Read all arrays of an ``.npz``; of those that hold no integers, type and shape.

    Raises:
        ValueError: where an array is damaged, or all are too large together.
    """
    tables: dict[str, Table] = {}
    left = MAX_VALUES
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as file:
                table = read_table(file, ascii(entry.filename), left)
            left -= 0 if table.values is None else len(table.values)
            tables[entry.filename.removesuffix(".npy")] = table
    return tables


def read_table(file: IO[bytes], name: str, most: int) -> Table:
    """Read one array, of at most ``most`` integers."""
    shape, descr, fortran = read_header(file, name)
    order, kind = descr[0], descr[1:]
    size = int(kind[1:])
    word = KINDS[kind[0]] + ("" if kind[0] == "b" else str(8 * size))
    if kind not in INTEGERS:
        return Table(shape, word, None)
    if prod(shape) > most:
        raise ValueError(f"{name} brings the values to more than the {MAX_VALUES} that are read")
    wanted = prod(shape) * size
    data = file.read(wanted + 1)  # a byte more tells an array that is longer than its header says
    if len(data) != wanted:
        raise ValueError(f"{name} does not have the {wanted} bytes of its shape {list(shape)}")
    values = array(INTEGERS[kind])
    values.frombytes(data)
    if size > 1 and (order == ">") != (sys.byteorder == "big"):
        values.byteswap()
    if fortran and len(shape) == 2:  # traces have no more axes
        rows, columns = shape
        values = array(
            values.typecode, (values[j * rows + i] for i in range(rows) for j in range(columns))
        )
    return Table(shape, word, values)


def read_header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], str, bool]:
    """Return the shape, the type such as ``<i8`` and whether the order is Fortran's."""
    start = file.read(8)
    if start[:6] != b"\x93NUMPY" or len(start) < 8:
        raise ValueError(f"{name} is not a NumPy array")
    form = "<I" if start[6] > 1 else "<H"
    length = struct.unpack(form, file.read(struct.calcsize(form)))[0]
    if length > LONGEST_HEADER:
        raise ValueError(f"{name} has a header of {length} bytes, at most {LONGEST_HEADER}")
    try:
        header = literal_eval(file.read(length).decode("latin-1"))
        kind, shape, fortran = str(header["descr"]), header["shape"], header["fortran_order"]
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError) as error:
        raise ValueError(f"{name} has a header that cannot be read") from error
    whole = isinstance(shape, tuple) and all(type(n) is int and 0 <= n < 1 << 48 for n in shape)
    plain = kind[0] in "<|>" and kind[1:2] in KINDS and kind[2:].isdecimal() and len(kind) < 5
    if not whole or not plain:
        raise ValueError(f"{name} holds {kind[:20]!a} in the shape {str(shape)[:40]}")
    return shape, kind, bool(fortran)


def activity_of_trace(wirings: tuple[Wiring, ...], most: Mapping[str, int], path: str) -> Activity:
    """Weigh a trace that was recorded with the executor of the same build folder.

    Raises:
        ValueError: where it cannot be one of this network, with the first reason.
    """
    tables = read_tables(path)
    for problem in trace_problems(wirings, most, tables):
        raise ValueError(problem)
    return activity_of_tables(wirings, most, tables)


def activity_of_tables(
    wirings: tuple[Wiring, ...], most: Mapping[str, int], tables: Mapping[str, Table]
) -> Activity:
    """Weigh a trace in which ``trace_problems`` found none."""
    steps, samples = tables[next(iter(counted_by_step(wirings, most)))].shape
    events = tuple(_weighed(wiring, tables) for wiring in wirings)
    return Activity(steps=steps, samples=samples, events=events)


def counted_by_step(wirings: tuple[Wiring, ...], most: Mapping[str, int]) -> dict[str, int]:
    """Return the greatest count of a time step by array ``[T, B]``: spikes, driven wordlines.

    Args:
        wirings: Of every layer.
        most: Elements of each input and of each layer of neurons.
    """
    driven = {w.name: sum(w.most_driven) * w.groups for w in wirings if w.name}
    return {**most, **driven}


def _weighed(wiring: Wiring, tables: Mapping[str, Table]) -> Events:
    if not wiring.name:
        return NOTHING
    driven, heard = _integers(tables, wiring, ".wordlines"), _integers(tables, wiring, ".reads")
    return weighed(wiring, driven, heard)._replace(updates=_updates(wiring, heard, tables))


def _updates(wiring: Wiring, heard: Sequence[int], tables: Mapping[str, Table]) -> int:
    """Count the membranes that events reach, at most; see ``mapper.cost.updates``.

    Exact for one row block, and for one output position: else a position counts once for each row
    block that hears something. Groups that share crossbars count as one. A neuron that may fire
    again counts once more for each spike.
    """
    if not wiring.neurons:
        return 0
    totals = tables[wiring.name].values or ()
    blocks, runs = len(wiring.row_blocks), len(totals)
    if wiring.positions == 1 and wiring.groups == 1:
        reached = sum(count > 0 for count in totals) * wiring.outputs_per_group
    else:
        by_pack = [sum(heard[g * blocks : (g + 1) * blocks]) for g in range(len(members(wiring)))]
        most = wiring.positions * runs
        counted = zip(by_pack, members(wiring), strict=True)
        reached = sum(min(count, most) * many for count, many in counted) * wiring.outputs_per_group
    again = sum(tables[wiring.spike].values or ()) if wiring.spike else 0
    return min(reached + again, wiring.neurons * runs)


NOTHING = Events(0, 0, 0, 0, 0)


def weighed(wiring: Wiring, driven: Sequence[int], heard: Sequence[int]) -> Events:
    """Weigh what was driven with the cells of a layer.

    Args:
        wiring: The layer's crossbars.
        driven: ``[groups * wordlines]``, how often each was driven.
        heard: ``[packs * row blocks]``, how many reads of each had a driven wordline.
    """
    flat = [level for group in wiring.levels for level in group]
    blocks, lines = len(wiring.row_blocks), len(wiring.most_driven)
    together = [many for many in members(wiring) for _ in range(many * lines)]
    read = [many for many in members(wiring) for _ in range(blocks)]
    return Events(
        wordlines=_by_group(wiring, driven),
        cells=sum(driven) * wiring.outputs_per_group * wiring.cells_per_weight,
        levels=sum(count * level for count, level in zip(driven, flat, strict=True)),
        reads=_by_group(wiring, heard),
        conversions=sum(count * many for count, many in zip(heard, read, strict=True))
        * wiring.outputs_per_group
        * wiring.slices,
        updates=wiring.neurons,
        crossed=sum(count * (many - 1) for count, many in zip(driven, together, strict=True)),
    )


def members(wiring: Wiring) -> list[int]:
    """Return the groups of each pack; the last may have fewer.

    With groups packed by 7, 16 of them are 7, 7 and 2.
    """
    starts = range(0, wiring.groups, wiring.packed)
    return [min(wiring.packed, wiring.groups - start) for start in starts]


def most_events(wiring: Wiring) -> Events:
    """Return the events of one time step in which every input bit is 1."""
    packs = len(members(wiring))
    return weighed(wiring, wiring.most_driven * wiring.groups, wiring.most_reads * packs)


def _integers(tables: Mapping[str, Table], wiring: Wiring, ending: str) -> Sequence[int]:
    values = tables[wiring.name + ending].values
    assert values is not None, "trace_problems was asked first"
    return values


def _by_group(wiring: Wiring, counts: Sequence[int]) -> int:
    """Add up ``[groups, any]`` counts, each as often as its group has crossbars side by side.

    Counts may also be of packs, which have one.
    """
    blocks = wiring.blocks if wiring.packed == 1 else [1]
    each = len(counts) // len(blocks)
    spread = (block for block in blocks for _ in range(each))
    return sum(count * block for count, block in zip(counts, spread, strict=True))


# --- what cannot be a trace of the network -------------------------------------------------------


def trace_problems(
    wirings: tuple[Wiring, ...], most: Mapping[str, int], tables: Mapping[str, Table]
) -> Iterator[str]:
    """Yield why a trace cannot be one of this network; what is checked later needs the earlier."""
    limits = counted_by_step(wirings, most)
    on_crossbars = [wiring for wiring in wirings if wiring.name]
    found = list(_array_problems(limits, on_crossbars, tables))
    found = found or list(_length_problems(limits, tables))
    if not found:
        steps, samples = tables[next(iter(limits))].shape
        found = [p for w in on_crossbars for p in _drive_problems(w, steps, samples, tables)]
        found = found or [
            p for w in on_crossbars for p in _read_problems(w, steps, samples, tables)
        ]
    yield from found


def _array_problems(
    limits: Mapping[str, int], wirings: list[Wiring], tables: Mapping[str, Table]
) -> Iterator[str]:
    """Look at each array by itself."""
    for name, count in limits.items():
        table = tables.get(name)
        if problem := _misfit(name, table, ("T", "B")):
            yield problem
        elif table is not None and table.values and (high := max(table.values)) > count:
            yield f"array {name!r} counts {high} in one time step, at most {count} are possible"
    for wiring in wirings:
        shapes = {
            ".wordlines": (wiring.groups, len(wiring.most_driven)),
            ".reads": (len(members(wiring)), len(wiring.most_reads)),
        }
        for ending, shape in shapes.items():
            name = wiring.name + ending
            if problem := _misfit(name, tables.get(name), shape):
                yield problem


def _misfit(name: str, table: Table | None, shape: tuple[int | str, ...]) -> str:
    """Say why an array holds no counts of this shape; a letter stands for one or more."""
    if table is None:
        return f"the trace has no array {name!r}"
    fits = len(table.shape) == len(shape) and all(
        found >= 1 if isinstance(size, str) else found == size
        for found, size in zip(table.shape, shape, strict=True)
    )
    if not fits:
        expected = ", ".join(map(str, shape))
        return f"array {name!r} is {list(table.shape)}, expected [{expected}]"
    if table.values is None:
        return f"array {name!r} holds {table.kind}, expected integers"
    if (low := min(table.values)) < 0:
        return f"array {name!r} counts {low}, expected 0 or more"
    return ""


def _length_problems(limits: Mapping[str, int], tables: Mapping[str, Table]) -> Iterator[str]:
    lengths = {tables[name].shape: name for name in limits}
    if len(lengths) > 1:
        shown = " and ".join(
            f"{steps}x{samples} ({name!r})" for (steps, samples), name in sorted(lengths.items())
        )
        yield f"the arrays have {shown} time steps and samples"


def _drive_problems(
    wiring: Wiring, steps: int, samples: int, tables: Mapping[str, Table]
) -> Iterator[str]:
    """Compare the two arrays of a crossbar layer, and them with what its wordlines can do."""
    name, width = wiring.name, len(wiring.most_driven)
    driven = _integers(tables, wiring, ".wordlines")
    for at, count in enumerate(driven):
        most = steps * samples * wiring.most_driven[at % width]
        if count > most:
            yield (
                f"array {name + '.wordlines'!r} counts {count} at [{at // width}, {at % width}], "
                f"at most {most} are possible in {steps}x{samples} time steps and samples"
            )
            return
    total, summed = sum(_integers(tables, wiring, "")), sum(driven)
    if summed != total:
        lines = f"{name}.wordlines"
        yield f"array {name!r} sums to {total} driven wordlines, {lines!r} to {summed}"


def _read_problems(
    wiring: Wiring, steps: int, samples: int, tables: Mapping[str, Table]
) -> Iterator[str]:
    """Compare the reads of each row block with its driven wordlines, and with what can be."""
    driven, heard = _integers(tables, wiring, ".wordlines"), _integers(tables, wiring, ".reads")
    blocks = len(wiring.row_blocks)
    for at, reads in enumerate(heard):
        pack, block = divmod(at, blocks)
        counts = _driven_in(wiring, driven, pack, block)
        most = min(steps * samples * wiring.most_reads[block], sum(counts))
        if not max(counts) <= reads <= most:
            yield (
                f"array {wiring.name + '.reads'!r} counts {reads} at [{pack}, {block}], "
                f"its wordlines allow {max(counts)}..{most}"
            )
            return


def _driven_in(wiring: Wiring, driven: Sequence[int], pack: int, block: int) -> list[int]:
    """Return how often each wordline of a row block was driven, of all groups of a pack."""
    width, (first, end) = len(wiring.most_driven), wiring.row_blocks[block]
    group = pack * wiring.packed
    return [
        count
        for member in range(group, min(group + wiring.packed, wiring.groups))
        for count in driven[member * width + first : member * width + end]
    ]
