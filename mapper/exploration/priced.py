"""What a point costs: energy, latency and area at the three ends of component facts."""

from dataclasses import dataclass
from typing import Any

from mapper.cost.actions import Activity, crossbars_of
from mapper.cost.adders import as_added
from mapper.cost.estimate import activity_under, check_often
from mapper.cost.facts import chip_of, corners_of
from mapper.cost.layer_counts import Counts
from mapper.cost.points import totals
from mapper.cost.realtime import chips_in_use
from targets import Preset, Target

PJ_PER_UJ, NS_PER_US, UM2_PER_MM2 = 1e6, 1e3, 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Of one inference; each with low, nominal and high."""

    energy_pj: tuple[float, float, float]
    latency_ns: tuple[float, float, float]
    area_um2: tuple[float, float, float]
    crossbars: int
    chips: int

    def as_record(self) -> dict[str, Any]:
        """Return its part of a record."""
        return {
            "energy_uj": [value / PJ_PER_UJ for value in self.energy_pj],
            "latency_us": [value / NS_PER_US for value in self.latency_ns],
            "area_mm2": [value / UM2_PER_MM2 for value in self.area_um2],
            "crossbars": self.crossbars,
            "chips": self.chips,
        }


def price_of(
    counts: Counts, target: Target, activity: Activity | float, steps: int, preset: Preset
) -> Price:
    """Return what an inference costs: the totals of ``mapper.cost.price``, to the last bit.

    Args:
        counts: Of the mapping.
        target: With the constants that the point sets.
        activity: As ``mapper.cost.price`` takes it.
        steps: Time steps of an inference, where ``activity`` is a share.
        preset: What is assumed of the chip.

    Raises:
        MappingError: ``cost-every``, ``preset-adc``, ``law-range``.
    """
    layers = counts.layers
    found = activity_under(preset, layers, activity, steps)
    chip = chip_of(target, preset, layers)
    added = as_added(layers, chip)
    ends = [totals(added, chip, facts, found) for facts in corners_of(target, preset)]
    check_often(chip, ends[1]["interval_ns"], target)
    low, nominal, high = ends
    energy, latency, area = (
        (low[name], nominal[name], high[name]) for name in ("energy_pj", "latency_ns", "area_um2")
    )
    return Price(
        energy_pj=energy,
        latency_ns=latency,
        area_um2=area,
        crossbars=sum(crossbars_of(layer) for layer in added),
        chips=chips_in_use(added, chip),
    )
