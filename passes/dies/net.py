"""Net cells: what each wordline adds to each column of a die, in counts.

Sums of a column are linear in its cells, so the two bitlines of a pair, or a bitline and its
reference column, become one signed number.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mapper.ir.core import Array
from mapper.ir.crossbar import CrossbarMvm
from mapper.ir.packing import on_diagonal, shared_wordlines
from mapper.ir.readout import BitlineRead
from passes.dies.bounds import MOST_UNITS, check_counts
from passes.dies.compiled import drawn_by_kernels
from passes.dies.conductance import conductances, drifts
from passes.dies.crossbars import Bitlines, put_behind_wires
from passes.dies.draws import CellKind
from passes.dies.facts import has_spread, has_wires
from passes.dies.measured import Measured
from passes.dies.sites import Sites
from targets.devices import Imperfections

LEAST_FRACTION, MOST_FRACTION = 6, 8
"""Bits below a count. Rounding adds a variance of ``2**(-2 * bits) / 12`` a driven cell: at 8 bits
it changes some hundredths of the decisions that a spread of 10 % does."""


@dataclass(frozen=True, slots=True)
class NetCells:
    """Of a layer, in counts."""

    cells: Array
    """``[C, S, K, N]``."""
    constant: Array
    """``[C, G, S, N]``: what a column has besides; references move by it."""


def fraction_bits(op: CrossbarMvm) -> int:
    """Return how many bits below a count keep a tall block's sums within 16 bits, 6 to 8.

    ``14 - ceil(log2(rows * greatest input * greatest digit))``: 8 for 64 rows of 1-bit cells and
    inputs, 7 for 128.
    """
    assert op.encoding is not None
    most = max(map(len, op.shared_rows)) * op.most_driven * op.encoding.digit_max
    return min(MOST_FRACTION, max(LEAST_FRACTION, 14 - (most - 1).bit_length()))


def keeps_digits(facts: Imperfections) -> bool:
    """Say whether cells are whole numbers of counts, as on the ideal chip, stuck or not."""
    cell = facts.cell
    even = cell.level == tuple(u + (cell.off or 0.0) for u in range(cell.levels))
    stays = bool(cell.off) and facts.readout.leakage == "stays"
    return even and not (has_spread(cell) or drifts(cell) or has_wires(facts) or stays)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """One layer of a die, about to be drawn."""

    op: CrossbarMvm
    """Placed and written on cells."""
    read: BitlineRead
    facts: Imperfections
    sites: Sites
    seed: int
    activity: Array | None = None
    """``[groups, K]``, what wordlines carry on average: wires and noise of cells ask for it. Those
    of the other groups of a crossbar count, too: see ``shared_activity``."""
    measured: Measured | None = None
    """What is known of the chip, in place of what would be drawn."""
    trim: Array | None = None
    """``[C, G, S, N]``: by how many counts references were moved after they were measured."""

    @property
    def has_replicas(self) -> bool:
        """Whether the reference is made of columns of cells."""
        return self.read.follows_activity and self.facts.readout.replica != "dac"

    def whole(self, weight: Array, f: int) -> tuple[Array, Array]:
        """Draw the cells of weights ``[K, N]`` as integers in units of ``2**-f`` counts.

        Returns:
            Cells ``[C, S, K, N]``, of packed groups on all wordlines of their crossbar, and the
            constant of columns in counts, ``[C, G, S, N]``.
        """
        cells, constant = self._whole(weight, f)
        if self.op.groups % self.op.packed:
            cells[..., ~self.op.there] = 0
        return cells, constant

    def _whole(self, weight: Array, f: int) -> tuple[Array, Array]:
        digits = self.digits(weight, np.int16)
        known = self.measured is not None and self.measured.has_cells
        if has_wires(self.facts) or self.sites.lines is not None or known:
            compiled = None
        else:
            facts, taken = self.facts.cell, self._taken()
            compiled = drawn_by_kernels(self.op, facts, self.sites, self.seed, digits, taken, f)
        if compiled is not None:
            grid = (len(compiled), len(self.op.rows), compiled.shape[1], compiled.shape[3])
            return compiled, np.zeros(grid)
        net = self.net(weight)
        most = float(np.abs(net.cells).max(initial=0.0))
        check_counts("cells", most, MOST_UNITS / (1 << f), self.op, self.facts)
        return np.rint(net.cells * (1 << f)).astype(np.int64), net.constant

    def net(self, weight: Array) -> NetCells:
        """Draw the cells of weights ``[K, N]``; fold pairs, leakage and references in."""
        assert self.op.encoding is not None
        lines = self._bitlines(weight)
        if has_wires(self.facts):
            put_behind_wires(lines, self.op, self.facts, self.sites, self.shared_activity)
        if self.op.encoding.pairs:
            on, minus = lines.cells
            return NetCells(on - minus, lines.constant[0] - lines.constant[1])
        if lines.replicas is None:
            taken = self._reference()
            if not self._is_reference_even:
                taken = np.asarray(taken)[:, self.sites.reference]
            return NetCells(lines.cells[0] - taken, lines.constant[0])
        column = self.sites.reference  # half of each replica column: one of half the range
        half = lines.replicas.sum(axis=0)[..., column] / 2  # would vary less
        constant = lines.replica_constant.sum(axis=0)[..., column] / 2
        return NetCells(lines.cells[0] - half, lines.constant[0] - constant)

    def digits(self, weight: Array, dtype: npt.DTypeLike) -> Array:
        """Return the digits of weights ``[K, N]``, ``[S, K, N]``; 0 outside of packed groups."""
        assert self.op.encoding is not None
        written = self.op.encoding.digits(weight, dtype)
        return on_diagonal(written, self.op.groups, self.op.packed)

    @property
    def own_rows(self) -> Array:
        """Whether a wordline is of the group that a reference is for, ``[K, references]``."""
        own = np.ones((self.op.rows[-1].stop, self.op.outputs), bool)
        return on_diagonal(own, self.op.groups, self.op.packed)[:, self.sites.first_output]

    @property
    def shared_activity(self) -> Array:
        """What wordlines carry that add to a group's columns, ``[groups, K]``."""
        assert self.activity is not None
        return shared_wordlines(self.activity[..., None], self.op.packed)[..., 0]

    def levels(self, weight: Array) -> tuple[Array, ...]:
        """Return the level of each cell, ``[1, S, K, N]``: one a digit, or two of a pair."""
        assert self.op.encoding is not None
        digits = self.digits(weight, np.int64)[None]
        if self.op.encoding.pairs:
            return np.maximum(digits, 0), np.maximum(-digits, 0)
        return (digits,)

    def cells(self, weight: Array) -> Array:
        """Draw what cells of weights conduct, in counts: ``[pair, C, S, K, N]``."""
        drawn = [
            self._cells(level, self.sites.cells(second=bool(member)), "programming")
            for member, level in enumerate(self.levels(weight))
        ]
        return np.stack(drawn)

    def _bitlines(self, weight: Array) -> Bitlines:
        """Draw every bitline, and the replica columns where a reference is made of them."""
        cells = self.cells(weight)
        grid = (len(self.op.rows), cells.shape[2], cells.shape[4])
        blocks, replicas = len(self.sites.first_output), self._replicas()
        if self.op.groups % self.op.packed:
            cells[..., ~self.op.there] = 0.0
            if replicas is not None:
                replicas[..., ~self.op.there[:, self.sites.first_output]] = 0.0
        return Bitlines(
            cells=cells,
            replicas=replicas,
            constant=np.zeros((len(cells), cells.shape[1], *grid)),
            replica_constant=np.zeros((2, cells.shape[1], len(self.op.rows), 1, blocks)),
        )

    def _taken(self) -> Array | None:
        """Return what is taken from each cell, as ``drawn_by_kernels`` has it."""
        assert self.op.encoding is not None
        if self.op.encoding.pairs:
            return None
        replicas = self._replicas()
        if replicas is None and self._is_reference_even:
            return np.array([float(self._reference())])
        if replicas is None:
            copies = len(self.sites.slot)
            return np.broadcast_to(self._reference(), (copies, *self.own_rows.shape)).copy()
        return np.asarray(replicas.sum(axis=0)[:, 0] / 2)

    def _replicas(self) -> Array | None:
        """Draw the columns that a reference is made of, ``[2, C, 1, K, references]``.

        Cells on the wordlines of other groups are off.
        """
        if not self.has_replicas:
            return None
        own = self.own_rows.astype(np.int64)
        ends = enumerate((self.facts.cell.levels - 1, 0))
        return np.stack([self._cells(u * own, self.sites.replicas(k), "replica") for k, u in ends])

    def _cells(self, level: Array, at: Array, kind: CellKind) -> Array:
        round = self.op.placement.round
        return conductances(self.facts.cell, level, at, self.seed, kind, round, self.measured)

    @property
    def _is_reference_even(self) -> bool:
        """Whether the same is taken from each cell: there are no wordlines of other groups."""
        return self.op.packed == 1 or not self.read.follows_activity

    def _reference(self) -> Array | float:
        """Return what is taken from each cell: leakage, or half of what it could give.

        On the wordlines of other groups it could give no more than it leaks, so that this is a
        table ``[K, references]`` where groups are packed.
        """
        cell, readout = self.facts.cell, self.facts.readout
        off = cell.off or 0.0
        if self.read.follows_activity:
            half = (cell.levels - 1) / 2
            return half + off if self._is_reference_even else half * self.own_rows + off
        return 0.0 if readout.leakage == "stays" else off
