"""What writing weights takes: once, or again and again where a chip works in rounds.

Standard library only. A crossbar is written wordline by wordline, all cells of a wordline at once;
a tile has the drivers to write one of its crossbars at a time, and all tiles write together.

A chip of several rounds holds one round's weights at a time. Where no layer needs what a later
round computed in the time step before, a round runs all time steps of an inference before the next
one is loaded: every round is loaded once an inference. Else every round is loaded in every step.
"""

from collections.abc import Iterator

from mapper.cost.actions import crossbars_of
from mapper.cost.arith import total
from mapper.cost.model import Chip, Facts, Layer


def rounds_of(layers: tuple[Layer, ...]) -> tuple[int, ...]:
    """List the rounds in their order."""
    return tuple(sorted({layer.round for layer in layers}))


def fed_back(layers: tuple[Layer, ...]) -> bool:
    """Say whether a layer needs what a later round computes: weights are loaded every step."""
    return any(layer.fed_back for layer in layers)


def loads(layers: tuple[Layer, ...], steps: int) -> int:
    """Count how often each round is loaded for one inference; 0 where weights stay."""
    if len(rounds_of(layers)) < 2:
        return 0
    return steps if fed_back(layers) else 1


def written_cells(layers: tuple[Layer, ...]) -> int:
    """Count the cells that hold a weight: of all copies, of all rounds."""
    return sum(layer.weights * layer.grid.cells_per_weight * layer.grid.copies for layer in layers)


def write_energy(layers: tuple[Layer, ...], facts: Facts) -> float:
    """Return pJ of writing every weight once."""
    return written_cells(layers) * facts.write.pj


def write_ns(layers: tuple[Layer, ...], chip: Chip, facts: Facts) -> float:
    """Return ns of writing every weight once, a round after the other."""
    return total(_round_ns(layers, which, chip, facts) for which in rounds_of(layers))


def _round_ns(layers: tuple[Layer, ...], which: int, chip: Chip, facts: Facts) -> float:
    """Return ns until the fullest tile is written, its crossbars as tall as the tallest."""
    present = [layer for layer in layers if layer.round == which]
    crossbars = sum(crossbars_of(layer) for layer in present)
    tallest = max(layer.grid.block_wordlines for layer in present)
    return min(crossbars, chip.crossbars_per_tile) * tallest * facts.write.ns


def loading_energy(layers: tuple[Layer, ...], facts: Facts, steps: int) -> float:
    """Return pJ of the loads of one inference."""
    return loads(layers, steps) * write_energy(layers, facts)


def loading_ns(layers: tuple[Layer, ...], chip: Chip, facts: Facts, steps: int) -> float:
    """Return ns of the loads of one inference; nothing computes meanwhile."""
    return loads(layers, steps) * write_ns(layers, chip, facts)


def writes_of_a_cell(layers: tuple[Layer, ...], steps: int) -> int:
    """Count how often an inference writes the cell that is written most: each round may use it."""
    return loads(layers, steps) * len(rounds_of(layers))


def link_totals(layers: tuple[Layer, ...]) -> tuple[int, ...]:
    """Return the bits of all layers a time step over each link between chips."""
    each = [layer.links for layer in layers if layer.links]
    return tuple(sum(bits) for bits in zip(*each, strict=True))


def not_charged(layers: tuple[Layer, ...], chip: Chip) -> Iterator[str]:
    """Say what happens and is not charged, as the component library has no facts of it."""
    rounds = len(rounds_of(layers))
    if rounds > 1 and not chip.writes:
        yield (
            f"weights of {rounds} rounds are loaded for every inference, which is not charged: "
            "the component library has no [write]"
        )
    if any(link_totals(layers)) and not chip.link_word_bits and chip.hierarchy is None:
        yield (
            "bits between chips are charged as hops on a chip: the component library has no "
            "[chip_link]"
        )
