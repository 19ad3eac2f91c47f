"""What a field of a target file may hold: the bounds that its annotation carries."""

from dataclasses import dataclass
from typing import Annotated

from mapper.ir.readout_kinds import READOUTS


@dataclass(frozen=True, slots=True)
class Bounds:
    """The smallest and the largest value of a number, both allowed."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Longest:
    """The most characters of a text."""

    length: int


Name = Annotated[str, Longest(64)]
Text = Annotated[str, Longest(2000)]

Lines = Annotated[int, Bounds(1, 65_536)]  # wordlines or bitlines of one crossbar
Count = Annotated[int, Bounds(1, 1_000_000)]
Bits = Annotated[int, Bounds(0, 32)]

_LEVELS = {n for form in READOUTS.values() for levels in form.alphabets for n in levels}
Level = Annotated[int, Bounds(min(_LEVELS), max(_LEVELS))]

Share = Annotated[float, Bounds(0.0, 1.0)]
Amount = Annotated[float, Bounds(0.0, 1e12)]
Positive = Annotated[float, Bounds(1e-6, 1e12)]
