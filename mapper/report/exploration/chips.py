"""Published macros, and which of them is nearest to a design."""

import tomllib
from dataclasses import dataclass
from functools import cache
from math import log2
from pathlib import Path

from targets import Macro, Target

CHIPS = Path(__file__).parent / "chips.toml"

OTHER_KIND = 2.0
"""What another kind of cell or of readout counts: as much as a size that is four times another."""

HOW_NEAR = (
    "Nearest: the sum over process node, inputs of a column and weight bits of the logarithm to "
    "base 2 of their ratio, the bits between the readouts, and two for another kind of cell or of "
    "readout is least."
)
"""How ``nearest`` measures, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One macro whose energy was measured."""

    id: str
    where: str
    """Published by whom, where and when."""
    node_nm: float
    wordlines: int
    """Inputs that a column adds up."""
    cell: str
    """``resistive``, ``charge``, ``discharge``, ``static`` or ``digital``, as of a library."""
    readout: str
    readout_bits: int
    """0 where sums are exact."""
    weight_bits: int
    input_bits: int
    fj: float
    """Energy of one product of ``weight_bits`` and ``input_bits``, of the macro alone."""
    told: str
    """The number as it was published."""

    @property
    def fj_of_a_bit(self) -> float:
        """Energy of a product of one bit and one bit, as such macros are compared, in fJ."""
        return self.fj / (self.weight_bits * self.input_bits)

    @property
    def words(self) -> str:
        """What it is, in a line."""
        bits = f"{self.readout_bits}-bit " if self.readout_bits > 1 else ""
        return (
            f"{self.where}: {self.node_nm:g} nm, {self.cell} cells, columns of {self.wordlines:,}, "
            f"{bits}{self.readout}"
        )

    def away(self, target: Target, macro: Macro) -> float:
        """Return how far a design is from it; 0 where all that is compared is the same."""
        cell, readout = target.components.cell, macro.readout
        sizes = (
            (self.node_nm, cell.node_nm),
            (self.wordlines, macro.rows_per_read or macro.wordlines),
            (self.weight_bits, macro.weight_bits),
        )
        kinds = (self.cell != cell.kind) + (self.readout != readout.kind)
        return (
            sum(abs(log2(one / other)) for one, other in sizes)
            + abs(self.readout_bits - readout.bits)
            + OTHER_KIND * kinds
        )


@cache
def published() -> tuple[Published, ...]:
    """Return every macro of ``chips.toml``, in its order."""
    held = tomllib.loads(CHIPS.read_text(encoding="utf-8"))
    return tuple(Published(**chip) for chip in held["chip"])


def nearest(target: Target) -> tuple[Published, Macro]:
    """Return the published macro that a macro of a target is nearest to, and that macro.

    See ``HOW_NEAR``. Of equal ones the first in the list, and the first macro, are taken.
    """
    pairs = ((chip, macro) for macro in target.macros for chip in published())
    return min(pairs, key=lambda pair: pair[0].away(target, pair[1]))
