"""What a study runs: cases, and what determines their records. Data that JSON holds, no more."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Case = Mapping[str, Any]
"""One thing to run, such as ``{"seed": 3, "cell.sigma": 0.1}``: text, numbers, lists, mappings.

``1`` and ``1.0`` are two numbers: give a setting the same type wherever it occurs.
"""

Record = Mapping[str, Any]
"""What is found for one case: text, finite numbers, lists, mappings by text."""


def canonical(data: object) -> str:
    """Write data as the one JSON text that stands for it: sorted keys, no spaces, ASCII.

    Raises:
        TypeError: It is nothing that JSON holds.
        ValueError: A number is not finite.
    """
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(data: object) -> str:
    """Return the SHA-256 of the canonical text, in hexadecimal."""
    return hashlib.sha256(canonical(data).encode()).hexdigest()


def told(case: Case) -> str:
    """Write a case for people: ``seed=3, cell.sigma=0.1``."""
    return ", ".join(
        f"{name}={value if isinstance(value, str) else canonical(value)}"
        for name, value in case.items()
    )


def order(data: object) -> tuple[Any, ...]:
    """Return what cases are sorted by: numbers by value, before text, before all else.

    Example:
        >>> sorted([{"seed": 10}, {"seed": 9}], key=order)
        [{'seed': 9}, {'seed': 10}]
    """
    if isinstance(data, Mapping):
        return (3, tuple((name, order(held)) for name, held in sorted(data.items())))
    if isinstance(data, list | tuple):
        return (2, tuple(map(order, data)))
    if isinstance(data, str):
        return (1, data)
    # None before all numbers; True and 1.0 are equal to 1, so the text decides.
    return (0, float("-inf") if data is None else data, canonical(data))


@dataclass(frozen=True)
class Study:
    """What determines every record of a study, beside its case."""

    identity: Mapping[str, Any]
    """By name, such as the digests of a build and a recording, options and the version."""

    @cached_property
    def digest(self) -> str:
        """The SHA-256 that names the study."""
        return digest(self.identity)

    def key(self, case: Case) -> str:
        """Return the SHA-256 that names a case: of all that determines its record."""
        return digest([self.digest, case])

    def differs_in(self, other: "Study") -> tuple[str, ...]:
        """Return the names of what differs between two studies."""
        names = sorted({*self.identity, *other.identity})
        nothing = object()
        return tuple(
            name
            for name in names
            if self.identity.get(name, nothing) != other.identity.get(name, nothing)
        )
