"""Facts of a device turned into counts of a macro.

A count is the step between two levels of a cell: ``(G_on - G_off) / (levels - 1)`` of conductance,
and of voltage what ``mv_per_count`` works out.
"""

from math import log, sqrt

from targets.devices.cell import Cell, Drift
from targets.devices.circuit import Amplifier, Replica, Wire
from targets.devices.counts import ByLevel, CellCounts, ReadoutCounts, WireCounts
from targets.devices.fact import Fact
from targets.devices.spread import quantiles_of, sigma_of


def number(fact: Fact | None) -> float | None:
    """Return the number of a fact, or None where it is not known."""
    return None if fact is None else fact.number


def step_us(cell: Cell, levels: int) -> float | None:
    """Return the uS of a count, where the conductance of a cell that is on is known."""
    if cell.on_us is None:
        return None
    return cell.on_us.number * (1 - (cell.leak or 0.0)) / (levels - 1)


def cell_counts(
    cell: Cell, levels: int, age_s: float | None, temperature_c: float | None
) -> CellCounts:
    """Return a cell of so many levels, on a chip of an age and a temperature."""
    share, step = cell.leak, step_us(cell, levels)
    off = None if share is None else (levels - 1) * share / (1 - share)
    programmed = tuple(u + (off or 0.0) for u in range(levels))
    first = cell.spread[0] if cell.spread else None
    drift = cell.drift
    return CellCounts(
        levels=levels,
        stuck_on=number(cell.stuck_on),
        stuck_off=number(cell.stuck_off),
        off=off,
        level=_level(cell, programmed, step, age_s, temperature_c),
        sigma=sigma_of(cell, programmed, step, age_s),
        log_sigma=None if first is None else first.log_sigma,
        quantiles=None if first is None else quantiles_of(first, programmed, step),
        nu=None if drift is None else _exponents(drift, "nu", programmed),
        nu_sigma=None if drift is None else _exponents(drift, "sigma", programmed),
        t0_s=None if drift is None else drift.t0_s,
        read_noise=_read_noise(cell, programmed, age_s),
        age_s=age_s,
    )


def _level(
    cell: Cell,
    programmed: ByLevel,
    step: float | None,
    age_s: float | None,
    temperature_c: float | None,
) -> ByLevel:
    """Return mean conductances: what levels fall by with age, and gain with temperature."""
    fallen, scale = 0.0, 1.0
    if cell.relaxation is not None and age_s is not None and step is not None:
        fallen = cell.relaxation.fall_us * log(max(age_s, 1.0)) / step
    if cell.temperature is not None and temperature_c is not None:
        warmer = temperature_c - cell.temperature.at_c
        scale = max(0.0, 1 + cell.temperature.share_per_k * warmer)
    return tuple(max(0.0, g - fallen) * scale for g in programmed)


def _exponents(drift: Drift, name: str, programmed: ByLevel) -> ByLevel:
    """Return the exponent of drift, or its standard deviation, of each level."""
    on: float = getattr(drift, name)
    per_log: float = getattr(drift, f"{name}_per_log")
    ends: tuple[float, ...] = getattr(drift, f"{name}_range")
    if not ends:
        return (on,) * len(programmed)
    low, high = ends
    # A cell that conducts nothing is at the end that the law runs to.
    nothing = high if per_log < 0 else low
    found = (nothing if g <= 0 else on + per_log * log(g / programmed[-1]) for g in programmed)
    return tuple(min(max(value, low), high) for value in found)


def _read_noise(cell: Cell, programmed: ByLevel, age_s: float | None) -> ByLevel | None:
    """Return what cells of each level do from read to read; 1/f noise grows with age."""
    noise = cell.read_noise
    if noise is None:
        return None
    grown = 1.0
    read = cell.drift.t0_s if age_s is None and cell.drift is not None else age_s
    if noise.read_s is not None and read is not None:
        grown = sqrt(max(0.0, log((read + noise.read_s) / (2 * noise.read_s))))
    on = programmed[-1]
    return tuple(noise.share * grown * on * (g / on) ** (1 - noise.power) for g in programmed)


# --- readouts and wires ----------------------------------------------------------------------


def readout_counts(
    amplifier: Amplifier | None,
    replica: Replica | None,
    cell: Cell,
    levels: int,
    rows: int,
    most_driven: int,
) -> ReadoutCounts:
    """Return what reads a column of so many rows, each driven by ``0 .. most_driven``."""
    mv = None if amplifier is None else mv_per_count(amplifier, cell, levels, rows, most_driven)
    return ReadoutCounts(
        mv_per_count=mv,
        offset=None if amplifier is None else _offset(amplifier, mv),
        trim_range=None if amplifier is None else _trim_range(amplifier, mv),
        gain=None if amplifier is None else number(amplifier.gain),
        noise=None if amplifier is None else _noise(amplifier, mv),
        replica=None if replica is None else replica.kind,
        leakage=None if replica is None else replica.leakage,
    )


def mv_per_count(
    amplifier: Amplifier, cell: Cell, levels: int, rows: int, most_driven: int
) -> float | None:
    """Return the mV between a sum and the next: as given, or by one of three laws.

    - charge sharing: ``swing_v / (rows + parasitic)`` of a cell that is on
    - a load: ``(G_on - G_off) read_v load_ohm``
    - a bitline that is charged: ``(G_on - G_off) read_v read_ns / bitline_ff``

    A count is one level of a cell on a row that is driven by one of ``most_driven`` steps.
    """
    steps = (levels - 1) * most_driven
    if amplifier.mv_per_count is not None:
        return amplifier.mv_per_count.number
    if amplifier.swing_v is not None and amplifier.parasitic is not None:
        return amplifier.swing_v.number * 1e3 / (rows + amplifier.parasitic.number) / steps
    step = step_us(cell, levels)
    if amplifier.read_v is None or step is None:
        return None
    microamperes = step * amplifier.read_v.number / most_driven
    if amplifier.load_ohm is not None:
        return microamperes * amplifier.load_ohm.number * 1e-3
    if amplifier.read_ns is not None and amplifier.bitline_ff is not None:
        return microamperes * amplifier.read_ns.number / amplifier.bitline_ff.number * 1e3
    return None


def offset_mv(amplifier: Amplifier) -> float | None:
    """Return the spread of the offset in mV: as given, or by the area of the input pair."""
    if amplifier.mismatch_mv_um is not None and amplifier.input_um2 is not None:
        return amplifier.mismatch_mv_um.number / sqrt(amplifier.input_um2.number)
    return number(amplifier.offset_mv)


def _offset(amplifier: Amplifier, mv: float | None) -> float | None:
    if amplifier.offset_counts is not None:
        return amplifier.offset_counts.number
    return _counts(offset_mv(amplifier), mv)


def _noise(amplifier: Amplifier, mv: float | None) -> float | None:
    if amplifier.read_noise_counts is not None:
        return amplifier.read_noise_counts.number
    return _counts(number(amplifier.read_noise_mv), mv)


def _trim_range(amplifier: Amplifier, mv: float | None) -> float | None:
    if amplifier.trim_range_counts is not None:
        return amplifier.trim_range_counts.number
    return _counts(number(amplifier.trim_range_mv), mv)


def _counts(millivolts: float | None, mv: float | None) -> float | None:
    """Return mV as counts; none at all are none, whatever a count is."""
    if millivolts is None or mv is None:
        return 0.0 if millivolts == 0 else None
    return millivolts / mv


def wire_counts(wire: Wire | None, cell: Cell) -> WireCounts | None:
    """Return the bitline, or None where its resistance or that of cells is not known."""
    if wire is None:
        return None
    share = number(wire.share)
    if wire.ohm_per_cell is not None:
        ohm = wire.ohm_per_cell.number
        if cell.on_us is None:
            share = 0.0 if ohm == 0 else None
        else:
            share = ohm * cell.on_us.number * 1e-6
    return None if share is None else WireCounts(share=share, supply=wire.supply)
