"""The networks of the reference design (arXiv 2211.02167), as modules to train.

Layers, channels and weights are those of the published table; what it leaves open (leak, batch
norm, how a residual block joins) is an argument or is said beside it.
"""

import itertools
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from mapper.training.nets.modules import Iand
from mapper.training.nets.neurons import LIF

Neurons = Callable[[], nn.Module]


def leaky() -> LIF:
    """Return neurons as the reference starts them: threshold 0.6; leak and threshold learn."""
    return LIF(leak=0.75, threshold=0.6, learn=("leak", "threshold"))


class Unit(nn.Sequential):
    """A convolution, batch norm and neurons; the norm folds into thresholds and biases."""

    def __init__(self, layer: nn.Module, outputs: int, neurons: Neurons, norm: bool = True) -> None:
        parts = [layer, nn.BatchNorm2d(outputs)] if norm else [layer]
        super().__init__(*parts, neurons())


def conv(inputs: int, outputs: int, neurons: Neurons, stride: int = 1, norm: bool = True) -> Unit:
    """Return a 3x3 convolution with its neurons; padding 1."""
    layer = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=not norm)
    return Unit(layer, outputs, neurons, norm)


def upsampling(inputs: int, outputs: int, neurons: Neurons, norm: bool = True) -> Unit:
    """Return a 4x4 transposed convolution that doubles height and width, with its neurons."""
    layer = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=not norm)
    return Unit(layer, outputs, neurons, norm)


class DvsNet(nn.Module):
    """DVS128 Gesture: ``2 x size x size`` to 11 classes, 20 time steps, 94,144 weights at size 64.

    A convolution, five blocks ``(1 - f(x)) * x`` of two convolutions, each with a max-pool, and a
    linear layer. ``size`` is a multiple of 32. At 32 the last block has no pool: the linear
    layer then sees 2x2 places, as at 64, and every crossbar of the published network is there. One
    place would be a row block of 32, and one bit of so few rows is too little to tell classes from.
    """

    def __init__(
        self, size: int = 64, width: int = 32, classes: int = 11, neurons: Neurons = leaky
    ) -> None:
        super().__init__()
        self.first = conv(2, width, neurons)
        self.blocks = nn.ModuleList(
            nn.Sequential(conv(width, width, neurons), conv(width, width, neurons))
            for _ in range(5)
        )
        self.joins = nn.ModuleList(Iand() for _ in range(5))
        pools = 4 if size == 32 else 5
        self.pools = nn.ModuleList(
            nn.MaxPool2d(2) if block < pools else nn.Identity() for block in range(5)
        )
        self.flatten = nn.Flatten()
        self.last = nn.Linear(width * (size >> pools) ** 2, classes)

    def forward(self, x: Tensor) -> Tensor:
        s = self.first(x)
        for block, join, pool in zip(self.blocks, self.joins, self.pools, strict=True):
            s = pool(join(block(s), s))
        return self.last(self.flatten(s))  # type: ignore[no-any-return]


class FireFlowNet(nn.Module):
    """MVSEC optical flow: seven 3x3 convolutions and a 1x1 prediction of two components.

    ``4 x H x W`` to ``2 x H x W``; 56,448 weights beside the prediction, which is left out of the
    published counts and runs on the digital unit here.
    """

    digital = ("prediction",)

    def __init__(self, width: int = 32, neurons: Neurons = leaky) -> None:
        super().__init__()
        channels = [4, *[width] * 7]
        pairs = itertools.pairwise(channels)
        self.encoder = nn.Sequential(*(conv(a, b, neurons) for a, b in pairs))
        self.prediction = nn.Conv2d(width, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.prediction(self.encoder(x))  # type: ignore[no-any-return]


class SpikeFlowNet(nn.Module):
    """MVSEC optical flow, fully spiking (SFN): ``4 x H x W`` to ``2 x H x W``, multiples of 16.

    Four strided convolutions, two residual blocks, three transposed convolutions with skip
    connections, and one for the flow at each of four scales; 13.12 M weights at width 64. The
    residual join is that of ``DvsNet``; the published one is open. A 1x1 layer reads the flow off,
    on the digital unit.
    """

    digital = ("prediction",)

    def __init__(self, width: int = 64, neurons: Neurons = leaky) -> None:
        super().__init__()
        channels = [4, width, 2 * width, 4 * width, 8 * width]
        flow = width // 2
        pairs = itertools.pairwise(channels)
        self.encoder = nn.ModuleList(conv(a, b, neurons, stride=2) for a, b in pairs)
        deep = channels[-1]
        self.blocks = nn.ModuleList(
            nn.Sequential(conv(deep, deep, neurons), conv(deep, deep, neurons)) for _ in range(2)
        )
        self.joins = nn.ModuleList(Iand() for _ in range(2))
        ups = (2 * width, width, 4)
        joined = [deep, *(up + skip + flow for up, skip in zip(ups, channels[3:0:-1], strict=True))]
        self.ups = nn.ModuleList(
            upsampling(a, b, neurons) for a, b in zip(joined[:-1], ups, strict=True)
        )
        self.flows = nn.ModuleList(upsampling(a, flow, neurons) for a in joined)
        self.prediction = nn.Conv2d(flow, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        s = x
        for layer in self.encoder:
            s = layer(s)
            skips.append(s)
        for block, join in zip(self.blocks, self.joins, strict=True):
            s = join(block(s), s)
        *flows, last = self.flows
        for up, flow, skip in zip(self.ups, flows, skips[2::-1], strict=True):
            s = torch.cat([skip, up(s), flow(s)], dim=1)
        return self.prediction(last(s))  # type: ignore[no-any-return]


class SpikingVgg(nn.Module):
    """Images of 100 classes, 10 time steps of ``3 x 32 x 32``: 13 convolutions, 3 linear layers."""

    def __init__(
        self, size: int = 32, width: int = 64, classes: int = 100, neurons: Neurons = leaky
    ) -> None:
        super().__init__()
        plan = [1, 1, 0, 2, 2, 0, 4, 4, 4, 0, 8, 8, 8, 0, 8, 8, 8]
        layers: list[nn.Module] = []
        channels = 3
        for factor in plan:
            layers.append(conv(channels, factor * width, neurons) if factor else nn.MaxPool2d(2))
            channels = factor * width or channels
        self.features = nn.Sequential(*layers, nn.Flatten())
        hidden = 64 * width
        flat = channels * (size // 16) ** 2
        self.classifier = nn.Sequential(
            *linear(flat, hidden, neurons),
            *linear(hidden, hidden, neurons),
            nn.Linear(hidden, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))  # type: ignore[no-any-return]


def linear(inputs: int, outputs: int, neurons: Neurons) -> Iterable[nn.Module]:
    """Return a linear layer with batch norm and neurons."""
    return nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), neurons()


class _Residual(nn.Module):
    """Two convolutions whose sum with the shortcut drives the last neurons."""

    def __init__(self, inputs: int, outputs: int, stride: int, neurons: Neurons) -> None:
        super().__init__()
        self.first = conv(inputs, outputs, neurons, stride=stride)
        self.second = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)
        )
        self.shortcut = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
        )
        self.fire = neurons()

    def forward(self, x: Tensor) -> Tensor:
        return self.fire(self.second(self.first(x)) + self.shortcut(x))  # type: ignore[no-any-return]


class SpikingResNet(nn.Module):
    """Images of 100 classes: a stem of three convolutions, residual blocks of 64 to 512 channels.

    ResNet-20-like with the linear layer of the published table (2048 inputs at size 32); the number
    of blocks is not published. Shortcuts are 1x1 convolutions that join before the neurons.
    """

    def __init__(
        self, size: int = 32, width: int = 64, classes: int = 100, neurons: Neurons = leaky
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            conv(3, width, neurons), conv(width, width, neurons), conv(width, width, neurons)
        )
        layers: list[nn.Module] = []
        channels = width
        for factor, stride in ((1, 2), (1, 1), (2, 2), (2, 1), (4, 2), (4, 1), (8, 2), (8, 1)):
            layers.append(_Residual(channels, factor * width, stride, neurons))
            channels = factor * width
        self.blocks = nn.Sequential(*layers, nn.Flatten())
        self.last = nn.Linear(channels * (size // 16) ** 2, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.blocks(self.stem(x)))  # type: ignore[no-any-return]
