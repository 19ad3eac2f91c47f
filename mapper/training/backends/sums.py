"""Partial sums, readout, and shift-and-add of one layer in torch, in chunks of bounded memory.

Forwards these are the integers of ``mapper.ir.crossbar`` and ``mapper.ir.readout``, carried as
floats: exact below 2**24, which a crossbar does not reach and few layers do; weights in double
precision have everything computed in it. ``native`` and ``fused`` compute the same in programs of
their own.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, reduce

import torch
from torch import Tensor
from torch.nn import functional

from mapper.ir.encoding import Encoding
from mapper.ir.windows import Window
from mapper.training.backends.noise import Draw
from mapper.training.backends.readout import Comparators, Converter, Reading
from mapper.training.backends.windows import outputs_image, wordline_inputs

CHUNK_ELEMENTS = 1 << 22
"""Partial sums in memory at once on a CPU; 16 times as many on a GPU."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Grid:
    """What a layer's crossbars are; the same for every input."""

    encoding: Encoding
    wordlines: int
    """Of one crossbar: the height of a row block."""
    window: Window | None
    groups: int
    most_driven: int = 1
    """The greatest number on a wordline: 1 where it carries a bit."""
    half_active: bool
    """Sums are compared relative to half of what the active rows could give at most."""

    @property
    def below(self) -> float:
        """How far below a threshold the middle between it and the next lower sum is.

        Relative to half of the active rows, sums are halves where a full cell counts an odd number.
        """
        return 0.25 if self.half_active and self.encoding.base % 2 == 0 else 0.5

    def cells(self, weight: Tensor) -> Tensor:
        """Return the digits of integer ``weight[K, N]``, cut into blocks: ``[G, R, S, N]``."""
        digits = self.digits(weight)
        tall = -(-len(weight) // self.wordlines) * self.wordlines
        padded = functional.pad(digits, (0, 0, 0, tall - len(weight)))
        slices, _, outputs = padded.shape
        blocks = padded.reshape(slices, -1, self.wordlines, outputs)
        return blocks.permute(1, 2, 0, 3)

    def digits(self, weight: Tensor) -> Tensor:
        """Return ``[S, K, N]``, the torch twin of ``Encoding.digits``."""
        encoding = self.encoding
        whole = weight.round().to(torch.int32)
        code = whole.abs() if encoding.pairs else whole - encoding.offset
        if encoding.form.sign == "slice":
            code = whole & (encoding.codes - 1)
        code = code // encoding.code_step
        digits = [code // place % encoding.base for place in encoding.places]
        if encoding.pairs:
            digits = [whole.sign() * digit for digit in digits]
        if encoding.form.sign == "slice":
            digits.append((whole < 0).to(torch.int32))
        return torch.stack(digits).to(weight.dtype)

    def significances(self, like: Tensor) -> Tensor:
        return constants(self.encoding.significances, like.dtype, like.device)


@lru_cache(maxsize=256)
def constants(numbers: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return numbers on a device; kept, as each copy to a GPU holds up what waits to run on it."""
    return torch.tensor(numbers, dtype=dtype, device=device)


@dataclass(frozen=True, eq=False, slots=True)
class Gradients:
    """What one chunk gives; that of what reads it before its ``share``."""

    x: Tensor | None
    weight: Tensor
    learned: Tensor
    block_scale: Tensor | None


def total(parts: Iterable[Tensor]) -> Tensor:
    """Add tensors of one shape up, in their order."""
    return reduce(torch.add, parts)


def joined(parts: list[Tensor]) -> Tensor:
    """Put chunks of a batch together; a single one is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


class LayerSums:
    """One layer's arithmetic on one chunk of its input at a time.

    Sums have axes ``[A, G, V, S, n]``: groups of a grouped convolution (mostly one), row blocks,
    vectors (samples times positions), slices, and the outputs of a group.
    """

    def __init__(
        self,
        grid: Grid,
        reading: Reading,
        weight: Tensor,
        block_scale: Tensor,
        draw: Draw | None = None,
    ) -> None:
        self.grid, self.block_scale, self.draw = grid, block_scale, draw
        if draw is not None and isinstance(reading, Comparators):
            reading = replace(reading, below=grid.below)
        self.reading: Reading = reading
        self.rows, self.columns = weight.shape
        self.per_group = self.columns // grid.groups
        self.significances = grid.significances(weight)
        cells = grid.cells(weight)  # [G, R, S, N]
        self.blocks, _, self.slices, _ = cells.shape
        split = cells.reshape(self.blocks, grid.wordlines, self.slices, grid.groups, -1)
        by_group = split.permute(3, 0, 1, 2, 4)
        if draw is not None and draw.noise.varies_cells:
            by_group = draw.cells(by_group, grid.encoding, replica=grid.half_active)
        self.cells = by_group.flatten(-2)
        self.type = sum_type(grid, reading, weight) if draw is None else torch.float32
        self.total_type = weight.dtype

    def chunks(self, x: Tensor) -> tuple[Tensor, ...]:
        """Cut the batch so that the partial sums of a chunk stay within bounds."""
        budget = CHUNK_ELEMENTS * (16 if x.is_cuda else 1)
        return torch.split(x, max(1, budget // (self.count(x) // len(x))))

    def parts(self, x: Tensor) -> Iterator[tuple[Tensor, int]]:
        """Yield the chunks of a batch, each with how many vectors come before it."""
        first = 0
        for part in self.chunks(x):
            yield part, first
            first += len(part) * self.positions(x)

    def count(self, x: Tensor) -> int:
        """Return how many sums are read."""
        return len(x) * self.positions(x) * self.blocks * self.slices * self.columns

    def positions(self, x: Tensor) -> int:
        window = self.grid.window
        if window is None:
            return 1
        height, width = window.output_size(x.shape[-2], x.shape[-1])
        return height * width

    def all_outputs(self, x: Tensor) -> Tensor:
        """Return the layer's integers for a whole batch."""
        return joined([self.outputs(part, first) for part, first in self.parts(x)])

    def outputs(self, x: Tensor, first: int = 0) -> Tensor:
        """Return the layer's integers for a chunk of the batch, ``first`` vectors into it."""
        driven = self._driven(x)
        per_block = self._per_block(self._partial_sums(driven, first), driven)
        total = (self._block_scale * per_block).sum(dim=1)  # [A, V, n]
        flat = total.transpose(0, 1).reshape(-1, self.columns)
        return outputs_image(flat, len(x), self.grid.window, x.shape)

    def spread(self, x: Tensor) -> Tensor:
        """Return the standard deviation of each slice's sums, ``[S]``, over driven row blocks."""
        moments = total(self._moments(part) for part in self.chunks(x))
        count, whole, squares = moments
        spread = (squares - whole.square() / count.clamp(min=1)) / (count - 1).clamp(min=1)
        return torch.where(count > 1, spread.clamp(min=0).sqrt(), whole).float()

    def _moments(self, x: Tensor) -> Tensor:
        """Return how many sums of driven row blocks there are, their sum and squares: ``[3, S]``.

        Sums are whole or halves, and added in double precision: nothing is lost.
        """
        driven = self._driven(x)
        sums = self._partial_sums(driven).float()
        busy = (self._active(driven) > 0)[..., None].expand_as(sums)
        kept = sums * busy
        axes = (0, 1, 2, 4)
        return torch.stack(
            [each.sum(dim=axes, dtype=torch.float64) for each in (busy, kept, kept.square())]
        )

    def backward(
        self, x: Tensor, gradient: Tensor, first: int, *, wants_x: bool, wants_scale: bool
    ) -> Gradients:
        with torch.enable_grad():
            source = x.detach().requires_grad_(wants_x)
            driven = self._driven(source)
        rows = driven.detach()
        sums = self._partial_sums(rows, first)
        flat = gradient.movedim(1, -1).reshape(
            -1, self.grid.groups, 1, self.columns // self.grid.groups
        )
        per_output = flat.permute(1, 2, 0, 3)  # [A, 1, V, n]
        scaled = self._block_scale * per_output
        upstream = (scaled[..., None, :] * self.significances[:, None]).to(self.type)
        for_sums, for_learned = self.reading.slope(sums, upstream, self.grid.groups)
        merged = self._by_significance(for_sums) / self.significances.square().sum()
        for_x = None
        if wants_x:
            (for_x,) = torch.autograd.grad(driven, source, self._input_gradient(for_sums, scaled))
        return Gradients(
            for_x,
            self._weight_gradient(rows, merged),
            for_learned,
            self._scale_gradient(per_output, sums, rows) if wants_scale else None,
        )

    # --- parts ---------------------------------------------------------------------------------

    @property
    def _block_scale(self) -> Tensor:
        return self.block_scale[:, None, None]

    @property
    def correction(self) -> int:
        """What offset binary adds per active row, taken back where sums are converted."""
        return self.grid.encoding.offset if isinstance(self.reading, Converter) else 0

    @property
    def half(self) -> float:
        return (self.grid.encoding.base - 1) / 2

    def _driven(self, x: Tensor) -> Tensor:
        """Return what drives each row block: ``[A, G, V, R]``."""
        inputs = wordline_inputs(x.to(self.type), self.grid.window, self.grid.groups)
        groups, vectors, rows = inputs.shape
        padded = functional.pad(inputs, (0, self.blocks * self.grid.wordlines - rows))
        blocks = padded.reshape(groups, vectors, self.blocks, self.grid.wordlines)
        return blocks.transpose(1, 2)

    def _active(self, driven: Tensor) -> Tensor:
        """Return how many rows of each block are active, ``[A, G, V, 1]``."""
        return driven.sum(dim=-1, keepdim=True)

    def _partial_sums(self, driven: Tensor, first: int = 0) -> Tensor:
        """Return all sums, relative to half of the active rows where that is compared."""
        product = self._by_copy(driven, self.cells.to(self.type))
        sums = product.reshape(*product.shape[:3], self.slices, -1)
        if self.grid.half_active:
            sums = sums - self.half * self._active(driven)[..., None]
        if self.draw is None:
            return sums
        sums = self.draw.disturbed(sums, first)
        # References of an ADC lie between two counts: it tells apart what rounds to other counts.
        return torch.floor(sums + 0.5) if isinstance(self.reading, Converter) else sums

    def _by_copy(self, left: Tensor, cells: Tensor) -> Tensor:
        """Return ``left[A, G, V, k] @ cells[A, G, k, m]``, of its own cells for every copy."""
        if cells.dim() == 4:
            return left @ cells
        assert self.draw is not None
        groups, blocks, _, inner = left.shape
        apart = left.reshape(groups, blocks, -1, self.draw.columns.positions, inner)
        bands = [
            torch.einsum("agbpk,agkm->agbpm", apart[:, :, :, band], own)
            for band, own in zip(self.draw.columns.bands, cells, strict=True)
        ]
        return torch.cat(bands, dim=3).flatten(2, 3)

    def _by_significance(self, per_slice: Tensor) -> Tensor:
        """Add slices up: ``[A, G, V, n]``."""
        weights = self.significances[:, None].to(per_slice.dtype)
        return (per_slice * weights).sum(dim=-2, dtype=self.total_type)

    def _per_block(self, sums: Tensor, driven: Tensor) -> Tensor:
        """Return the codes of a block's slices, by significance: ``[A, G, V, n]``."""
        total = self._by_significance(self.reading.codes(sums, self.grid.groups))
        return total + self.correction * self._active(driven) if self.correction else total

    # --- gradients -----------------------------------------------------------------------------

    def _scale_gradient(self, per_output: Tensor, sums: Tensor, driven: Tensor) -> Tensor:
        per_block = (per_output * self._per_block(sums, driven)).sum(dim=(0, 2, 3))
        return per_block if self.block_scale.numel() > 1 else per_block.sum()[None]

    def _weight_gradient(self, driven: Tensor, merged: Tensor) -> Tensor:
        """Return ``[K, N]`` from ``merged[A, G, V, n]``."""
        blocks = driven.transpose(2, 3) @ merged.to(self.type)  # [A, G, R, n]
        tall = blocks.flatten(1, 2)[:, : self.rows]
        return tall.transpose(0, 1).reshape(self.rows, -1).float()

    def _input_gradient(self, for_sums: Tensor, scaled: Tensor) -> Tensor:
        """Return ``[A, G, V, R]``.

        Where the reference or a correction follows the active rows, each row counts there too.
        """
        cells = self.cells - self.half if self.grid.half_active else self.cells
        gradient = self._by_copy(for_sums.flatten(3), cells.to(self.type).transpose(-1, -2))
        if not self.correction:
            return gradient
        each = self.correction * scaled.sum(dim=-1, keepdim=True)
        return gradient + each.to(self.type)


def sum_type(grid: Grid, reading: Reading, weight: Tensor) -> torch.dtype:
    """Return the narrowest type in which sums, whole or in halves, are exact.

    bfloat16 holds whole numbers up to 256. Half precision holds more of them, but loses gradients
    below 6e-8. What an ADC decodes may be larger than the sum: that is done in single precision.
    """
    if weight.dtype == torch.float64:
        return torch.float64
    greatest = grid.wordlines * grid.most_driven * grid.encoding.digit_max
    greatest *= 2 if grid.half_active else 1
    if isinstance(reading, Converter) or greatest > 256:
        return torch.float32
    fast = weight.is_cuda or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if fast else torch.float32
