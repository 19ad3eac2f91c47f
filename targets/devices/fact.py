"""A fact of a device file: a number, or what is published of it, with its source."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from targets.fields import Amount, Name, Text

End = Literal["low", "high"]

MOST_MICROSIEMENS = 1e6
MOST_SECONDS = 1e10


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One number, or the lowest, usual and highest of what is published, and where it stands."""

    value: Amount | None = None
    low: Amount | None = None
    nominal: Amount | None = None
    high: Amount | None = None
    source: Text
    condition: Text | None = None
    """At which it was found: an age, a temperature, a node."""
    verified: bool = True
    """Whether somebody read the number in its source."""
    cites: tuple[Name, ...] = ()
    """Keys of the works that it comes from."""

    @property
    def number(self) -> float:
        """The number to reckon with."""
        found = self.nominal if self.value is None else self.value
        assert found is not None
        return found

    @property
    def ends(self) -> tuple[float, float]:
        """Its lowest and its highest value."""
        if self.value is not None or self.low is None or self.high is None:
            return (self.number, self.number)
        return (self.low, self.high)

    def problems(self) -> Iterator[str]:
        ends = (self.low, self.nominal, self.high)
        if self.value is not None:
            if ends != (None, None, None):
                yield "has a value, or low, nominal and high: not both"
        elif self.low is None or self.nominal is None or self.high is None:
            yield "needs a value, or low, nominal and high"
        elif not self.low <= self.nominal <= self.high:
            yield (
                "low, nominal and high must rise, "
                f"got {self.low:g}, {self.nominal:g} and {self.high:g}"
            )


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a key that holds a fact: what it says, its unit, its bounds."""

    words: str
    unit: str
    low: float
    high: float
    worst: End | None = None
    """At which end more goes wrong; None where it is both, or neither."""


def bounded(table: object, keys: Mapping[str, About]) -> Iterator[str]:
    """Yield each fact of a table that is out of its bounds."""
    for key, known in keys.items():
        held: Fact | None = getattr(table, key)
        if held is None:
            continue
        for end in dict.fromkeys((held.ends[0], held.number, held.ends[1])):
            if not known.low <= end <= known.high:
                yield f"{key} must be {known.low:.12g}..{known.high:.12g}, got {end:.12g}"
