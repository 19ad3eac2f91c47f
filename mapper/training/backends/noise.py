"""What chips as they come from the fab do to a layer's sums; drawn anew in every training step.

The kinds are those of dies: cells that are stuck or programmed to another level, offsets of
readouts, noise of single reads. What belongs to a place on a chip differs between the copies of a
layer, of which each works on a band of output positions. Used in training only; evaluation
computes the integers of the mapping.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from mapper.ir.copies import copy_bands, copy_of_positions
from mapper.ir.counter import LANE_BITS, hashed
from mapper.ir.encoding import Encoding

POOL = 1 << LANE_BITS
"""Places where the noise of a read may begin in the numbers drawn for a step."""

_OFFSETS, _STUCK, _PROGRAMMED, _READS = 0, 1, 7, 16
"""Streams of random numbers; cells take one for each of a pair and each of a replica's, reads one
for each bit plane."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How far cells and readouts are from what they should be, in counts.

    A count is the step between two levels of a cell. Standard deviations are of normal draws.

    Args:
        cells: Standard deviation of a cell's conductance: of every level, or by level from off on.
        offset: Of a readout's reference: one draw for each copy of each column's readout.
        read: Of every single read.
        stuck_on: Share of cells that are full on, whatever was written.
        stuck_off: Share of cells that are off.
        off: Conductance of a cell that is off, which is taken off; no cell has less than none.
        levels: Mean conductance of cells of every level, less ``off``; 0, 1, 2 ... where empty.
        replica: Whether half of the active rows is made of cells, which vary as well.

    Raises:
        ValueError: A number below zero, or shares of more than 1.
    """

    cells: float | tuple[float, ...] = 0.0
    offset: float = 0.0
    read: float = 0.0
    stuck_on: float = 0.0
    stuck_off: float = 0.0
    off: float = 0.0
    levels: tuple[float, ...] = ()
    replica: bool = True

    def __post_init__(self) -> None:
        if min(*self.spreads, self.offset, self.read, self.off) < 0:
            raise ValueError(f"standard deviations and conductances are zero or more, got {self}")
        if min(self.stuck_on, self.stuck_off) < 0 or self.stuck_on + self.stuck_off > 1:
            raise ValueError(f"shares of stuck cells are 0 to 1 together, got {self}")

    @property
    def spreads(self) -> tuple[float, ...]:
        """Return the standard deviation by level; one number where all have the same."""
        return self.cells if isinstance(self.cells, tuple) else (self.cells,)

    @property
    def varies_cells(self) -> bool:
        """Whether cells are anything but what was written."""
        moved = any(mean != level for level, mean in enumerate(self.levels))
        return moved or any(self.spreads) or self.stuck_on > 0 or self.stuck_off > 0

    @property
    def is_none(self) -> bool:
        """Whether nothing is disturbed."""
        return not self.varies_cells and self.offset == 0 and self.read == 0

    def check(self, levels: int) -> None:
        """Raise ``ValueError`` unless cells of so many levels can have this noise."""
        named = (("standard deviations", self.spreads, 1), ("means", self.levels, 0))
        for words, given, none in named:
            if len(given) not in (none, levels):
                raise ValueError(
                    f"cells have {levels} levels, and the noise has {len(given)} {words} by level"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns of a layer, as offsets belong to them."""

    groups: int
    blocks: int
    slices: int
    outputs: int
    """Of one group."""
    positions: int = 1
    """Output positions, which the copies of a layer share in bands."""
    copies: int = 1
    turns: int = 1
    """Row blocks of one crossbar: they are read by the same readouts."""
    outputs_per_crossbar: int
    columns_per_readout: int = 1
    """Of slices and outputs beside each other; a pair counts as one."""
    packed: int = 1
    """Groups that share a crossbar, and the readouts of columns beside each other."""

    @property
    def bands(self) -> tuple[slice, ...]:
        """Return the positions of each copy."""
        return tuple(band.slice for band in copy_bands(self.copies, self.positions))

    @property
    def readouts(self) -> Tensor:
        """Return which readout of the crossbars beside each other reads, ``[packed, S, n]``."""
        wide, shared = self.outputs_per_crossbar, self.columns_per_readout
        output = torch.arange(self.packed * self.outputs).reshape(self.packed, 1, self.outputs)
        column = output % wide * self.slices + torch.arange(self.slices)[:, None]
        return output // wide * -(-wide * self.slices // shared) + column // shared


@dataclass(frozen=True, eq=False, kw_only=True)
class Draw:
    """The noise of one layer in one training step; the backward pass sees the same again."""

    noise: Noise
    seed: int
    columns: Columns
    plane: int = 0
    """The bit plane of the input that is read: cells and offsets are those of the others."""

    @classmethod
    def of(cls, noise: Noise | None, columns: Columns) -> "Draw | None":
        """Draw a seed from torch's own generator; None where there is no noise."""
        if noise is None or noise.is_none:
            return None
        return cls(noise=noise, seed=int(torch.randint(0, 2**40, ())), columns=columns)

    def of_plane(self, plane: int) -> "Draw":
        """Return what another bit plane of the same step meets."""
        return replace(self, plane=plane)

    # --- sums ----------------------------------------------------------------------------------

    @cached_property
    def offsets(self) -> Tensor:
        """What readouts add to sums, ``[C, A, G, S, n]``."""
        of, readouts = self.columns, self.columns.readouts
        down, packs = -(-of.blocks // of.turns), -(-of.groups // of.packed)
        drawn = self._normal((of.copies, packs, down, int(readouts.max()) + 1), _OFFSETS)
        by_pack = drawn[:, :, torch.arange(of.blocks) // of.turns][..., readouts]
        by_group = by_pack.movedim(3, 2).flatten(1, 2)[:, : of.groups]  # [C, A, G, S, n]
        return -self.noise.offset * by_group

    @cached_property
    def pool(self) -> Tensor | None:
        """Numbers from which every read takes some in a row, from a place that a hash gives.

        None where reads have no noise; else ``POOL`` places and what is read from the last.
        """
        if not self.noise.read:
            return None
        wide = POOL + self.columns.slices * self.columns.outputs
        return self.noise.read * self._normal((wide,), _READS + self.plane)

    @cached_property
    def copy_of(self) -> Tensor:
        """The copy that reads each position, ``[P]``."""
        return torch.from_numpy(copy_of_positions(self.columns.copies, self.columns.positions))

    @cached_property
    def farthest(self) -> float:
        """The most that is added to a sum, of either sign, or a little more."""
        read = 0.0 if self.pool is None else float(self.pool.abs().max())
        return float(self.offsets.abs().max()) + read + 1

    @property
    def key(self) -> int:
        """What places in the pool depend on, beside a read's own number."""
        return self.seed * 4099 + _READS + self.plane

    def disturbed(self, sums: Tensor, first: int) -> Tensor:
        """Return sums ``[A, G, V, S, n]`` as they reach a comparison.

        Args:
            sums: Of vectors in the order of samples and positions.
            first: How many vectors come before them.
        """
        v = torch.arange(first, first + sums.shape[2])
        own = self.copy_of[v % self.columns.positions].to(sums.device)
        added = self.offsets.to(sums.device)[own].permute(1, 2, 0, 3, 4)
        if self.pool is not None:
            windows = self.pool.to(sums.device).unfold(0, sums.shape[3] * sums.shape[4], 1)
            added = added + windows[self._places(v).to(sums.device)].reshape(sums.shape)
        return sums + added

    def _places(self, vectors: Tensor) -> Tensor:
        """Return where reads of vectors begin in the pool, ``[A, G, V]``."""
        groups, blocks = self.columns.groups, self.columns.blocks
        counters = vectors.numpy() * groups + np.arange(groups)[:, None, None]
        counters = counters * blocks + np.arange(blocks)[:, None]
        top = hashed(self.key, counters) >> np.uint64(64 - LANE_BITS)
        return torch.from_numpy(top.astype(np.int64))

    # --- cells ---------------------------------------------------------------------------------

    def cells(self, digits: Tensor, encoding: Encoding, *, replica: bool) -> Tensor:
        """Return what cells add to their columns, ``[C, A, G, R, S, n]``, for digits without C.

        Args:
            digits: What was written, in counts; signed where a digit is on a pair of cells.
            encoding: Of the weights.
            replica: Whether a full and an off cell for each wordline of a crossbar are taken off,
                half of them; what they should have is not.
        """
        self.noise.check(encoding.base)
        top = encoding.base - 1
        many = digits[None].expand(self.columns.copies, *digits.shape)
        if encoding.pairs:
            found = self._conductances(many.clamp(min=0), top, 0)
            return found - self._conductances((-many).clamp(min=0), top, 1)
        found = self._conductances(many, top, 0)
        if not replica or not self.noise.replica:
            return found
        crossbar = torch.arange(self.columns.outputs) // self.columns.outputs_per_crossbar
        off = torch.zeros_like(many[..., :1, : int(crossbar[-1]) + 1])
        full, none = self._conductances(off + top, top, 2), self._conductances(off, top, 3)
        return found - ((full + none) / 2 - top / 2)[..., crossbar]

    def _conductances(self, levels: Tensor, top: int, which: int) -> Tensor:
        """Return what cells of whole levels ``0 .. top`` have, less that of a cell that is off."""
        noise, shape = self.noise, tuple(levels.shape)
        if noise.stuck_on or noise.stuck_off:
            drawn = torch.rand(shape, generator=self._generator(_STUCK + which)).to(levels.device)
            levels = torch.where(drawn < noise.stuck_on, float(top), levels)
            levels = torch.where(drawn >= 1 - noise.stuck_off, 0.0, levels)
        means = levels if not noise.levels else levels.new_tensor(noise.levels)[levels.long()]
        if not any(noise.spreads):
            return means
        spreads = levels.new_tensor(noise.spreads)
        sigma = spreads if len(spreads) == 1 else spreads[levels.long()]
        drawn = self._normal(shape, _PROGRAMMED + which).to(levels)
        return (means + sigma * drawn).clamp(min=-noise.off)

    def _normal(self, shape: tuple[int, ...], stream: int) -> Tensor:
        """Draw on the CPU: the same numbers wherever they are used."""
        return torch.randn(shape, generator=self._generator(stream))

    def _generator(self, stream: int) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed * 4099 + stream)
