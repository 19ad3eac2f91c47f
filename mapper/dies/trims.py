"""Trim references by what was measured of their readouts: in whole steps, as far as a trim goes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mapper.diagnostics import refuse
from mapper.dies.drawn import Drawn
from mapper.ir.core import Array
from mapper.ir.crossbar import CrossbarMvm
from passes.dies.facts import facts_of
from passes.dies.measured import Measured
from passes.dies.references import readout_offsets
from passes.dies.sites import sites_of
from passes.draw_die import DrawDie
from targets import Target
from targets.devices import Imperfections

LEAST_STEP = 1e-6
"""In counts: no reference is told apart by less, and offsets are no countless steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trim:
    """What moves a reference: a small converter of its own."""

    step: float
    """In counts."""
    reach: float | None = None
    """How far it goes, up or down, in counts; None: what the device of a macro says."""

    def __post_init__(self) -> None:
        check_trim(self.step, self.reach)

    def reach_of(self, facts: Imperfections) -> float | None:
        """Return how far it goes in a macro, in counts; None where nobody says so."""
        return facts.readout.trim_range if self.reach is None else self.reach

    def of(self, offsets: Array, reach: float | None) -> tuple[Array, Array]:
        """Return what references are moved by, in counts, and which of them should move further.

        What is left of an offset within the range is above minus half a step, and at most half a
        step. One beyond it has the last step that the range has.

        >>> moved, beyond = Trim(step=0.5).of(np.array([0.3, -0.7, 1.2, -9.0]), 1.1)
        >>> moved.tolist(), beyond.tolist()
        ([-0.5, 0.5, -1.0, 1.0], [False, False, False, True])
        """
        wanted = -np.ceil(offsets / self.step - 0.5)
        if reach is None:
            return self.step * wanted, np.zeros(offsets.shape, bool)
        most = np.floor(reach / self.step + 1e-9)  # 0.3 has three steps of 0.1
        return self.step * np.clip(wanted, -most, most), np.abs(wanted) > most


def check_trim(step: float | None, reach: float | None) -> None:
    """Refuse a step, or a range, in counts, that no trim has.

    Raises:
        MappingError: ``trim-step``, ``trim-range``.
    """
    if step is not None and not LEAST_STEP <= step < np.inf:
        raise refuse(
            "trim-step",
            f"references are trimmed in steps of {step:g} counts, not {LEAST_STEP:g} or more",
            loc="--trim-step",
            help="say a step in counts, such as 0.5",
        )
    if reach is not None and not 0 <= reach < np.inf:
        raise refuse(
            "trim-range",
            f"a trim reaches {reach:g} counts, not a number from 0 on",
            loc="--trim-range",
            help="say how far a reference moves in counts, or leave it to the device",
        )


@dataclass(frozen=True, slots=True)
class KnownOffsets:
    """Of a layer's readouts, each of which may be that of several columns or row blocks."""

    op: CrossbarMvm
    sites: Array
    """``[C, G, S, N]``: which readout a column has."""
    counts: Array
    """``[C, G, S, N]``: its offset."""
    drawn: bool
    """All are known, as they were drawn; else those that were measured."""

    def known(self, measured: Measured | None) -> int:
        """Count the readouts whose offset is known."""
        at = np.unique(self.sites).view(np.int64)
        if self.drawn or measured is None:
            return len(at)
        return int(np.isin(at, measured.offset_sites).sum())


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What became of a layer's references."""

    name: str
    """Of the layer's partial sum."""
    moved: Array
    """``[C, G, S, N]``: by how many counts."""
    readouts: int
    """Readouts that there are."""
    beyond: int
    """Those whose offset is beyond the range: they are trimmed to its end."""
    reach: float | None
    """The range in counts, as far as it is known."""


def trimmed(die: Drawn, target: Target, trim: Trim) -> list[Trimmed]:
    """Return what a trim does to each layer whose offsets are known.

    Readouts that take sums as they are have no references.
    """
    chip = die.chip(target)
    found = []
    for offsets in measured_offsets(die, target):
        reach = trim.reach_of(facts_of(offsets.op, chip, die.step.conditions))
        moved, beyond = trim.of(offsets.counts, reach)
        found.append(
            Trimmed(
                name=offsets.op.partial_sum.name,
                moved=moved,
                readouts=len(np.unique(offsets.sites)),
                beyond=len(np.unique(offsets.sites[beyond])),
                reach=reach,
            )
        )
    return found


def measured_offsets(die: Drawn, target: Target) -> list[KnownOffsets]:
    """Return the offsets of a die's readouts, by layer."""
    chip = die.chip(target)
    found = (known_offsets(op, die.step, chip) for op in _read(die, chip))
    return [one for one in found if one is not None]


def _read(die: Drawn, chip: Target) -> Iterator[CrossbarMvm]:
    """Yield the layers whose readouts have references."""
    for op in die.ideal.ops:
        if isinstance(op, CrossbarMvm) and not chip.macro(op.placement.macro).readout.is_exact:
            yield op


def known_offsets(op: CrossbarMvm, step: DrawDie, chip: Target) -> KnownOffsets | None:
    """Return the offsets of a layer's readouts; None where none are known."""
    sigma = facts_of(op, chip, step.conditions).readout.offset
    at = readout_sites(op, step, chip)
    offset = readout_offsets(sigma, at, step.seed, step.measured)
    return None if offset is None else KnownOffsets(op, at, offset, drawn=bool(sigma))


def readout_sites(op: CrossbarMvm, step: DrawDie, chip: Target) -> Array:
    """Return which readout each column of a layer has, ``[C, G, S, N]``."""
    name = op.partial_sum.name
    sites = sites_of(op, step.places.get(name), step.lines.get(name))
    return sites.readouts(chip.macro(op.placement.macro).readout.columns_per_readout)
