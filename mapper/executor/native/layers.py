"""Crossbar layers on the native kernels: tables once, then jobs of bands of output rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mapper.executor.native.bounds import BY_FLOATS, EVEN, Arithmetic, arithmetic, scale_table
from mapper.executor.native.geometry import Geometry, geometries
from mapper.executor.native.held import Held, words
from mapper.executor.native.neurons import NeuronTables
from mapper.executor.native.pack import (
    Columns,
    adc_tables,
    greatest_sum,
    half_tables,
    level_rises,
    outputs_at_once,
    pack_bits,
    pack_references,
    pack_sums,
    resting,
    sense_tables,
    start_values,
    vectors,
)
from mapper.executor.native.trace import Trace
from mapper.ir.core import Array, Constants
from mapper.ir.readout import AdcRead, SenseAmpRead
from mapper.ir.units import CrossbarLayer
from mapper.kernels import core
from mapper.kernels.pool import Pool

_BAND_BYTES = 96 << 10
"""Of the membranes of a band: they stay in cache through all time steps."""
_SAMPLES = 64
"""Of a linear layer, in one job."""
_PLAIN, _DIFFERENTIAL, _HALF_ACTIVE, _DIGITS = range(4)
_SIGNED = (_DIFFERENTIAL, _HALF_ACTIVE)
_BITS, _SUMS8, _SUMS16, _SUMS32 = range(4)
_KIND = {8: _SUMS8, 16: _SUMS16, 32: _SUMS32}


Tables = tuple[dict[str, int], dict[str, Any]]
"""Numbers and arrays by name, as the kernels take them."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Output positions that see the same kernel elements."""

    fields: dict[str, int]
    arrays: dict[str, Any]
    order: Sequence[int]
    """Of the row blocks that see anything."""


@dataclass(frozen=True, slots=True)
class NativeLayer:
    """A crossbar layer as the kernels take it."""

    layer: CrossbarLayer
    level: int
    positions: tuple[int, int]
    phases: tuple["Phase", ...]
    """A call each."""

    @classmethod
    def make(cls, layer: CrossbarLayer, constants: Constants, level: int) -> "NativeLayer":
        """Pack a layer.

        Raises:
            NotNativeError: where the kernels cannot compute it exactly.
        """
        how = arithmetic(layer, constants)
        places = geometries(layer.mvm, split=how.bits)
        phases = tuple(_phase(layer, constants, level, how, where) for where in places)
        return cls(layer, level, places[0].positions, phases)

    def run(
        self,
        x: Held,
        neurons: NeuronTables | None,
        states: dict[str, Array],
        pool: Pool,
        trace: Trace | None = None,
    ) -> tuple[Array | None, dict[str, Array]]:
        """Run some time steps; neurons' ``states`` advance in place, ``trace`` gets what was read.

        Returns the layer's result ``int32 [T, B, Ho, Wo, N]`` where no neurons follow, and what
        the neurons give.
        """
        mvm = self.layer.mvm
        held = x.flat() if mvm.window is None else x
        packed = np.ascontiguousarray(held.as_packed())
        steps, batch = packed.shape[1:3]
        leading = (steps, batch, *self.positions)
        numbers = {"T": steps, "B": batch, "has_neurons": int(neurons is not None)}
        given: dict[str, Any] = {"x": packed}
        y, made = None, {}
        if neurons is None:
            y = np.empty((*leading, mvm.outputs), np.int32)
            given["y_out"] = y
        else:
            made = neurons.outputs(leading)
            numbers |= neurons.fields
            given |= neurons.arrays | states | made
        if mvm.window is None:
            numbers, given = _samples_as_rows(numbers, given, batch, pool.threads)
        if trace is None:
            for phase in self.phases:
                self._run_phase(phase.fields | numbers, phase.arrays | given, pool)
            return y, made
        driven = np.zeros((steps, batch, self.positions[0]), np.int64)
        heard = np.zeros((mvm.groups, len(mvm.rows)), np.int64)
        for phase in self.phases:
            fields, arrays = phase.fields | numbers, phase.arrays | given
            read = np.zeros((_jobs(fields), mvm.groups, len(phase.order)), np.int64)
            self._run_phase(fields, arrays | {"driven": driven, "heard": read}, pool)
            heard[:, phase.order] += read.sum(axis=0)
        trace.note_reads(mvm, driven.sum(axis=2), heard)
        return y, made

    def _run_phase(self, fields: dict[str, int], arrays: dict[str, Any], pool: Pool) -> None:
        run = partial(core.run_layer, self.level, fields, arrays)
        pool.run(_jobs(fields), run)


def _jobs(fields: dict[str, int]) -> int:
    return fields["B"] * -(-fields["Ho"] // fields["tile_rows"])


def _samples_as_rows(
    numbers: dict[str, int], given: dict[str, Any], batch: int, threads: int
) -> Tables:
    """Make the samples of a linear layer the rows of one image: cells stay in cache over them."""
    rows = min(_SAMPLES, -(-batch // threads))
    sizes = dict.fromkeys(("H", "Ho", "PH", "all_rows"), batch)
    image = {"rowmap": np.arange(batch, dtype=np.int32)}
    return numbers | sizes | {"B": 1, "tile_rows": rows}, given | image


def _phase(
    layer: CrossbarLayer, constants: Constants, level: int, how: Arithmetic, where: Geometry
) -> Phase:
    """Pack what some output positions need of a layer."""
    mvm = layer.mvm
    fields, arrays = _common(layer, where)
    order, clusters, scales = _clusters(layer, constants, where.present)
    outputs = mvm.outputs // mvm.groups
    padded = 16 if outputs <= 16 and how.bits else -(-outputs // 32) * 32
    columns = Columns(outputs=outputs, padded=padded, slices=len(layer.add.significances))
    at = [where.present.index(g) for g in order]
    blocks = np.asarray(where.blocks, np.int32).reshape(mvm.groups, -1, 3)[:, at]
    arrays |= {"blocks": np.ascontiguousarray(blocks), "clusters": clusters, "scales": scales}
    fields |= {
        "nclusters": len(clusters),
        "Npad": padded,
        "wide": int(how.wide or clusters[:, 3].any()),
    }
    if how.bits:
        numbers, tables = _bits(layer, constants, order, columns, level, clusters)
    else:
        numbers, tables = _sums(layer, constants, order, columns, how)
    absent = sorted(set(range(len(mvm.rows))) - set(order))
    tables["start"] = _start(layer, constants, how, absent).astype(np.int32)
    return Phase(fields | numbers, arrays | tables, order)


def _start(
    layer: CrossbarLayer, constants: Constants, how: Arithmetic, absent: Sequence[int]
) -> Array:
    """Return what outputs begin with: lowest levels, and row blocks that see nothing."""
    scales = scale_table(layer, constants)
    if how.bits:
        return start_values(layer, scales) + resting(layer, constants, scales, absent)
    assert not absent  # only counts are split into phases
    return np.zeros(layer.mvm.outputs, np.int64)


def _common(layer: CrossbarLayer, where: Geometry) -> Tables:
    mvm = layer.mvm
    channels = mvm.x.shape[0] if mvm.window else int(np.prod(mvm.x.shape))
    segments = [segment for combo in where.combos for segment in combo]
    ends = np.cumsum([0, *(len(combo) for combo in where.combos)])
    tall = [max(base + count for *_, count, base in combo) for combo in where.combos]
    rows, columns = where.rows, where.columns
    band = max(1, _BAND_BYTES // (4 * columns.positions * mvm.outputs))
    rowmap, colmap = rows.seen, columns.seen
    fields = {
        "planes": mvm.planes,
        "H": rows.size,
        "W": columns.size,
        "Cw": words(channels),
        "pitch": where.pitch,
        "signed_input": int(layer.add.signed_input),
        "PH": len(rowmap),
        "PW": len(colmap),
        "Ho": rows.positions,
        "Wo": columns.positions,
        "sy": rows.stride,
        "sx": columns.stride,
        "all_rows": where.positions[0],
        "all_columns": where.positions[1],
        "row0": rows.first,
        "column0": columns.first,
        "row_step": rows.step,
        "column_step": columns.step,
        "ncombos": len(where.combos),
        "nsegments": len(segments),
        "nblocks": len(where.blocks),
        "N": mvm.outputs,
        "Ng": mvm.outputs // mvm.groups,
        "S": len(layer.add.significances),
        "rows": max(len(rows) for rows in mvm.rows),
        "shift": layer.add.shift,
        "tile_rows": min(rows.positions, band),
    }
    arrays = {
        "rowmap": rowmap,
        "colmap": colmap,
        "combos": np.stack([ends[:-1], ends[1:], tall], axis=1).astype(np.int32),
        "segments": np.asarray(segments, np.int32),
        "significances": np.asarray(layer.add.significances, np.int32),
    }
    return fields, arrays


def _clusters(
    layer: CrossbarLayer, constants: Constants, present: Sequence[int]
) -> tuple[list[int], Array, Array]:
    """Put row blocks of one scale beside each other.

    Returns the order of row blocks; for each group's clusters first and last block, first output
    and whether columns differ; and scales ``[clusters, N / groups]``.
    """
    mvm = layer.mvm
    table = scale_table(layer, constants)
    kinds: dict[bytes, list[int]] = {}
    for g in present:
        kinds.setdefault(table[g].tobytes(), []).append(g)
    order = [g for blocks in kinds.values() for g in blocks]
    width = mvm.outputs // mvm.groups
    clusters, scales = [], []
    for group in range(mvm.groups):
        first = group * len(order)
        for blocks in kinds.values():
            scale = table[blocks[0], group * width : (group + 1) * width]
            differs = bool((scale != scale[0]).any())
            clusters.append((first, first + len(blocks), group * width, int(differs)))
            scales.append(scale)
            first += len(blocks)
    return order, np.asarray(clusters, np.int32), np.asarray(scales, np.int32)


def _bits(
    layer: CrossbarLayer,
    constants: Constants,
    order: Sequence[int],
    columns: Columns,
    level: int,
    clusters: Array,
) -> Tables:
    """Return fields and arrays of the bit-sliced kernel."""
    read, mvm = layer.read, layer.mvm
    assert isinstance(read, SenseAmpRead)
    assert mvm.encoding is not None
    tallest = max(len(rows) for rows in mvm.rows)
    way = vectors(mvm.encoding, columns.count, tallest, level)
    signed = mvm.encoding.kind == "differential"
    mode = _HALF_ACTIVE if layer.half_active else _DIFFERENTIAL if signed else _PLAIN
    planes = 7 if greatest_sum(layer) <= 126 else 10
    weights = pack_bits(layer, constants, order, columns, way)
    if mode == _PLAIN and mvm.encoding.digit_max > 1:
        mode = _DIGITS
    most = len(read.levels) - 1
    fields = {
        "kind": _BITS,
        "at_once": 0,
        "chunk": 1,
        "nibbles": 0,
        "quick": 0,
        "cols": 0,
        "width": way.width,
        "folded": int(way.beside > 1),
        "colblks": weights.shape[1],
        "sets": weights.shape[2],
        "L": most,
        "NP": planes,
        "mode": mode,
        "rise": int(level_rises(read)[0]),
        "depth": int(most * (clusters[:, 1] - clusters[:, 0]).max()).bit_length(),
        "readout": 0,
        "half_full": 0,
        "offset": 0,
        "top": 0,
        "lowest": 0,
    }
    arrays = {
        "weights": weights,
        "refs": pack_references(layer, constants, order, columns, way, planes, mode in _SIGNED),
    }
    return fields, arrays


def _sums(
    layer: CrossbarLayer,
    constants: Constants,
    order: Sequence[int],
    columns: Columns,
    how: Arithmetic,
) -> Tables:
    """Return fields and arrays of the kernel that adds cells as numbers."""
    read = layer.read
    sense = isinstance(read, SenseAmpRead)
    tallest = max(len(rows) for rows in layer.mvm.rows)
    at_once = outputs_at_once(columns, tallest, how)
    fields = {
        "at_once": at_once,
        "chunk": how.chunk,
        "nibbles": how.nibbles,
        "quick": how.quick,
        "kind": _KIND[how.cells],
        "cols": columns.count,
        "width": 0,
        "folded": 0,
        "colblks": 0,
        "sets": 0,
        "L": 1,
        "NP": 0,
        "mode": 0,
        "rise": 0,
        "depth": 0,
        "readout": int(not sense),
        "half_full": 0,
        "offset": layer.add.offset,
        "top": 1,
        "lowest": 0,
    }
    arrays: dict[str, Any] = {
        "weights": pack_sums(layer, constants, order, columns, how, at_once),
    }
    if isinstance(read, AdcRead):
        fields["top"] = (1 << read.bits) - 1
        tables = adc_tables(layer, constants, order, columns)
        if how.quick == BY_FLOATS:
            arrays["tables"] = tables
        else:
            arrays["halves"] = half_tables(tables, even=how.quick == EVEN)
    else:
        full = (1 << read.cell_bits) - 1
        fields |= {
            "L": len(read.levels) - 1,
            "half_full": full if layer.half_active else 0,
            "lowest": read.levels[0] * sum(layer.add.significances),
        }
        arrays["tables"] = sense_tables(layer, constants, order, columns)
        arrays["rises"] = level_rises(read)
    return fields, arrays
