"""A mapping with other columns a readout or other copies: counted again, not compiled again.

Columns that share a readout are a fact of the target that no pass looks at. Copies are set by
``replicate``, and where they lie by ``place``; every pass before them keeps its result. So both are
run again on the finished graph, and the conductances of its crossbars are not added up again.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import prod

from mapper.cost import Counts, count_actions
from mapper.ir.crossbar import CrossbarMvm
from passes import Place, Replicate
from passes.replicate import fits
from targets import Macro

Columns = tuple[int, ...]
"""Columns that share a readout, of the macro kinds that layers are on: each number once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """How layers are copied."""

    positions: int
    """Output positions that one copy reads in a step, at most: the option of ``replicate``."""
    most: int
    """Copies of the layer that has most of them."""

    @property
    def option(self) -> Replicate:
        """The pass that makes them, whatever its default for ``max_copies``."""
        return Replicate(positions=self.positions, max_copies=self.most)


def columns_of(counts: Counts) -> Columns:
    """Return the columns that share a readout in the macros of a mapping; none if all are ideal."""
    used = {layer.macro for layer in counts.layers}
    found = {m.readout.columns_per_readout for m in counts.target.macros if _shares(m, used)}
    return tuple(sorted(found))


def _shares(macro: Macro, used: Iterable[str]) -> bool:
    """Say whether columns share a circuit: an ideal readout is none."""
    return macro.name in used and (macro.readout.is_adc or macro.readout.is_sensed)


def most_columns(counts: Counts) -> int:
    """Return the most columns that can share a readout in every macro of a mapping."""
    used = {layer.macro for layer in counts.layers}
    return min((_lines(m) for m in counts.target.macros if _shares(m, used)), default=1)


def _lines(macro: Macro) -> int:
    """Count what readouts of a crossbar are of: its bitlines, or pairs of them."""
    return macro.bitlines // (2 if macro.encoding == "differential" else 1)


def with_columns(counts: Counts, columns: int) -> Counts:
    """Return a mapping in which so many columns share a readout, in every macro with readouts.

    No action is counted differently: what changes is how long reading takes and what it occupies.
    """
    used = {layer.macro for layer in counts.layers}
    macros = tuple(
        replace(macro, readout=replace(macro.readout, columns_per_readout=columns))
        if _shares(macro, used)
        else macro
        for macro in counts.target.macros
    )
    return replace(counts, target=replace(counts.target, macros=macros))


def with_copies(counts: Counts, copies: Copies) -> Counts:
    """Return a mapping with other copies of its layers, placed and counted as a compile does it."""
    graph = copies.option.run(counts.graph, counts.target)
    graph = Place().run(graph, counts.target)
    return count_actions(graph, counts.target, counts.levels)


def copies_of(counts: Counts) -> int:
    """Return the copies of the layer that has most of them; 1 without crossbars."""
    return max((layer.grid.copies for layer in counts.layers), default=1) or 1


def all_copies(counts: Counts) -> Iterator[Copies]:
    """Yield every way to copy the layers at one pace that the chip has room for, fewest first."""
    layers = [op for op in counts.graph.ops if isinstance(op, CrossbarMvm)]
    positions = max((prod(op.positions) for op in layers), default=1)
    for pace in _paces(positions):
        if pace < positions and not fits(counts.graph, counts.target, pace):
            return
        yield Copies(positions=pace, most=-(-positions // pace))


def _paces(positions: int) -> Iterator[int]:
    """Yield every number of positions that a copy of the largest layer may be left with.

    >>> list(_paces(10))
    [10, 5, 4, 3, 2, 1]
    """
    pace = positions
    while True:
        yield pace
        if pace == 1:
            return
        copies = -(-positions // (pace - 1))  # the fewest that leave less
        pace = -(-positions // copies)
