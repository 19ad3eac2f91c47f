"""How far cells of each level are from it, in counts: every form that a device file may use."""

from collections.abc import Callable
from math import hypot, log

from targets.devices.cell import Cell, Spread
from targets.devices.counts import ByLevel


def sigma_of(
    cell: Cell, levels: ByLevel, step_us: float | None, age_s: float | None
) -> ByLevel | None:
    """Return the standard deviation of cells of each level, in counts.

    Between two ages it is linear in the logarithm of age; before the first and behind the last it
    is theirs. What cells relax by adds to it as variances do.

    Args:
        cell: The facts.
        levels: Conductances as programmed, in counts.
        step_us: What a count is in uS, where it is known.
        age_s: Age of the chip in seconds; None: as programmed.

    Returns:
        None where nothing is known, or where a lognormal law or measured quantiles say it.
    """
    known = [spread for spread in cell.spread if spread.log_sigma is None and not spread.level]
    if not known:
        return None
    found = _by_age(known, levels, step_us, age_s)
    relaxation = cell.relaxation
    if relaxation is None or age_s is None or step_us is None:
        return found
    grown = relaxation.sigma_us + relaxation.sigma_per_log_us * log(max(age_s, 1.0))
    return tuple(hypot(sigma, grown / step_us) for sigma in found)


def _by_age(
    known: list[Spread], levels: ByLevel, step_us: float | None, age_s: float | None
) -> ByLevel:
    ages = [spread.age_s or 0.0 for spread in known]
    after = (
        0 if age_s is None else next((i for i, age in enumerate(ages) if age > age_s), len(ages))
    )
    young, old = known[max(after - 1, 0)], known[min(after, len(ages) - 1)]
    if young is old or not young.age_s or not old.age_s or age_s is None:
        return tuple(_at(young, g, levels, step_us) for g in levels)
    way = log(age_s / young.age_s) / log(old.age_s / young.age_s)
    ends = ([_at(spread, g, levels, step_us) for g in levels] for spread in (young, old))
    return tuple(a + (b - a) * way for a, b in zip(*ends, strict=True))


def quantiles_of(
    spread: Spread, levels: ByLevel, step_us: float | None
) -> tuple[ByLevel, ...] | None:
    """Return measured distributions in counts, ``[levels][n]``, or None where there are none.

    A level between two that were measured has quantiles between theirs.
    """
    if not spread.level or step_us is None:
        return None
    at = [level.at_us / step_us for level in spread.level]
    found = [[g / step_us for g in level.found_us] for level in spread.level]
    columns = list(zip(*found, strict=True))
    return tuple(tuple(_linear(at, column, g) for column in columns) for g in levels)


def _at(spread: Spread, g: float, levels: ByLevel, step_us: float | None) -> float:
    """Return the standard deviation at a conductance of ``g`` counts, in counts."""
    step = step_us or 1.0  # of forms that are shares, which have no use for it
    return hypot(*(FORMS[form](spread, g, levels, step) for form in spread.forms))


def _polynomial(spread: Spread, g: float, levels: ByLevel, step_us: float) -> float:
    return spread.polynomial_at(g * step_us) / step_us


def _table(spread: Spread, g: float, levels: ByLevel, step_us: float) -> float:
    return _linear(spread.at_us, spread.sigma_us, g * step_us) / step_us


def _share(spread: Spread, g: float, levels: ByLevel, step_us: float) -> float:
    return (spread.share or 0.0) * g


def _range_share(spread: Spread, g: float, levels: ByLevel, step_us: float) -> float:
    return (spread.range_share or 0.0) * (levels[-1] - levels[0])


def _step_share(spread: Spread, g: float, levels: ByLevel, step_us: float) -> float:
    return spread.step_share or 0.0


def _threshold(spread: Spread, g: float, levels: ByLevel, step_us: float) -> float:
    """In its linear region a transistor conducts in proportion to its overdrive."""
    assert spread.threshold_mv is not None
    assert spread.overdrive_v is not None
    return g * spread.threshold_mv * 1e-3 / spread.overdrive_v


FORMS: dict[str, Callable[[Spread, float, ByLevel, float], float]] = {
    "polynomial_us": _polynomial,
    "sigma_us": _table,
    "share": _share,
    "range_share": _range_share,
    "step_share": _step_share,
    "threshold_mv": _threshold,
}


def _linear(at: tuple[float, ...] | list[float], values: tuple[float, ...], x: float) -> float:
    """Interpolate linearly between points that rise; beyond them stays what they end with."""
    right = next((i for i, point in enumerate(at) if point >= x), len(at) - 1)
    if right == 0 or x >= at[right]:
        return values[right]
    left = right - 1
    way = (x - at[left]) / (at[right] - at[left])
    return values[left] + (values[right] - values[left]) * way
