"""Which terms of an estimate published silicon has tested, and what of it is inside of macros.

Standard library only. A term counts as tested where ``benchmarks/silicon.py`` compares estimates
that have it with energies measured on the chips beside it; ``docs/validation.md`` says how well.
"""

from collections.abc import Iterable
from typing import NamedTuple

from mapper.cost.arith import total
from mapper.cost.macro import MACRO_PARTS
from mapper.cost.model import Chip

TESTED_CELLS = {
    "resistive": ("NEURRAM",),
    "charge": ("JIA", "WANG"),
    "discharge": ("AIMC1", "AIMC3", "SINANGIL"),
    "static": ("KHWA65",),
    "digital": ("DIMC1", "DIMC3", "COLONNADE"),
}
"""Kind of cell: chips whose energy its formula is compared with."""

TESTED_READOUTS = {
    "sar": ("AIMC1", "AIMC3", "JIA", "WANG", "NEURRAM"),
    "flash": ("SINANGIL",),
    "sense-amp": ("KHWA65", "ZHANG6T"),
    "ternary": ("KHWA65", "ZHANG6T"),
    "adder-tree": ("DIMC1", "DIMC3"),
}
"""Kind of readout: the same. A ternary readout is two of the amplifiers that these chips have."""

TESTED_PARTS = {
    "wordline_drive": ("AIMC1", "AIMC3", "JIA", "SINANGIL", "WANG", "NEURRAM"),
    "inputs": ("AIMC1", "AIMC3", "JIA", "WANG", "NEURRAM"),
    "shift_add": ("AIMC3", "DIMC1", "DIMC3"),
    "control": ("AIMC1", "AIMC3", "DIMC1", "DIMC3", "JIA", "WANG", "COLONNADE", "NEURRAM"),
}
"""Other actions: the same. What is missing here, no chip has tested."""


class Silicon(NamedTuple):
    """What of an estimate rests on terms that silicon has tested."""

    share: float
    """Of the energy, at the nominal facts, 0..1."""
    tested: dict[str, tuple[str, ...]]
    """By action that takes energy, the chips that tested it."""
    untested: tuple[str, ...]
    """The other actions that take energy, the largest first."""

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
        return {
            "share": self.share,
            "tested_by": {name: list(chips) for name, chips in self.tested.items()},
            "untested": list(self.untested),
        }


def tested_by(action: str, chip: Chip, macro: str) -> tuple[str, ...]:
    """Return the chips that tested what an action costs in one kind of macro."""
    if action == "cells":
        return TESTED_CELLS[chip.cell]
    if action == "readout":
        return TESTED_READOUTS.get(chip.macros[macro].circuit, ())
    return TESTED_PARTS.get(action, ())


def silicon_behind(
    layers: Iterable[tuple[str, dict[str, float]]], chip: Chip, leakage: float
) -> Silicon:
    """Return the share of an energy that rests on tested terms.

    Args:
        layers: Of each layer, its macro and its pJ by action.
        chip: What the layers are on.
        leakage: pJ of the chip, which no macro tests.
    """
    tested: dict[str, tuple[str, ...]] = {}
    known, untested = [0.0], {"leakage": leakage}
    for macro, parts in layers:
        for action, pj in parts.items():
            chips = tested_by(action, chip, macro)
            if chips and pj:
                known.append(pj)
                tested[action] = tuple(dict.fromkeys((*tested.get(action, ()), *chips)))
            else:
                untested[action] = untested.get(action, 0.0) + pj
    whole = total([*known, *untested.values()])
    left = sorted((name for name in untested if untested[name]), key=lambda name: -untested[name])
    share = total(known) / whole if whole else 0.0
    return Silicon(share=share, tested=tested, untested=tuple(left))


def in_macros(parts: Iterable[str]) -> tuple[str, ...]:
    """Return those actions that take place inside of macros."""
    return tuple(name for name in parts if name in (*MACRO_PARTS, "control"))
