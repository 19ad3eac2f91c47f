"""Pick references, ADC steps and scales of a layer from samples of what its wordlines carry."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, floor, log2

import numpy as np

from mapper.ir.core import Array, Constants
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.encoding import Encoding
from targets import Readout

_CHUNK = 1 << 23
"""Partial sums looked at together: 32 MiB in single precision."""

_DEAD_ZONE = 0.4
"""Half-width of a ternary readout's middle level, in standard deviations of the partial sum."""

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
class _Chunk:
    """Partial sums of some outputs: ``sums[M, G, S, n]`` beside ``active[M, G]``."""

    outputs: slice
    sums: Array
    active: Array
    wanted: Array
    """The exact weighted sum of each bit plane, ``[M, n]``."""


def calibrate(op: CrossbarMvm, constants: Constants, readout: Readout, bits: Array) -> Calibration:
    """Return the readout settings of least squared error over samples.

    Args:
        op: The layer, tiled and sliced.
        constants: Of its graph.
        readout: The macro's readout, not ideal.
        bits: What the wordlines carry, ``[M, groups, K]`` of 0 and 1, one bit plane a sample.
    """
    encoding = op.encoding
    assert encoding is not None
    if readout.is_adc:
        step, base = _adc_grid(op, constants, encoding, readout, bits)
        thresholds = np.zeros((0, 1, 1, 1), np.int64)
    else:
        step, base = 1, 0
        thresholds = _thresholds(op, constants, encoding, readout, bits)

    def codes(chunk: _Chunk) -> Array:
        if readout.is_adc:
            top = (1 << readout.bits) - 1
            code = np.clip((chunk.sums - first_threshold(base, step)) // step + 1, 0, top)
            return np.asarray(base + step * code)
        return _compared(chunk, thresholds, readout, encoding)

    multiplier, shift, offset = _fit_scale(op, constants, encoding, bits, codes, readout.is_adc)
    return Calibration(
        thresholds=thresholds,
        step=step,
        base=base,
        multiplier=multiplier,
        shift=shift,
        offset=offset,
    )


def first_threshold(base: int, step: int) -> int:
    """Return the lowest threshold of an ADC that rounds to the nearest step, ties upwards."""
    return base + ceil(step / 2)


def _chunks(
    op: CrossbarMvm, constants: Constants, encoding: Encoding, bits: Array
) -> Iterator[_Chunk]:
    """Yield the partial sums of all samples, some outputs of one group at a time."""
    weight = constants[op.weight.name]
    group_width = weight.shape[1] // op.groups
    slices = len(encoding.significances)
    width = max(1, _CHUNK // (len(bits) * len(op.rows) * slices))
    for group in range(op.groups):
        inputs = bits[:, group].astype(np.float32)
        active = np.stack([inputs[:, rows.slice].sum(axis=1) for rows in op.rows], axis=1)
        for start in range(group * group_width, (group + 1) * group_width, width):
            outputs = slice(start, min(start + width, (group + 1) * group_width))
            part = weight[:, outputs]
            digits = encoding.digits(part).astype(np.float32)
            sums = np.stack(
                [np.stack([inputs[:, r.slice] @ d[r.slice] for d in digits], 1) for r in op.rows], 1
            )
            yield _Chunk(outputs, sums, active, inputs @ part.astype(np.float32))


def _thresholds(
    op: CrossbarMvm, constants: Constants, encoding: Encoding, readout: Readout, bits: Array
) -> Array:
    """Return references at the mean of each bitline over samples with an active row.

    Half-active references are not moved: the replica column is the reference.
    """
    slices = len(encoding.significances)
    if readout.reference == "half-active" and readout.kind == "sense-amp":
        return np.zeros((1, 1, 1, 1), np.int64)
    outputs = constants[op.weight.name].shape[1]
    means = np.zeros((len(op.rows), slices, outputs))
    variances = np.zeros((slices, outputs))
    for chunk in _chunks(op, constants, encoding, bits):
        driven = (chunk.active > 0)[:, :, None, None]
        count = np.maximum(driven.sum(axis=0), 1)
        sums = _centred(chunk, readout, encoding)
        mean = (sums * driven).sum(axis=0) / count
        means[:, :, chunk.outputs] = mean
        variances[:, chunk.outputs] = (((sums - mean) ** 2 * driven).sum(0) / count).mean(axis=0)
    if readout.kind == "sense-amp":
        return np.asarray(np.floor(means) + 1, np.int64)[None]
    margin = _DEAD_ZONE * np.sqrt(variances.mean(axis=1))[None, :, None]
    if readout.reference == "half-active":
        means = np.zeros_like(means)
    low, high = np.floor(means - margin) + 1, np.floor(means + margin) + 1
    return np.stack([low, np.maximum(low, high)]).astype(np.int64)


def _centred(chunk: _Chunk, readout: Readout, encoding: Encoding) -> Array:
    if readout.reference == "constant":
        return chunk.sums
    half = 0.5 * ((1 << encoding.cell_bits) - 1)
    return np.asarray(chunk.sums - half * chunk.active[:, :, None, None])


def _compared(chunk: _Chunk, thresholds: Array, readout: Readout, encoding: Encoding) -> Array:
    """Return the decoded levels of a sense-amplifier or ternary readout."""
    sums = _centred(chunk, readout, encoding)
    columns = chunk.outputs if thresholds.shape[3] > 1 else slice(None)
    code = np.zeros(sums.shape, np.int64)
    for threshold in thresholds:
        code += sums >= threshold[:, :, columns]
    return np.asarray(readout.levels)[code]


def _adc_grid(
    op: CrossbarMvm, constants: Constants, encoding: Encoding, readout: Readout, bits: Array
) -> tuple[int, int]:
    """Return the step and lowest value of least squared error over the sums of active blocks."""
    reach = max(len(span) for span in op.rows) * encoding.digit_max
    counts = np.zeros(2 * reach + 1, np.int64)
    for chunk in _chunks(op, constants, encoding, bits):
        seen = chunk.sums[chunk.active > 0].astype(np.int64).ravel()
        counts += np.bincount(seen + reach, minlength=2 * reach + 1)
    sums, top = np.arange(-reach, reach + 1), (1 << readout.bits) - 1
    best, least = (1, 0), np.inf
    for step in range(1, ceil((2 * reach + 1) / top) + 1):
        base = -step * ((top + 1) // 2) if encoding.digit_min < 0 else 0
        code = np.clip((sums - first_threshold(base, step)) // step + 1, 0, top)
        error = float((counts * (sums - base - step * code) ** 2).sum())
        if error < least:
            best, least = (step, base), error
    return best


def _fit_scale(
    op: CrossbarMvm,
    constants: Constants,
    encoding: Encoding,
    bits: Array,
    codes: Callable[[_Chunk], Array],
    is_adc: bool,
) -> tuple[int, int, Array]:
    """Return the multiplier, shift and offsets that bring the codes' sum nearest the exact one."""
    significances = np.asarray(encoding.significances, np.float64)
    outputs = constants[op.weight.name].shape[1]
    mean_z, mean_wanted = np.zeros(outputs), np.zeros(outputs)
    joint = spread = 0.0
    for chunk in _chunks(op, constants, encoding, bits):
        z = np.einsum("s,mgsn->mn", significances, codes(chunk))
        if is_adc:
            z = z + encoding.offset * chunk.active.sum(axis=1)[:, None]
        centred = z - z.mean(axis=0)
        joint += float((centred * (chunk.wanted - chunk.wanted.mean(axis=0))).sum())
        spread += float((centred**2).sum())
        mean_z[chunk.outputs] = z.mean(axis=0)
        mean_wanted[chunk.outputs] = chunk.wanted.mean(axis=0)
    if is_adc:
        return 1, 0, mean_wanted - mean_z
    gain = joint / spread if joint > 0 and spread > 0 else 1.0
    shift = min(max(_SCALE_BITS - 1 - floor(log2(gain)), 0), 30)
    multiplier = max(1, round(gain * 2**shift))
    return multiplier, shift, mean_wanted - mean_z * multiplier / 2**shift
