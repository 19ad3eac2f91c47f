"""Layers of weights on crossbars, as torch modules that learn what the readout does to them.

A hardened layer has the geometry and the latent weights of the float layer it replaces, and walks
through the stages of ``mapper.training.hardening.stages``: exact sums of quantised weights first,
then sums read by converters of fewer and fewer bits, then the readout of the target.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mapper.ir.core import IntType, Value
from mapper.ir.planes import Plane, greatest_digit, input_planes
from mapper.ir.windows import Window
from mapper.training.backends.noise import Columns, Draw, Noise
from mapper.training.backends.readout import Comparators, Converter, Reading
from mapper.training.backends.sums import Grid
from mapper.training.backends.windows import convolved, outputs_image, wordline_inputs
from mapper.training.nets.geometry import Geometry, Weighted, inputs_of
from mapper.training.nets.gradients import held, limited_step, quantised, rounded
from mapper.training.nets.partial_sums import Worth, read_sums
from targets import Macro, group_form, groups_together

Granularity = Literal["layer", "column", "block"]

EXACT_ELEMENTS = 1 << 26
"""Wordline inputs of exact sums in memory at once without gradients: 256 MiB."""

BLOCK_SCALE_BITS = 6
"""Fraction bits of the integer multiplier of a row block."""

_SEARCH_WEIGHTS = 1 << 17
"""Weights of a layer that take part in the search for its step; evenly spaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Awareness:
    """How much of the hardware a layer feels; the stages of training raise it.

    ``exact`` sums of quantised weights, sums read by a ``converter`` of so many bits, or the
    ``target``'s own readout.
    """

    reading: Literal["exact", "converter", "target"] = "target"
    bits: int = 5


class Hardened(nn.Module):
    """A layer of integer weights on the crossbars of one macro.

    ``y = scale * (sum of what the columns are read as) + bias``. Weights have their own learned
    step; ``scale`` stands for that step where sums are exact, and is fitted when the readout
    comes in.

    Args:
        layer: ``nn.Conv2d`` with zero padding, ``nn.ConvTranspose2d`` or ``nn.Linear``.
        macro: What it runs on.
        weight_bits: 1..8; the macro's own where None.
        scale: One for the layer, one per column (output), or one per row block and the layer.
        input_bits: Width of the unsigned input codes; 1 for spikes.
        digital: Whether the digital unit computes it instead: weights as for the macro, exact sums.
        packing: Whether groups share crossbars; as costs less where None.

    Raises:
        MappingError: ``packing`` where groups are to share crossbars and cannot.
    """

    def __init__(
        self,
        layer: nn.Module,
        macro: Macro,
        *,
        weight_bits: int | None = None,
        scale: Granularity = "layer",
        input_bits: int = 1,
        digital: bool = False,
        packing: bool | None = None,
    ) -> None:
        super().__init__()
        self.geometry = Geometry.of(layer)
        assert isinstance(layer, Weighted)
        self.inputs = inputs_of(layer)
        bits = weight_bits or macro.weight_bits
        self.macro, self.input_bits, self.digital = macro, input_bits, digital
        self.encoding = macro.written(bits)
        rows, outputs = self.geometry.matrix(layer.weight.detach()).shape
        form = group_form(rows, outputs, self.geometry.groups, self.encoding)
        self.packed = 1 if digital else groups_together(form, macro, packing, "")
        """Groups that share a crossbar."""
        self.awareness = Awareness(reading="exact")
        self.noise: Noise | None = None
        """What columns have in training; ``copies`` of the layer differ from each other in it."""
        self.copies = 1
        self.weight = nn.Parameter(layer.weight.detach().clone())
        self.log_step = nn.Parameter(self._start_step().log())
        bias = torch.zeros(outputs) if layer.bias is None else layer.bias.detach().clone()
        self.bias = nn.Parameter(bias)
        self.granularity: Granularity = scale
        self.log_scale = nn.Parameter(torch.zeros(outputs if scale == "column" else 1))
        self.block_scale = nn.Parameter(torch.ones(self.blocks), requires_grad=scale == "block")
        self.thresholds = nn.Parameter(self._start_thresholds(outputs))
        self.converter_step = nn.Parameter(torch.ones(()))
        self.register_buffer("half_width", torch.ones(len(self.encoding.significances)))
        self.register_buffer("calibrated", torch.tensor(False))
        self._known_calibrated = False  # asking a GPU for its buffer makes it wait

    half_width: Tensor
    calibrated: Tensor

    # --- what the layer is -------------------------------------------------------------------

    @property
    def greatest(self) -> int:
        """The largest integer a weight takes; the range is symmetric."""
        return self.encoding.weight_max

    @property
    def blocks(self) -> int:
        rows = self.geometry.matrix(self.weight.detach()).shape[0]
        return -(-rows // self.macro.block_rows)

    @property
    def bit_planes(self) -> tuple[Plane, ...]:
        """Bits of the input codes that a read takes, lowest first."""
        codes = Value("x", IntType(self.input_bits, signed=False), ())
        return input_planes(codes, self.macro.plane_bits(codes))

    def planes(self, x: Tensor) -> list[Tensor]:
        """Return what reads take of unsigned codes, a tensor each, with their gradients."""
        return [x] if self.input_bits == 1 else cut_codes(x, self.bit_planes)

    @property
    def grid(self) -> Grid:
        return Grid(
            encoding=self.encoding,
            wordlines=self.macro.block_rows,
            window=self.geometry.window,
            groups=self.geometry.groups,
            most_driven=greatest_digit(self.bit_planes),
            half_active=self._reads_columns and self.macro.readout.reference == "half-active",
        )

    @property
    def _reads_columns(self) -> bool:
        """Whether columns are compared, one threshold or two, and not converted."""
        return self.awareness.reading == "target" and self.macro.readout.is_sensed

    @property
    def is_exact(self) -> bool:
        """Whether every sum is taken as it is."""
        exact = self.macro.readout.is_exact
        if self.digital:
            return True
        return self.awareness.reading == "exact" or (self.awareness.reading == "target" and exact)

    def whole_weights(self) -> Tensor:
        """Return the integer weights ``[K, N]``."""
        return self.geometry.matrix(self.laid_out_weights())

    def laid_out_weights(self) -> Tensor:
        """Return the integer weights in the layout of the layer that was hardened."""
        # One bit drives about half of such weights to the ends of their range.
        inward = not self.encoding.pairs or not self.encoding.holds_zero
        zero = self.encoding.holds_zero
        return quantised(self.weight, self.learned_step(), self.greatest, inward=inward, zero=zero)

    @property
    def step(self) -> Tensor:
        """What one unit of the weights is worth.

        Its logarithm learns: an optimiser moves every number by about its rate, which is more than
        a small step is as a whole, and a step that passed zero would not come back.
        """
        return self.log_step.exp()

    def learned_step(self) -> Tensor:
        """Return the step with its gradient as weights divide by it, and exact sums scale by it."""
        return limited_step(self.step, self.weight.numel(), self.greatest)

    def whole_block_scale(self) -> Tensor | None:
        """Return the integer multiplier per row block, or None where all are 1."""
        if self.granularity != "block":
            return None
        return rounded(held(self.block_scale * (1 << BLOCK_SCALE_BITS), 1))

    def real_scale(self) -> Tensor:
        """Return what one unit of the layer's integer sum is worth, ``[N]`` or ``[1]``."""
        if self.is_exact:
            return self.learned_step().reshape(1)
        return self.log_scale.exp() * self.unit()

    def unit(self) -> float:
        """Return what the integer sum counts in: less than 1 where blocks have multipliers."""
        return 2.0**-BLOCK_SCALE_BITS if self.granularity == "block" else 1.0

    def reading(self) -> Reading:
        """Return what reads a column at the layer's awareness; not where sums are exact."""
        if self._reads_columns:
            return Comparators(
                thresholds=self.ordered_thresholds(),
                levels=self.macro.readout.levels,
                half_width=self.half_width,
            )
        own = self.awareness.reading == "target"
        return Converter(
            step=self.converter_step,
            bits=self.macro.readout.bits if own else self.awareness.bits,
            signed=self.encoding.digit_min < 0,
        )

    def ordered_thresholds(self) -> Tensor:
        """Return thresholds that ascend along their first axis."""
        return self.thresholds.sort(dim=0).values

    # --- what is stored with the weights -------------------------------------------------------

    def get_extra_state(self) -> dict[str, Any]:
        """Return what tells how the numbers of a state dict are meant."""
        return {
            "macro": self.macro.name,
            "weight_bits": self.encoding.weight_bits,
            "encoding": self.encoding.kind,
            "cell_bits": self.encoding.cell_bits,
            "cell_levels": self.encoding.cell_levels,
            "wordlines": self.macro.block_rows,
            "reading": self.awareness.reading,
            "bits": self.awareness.bits,
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take on the awareness that the numbers were trained at.

        Raises:
            ValueError: They were trained for other hardware.
        """
        mine = self.get_extra_state()
        state = {"cell_levels": 0, **state}  # earlier versions knew no other cells
        for key in ("macro", "weight_bits", "encoding", "cell_bits", "cell_levels", "wordlines"):
            if state[key] != mine[key]:
                raise ValueError(
                    f"these weights were trained with {key} {state[key]!r}, not {mine[key]!r}"
                )
        self.awareness = Awareness(reading=state["reading"], bits=int(state["bits"]))
        self._known_calibrated = False

    # --- forward -----------------------------------------------------------------------------

    def forward(self, x: Tensor) -> Tensor:
        worth = Worth(self.real_scale(), self.bias)
        if self.is_exact or self.input_bits > 1:
            return worth.of(self.sums(x))
        return self._read(x, self.whole_weights(), worth)

    def result_like(self, x: Tensor) -> Tensor:
        """Return zeros of the shape that ``forward`` has, which reads no column for it.

        Raises:
            TrainingError: The input has another number of channels than the layer.
        """
        shape = self.geometry.result_shape(tuple(x.shape), tuple(self.weight.shape))
        return x.new_zeros(()).expand(shape)

    def sums(self, x: Tensor) -> Tensor:
        """Return the layer's integers ``[B, N, ...]`` for input codes ``[B, ...]``."""
        weight = self.whole_weights()
        if self.is_exact:
            return exact_sums(x, weight, self.geometry.window, self.geometry.groups)
        return self._read(x, weight)

    def _read(self, x: Tensor, weight: Tensor, worth: Worth | None = None) -> Tensor:
        """Return what columns are read as, or what that is worth (of codes of one bit)."""
        self._known_calibrated = self._known_calibrated or bool(self.calibrated)
        if not self._known_calibrated:
            raise RuntimeError("settle the layer on data before its columns are read")
        reading, scale = self.reading(), self.whole_block_scale()
        draw = Draw.of(self.noise, self._columns(x)) if self.training else None
        if self.input_bits == 1:
            return read_sums(x, weight, self.grid, reading, scale, draw, worth)
        parts = []
        for i, (plane, digits) in enumerate(zip(self.bit_planes, self.planes(x), strict=True)):
            own = None if draw is None else draw.of_plane(i)
            parts.append(read_sums(digits, weight, self.grid, reading, scale, own) * plane.weight)
        return torch.stack(parts).sum(dim=0)

    def _columns(self, x: Tensor) -> Columns:
        """Return the layer's columns and positions for inputs ``[B, ...]``."""
        window, groups = self.geometry.window, self.geometry.groups
        return Columns(
            groups=groups,
            blocks=self.blocks,
            slices=len(self.encoding.significances),
            outputs=self.thresholds.shape[-1] // groups,
            positions=1 if window is None else math.prod(window.output_size(*x.shape[-2:])),
            copies=self.copies,
            turns=self.macro.turns,
            outputs_per_crossbar=self.macro.outputs_per_crossbar(self.encoding.weight_bits),
            columns_per_readout=self.macro.readout.columns_per_readout,
            packed=self.packed,
        )

    def _start_step(self) -> Tensor:
        weight = self.weight.detach()
        return best_step(weight, self.greatest) if self.encoding.holds_zero else mean_step(weight)

    def _start_thresholds(self, outputs: int) -> Tensor:
        readout = self.macro.readout
        count = readout.thresholds if readout.is_sensed else 0
        return torch.ones(count, self.blocks, len(self.encoding.significances), outputs)

    def extra_repr(self) -> str:
        rows, outputs = self.geometry.matrix(self.weight.detach()).shape
        place = "the digital unit" if self.digital else f"{self.macro.name}, {self.awareness}"
        return f"{rows} wordlines -> {outputs} outputs on {place}"


def exact_sums(x: Tensor, weight: Tensor, window: Window | None, groups: int) -> Tensor:
    """Return ``x @ weight`` at every position: ``[B, N, ...]`` for ``weight[K, N]``."""
    split = weight.reshape(weight.shape[0], groups, -1).transpose(0, 1)

    def part(x: Tensor) -> Tensor:
        inputs = wordline_inputs(x, window, groups)  # [groups, V, K]
        sums = (inputs @ split).transpose(0, 1).reshape(inputs.shape[1], -1)
        return outputs_image(sums, len(x), window, x.shape)

    if torch.is_grad_enabled():  # everything is kept for the backward pass in any case
        if window is not None and x.device.type == "cpu":
            return convolved(x, weight, window, groups)
        return part(x)
    positions = 1 if window is None else math.prod(window.output_size(x.shape[-2], x.shape[-1]))
    each = positions * weight.shape[0] * groups
    return torch.cat([part(few) for few in torch.split(x, max(1, EXACT_ELEMENTS // each))])


def cut_codes(x: Tensor, planes: Sequence[Plane]) -> list[Tensor]:
    """Return some bits each of unsigned codes, as numbers; each passes its share of the gradient.

    Planes are in order, from the lowest bit to the highest.
    """
    most = sum(plane.weight * plane.greatest for plane in planes)
    codes = x.detach().round().clamp(0, most).to(torch.int64)
    total = sum(plane.weight**2 for plane in planes)
    parts = []
    for plane in planes:
        share = x * (plane.weight / total)  # the least-squares share of a change of the code
        parts.append(plane.digit(codes).to(x.dtype) + (share - share.detach()))
    return parts


def best_step(weight: Tensor, greatest: int) -> Tensor:
    """Return the step of least squared error for a layer's weights, one number."""
    peak = float(weight.abs().max())
    if peak == 0:
        return torch.tensor(1.0)
    candidates = torch.linspace(0.3, 1.0, 36) * peak / greatest
    weight = weight.flatten()[:: max(1, weight.numel() // _SEARCH_WEIGHTS)]
    errors = [
        float(((weight / step).round().clamp(-greatest, greatest) * step - weight).square().sum())
        for step in candidates
    ]
    return candidates[errors.index(min(errors))].clone()


def mean_step(weight: Tensor) -> Tensor:
    """Return the step of least squared error for weights of one bit: their mean magnitude."""
    mean = weight.abs().mean()
    return mean if mean > 0 else torch.ones_like(mean)
