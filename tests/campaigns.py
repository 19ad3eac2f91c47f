"""Long campaigns: ``make test`` runs some of their cases, ``make test-all`` every one.

Tests choose cases with the fixture ``campaign``; of a test of very many parameters,
``@pytest.mark.campaign(20)`` runs 20 of them, and 0 leaves a long one to ``make test-all``; of a
property, ``examples(60)`` draws so many.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import TypeVar

import pytest

T = TypeVar("T")

whole = False
"""Every case is run: ``--all-cases``."""


def chosen(cases: Sequence[T], count: int, seed: str) -> list[T]:
    """Return so many of the cases in their order, the same for a seed; all of a whole campaign."""
    if whole or count >= len(cases):
        return list(cases)
    picked = random.Random(seed).sample(range(len(cases)), count)
    return [cases[index] for index in sorted(picked)]


def examples(count: int) -> int:
    """Return how many examples hypothesis draws: these of a whole campaign, and a third else."""
    return count if whole else -(-count // 3)


def left_out(items: Sequence[pytest.Item]) -> set[pytest.Item]:
    """Return the cases of tests marked ``campaign`` that are not run."""
    found: dict[tuple[str, int], list[pytest.Item]] = defaultdict(list)
    for item in items:
        if (mark := item.get_closest_marker("campaign")) is not None:
            (count,) = mark.args
            found[item.nodeid.partition("[")[0], count].append(item)
    kept = [item for (name, count), cases in found.items() for item in chosen(cases, count, name)]
    return {item for cases in found.values() for item in cases} - {*kept}
