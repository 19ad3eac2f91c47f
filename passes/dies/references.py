"""References of a die: thresholds and steps of each readout, and the noise of its reads.

A reference lies between two sums that the ideal chip tells apart: half a gap below the upper one.
So an ideal readout of ideal cells gives the same codes, and an offset within half a gap changes no
bit. Where a reference follows the activity, sums less half of what their rows could give lie half a
count apart if a full cell has an odd number of counts; else, and for constant references, a count.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, floor

import numpy as np

from mapper.ir.core import INT64, Array, Const, Constants, IntType, Value, param
from mapper.ir.crossbar import cell_sum_range
from mapper.ir.readout import AdcRead, BitlineRead, SenseAmpRead
from passes.dies.draws import normal, normal_quantiles, stream
from passes.dies.measured import Measured
from passes.dies.net import Drawing


@dataclass(frozen=True, slots=True)
class DieRead:
    """A readout of a die, and the constants that it brings."""

    op: BitlineRead
    constants: Mapping[str, Array]


def reference_gap(read: BitlineRead) -> float:
    """Return how far the sums lie apart that a readout of an ideal chip compares, in counts."""
    if isinstance(read, SenseAmpRead) and read.follows_activity and read.full_level % 2:
        return 0.5
    return 1.0


def offsets(drawing: Drawing, shared: int) -> Array | float:
    """Return the offset of each readout in counts, ``[C, G, S, N]``; 0 where none is drawn.

    A reference that was trimmed has what is left of it.
    """
    trim: Array | float = 0.0 if drawing.trim is None else drawing.trim
    at = drawing.sites.readouts(shared)
    found = readout_offsets(drawing.facts.readout.offset, at, drawing.seed, drawing.measured)
    return trim if found is None else found + trim


def readout_offsets(
    sigma: float | None, at: Array, seed: int, measured: Measured | None = None
) -> Array | None:
    """Return offsets in counts at the sites of readouts; None where there are none."""
    known = measured is not None and len(measured.offset_sites)
    if not (sigma or known):
        return None
    drawn = (sigma or 0.0) * normal(stream(seed, "offset"), at)
    return drawn if measured is None else measured.offset(at, drawn)


def sensed_on_die(
    read: SenseAmpRead, drawing: Drawing, constant: Array, shared: int, constants: Constants, f: int
) -> DieRead:
    """Return sense amplifiers with thresholds ``[L, C, G, S, N]`` in units of ``2**-f`` counts."""
    table = constants[read.thresholds.name].astype(np.float64)[:, None]
    moved = offsets(drawing, shared) - constant - reference_gap(read) / 2
    name = f"{read.result.name}.references"
    op = replace(read, active=None, thresholds=Const(name))
    return DieRead(op, {name: _by_copy(_raised(table + moved, f))})


def converted_on_die(
    read: AdcRead, drawing: Drawing, constant: Array, shared: int, constants: Constants, f: int
) -> DieRead:
    """Return an ADC with first thresholds and steps ``[C, G, S, N]`` in units of ``2**-f`` counts.

    What a code stands for stays as it is: the digital side does not know the die.
    """
    first, step = (_grid(constants, table) for table in (read.first, read.step))
    moved = offsets(drawing, shared) - constant - reference_gap(read) / 2
    factor: Array | float = 1.0
    if gain := drawing.facts.readout.gain:
        key = stream(drawing.seed, "gain")
        factor = 1.0 + gain * normal(key, drawing.sites.readouts(shared))
    width = np.maximum(1, np.rint(step * factor * (1 << f)).astype(np.int64))
    name = read.result.name
    tables = {
        f"{name}.first": _by_copy(_raised(first + moved, f)),
        f"{name}.width": _by_copy(np.broadcast_to(width, np.broadcast(width, constant).shape)),
    }
    op = replace(read, first=Const(f"{name}.first"), width=Const(f"{name}.width"))
    return DieRead(op, tables)


def exact_on_die(
    read: AdcRead, drawing: Drawing, constant: Array, cells: Array, sigma: float, f: int
) -> DieRead:
    """Return a converter of step 1 that is wide enough for every sum of a die, to whole counts.

    Args:
        read: Of the ideal chip.
        drawing: Of the layer.
        constant: Of its columns in counts, behind wires.
        cells: What they add, ``[C | 1, S, K, N]`` in units of ``2**-f`` counts.
        sigma: Noise of a read, in counts.
        f: Bits below a count.
    """
    if f == 0:  # sums of whole cells, stuck or not, are no more than those of any weights
        return DieRead(read, {})
    low, high = cell_sum_range(cells, drawing.op.shared_rows, drawing.op.most_driven)
    reach = sigma * float(normal_quantiles()[-1])
    least = floor(low / (1 << f) + float(constant.min()) - reach) - 1
    most = ceil(high / (1 << f) + float(constant.max()) + reach) + 1
    name = f"{read.result.name}.first"
    table = _by_copy(_raised(least + 0.5 - constant, f))  # half a count below least + 1
    alike = bool((table == table.flat[0]).all())
    op = replace(
        read,
        bits=max(1, IntType.spanning(least, most).bits),
        first=int(table.flat[0]) if alike else Const(name),
        width=1 << f,
        base=least,
    )
    return DieRead(op, {} if alike else {name: table})


def with_noise(found: DieRead, sigma: float, key: Value, number: int, f: int) -> DieRead:
    """Add noise of each read, ``sigma`` counts; ``number`` tells the layers of a graph apart."""
    name = f"{found.op.result.name}.noise"
    table = np.rint(sigma * (1 << f) * normal_quantiles()).astype(np.int32)
    op = replace(found.op, noise=Const(name), key=key, stream=number)
    return DieRead(op, {**found.constants, name: table})


def noise_sigma(drawing: Drawing, weight: Array) -> float:
    """Return the noise of a read in counts: of the readout, and of cells at mean activity.

    Cells that are driven add up their variances, times the square of what drives them: inputs of
    several bits are taken as ``activity_of`` takes them, their digits equally likely. Replica cells
    are read, too. A layer has one table of noise, so columns are taken to have what they have on
    average.
    """
    variance = (drawing.facts.readout.noise or 0.0) ** 2
    levels, op = drawing.facts.cell.read_noise, drawing.op
    if levels is not None and any(levels):
        assert op.encoding is not None
        of_level = np.square(np.asarray(levels, np.float64))
        digits = np.abs(drawing.digits(weight, np.int64))  # [S, K, N]
        cells = of_level[digits] + (of_level[0] if op.encoding.pairs else 0.0)
        if drawing.has_replicas:
            half = drawing.own_rows[:, drawing.sites.reference]  # of these one of two cells is on
            cells = cells + np.where(half, (of_level[-1] + of_level[0]) / 4, of_level[0] / 2)
        squares = (
            drawing.shared_activity * (2 * op.most_driven + 1) / 3
        )  # mean square of 1 .. most_driven
        each = np.repeat(squares, op.outputs // op.groups, axis=0).T  # [K, N]
        variance += float((cells * each).sum() / (len(op.rows) * cells.shape[0] * op.outputs))
    return float(np.sqrt(variance))


def smallest(table: Array) -> Array:
    """Return integers in the narrowest type of 16, 32 or 64 bits."""
    low, high = int(table.min(initial=0)), int(table.max(initial=0))
    kinds = (np.int16, np.int32, np.int64)
    kind = next(k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max)
    return np.ascontiguousarray(table, dtype=kind)


def _by_copy(table: Array) -> Array:
    """Return a table ``[..., C, G, S, N]`` without the axis of copies where these are alike."""
    first = table.take(0, axis=-4)
    alike = (table == np.expand_dims(first, -4)).all()
    return smallest(first if alike else table)


def _raised(table: Array, f: int) -> Array:
    """Return the least whole number of units at or above: ``P >= T`` for whole ``P`` stays so."""
    raised: Array = np.ceil(table * (1 << f)).astype(np.int64)
    return raised


def _grid(constants: Constants, table: int | Const) -> Array:
    return np.atleast_3d(param(constants, table, INT64)).astype(np.float64)
