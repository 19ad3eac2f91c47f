"""What the kernels read of a layer's cells and readout: as bits, or as numbers."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypedDict

import numpy as np

from mapper.executor.native.bounds import Arithmetic, rises
from mapper.executor.native.grid import Grid
from mapper.executor.native.pack import (
    Columns,
    greatest_sum,
    pack_bits,
    pack_references,
    vectors,
)
from mapper.executor.native.pack_sums import (
    adc_tables,
    half_tables,
    numbers_below,
    outputs_at_once,
    pack_rests,
    pack_sums,
    pack_whole,
    sense_tables,
    step_tables,
)
from mapper.executor.native.rest import at_rest, lowest_levels
from mapper.ir.core import Array
from mapper.ir.readout import AdcRead, SenseAmpRead
from mapper.ir.units import CrossbarLayer
from mapper.kernels import core
from mapper.kernels.structs import Cells, Kind, Mode

_MERGING_PAYS = 1
"""The highest level of instructions at which slices are merged as bits; see ``csrc/kernels.h``."""
_KINDS: dict[int, Kind] = {8: "SUMS8", 16: "SUMS16", 32: "SUMS32"}


def bits(grid: Grid, order: Sequence[int], columns: Columns, level: int, clusters: Array) -> Cells:
    """Return what the bit-sliced kernel reads."""
    layer, read = grid.layer, grid.layer.read
    assert isinstance(read, SenseAmpRead)
    tallest = max(len(rows) for rows in layer.mvm.cell_rows)
    way = vectors(grid, columns.count, tallest, level)
    mode = _mode(grid)
    few = greatest_sum(grid) <= core.number("FEW_PLANES_SUM")
    planes = core.number("FEW_PLANES" if few else "MANY_PLANES")
    most = len(read.levels) - 1
    refs = pack_references(grid, order, columns, way, planes, mode)
    return Cells(
        kind="BITS",
        cellcopies=grid.cell_copies,
        weights=(weights := pack_bits(grid, order, columns, way)),
        L=most,
        width=way.width,
        folded=way.beside > 1,
        colblks=weights.shape[2],
        sets=weights.shape[3],
        NP=planes,
        mode=mode,
        parity=refs.shape[3] > 1,
        rise=rises(read)[0],
        depth=(depth := int(most * (clusters[:, 1] - clusters[:, 0]).max()).bit_length()),
        merged=_is_merged(layer, depth, level),
        refs=refs,
    )


def _is_merged(layer: CrossbarLayer, depth: int, level: int) -> bool:
    """Say whether bits of all slices are added before they become numbers.

    It pays where numbers take a comparison for each bit: with AVX-512 bits are masks, and each is
    one addition.
    """
    counts = layer.add.significances
    if level > _MERGING_PAYS or not layer.add.merged or len(counts) < 2 or counts[0] < 1:
        return False
    times = [count // counts[0] for count in counts]
    ordered = all(low < high for low, high in pairwise(times))  # powers of two, as codes are
    return ordered and depth + times[-1].bit_length() <= core.number("MOST_MERGED")


def _mode(grid: Grid) -> Mode:
    if grid.form == "DIGITS":
        return "DIGITS" if grid.bits > 1 else "PLAIN"
    return "HALF_ACTIVE" if grid.form == "HALVES" else "DIFFERENTIAL"


def sums(grid: Grid, order: Sequence[int], columns: Columns, how: Arithmetic, level: int) -> Cells:
    """Return what the kernel that adds cells as numbers reads."""
    layer, read = grid.layer, grid.layer.read
    at_once = outputs_at_once(grid, columns, how, level)
    lossless = how.exact >= max(len(rows) for rows in layer.mvm.cell_rows)
    cells = Cells(
        kind=_KINDS[how.cells],
        cellcopies=grid.cell_copies,
        weights=None if lossless else pack_sums(grid, order, columns, how, at_once),
        cols=columns.count,
        at_once=at_once,
        chunk=how.chunk,
        nibbles=how.nibbles,
        quick=how.quick,
        down=how.down,
        offset=layer.add.offset,
        **_whole(grid, order, columns, how, level),
    )
    if grid.noisy:
        cells = replace(cells, **_noise(grid, order))
    if isinstance(read, AdcRead):
        tables = adc_tables(grid, order, columns)
        top = (1 << read.bits) - 1
        if how.quick == "BY_FLOATS":
            return replace(cells, readout="ADC", top=top, tables=tables)
        return replace(cells, readout="ADC", top=top, halves=half_tables(tables, how))
    cells = replace(
        cells,
        readout="SENSE",
        L=len(read.levels) - 1,
        half_full=grid.half_full,
        lowest=lowest_levels(grid),
        rises=np.asarray(rises(read), np.int32),
    )
    if grid.noisy and not how.wide:
        halves = step_tables(grid, order, columns)
        return replace(cells, halves=halves, steps=grid.noise_steps, noise=None)
    table = sense_tables(grid, order, columns, how)
    if how.wide:
        return replace(cells, tables=table)
    rests = at_rest(grid, range(len(layer.mvm.rows))) - lowest_levels(grid)
    return replace(cells, halves=table, rests=pack_rests(rests, order, layer.mvm.groups, columns))


class _Whole(TypedDict, total=False):
    exact: int
    fits: int
    whole_at: int
    whole: Array


def _whole(
    grid: Grid, order: Sequence[int], columns: Columns, how: Arithmetic, level: int
) -> _Whole:
    """Return what is read where codes of an ADC stand for the sums themselves."""
    if not how.exact:
        return {}
    whole_at, whole = pack_whole(grid, order, columns, level)
    return _Whole(exact=how.exact, fits=grid.whole_fits, whole_at=whole_at, whole=whole)


class _Noise(TypedDict):
    noisy: bool
    up: int
    G: int
    sampled: bool
    noise_low: int
    reaches: int
    numbers: Array
    noise: Array


def _noise(grid: Grid, order: Sequence[int]) -> _Noise:
    """Return what noisy reads are counted by, and what they look up."""
    layer, table = grid.layer, grid.noise.astype(np.int32)
    low, high = int(table[0]), int(table[-1])
    if isinstance(layer.read, SenseAmpRead):
        table = numbers_below(table)
    return _Noise(
        noisy=True,
        up=grid.shift,
        G=len(layer.mvm.rows),
        sampled=layer.mvm.window is None,
        noise_low=low,
        reaches=high - low + 2,
        numbers=np.tile(np.asarray(order, np.int32), layer.mvm.groups),
        noise=table,
    )
