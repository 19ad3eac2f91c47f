"""How much a die can hold: counts past it come of wrong units, and are refused by their name."""

from mapper.diagnostics import refuse
from mapper.ir.crossbar import CrossbarMvm
from passes.dies.draws import normal_quantiles
from targets.devices import Imperfections

MOST_OFFSET = 2.0**20
"""Counts that the reference of a readout may be off by."""
MOST_UNITS = 2.0**31 - 1
"""Of a cell, and of the noise of a read, in units of ``2**-f`` counts."""


def check_counts(
    what: str, found: float, most: float, op: CrossbarMvm, facts: Imperfections
) -> None:
    """Refuse more counts of a layer than a die holds, and what is no number.

    Raises:
        MappingError: ``die-range``.
    """
    if not found <= most:
        raise refuse(
            "die-range",
            f"{what} of device '{facts.device}' reach {found:.4g} counts in macro "
            f"'{facts.macro}', a die holds {most:.4g}",
            loc=op.loc,
            help="look at the units of its facts; 'spikeloom devices' shows them in counts",
        )


def check_readout(op: CrossbarMvm, facts: Imperfections, sigma: float, f: int) -> None:
    """Refuse offsets, and noise of a read of ``sigma`` counts, that no die holds.

    Raises:
        MappingError: ``die-range``.
    """
    widest = float(normal_quantiles()[-1])
    check_counts("offsets", (facts.readout.offset or 0.0) * widest, MOST_OFFSET, op, facts)
    check_counts("reads", sigma * widest, MOST_UNITS / (1 << f), op, facts)
