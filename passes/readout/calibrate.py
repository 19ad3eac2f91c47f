"""Pick references, ADC steps and scales of a layer from samples of what its wordlines carry."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from math import ceil, floor, log2
from typing import TypeVar

import numpy as np

from mapper.ir.comparators import converted, sensed
from mapper.ir.core import Array, Constants
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.encoding import Encoding
from targets import Readout

Whole = TypeVar("Whole", int, Array)

_CHUNK = 1 << 23
"""Partial sums of the outputs that are fitted together."""

_TILE = 1 << 18
"""Of these, those that are computed and read at once: 1 MiB in single precision stays in cache."""

_HELD = 1 << 20
"""Partial sums of a layer that are kept between its walks."""

_SCALE_BITS = 8
"""Bits of the integer multiplier that scales a layer's sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What a layer's readout needs; ``z`` is the sum of weighted codes before scaling."""

    thresholds: Array
    """``[L, G | 1, S | 1, N | 1]`` for a sense amplifier; empty for an ADC."""
    step: int
    base: int
    """An ADC's step and lowest decoded value, in counts."""
    multiplier: int
    shift: int
    """The layer's sum is about ``(multiplier * z) >> shift``..."""
    offset: Array
    """... plus this, one number per output, in units of the sum."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer and what its wordlines carry."""

    op: CrossbarMvm
    weight: Array
    encoding: Encoding
    readout: Readout
    bits: Array
    """``[M, groups, K]``: 0 and 1, or digits of a few bits."""
    held: "list[tuple[_Chunk, list[_Tile]]]" = field(default_factory=list)
    """Partial sums that were computed, where they are few."""

    @property
    def outputs(self) -> int:
        return int(self.weight.shape[1])

    def parts(self) -> "Iterator[tuple[_Chunk, Iterable[_Tile]]]":
        """Yield all outputs with their partial sums, which are computed once where they are few."""
        yield from self.held
        if self.held:
            return
        sums = len(self.bits) * len(self.op.rows) * len(self.encoding.significances) * self.outputs
        for chunk in _chunks(self):
            tiles: Iterable[_Tile] = _tiles(self, chunk)
            if sums <= _HELD:
                self.held.append((chunk, list(tiles)))
                tiles = self.held[-1][1]
            yield chunk, tiles


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some outputs of one group, and the single-precision bits on their wordlines."""

    outputs: slice
    inputs: Array
    """``[M, K]``."""
    weight: Array
    """``[K, n]``."""

    @property
    def wanted(self) -> Array:
        """The exact weighted sum of each bit plane, ``[M, n]``."""
        return np.asarray(self.inputs @ self.weight.astype(np.float32))


@dataclass(frozen=True, slots=True)
class _Tile:
    """Partial sums of a chunk's outputs in some row blocks."""

    blocks: slice
    outputs: slice
    sums: Array
    """``[M, g, S, n]``."""
    active: Array
    """What wordlines carry, added up: ``[M, g, 1, 1]``."""


def calibrate(op: CrossbarMvm, constants: Constants, readout: Readout, bits: Array) -> Calibration:
    """Return the readout settings of least squared error over samples.

    Args:
        op: The layer, tiled and sliced.
        constants: Of its graph.
        readout: The macro's readout, not ideal.
        bits: What the wordlines carry, ``[M, groups, K]``, one bit plane a sample.
    """
    assert op.encoding is not None
    layer = _Layer(op, constants[op.weight.name], op.encoding, readout, bits)
    if readout.is_adc:
        step, base = _adc_grid(layer)
        thresholds = np.zeros((0, 1, 1, 1), np.int64)
    else:
        step, base = 1, 0
        thresholds = _thresholds(layer)

    def decoded(tile: _Tile) -> Array:
        if readout.is_adc:
            return _converted(tile, layer, base, step)
        return _compared(tile, layer, thresholds)

    multiplier, shift, offset = _fit_scale(layer, decoded)
    return Calibration(
        thresholds=thresholds,
        step=step,
        base=base,
        multiplier=multiplier,
        shift=shift,
        offset=offset,
    )


def first_threshold(base: Whole, step: Whole) -> Whole:
    """Return the lowest threshold of an ADC that rounds to the nearest step, ties upwards."""
    found: Whole = base + (step + 1) // 2
    return found


def _chunks(layer: _Layer) -> Iterator[_Chunk]:
    """Yield all outputs, some of one group at a time."""
    groups, blocks = layer.op.groups, len(layer.op.rows)
    group_width = layer.outputs // groups
    width = max(1, _CHUNK // (len(layer.bits) * blocks * len(layer.encoding.significances)))
    for group in range(groups):
        inputs = layer.bits[:, group].astype(np.float32)
        for start in range(group * group_width, (group + 1) * group_width, width):
            outputs = slice(start, min(start + width, (group + 1) * group_width))
            yield _Chunk(outputs, inputs, layer.weight[:, outputs])


def _tiles(layer: _Layer, chunk: _Chunk) -> Iterator[_Tile]:
    """Yield the partial sums of a chunk's outputs, some row blocks at a time."""
    samples, width = len(layer.bits), chunk.weight.shape[1]
    slices = len(layer.encoding.significances)
    together = max(1, _TILE // (samples * slices * width))
    for start in range(0, len(layer.op.rows), together):
        rows = layer.op.rows[start : start + together]
        blocks, top = slice(start, start + len(rows)), rows[0].start
        digits = layer.encoding.digits(chunk.weight[top : rows[-1].stop], np.float32)
        sums = np.empty((samples, len(rows), slices, width), np.float32)
        active = np.empty((samples, len(rows), 1, 1), np.float32)
        for g, span in enumerate(rows):
            inputs = chunk.inputs[:, span.slice]
            active[:, g, 0, 0] = inputs.sum(axis=1)
            for s, digit in enumerate(digits[:, span.start - top : span.stop - top]):
                np.matmul(inputs, digit, out=sums[:, g, s])
        yield _Tile(blocks, chunk.outputs, sums, active)


def _thresholds(layer: _Layer) -> Array:
    """Return references about the mean of each bitline over samples with an active row.

    Half-active references are not moved to it: the replica column is the middle of the references.
    """
    readout, slices = layer.readout, len(layer.encoding.significances)
    if readout.reference == "half-active" and readout.thresholds == 1:
        return np.zeros((1, 1, 1, 1), np.int64)
    means = np.zeros((len(layer.op.rows), slices, layer.outputs))
    variances = np.zeros((slices, layer.outputs))
    for chunk, tiles in layer.parts():
        squares = np.empty((len(means), slices, chunk.weight.shape[1]))
        for tile in tiles:
            driven = tile.active > 0
            count = np.maximum(driven.sum(axis=0), 1)
            sums = tile.sums - _half_active(tile, layer)
            mean = (sums * driven).sum(axis=0) / count
            means[tile.blocks, :, chunk.outputs] = mean
            squares[tile.blocks] = ((sums - mean) ** 2 * driven).sum(0) / count
        variances[:, chunk.outputs] = squares.mean(axis=0)
    if readout.reference == "half-active":
        means = np.zeros_like(means)
    deviation = np.sqrt(variances.mean(axis=1))[None, :, None]
    tables = [np.floor(means + at * deviation) + 1 for at in readout.form.spread]
    return np.maximum.accumulate(tables, axis=0).astype(np.int64)


def _half_active(tile: _Tile, layer: _Layer) -> Array:
    """Return what a reference that follows the activity adds to the thresholds."""
    if layer.readout.reference == "constant":
        return np.zeros((1, 1, 1, 1), np.float32)
    return np.asarray(tile.active * np.float32(0.5 * (layer.encoding.base - 1)))


def _compared(tile: _Tile, layer: _Layer, thresholds: Array) -> Array:
    """Add up the levels that sense amplifiers decode over row blocks, ``[M, S, n]``."""
    blocks = tile.blocks if thresholds.shape[1] > 1 else slice(None)
    columns = tile.outputs if thresholds.shape[3] > 1 else slice(None)
    half = _half_active(tile, layer)
    moved = (half + threshold[blocks, :, columns].astype(np.float32) for threshold in thresholds)
    return sensed(tile.sums, moved, layer.readout.levels, axis=1)


def _converted(tile: _Tile, layer: _Layer, base: int, step: int) -> Array:
    """Add up the numbers that ADCs decode over row blocks, ``[M, S, n]``."""
    first = first_threshold(base, step)
    numbers = converted(tile.sums, first, step, base, layer.readout.bits)
    return np.asarray(numbers.sum(axis=1, dtype=np.float64))


def _adc_grid(layer: _Layer) -> tuple[int, int]:
    """Return the step and lowest value of least squared error over the sums of active blocks."""
    encoding = layer.encoding
    reach = max(len(span) for span in layer.op.rows) * encoding.digit_max * layer.op.most_driven
    counts = np.zeros(2 * reach + 1, np.int64)
    for tile in (tile for _, tiles in layer.parts() for tile in tiles):
        seen = tile.sums[tile.active[:, :, 0, 0] > 0].astype(np.int64).ravel()
        counts += np.bincount(seen + reach, minlength=2 * reach + 1)
    return _best_step(counts, reach, encoding.digit_min < 0, layer.readout.bits)


def _best_step(counts: Array, reach: int, signed: bool, bits: int) -> tuple[int, int]:
    """Return the step and lowest value of least error; ``counts`` are of ``-reach..reach``."""
    sums, top = np.flatnonzero(counts) - reach, (1 << bits) - 1
    below = (top + 1) // 2 if signed else 0
    found, least = 1, np.inf
    most, together = ceil(len(counts) / top), max(1, _TILE // max(len(sums), 1))
    for start in range(1, most + 1, together):
        step = np.arange(start, min(start + together, most + 1))[:, None]
        base = -below * step
        read = converted(sums, first_threshold(base, step), step, base, bits)
        errors = (sums - read) ** 2 @ counts[sums + reach]
        if errors.min() < least:
            found, least = start + int(errors.argmin()), float(errors.min())
    return found, -below * found


def _fit_scale(layer: _Layer, decoded: Callable[[_Tile], Array]) -> tuple[int, int, Array]:
    """Return the multiplier, shift and offsets that bring the codes' sum nearest the exact one.

    ``decoded`` gives the levels of a tile added up over its row blocks, ``[M, S, n]``.
    """
    encoding, is_adc = layer.encoding, layer.readout.is_adc
    significances = np.asarray(encoding.significances, np.float64)
    mean_z, mean_wanted = np.zeros(layer.outputs), np.zeros(layer.outputs)
    joint = spread = 0.0
    for chunk, tiles in layer.parts():
        wanted = chunk.wanted
        levels = np.zeros((len(wanted), len(significances), wanted.shape[1]))
        active = np.zeros((len(wanted), 1))
        for tile in tiles:
            levels += decoded(tile)
            active += tile.active.sum(axis=(1, 3))
        z = np.einsum("s,msn->mn", significances, levels)
        if is_adc:
            z += encoding.offset * active
        centred = z - z.mean(axis=0)
        joint += float((centred * (wanted - wanted.mean(axis=0))).sum())
        spread += float((centred**2).sum())
        mean_z[chunk.outputs] = z.mean(axis=0)
        mean_wanted[chunk.outputs] = wanted.mean(axis=0)
    if is_adc:
        return 1, 0, mean_wanted - mean_z
    gain = joint / spread if joint > 0 and spread > 0 else 1.0
    shift = min(max(_SCALE_BITS - 1 - floor(log2(gain)), 0), 30)
    multiplier = max(1, round(gain * 2**shift))
    return multiplier, shift, mean_wanted - mean_z * multiplier / 2**shift
