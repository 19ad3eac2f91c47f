"""Kinds of readout: what tells one circuit that reads a bitline from another.

A kind that compares sums with a few references of its own is one row here: how many there are and
where, and the levels that codes may stand for. Ops, targets, calibration, training, cost and
reports take it from the row.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

ReadoutKind = Literal[
    "ideal",
    "sense-amp",
    "ternary",
    "flash",
    "sar",
    "cco",
    "adder-tree",
]
Levels = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadoutForm:
    """A kind of readout. Neither sensed nor converted is exact: the sum as it is."""

    words: str
    """For people, in front of "readout" and alone."""
    alphabets: tuple[Levels, ...] = ()
    """What the codes of sense amplifiers may stand for, lowest first."""
    spread: tuple[float, ...] = ()
    """Where their thresholds are set: in standard deviations of the partial sum, about its mean."""
    converts: bool = False
    """An ADC, with evenly spaced thresholds and as many bits as a target gives it."""

    adds: bool = False
    """Adders sum the products of cells, as in digital CIM: nothing is analogue."""

    @property
    def exact(self) -> bool:
        """Whether every sum is taken as it is: by adders, or by no circuit that there is."""
        return not self.converts and not self.senses

    @property
    def senses(self) -> bool:
        """Whether a bank of sense amplifiers compares the sum, one a threshold."""
        return bool(self.spread)

    @property
    def code_bits(self) -> int:
        """Bits of the code of sense amplifiers; 0 where sums are exact."""
        return len(self.spread).bit_length()


READOUTS: Mapping[ReadoutKind, ReadoutForm] = {
    "ideal": ReadoutForm(words="ideal"),
    "sense-amp": ReadoutForm(words="sense amplifier", alphabets=((-1, 1), (0, 1)), spread=(0.0,)),
    "ternary": ReadoutForm(words="ternary", alphabets=((-1, 0, 1),), spread=(-0.4, 0.4)),
    "flash": ReadoutForm(words="flash ADC", converts=True),
    "sar": ReadoutForm(words="sar ADC", converts=True),
    "cco": ReadoutForm(words="current-controlled oscillator", converts=True),
    "adder-tree": ReadoutForm(words="digital CIM, exact", adds=True),
}
"""Every kind. A ternary readout's middle level is 0.8 standard deviations wide."""


def sensed_kind(levels: Levels) -> ReadoutKind | None:
    """Return the kind of sense amplifiers that decode to these levels, or to as many."""
    alike = {kind: form for kind, form in READOUTS.items() if len(form.spread) == len(levels) - 1}
    exact = (kind for kind, form in alike.items() if levels in form.alphabets)
    return next(exact, next(iter(alike), None))
