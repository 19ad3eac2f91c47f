"""The energy of builds against how often an inference comes: which wins at which frame rate."""

from collections.abc import Sequence
from itertools import combinations

from mapper.compare.compared import Compared
from mapper.cost import Cost
from mapper.cost.frames import lines_of
from mapper.report.comparison.rates import FrameRates, Rated, rate_pair
from targets import Preset, Target


def frame_rates(
    found: Sequence[Compared], costs: Sequence[Cost], preset: Preset
) -> FrameRates | None:
    """Return where comparable builds take the same energy; None where fewer than two are.

    Builds that read with ADCs alone are set against those with sense amplifiers alone, the later
    over the earlier; where there are no two such, all against the first.
    """
    pairs = [(one, cost) for one, cost in zip(found, costs, strict=True) if not one.incomparable]
    if len(pairs) < 2:
        return None
    sides = [
        Rated(side=one.title, lines=lines_of(one.build.counts, cost, preset)) for one, cost in pairs
    ]
    targets = [one.build.target for one, _ in pairs]
    chosen = [
        (base, place)
        for base, place in combinations(range(len(sides)), 2)
        if one_has_adcs(targets[base], targets[place])
    ] or [(0, place) for place in range(1, len(sides))]
    return FrameRates(
        sides=tuple(sides),
        pairs=tuple(rate_pair(sides[place], sides[base]) for base, place in chosen),
    )


def one_has_adcs(one: Target, other: Target) -> bool:
    """Say whether one of two reads with ADCs alone and the other with sense amplifiers alone."""
    pairs = ((one, other), (other, one))
    return any(_all_adc(high) and _all_sensed(low) for high, low in pairs)


def _all_adc(target: Target) -> bool:
    return all(macro.readout.is_adc for macro in target.macros)


def _all_sensed(target: Target) -> bool:
    return all(macro.readout.is_sensed for macro in target.macros)
