"""What chips of a device do to a layer's columns in training."""

from dataclasses import dataclass
from math import exp, expm1, hypot, log, sqrt
from pathlib import Path

from mapper.training.backends.noise import Noise
from mapper.training.nets.layers import Hardened
from targets.devices import CellCounts, Device, load_device

Chips = Noise | Device | str | Path
"""Noise in counts; a device, its name, or a path to its file."""


def noise_for(layer: Hardened, chips: Chips | None, age: float | None = None) -> Noise | None:
    """Return what chips do to the columns of a layer, in counts of its macro.

    Of a device these are programming of cells by level, drift and its spread, leakage, stuck cells,
    and the offset and noise of amplifiers. What it does not say is left out.

    Args:
        layer: Its macro, encoding and reference decide what a fact is in counts.
        chips: None for ideal ones.
        age: Of the chips, in seconds after programming; None: as programmed.

    Raises:
        MappingError: There is no such device, or its cells hold fewer levels.
        ValueError: Noise is by level, and the layer's cells have other levels.
    """
    if chips is None:
        return None
    if isinstance(chips, Noise):
        chips.check(layer.encoding.base)
        return chips
    device = chips if isinstance(chips, Device) else load_device(chips)
    widest = max(plane.bits for plane in layer.bit_planes)
    found = device.on(layer.macro, age, plane_bits=widest)
    moments = [_moments(found.cell, level) for level in range(found.cell.levels)]
    stays = found.readout.leakage == "stays" and not layer.encoding.pairs
    follows = layer.macro.readout.reference == "half-active"
    off = 0.0 if stays and not follows else found.cell.off or 0.0
    return Noise(
        cells=tuple(moment.deviation for moment in moments),
        levels=tuple(round(moment.mean - off, 9) for moment in moments),
        off=off,
        stuck_on=found.cell.stuck_on or 0.0,
        stuck_off=found.cell.stuck_off or 0.0,
        offset=found.readout.offset or 0.0,
        read=found.readout.noise or 0.0,
        replica=found.readout.replica != "dac",
    )


@dataclass(frozen=True, slots=True)
class _Moments:
    """Of the conductance of cells of one level, in counts."""

    mean: float
    deviation: float


def _moments(cell: CellCounts, level: int) -> _Moments:
    """Return how cells of a level conduct at the age of the chip."""
    new = _programmed(cell, level)
    if cell.nu is None or cell.age_s is None or cell.t0_s is None:
        return new
    # g (t / t0)^-nu: a change of nu by its deviation changes the logarithm by ln(t / t0) of it.
    ages = log(max(cell.age_s / cell.t0_s, 1.0))
    kept = exp(-cell.nu[level] * ages)
    spread = 0.0 if cell.nu_sigma is None else cell.nu_sigma[level] * ages * new.mean
    return _Moments(kept * new.mean, kept * hypot(new.deviation, spread))


def _programmed(cell: CellCounts, level: int) -> _Moments:
    if cell.quantiles is not None:
        found = cell.quantiles[level]
        mean = sum(found) / len(found)
        return _Moments(mean, sqrt(sum((g - mean) ** 2 for g in found) / len(found)))
    if cell.log_sigma is not None:
        mean = cell.level[level] * exp(cell.log_sigma**2 / 2)
        return _Moments(mean, mean * sqrt(expm1(cell.log_sigma**2)))
    return _Moments(cell.level[level], 0.0 if cell.sigma is None else cell.sigma[level])
