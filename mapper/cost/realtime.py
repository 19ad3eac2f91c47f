"""Chips that infer every so often, and chips that nobody could build. Standard library only.

Between two inferences a chip leaks, all of it: the crossbars in use, those that are empty, and
their routers. Where its target gates what is idle, a share of that leakage stays.
"""

from collections.abc import Iterator
from math import ceil

from mapper.cost.actions import slots_of
from mapper.cost.area import crossbar_area
from mapper.cost.arith import larger, smaller, total
from mapper.cost.energy import leakage_energy
from mapper.cost.model import Chip, Facts, Layer

RETICLE_MM2 = 858.0
"""What a scanner exposes at once, 26 mm x 33 mm: the largest die there is."""

MOST_W_PER_CM2 = 100.0
"""Power density that forced air still carries away, to the order of magnitude."""


class TooOftenError(ValueError):
    """Inferences are asked for more often than the chip can make them."""


def check_interval(chip: Chip, interval_ns: float) -> None:
    """Refuse an interval between inferences that is shorter than one takes.

    Raises:
        TooOftenError: with both.
    """
    if chip.every_ms is not None and chip.every_ms * 1e6 < interval_ns:
        raise TooOftenError(
            f"an inference every {chip.every_ms:.6g} ms is asked for; the chip begins one every "
            f"{interval_ns * 1e-6:.6g} ms at the soonest"
        )


def crossbars_in_use(layers: tuple[Layer, ...], chip: Chip) -> int:
    """Count the crossbars that the widest round occupies."""
    rounds = {layer.round for layer in layers}
    return max(
        sum(slots_of(layer, chip) for layer in layers if layer.round == which) for which in rounds
    )


def chips_in_use(layers: tuple[Layer, ...], chip: Chip) -> int:
    """Count the chips that the widest round takes; 1 where a chip is as large as its network."""
    if not chip.crossbars_per_chip:
        return 1
    return max(1, ceil(crossbars_in_use(layers, chip) / chip.crossbars_per_chip))


def whole_area(
    layers: tuple[Layer, ...], chip: Chip, facts: Facts, occupied: dict[str, float]
) -> dict[str, float]:
    """Return um2 by block of all chips: what is occupied, and empty crossbars and routers.

    Empty crossbars count as the macro kind of which most are in use. Adders, neurons and memory
    are sized by the layers they serve, so those of empty tiles are not known and left out.
    """
    held = crossbars_in_use(layers, chip)
    built = max(held, chips_in_use(layers, chip) * chip.crossbars_per_chip)
    empty = crossbar_area(built - held, usual_macro(layers, chip), chip, facts)
    tiles = ceil(built / chip.crossbars_per_tile) - ceil(held / chip.crossbars_per_tile)
    return {**occupied, "empty": total(empty.values()) + tiles * facts.hop.um2}


def usual_macro(layers: tuple[Layer, ...], chip: Chip) -> str:
    """Return the macro kind of which most crossbars are in use, the first of the chip on a tie."""
    held = {
        name: sum(slots_of(layer, chip) for layer in layers if layer.macro == name)
        for name in chip.macros
    }
    return max(held, key=lambda name: held[name])


def busy_ns(chip: Chip, latency: dict[str, float]) -> float:
    """Return for how long of a period the chip computes: all of it where inferences overlap."""
    return smaller(latency["inference_pipelined"], period_ns(chip, latency))


def period_ns(chip: Chip, latency: dict[str, float]) -> float:
    """Return ns from one inference to the next: as asked for, or back to back."""
    if chip.every_ms is None:
        return latency["inference_interval"]
    return larger(chip.every_ms * 1e6, latency["inference_interval"])


def standing_energy(
    layers: tuple[Layer, ...],
    chip: Chip,
    facts: Facts,
    occupied: dict[str, float],
    latency: dict[str, float],
) -> float:
    """Return pJ of leakage from one inference to the next.

    Back to back, the occupied area leaks. Where inferences come every so often all chips do:
    fully while they compute, and in between with the share that idle gating leaves.
    """
    if chip.every_ms is None:
        return leakage_energy(occupied, latency["inference_interval"], facts)
    busy = busy_ns(chip, latency)
    idle = period_ns(chip, latency) - busy
    area = whole_area(layers, chip, facts, occupied)
    return leakage_energy(area, busy + chip.idle_leakage * idle, facts)


def power_density(
    dynamic_pj: float, occupied: dict[str, float], interval_ns: float, facts: Facts
) -> float:
    """Return W/cm2 over the area in use while inferences follow each other back to back."""
    um2 = total(occupied.values())
    if not um2 or not interval_ns:
        return 0.0
    spent = dynamic_pj + leakage_energy(occupied, interval_ns, facts)
    return spent / interval_ns / um2 * 1e5  # mW/um2 = 1e5 W/cm2


def limits(chips: int, whole: float, density: float) -> Iterator[str]:
    """Say which of these no chip keeps: the area of each, W/cm2 while it computes."""
    each = whole * 1e-6 / chips
    if each > RETICLE_MM2:
        yield (
            f"a chip has {each:.4g} mm2, more than the {RETICLE_MM2:g} mm2 of one reticle "
            "(26 mm x 33 mm): it cannot be made as one die"
        )
    if density > MOST_W_PER_CM2:
        yield (
            f"while it computes it draws {density:.4g} W/cm2 over the area in use, more than "
            f"the {MOST_W_PER_CM2:g} W/cm2 that air cooling carries away"
        )


def too_slow(chip: Chip, longest_ns: float) -> Iterator[str]:
    """Say so where the slow end of the facts does not keep the interval that is asked for."""
    if chip.every_ms is not None and chip.every_ms * 1e6 < longest_ns:
        yield (
            f"at the slow end of the facts the chip begins an inference every "
            f"{longest_ns * 1e-6:.4g} ms, not every {chip.every_ms:g} ms: that end is back to back"
        )
