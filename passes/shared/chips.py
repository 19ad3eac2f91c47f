"""How layers share the chips of a target in rounds, and what would be enough for all of them."""

from collections.abc import Sequence
from math import ceil

from mapper.diagnostics import many
from targets import Chip, Target

MOST = 1_000_000
"""Of chips, and of rounds: ``targets.fields.Count``."""


def capacity_of(chip: Chip) -> int:
    """Count the crossbars that are there at once, on all chips."""
    return chip.crossbars * chip.max_chips


def rounds_of(needed: Sequence[int], capacity: int) -> list[int]:
    """Return the round of each group of layers, filled in order.

    Args:
        needed: Crossbars that a group of layers needs at once, in execution order.
        capacity: Crossbars that are there in a round; a group that needs more fills one alone.
    """
    rounds, used, current = [], 0, 0
    for count in needed:
        if used and used + count > capacity:
            used, current = 0, current + 1
        used += count
        rounds.append(current)
    return rounds


def without_room(needed: Sequence[int], target: Target) -> int | None:
    """Return the group of layers that a network is refused for; None where all have room.

    That is the largest, where one alone is too large, and else the first without a round.
    """
    if not needed:
        return None
    capacity = capacity_of(target.chip)
    if max(needed) > capacity:
        return needed.index(max(needed))
    rounds = rounds_of(needed, capacity)
    return next((k for k, round in enumerate(rounds) if round >= target.chip.max_rounds), None)


def smallest_capacity(needed: Sequence[int], rounds: int) -> int:
    """Return the fewest crossbars a round with which groups of layers fit into so many rounds."""
    low, high = max(needed), sum(needed)
    while low < high:
        middle = (low + high) // 2
        if rounds_of(needed, middle)[-1] < rounds:
            high = middle
        else:
            low = middle + 1
    return low


def held(target: Target) -> str:
    """Say how many crossbars a target has: ``4 (1 chip of 4) in each of 8 rounds``."""
    chip = target.chip
    there = f"{capacity_of(chip)} ({many(chip.max_chips, 'chip')} of {chip.crossbars})"
    return there if chip.max_rounds == 1 else f"{there} in each of {chip.max_rounds} rounds"


def enough(needed: Sequence[int], target: Target) -> str:
    """Name what would be enough, one change at a time: chips, crossbars on each, rounds."""
    chip = target.chip
    capacity = smallest_capacity(needed, chip.max_rounds)
    chips = ceil(capacity / chip.crossbars)
    ways = [f"max_chips = {chips}"] if chips <= MOST else []
    ways.append(f"{ceil(capacity / chip.max_chips)} crossbars a chip")
    if max(needed) <= capacity_of(chip):
        rounds = rounds_of(needed, capacity_of(chip))[-1] + 1
        ways += [f"max_rounds = {rounds}"] if rounds <= MOST else []
    return f"enough would be {' or '.join(ways)}"
