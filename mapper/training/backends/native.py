"""Partial sums, readout and shift-and-add in compiled kernels, where torch is on a CPU.

The arithmetic is that of ``mapper.training.backends.sums``: outputs are the same integers, and
slopes the same numbers in single precision. A partial sum is made by adding up the cells of its
active wordlines, few of which there are, and is read, shifted and added before the next: neither
partial sums nor the inputs of wordlines reach memory.
"""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from mapper.ir.windows import Window
from mapper.kernels import core
from mapper.kernels.arrays import Arrays, Numbers
from mapper.kernels.structs import as_read
from mapper.kernels.training_structs import Read, ReadTotals, Walk, WalkTotals
from mapper.training.backends.noise import POOL
from mapper.training.backends.readout import Comparators
from mapper.training.backends.sums import Gradients, Grid, LayerSums
from mapper.training.backends.windows import laid_out, outputs_image, taken_back

_SHARE = 4096
"""Vectors or neurons whose gradients are added up one after the other."""

_SHARE_BYTES = 64 << 20
"""Of all shares' gradients together; more threads than that allows take more."""

_GREATEST_SUM = (1 << 15) - 1


def supports(x: Tensor, weight: Tensor, grid: Grid) -> bool:
    """Return whether the kernels were built, hold this layer's sums, and ``x`` is of 0 and 1."""
    single = weight.device.type == "cpu" and weight.dtype == torch.float32
    fits = grid.wordlines * grid.encoding.digit_max <= _GREATEST_SUM
    if not single or not fits or core.unavailable():
        return False
    held = x.detach()
    others = torch.addcmul(held, held, held, value=-1)  # x - x * x is zero for 0 and 1 alone
    return not others.count_nonzero()


@dataclass(frozen=True, eq=False, slots=True)
class Windows:
    """Where the wordlines of every vector lie in an image ``[B, H, W, C]``, padded and stuffed."""

    starts: Tensor
    """``[V]``: where a vector's window begins."""
    offsets: Tensor
    """Where each of its runs of wordlines begins, from there."""
    length: int
    """Wordlines of a run."""
    group_step: int
    """From a group's wordlines to those of the next."""


@lru_cache(maxsize=64)
def windows(window: Window | None, groups: int, shape: tuple[int, ...]) -> Windows:
    """Return where vectors find their inputs in an image of ``shape``, or in ``[B, K]``."""
    if window is None:
        batch, rows = shape
        each = rows // groups
        return Windows(torch.arange(batch) * rows, torch.zeros(1, dtype=torch.int64), each, each)
    batch, tall, wide, channels = shape
    (kh, kw), (sy, sx), (dy, dx) = window.kernel, window.stride, window.dilation
    down = torch.arange(0, tall - (kh - 1) * dy, sy) * wide
    across = torch.arange(0, wide - (kw - 1) * dx, sx)
    images = torch.arange(batch) * tall * wide
    starts = (images[:, None, None] + down[:, None] + across).flatten() * channels
    whole = groups == 1 and dx == 1  # a row of the kernel lies in one piece
    columns = 1 if whole else kw
    offsets = torch.arange(kh)[:, None] * dy * wide + torch.arange(columns) * dx
    each = channels // groups
    return Windows(starts, offsets.flatten() * channels, each * kw if whole else each, each)


class NativeSums(LayerSums):
    """One layer's arithmetic on a whole batch."""

    def chunks(self, x: Tensor) -> tuple[Tensor, ...]:
        return (x,)

    def outputs(self, x: Tensor, first: int = 0) -> Tensor:
        read = self._with_levels(self._read(self._image(x)))
        out = torch.empty(read.V, self.columns)
        in_shares(core.read_forward, len(x), read.V // len(x), replace(read, out=out.numpy()))
        return outputs_image(out, len(x), self.grid.window, x.shape)

    def backward(
        self, x: Tensor, gradient: Tensor, first: int, *, wants_x: bool, wants_scale: bool
    ) -> Gradients:
        image = self._image(x)
        upstream = gradient.movedim(1, -1).reshape(-1, self.columns).float().contiguous()
        read = replace(
            self._with_slopes(self._read(image)),
            gradient=upstream.numpy(),
            wants_x=wants_x,
            wants_scale=wants_scale,
        )
        for_image = torch.zeros(image.shape if wants_x else 0)
        if wants_x:
            read = replace(read, image=for_image.numpy(), turned=self._turned().numpy())
        if wants_scale:
            read = self._with_levels(read)
        totals = self._totals(wants_scale=wants_scale)
        found = in_shares(core.read_backward, len(x), read.V // len(x), read, totals)
        tall = found["weights"][:, : self.rows, : self.per_group].transpose(0, 1)
        weight = tall.reshape(self.rows, -1) / self.significances.square().sum()
        scale = found.get("scale_gradient")
        if scale is not None and self.block_scale.numel() == 1:
            scale = scale.sum()[None]
        for_x = taken_back(for_image, self.grid.window, x.shape) if wants_x else None
        return Gradients(for_x, weight, self._for_reading(found["learned"]), scale)

    # --- what kernels are given ----------------------------------------------------------------

    @property
    def _padded(self) -> int:
        """Columns of a slice, padded."""
        lanes = core.number("SLICE_LANES")
        return -(-self.per_group // lanes) * lanes

    def _image(self, x: Tensor) -> Tensor:
        """Return what drives wordlines, ``uint8 [B, H, W, C]`` or ``[B, K]``."""
        return laid_out(x.detach().to(torch.uint8), self.grid.window)

    def _read(self, image: Tensor) -> Read:
        """Return what both directions need."""
        where = windows(self.grid.window, self.grid.groups, tuple(image.shape))
        read = Read(
            A=self.grid.groups,
            V=len(where.starts),
            G=self.blocks,
            R=self.grid.wordlines,
            K=len(where.offsets) * where.length,
            S=self.slices,
            n=self.per_group,
            np=self._padded,
            runs=len(where.offsets),
            length=where.length,
            group_step=where.group_step,
            pixels=image.numel(),
            twice_half=int(2 * self.half) if self.grid.half_active else 0,
            correction=self.correction,
            x=image.numpy(),
            starts=where.starts.numpy(),
            offsets=where.offsets.numpy(),
            cells=self._wide(self._per_slice(self.cells)).to(torch.int16).numpy(),
            significances=self.significances.numpy(),
            scales=self.block_scale.detach().float().expand(self.blocks).contiguous().numpy(),
            **self._disturbance(),
        )
        if not isinstance(self.reading, Comparators):
            sums = self._possible_sums()
            return replace(read, span=len(sums), lowest=int(sums[0]))
        gaps = torch.tensor(self.reading.gaps(), dtype=torch.float32)
        first, levels = self.reading.levels[0], len(self.reading.thresholds)
        return replace(read, L=levels, first=first, gaps=gaps.numpy())

    def _disturbance(self) -> dict[str, Any]:
        """Return what is added to sums before they are read."""
        if self.draw is None:
            return {}
        pool = self.draw.pool
        found = {
            "copies": len(self.draw.offsets),
            "positions": len(self.draw.copy_of),
            "copy_of": self.draw.copy_of.to(torch.int32).numpy(),
            "shifts": self._wide(self.draw.offsets).numpy(),
        }
        if pool is None:
            return found
        padding = self.slices * (self._padded - self.per_group)
        padded = functional.pad(pool, (0, padding)).numpy()
        return found | {"places": POOL, "key": self.draw.key, "pool": padded}

    def _possible_sums(self) -> Tensor:
        """Return every sum that a column can have: the length of an ADC's tables."""
        encoding = self.grid.encoding
        low, high = (self.grid.wordlines * d for d in (encoding.digit_min, encoding.digit_max))
        more = 0 if self.draw is None else math.ceil(self.draw.farthest)
        low, high = max(min(low, 0) - more, -_GREATEST_SUM), min(high + more, _GREATEST_SUM)
        return torch.arange(low, high + 1, dtype=torch.float32)

    def _with_levels(self, read: Read) -> Read:
        """Add what sums are decoded by."""
        if isinstance(self.reading, Comparators):
            return replace(read, reached=self._compared(self.reading.references()).numpy())
        codes = self.reading.codes(self._possible_sums(), 1).detach()
        return replace(read, codes=codes.numpy())

    def _with_slopes(self, read: Read) -> Read:
        """Add what gradients are made from."""
        if isinstance(self.reading, Comparators):
            thresholds = self._compared(self.reading.thresholds).numpy()
            halves = self.reading.half_width.float().numpy()
            return replace(read, thresholds=thresholds, halves=halves)
        within, drift = self.reading.slopes(self._possible_sums())
        return replace(read, within=within.float().numpy(), drift=drift.detach().numpy())

    def _compared(self, thresholds: Tensor) -> Tensor:
        """Spread ``[L, G | 1, S | 1, N | 1]`` over all columns: ``[A, G, L, W]``."""
        shape = (len(thresholds), self.blocks, self.slices, self.columns)
        whole = thresholds.detach().float().expand(shape)
        apart = whole.reshape(*shape[:3], self.grid.groups, self.per_group)
        return self._wide(apart.permute(3, 1, 0, 2, 4))

    def _wide(self, per_slice: Tensor) -> Tensor:
        """Pad ``[..., S, n]`` with zeros to ``[..., W]``."""
        flat = functional.pad(per_slice, (0, self._padded - self.per_group)).flatten(-2)
        whole = 2 * core.number("SLICE_LANES")
        return functional.pad(flat, (0, -flat.shape[-1] % whole)).contiguous()

    def _turned(self) -> Tensor:
        """Return ``[A, G, W, R]``: what a slope of a column gives each wordline."""
        cells = self.cells - self.half if self.grid.half_active else self.cells
        return self._wide(self._per_slice(cells)).transpose(2, 3).contiguous()

    def _per_slice(self, columns: Tensor) -> Tensor:
        """Take ``[..., S * n]`` apart: ``[..., S, n]``."""
        return columns.reshape(*columns.shape[:-1], self.slices, -1)

    def _totals(self, *, wants_scale: bool) -> ReadTotals:
        """Return what is added up over vectors, as zeros."""
        groups, rows = self.grid.groups, self.blocks * self.grid.wordlines
        levels = len(self.reading.thresholds) if isinstance(self.reading, Comparators) else 1
        whole = 2 * core.number("SLICE_LANES")
        wide = -(-self.slices * self._padded // whole) * whole
        return ReadTotals(
            weights=torch.zeros(groups, rows, self._padded).numpy(),
            learned=torch.zeros(groups, self.blocks, levels, wide).numpy(),
            scale_gradient=torch.zeros(self.blocks).numpy() if wants_scale else None,
        )

    def _for_reading(self, learned: Tensor) -> Tensor:
        """Sum ``[A, G, L, W]`` over what thresholds or a step serve."""
        apart = self._per_slice(learned[..., : self.slices * self._padded])[..., : self.per_group]
        if not isinstance(self.reading, Comparators):
            return apart.sum()
        whole = apart.permute(2, 1, 3, 0, 4).flatten(3)  # [L, G, S, N]
        shape = self.reading.thresholds.shape
        shared = [axis for axis in (1, 2, 3) if shape[axis] == 1]
        return whole.sum(dim=shared, keepdim=True) if shared else whole


Kernel = Callable[[int, Numbers, Arrays, int, int], None]


def in_shares(
    kernel: Kernel,
    parts: int,
    each: int,
    struct: Read | Walk,
    totals: ReadTotals | WalkTotals | None = None,
) -> dict[str, Tensor]:
    """Run a kernel over ``parts`` of ``each`` vectors or neurons; return its totals by name.

    Parts share nothing that is written but totals, of which each share has its own; they are added
    in order. Shares depend on sizes and on the number of threads alone.
    """
    level = core.best_level()
    numbers, fixed = as_read(struct)
    zeros: Arrays = {} if totals is None else as_read(totals)[1]
    threads = torch.get_num_threads()
    most = _SHARE_BYTES // max(sum(total.nbytes for total in zeros.values()), 1)
    wanted = min(most, -(-parts * each // _SHARE)) if zeros else 1
    shares = min(parts, max(threads, wanted))

    def share(index: int) -> dict[str, Tensor]:
        first, last = (parts * k // shares * each for k in (index, index + 1))
        own = {name: torch.zeros_like(torch.from_numpy(total)) for name, total in zeros.items()}
        held = fixed | {name: total.numpy() for name, total in own.items()}
        kernel(level, numbers, held, first, last)
        return own

    if threads == 1 or shares <= 1:
        found = [share(index) for index in range(shares)]
    else:
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(share, range(shares)))
    return {name: torch.stack([own[name] for own in found]).sum(dim=0) for name in zeros if found}
