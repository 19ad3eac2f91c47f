"""Read what somebody measured of a chip: offsets, stuck cells, conductances, each where it is."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mapper.diagnostics import MappingError, refuse
from mapper.ir.core import Array, Graph
from mapper.ir.crossbar import CrossbarMvm
from mapper.npz import UNREADABLE, read_npz, regular_size
from passes.dies.draws import site
from passes.dies.measured import GOOD, OFF, ON, Measured
from targets import Macro, Target
from targets.devices.resolve import step_us

_MOST_BYTES = 1 << 30
_CELL = ("slot", "wordline", "bitline")
_WORDS = {"on": ON, "off": OFF, "good": GOOD}


@dataclass(frozen=True, slots=True)
class _Table:
    """One kind of what can be measured."""

    columns: tuple[str, ...]
    """Of a CSV file; an array of an ``.npz`` file has them as its second axis."""

    @property
    def what(self) -> str:
        return self.columns[-1]


TABLES: Mapping[str, _Table] = {
    "offsets": _Table(("slot", "readout", "offset_counts")),
    "stuck": _Table((*_CELL, "stuck")),
    "conductances_us": _Table((*_CELL, "conductance_us")),
    "conductances_counts": _Table((*_CELL, "conductance_counts")),
}
"""By the name of the array in an ``.npz`` file."""


def read_measured(paths: Sequence[Path], graph: Graph, target: Target) -> Measured:
    """Return what files say of a chip.

    Args:
        paths: ``.npz`` files with arrays ``[rows, columns]`` named as ``TABLES``, or ``.csv`` files
            with the columns of one of them.
        graph: The ideal chip that the network is on: its slots are in use.
        target: With the devices of the chip, which turn uS into counts.

    Raises:
        MappingError: ``bad-measured`` for a file, a column or an array that is none of these;
            ``measured-site`` for a place that the chip has not, or two values of one.
    """
    found: dict[str, Array] = {}
    for path in paths:
        for name, rows in _tables(path).items():
            if name in found:
                raise _bad(path, f"{name} are in two files")
            found[name] = rows
    if {"conductances_us", "conductances_counts"} <= found.keys():
        raise _bad(paths[0], "conductances are in uS and in counts")
    chip, held = _Chip(graph, target), dict[str, Array]()
    for name, rows in found.items():
        places, values = chip.sites(name, rows), rows[:, -1]
        if name == "conductances_us":
            values = values / chip.counts_us(rows)
        order = np.argsort(places)
        sites, into = _FIELDS[name.partition("_")[0]]
        held |= {sites: places[order], into: values[order]}
    if "stuck" in held:
        held["stuck"] = held["stuck"].astype(np.int64)
    return Measured(**held)


_FIELDS = {
    "offsets": ("offset_sites", "offsets"),
    "stuck": ("stuck_sites", "stuck"),
    "conductances": ("conductance_sites", "conductances"),
}
"""Of ``Measured``, by what was measured."""


# --- files ------------------------------------------------------------------------------------


def _tables(path: Path) -> dict[str, Array]:
    """Return rows ``[n, columns]`` of reals by the name of a table."""
    if path.suffix == ".csv":
        return _from_csv(path)
    try:
        arrays = read_npz(path)
    except UNREADABLE as error:
        raise _bad(path, f"not a readable .npz file: {error}") from error
    for name, array in arrays.items():
        if name not in TABLES:
            raise _bad(path, f"there is no array {name!r:.80}; there are {', '.join(TABLES)}")
        width = len(TABLES[name].columns)
        if array.ndim != 2 or array.shape[1] != width or array.dtype.kind not in "iuf":
            raise _bad(path, f"{name} is {array.dtype} {array.shape}, not numbers (rows, {width})")
    return {n: _checked(path, n, a.astype(np.float64)) for n, a in arrays.items()}


def _from_csv(path: Path) -> dict[str, Array]:
    try:
        if regular_size(path) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES} bytes")
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = tuple(next(lines, []))
            known = {table.columns: name for name, table in TABLES.items()}
            if header not in known:
                wanted = "; ".join(",".join(columns) for columns in known)
                raise ValueError(f"its columns are {','.join(header)!r:.80}; there are {wanted}")
            rows = [_numbers(line, header) for line in lines]
    except (OSError, ValueError, csv.Error) as error:
        raise _bad(path, str(error)) from error
    table = np.array(rows, np.float64).reshape(len(rows), len(header))
    return {known[header]: _checked(path, known[header], table)}


def _numbers(line: Sequence[str], header: Sequence[str]) -> list[float]:
    if len(line) != len(header):
        raise ValueError(f"a row has {len(line)} columns, the header {len(header)}: {line!r:.80}")
    if header[-1] != "stuck":
        return [float(part) for part in line]
    if line[-1] not in _WORDS:
        raise ValueError(f"a cell is {line[-1]!r:.40}, not {', '.join(_WORDS)}")
    return [*(float(part) for part in line[:-1]), _WORDS[line[-1]]]


def _checked(path: Path, name: str, rows: Array) -> Array:
    """Refuse places that are no whole numbers, and values that cannot be."""
    places, value = rows[:, :-1], rows[:, -1]
    if not np.isfinite(rows).all():
        raise _bad(path, f"{name} has what is no finite number")
    if (places != np.rint(places)).any() or (places < 0).any():
        raise _bad(path, f"{name} has a place that is no whole number from 0 on")
    if name == "stuck" and not np.isin(value, (ON, OFF, GOOD)).all():
        raise _bad(path, f"stuck is {ON} (on), {OFF} (off) or {GOOD} (good), not {value.max():g}")
    if name.startswith("conductances") and (value < 0).any():
        raise _bad(path, f"a cell conducts {value.min():g}, at least 0")
    return rows


def _bad(path: Path, reason: str) -> MappingError:
    return refuse("bad-measured", reason, loc=str(path), help="docs/devices.md has the columns")


# --- places -----------------------------------------------------------------------------------


class _Chip:
    """Which macro is in each slot that a network uses."""

    def __init__(self, graph: Graph, target: Target) -> None:
        self.layers = [op for op in graph.ops if isinstance(op, CrossbarMvm)]
        self.target = target
        stop = max((op.placement.slots.stop for op in self.layers), default=0)
        self.owner = np.full(stop, -1)
        for number, op in enumerate(self.layers):
            self.owner[op.placement.slots.slice] = number

    def sites(self, name: str, rows: Array) -> Array:
        """Return the places of rows as bits of ``site``, ``[n]``.

        Raises:
            MappingError: ``measured-site``.
        """
        slots = rows[:, 0]
        beyond = slots >= len(self.owner)
        inside = np.where(beyond, 0, slots).astype(np.int64)
        idle = beyond | (self.owner[inside] < 0) if len(self.owner) else np.ones(len(rows), bool)
        if idle.any():
            raise _misplaced(
                f"{name} of slot {slots[idle][0]:g}, the network is on 0..{len(self.owner) - 1}"
            )
        for number, op in enumerate(self.layers):
            own = rows[self.owner[inside] == number]
            if len(own):
                self._check_has(name, op, own[0, 0])
            for at, (what, most) in enumerate(self._limits(name, op), start=1):
                if len(own) and own[:, at].max() >= most:
                    raise _misplaced(
                        f"{name} of {what} {own[:, at].max():g}, a crossbar of "
                        f"'{op.placement.macro}' has 0..{most - 1}"
                    )
        whole = rows[:, :-1].astype(np.uint64).T
        places = site(whole[0], 0, whole[1]) if name == "offsets" else site(*whole)
        _check_once(name, rows, places)
        return np.asarray(places.view(np.int64))

    def _check_has(self, name: str, op: CrossbarMvm, slot: float) -> None:
        """Refuse what does not count in a macro: it would be taken and left out."""
        macro = self._macro(op)
        if name == "offsets" and macro.readout.is_exact:
            raise _misplaced(
                f"{name} of slot {slot:g}, macro '{macro.name}' takes its sums as they are"
            )
        if name.startswith("conductances") and any(one.placement.round for one in self.layers):
            rounds = 1 + max(one.placement.round for one in self.layers)
            raise _misplaced(
                f"{name} of slot {slot:g}, whose cells are programmed anew in {rounds} rounds"
            )
        if name.startswith("conductances") and macro.readout.form.adds:
            raise _misplaced(
                f"{name} of slot {slot:g}, macro '{macro.name}' adds the bits of its cells"
            )

    def _limits(self, name: str, op: CrossbarMvm) -> Iterable[tuple[str, int]]:
        macro = self._macro(op)
        if name != "offsets":
            return ("wordline", macro.wordlines), ("bitline", macro.bitlines)
        assert op.encoding is not None
        shared = op.encoding.bitlines_per_slice * macro.readout.columns_per_readout
        return (("readout", -(-macro.bitlines // shared)),)

    def _macro(self, op: CrossbarMvm) -> Macro:
        return self.target.macro(op.placement.macro)

    def counts_us(self, rows: Array) -> Array:
        """Return what a count is in uS in the slots of rows, ``[n]``.

        Raises:
            MappingError: ``bad-measured`` where the device does not say.
        """
        steps = np.array([self._step_us(op) for op in self.layers])
        return np.asarray(steps[self.owner[rows[:, 0].astype(np.int64)]])

    def _step_us(self, op: CrossbarMvm) -> float:
        macro = self._macro(op)
        device = macro.device
        step = None
        if device is not None and device.cell.leak is not None:
            step = step_us(device.cell, device.check_levels(macro))
        if not step:
            raise refuse(
                "bad-measured",
                f"the device of macro '{macro.name}' has no conductance of its levels in uS",
                help="name one that has, or give conductances in counts",
            )
        return step


def _check_once(name: str, rows: Array, at: Array) -> None:
    order = np.argsort(at, kind="stable")
    twice = np.flatnonzero(at[order][1:] == at[order][:-1])
    if len(twice):
        one, other = rows[order[twice[0]]], rows[order[twice[0] + 1]]
        place = ", ".join(f"{part:g}" for part in one[:-1])
        raise _misplaced(f"{name} of {place} are there twice: {one[-1]:g} and {other[-1]:g}")


def _misplaced(reason: str) -> MappingError:
    return refuse(
        "measured-site", reason, help="places are counted from 0, as docs/devices.md says"
    )
