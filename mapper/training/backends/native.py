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
from mapper.kernels.training_structs import Read, ReadTotals, Spikes, Walk, WalkTotals
from mapper.training.backends.noise import POOL
from mapper.training.backends.readout import Comparators
from mapper.training.backends.sums import Gradients, Grid, LayerSums
from mapper.training.backends.windows import outputs_image, taken_back

_SHARE = 4096
"""Vectors or neurons whose gradients are added up one after the other."""

_SHARE_BYTES = 64 << 20
"""Of all shares' gradients together; more threads than that allows take more."""

_GREATEST_SUM = (1 << 15) - 1


def driven(x: Tensor, weight: Tensor, grid: Grid) -> Tensor | None:
    """Return what drives wordlines, for ``NativeSums``: bytes ``[B, H, W, C]`` or ``[B, K]``.

    None where kernels were not built or do not hold the sums, or ``x`` is not of 0 and 1.
    """
    single = weight.device.type == "cpu" and weight.dtype == x.dtype == torch.float32
    fits = grid.wordlines * grid.encoding.digit_max <= _GREATEST_SUM
    if not single or not fits or core.unavailable() or x.dim() != (2 if grid.window is None else 4):
        return None
    return spikes_image(x.detach(), grid.window)


def spikes_image(x: Tensor, window: Window | None) -> Tensor | None:
    """Return ``laid_out(x, window)`` as bytes; None where ``x`` is not of 0 and 1."""
    pixels = x[:, :, None, None] if window is None else x
    batch, channels, height, width = pixels.shape
    fy, fx = (1, 1) if window is None else window.stuffing
    top, left, bottom, right = (0, 0, 0, 0) if window is None else window.padding
    tall, wide = (height - 1) * fy + 1 + top + bottom, (width - 1) * fx + 1 + left + right
    image = torch.zeros(batch, tall, wide, channels, dtype=torch.uint8)
    by_pixel = pixels.permute(0, 2, 3, 1)
    last = by_pixel.is_contiguous()
    spikes = Spikes(
        B=batch,
        C=channels,
        H=height,
        W=width,
        last=last,
        top=top,
        left=left,
        fy=fy,
        fx=fx,
        tall=tall,
        wide=wide,
        x=(by_pixel if last else pixels.contiguous()).numpy(),
        image=image.numpy(),
    )
    if not core.lay_spikes(core.best_level(), *as_read(spikes)):
        return None
    return image.flatten(1) if window is None else image


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

    def chunks(self, image: Tensor) -> tuple[Tensor, ...]:
        return (image,)

    def positions(self, image: Tensor) -> int:
        window = self.grid.window
        return 1 if window is None else math.prod(window.output_size(*self._shape(image)[-2:]))

    def outputs(self, image: Tensor, first: int = 0) -> Tensor:
        return self._forward(image, self._read(image))

    def worth(self, image: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        """Return ``gain * integers + bias``, for gains ``[N]`` or ``[1]`` and biases ``[N]``."""
        return self._forward(image, self._worth_read(image, gain, bias))

    def backward(
        self, image: Tensor, gradient: Tensor, first: int, *, wants_x: bool, wants_scale: bool
    ) -> Gradients:
        read = self._read(image)
        return self._backward(image, read, gradient, wants_x=wants_x, wants_scale=wants_scale)[0]

    def backward_worth(
        self,
        image: Tensor,
        gradient: Tensor,
        worth: tuple[Tensor, Tensor, Tensor],
        *,
        wants_x: bool,
        wants_scale: bool,
    ) -> tuple[Gradients, Tensor, Tensor]:
        """Return the gradients, and those of gain and bias; ``worth`` has both and the result."""
        gain, bias, result = worth
        read = replace(self._worth_read(image, gain, bias), outputs=self._by_vector(result).numpy())
        found, columns = self._backward(
            image, read, gradient, wants_x=wants_x, wants_scale=wants_scale
        )
        by_number = columns[..., : self.per_group].transpose(0, 1).reshape(2, -1)
        for_gain, for_bias = by_number[0] / gain, by_number[1]
        return found, for_gain.sum().reshape(1) if gain.numel() == 1 else for_gain, for_bias

    # --- both directions -----------------------------------------------------------------------

    def _forward(self, image: Tensor, read: Read) -> Tensor:
        out = torch.empty(read.V, self.columns)
        read = replace(self._with_levels(read), out=out.numpy())
        in_shares(core.read_forward, len(image), read.V // len(image), read)
        return outputs_image(out, len(image), self.grid.window, self._shape(image))

    def _backward(
        self, image: Tensor, read: Read, gradient: Tensor, *, wants_x: bool, wants_scale: bool
    ) -> tuple[Gradients, Tensor]:
        """Return gradients, and those of gains and biases, ``[A, 2, np]``."""
        read = replace(
            self._with_slopes(read),
            gradient=self._by_vector(gradient).numpy(),
            wants_x=wants_x,
            wants_scale=wants_scale,
        )
        for_image = torch.zeros(image.shape if wants_x else 0)
        if wants_x:
            read = replace(read, image=for_image.numpy(), turned=self._turned().numpy())
        if wants_scale:
            read = self._with_levels(read)
        totals = self._totals(read)
        found = in_shares(core.read_backward, len(image), read.V // len(image), read, totals)
        weight = self._tall(found["weights"]) / self.significances.square().sum()
        scale = found.get("scale_gradient")
        if scale is not None and self.block_scale.numel() == 1:
            scale = scale.sum()[None]
        for_x = taken_back(for_image, self.grid.window, self._shape(image)) if wants_x else None
        gradients = Gradients(for_x, weight, self._for_reading(found["learned"]), scale)
        return gradients, found.get("columns", torch.zeros(0))

    def _by_vector(self, outputs: Tensor) -> Tensor:
        """Bring ``[B, N, ...]`` to ``[V, N]``."""
        return outputs.movedim(1, -1).reshape(-1, self.columns).float().contiguous()

    def _shape(self, image: Tensor) -> tuple[int, ...]:
        """Return the shape of the input that an image was made of."""
        if self.grid.window is None:
            return tuple(image.shape)
        batch, tall, wide, channels = image.shape
        top, left, bottom, right = self.grid.window.padding
        fy, fx = self.grid.window.stuffing
        height, width = (tall - 1 - top - bottom) // fy + 1, (wide - 1 - left - right) // fx + 1
        return batch, channels, height, width

    # --- what kernels are given ----------------------------------------------------------------

    @property
    def _padded(self) -> int:
        """Columns of a slice, padded."""
        lanes = core.number("SLICE_LANES")
        return -(-self.per_group // lanes) * lanes

    @property
    def _width(self) -> int:
        """Columns of all slices in whole vectors, a multiple of those of a slice."""
        each = self._padded
        more = self.slices * each % (2 * core.number("SLICE_LANES")) != 0
        return (self.slices + more) * each

    def _read(self, image: Tensor) -> Read:
        """Return what both directions need of ``uint8 [B, H, W, C]`` or ``[B, K]``."""
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
            cells=self._cells().numpy(),
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

    def _worth_read(self, image: Tensor, gain: Tensor, bias: Tensor) -> Read:
        """Return the same where integers are multiplied and a bias is added."""
        gains = gain.detach().float().expand(self.columns).contiguous()
        biases = bias.detach().float().contiguous()
        return replace(self._read(image), affine=True, gains=gains.numpy(), biases=biases.numpy())

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
        return functional.pad(flat, (0, self._width - flat.shape[-1])).contiguous()

    def _cells(self) -> Tensor:
        """Return ``int16 [A * G * R + spare, W]``: wordlines without cells follow all others."""
        rows = self._wide(self._per_slice(self.cells)).flatten(0, 2)
        return functional.pad(rows, (0, 0, 0, core.number("SPARE_ROWS"))).to(torch.int16)

    def _turned(self) -> Tensor:
        """Return ``[A, G, W, R]``: what a slope of a column gives each wordline."""
        cells = self.cells - self.half if self.grid.half_active else self.cells
        return self._wide(self._per_slice(cells)).transpose(2, 3).contiguous()

    def _per_slice(self, columns: Tensor) -> Tensor:
        """Take ``[..., S * n]`` apart: ``[..., S, n]``."""
        return columns.reshape(*columns.shape[:-1], self.slices, -1)

    def _totals(self, read: Read) -> ReadTotals:
        """Return what is added up over vectors, as zeros."""
        groups = self.grid.groups
        rows = groups * self.blocks * self.grid.wordlines + core.number("SPARE_ROWS")
        levels = len(self.reading.thresholds) if isinstance(self.reading, Comparators) else 1
        return ReadTotals(
            weights=torch.zeros(rows, self._padded).numpy(),
            learned=torch.zeros(groups, self.blocks, levels, self._width).numpy(),
            scale_gradient=torch.zeros(self.blocks).numpy() if read.wants_scale else None,
            columns=torch.zeros(groups, 2, self._padded).numpy() if read.affine else None,
        )

    def _tall(self, weights: Tensor) -> Tensor:
        """Bring ``[A * G * R + spare, np]`` to the layer's ``[K, N]``."""
        held = weights[: -core.number("SPARE_ROWS")]
        by_group = held.reshape(self.grid.groups, -1, self._padded)
        return by_group[:, : self.rows, : self.per_group].transpose(0, 1).reshape(self.rows, -1)

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
