"""What many cells of a die are like, against the formulas of their device. Seeds are fixed."""

from dataclasses import replace
from math import exp, log
from statistics import NormalDist

import numpy as np
import pytest

from passes.dies.conductance import conductances, drift_table
from passes.dies.draws import site
from targets import load_target
from targets.devices import load_device
from targets.devices.resolve import cell_counts
from tests.drawn_dies import device

DAY = 86400.0
CELLS = 1 << 17
UNIT = NormalDist()


def cells_of(facts, level, seed=1):
    """Draw cells of one level, on 512 wordlines of 256 bitlines."""
    at = site(np.array(0), np.arange(512)[:, None], np.arange(CELLS // 512))
    return conductances(facts, np.array(level), at, seed, "programming")


def assert_moments(found, mean, variance):
    """Hold the mean and the variance of draws to 4 standard errors of theirs."""
    count = found.size
    assert found.mean() == pytest.approx(mean, abs=4 * np.sqrt(variance / count))
    centred = np.square(found - found.mean())
    assert centred.mean() == pytest.approx(variance, abs=4 * centred.std() / np.sqrt(count))


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_programmed_cells_have_the_mean_and_the_spread_of_their_level(level):
    cell = cell_counts(load_device("rram-wang").cell, 4, None, None)
    cell = replace(cell, level=(2.0, 3.0, 4.0, 5.0), sigma=(0.1, 0.2, 0.3, 0.4))
    assert_moments(cells_of(cell, level), cell.level[level], cell.sigma[level] ** 2)


def test_shares_of_stuck_cells_pass_a_chi_square_test():
    """3 % on, 5 % off: counts over the whole, and on over wordlines and over bitlines."""
    cell = device(cell__stuck_on=0.03, cell__stuck_off=0.05).on(load_target("adcless-64").macros[0])
    facts = replace(cell.cell, levels=4, level=(0.0, 1.0, 2.0, 3.0))
    found = cells_of(facts, 1)
    expected = np.array([0.05, 0.92, 0.03]) * found.size
    counted = np.array([(found == g).sum() for g in (0, 1, 3)])
    assert counted.sum() == found.size
    assert np.square((counted - expected) / np.sqrt(expected)).sum() < 13.8  # 2 freedoms, 0.1 %
    for axis, lines in ((0, 256), (1, 512)):
        on = (found == 3).sum(axis=axis)
        each = 0.03 * found.size / lines
        squares = np.square(on - each).sum() / (each * 0.97)
        assert abs(squares - lines) < 4 * np.sqrt(2 * lines)


def test_the_table_of_drift_has_the_moments_of_the_exponent():
    of = device(cell__nu=0.1, cell__nu_sigma=0.02).on(load_target("adcless-64").macros[0], DAY)
    exponent = -np.log(drift_table(of.cell)) / log(DAY / of.cell.t0_s)
    assert exponent.shape == (2, 65536)
    assert exponent.mean(axis=1) == pytest.approx(0.1, abs=1e-6)
    assert exponent.std(axis=1) == pytest.approx(0.02, rel=1e-4)
    assert (exponent >= 0).all()


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_phase_change_cells_after_a_day(level):
    """``max(0, normal)`` times ``(t / t0)**-max(0, normal)``: both moments in closed form."""
    cell = cell_counts(load_device("pcm").cell, 4, DAY, None)
    mean, sigma, nu, nu_sigma = (v[level] for v in (cell.level, cell.sigma, cell.nu, cell.nu_sigma))
    programmed = [_power_of_cut(mean, sigma, power) for power in (1, 2)]
    left = [_left(nu, nu_sigma, power * log(DAY / cell.t0_s)) for power in (1, 2)]
    first, second = (g * share for g, share in zip(programmed, left, strict=True))
    assert_moments(cells_of(cell, level), first, second - first**2)
    assert first < mean * exp(-0.3)  # eight e-foldings at an exponent of 0.05 and more


def _power_of_cut(mean, sigma, power):
    """Return the mean of ``max(0, g)**power`` of a normal ``g``."""
    a = mean / sigma
    if power == 1:
        return mean * UNIT.cdf(a) + sigma * UNIT.pdf(a)
    return (mean**2 + sigma**2) * UNIT.cdf(a) + mean * sigma * UNIT.pdf(a)


def _left(nu, sigma, length):
    """Return the mean of ``exp(-length * max(0, nu))`` of a normal exponent."""
    a = nu / sigma
    lognormal = exp(-nu * length + (sigma * length) ** 2 / 2)
    return UNIT.cdf(-a) + lognormal * UNIT.cdf(a - sigma * length)
