"""Partial sums, readout and shift-and-add in one GPU program: partial sums never reach memory.

The arithmetic is that of ``mapper.training.backends.sums``: outputs are the same integers.
Backwards the slopes are the same too; what meets a product is rounded to bfloat16 once (8 bits),
as there. Each program writes its own share and shares are added in a fixed order, without atomics:
the same inputs give the same bits on the same device.
"""

import importlib.util
import os
from typing import Any

import torch
from torch import Tensor

from mapper.training.backends.readout import Comparators
from mapper.training.backends.sums import Gradients, Grid, LayerSums, constants
from mapper.training.backends.windows import folded_back, outputs_image, wordline_inputs

INPUT_ELEMENTS = 1 << 28
"""Wordline inputs in memory at once: 512 MiB."""

_GREATEST_BLOCK = 128
"""Wordlines of a row block that a program holds at once; 256 would not fit shared memory."""

_PROGRAMS = 1024
"""How many share the vectors of a layer for the layer's own gradients; fixed, so that the order
of additions is too."""

_BYTES = 160 << 10
"""Of shared memory that loads ahead may take; an H100 has 227 KiB, an A100 163 KiB."""


def interpreted() -> bool:
    """Return whether triton runs programs on the CPU, one by one: for tests."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def on_device(x: Tensor) -> bool:
    """Return whether fused programs can run where ``x`` is."""
    if importlib.util.find_spec("triton") is None:
        return False
    if x.is_cuda:
        return torch.cuda.get_device_capability(x.device) >= (8, 0)  # the first with bfloat16
    return interpreted()


def supports(weight: Tensor, grid: Grid) -> bool:
    single = weight.dtype == torch.float32
    fits = grid.wordlines <= _GREATEST_BLOCK and grid.most_driven == 1
    return single and fits and on_device(weight)


class FusedSums(LayerSums):
    """One layer's arithmetic on one chunk of its input at a time; the chunk is what is bounded."""

    def chunks(self, x: Tensor) -> tuple[Tensor, ...]:
        each = self.positions(x) * self.rows * self.grid.groups
        return torch.split(x, max(1, INPUT_ELEMENTS // each))

    def outputs(self, x: Tensor, first: int = 0) -> Tensor:
        from mapper.training.backends import kernels

        inputs = self._inputs(x)
        found = inputs.new_empty(inputs.shape[1], self.columns, dtype=torch.float32)
        sizes, tile = self._sizes(inputs), self._tile()
        grid = (-(-inputs.shape[1] // tile["BM"]), self._column_tiles(tile), self.grid.groups)
        kernels.read_forward[grid](*self._operands(inputs), found, *sizes, **tile)
        return outputs_image(found, len(x), self.grid.window, x.shape)

    def backward(
        self, x: Tensor, gradient: Tensor, first: int, *, wants_x: bool, wants_scale: bool
    ) -> Gradients:
        inputs = self._inputs(x)
        upstream = gradient.movedim(1, -1).reshape(-1, self.columns).float().contiguous()
        weight, learned, scale = self._layer_gradients(inputs, upstream)
        for_x = None
        if wants_x:
            driven = self._input_gradients(inputs, upstream)
            for_x = folded_back(driven, self.grid.window, self.grid.groups, x.shape)
        return Gradients(for_x, weight, learned, scale if wants_scale else None)

    # --- programs ------------------------------------------------------------------------------

    def _input_gradients(self, inputs: Tensor, upstream: Tensor) -> Tensor:
        """Return ``[A, V, K]``."""
        from mapper.training.backends import kernels

        found, tile = torch.empty_like(inputs), self._tile()
        grid = (-(-inputs.shape[1] // tile["BM"]), self.blocks, self.grid.groups)
        kernels.read_backward_inputs[grid](
            *self._operands(inputs), upstream, found, *self._sizes(inputs), **tile
        )
        return found

    def _layer_gradients(self, inputs: Tensor, upstream: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        from mapper.training.backends import kernels

        tile, groups, levels = self._tile(), self.grid.groups, self._levels
        columns, per_column = self._column_tiles(tile), groups * self.blocks
        tiles = -(-inputs.shape[1] // tile["BM"])
        per_split = -(-tiles // max(1, min(tiles, _PROGRAMS // (columns * per_column))))
        splits = -(-tiles // per_split)
        parts = (splits, groups, self.blocks)
        weights = upstream.new_empty(*parts, self.grid.wordlines, self.per_group)
        learned = upstream.new_empty(*parts, self.slices * levels, self.per_group)
        scales = upstream.new_empty(*parts, self.per_group)
        kernels.read_backward_layer[(splits, columns, per_column)](
            *self._operands(inputs),
            upstream,
            weights,
            learned,
            scales,
            *self._sizes(inputs),
            per_split,
            SCALES=True,
            SL=_power_of_two(self.slices * levels, 1),
            **tile,
        )
        tall = weights.sum(dim=0).flatten(1, 2)[:, : self.rows]
        weight = tall.transpose(0, 1).reshape(self.rows, -1) / self.significances.square().sum()
        scale = scales.sum(dim=(0, 1, 3))
        scale = scale if self.block_scale.numel() > 1 else scale.sum()[None]
        return weight, self._for_reading(learned.sum(dim=0)), scale

    def _for_reading(self, learned: Tensor) -> Tensor:
        """Sum ``[A, G, S * L, n]`` over what thresholds or a step serve."""
        if not isinstance(self.reading, Comparators):
            return learned.sum()
        apart = learned.reshape(*learned.shape[:2], self.slices, self._levels, -1)
        whole = apart.permute(3, 1, 2, 0, 4).flatten(3)  # [L, G, S, N]
        shape = self.reading.thresholds.shape
        shared = [axis for axis in (1, 2, 3) if shape[axis] == 1]
        return whole.sum(dim=shared, keepdim=True) if shared else whole

    # --- what programs are given ---------------------------------------------------------------

    @property
    def _levels(self) -> int:
        return len(self.reading.thresholds) if isinstance(self.reading, Comparators) else 1

    def _inputs(self, x: Tensor) -> Tensor:
        """Return ``[A, V, K]``; 0 and 1 are exact in any type. The interpreter has no bfloat16."""
        kind = torch.float32 if interpreted() else torch.bfloat16
        return wordline_inputs(x.to(kind), self.grid.window, self.grid.groups).contiguous()

    def _operands(self, inputs: Tensor) -> tuple[Tensor, ...]:
        device, single = inputs.device, torch.float32
        cells = self.cells.to(inputs.dtype).contiguous()
        if isinstance(self.reading, Comparators):
            settings = self.reading.thresholds.detach().to(single).contiguous()
            gaps = constants(tuple(self.reading.gaps()), single, device)
            width = self.reading.half_width.to(single)
        else:
            settings = torch.stack([self.reading.whole_step, self.reading.base]).to(single)
            gaps = width = settings  # not read
        scale = self.block_scale.detach().to(single).contiguous()
        return inputs, cells, settings, gaps, width, self.significances.to(single), scale

    def _sizes(self, inputs: Tensor) -> tuple[float, ...]:
        first = top = 0
        strides: tuple[int, ...] = (0, 0, 0, 0)
        if isinstance(self.reading, Comparators):
            first, held = self.reading.levels[0], self.reading.thresholds
            steps = torch.empty(held.shape, device="meta").stride()
            strides = tuple(s if n > 1 else 0 for s, n in zip(steps, held.shape, strict=True))
        else:
            top = self.reading.top
        _, vectors, rows = inputs.shape
        sizes = (vectors, rows, self.blocks, self.grid.wordlines, self.per_group)
        numbers = (float(first), float(top), self.half, float(self.correction))
        return (*sizes, *numbers, *strides, int(self.block_scale.numel() > 1))

    def _column_tiles(self, tile: dict[str, Any]) -> int:
        return -(-self.per_group // int(tile["BN"]))

    def _tile(self) -> dict[str, Any]:
        """Choose a program's share: what it holds fits registers and shared memory."""
        rows = _power_of_two(self.grid.wordlines, 16)
        widest = 64 if rows * self.slices <= 512 else 32
        columns = min(widest, _power_of_two(self.per_group, 16))
        vectors = 128 if rows * columns <= 2048 else 64
        held = 2 * rows * (vectors + self.slices * columns) + 4 * vectors * columns
        return {
            "S": self.slices,
            "L": self._levels,
            "ADC": not isinstance(self.reading, Comparators),
            "HALF": self.grid.half_active,
            "CORRECT": self.correction != 0,
            "BM": vectors,
            "BN": columns,
            "BR": rows,
            "num_warps": 4,
            "num_stages": max(1, min(3, _BYTES // held)),
        }


def _power_of_two(number: int, least: int) -> int:
    return max(least, 1 << (number - 1).bit_length())
