"""The networks of the reference design (arXiv 2211.02167), with random 4-bit weights.

They have the published topologies, so the crossbars they take and the time and energy they need are
those of the trained networks; what they compute means nothing. NumPy alone: no training framework.

``python -m benchmarks.paper_networks DVSNet dvsnet.onnx`` writes one of them as a file.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from mapper.exchange.export import export
from mapper.frontend import Imported
from mapper.ir.builder import GraphBuilder
from mapper.ir.core import SPIKE, Const, Graph, Value
from mapper.ir.windows import Window

THRESHOLD = 0.6  # where the reference starts to learn it
LEAK = 0.75


class _Network(GraphBuilder):
    """A network of the reference; every layer with weights returns the spikes it fires."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.rng = np.random.Generator(np.random.SFC64(seed))

    def conv(self, x: Value, outputs: int, stride: int = 1) -> Value:
        name = self.numbered("conv")
        weight = self._drawn(name, outputs, x.shape[0], 3, 3)
        sides = {"stride": (stride, stride), "padding": (1, 1, 1, 1)}
        return self._fire(self.conv2d(x, weight, name=f"{name}.y", loc=name, **sides), name)

    def upsample(self, x: Value, outputs: int) -> Value:
        """Twice the height and the width, by a 4x4 transposed convolution."""
        name = self.numbered("up")
        weight = self._drawn(name, x.shape[0], outputs, 4, 4)
        sides = {"stride": (2, 2), "padding": (1, 1, 1, 1)}
        y = self.conv_transpose2d(x, weight, name=f"{name}.y", loc=name, **sides)
        return self._fire(y, name)

    def dense(self, x: Value, outputs: int) -> Value:
        name = self.numbered("fc")
        flat = self.flatten(x, name=f"{name}.x")
        weight = self._drawn(name, outputs, flat.shape[0])
        return self._fire(self.linear(flat, weight, name=f"{name}.y", loc=name), name)

    def pool(self, x: Value) -> Value:
        window = Window(kernel=(2, 2), stride=(2, 2))
        return self.max_pool2d(x, window, name=self.numbered("pool"))

    def finished(self, name: str, x: Value, output: Value) -> Graph:
        self.name = name
        self.inputs.append(x)
        return self.graph(output)

    def _drawn(self, name: str, *shape: int) -> Const:
        """Draw the 16 numbers that 4 bits tell apart, all alike; scaled to fire now and then."""
        fan_in = max(1, int(np.prod(shape[1:])))
        drawn = self.rng.integers(-8, 8, shape, np.int8)
        return self.constant(f"{name}.w", drawn * np.float32(2.0**-3 / np.sqrt(fan_in)))

    def _fire(self, y: Value, name: str) -> Value:
        return self.neurons(y, leak=LEAK, threshold=THRESHOLD, name=name)


def _started(seed: int, *shape: int) -> tuple[_Network, Value]:
    return _Network(seed), Value("x", SPIKE, shape)


def dvsnet(size: int = 64, seed: int = 0) -> Graph:
    """DVS128 Gesture, 11 classes; 20 time steps of 2 x size x size (size: a multiple of 32).

    A convolution, five blocks ``(1 - f(x)) * x`` of two convolutions each with a max-pool, and a
    linear layer.
    """
    net, x = _started(seed, 2, size, size)
    s = net.conv(x, 32)
    for _ in range(5):
        s = net.pool(net.merge("iand", net.conv(net.conv(s, 32), 32), s))
    return net.finished("DVSNet", x, net.dense(s, 11))


def fireflownet(size: int = 256, seed: int = 0) -> Graph:
    """MVSEC optical flow, 5 time steps of 4 x size x size: seven convolutions.

    The 1x1 prediction of the flow is left out, as in the published counts of weights and crossbars.
    """
    net, s = _started(seed, 4, size, size)
    x = s
    for _ in range(7):
        s = net.conv(s, 32)
    return net.finished("FireFlowNet", x, s)


def spike_flownet(size: int = 256, seed: int = 0) -> Graph:
    """Spiking SFN, MVSEC optical flow, 5 time steps of 4 x size x size (a multiple of 16).

    Four strided convolutions, two residual blocks of two, three transposed convolutions with skip
    connections, and a transposed convolution for the flow at each of four scales. The sum of a
    residual block is of spikes, which the published chip leaves open: here ``x`` where ``f(x)``
    is silent, a gate as in DVSNet.
    """
    net, x = _started(seed, 4, size, size)
    skips, s = [], x
    for channels in (64, 128, 256, 512):
        s = net.conv(s, channels, stride=2)
        skips.append(s)
    for _ in range(2):
        s = net.merge("iand", net.conv(net.conv(s, 512), 512), s)
    for channels, skip in ((128, skips[2]), (64, skips[1]), (4, skips[0])):
        s = net.concat(skip, net.upsample(s, channels), net.upsample(s, 32))
    return net.finished("SFN", x, net.upsample(s, 32))


def spiking_vgg(size: int = 32, seed: int = 0) -> Graph:
    """Images of 100 classes, 10 time steps of 3 x size x size; 13 convolutions, 3 linear layers."""
    net, x = _started(seed, 3, size, size)
    s = x
    for channels in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512):
        s = net.conv(s, channels) if channels else net.pool(s)
    for outputs in (4096, 4096, 100):
        s = net.dense(s, outputs)
    return net.finished("SNN_VGG", x, s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One network of the reference, at the size it was run."""

    make: Callable[[int], Graph]
    size: int
    steps: int
    """Time steps of an inference."""

    def graph(self, size: int | None = None) -> Graph:
        """Build the network, at the published size unless another one is named."""
        return self.make(size or self.size)


REFERENCES: Mapping[str, Reference] = MappingProxyType(
    {
        "DVSNet": Reference(make=dvsnet, size=64, steps=20),
        "FireFlowNet": Reference(make=fireflownet, size=256, steps=5),
        "SFN": Reference(make=spike_flownet, size=256, steps=5),
        "SNN_VGG": Reference(make=spiking_vgg, size=32, steps=10),
    }
)


def write(arguments: Sequence[str] | None = None) -> None:
    """Write a network at its published size, in canonical form."""
    parser = argparse.ArgumentParser(description="Write a network of the reference design.")
    parser.add_argument("network", choices=REFERENCES)
    parser.add_argument("output", type=Path, help="file, .onnx")
    given = parser.parse_args(arguments)
    graph = REFERENCES[given.network].graph()
    made = Imported(graph=graph, time_form="step", producer="", opset=None, ports=())
    export(made, given.output)


if __name__ == "__main__":
    write()
