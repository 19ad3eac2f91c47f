"""Crossbar layers on the native kernels: tables once, then jobs of bands of output rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from mapper.executor.native.bounds import (
    Arithmetic,
    arithmetic,
    check_lists,
    scale_table,
)
from mapper.executor.native.cells import bits, sums
from mapper.executor.native.geometry import Geometry, geometries
from mapper.executor.native.grid import Grid, grid_of
from mapper.executor.native.held import Held, words
from mapper.executor.native.neurons import NeuronTables
from mapper.executor.native.pack import Columns
from mapper.executor.native.rest import start
from mapper.executor.native.trace import Trace, heard_by_pack
from mapper.ir.core import Array, Constants
from mapper.ir.counter import hashed
from mapper.ir.units import CrossbarLayer
from mapper.kernels import core
from mapper.kernels.arrays import Arrays, Numbers
from mapper.kernels.pool import Pool
from mapper.kernels.structs import (
    LayerCall,
    NeuronResults,
    NeuronStates,
    Positions,
    RowBlocks,
    as_read,
)

_BAND_BYTES = 96 << 10
"""Of the membranes of a band: they stay in cache through all time steps."""
_SAMPLES = 64
"""Of a linear layer, in one job."""
_OF_16 = 32
"""Bytes of a vector of 16 numbers of 16 bits: few outputs take one where vectors are as short."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a phase, what all dies of a build have alike."""

    positions: Positions
    row_blocks: RowBlocks
    """But for what follows from cells and references."""
    order: Sequence[int]
    absent: Sequence[int]
    """Row blocks that see nothing."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Output positions that see the same kernel elements."""

    positions: Positions
    numbers: Numbers
    """Of positions, row blocks and cells, as the kernels read them; ``arrays`` too."""
    arrays: Arrays
    shape: Shape

    @property
    def order(self) -> Sequence[int]:
        """That of the row blocks that see anything."""
        return self.shape.order


@dataclass(frozen=True, slots=True)
class NativeLayer:
    """A crossbar layer as the kernels take it."""

    layer: CrossbarLayer
    level: int
    positions: tuple[int, int]
    phases: tuple["Phase", ...]
    """A call each."""
    places: tuple[Geometry, ...]
    """Of the phases."""

    @classmethod
    def make(
        cls,
        layer: CrossbarLayer,
        constants: Constants,
        level: int,
        like: "NativeLayer | None" = None,
    ) -> "NativeLayer":
        """Pack a layer; one that is ``like`` it in all but cells and readout has its geometry.

        Raises:
            NotNativeError: where the kernels cannot compute it exactly.
        """
        grid = grid_of(layer, constants)
        how = arithmetic(layer, constants, grid)
        split = not grid.noisy  # noise is read where nothing drives
        if like is None or split == (like.layer.read.noise is not None):
            places = tuple(geometries(layer.mvm, split=split))
            shapes = tuple(_shape(layer, constants, where) for where in places)
        else:
            places, shapes = like.places, tuple(phase.shape for phase in like.phases)
        phases = tuple(_phase(grid, level, how, shape) for shape in shapes)
        return cls(layer, level, places[0].positions, phases, places)

    def run(
        self,
        x: Held,
        neurons: NeuronTables | None,
        states: NeuronStates | None,
        pool: Pool,
        trace: Trace | None = None,
        key: Array | None = None,
    ) -> tuple[Array | None, NeuronResults]:
        """Run some time steps; neurons' ``states`` advance in place, ``trace`` gets what was read.

        ``key [T, B]`` is that of noisy reads. Returns the layer's result
        ``int32 [T, B, Ho, Wo, N]`` where no neurons follow, and what the neurons give.
        """
        mvm = self.layer.mvm
        held = x.flat() if mvm.window is None else x
        packed = held.as_read(mvm.bit_planes)
        steps, batch = packed.shape[1:3]
        leading = (steps, batch, *self.positions)
        y, made = None, NeuronResults()
        behind: tuple[Numbers, Arrays] = ({}, {})
        if neurons is None or states is None:
            y = np.empty((*leading, mvm.outputs), np.int32)
        else:
            made = neurons.outputs(leading)
            behind = neurons.as_read(states, made)
        driven = None if trace is None else np.zeros(leading[:3], np.int64)
        call = LayerCall(
            T=steps,
            B=1 if mvm.window is None else batch,
            has_neurons=neurons is not None,
            x=packed,
            y_out=y,
            driven=driven,
            keys=None if key is None else _own_keys(self.layer, key),
        )
        heard = np.zeros((mvm.groups, len(mvm.rows)), np.int64)
        for phase in self.phases:
            own = phase if mvm.window else _samples_as_rows(phase, batch, pool.threads)
            read = self._run_phase(own, call, behind, pool)
            if read is not None:
                heard[:, phase.order] += read.sum(axis=0)
        if trace is not None and driven is not None and mvm.cell_rows == mvm.rows:
            heard = heard if mvm.packed == 1 else heard_by_pack(mvm, x)
            trace.note_reads(mvm, driven.sum(axis=2), heard)
        return y, made

    def _run_phase(
        self, phase: Phase, call: LayerCall, behind: tuple[Numbers, Arrays], pool: Pool
    ) -> Array | None:
        """Run all jobs; return for a trace which row blocks were read, ``[jobs, groups, blocks]``.

        ``behind`` is what the kernels read of the neurons that follow.
        """
        jobs = phase.positions.jobs(call.B)
        if call.driven is not None:
            read = np.zeros((jobs, self.layer.mvm.groups, len(phase.order)), np.int64)
            call = replace(call, heard=read)
        numbers, arrays = as_read(call)
        numbers, arrays = phase.numbers | behind[0] | numbers, phase.arrays | behind[1] | arrays
        pool.run(jobs, partial(core.run_layer, self.level, numbers, arrays))
        return call.heard


def _own_keys(layer: CrossbarLayer, key: Array) -> Array:
    """Return the keys of a layer's reads, ``uint64 [T, B]``."""
    return np.ascontiguousarray(hashed(key.view(np.uint64), layer.read.stream))


def _samples_as_rows(phase: Phase, batch: int, threads: int) -> Phase:
    """Make the samples of a linear layer the rows of one image: cells stay in cache over them."""
    positions, numbers, arrays = _rows_of(phase.positions, batch, threads)
    return Phase(positions, phase.numbers | numbers, phase.arrays | arrays, phase.shape)


@lru_cache(maxsize=256)
def _rows_of(positions: Positions, batch: int, threads: int) -> tuple[Positions, Numbers, Arrays]:
    rows = replace(
        positions,
        H=batch,
        Ho=batch,
        PH=batch,
        all_rows=batch,
        rowmap=np.arange(batch, dtype=np.int32),
        tile_rows=min(_SAMPLES, -(-batch // threads)),
    )
    return rows, *as_read(rows)


def _phase(grid: Grid, level: int, how: Arithmetic, shape: Shape) -> Phase:
    """Pack what some output positions need of a layer."""
    blocks, clusters = shape.row_blocks, shape.row_blocks.clusters
    wide = how.wide or bool(clusters[:, 3].any())
    few = how.bits or (how.cells == 16 and not wide and core.vector_bytes(level) <= _OF_16)
    padded = 16 if blocks.Ng <= 16 and few else -(-blocks.Ng // 32) * 32
    columns = Columns(outputs=blocks.Ng, padded=padded, slices=blocks.S)
    blocks = replace(
        blocks,
        Npad=padded,
        wide=wide,
        copies=grid.copies,
        refcopies=grid.reference_copies,
        start=start(grid, how, shape.absent).astype(np.int32),
    )
    if how.bits:
        cells = bits(grid, shape.order, columns, level, clusters)
    else:
        cells = sums(grid, shape.order, columns, how, level)
    return Phase(shape.positions, *as_read(shape.positions, blocks, cells), shape)


def _shape(layer: CrossbarLayer, constants: Constants, where: Geometry) -> Shape:
    """Return what some output positions see, and in which order."""
    mvm, add = layer.mvm, layer.add
    order, clusters, scales = _clusters(layer, constants, where.present)
    at = [where.present.index(g) for g in order]
    blocks = np.asarray(where.blocks, np.int32).reshape(mvm.groups, -1, 3)[:, at]
    segments = [segment for combo in where.combos for segment in combo]
    ends = np.cumsum([0, *(len(combo) for combo in where.combos)])
    tall = [max(base + count for *_, count, base in combo) for combo in where.combos]
    positions = _positions(layer, where)
    check_lists(positions.band_area if mvm.window else _SAMPLES, tall)
    row_blocks = RowBlocks(
        ncombos=len(where.combos),
        nsegments=len(segments),
        nblocks=len(where.blocks),
        nclusters=len(clusters),
        N=mvm.outputs,
        Ng=mvm.outputs // mvm.groups,
        Npad=0,
        S=len(add.significances),
        rows=max(len(rows) for rows in mvm.cell_rows),
        shift=add.shift,
        wide=True,
        combos=np.stack([ends[:-1], ends[1:], tall], axis=1).astype(np.int32),
        segments=np.asarray(segments, np.int32),
        blocks=np.ascontiguousarray(blocks),
        clusters=clusters,
        significances=np.asarray(add.significances, np.int32),
        scales=scales,
        copies=1,
        refcopies=1,
        start=np.zeros((1, mvm.outputs), np.int32),
    )
    absent = sorted(set(range(len(mvm.rows))) - set(order))
    return Shape(positions, row_blocks, order, absent)


def _positions(layer: CrossbarLayer, where: Geometry) -> Positions:
    mvm = layer.mvm
    channels = mvm.x.shape[0] if mvm.window else int(np.prod(mvm.x.shape))
    rows, columns = where.rows, where.columns
    band = max(1, _BAND_BYTES // (4 * columns.positions * mvm.outputs))
    return Positions(
        planes=mvm.planes,
        plane_weights=np.asarray(layer.add.plane_weights, np.int32),
        H=rows.size,
        W=columns.size,
        Cw=words(channels),
        pitch=where.pitch,
        PH=len(rows.seen),
        PW=len(columns.seen),
        Ho=rows.positions,
        Wo=columns.positions,
        sy=rows.stride,
        sx=columns.stride,
        all_rows=where.positions[0],
        all_columns=where.positions[1],
        row0=rows.first,
        column0=columns.first,
        row_step=rows.step,
        column_step=columns.step,
        tile_rows=min(rows.positions, band),
        rowmap=rows.seen,
        colmap=columns.seen,
    )


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
