"""The shape of a layer of weights, whatever trains it."""

import math
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from mapper.ir.windows import Pair, Window, transposed_window
from mapper.training.nets.refused import refused

Weighted = nn.Conv2d | nn.ConvTranspose2d | nn.Linear
"""The torch layers that crossbars compute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """How a layer of weights meets its input."""

    kind: Literal["conv", "transposed", "linear"]
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    output_padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1

    @classmethod
    def of(cls, layer: nn.Module) -> "Geometry":
        """Read a layer.

        Raises:
            TrainingError: It is no layer that crossbars compute, or has no size yet.
        """
        if isinstance(getattr(layer, "weight", None), UninitializedParameter):
            raise refused(
                "unsupported-op",
                f"{type(layer).__name__} does not know its size yet",
                help="run the model on one batch before, with over_time(model, x)",
            )
        if isinstance(layer, nn.Linear):
            return cls(kind="linear")
        if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            raise refused("unsupported-op", f"no crossbar computes a {type(layer).__name__}")
        if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
            raise refused("unsupported-op", f"padding must be numbers, and of zeros, got {layer}")
        transposed = isinstance(layer, nn.ConvTranspose2d)
        return cls(
            kind="transposed" if transposed else "conv",
            kernel=pair(layer.kernel_size),
            stride=pair(layer.stride),
            padding=pair(layer.padding),
            output_padding=pair(layer.output_padding) if transposed else (0, 0),
            dilation=pair(layer.dilation),
            groups=layer.groups,
        )

    @property
    def sides(self) -> tuple[int, int, int, int]:
        """Padding at the top, left, bottom and right."""
        return (*self.padding, *self.padding)

    @property
    def window(self) -> Window | None:
        if self.kind == "linear":
            return None
        if self.kind == "transposed":
            return transposed_window(
                self.kernel, self.stride, self.sides, self.dilation, self.output_padding
            )
        return Window(
            kernel=self.kernel, stride=self.stride, padding=self.sides, dilation=self.dilation
        )

    def result_shape(self, inputs: tuple[int, ...], weight: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape ``[B, N, ...]`` of what the layer makes of ``[B, C, ...]``.

        Raises:
            TrainingError: The weight belongs to another number of input channels, or of features.
        """
        window = self.window
        seen = math.prod(inputs[1:]) if window is None else inputs[1]
        if self.kind == "transposed":
            expected, outputs = weight[0], weight[1] * self.groups
        else:
            expected, outputs = weight[1] * self.groups, weight[0]
        if seen != expected or (window is not None and len(inputs) != 4):
            raise refused("input-shape", cannot_take(expected, window is not None, inputs[1:]))
        size = () if window is None else window.output_size(inputs[-2], inputs[-1])
        if any(length < 1 for length in size):
            height, width = self.kernel
            raise refused(
                "input-shape",
                f"a kernel of {height}x{width} does not fit in {inputs[-2]}x{inputs[-1]} pixels",
            )
        return (inputs[0], outputs, *size)

    def matrix(self, weight: Tensor) -> Tensor:
        """Return a layer's weight as ``[K, N]``, wordlines in the order of ``mapper.ir.windows``.

        The torch twin of ``mapper.ir.synapses``; gradients pass.
        """
        if self.kind == "linear":
            return weight.t()
        if self.kind == "conv":
            return weight.permute(2, 3, 1, 0).reshape(-1, weight.shape[0])
        turned = weight.flip(2, 3)
        outputs = turned.shape[1]
        split = turned.reshape(self.groups, -1, outputs, *self.kernel)
        return split.permute(3, 4, 1, 0, 2).reshape(-1, self.groups * outputs)


def inputs_of(layer: Weighted) -> int:
    """Return how many channels, or features, a layer of torch takes."""
    return layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels


def cannot_take(inputs: int, is_image: bool, sample: tuple[int, ...]) -> str:
    """Say that one sample has not the channels or features of a layer."""
    what = "channels" if is_image else "features"
    return f"a layer of {inputs} input {what} cannot take {list(sample)}"


def pair(numbers: int | tuple[int, ...]) -> Pair:
    """Return a size down and across, given as one number or two."""
    down, across = (numbers, numbers) if isinstance(numbers, int) else numbers
    return int(down), int(across)
